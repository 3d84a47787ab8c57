"""A relay that says what a test tells it to, speaking `crdt/wire.py` over a real WebSocket."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from crdt import keys, wire
from node.transports.certificate import server_context

STORE = b"store-of-sixteen"


@dataclass
class Visit:
    """One connection at the scripted relay."""

    socket: web.WebSocketResponse
    host: str

    async def send(self, message: wire.FromRelay) -> None:
        await self.socket.send_bytes(wire.encode(message))

    async def receive(self) -> wire.ToRelay | None:
        """The node's next message, or None once it hung up."""
        received = await self.socket.receive()
        if received.type is not aiohttp.WSMsgType.BINARY:
            return None
        return wire.decode_to_relay(received.data)

    async def greet(self) -> wire.Login:
        """Challenge, check the login as the real relay does, welcome."""
        nonce = b"n" * 32
        await self.send(wire.Challenge(wire.PROTOCOL_VERSION, nonce, STORE))
        login = await self.receive()
        assert isinstance(login, wire.Login)
        assert login.audience == self.host
        signed = wire.login_bytes(nonce, login.audience)
        assert keys.verify(login.login, "relay-login", signed, login.signature)
        await self.send(wire.Welcome(wire.MAX_FRAME_BYTES, 1000))
        return login


Script = Callable[[Visit], Awaitable[None]]


class ScriptedRelay:
    """Runs its script for every connection. What a script raises fails the test at the end."""

    def __init__(self) -> None:
        self.script: Script | None = None
        self.url = ""
        self.faults: list[BaseException] = []
        self.paths: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        socket = web.WebSocketResponse(max_msg_size=wire.MAX_MESSAGE_BYTES, timeout=0.5)
        await socket.prepare(request)
        assert self.script is not None
        try:
            await self.script(Visit(socket, request.host))
        except ConnectionError:
            pass
        except Exception as fault:
            self.faults.append(fault)
        with contextlib.suppress(ConnectionError):
            await socket.close()
        return socket


@pytest.fixture
async def scripted_relay() -> AsyncIterator[ScriptedRelay]:
    relay = ScriptedRelay()
    application = web.Application()
    application.router.add_get("/{path:.*}", relay.handle)
    server = TestServer(application)
    await server.start_server()
    relay.url = f"ws://{server.host}:{server.port}"
    yield relay
    await server.close()
    assert relay.faults == []


class Seats:
    """A script: the rendezvous of the real relay, for one nameplate."""

    def __init__(self) -> None:
        self.taken: list[Visit] = []
        self.kept: list[bytes] = []
        self._numbers = itertools.count(7)
        self.changed = asyncio.Condition()

    async def __call__(self, visit: Visit) -> None:
        await visit.greet()
        meet = await visit.receive()
        assert isinstance(meet, wire.Meet)
        if meet.nameplate not in ("", "7") or len(self.taken) == 2:
            await visit.send(wire.Refused(meet.request, "no-nameplate", "", 0))
            return
        await visit.send(wire.Met(meet.request, "7", bool(self.taken)))
        self.taken.append(visit)
        for payload in self.kept if len(self.taken) == 2 else []:
            await visit.send(wire.Told(payload))
        try:
            while (message := await visit.receive()) is not None:
                assert isinstance(message, wire.Tell)
                await self._pass_on(visit, message.payload)
        finally:
            for other in self.taken:
                if other is not visit and not other.socket.closed:
                    await other.send(wire.Parted("left"))

    async def _pass_on(self, visit: Visit, payload: bytes) -> None:
        others = [other for other in self.taken if other is not visit]
        for other in others:
            await other.send(wire.Told(payload))
        if not others:
            self.kept.append(payload)


@pytest.fixture
def seats(scripted_relay: ScriptedRelay) -> Seats:
    seats = Seats()
    scripted_relay.script = seats
    return seats


@pytest.fixture
async def self_signed() -> ssl.SSLContext:
    context, _ = await server_context()
    return context
