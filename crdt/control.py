"""Who drives a thread or a terminal: exactly one person, as of what all lanes hold.

Whoever *runs* a target drives it at first: of a thread its owner, of a terminal the person on whose device it runs.
They say who drives; the thread's owner can besides give any terminal back to whoever runs it. Who drives can hand
it on. Requests stand in the lanes of comments, everything else in those of decisions (`control_words`).

The last word of those who run the target decides, and what was handed on under it. So nobody can hand on what they
do not have, nor what they had before somebody took it back. A word, and a hand-over, holds while the person may
edit and has not been restricted since: whoever gets the right back does not get control back with it. Where
something on the way does not hold, control is with whoever runs the target.

What is shown is a function of the accepted envelopes: the same on every peer, in whatever order they came.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import msgspec
import pycrdt
from msgspec import Struct

from crdt.comments import MAX_REQUESTS, Request, read_request
from crdt.control_words import (
    MAX_AFTER,
    MAX_HANDOVERS,
    MAX_TYPING,
    MAX_WORDS,
    ROOTS,
    HandOver,
    Typing,
    Word,
    read_handover,
    read_typing,
    read_word,
)
from crdt.entries import root
from crdt.first_entries import FirstEntries
from crdt.ids import DeviceId, IdentityId
from crdt.last_words import after, last
from crdt.order import next_key
from crdt.permissions import Lane, LaneKind, Role
from crdt.replica import Replica
from crdt.touched import Touched

NOBODY: Final = IdentityId(bytes(32))  # of a thread whose genesis is not here


class Asked(Struct, frozen=True):
    """A request that stands."""

    identity: IdentityId
    request: Request


class State(Struct, frozen=True):
    """Who drives a target, since when (Unix ms, as its author says; None: from the beginning), who may type
    besides, and who asks. `under` is what a hand-over by the driver names."""

    target: str
    driver: IdentityId
    under: str
    since: int | None
    typing: tuple[IdentityId, ...]
    asked: tuple[Asked, ...]


class Helm:
    """Control in a replica. Make a new one when the replica is made anew."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._lanes: dict[Lane, _Decisions] = {}
        self._requests: dict[Lane, FirstEntries[Request]] = {}
        self._touched = {name: Touched() for name in (*ROOTS, "requests")}
        # By target, and of hand-overs by what they are under: a state costs no look at what concerns other targets.
        self._given: dict[tuple[str, str], list[HandOver]] | None = None
        self._requested: dict[str, list[Request]] | None = None
        self.refresh(list(replica.lanes))

    def refresh(self, lanes: Iterable[Lane]) -> bool:
        """Read what changed in these lanes. Whether anything in them is otherwise than it was."""
        changed = False
        for lane in lanes:
            if lane.kind is LaneKind.DECISIONS:
                changed |= self._refresh_decisions(lane)
            elif lane.kind is LaneKind.COMMENTS:
                changed |= self._refresh_requests(lane)
        if changed:
            self._given = self._requested = None
        return changed

    def _refresh_decisions(self, lane: Lane) -> bool:
        doc = self.replica.document(lane).doc
        if lane not in self._lanes:
            self._lanes[lane] = _Decisions(doc, lane.owner)
        entries = self._lanes[lane]
        touched = {name: self._touched[name].of(lane, root(doc, name)) for name in ROOTS}
        with doc.transaction():  # one for all that is read: each costs more than the reading
            words = entries.words.refresh(touched["control"])
            handovers = entries.handovers.refresh(touched["handovers"])
            typing = entries.typing.refresh(touched["typing"])
        return bool(words or handovers or typing)

    def _refresh_requests(self, lane: Lane) -> bool:
        doc = self.replica.document(lane).doc
        if lane not in self._requests:
            read = partial(read_request, doc, lane.owner)
            self._requests[lane] = FirstEntries[Request](MAX_REQUESTS, read, _key)
        touched = self._touched["requests"].of(lane, root(doc, "requests"))
        return bool(self._requests[lane].refresh(touched))

    # ---- who drives

    def state(self, target: str = "", host: IdentityId | None = None) -> State:
        """Who drives the thread (""), or a terminal that runs on a device of `host`."""
        owner = self.replica.membership.owner or NOBODY
        runs = host or owner
        word = self._last_word(target, runs, owner)
        under, driver, since = "", runs, None
        if word is not None:
            under, since = word.id, word.at
            if word.to is not None and self._holds(word.to, word.restricted, runs):
                driver = word.to
            elif word.to is not None:
                return self._state(target, self._fallback(runs, owner), under, since)
        return self._followed(target, driver, under, since, runs, owner)

    def _followed(
        self, target: str, driver: IdentityId, under: str, since: int | None, runs: IdentityId, owner: IdentityId
    ) -> State:
        """Through the hand-overs. Who hands the same thing to two people has handed it to neither."""
        root_id, at = under, {under}
        passed = set(at)
        holding: dict[tuple[IdentityId, int], bool] = {}  # a chain has few people, however long it is
        while True:
            given = [each for name in at for each in self._handed(target, name) if self._who(each.device) == driver]
            if not given:
                break
            people = {each.to for each in given}
            at = {each.id for each in given}
            for each in given:
                if (each.to, each.restricted) not in holding:
                    holding[each.to, each.restricted] = self._holds(each.to, each.restricted, runs)
            holds = len(people) == 1 and all(holding[each.to, each.restricted] for each in given)
            if not holds or at & passed:
                return self._state(target, self._fallback(runs, owner), root_id, since)
            passed |= at
            driver, under, since = given[0].to, min(at), min(each.at for each in given)
        if not self._may_drive(driver, runs):
            driver = self._fallback(runs, owner)
        return self._state(target, driver, under, since)

    def _state(self, target: str, driver: IdentityId, under: str, since: int | None) -> State:
        typing = tuple(sorted(each for each in self.typists() if each != driver))
        return State(target, driver, under, since, typing, tuple(self._asked(target, driver)))

    def _fallback(self, runs: IdentityId, owner: IdentityId) -> IdentityId:
        """Whoever runs it, or the owner, should they have lost the right."""
        return runs if self._may_drive(runs, runs) else owner

    def _may_drive(self, identity: IdentityId, runs: IdentityId) -> bool:
        if self.replica.membership.role(identity) < Role.EDITOR:
            return False
        return identity == runs or identity not in self.typists()  # who only types does not drive

    def _holds(self, identity: IdentityId, restricted: int, runs: IdentityId) -> bool:
        return self._may_drive(identity, runs) and restricted == self.restrictions(identity)

    def restrictions(self, identity: IdentityId) -> int:
        """How often somebody lost the right to edit, as of all records: what a word on them has to name."""
        limits = self.replica.membership.limits
        return sum(each.device is None and each.identity == identity and each.cap < Role.EDITOR for each in limits)

    def _last_word(self, target: str, runs: IdentityId, owner: IdentityId) -> Word | None:
        found = []
        for lane in self._lanes.values():
            word, who = lane.words.shown.get("/" + target), self._who(lane.device)
            if word is not None and who == runs:
                found.append(word)
            elif word is not None and who == owner:
                # The owner may take a terminal from somebody, but not command the machine that it runs on.
                found.append(msgspec.structs.replace(word, to=None))
        # Taking back beats what was said in ignorance of it.
        return max(last(found), key=lambda each: (each.to is None, each.key, each.device), default=None)

    def _handed(self, target: str, under: str) -> list[HandOver]:
        if self._given is None:
            self._given = {}
            for lane in self._lanes.values():
                for each in lane.handovers.shown.values():
                    self._given.setdefault((each.target, each.under), []).append(each)
        return self._given.get((target, under), [])

    def _who(self, device: bytes) -> IdentityId | None:
        return self.replica.membership.identity_of.get(DeviceId(device))

    def typists(self) -> set[IdentityId]:
        """Who may type though somebody else drives: the owner's last word on each, while they may edit."""
        membership = self.replica.membership
        words: dict[IdentityId, list[Typing]] = {}
        for lane in self._lanes.values():
            if self._who(lane.device) == membership.owner:
                for each in lane.typing.shown.values():
                    words.setdefault(each.of, []).append(each)
        found = set()
        for identity, said in words.items():
            word = max(last(said), key=lambda each: (not each.allowed, each.key, each.device))
            if word.allowed and membership.role(identity) >= Role.EDITOR:
                found.add(identity)
        return found

    def _asked(self, target: str, driver: IdentityId) -> list[Asked]:
        """The requests that stand, in order; a person asks once, however often."""
        if self._requested is None:
            self._requested = {}
            for each in (each for lane in self._requests.values() for each in lane.shown.values()):
                self._requested.setdefault(each.target, []).append(each)
        found: dict[IdentityId, Asked] = {}
        for each in sorted(self._requested.get(target, ()), key=lambda each: each.place):
            who = self._who(each.device)
            if each.withdrawn is not None or who is None or who == driver:
                continue
            if self.replica.membership.role(who) >= Role.COMMENTER:
                found.setdefault(who, Asked(who, each))
        return list(found.values())

    def own_requests(self, device: bytes, target: str) -> list[Request]:
        """A device's requests that stand, also while it drives."""
        lanes = [shown.shown.values() for lane, shown in self._requests.items() if lane.owner == device]
        return [each for lane in lanes for each in lane if each.target == target and each.withdrawn is None]

    def answered_requests(self, device: bytes) -> list[str]:
        """The ids of a device's requests that stand no more, the oldest first."""
        lanes = [shown.shown.values() for lane, shown in self._requests.items() if lane.owner == device]
        spent = [each for lane in lanes for each in lane if each.withdrawn is not None]
        return [each.id for each in sorted(spent, key=lambda each: each.place)]

    def targets(self) -> list[str]:
        """Everything that anybody spoke of, the thread first."""
        words = {word.target for lane in self._lanes.values() for word in lane.words.shown.values()}
        asked = {each.target for lane in self._requests.values() for each in lane.shown.values()}
        handed = {each.target for lane in self._lanes.values() for each in lane.handovers.shown.values()}
        return sorted({"", *words, *asked, *handed})

    # ---- what to say next

    def next_word(self, target: str, to: IdentityId | None, device: bytes, name: str, now_ms: int) -> Word:
        """The word of a device that has the last say, after all that are here. `name` has to be random."""
        others = [lane.words.shown.get("/" + target) for lane in self._lanes.values() if lane.device != device]
        known = after([each for each in others if each is not None], MAX_AFTER)
        restricted = self.restrictions(to) if to is not None else 0
        return Word(target, device, name, now_ms, self.next_key(now_ms), to, known, restricted)

    def next_handover(self, state: State, to: IdentityId, device: bytes, name: str, now_ms: int) -> HandOver:
        """The driver's passing it on. `name` has to be random."""
        key, restricted = self.next_key(now_ms), self.restrictions(to)
        return HandOver(name, device, state.target, to, now_ms, key, state.under, restricted)

    def next_typing(self, of: IdentityId, allowed: bool, device: bytes, name: str, now_ms: int) -> Typing:
        """The owner's word on whether somebody may type, after all that are here."""
        said = [each for lane in self._lanes.values() if lane.device != device for each in lane.typing.shown.values()]
        known = after([each for each in said if each.of == of], MAX_AFTER)
        return Typing(of, device, allowed, name, now_ms, self.next_key(now_ms), known)

    def spent(self, device: bytes) -> list[str]:
        """A device's hand-overs under words that are not the last any more: they lead nowhere, whatever comes."""
        words = {word.id for lane in self._lanes.values() for word in lane.words.shown.values()}
        under: dict[str, list[HandOver]] = {}
        for lane in self._lanes.values():
            for each in lane.handovers.shown.values():
                under.setdefault(each.under, []).append(each)
        todo, alive = [*words, ""], set()
        while todo:
            name = todo.pop()
            if name not in alive:
                alive.add(name)
                todo += [each.id for each in under.get(name, ())]
        spent = [each for name, found in under.items() if name not in alive for each in found]
        return sorted(each.id for each in spent if each.device == device)

    def next_key(self, now_ms: int) -> int:
        """The key of what is written now."""
        lanes = self._lanes.values()
        said: list[Word | HandOver | Typing] = [each for lane in lanes for each in lane.words.shown.values()]
        said += [each for lane in lanes for each in lane.handovers.shown.values()]
        said += [each for lane in lanes for each in lane.typing.shown.values()]
        keys = [each.key for each in said]
        keys += [each.key for lane in self._requests.values() for each in lane.shown.values()]
        return next_key(now_ms, sorted(keys))


class _Decisions:
    """What is shown of one lane."""

    def __init__(self, doc: "pycrdt.Doc[Any]", device: bytes) -> None:
        self.device = device
        self.words = FirstEntries[Word](MAX_WORDS, partial(read_word, doc, device), _key)
        self.handovers = FirstEntries[HandOver](MAX_HANDOVERS, partial(read_handover, doc, device), _key)
        self.typing = FirstEntries[Typing](MAX_TYPING, partial(read_typing, doc, device), _key)


def _key(entry: Word | HandOver | Typing | Request) -> int:
    return entry.key
