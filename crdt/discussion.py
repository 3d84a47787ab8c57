"""What is said about a thread, as its readers see it: the comments of all lanes in one order, with their answers,
marks and reactions. Requests for control stand in the same lanes; `control` reads those.

Kept up to date lane by lane, as `thread` is. What is shown is a function of what the lanes hold: the same on every
peer that has the same envelopes, in whatever order they came.
"""

from collections.abc import Hashable, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import pycrdt

from crdt.comments import (
    MAX_AFTER,
    MAX_COMMENTS,
    MAX_MARKS,
    MAX_REACTIONS,
    MAX_SIGNS_EACH,
    Comment,
    Mark,
    Reaction,
    Reference,
    read_comment,
    read_mark,
    read_reaction,
)
from crdt.conversations import Conversation, arrange
from crdt.entries import root
from crdt.first_entries import FirstEntries, Shown
from crdt.ids import DeviceId, IdentityId
from crdt.last_words import after, last
from crdt.order import next_key
from crdt.permissions import Lane, LaneKind
from crdt.replica import Replica
from crdt.touched import Touched

__all__ = ["Changes", "Discussion", "Settled", "Shown"]

ROOTS = ("comments", "reactions", "marks")
Name = TypeVar("Name", bound=Hashable)
Inner = TypeVar("Inner", bound=Hashable)
Entry = TypeVar("Entry")


class Settled(NamedTuple):
    """A comment about which the last word is another one now. None: nobody has said anything."""

    on: Reference
    before: Mark | None
    now: Mark | None


class Changes(NamedTuple):
    """What is shown otherwise now. Of each entry before and after; what isn't there is None."""

    comments: list[Shown[Comment]]
    reactions: list[Shown[Reaction]]
    marks: list[Settled]

    def __bool__(self) -> bool:
        return any(self)


