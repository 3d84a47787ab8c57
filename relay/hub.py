"""Who listens to which room, and what is due to them.

A subscription is a cursor and nothing more: a reader that falls behind costs no queue. What is due
follows from the cursor alone, out of a short tail of recent frames or else out of the store.

Invariants:
1. `Room.last` is the newest *stored* cursor; frames reach the tail in cursor order, after the store.
2. A subscription's cursor moves only when the frames up to it have been handed to its connection.
3. A room is held while it has subscribers; a tail only while one of them is behind.
"""

from collections.abc import Iterator
from typing import Protocol

from crdt import wire
from relay.grants import Grant
from relay.ledger import Appended, RoomState
from relay.limits import Limits
from relay.store import Store

_ENCODED_BATCHES = 4  # of one room: readers in step share one encoding


class Listener(Protocol):
    """The connection as the hub sees it."""

    number: int

    def due(self, subscription: "Subscription") -> None:
        """Something is due to `subscription`: ask `Hub.next_batch` until it has caught up."""

    def hear(self, data: bytes) -> None:
        """Presence, encoded; may be dropped."""

    def call(self, message: wire.Called | wire.Rung) -> None:
        """Something is to be fetched; the same call may be heard once for several."""


class Subscription:
    """One connection's place in one room."""

    __slots__ = ("cursor", "grant", "is_due", "last_own", "listener", "request", "room")

    def __init__(self, room: "Room", listener: Listener, grant: Grant, request: int) -> None:
        self.room, self.listener, self.grant, self.request = room, listener, grant, request
        self.cursor = 0
        self.last_own = 0  # newest cursor that this very connection published
        self.is_due = False


class Room:
    """A room with subscribers. `tail` holds (frame, check, publishing connection) for the cursors up to `last`."""

    __slots__ = ("behind", "encoded", "generation", "key", "last", "last_check", "number", "subscriptions", "tail",
                 "tail_bytes")  # fmt: skip

    def __init__(self, key: bytes, state: RoomState) -> None:
        self.key, self.number, self.generation = key, state.number, state.generation
        self.last, self.last_check = state.last, state.last_check
        self.subscriptions: dict[int, Subscription] = {}
        self.behind = 0
        self.tail: list[tuple[bytes, bytes, int]] = []
        self.tail_bytes = 0
        self.encoded: dict[int, tuple[int, bytes]] = {}


