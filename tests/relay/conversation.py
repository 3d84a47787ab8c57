"""Talk to a relay as a node does, over a real socket: what the relay's tests and benchmarks share.

A conversation holds keys of its own, speaks in wire messages, and waits for answers by type. Every
wait has a limit, so that a silent relay fails a test instead of hanging it.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from crdt import keys, wire
from relay.app import Relay
from relay.handlers import Door
from relay.limits import Limits
from relay.store import SqliteStore

PATIENCE_S = 20.0
M = TypeVar("M")


def new_key() -> keys.SigningKey:
    return keys.SigningKey.from_seed(os.urandom(32))


def frames_of(count: int, size_bytes: int = 64) -> tuple[bytes, ...]:
    """Distinct random frames: what a relay sees of sealed ones."""
    return tuple(os.urandom(size_bytes) for _ in range(count))


class Running:
    """A relay inside the test's own event loop, on a free port."""

    def __init__(self, relay: Relay, store: SqliteStore, url: str) -> None:
        self.relay, self.store, self.url = relay, store, url


@contextlib.asynccontextmanager
async def serving(
    folder: Path, limits: Limits | None = None, door: Door | None = None, **more: Any
) -> AsyncIterator[Running]:
    limits = limits or Limits()
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test's folder
    store = await SqliteStore.open(folder, limits)
    relay = Relay(store, limits, door or Door(), **more)
    runner = relay.runner()
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield Running(relay, store, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
        await store.close()


class Node:
    """One connection, with a login key of its own. Messages that nobody waited for yet are kept in order."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, challenge: wire.Challenge, audience: str) -> None:
        self.ws, self.challenge, self.audience = ws, challenge, audience
        self.key = new_key()
        self.kept: list[wire.FromRelay] = []
        self.checks: dict[tuple[bytes, int], bytes] = {}  # (room, cursor) → what the relay told of that cursor
        self._requests = 0

    def request(self) -> int:
        self._requests += 1
        return self._requests

    async def send(self, message: wire.ToRelay) -> None:
        await self.ws.send_bytes(wire.encode(message))

    async def receive(self) -> wire.FromRelay:
        """The next message off the socket. Raises `ConnectionError` when the relay closed it."""
        async with asyncio.timeout(PATIENCE_S):
            message = await self.ws.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionError(f"closed: {self.ws.close_code}")
        return wire.decode_from_relay(message.data)

    async def expect(self, kind: type[M], where: Callable[[M], bool] = lambda _: True) -> M:
        """The first message of that kind; others are kept for later."""
        for index, kept in enumerate(self.kept):
            if isinstance(kept, kind) and where(kept):
                del self.kept[index]
                return kept
        while True:
            message = await self.receive()
            if isinstance(message, kind) and where(message):
                return message
            self.kept.append(message)  # type: ignore[arg-type]

    async def answer(self, message: Any) -> wire.FromRelay:
        """Send a request; the answer that repeats its number."""
        await self.send(message)
        return await self.expect(object, lambda each: getattr(each, "request", None) == message.request)  # type: ignore[return-value]

    async def closed(self) -> None:
        """Wait until the relay has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while True:
                self.kept.append(await self.receive())

    # ---- requests, filled in

    def login_message(self, **changed: Any) -> wire.Login:
        audience = changed.get("audience", self.audience)
        nonce = changed.get("nonce", self.challenge.nonce)
        signature = self.key.sign("relay-login", wire.login_bytes(nonce, audience))
        return wire.Login(changed.get("version", wire.PROTOCOL_VERSION), self.key.public, audience, signature)

    async def login(self) -> wire.Welcome:
        await self.send(self.login_message())
        return await self.expect(wire.Welcome)

    async def open_room(self, room: keys.SigningKey, access_key: str = "") -> wire.FromRelay:
        signature = room.sign("room-open", self.key.public + self.challenge.nonce)
        return await self.answer(wire.OpenRoom(self.request(), room.public, signature, access_key))

    async def attach(
        self, room: keys.SigningKey, cursor: int = 0, check: bytes = b"", *, append: bool = True, generation: int = 0
    ) -> wire.FromRelay:
        certificate = wire.certify(room, self.key.public, append, generation)
        return await self.answer(wire.Attach(self.request(), certificate, cursor, check))

    async def publish(self, room: keys.SigningKey, frames: tuple[bytes, ...]) -> wire.FromRelay:
        return await self.answer(wire.Publish(self.request(), room.public, frames))

    async def collect(self, room: keys.SigningKey, upto: int, after: int = 0) -> list[bytes]:
        """All frames after `after` up to cursor `upto`; checks that the deliveries leave no gap."""
        frames: list[bytes] = []
        while after < upto:
            deliver = await self.expect(wire.Deliver, lambda each: each.room == room.public)
            assert deliver.after == after, f"a gap: {after} was delivered, now comes what follows {deliver.after}"
            assert deliver.upto > after
            frames.extend(deliver.frames)
            after = deliver.upto
            self.checks[room.public, after] = deliver.check
        return frames


@contextlib.asynccontextmanager
async def connecting(url: str, *, login: bool = True, **options: Any) -> AsyncIterator[Node]:
    async with aiohttp.ClientSession() as session:
        node = await dial(session, url, **options)
        if login:
            await node.login()
        yield node


async def dial(session: aiohttp.ClientSession, url: str, **options: Any) -> Node:
    """Connect and read the challenge. Close the session to hang up."""
    ws = await session.ws_connect(url, max_msg_size=wire.MAX_MESSAGE_BYTES, autoclose=True, **options)
    first = wire.decode_from_relay(await ws.receive_bytes())
    assert isinstance(first, wire.Challenge)
    return Node(ws, first, url.partition("://")[2].rstrip("/"))


class RelayProcess:
    """`python -m relay` in a process of its own. `url` once it listens."""

    def __init__(self, folder: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        """`prefix` is put before the command: a shell that sets a limit, say."""
        self._arguments = (*prefix, sys.executable, "-m", "relay", "--data", str(folder), *arguments)
        self.url = ""
        self.process: asyncio.subprocess.Process

    async def start(self, port: int = 0) -> "RelayProcess":
        self.process = await asyncio.create_subprocess_exec(
            *self._arguments, "--port", str(port), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await self.process.stdout.readline()).decode()
        if not line.startswith("listening on "):
            raise AssertionError(f"no relay: {line!r} {(await self.errors())}")
        self.url = line.split()[-1].replace("ws", "http", 1)
        return self

    async def errors(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        self.process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()
