"""What the relay does for each message of `crdt/wire.py`: one method each, one table.

The order for a frame is the one law of the relay: stored (fsynced), then announced to the room's
subscribers, then acknowledged to its publisher.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from crdt import wire
from crdt.errors import PeerFault
from relay import grants
from relay.connection import Connection
from relay.grants import Refusal
from relay.hub import Hub, Subscription
from relay.ledger import Appended, Letter, RoomState
from relay.limits import Buckets, Limits, milliseconds
from relay.metrics import Metrics
from relay.rendezvous import Rendezvous
from relay.store import Store
from relay.waiting import Waiting

_LONGEST_PAUSE_S: Final = 1.0  # a connection over its rate is read later; beyond this it is told so
_PROOF_COST: Final = 5  # in frames: checking a signature takes about as long


@dataclass(frozen=True, slots=True)
class Door:
    """Who gets in: the access key for opening rooms, and the names this relay answers to."""

    access_key: bytes | None = None
    public_hosts: tuple[str, ...] = ()


class Handlers:
    """Carries out the requests of all connections."""

    def __init__(
        self, store: Store, hub: Hub, rendezvous: Rendezvous, limits: Limits, door: Door, clock: Callable[[], float]
    ) -> None:
        """`clock` gives seconds that only grow."""
        self._store, self._hub, self._rendezvous = store, hub, rendezvous
        self._limits, self._door, self._clock = limits, door, clock
        self.metrics = Metrics()
        self.waiting = Waiting(limits)
        self.drops = Buckets(limits.drops_per_minute / 60, limits.drops_per_minute)
        self.meets = Buckets(limits.meets_per_minute / 60, limits.meets_per_minute)
        self._table: dict[type, Callable[[Connection, Any], Awaitable[None]]] = {
            wire.OpenRoom: self._open,
            wire.Attach: self._attach,
            wire.Detach: self._detach,
            wire.Publish: self._publish,
            wire.Whisper: self._whisper,
            wire.RaiseGeneration: self._raise,
            wire.Drop: self._drop,
            wire.TakeMail: self._take,
            wire.Deposit: self._deposit,
            wire.Claim: self._claim,
            wire.Meet: self._meet,
            wire.Tell: self._tell,
        }

    async def handle(self, connection: Connection, host: str, data: bytes) -> bool:
        """Carry out one message. False when the connection is to be closed: it broke the protocol."""
        request = 0
        try:
            try:
                message = wire.decode_to_relay(data)
            except PeerFault:
                raise Refusal("bad-message", "not a message of this protocol") from None
            if isinstance(message, wire.Login):
                self._login(connection, host, message)
                return True
            request = getattr(message, "request", 0)
            # Pairing comes before identities: a rendezvous needs no login.
            if connection.login is None and not isinstance(message, wire.Meet | wire.Tell):
                raise Refusal("bad-login", "log in first")
            await self._table[type(message)](connection, message)
        except Refusal as refusal:
            self.metrics.refuse(refusal.code)
            connection.refuse(request, refusal)
            return refusal.code not in ("bad-message", "bad-login")
        return True

    def leave(self, connection: Connection) -> None:
        """The connection is gone."""
        self._rendezvous.part(connection, "left")
        self.waiting.leave(connection)
        connection.end()

    # ---- proofs

    def _login(self, connection: Connection, host: str, message: wire.Login) -> None:
        if connection.login is not None:
            raise Refusal("bad-login", "already logged in")
        grants.check_login(message, connection.nonce, list(self._door.public_hosts) or [host])
        connection.login = message.login
        connection.answer(wire.Welcome(self._limits.max_frame_bytes, self._limits.frames_per_second))

    async def _open(self, connection: Connection, message: wire.OpenRoom) -> None:
        await self._pace(connection, _PROOF_COST)
        grants.check_opening(message, _login_of(connection), connection.nonce)
        if self._known_room(message.room) is None and await self._store.find_room(message.room) is None:
            grants.check_access_key(message.access_key, self._door.access_key)
            await self._store.open_room(message.room)
        connection.answer(wire.Done(message.request))

    async def _raise(self, connection: Connection, message: wire.RaiseGeneration) -> None:
        await self._pace(connection, _PROOF_COST)
        grants.check_raise(message)
        state = await self._room(message.room)
        generation = await self._store.raise_generation(state.number, message.generation)
        for ended in self._hub.raise_generation(message.room, generation):
            assert isinstance(ended.listener, Connection)
            ended.listener.subscriptions.pop(message.room, None)
            ended.listener.refuse(ended.request, Refusal("no-right", "the certificate's generation has ended"))
        connection.answer(wire.Done(message.request))

    # ---- rooms

    async def _attach(self, connection: Connection, message: wire.Attach) -> None:
        await self._pace(connection, _PROOF_COST)
        room = message.certificate.room
        if room not in connection.subscriptions and (
            len(connection.subscriptions) >= self._limits.subscriptions_per_connection
        ):
            raise Refusal("busy", "too many rooms on one connection")
        state = await self._room(room)
        grant = grants.check_certificate(message.certificate, _login_of(connection), state.generation)
        # No await between knowing the room's state and subscribing: what is stored from here on is announced.
        subscription = self._hub.subscribe(room, state, connection, grant, message.request)
        connection.subscriptions[room] = subscription
        reset = not await self._agrees(state, message.cursor, message.check)
        if connection.subscriptions.get(room) is not subscription:
            return  # its generation ended meanwhile, and it has been told so
        connection.answer(wire.Attached(message.request, subscription.room.last, reset))
        self._hub.start(subscription, 0 if reset else message.cursor)

    async def _agrees(self, state: RoomState, cursor: int, check: bytes) -> bool:
        """Is it this log that the node has read up to its cursor, and not one from before a backup was put back?"""
        if cursor == 0:
            return True
        if cursor > state.last:
            return False
        if cursor == state.last and state.last_check:
            return check == state.last_check
        return check == await self._store.check_at(state.number, cursor)

    async def _detach(self, connection: Connection, message: wire.Detach) -> None:
        await self._pace(connection, 1)
        self.waiting.forget(connection, message.room)
        subscription = connection.subscriptions.pop(message.room, None)
        if subscription is not None:
            self._hub.leave(subscription)
        connection.answer(wire.Done(message.request))

    async def _publish(self, connection: Connection, message: wire.Publish) -> None:
        subscription = connection.subscriptions.get(message.room)
        if subscription is None or not subscription.grant.append:
            raise Refusal("no-right", "attach with a certificate that allows to append")
        if any(len(frame) > self._limits.max_frame_bytes for frame in message.frames):
            raise Refusal("too-large", f"a frame is larger than {self._limits.max_frame_bytes} bytes")
        if self._store.pending_bytes > self._limits.pending_bytes:
            raise Refusal("busy", "the relay is overloaded", 500)
        await self._pace(connection, len(message.frames))
        size_bytes = sum(map(len, message.frames))
        connection.begin(size_bytes)
        # Not awaited: the next publish is read meanwhile, and shares this one's fsync.
        storing = self._store.append(subscription.room.number, message.frames)
        storing.add_done_callback(functools.partial(self._stored, connection, message, size_bytes))

    def _stored(
        self, connection: Connection, message: wire.Publish, size_bytes: int, storing: "asyncio.Future[Appended]"
    ) -> None:
        connection.finish(size_bytes)
        try:
            stored = storing.result()
        except Refusal as refusal:
            self.metrics.refuse(refusal.code)
            connection.refuse(message.request, refusal)
            return
        self.metrics.publishes += 1
        self.metrics.frames_stored += len(stored.frames)
        self.metrics.frames_known += len(message.frames) - len(stored.frames)
        self.metrics.bytes_stored += sum(map(len, stored.frames))
        self._hub.announce(message.room, stored, connection.number)
        connection.answer(wire.Stored(message.request, stored.last))

    async def _whisper(self, connection: Connection, message: wire.Whisper) -> None:
        if message.room not in connection.subscriptions:
            raise Refusal("no-right", "attach first")
        if not connection.whispers.take(1, self._clock()):
            self.metrics.whispers += 1
            self._hub.whisper(message.room, message.payload, connection.number)

    # ---- mailboxes and letters

    async def _drop(self, connection: Connection, message: wire.Drop) -> None:
        self._limit(self.drops, connection, "too much mail from this address")
        state = await self._room(message.room)
        await self._store.drop(state.number, message.payload)
        self._hub.ring(message.room)
        connection.answer(wire.Done(message.request))

    async def _take(self, connection: Connection, message: wire.TakeMail) -> None:
        await self._pace(connection, 1)
        subscription = self._own(connection, message.room)
        last, items = await self._store.take(subscription.room.number, message.upto)
        connection.answer(wire.Mail(message.request, last, tuple(items)))

    async def _deposit(self, connection: Connection, message: wire.Deposit) -> None:
        await self._pace(connection, _PROOF_COST)
        subscription = self._own(connection, message.room)
        grants.check_deposit(message)
        letter = Letter(message.certificate, message.letter)
        await self._store.deposit(subscription.room.number, message.login, letter)
        self.waiting.call(message.room, message.login)
        connection.answer(wire.Done(message.request))

    async def _claim(self, connection: Connection, message: wire.Claim) -> None:
        await self._pace(connection, _PROOF_COST)
        login = _login_of(connection)
        state = await self._room(message.room)
        self.waiting.note(connection, message.room, login)  # before looking: what comes meanwhile is called
        letter = await self._store.claim(state.number, login)
        connection.answer(wire.Claimed(message.request, letter.certificate, letter.body))

    def _own(self, connection: Connection, room: bytes) -> Subscription:
        """The subscription, if the room's own key vouches for it. Raises `Refusal("no-right")`."""
        subscription = connection.subscriptions.get(room)
        if subscription is None or not subscription.grant.is_own:
            raise Refusal("no-right", "attach with a certificate of the room's own generation")
        return subscription

    # ---- pairing

    async def _meet(self, connection: Connection, message: wire.Meet) -> None:
        self._limit(self.meets, connection, "too many pairings from this address")
        nameplate, peer = self._rendezvous.meet(connection, message.nameplate, self._clock())
        connection.answer(wire.Met(message.request, nameplate, peer))
        self._rendezvous.deliver_waiting(connection)

    async def _tell(self, connection: Connection, message: wire.Tell) -> None:
        await self._pace(connection, 1)
        self._rendezvous.tell(connection, message.payload)

    # ---- what they share

    def _known_room(self, key: bytes) -> RoomState | None:
        room = self._hub.rooms.get(key)
        return RoomState(room.number, room.last, room.last_check, room.generation) if room else None

    async def _room(self, key: bytes) -> RoomState:
        state = self._known_room(key) or await self._store.find_room(key)
        if state is None:
            raise Refusal("no-room", "this relay has no such room")
        return state

    async def _pace(self, connection: Connection, cost: int) -> None:
        """Read a connection over its rate later: cheaper for both sides than sending again."""
        while wait_s := connection.frames.take(cost, self._clock()):
            if wait_s > _LONGEST_PAUSE_S:
                raise Refusal("rate", "too much at once", milliseconds(wait_s))
            await asyncio.sleep(wait_s)

    def _limit(self, buckets: Buckets, connection: Connection, explanation: str) -> None:
        wait_s = buckets.take(connection.address, self._clock())
        if wait_s:
            raise Refusal("rate", explanation, milliseconds(wait_s))


def _login_of(connection: Connection) -> bytes:
    assert connection.login is not None, "handled before the login"
    return connection.login
