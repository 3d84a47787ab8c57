"""A thread as its readers see it: the messages of all timelines in one order, title, runs.

Kept up to date lane by lane: after a receipt, `refresh` reads again only the messages that changed.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import pycrdt
from pycrdt._base import BaseType

from crdt.content import Message, messages, read_leases, read_message, read_stops, runs
from crdt.ids import DeviceId
from crdt.numbers import in_reach
from crdt.order import AHEAD_MS, next_key
from crdt.permissions import Lane, LaneKind
from crdt.replica import Replica
from crdt.run_accounts import Run, RunAccounts
from crdt.touched import Touched

SHARED = Lane(LaneKind.SHARED)
MAX_TAGS: Final = 64  # that are shown
MAX_TAG_CHARACTERS: Final = 64


class Change(NamedTuple):
    """A message that is new (`before` is None) or different."""

    before: Message | None
    now: Message


class Thread:
    """The readable side of a replica."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._known: dict[tuple[bytes, str], Message] = {}
        self._devices: dict[str, set[bytes]] = {}  # message id → the devices that use it: one, if all are honest
        self._order: list[tuple[int, bytes, str]] = []
        self._runs = RunAccounts()
        self._changed_runs: dict[str, None] = {}
        self._touched_messages, self._touched_runs = Touched(), Touched()
        self.refresh(list(replica.lanes))
        self._changed_runs.clear()

    def refresh(self, lanes: Iterable[Lane]) -> list[Change]:
        """Read what changed in these lanes. Returns the messages that are new or different, in order."""
        changed: list[Change] = []
        for lane in lanes:
            if lane.kind is LaneKind.TIMELINE:
                changed += self._refresh_timeline(lane)
        return sorted(changed, key=lambda change: change.now.place)

    def _refresh_timeline(self, lane: Lane) -> list[Change]:
        document = self.replica.document(lane)
        found = []
        for identifier in self._touched_messages.of(lane, messages(document.doc)):
            message = read_message(document.doc, lane.owner, identifier)
            before = self._known.get((lane.owner, identifier))
            if message is not None and message != before:
                self._take(message, before)
                found.append(Change(before, message))
            elif message is None and before is not None:
                self._drop(before)
        touched = self._touched_runs.of(lane, runs(document.doc))
        self._changed_runs |= dict.fromkeys(self._runs.update(lane, document.doc, touched))
        return found

    def _take(self, message: Message, before: Message | None) -> None:
        """Two devices may use one id: each has its own message, for nobody may hide what another wrote."""
        if before is None or before.place != message.place:
            if before is not None:
                self._order.remove(before.place)
            insort(self._order, message.place)
        self._known[message.device, message.id] = message
        self._devices.setdefault(message.id, set()).add(message.device)

    def _drop(self, message: Message) -> None:
        """Its author took it back, or made of it what is no message."""
        self._order.remove(message.place)
        del self._known[message.device, message.id]
        self._devices[message.id].discard(message.device)
        if not self._devices[message.id]:
            del self._devices[message.id]

    def messages(self) -> list[Message]:
        """All messages in the order shown."""
        return [self._known[device, identifier] for _, device, identifier in self._order]

    def message(self, identifier: str, device: bytes | None = None) -> Message | None:
        """One message by its id, of that device's. Anybody may use an id that they have seen elsewhere: name the device
        if it matters whose message it is. Without one it is the first in the order shown, on every peer."""
        devices = self._devices.get(identifier, set()) if device is None else {device}
        found = (self._known.get((each, identifier)) for each in devices)
        return min((each for each in found if each is not None), key=lambda each: each.place, default=None)

    def __len__(self) -> int:
        return len(self._order)

    @property
    def last(self) -> Message | None:
        """The message that is shown last."""
        return self._known[self._order[-1][1], self._order[-1][2]] if self._order else None

    def next_key(self, now_ms: int) -> int:
        """The key of a message that is written now, see `order`."""
        followed = bisect_right(self._order, now_ms + AHEAD_MS, key=lambda place: place[0])
        return next_key(now_ms, [place[0] for place in self._order[max(0, followed - 1) : followed]])

    def runs(self) -> Mapping[str, Run]:
        """All runs by id. One that several devices speak of is shown as the latest lease's device has it."""
        return self._runs.shown

    def changed_runs(self) -> list[str]:
        """The ids of the runs that have changed since this was asked last."""
        changed, self._changed_runs = list(self._changed_runs), {}
        return changed

    def leases(self) -> list[tuple[int, bytes]]:
        """(number, device) of the leases taken: each device writes its own. Those of devices that may write no longer
        hold nothing, and nobody has to outdo a number far beyond all others."""
        lanes = [each for each in self.replica.lanes.items() if each[0].kind is LaneKind.TIMELINE]
        taken: dict[int, list[bytes]] = {}
        for lane, document in lanes:
            for number in read_leases(document.doc):
                taken.setdefault(number, []).append(lane.owner)
        writers = {lane.owner for lane, _ in lanes if self.replica.membership.writes(DeviceId(lane.owner))}
        return [
            (number, device) for number, devices in in_reach(taken).items() for device in devices if device in writers
        ]

    def stops(self) -> set[str]:
        """The ids of the runs that anybody who may write here wants ended."""
        lanes = [each for each in self.replica.lanes.items() if each[0].kind is LaneKind.TIMELINE]
        return set().union(*(read_stops(document.doc) for _, document in lanes))

    def meta(self) -> dict[str, str]:
        """Title, project and the like: the texts in the shared document's `meta`."""
        return {name: value for name, value in shared_values(self.replica, "meta").items() if isinstance(value, str)}

    def tags(self) -> list[str]:
        """The tags, the first `MAX_TAGS` of them by their letters."""
        named = (name for name, value in shared_values(self.replica, "tags").items() if value is True)
        return sorted(tag for tag in named if 0 < len(tag) <= MAX_TAG_CHARACTERS)[:MAX_TAGS]


def shared_values(replica: Replica, root: str) -> dict[str, Any]:
    """The plain values of a root map of `shared`."""
    found = replica.document(SHARED).doc.get(root, type=pycrdt.Map)
    return {name: value for name, value in found.items() if not isinstance(value, BaseType)}


def set_shared(doc: "pycrdt.Doc[Any]", root: str, values: dict[str, Any]) -> None:
    """Set plain values in a root map of `shared`; None deletes."""
    target = doc.get(root, type=pycrdt.Map)
    for name, value in values.items():
        if value is None:
            if name in target:
                del target[name]
        elif target.get(name) != value:
            target[name] = value
