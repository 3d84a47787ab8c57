"""What somebody wrote and a cut left out, as texts to show to them and to write once more.

Honest work is never silently dropped: the envelopes are still here, and what they said is read by laying
them on a copy of what counts, with whatever of others they were built on. Nothing of the thread changes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pycrdt
from pycrdt._base import BaseType

from crdt.chains import Link
from crdt.comments import Comment, read_comment
from crdt.content import Message, messages, read_message
from crdt.entries import root
from crdt.errors import PeerFault
from crdt.lane import ROOTS, Quarantined
from crdt.left_out import Reason
from crdt.permissions import SINGLE_WRITER, Lane, LaneKind
from crdt.replica import Replica
from crdt.touched import Touched

VALUES: Final = "meta"  # the root map of `shared` whose values are shown


@dataclass(frozen=True, slots=True)
class Draft:
    """Something that was written, and is shown to nobody else.

    `form` is message, comment, text or value; `name` its id, or the name of the text or value in `shared`. `text` is
    what was said: of a text in `shared` the author's own words, piece by piece, without what others had written around
    them. `content` has all of a message or a comment.
    """

    form: str
    name: str
    device: bytes
    text: str
    reason: Reason
    content: Message | Comment | None = None


def drafts(replica: Replica, devices: Iterable[bytes] | None = None) -> list[Draft]:
    """What these devices wrote (without any: the author's own) and was left out, lane by lane.

    Ask a replica that is not `stale`: RuntimeError else, for it still shows what no longer counts.
    """
    if replica.stale:
        raise RuntimeError("a stale replica doesn't tell what counts")
    if devices is None:
        devices = [replica.author.device.id] if replica.author else []
    of, reasons = set(devices), replica.left_out()
    lanes: dict[tuple[Lane, bytes], list[Link]] = {}
    for identifier in reasons:
        link = replica.chains.get(identifier)
        if link is not None and link.header.device in of and link.lane.kind is not LaneKind.OUTPUT:  # no document
            lanes.setdefault((link.lane, link.header.device), []).append(link)
    found: list[Draft] = []
    for (lane, device), links in sorted(lanes.items(), key=lambda each: each[0]):
        reason = min((reasons[link.id] for link in links), key=list(Reason).index)
        found += _Retelling(replica, lane, device, links, reason).drafts()
    return found


class _Retelling:
    """One lane as it would read with one device's left-out envelopes in it."""

    def __init__(self, replica: Replica, lane: Lane, device: bytes, links: list[Link], reason: Reason) -> None:
        self._replica, self._lane, self._device, self._reason = replica, lane, device, reason
        self._accepted = replica.document(lane)
        self._copy = self._accepted.copy()
        self._links = _in_order(replica, links)

    def drafts(self) -> list[Draft]:
        match self._lane.kind:
            case LaneKind.TIMELINE:
                return self._entries("message", messages(self._copy.doc), read_message)
            case LaneKind.COMMENTS:
                return self._entries("comment", root(self._copy.doc, "comments"), read_comment)
            case LaneKind.SHARED:
                return self._shared()
            case _:
                return []  # decisions and output are of their moment: nobody writes them once more

    def _entries(self, form: str, entries: "pycrdt.Map[Any]", read: Any) -> list[Draft]:
        touched = Touched()
        touched.of(self._lane, entries)
        for link in self._links:
            self._lay(link)
        found: list[Draft] = []
        for name in sorted(touched.of(self._lane, entries)):
            now = read(self._copy.doc, self._device, name)
            if now is not None and now.text and now != read(self._accepted.doc, self._device, name):
                found.append(Draft(form, name, self._device, now.text, self._reason, now))
        return sorted(found, key=lambda draft: draft.content.place if draft.content else (0, b"", ""))

    def _shared(self) -> list[Draft]:
        doc = self._copy.doc
        texts = {name: _OwnWords(doc.get(name, type=pycrdt.Text)) for name in ROOTS[LaneKind.SHARED]}
        values: pycrdt.Map[Any] = doc.get(VALUES, type=pycrdt.Map)
        own: dict[str, str] = {}
        for link in self._links:
            before = dict(_plain(values))
            is_own = link.header.device == self._device
            for text in texts.values():
                text.is_own = is_own
            if self._lay(link) and is_own:
                own |= {name: value for name, value in _plain(values) if before.get(name) != value}
        made = [("text", name, words.pieces()) for name, words in texts.items()]
        made += [("value", f"{VALUES}/{name}", value) for name, value in sorted(own.items())]
        return [Draft(form, name, self._device, text, self._reason) for form, name, text in made if text]

    def _lay(self, link: Link) -> bool:
        """Put one envelope on top; False if it doesn't fit, such as the twin of one that counts."""
        named = (self._replica.chains.get(identifier) for identifier in link.header.seen)
        seen = [each for each in named if each is not None and each.lane == link.lane]
        try:
            self._copy.admit(link, seen, link.update or b"")
            self._copy.apply(link.update or b"")
        except (PeerFault, Quarantined):
            return False
        return True


def _in_order(replica: Replica, links: list[Link]) -> list[Link]:
    """These and all that they were built on and that isn't applied either, what comes first before what follows."""
    placed: dict[bytes, Link] = {}
    todo = [(link, False) for link in reversed(links)]
    while todo:
        link, has_past = todo.pop()
        if link.state != Link.WAITING or link.id in placed:
            continue
        if has_past:
            placed[link.id] = link
            continue
        todo.append((link, True))
        todo += [(earlier, False) for earlier in _before(replica, link)]
    return list(placed.values())


def _before(replica: Replica, link: Link) -> Iterator[Link]:
    if link.parent is not None:
        yield link.parent
        if link.lane.kind in SINGLE_WRITER:
            return
    for identifier in link.header.seen:
        named = replica.chains.get(identifier)
        if named is not None and named.lane == link.lane:
            yield named


def _plain(values: "pycrdt.Map[Any]") -> Iterator[tuple[str, str]]:
    return (
        (name, value) for name, value in values.items() if isinstance(value, str) and not isinstance(value, BaseType)
    )


class _OwnWords:
    """Which bytes of a shared text are the author's own, kept up as the text changes. `is_own`: whose turn it is."""

    def __init__(self, text: "pycrdt.Text") -> None:
        self.is_own = False
        self._text = text
        self._own = bytearray(len(str(text).encode()))
        text.observe(self._changed)

    def _changed(self, event: Any) -> None:
        at = 0
        for step in event.delta:
            if "retain" in step:
                at += step["retain"]
            elif "delete" in step:
                del self._own[at : at + step["delete"]]
            else:
                inserted = len(str(step["insert"]).encode())
                self._own[at:at] = bytes([self.is_own]) * inserted
                at += inserted

    def pieces(self) -> str:
        """The author's words, a line for each piece; all of the text if it is not clear which they are."""
        data = str(self._text).encode()
        if len(data) != len(self._own):
            return data.decode()
        found, start = [], 0
        while (start := self._own.find(1, start)) >= 0:
            end = self._own.find(0, start)
            end = len(data) if end < 0 else end
            found.append(data[start:end].decode(errors="ignore"))
            start = end
        return "\n".join(found)
