"""A text that several people type into, as this node's callers type into it: by places in the text each has seen.

A caller names the version it saw, or is known as a reader: then what it was last shown, or wrote last, is what it
speaks of. A whole text that is set is taken as what its writer did to the one they knew, so what others typed
meanwhile stays, though the writer has not seen it.
"""

from collections import OrderedDict
from typing import Any, Final, NamedTuple

from crdt import errors
from crdt.draft import SharedText
from crdt.ids import to_text
from crdt.replica import Replica
from crdt.text_change import Change, applied, behind, between, composed, moved, replacing

MAX_CHARACTERS: Final = 32_768  # of a text; what it takes at most in bytes fits into one envelope
MAX_READERS: Final = 64


class Reading(NamedTuple):
    """The text that a reader knows, and what has happened to it up to a version, unseen."""

    text: str
    unseen: Change
    version: int


class Edit(NamedTuple):
    """What is to be done to the text there is, and what the caller's text is then different in."""

    change: Change
    known: str
    unseen: Change
    cursor: int


class LiveText:
    """One shared text of an open thread."""

    def __init__(self, replica: Replica, name: str) -> None:
        assert replica.author is not None
        self.name = name
        self._shared = SharedText(replica, name)
        self._load = to_text(replica.author.session)[:8]  # counts begin anew with each replica
        self._readings: OrderedDict[str, Reading] = OrderedDict()
        self._readings[""] = Reading(self._shared.text, (), 0)

    @property
    def text(self) -> str:
        """What it says."""
        return self._shared.text

    @property
    def version(self) -> str:
        """A name for what it says now."""
        return f"{self._load}-{self._shared.version}"

    def refresh(self) -> dict[str, Any] | None:
        """Take in what has happened; the particulars of the event that tells it, if anything has."""
        before = self.version
        change = self._shared.refresh()
        return {"after": before, "version": self.version, "change": list(change)} if change else None

    def show(self, reader: str) -> None:
        """Note that a reader knows all of it now."""
        self._note(reader, Reading(self.text, (), self._shared.version))

    def setting(self, text: str, version: str | None, reader: str) -> Edit:
        """How to make it say this, as far as the caller can have meant it. Raises DRAFT_MOVED_ON or TOO_LARGE."""
        known, since = self._seen(version) if version is not None else self._read_by(reader)
        return self._edit(known, between(known, text), since, len(text))

    def editing(self, at: int, delete: int, insert: str, version: str | None) -> Edit:
        """How to put `insert` in place of `delete` characters from `at` on. Raises as `setting`, or REQUEST_INVALID."""
        known, since = self._seen(version)
        if at + delete > len(known):
            raise errors.REQUEST_INVALID(f"The text has only {len(known)} characters.", version=version)
        return self._edit(known, replacing(at, delete, insert), since, at + len(insert))

    def clearing(self, version: str | None) -> tuple[str, Change]:
        """What it said at a version, and how to remove that and nothing else."""
        known, since = self._seen(version)
        return known, behind(replacing(0, len(known), ""), since)

    def written(self, edit: Edit, reader: str) -> None:
        """Note what the writer of an edit knows once it is carried out."""
        self._note(reader, Reading(edit.known, edit.unseen, self._shared.version))

    def _edit(self, known: str, own: Change, since: Change, cursor: int) -> Edit:
        change = behind(own, since)
        _check(self.text, change)
        unseen = behind(since, own, before=False)
        return Edit(change, applied(known, own), unseen, moved(cursor, unseen))

    def _seen(self, version: str | None) -> tuple[str, Change]:
        """The text at a version (None: now) and what has happened since."""
        if version is None:
            return self.text, ()
        load, _, spelled = version.rpartition("-")
        number = int(spelled) if load == self._load and spelled.isdecimal() and len(spelled) < 16 else -1
        known, since = self._shared.at(number), self._shared.since(number)
        if known is None or since is None:
            raise errors.DRAFT_MOVED_ON(version=self.version)
        return known, since

    def _read_by(self, reader: str) -> tuple[str, Change]:
        """What a reader knows; of one who never looked, what was last shown or written here."""
        reading = self._readings.get(reader) or self._readings[""]
        later = self._shared.since(reading.version)
        since = composed(reading.unseen, later) if later is not None else between(reading.text, self.text)
        return reading.text, since

    def _note(self, reader: str, reading: Reading) -> None:
        for name in {reader, ""}:
            self._readings[name] = reading
            self._readings.move_to_end(name)
        if len(self._readings) > MAX_READERS:
            self._readings.popitem(last=False)


def _check(text: str, change: Change) -> None:
    after = applied(text, change)
    if len(after) > MAX_CHARACTERS and len(after) > len(text):
        raise errors.TOO_LARGE(f"That is longer than {MAX_CHARACTERS} characters.")
