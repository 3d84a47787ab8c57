"""A node's line to its relay: log in, ask and be answered, and take what the relay sends by itself.

Over one WebSocket of `crdt/wire.py` messages. The relay is not trusted: whatever it sends is bounded,
and anything malformed or out of turn ends the connection by name. Reconnecting is the caller's.

Reading stops while too much waits to be taken, so that a fast relay is held back by TCP; but not
while a request is open, whose answer may stand behind what waits.
"""

import asyncio
import contextlib
import functools
import itertools
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp

from crdt import keys, wire
from crdt.errors import RELAY_REFUSED, RELAY_UNREACHABLE, OpenSeshError, PeerFault
from node.transports.base import TransportClosed
from node.transports.relay_address import CLOSE_CODES, REFUSALS, endpoint, refuse_redirects, why_unreachable

HEARTBEAT_S: Final = 20.0
CONNECT_TIMEOUT_S: Final = 10.0
REQUEST_TIMEOUT_S: Final = 30.0
MAX_OPEN_REQUESTS: Final = 256
MAX_WAITING_BYTES: Final = 8 * 1024 * 1024
MAX_WAITING_BYTES_WHILE_ASKING: Final = 32 * 1024 * 1024
MAX_WAITING_EVENTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Detached:
    """The relay ended a subscription by itself; `error.details["reason"]` says why ("no-right": its
    certificate's generation is over)."""

    room: bytes
    error: OpenSeshError


_ENDS_THE_CONNECTION: Final = ("bad-message", "bad-login", "stopping", "internal")

RelayEvent = wire.Deliver | wire.Heard | wire.Called | wire.Rung | wire.Told | wire.Parted | Detached
Answer = wire.Done | wire.Attached | wire.Stored | wire.Mail | wire.Claimed | wire.Met
A = TypeVar("A", bound=Answer)


