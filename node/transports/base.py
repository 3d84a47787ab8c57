"""What every transport between two devices promises, and the one that needs no network.

A transport carries whole frames, in order, both ways, until one side closes. It has a bound for a
frame and bounded buffers: a sender waits for a slow reader rather than filling memory. It says whom
it leads to only as far as that was proved.

`tests/node/transports/test_transports.py` is the acceptance suite that each implementation passes.
"""

import abc
import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from crdt import wire
from crdt.errors import TOO_LARGE
from crdt.ids import DeviceId

MEMORY_QUEUE_FRAMES: Final = 64


class TransportClosed(Exception):
    """The line is cut, by either side. `reason` is a short stable word, safe to log."""

    def __init__(self, reason: str = "closed") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """Whom a transport leads to. `device` is None until, or unless, the peer proved which one it is.

    `address` is where the bytes go, for logs and for `sync status`: nothing trusts it.
    """

    kind: Literal["memory", "lan", "relay"]
    address: str
    device: DeviceId | None = None


class Transport(abc.ABC):
    """A line of whole frames to one peer. One task may send while another receives."""

    peer: PeerInfo
    max_frame_bytes: int = wire.MAX_MESSAGE_BYTES

    async def send(self, frame: bytes) -> None:
        """Hand a frame over, waiting while the buffers are full.

        Returning says nothing of arrival. Raises `TransportClosed`, or TOO_LARGE above `max_frame_bytes`.
        """
        if len(frame) > self.max_frame_bytes:
            raise TOO_LARGE(f"A frame has at most {self.max_frame_bytes} bytes.", size_bytes=len(frame))
        await self._send(frame)

    @abc.abstractmethod
    async def _send(self, frame: bytes) -> None: ...

    @abc.abstractmethod
    async def receive(self) -> bytes:
        """The next frame. Raises `TransportClosed` once the line is cut and everything before is read."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Cut the line; whoever waits in `send` or `receive`, on either side, wakes up. May be called again."""


class _Pipe:
    """One direction of a memory pair: a bounded queue that can be cut."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._changed = asyncio.Condition()
        self._cut = False

    async def put(self, frame: bytes) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._cut or len(self._frames) < MEMORY_QUEUE_FRAMES)
            if self._cut:
                raise TransportClosed
            self._frames.append(frame)
            self._changed.notify_all()

    async def get(self) -> bytes:
        async with self._changed:
            await self._changed.wait_for(lambda: self._cut or self._frames)
            if not self._frames:
                raise TransportClosed
            self._changed.notify_all()
            return self._frames.popleft()

    async def cut(self, *, forget: bool) -> None:
        async with self._changed:
            self._cut = True
            if forget:
                self._frames.clear()
            self._changed.notify_all()


class MemoryTransport(Transport):
    """One end of `memory_pair`."""

    def __init__(self, name: str, incoming: _Pipe, outgoing: _Pipe) -> None:
        self.peer = PeerInfo("memory", name)
        self._incoming, self._outgoing = incoming, outgoing

    async def _send(self, frame: bytes) -> None:
        await self._outgoing.put(frame)

    async def receive(self) -> bytes:
        return await self._incoming.get()

    async def close(self) -> None:
        await self._incoming.cut(forget=True)
        await self._outgoing.cut(forget=False)


def memory_pair() -> tuple[MemoryTransport, MemoryTransport]:
    """Two ends of one line within a process, with bounded queues."""
    there, back = _Pipe(), _Pipe()
    return MemoryTransport("right", back, there), MemoryTransport("left", there, back)