class Hub:
    """All rooms that somebody listens to."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store, self._limits = store, limits
        self._tails_bytes = 0
        self.rooms: dict[bytes, Room] = {}
        self.delivered_frames = 0

    # ---- coming and going

    def subscribe(self, key: bytes, state: RoomState, listener: Listener, grant: Grant, request: int) -> Subscription:
        """Join; the subscription is due nothing until `start`. A connection's earlier one is replaced."""
        room = self.rooms.get(key)
        if room is None:
            room = self.rooms[key] = Room(key, state)
        earlier = room.subscriptions.get(listener.number)
        subscription = room.subscriptions[listener.number] = Subscription(room, listener, grant, request)
        if earlier is not None:
            subscription.last_own = earlier.last_own
            self._caught_up(earlier)
        return subscription

    def start(self, subscription: Subscription, cursor: int) -> None:
        """Deliver from `cursor` on."""
        subscription.cursor = cursor
        self._wake(subscription)

    def leave(self, subscription: Subscription) -> None:
        room = subscription.room
        if room.subscriptions.get(subscription.listener.number) is subscription:
            del room.subscriptions[subscription.listener.number]
        self._caught_up(subscription)
        if not room.subscriptions and self.rooms.get(room.key) is room:
            self._drop_tail(room)
            del self.rooms[room.key]

    def raise_generation(self, key: bytes, generation: int) -> list[Subscription]:
        """The room's generation rose: the subscriptions that end by it, already left."""
        room = self.rooms.get(key)
        if room is None:
            return []
        room.generation = max(room.generation, generation)
        ended = [each for each in room.subscriptions.values() if each.grant.generation < room.generation]
        for subscription in ended:
            self.leave(subscription)
        return ended

    # ---- frames

    def announce(self, key: bytes, stored: Appended, publisher: int) -> None:
        """Frames have been stored. Wakes whoever listens; what they get goes out in their own tick."""
        room = self.rooms.get(key)
        if room is None or stored.last <= room.last:
            return
        assert stored.after == room.last, "a gap between what is stored and what is announced"
        room.last = stored.last
        room.last_check = stored.batch
        self._extend_tail(room, stored, publisher)
        own = room.subscriptions.get(publisher)
        if own is not None:
            own.last_own = stored.last
        for subscription in room.subscriptions.values():
            self._wake(subscription)

    def whisper(self, key: bytes, payload: bytes, publisher: int) -> None:
        """Pass presence on to the room's other subscribers."""
        room = self.rooms[key]
        data = wire.encode(wire.Heard(key, payload))
        for subscription in room.subscriptions.values():
            if subscription.listener.number != publisher:
                subscription.listener.hear(data)

    def ring(self, key: bytes) -> None:
        """Mail came: tell those who may take it."""
        room = self.rooms.get(key)
        for subscription in room.subscriptions.values() if room else ():
            if subscription.grant.is_own:
                subscription.listener.call(wire.Rung(key))

    async def next_batch(self, subscription: Subscription) -> bytes | None:
        """The next `Deliver` for it, encoded, its cursor moved on; None when it has caught up or left."""
        room = subscription.room
        after = subscription.cursor
        if not subscription.is_due or after >= room.last:
            self._caught_up(subscription)
            return None
        start = room.last - len(room.tail)
        if after < start:
            page = await self._store.read(room.number, after, wire.MAX_BATCH_FRAMES, self._limits.deliver_bytes)
            assert page.frames, "the store lacks frames that it counted"
            if subscription.cursor != after:  # started, or left, while we read: what is due is another thing now
                return await self.next_batch(subscription)
            if not subscription.is_due:  # left
                return None
            subscription.cursor = page.upto
            self.delivered_frames += len(page.frames)
            return wire.encode(wire.Deliver(room.key, after, *page))
        return self._from_tail(subscription, after - start)

    def _from_tail(self, subscription: Subscription, index: int) -> bytes:
        room, after = subscription.room, subscription.cursor
        has_own = subscription.last_own > after
        shared = None if has_own else room.encoded.get(after)
        if shared is not None:
            subscription.cursor, data = shared
            self.delivered_frames += subscription.cursor - after
            return data
        batch = list(self._batch(room, index))
        frames = [frame for frame, _, publisher in batch if not has_own or publisher != subscription.listener.number]
        upto = subscription.cursor = after + len(batch)
        self.delivered_frames += len(frames)
        data = wire.encode(wire.Deliver(room.key, after, upto, batch[-1][1], tuple(frames)))
        if not has_own:
            if len(room.encoded) >= _ENCODED_BATCHES:
                del room.encoded[next(iter(room.encoded))]
            room.encoded[after] = upto, data
        return data

    def _batch(self, room: Room, index: int) -> Iterator[tuple[bytes, bytes, int]]:
        size_bytes = 0
        for count, entry in enumerate(room.tail[index : index + wire.MAX_BATCH_FRAMES]):
            size_bytes += len(entry[0])
            if count and size_bytes > self._limits.deliver_bytes:
                return
            yield entry

    # ---- the tail, and who is behind

    def _extend_tail(self, room: Room, stored: Appended, publisher: int) -> None:
        added_bytes = sum(map(len, stored.frames))
        room.tail.extend((frame, stored.batch, publisher) for frame in stored.frames)
        room.tail_bytes += added_bytes
        self._tails_bytes += added_bytes
        if self._tails_bytes > self._limits.tails_bytes:
            self._drop_tail(room)
        surplus = 0
        while room.tail_bytes > self._limits.tail_bytes:
            size_bytes = len(room.tail[surplus][0])
            room.tail_bytes -= size_bytes
            self._tails_bytes -= size_bytes
            surplus += 1
        del room.tail[:surplus]

    def _drop_tail(self, room: Room) -> None:
        self._tails_bytes -= room.tail_bytes
        room.tail_bytes = 0
        room.tail.clear()
        room.encoded.clear()

    def _wake(self, subscription: Subscription) -> None:
        if not subscription.is_due and subscription.cursor < subscription.room.last:
            subscription.is_due = True
            subscription.room.behind += 1
            subscription.listener.due(subscription)

    def _caught_up(self, subscription: Subscription) -> None:
        if subscription.is_due:
            subscription.is_due = False
            subscription.room.behind -= 1
            if not subscription.room.behind:
                self._drop_tail(subscription.room)