@functools.cache
def _system_certificates() -> ssl.SSLContext:
    """What browsers check a relay by. Not aiohttp's own, which a node leaves empty (`node/__main__.py`)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class RelayConnection:
    """A logged-in connection. Make it with `connect`, end it with `close`.

    `store` names the relay's database: with another one, old cursors mean nothing. `welcome` holds the
    relay's limits. Every request raises RELAY_REFUSED, with the relay's `reason` and `retry_after_ms` among
    its details, or RELAY_UNREACHABLE when the line is cut or no answer comes.
    """

    store: bytes
    welcome: wire.Welcome

    def __init__(self, url: str, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.url = url
        self._session, self._socket = session, socket
        self._requests = itertools.count(1)
        self._open_requests: dict[int, asyncio.Future[Answer]] = {}
        self._rooms: dict[int, bytes] = {}  # by the number of the request that attached them
        self._seated = False
        self._slots = asyncio.Semaphore(MAX_OPEN_REQUESTS)
        self._events: deque[tuple[int, RelayEvent]] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Condition()
        self._end: OpenSeshError | None = None
        self._reader: asyncio.Task[None] | None = None

    # ---- connecting

    @classmethod
    async def connect(
        cls,
        url: str,
        login: keys.SigningKey,
        access_key: str = "",
        *,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = CONNECT_TIMEOUT_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> "RelayConnection":
        """Dial `ws://host[:port][/path]` or `wss://…` and prove `login`; the certificate is checked as browsers do.

        `access_key` is shown only by `open_room`. Raises RELAY_UNREACHABLE or RELAY_REFUSED.
        """
        address, audience = endpoint(url)
        if tls is None and address.startswith("wss:"):
            tls = await asyncio.to_thread(_system_certificates)
        session = aiohttp.ClientSession(trace_configs=[refuse_redirects()], timeout=aiohttp.ClientTimeout(total=None))
        try:
            async with asyncio.timeout(timeout_s):
                socket = await session.ws_connect(
                    address, max_msg_size=wire.MAX_MESSAGE_BYTES, heartbeat=heartbeat_s, ssl=tls or True
                )
                connection = cls(url, session, socket)
                await connection._log_in(login, audience, access_key)
        except BaseException as error:
            await session.close()
            if isinstance(error, OpenSeshError) or not isinstance(error, Exception):
                raise
            raise RELAY_UNREACHABLE(f"{why_unreachable(error, timeout_s)} ({url})", url=url) from error
        connection._reader = asyncio.create_task(connection._read(), name=f"relay {url}")
        return connection

    async def _log_in(self, login: keys.SigningKey, audience: str, access_key: str) -> None:
        challenge = await self._first_answer()
        if not isinstance(challenge, wire.Challenge):
            raise RELAY_REFUSED("The relay did not begin with a challenge.", reason="bad-message", url=self.url)
        if challenge.version != wire.PROTOCOL_VERSION:
            raise RELAY_REFUSED(
                f"The relay speaks version {challenge.version} of the protocol, this node {wire.PROTOCOL_VERSION}.",
                reason="version",
                url=self.url,
                next="Upgrade OpenSesh here or on the relay.",
            )
        self.store, self._nonce, self._login, self._access_key = challenge.store, challenge.nonce, login, access_key
        signature = login.sign("relay-login", wire.login_bytes(challenge.nonce, audience))
        await self._send(wire.Login(wire.PROTOCOL_VERSION, login.public, audience, signature))
        welcome = await self._first_answer()
        if isinstance(welcome, wire.Refused):
            raise self._refused(welcome)
        if not isinstance(welcome, wire.Welcome):
            raise RELAY_REFUSED("The relay did not answer the login.", reason="bad-message", url=self.url)
        self.welcome = welcome

    async def _first_answer(self) -> wire.FromRelay:
        received = await self._socket.receive()
        if received.type is not aiohttp.WSMsgType.BINARY:
            raise RELAY_UNREACHABLE(f"It hung up before the login ({self.url}).", url=self.url)
        try:
            return wire.decode_from_relay(received.data)
        except PeerFault as fault:
            message = f"What answers there is no OpenSesh relay ({self.url})."
            raise RELAY_UNREACHABLE(message, url=self.url) from fault

    # ---- requests

    async def open_room(self, room: keys.SigningKey) -> None:
        """Create the room if the relay does not have it; `room` is the room's own key pair."""
        signature = room.sign("room-open", self._login.public + self._nonce)
        number = next(self._requests)
        await self._ask(wire.OpenRoom(number, room.public, signature, self._access_key), number, wire.Done)

    async def attach(self, certificate: wire.Certificate, cursor: int, check: bytes) -> wire.Attached:
        """Subscribe from a cursor on; the frames follow as `wire.Deliver` events."""
        number = next(self._requests)
        self._forget_room(certificate.room)
        self._rooms[number] = certificate.room  # before asking: the end may follow hard upon the answer
        try:
            return await self._ask(wire.Attach(number, certificate, cursor, check), number, wire.Attached)
        except OpenSeshError:
            self._rooms.pop(number, None)
            raise

    async def detach(self, room: bytes) -> None:
        self._forget_room(room)
        number = next(self._requests)
        await self._ask(wire.Detach(number, room), number, wire.Done)

    async def publish(self, room: bytes, frames: Sequence[bytes]) -> wire.Stored:
        """Append frames (at most `wire.MAX_BATCH_FRAMES`). Returns when the relay has them on its disk."""
        number = next(self._requests)
        return await self._ask(wire.Publish(number, room, tuple(frames)), number, wire.Stored)

    async def raise_generation(self, room: keys.SigningKey, generation: int) -> None:
        """End every certificate of the room below `generation`."""
        signature = room.sign("room-generation", generation.to_bytes(8, "big"))
        number = next(self._requests)
        await self._ask(wire.RaiseGeneration(number, room.public, generation, signature), number, wire.Done)

    async def drop(self, room: bytes, payload: bytes) -> None:
        """Leave something sealed in a room's mailbox; its own subscribers hear `wire.Rung`."""
        number = next(self._requests)
        await self._ask(wire.Drop(number, room, payload), number, wire.Done)

    async def take_mail(self, room: bytes, upto: int = 0) -> wire.Mail:
        """Read a room's mailbox, after deleting what was taken up to and including `upto`.

        Attach with `wire.OWN_GENERATION` before: for others the relay answers "no-right".
        """
        number = next(self._requests)
        return await self._ask(wire.TakeMail(number, room, upto), number, wire.Mail)

    async def deposit(self, room: bytes, login: bytes, certificate: wire.Certificate | None, letter: bytes) -> None:
        """Leave a certificate and a sealed letter (≤ `wire.MAX_LETTER_BYTES`) for one login, in place of the last.

        None and b"" take away what was left. Returns when the relay has it on its disk. Attach with
        `wire.OWN_GENERATION` before, or the reason is "no-right"; "bad-certificate" if the certificate is not
        that login's in that room, or its generation has ended; "quota" when the room has too many letters.
        """
        number = next(self._requests)
        await self._ask(wire.Deposit(number, room, login, certificate, letter), number, wire.Done)

    async def claim(self, room: bytes) -> wire.Claimed:
        """What was left for this connection's login; when it changes, `wire.Called` comes among the events.

        A certificate that isn't this room's for this login is taken for none: the relay could withhold it as well.
        The letter is the caller's to open. Reasons: "no-room" if the relay has no such room, "busy" when this
        connection waits in too many.
        """
        number = next(self._requests)
        claimed = await self._ask(wire.Claim(number, room), number, wire.Claimed)
        held = claimed.certificate
        if held is None or ((held.room, held.login) == (room, self._login.public) and wire.is_genuine(held)):
            return claimed
        return wire.Claimed(claimed.request, None, claimed.letter)

    async def meet(self, nameplate: str = "") -> wire.Met:
        """Take a seat at a rendezvous, or at a free one; the other seat is heard as `wire.Told` events."""
        number = next(self._requests)
        met = await self._ask(wire.Meet(number, nameplate), number, wire.Met)
        self._seated = True
        return met

    async def tell(self, payload: bytes) -> None:
        """Pass bytes to the other seat. There is no answer."""
        await self._send(wire.Tell(payload))

    async def whisper(self, room: bytes, payload: bytes) -> None:
        """Pass presence to a room's other subscribers. There is no answer, and it may be dropped."""
        await self._send(wire.Whisper(room, payload))

    def _forget_room(self, room: bytes) -> None:
        self._rooms = {number: attached for number, attached in self._rooms.items() if attached != room}

    async def _ask(self, request: wire.ToRelay, number: int, expected: type[A]) -> A:
        async with self._slots:
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self._open_requests[number] = answer
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    async with self._changed:
                        self._changed.notify_all()  # the reader may have paused; an answer is due now
                    await self._send(request)
                    received = await answer
            except TimeoutError as error:
                raise RELAY_UNREACHABLE(f"The relay does not answer ({self.url}).", url=self.url) from error
            finally:
                self._open_requests.pop(number, None)
        if isinstance(received, expected):
            return received
        await self._finish(self._lost("it answered something else than was asked", "bad-message"))
        assert self._end is not None
        raise self._end

    async def _send(self, message: wire.ToRelay) -> None:
        data = wire.encode(message)
        if len(data) > wire.MAX_MESSAGE_BYTES:
            raise ValueError(f"a message to the relay has at most {wire.MAX_MESSAGE_BYTES} bytes, not {len(data)}")
        if self._end is not None:
            raise self._end
        try:
            await self._socket.send_bytes(data)
        except (ConnectionError, RuntimeError) as error:
            raise self._end or self._lost("the line was cut", "cut") from error

    # ---- what the relay sends by itself

    async def next_event(self) -> RelayEvent:
        """The next thing the relay sent by itself, in its order. Raises `TransportClosed` at the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._events or self._end is not None)
            if not self._events:
                assert self._end is not None
                raise TransportClosed(str(self._end.details.get("reason", "closed")))
            size, event = self._events.popleft()
            self._waiting_bytes -= size
            self._changed.notify_all()
            return event

    async def events(self) -> AsyncIterator[RelayEvent]:
        """Everything the relay sends by itself, until the line is cut; `error` then says why."""
        while True:
            try:
                event = await self.next_event()
            except TransportClosed:
                return
            yield event

    @property
    def error(self) -> OpenSeshError | None:
        """Why the connection ended, or None while it stands."""
        return self._end

    # ---- reading

    async def _read(self) -> None:
        end = self._lost("the line was cut", "cut")
        try:
            while True:
                received = await self._socket.receive()
                if received.type is not aiohttp.WSMsgType.BINARY:
                    end = self._why_ended(received)
                    return
                await self._take(wire.decode_from_relay(received.data), len(received.data))
        except PeerFault as fault:
            end = self._lost("it sent something that is no message", fault.reason)
        except OpenSeshError as error:
            end = error
        finally:
            await self._finish(end)

    async def _take(self, message: wire.FromRelay, size: int) -> None:
        if isinstance(message, RelayEvent):
            await self._keep(message, size)
        elif isinstance(message, wire.Refused):
            await self._take_refusal(message, size)
        elif isinstance(message, Answer):
            waiting = self._open_requests.get(message.request)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        else:
            raise PeerFault("out of turn", type(message).__name__)

    async def _take_refusal(self, message: wire.Refused, size: int) -> None:
        """It answers a request, or takes an attachment back, or (numbered 0) speaks of what has no number."""
        waiting = self._open_requests.get(message.request)
        if waiting is not None and not waiting.done():
            waiting.set_exception(self._refused(message))
        elif message.request in self._rooms:
            await self._keep(Detached(self._rooms.pop(message.request), self._refused(message)), size)
        elif message.request == 0 and message.code in _ENDS_THE_CONNECTION:
            raise self._refused(message)
        elif message.request == 0 and self._seated:
            await self._keep(wire.Parted(message.code), size)  # a `Tell` was lost: pairing can't go on

    async def _keep(self, event: RelayEvent, size: int) -> None:
        async with self._changed:
            if isinstance(event, wire.Heard) and len(self._events) >= MAX_WAITING_EVENTS // 2:
                return  # presence is worth nothing late
            if isinstance(event, wire.Called | wire.Rung) and any(event == kept for _, kept in self._events):
                return  # whoever takes the one that waits will fetch all there is
            self._events.append((size, event))
            self._waiting_bytes += size
            self._changed.notify_all()
            await self._changed.wait_for(self._has_room)

    def _has_room(self) -> bool:
        if self._end is not None:
            return True
        bound = MAX_WAITING_BYTES_WHILE_ASKING if self._open_requests else MAX_WAITING_BYTES
        return self._waiting_bytes <= bound and len(self._events) < MAX_WAITING_EVENTS

    # ---- the end

    async def close(self) -> None:
        """Hang up. Open requests fail, and `events` ends once what had come is taken."""
        await self._finish(self._lost("closed here", "closed"))
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def _finish(self, end: OpenSeshError) -> None:
        if self._end is not None:
            return
        self._end = end
        for waiting in self._open_requests.values():
            if not waiting.done():
                waiting.set_exception(end)
        async with self._changed:
            self._changed.notify_all()
        faulty = end.details.get("reason") in ("bad message", "bad-message", "out of turn")
        try:
            with contextlib.suppress(Exception):
                await self._socket.close(code=aiohttp.WSCloseCode.PROTOCOL_ERROR if faulty else aiohttp.WSCloseCode.OK)
        finally:
            await self._session.close()  # even if whoever hangs up is being cancelled

    def _why_ended(self, received: aiohttp.WSMessage) -> OpenSeshError:
        code = self._socket.close_code
        if received.type is aiohttp.WSMsgType.TEXT:
            return self._lost("it sent text", "bad-message")
        if isinstance(self._socket.exception(), TimeoutError | asyncio.TimeoutError):
            return self._lost("it stopped answering", "heartbeat")
        return self._lost(CLOSE_CODES.get(code or 0, "the line was cut"), "cut", close_code=code)

    def _lost(self, why: str, reason: str, **details: object) -> OpenSeshError:
        return RELAY_UNREACHABLE(
            f"The connection to the relay ended: {why} ({self.url}).", url=self.url, reason=reason, **details
        )

    def _refused(self, refused: wire.Refused) -> OpenSeshError:
        # The relay's text is not repeated in a sentence of ours: it is a stranger's, and could say anything.
        sentence = REFUSALS.get(refused.code, "The relay refused for a reason this version doesn't know.")
        return RELAY_REFUSED(
            f"{sentence} ({self.url})",
            url=self.url,
            reason=refused.code if refused.code in REFUSALS else "unknown",
            retry_after_ms=refused.retry_after_ms,
        )
