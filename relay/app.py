"""The relay as a web application: its four routes, its connections from the first byte to the last.

GET /         the WebSocket that speaks `crdt/wire.py`
GET /livez    200 while the process answers
GET /readyz   200 while it takes connections and its store works
GET /metrics  counts, for Prometheus
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from crdt import wire
from relay import metrics
from relay.connection import Connection
from relay.grants import Refusal
from relay.handlers import Door, Handlers
from relay.hub import Hub
from relay.limits import Census, Limits
from relay.rendezvous import Rendezvous
from relay.store import SqliteStore

_SEND_BUFFER_BYTES: Final = 512 * 1024  # in the kernel, of one connection: a reader that stops costs no more
_TICK_S: Final = 1.0
_log = logging.getLogger(__name__)


class Relay:
    """One running relay: the parts, put together."""

    def __init__(self, store: SqliteStore, limits: Limits, door: Door, *, behind_proxy: bool = False) -> None:
        self._store, self._limits, self._behind_proxy = store, limits, behind_proxy
        self._hub = Hub(store, limits)
        self._rendezvous = Rendezvous(limits, secrets.randbelow)
        self._handlers = Handlers(store, self._hub, self._rendezvous, limits, door, time.monotonic)
        self._census = Census(limits)
        self._connections: dict[int, Connection] = {}
        self._next_number = 1
        self._stopping = False

    def runner(self) -> web.AppRunner:
        """The application, ready to be given sites to listen on."""
        # A connection that doesn't finish a request in time goes, before it takes a place from anybody.
        return web.AppRunner(
            self._application(),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=2.0,
            keepalive_timeout=self._limits.login_s,
        )

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._connect, allow_head=False)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.cleanup_ctx.append(self._housekeeping)
        return app

    async def stop(self) -> None:
        """Tell every node that we stop, after what it published has been stored and acknowledged."""
        self._stopping = True
        await self._store.flush()
        await asyncio.gather(*(self._dismiss(each) for each in list(self._connections.values())))

    async def _dismiss(self, connection: Connection) -> None:
        connection.refuse(0, Refusal("stopping", "the relay stops", 1000))
        await connection.close(WSCloseCode.GOING_AWAY)

    # ---- plain requests

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        problem = "stopping" if self._stopping else "disk full" if self._store.full else ""
        return web.Response(status=503 if problem else 200, text=f"{problem or 'ok'}\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        gauges = {
            "connections": self._census.total,
            "rooms_live": len(self._hub.rooms),
            "rendezvous": len(self._rendezvous),
            "letters_awaited": len(self._handlers.waiting),
            "pending_bytes": self._store.pending_bytes,
            "store_full": int(self._store.full),
        }
        text = metrics.render(
            self._handlers.metrics,
            frames_delivered=self._hub.delivered_frames,
            transactions=self._store.transactions,
            gauges=gauges,
        )
        return web.Response(text=text)

    # ---- the WebSocket

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        # A browser sends Origin, and sends it for a page of anybody's; nodes don't.
        if "Origin" in request.headers:
            raise web.HTTPForbidden(text="no browsers here\n")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPUpgradeRequired(text="this is an OpenSesh relay; it speaks WebSocket\n")
        if self._stopping:
            raise web.HTTPServiceUnavailable(text="stopping\n")
        address = self._address(request)
        if not self._census.enter(address):
            self._handlers.metrics.refuse("busy")
            raise web.HTTPTooManyRequests(text="too many connections\n")
        try:
            return await self._serve(request, address)
        finally:
            self._census.leave(address)

    def _address(self, request: web.Request) -> str:
        """Where it comes from, for the counts alone: held while connected, never logged or stored."""
        forwarded = request.headers.get("X-Forwarded-For", "") if self._behind_proxy else ""
        return forwarded.rpartition(",")[2].strip() or request.remote or ""

    async def _serve(self, request: web.Request, address: str) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(
            max_msg_size=wire.MAX_MESSAGE_BYTES, heartbeat=self._limits.heartbeat_s, compress=False, timeout=2.0
        )
        try:
            await ws.prepare(request)
        except ConnectionError:
            return ws
        transport = request.transport
        if transport is None:
            return ws
        plain = transport.get_extra_info("socket")
        if plain is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        number, self._next_number = self._next_number, self._next_number + 1
        connection = Connection(
            number, address, secrets.token_bytes(32), ws, transport, self._hub, self._limits, time.monotonic()
        )
        self._connections[number] = connection
        self._handlers.metrics.connections += 1
        try:
            connection.answer(wire.Challenge(wire.PROTOCOL_VERSION, connection.nonce, self._store.id))
            await self._converse(connection, ws, request.host)
        finally:
            del self._connections[number]
            self._handlers.leave(connection)
        return ws

    async def _converse(self, connection: Connection, ws: web.WebSocketResponse, host: str) -> None:
        async for message in ws:
            await connection.ready()
            if message.type is WSMsgType.ERROR:
                return
            data = message.data if message.type is WSMsgType.BINARY else b""
            try:
                goes_on = await self._handlers.handle(connection, host, data)
            except Exception:
                _log.exception("a request failed")
                self._handlers.metrics.refuse("internal")
                connection.refuse(0, Refusal("internal", "the relay failed; see its log"))
                goes_on = False
            if not goes_on:
                await connection.close(WSCloseCode.POLICY_VIOLATION)
                return

    # ---- once a second

    async def _housekeeping(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick_for_ever())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.tick(time.monotonic())

    def tick(self, now: float) -> None:
        """Let go of what has run its time: pairings, connections without a login or without progress."""
        for connection in list(self._connections.values()):
            if self._rendezvous.seats(connection):
                connection.since = now  # pairing needs no login; it may log in or meet again afterwards
            if connection.is_stalled(now):
                self._handlers.metrics.stalled += 1
                connection.abort()
            elif connection.login is None and now - connection.since >= self._limits.login_s:
                connection.abort()
        self._rendezvous.expire(now)
        self._handlers.drops.forget_full(now)
        self._handlers.meets.forget_full(now)
