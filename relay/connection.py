"""One node's connection: what it has proved, what it is owed, and the one task that sends it.

Answers wait in a short outbox (while it is full, the next request isn't read); frames wait nowhere:
they are made from cursors when the socket takes more. The sending task exists only while something
is due, so that an idle connection costs as little as it can.
"""

import asyncio
import logging
from collections import deque

from aiohttp import WSCloseCode, web

from crdt import wire
from relay.grants import Refusal
from relay.hub import Hub, Subscription
from relay.limits import Bucket, Limits

_log = logging.getLogger(__name__)


class Connection:
    """A `hub.Listener`, a `rendezvous.Seat` and a `waiting.Waiter`."""

    __slots__ = (
        *("_calls", "_closing", "_due", "_hub", "_in_flight_bytes", "_limits", "_more", "_outbox", "_outbox_bytes"),
        *("_saying_goodbye", "_seen_stuck", "_sender", "_sent", "_transport", "_ws"),
        *("address", "frames", "login", "nonce", "number", "since", "subscriptions", "whispers"),
    )

    def __init__(
        self,
        number: int,
        address: str,
        nonce: bytes,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport,
        hub: Hub,
        limits: Limits,
        now: float,
    ) -> None:
        self.number, self.address, self.nonce, self.since = number, address, nonce, now
        self.login: bytes | None = None
        self.subscriptions: dict[bytes, Subscription] = {}
        self.frames = Bucket.full(limits.frames_per_second, limits.burst_frames, now)
        self.whispers = Bucket.full(limits.whispers_per_second, limits.whispers_per_second, now)
        self._ws, self._transport, self._hub, self._limits = ws, transport, hub, limits
        self._outbox: deque[bytes] | None = None  # made when needed: an empty deque takes 760 bytes
        self._outbox_bytes = 0
        self._in_flight_bytes = 0
        self._calls: dict[bytes, None] | None = None  # in order, each once: as many as rooms, however many call
        self._due: deque[Subscription] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._more: asyncio.Future[None] | None = None
        self._sent = 0  # messages handed to the socket so far
        self._seen_stuck: tuple[int, int, float] | None = None  # (_sent, bytes waiting, since when)
        self._saying_goodbye = False  # only answers are sent any more
        self._closing = False

    # ---- what it is owed

    def answer(self, message: wire.FromRelay) -> None:
        self._put(wire.encode(message))

    def refuse(self, request: int, refusal: Refusal) -> None:
        self.answer(wire.Refused(request, refusal.code, refusal.explanation, refusal.retry_after_ms))

    def hear(self, data: bytes) -> None:
        """Presence is worth nothing late: whoever is behind by a batch of frames, or by many words, does without."""
        waiting_bytes = self._transport.get_write_buffer_size()
        if self._outbox_bytes + len(data) <= self._limits.heard_bytes and waiting_bytes <= self._limits.deliver_bytes:
            self._put(data)

    def call(self, message: wire.Called | wire.Rung) -> None:
        if self._saying_goodbye:
            return  # whoever comes back asks
        if self._calls is None:
            self._calls = {}
        self._calls[wire.encode(message)] = None
        self._start_sending()

    def due(self, subscription: Subscription) -> None:
        if self._saying_goodbye:
            return  # the subscription stays due; the node asks again when it is back
        if self._due is None:
            self._due = deque()
        self._due.append(subscription)
        self._start_sending()

    def _put(self, data: bytes) -> None:
        if self._outbox is None:
            self._outbox = deque()
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        self._start_sending()

    def _start_sending(self) -> None:
        if self._sender is None and not self._closing:
            self._sender = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        """Send until nothing is due: answers first, then calls, then one batch of each room in turn."""
        try:
            while True:
                if self._outbox:
                    data = self._outbox.popleft()
                    self._outbox_bytes -= len(data)
                    await self._send(data)
                elif self._calls:
                    data = next(iter(self._calls))
                    del self._calls[data]  # before it is sent: what comes meanwhile is called anew
                    await self._send(data)
                elif self._due:
                    await self._send_batch(self._due.popleft())
                else:
                    self._outbox = self._calls = self._due = None
                    return
        except (ConnectionError, asyncio.CancelledError):
            self._closing = True  # the reading side notices the end by itself
        except Refusal:
            self.abort()  # the store can't read: the node comes back and asks again
        except Exception:
            _log.exception("sending failed")
            self.abort()
        finally:
            self._sender = None
            self._let_go_on()

    async def _send_batch(self, subscription: Subscription) -> None:
        data = await self._hub.next_batch(subscription)
        if data is not None:
            self.due(subscription)
            await self._send(data)

    async def _send(self, data: bytes) -> None:
        await self._ws.send_bytes(data)
        self._sent += 1
        if self._more is not None:
            self._let_go_on()

    # ---- how fast it may go on

    def begin(self, size_bytes: int) -> None:
        """A publish of that size was handed to the store."""
        self._in_flight_bytes += size_bytes

    def finish(self, size_bytes: int) -> None:
        self._in_flight_bytes -= size_bytes
        self._let_go_on()

    async def ready(self) -> None:
        """Wait until the connection has read its answers and had its publishes stored, within the bounds."""
        while not self._closing and (
            self._outbox_bytes > self._limits.outbox_bytes or self._in_flight_bytes > self._limits.in_flight_bytes
        ):
            self._more = asyncio.get_running_loop().create_future()
            await self._more

    def _let_go_on(self) -> None:
        more, self._more = self._more, None
        if more is not None and not more.done():
            more.set_result(None)

    # ---- its end

    def is_stalled(self, now: float) -> bool:
        """True once something has waited for the socket for `stall_s` without a byte of progress."""
        waiting = self._transport.get_write_buffer_size()
        seen = self._seen_stuck
        if not waiting:
            self._seen_stuck = None
        elif seen is None or seen[0] != self._sent or waiting < seen[1]:
            self._seen_stuck = self._sent, waiting, now
        else:
            return now - seen[2] >= self._limits.stall_s
        return False

    def abort(self) -> None:
        """Cut it off without waiting for the other side to agree."""
        self._closing = True
        self._transport.abort()

    async def close(self, code: WSCloseCode) -> None:
        """Send what is in the outbox (an explanation, say), then close; within a second or two."""
        try:
            async with asyncio.timeout(2):
                self._saying_goodbye = True
                self._calls = self._due = None
                if self._sender is not None:
                    await asyncio.shield(self._sender)
                self._closing = True
                await self._ws.close(code=code)
        except (TimeoutError, ConnectionError):
            self.abort()

    def end(self) -> None:
        """The socket is gone: leave every room, stop sending."""
        self._closing = True
        for subscription in list(self.subscriptions.values()):
            self._hub.leave(subscription)
        self.subscriptions.clear()
        self._calls = self._due = None
        if self._sender is not None:
            self._sender.cancel()
        self._let_go_on()
