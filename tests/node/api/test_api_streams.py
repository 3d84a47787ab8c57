"""Streams over a real unix socket: lines, heartbeats, bounds, and an end on every side."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crdt.errors import CURSOR_UNKNOWN
from node.api.requests import Context
from node.api.server import Handler, Server
from node.api.streams import Limits
from tests.node.api.wire import Wire, request, serving, short_socket
from tests.waiting import until


class Source:
    """A stream's handler driven by the test; says when its generator began and when it was closed."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.begun, self.closed = asyncio.Event(), asyncio.Event()
        self.yielded = 0

    async def watch(self, parameters: Any, context: Context) -> AsyncIterator[Any]:
        self.begun.set()
        try:
            while (item := await self.items.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                self.yielded += 1
                yield item
        finally:
            self.closed.set()


async def test_each_item_is_a_line_as_soon_as_it_happens(tmp_path: Path) -> None:
    source = Source()
    async with serving(tmp_path, {"events.watch": source.watch}) as path, Wire(path) as wire:
        source.items.put_nowait({"type": "a", "text": "line\nbreak"})
        await wire.say(request("events.watch"))
        status, headers = await wire.head()
        assert (status, headers["content-type"]) == (200, "application/x-ndjson")
        assert json.loads(await wire.line()) == {"type": "a", "text": "line\nbreak"}
        source.items.put_nowait({"type": "b"})
        assert json.loads(await wire.line()) == {"type": "b"}
        source.items.put_nowait(None)
        with pytest.raises(EOFError, match="ended"):
            await wire.line()


async def test_a_connection_serves_on_after_a_stream_has_ended(tmp_path: Path) -> None:
    source = Source()
    async with serving(tmp_path, {"events.watch": source.watch}) as path, Wire(path) as wire:
        for _ in range(2):
            source.items.put_nowait({"type": "a"})
            source.items.put_nowait(None)
            await wire.say(request("events.watch"))
            assert (await wire.head())[0] == 200
            assert await wire.line() == b'{"type":"a"}'
            with pytest.raises(EOFError, match="ended"):
                await wire.line()


async def test_an_error_before_the_first_line_has_its_http_status(tmp_path: Path) -> None:
    source = Source()
    source.items.put_nowait(CURSOR_UNKNOWN())
    async with serving(tmp_path, {"events.watch": source.watch}) as path, Wire(path) as wire:
        status, body = await wire.call("events.watch")
    assert (status, body["error"]["name"]) == (410, "CURSOR_UNKNOWN")


async def test_an_error_after_the_first_line_is_the_last_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    caplog.set_level(logging.DEBUG)
    async with serving(tmp_path, {"events.watch": source.watch}) as path, Wire(path) as wire:
        source.items.put_nowait({"type": "a"})
        source.items.put_nowait(RuntimeError("canary"))
        await wire.say(request("events.watch"))
        await wire.head()
        assert await wire.line() == b'{"type":"a"}'
        last = json.loads(await wire.line())
        assert (last["type"], last["error"]["name"]) == ("error", "INTERNAL")
    assert "canary" not in caplog.text


async def test_an_idle_stream_begins_and_beats(tmp_path: Path) -> None:
    source = Source()
    limits = Limits(heartbeat_s=0.01)
    async with serving(tmp_path, {"events.watch": source.watch}, limits=limits) as path, Wire(path) as wire:
        await wire.say(request("events.watch"))
        assert (await wire.head())[0] == 200
        assert [await wire.line(), await wire.line()] == [b"", b""]
        source.items.put_nowait({"type": "a"})
        while not (line := await wire.line()):
            pass
        assert line == b'{"type":"a"}'


async def test_the_generator_is_closed_when_its_client_leaves(tmp_path: Path) -> None:
    source = Source()
    async with serving(tmp_path, {"events.watch": source.watch}) as path:
        async with Wire(path) as wire:
            await wire.say(request("events.watch"))
            await source.begun.wait()
        await asyncio.wait_for(source.closed.wait(), 10)


async def test_a_client_that_does_not_read_holds_up_its_own_generator_only_and_is_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    produced = 0
    closed = asyncio.Event()

    async def flood(parameters: Any, context: Context) -> AsyncIterator[Any]:
        nonlocal produced
        try:
            while True:
                produced += 1
                yield {"type": "x", "text": "y" * 10_000}
        finally:
            closed.set()

    async def status(parameters: Any, context: Context) -> str:
        return "ok"

    handlers: dict[str, Handler] = {"events.watch": flood, "status": status}
    path = short_socket(tmp_path)
    server = Server(handlers, path, limits=Limits(queue_lines=8, stall_s=0.3))
    await server.start()
    connections = server._connections
    assert connections is not None
    async with Wire(path) as slow, Wire(path) as other:
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await slow.say(request("events.watch"))
        assert await other.call("status") == (200, "ok")
        await asyncio.wait_for(closed.wait(), 10)
        assert produced < 1000
        # Its connection goes too, with what it has not taken: it would never take it.
        await until(lambda: len(connections.connections) == 1)
        assert await other.call("status") == (200, "ok")
    await server.stop()
    assert "cut off" in caplog.text


async def test_stopping_ends_a_stream_with_a_word_and_closes_its_generator(tmp_path: Path) -> None:
    source = Source()
    server = Server({"events.watch": source.watch}, short_socket(tmp_path))
    await server.start()
    async with Wire(short_socket(tmp_path)) as wire:
        source.items.put_nowait({"type": "a"})
        await wire.say(request("events.watch"))
        await wire.head()
        assert await wire.line() == b'{"type":"a"}'
        async with asyncio.timeout(10):
            await server.stop()
        last = json.loads(await wire.line())
        assert (last["type"], last["error"]["name"]) == ("error", "DAEMON_NOT_RUNNING")
    assert source.closed.is_set()


async def test_events_come_over_a_websocket_with_the_same_json(tmp_path: Path) -> None:
    source = Source()
    async with (
        serving(tmp_path, {"events.watch": source.watch}) as path,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
    ):
        source.items.put_nowait({"type": "a", "cursor": 1})
        async with session.ws_connect("http://opensesh/v1/events/ws?since=0") as events:
            assert await events.receive_json(timeout=10) == {"type": "a", "cursor": 1}
            source.items.put_nowait({"type": "b", "cursor": 2})
            assert await events.receive_json(timeout=10) == {"type": "b", "cursor": 2}
        await asyncio.wait_for(source.closed.wait(), 10)


async def test_a_websocket_gets_an_error_before_the_first_event_as_an_http_status(tmp_path: Path) -> None:
    source = Source()
    source.items.put_nowait(CURSOR_UNKNOWN())
    async with (
        serving(tmp_path, {"events.watch": source.watch}) as path,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect("http://opensesh/v1/events/ws")
    assert caught.value.status == 410


async def test_a_websocket_that_talks_back_is_closed(tmp_path: Path) -> None:
    source = Source()
    async with (
        serving(tmp_path, {"events.watch": source.watch}) as path,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
    ):
        source.items.put_nowait({"type": "a"})
        async with session.ws_connect("http://opensesh/v1/events/ws") as events:
            await events.receive_json(timeout=10)
            await events.send_str("x" * 100)
            message = await events.receive(timeout=10)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1003)
        await asyncio.wait_for(source.closed.wait(), 10)


async def test_a_websocket_from_a_web_page_is_refused(tmp_path: Path) -> None:
    source = Source()
    async with (
        serving(tmp_path, {"events.watch": source.watch}) as path,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect("http://opensesh/v1/events/ws", origin="http://evil.example")
    assert caught.value.status == 403
    assert not source.begun.is_set()