class Discussion:
    """The comments of a replica. Make a new one when the replica is made anew."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._touched = {name: Touched() for name in ROOTS}
        self._lanes: dict[Lane, _LaneEntries] = {}
        self._comments: dict[Reference, Comment] = {}
        self._reactions: dict[Reference, dict[tuple[bytes, str], Reaction]] = {}  # by device and sign
        self._marks: dict[Reference, dict[bytes, Mark]] = {}  # by device
        self._arranged: dict[Reference, list[Comment]] | None = None  # None: something has changed
        self._unresolved: int | None = None
        self._keys: list[int] | None = None
        self.refresh(list(replica.lanes))

    def refresh(self, lanes: Iterable[Lane]) -> Changes:
        """Read what changed in these lanes. Returns what is shown otherwise now, comments in their order."""
        changes = Changes([], [], [])
        before: dict[Reference, Mark | None] = {}
        for lane in sorted(lanes):
            if lane.kind is LaneKind.COMMENTS:
                self._refresh_lane(lane, changes, before)
        changes.comments.sort(key=_place)
        now = {on: self.mark(on) for on in before}
        changes.marks.extend(Settled(on, before[on], now[on]) for on in sorted(now) if now[on] != before[on])
        return changes

    def _refresh_lane(self, lane: Lane, changes: Changes, before: dict[Reference, Mark | None]) -> None:
        doc = self.replica.document(lane).doc
        if lane not in self._lanes:
            self._lanes[lane] = _LaneEntries(doc, lane.owner)
        entries = self._lanes[lane]
        touched = {name: each.of(lane, root(doc, name)) for name, each in self._touched.items()}
        with doc.transaction():  # one for all that is read: each costs more than the reading
            comments = entries.comments.refresh(touched["comments"])
            reactions = entries.reactions.refresh(touched["reactions"])
            marks = entries.marks.refresh(touched["marks"])
        for comment in comments:
            _keep(self._comments, Reference(lane.owner, comment.name), comment.now)
        for reaction in reactions:
            entry = reaction.entry
            _keep_in(self._reactions, entry.on, (entry.device, entry.sign), reaction.now)
        for mark in marks:
            before.setdefault(mark.entry.on, self.mark(mark.entry.on))
            _keep_in(self._marks, mark.entry.on, lane.owner, mark.now)
        self._arranged = None if comments else self._arranged
        self._unresolved = None if comments or marks else self._unresolved
        self._keys = None if comments or marks else self._keys
        changes.comments.extend(comments)
        changes.reactions.extend(reactions)

    # ---- comments

    def comments(self) -> list[Comment]:
        """All comments and answers by their keys, those that were taken back too, empty."""
        return sorted(self._comments.values(), key=lambda each: each.place)

    def comment(self, reference: Reference) -> Comment | None:
        """One comment; None if there is none of that name."""
        return self._comments.get(reference)

    def named(self, identifier: str) -> list[Comment]:
        """All comments of that id: devices may use the same one, and each has its own comment."""
        return [each for each in self.comments() if each.id == identifier]

    def conversations(self, message: str | None = None) -> list[Conversation]:
        """All conversations in order, without those of which everything was taken back; `message`: about that one."""
        found = [Conversation(each[0], tuple(each[1:]), self.mark(on)) for on, each in self._arrangement().items()]
        return [each for each in found if not each.is_gone and (message is None or _is_about(each.first, message))]

    def conversation(self, reference: Reference) -> Conversation | None:
        """The conversation that a comment is part of; None if there is no such comment."""
        for on, each in self._arrangement().items():
            if any(comment.reference == reference for comment in each):
                return Conversation(each[0], tuple(each[1:]), self.mark(on))
        return None

    @property
    def unresolved(self) -> int:
        """How many conversations are not settled."""
        if self._unresolved is None:
            self._unresolved = sum(not each.is_resolved for each in self.conversations())
        return self._unresolved

    def _arrangement(self) -> dict[Reference, list[Comment]]:
        if self._arranged is None:
            self._arranged = arrange(self._comments)
        return self._arranged

    # ---- what is said of them

    def mark(self, on: Reference) -> Mark | None:
        """The last word on a comment: the mark after which there is none; of several, or if each comes after another,
        that of the greatest key."""
        marks = last(self._marks.get(on, {}).values())
        return max(marks, key=lambda each: (each.key, each.device), default=None)

    def next_mark(self, on: Reference, resolved: bool, device: bytes, identifier: str, now_ms: int) -> Mark:
        """The mark that has the last word on a comment, after all that are here. `identifier` has to be random."""
        others = [each for each in self._marks.get(on, {}).values() if each.device != device]
        return Mark(on, device, resolved, now_ms, self.next_key(now_ms), identifier, after(others, MAX_AFTER))

    def reactions(self, on: Reference) -> dict[str, list[IdentityId]]:
        """Who reacted to a comment with which sign, most frequent first. A person counts once, on however many
        devices, and with no more than their first `MAX_SIGNS_EACH` signs."""
        comment, whose = self._comments.get(on), self.replica.membership.identity_of
        first: dict[IdentityId, dict[str, int]] = {}
        for each in self._reactions.get(on, {}).values() if comment and comment.deleted is None else ():
            if (identity := whose.get(DeviceId(each.device))) is not None:
                signs = first.setdefault(identity, {})
                signs[each.sign] = min(each.at, signs.get(each.sign, each.at))
        found: dict[str, list[IdentityId]] = {}
        for identity in sorted(first):
            signs = first[identity]
            for sign in sorted(signs, key=lambda each: (signs[each], each))[:MAX_SIGNS_EACH]:
                found.setdefault(sign, []).append(identity)
        return dict(sorted(found.items(), key=lambda each: (-len(each[1]), each[0])))

    def next_key(self, now_ms: int) -> int:
        """The key of what is written now: after everything here but keys too far ahead, see `order`."""
        if self._keys is None:
            keys = [each.key for marks in self._marks.values() for each in marks.values()]
            keys += [each.key for each in self._comments.values()]
            self._keys = sorted(keys)
        return next_key(now_ms, self._keys)


class _LaneEntries:
    """What is shown of one lane."""

    def __init__(self, doc: "pycrdt.Doc[Any]", device: bytes) -> None:
        self.comments = FirstEntries[Comment](MAX_COMMENTS, partial(read_comment, doc, device), _key)
        self.reactions = FirstEntries[Reaction](
            MAX_REACTIONS, partial(read_reaction, doc, device), lambda each: each.at
        )
        self.marks = FirstEntries[Mark](MAX_MARKS, partial(read_mark, doc, device), _key)


def _keep(kept: dict[Name, Entry], name: Name, entry: Entry | None) -> None:
    if entry is None:
        kept.pop(name, None)
    else:
        kept[name] = entry


def _keep_in(kept: dict[Name, dict[Inner, Entry]], name: Name, inner: Inner, entry: Entry | None) -> None:
    within = kept.setdefault(name, {})
    _keep(within, inner, entry)
    if not within:
        del kept[name]


def _is_about(comment: Comment, message: str) -> bool:
    return comment.anchor is not None and comment.anchor.message == message


def _place(change: Shown[Comment]) -> tuple[int, bytes, str]:
    return change.entry.place


def _key(entry: Comment | Mark) -> int:
    return entry.key
