"""The texts of the `shared` lane that several people type into: the draft and the notes.

What each writes travels as a Yjs text, so all that is typed at once stays. Here is what it takes to type into
one by places: which changes the text has gone through since somebody looked at it, so that what they do to the
text they saw can be carried out on the text there is.
"""

from collections import deque
from typing import Any, Final, NamedTuple

import pycrdt

from crdt.replica import Replica
from crdt.text_change import Change, applied, between, composed, inverse
from crdt.thread import SHARED

NAMES: Final = ("draft", "notes")
_HISTORY: Final = 4_096  # changes that are remembered; whoever looked before them looks again
_HISTORY_CHARACTERS: Final = 1_000_000  # in them, what was put in and what was dropped


class Step(NamedTuple):
    """One change the text has gone through, and the one that takes it back."""

    change: Change
    back: Change

    @property
    def size(self) -> int:
        """The characters in it."""
        return sum(len(each) for each in (*self.change, *self.back) if isinstance(each, str))


class SharedText:
    """One text of a replica, as its readers see it. Make a new one when the replica is made anew.

    `version` counts the changes since then.
    """

    def __init__(self, replica: Replica, name: str) -> None:
        assert name in NAMES
        self._shown = root(replica.document(SHARED).doc, name)
        self._noted: list[Any] = []
        # What the native library holds is out of the garbage collector's sight: it must not lead back to us.
        noted = self._noted
        self._observer = self._shown.observe(lambda event: _note(noted, event))
        self._steps: deque[Step] = deque()
        self._characters = 0
        self.text = str(self._shown)
        self.version = 0

    def refresh(self) -> Change:
        """Take in what has happened to the text. Returns that as one change; an empty one is none."""
        noted = list(self._noted)
        self._noted.clear()
        change: Change = ()
        before, now = self.text, str(self._shown) if noted else self.text
        for delta in noted:
            step = _read(before, delta)
            if step is None:
                break
            change, before = composed(change, step), applied(before, step)
        if before != now:  # somebody has put in what is no text, so that places can't be told from the events
            change = between(self.text, now)
        if change:
            self._keep(Step(change, inverse(self.text, change)))
            self.text = now
        return change

    def _keep(self, step: Step) -> None:
        self.version += 1
        self._steps.append(step)
        self._characters += step.size
        while len(self._steps) > _HISTORY or self._characters > _HISTORY_CHARACTERS:
            self._characters -= self._steps.popleft().size

    def since(self, version: int) -> Change | None:
        """What has happened since that version, as one change; None if that is not known any more."""
        if not self.version - len(self._steps) <= version <= self.version:
            return None
        change: Change = ()
        for step in self._newest(self.version - version):
            change = composed(change, step.change)
        return change

    def at(self, version: int) -> str | None:
        """The text as it was at that version; None if that is not known any more."""
        if not self.version - len(self._steps) <= version <= self.version:
            return None
        text = self.text
        for step in reversed(self._newest(self.version - version)):
            text = applied(text, step.back)
        return text

    def _newest(self, count: int) -> list[Step]:
        return list(self._steps)[len(self._steps) - count :]


def _note(noted: list[Any], event: Any) -> None:
    noted.append(event.delta)  # which is gone with the event


def root(doc: "pycrdt.Doc[Any]", name: str) -> pycrdt.Text:
    """One of the texts of a `shared` document."""
    found: pycrdt.Text = doc.get(name, type=pycrdt.Text)
    return found


def write(doc: "pycrdt.Doc[Any]", name: str, change: Change) -> None:
    """Carry a change out on the text that is there, for `Replica.commit` to run.

    Raises ValueError for a change that is none for that text, and for half a character; nothing is written then.
    """
    shown = root(doc, name)
    places = _places(shown)
    size = 0
    for step in change:
        if isinstance(step, str):
            step.encode()  # half a character is a ValueError here; in the native library it would be a panic
        else:
            size += abs(step)
    if size >= len(places):
        raise ValueError("a change beyond the end of its text")
    at = moved_by = 0
    for step in change:
        if isinstance(step, str):
            shown.insert(places[at] + moved_by, step)
            moved_by += len(step.encode())
        elif step > 0:
            at += step
        else:
            first, last = places[at], places[at - step]
            del shown[first + moved_by : last + moved_by]
            moved_by -= last - first
            at -= step


def _places(shown: pycrdt.Text) -> list[int]:
    """Where each character begins in the native library's count (bytes of UTF-8), and where the last one ends."""
    places, at = [], 0
    for piece, _ in shown.diff():
        if not isinstance(piece, str):
            at += 1  # what is no text is not shown, and counts as one
            continue
        for character in piece:
            places.append(at)
            at += len(character.encode())
    return [*places, at]


def _read(text: str, delta: list[dict[str, Any]]) -> Change | None:
    """An event of the native library as a change; None if it is about what is no text."""
    raw = text.encode()
    change: list[int | str] = []
    at = 0
    for each in delta:
        added, size = each.get("insert", ""), each.get("retain") or each.get("delete") or 0
        if not isinstance(added, str) or at + size > len(raw):
            return None
        if added:
            change.append(added)
            continue
        try:
            characters = len(raw[at : at + size].decode())
        except UnicodeDecodeError:  # the count was thrown off by what is no text
            return None
        change.append(characters if "retain" in each else -characters)
        at += size
    return tuple(change)
