"""A handler's async generator on its way to one client: lines, heartbeats, bounds, and the end.

The generator and the socket are decoupled by a short queue: what is due goes out in one write, and a
client that doesn't read holds its own generator up and nothing else, until it is cut off. A generator
is closed, in its own task, as soon as its client has gone.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from crdt.errors import DAEMON_NOT_RUNNING, REQUEST_INVALID

QUEUE_LINES: Final = 256
HEARTBEAT_S: Final = 15.0
STALL_S: Final = 60.0


class End(msgspec.Struct, frozen=True):
    """How a generator ended: of itself, or with what it raised."""

    error: BaseException | None = None


class Sink(Protocol):
    """Where lines go. Nothing is sent, not even a status, before `begin`."""

    async def begin(self) -> None:
        """Send the status and the headers."""

    async def send(self, lines: list[bytes]) -> None:
        """Send JSON texts; returns when the client's buffer has room again. Raises `ConnectionError`."""

    async def heartbeat(self) -> None:
        """Send what a client skips, and what a dead one fails to take."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one stream, in lines and seconds."""

    queue_lines: int = QUEUE_LINES
    heartbeat_s: float = HEARTBEAT_S
    stall_s: float = STALL_S


class LineSink:
    """NDJSON over chunked HTTP: one object a line; an empty line is a heartbeat, to be skipped."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self.response = web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
        )

    async def begin(self) -> None:
        """Send the status and the headers."""
        await self.response.prepare(self._request)

    async def send(self, lines: list[bytes]) -> None:
        """All lines in one chunk, flushed."""
        await self.response.write(b"\n".join(lines) + b"\n")

    async def heartbeat(self) -> None:
        """An empty line."""
        await self.response.write(b"\n")

    async def finish(self) -> None:
        """The last chunk; the connection may carry further requests."""
        await self.response.write_eof()

    def abort(self) -> None:
        """Drop the connection with all that it has not taken."""
        if self._request.transport is not None:
            self._request.transport.abort()

    def release(self) -> None:
        """Nothing is held."""


class SocketSink(LineSink):
    """A WebSocket: one text message per object. The client has nothing to say but that it leaves."""

    def __init__(self, request: web.BaseRequest) -> None:
        super().__init__(request)
        # The size is of what the client sends, of which nothing is expected. Pings are the heartbeat.
        self._socket = web.WebSocketResponse(max_msg_size=4096, heartbeat=HEARTBEAT_S, compress=False)
        self.response = self._socket
        self._listener: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Upgrade, and watch for the client's leaving. Raises REQUEST_INVALID for a bad handshake."""
        try:
            await self._socket.prepare(self._request)
        except web.HTTPException as error:
            raise REQUEST_INVALID("That is no WebSocket handshake.") from error
        stream = asyncio.current_task()
        assert stream is not None
        self._listener = asyncio.create_task(self._listen(stream))

    async def send(self, lines: list[bytes]) -> None:
        """Each line as one message."""
        for line in lines:
            await self._socket.send_str(line.decode())

    async def heartbeat(self) -> None:
        """Left to the protocol's pings."""

    async def finish(self) -> None:
        """Say goodbye, and wait a moment for the same."""
        self.release()
        await self._socket.close()

    def release(self) -> None:
        """Stop watching for the client's leaving."""
        if self._listener is not None:
            self._listener.cancel()

    async def _listen(self, stream: "asyncio.Task[Any]") -> None:
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"nothing is expected from you")
        stream.cancel()


async def pump(items: AsyncIterator[Any], sink: Sink, stopping: asyncio.Event, limits: Limits) -> End:
    """Carry a generator's items to a sink until either ends, or the server stops. Always closes the generator.

    The sink begins with the first item, or after one heartbeat's time without one. A client that takes
    nothing for `stall_s` raises `TimeoutError`, one that has left `ConnectionError`.
    """
    queue: asyncio.Queue[bytes | End] = asyncio.Queue(limits.queue_lines)
    producer = asyncio.create_task(_produce(items, queue))
    stop = asyncio.create_task(_stop(stopping, queue))
    begun = False
    try:
        while True:
            try:
                first = await _next(queue, limits.heartbeat_s)
            except TimeoutError:
                async with asyncio.timeout(limits.stall_s):
                    if not begun:
                        await sink.begin()
                        begun = True
                    await sink.heartbeat()
                continue
            lines, end = _drain(first, queue)
            async with asyncio.timeout(limits.stall_s):
                if lines and not begun:
                    await sink.begin()
                    begun = True
                if lines:
                    await sink.send(lines)
            if end is not None:
                return end
    finally:
        producer.cancel()
        stop.cancel()
        await asyncio.wait({producer, stop})


async def _next(queue: "asyncio.Queue[bytes | End]", timeout_s: float) -> bytes | End:
    if not queue.empty():
        return queue.get_nowait()
    return await asyncio.wait_for(queue.get(), timeout_s)


def _drain(first: bytes | End, queue: "asyncio.Queue[bytes | End]") -> tuple[list[bytes], End | None]:
    lines: list[bytes] = []
    item = first
    while not isinstance(item, End):
        lines.append(item)
        if queue.empty():
            return lines, None
        item = queue.get_nowait()
    return lines, item


async def _produce(items: AsyncIterator[Any], queue: "asyncio.Queue[bytes | End]") -> None:
    try:
        async for item in items:
            await queue.put(msgspec.json.encode(item))
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # a panic of native code is no Exception
        await queue.put(End(error))
    else:
        await queue.put(End())
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


async def _stop(stopping: asyncio.Event, queue: "asyncio.Queue[bytes | End]") -> None:
    await stopping.wait()
    await queue.put(End(DAEMON_NOT_RUNNING("The node is stopping.")))
