"""The local API over a real unix socket: calls answered, and nobody else's calls."""

import asyncio
import json
import logging
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from crdt.errors import HOME_LOCKED, HOME_UNSAFE, THREAD_NOT_FOUND, OpenSeshError
from node.api.endpoint import socket_path
from node.api.peer import peer_uid
from node.api.requests import MAX_BODY_BYTES, Context
from node.api.server import Server
from node.home import Home
from tests.node.api.wire import Wire, raw_request, request, serving, short_socket
from tests.waiting import until


async def echo(parameters: Any, context: Context) -> dict[str, Any]:
    return {"parameters": parameters, "context": context}


async def test_a_call_reaches_its_handler_with_typed_parameters_and_defaults(tmp_path: Path) -> None:
    async with serving(tmp_path, {"thread.show": echo}) as path, Wire(path) as wire:
        status, body = await wire.call("thread.show", thread="50% / über..", limit=7)
    assert status == 200
    assert body["parameters"] == {"thread": "50% / über..", "limit": 7, "before": None}
    assert body["context"] == {"operation": "thread.show", "client_request_id": None}


async def test_an_idempotency_key_reaches_the_handler(tmp_path: Path) -> None:
    async with serving(tmp_path, {"message.say": echo}) as path, Wire(path) as wire:
        await wire.say(request("message.say", "Idempotency-Key: k-1", thread="a", text="hi"))
        status, body = await wire.answer()
    assert (status, body["context"]["client_request_id"]) == (200, "k-1")


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("thread.create", b'{"title":"x","colour":"red"}', "colour"),
        ("thread.create", b"{}", "title is missing"),
        ("thread.create", b'{"title":null}', "title is missing"),
        ("thread.create", b'{"title":1}', "$.title"),
        ("thread.create", b'{"title":"' + b"x" * 501 + b'"}', "500"),
        ("thread.create", b'{"title":"x","project":"relative"}', "absolute"),
        ("thread.create", b'{"title":"\xff"}', "UTF-8"),
        ("thread.create", b'{"title":"\\ud800 and more"}', "malformed"),
        ("thread.create", b"[" * 100_000, "array"),
        ("thread.create", b'{"title":"x"', "truncated"),
        ("config.set", b'{"key":"k","value":' + b"[" * 100_000, "array"),
    ],
)
async def test_a_wrong_body_is_refused_and_says_what_is_wrong(
    tmp_path: Path, name: str, values: bytes, says: str
) -> None:
    targets = {"thread.create": ("POST", "/v1/threads"), "config.set": ("PUT", "/v1/config")}
    async with serving(tmp_path, {name: echo}) as path, Wire(path) as wire:
        await wire.say(raw_request(*targets[name], values))
        status, body = await wire.answer()
    assert (status, body["error"]["name"]) == (400, "REQUEST_INVALID")
    assert says in body["error"]["message"]


@pytest.mark.parametrize(
    "target",
    [
        "/v1/threads?colour=red",
        "/v1/threads?limit=-1",
        "/v1/threads?limit=many",
        "/v1/threads?limit=1&limit=2",
        "/v1/threads?limit=%zz",
        "/v1/threads?project=relative",
        "/v1/threads/",
        "/v1/threads/%ff",
        "/v1/threads/../status",
        "/",
        "/v1/nothing",
    ],
)
async def test_a_wrong_target_is_refused_and_the_connection_lives_on(tmp_path: Path, target: str) -> None:
    async with serving(tmp_path, {"thread.list": echo, "thread.show": echo}) as path, Wire(path) as wire:
        await wire.say(raw_request("GET", target))
        status, body = await wire.answer()
        assert (status, body["error"]["name"]) == (400, "REQUEST_INVALID")
        assert (await wire.call("thread.list"))[0] == 200


async def test_deleting_for_ever_takes_the_word_for_it(tmp_path: Path) -> None:
    async with serving(tmp_path, {"thread.delete": echo}) as path, Wire(path) as wire:
        assert (await wire.call("thread.delete", thread="a"))[0] == 400
        assert (await wire.call("thread.delete", thread="a", forever=False))[0] == 400
        assert (await wire.call("thread.delete", thread="a", forever=True))[0] == 200


async def test_an_error_keeps_its_code_status_and_details(tmp_path: Path) -> None:
    async def missing(parameters: Any, context: Context) -> None:
        raise THREAD_NOT_FOUND(nearest=["abc"])

    async with serving(tmp_path, {"thread.show": missing}) as path, Wire(path) as wire:
        status, body = await wire.call("thread.show", thread="x")
    assert (status, body) == (404, {"error": THREAD_NOT_FOUND(nearest=["abc"]).to_json()})


async def test_an_unexpected_exception_is_internal_and_its_text_is_logged_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(parameters: Any, context: Context) -> None:
        raise RuntimeError(f"canary {parameters.text}")

    caplog.set_level(logging.DEBUG)
    async with serving(tmp_path, {"message.say": broken}) as path, Wire(path) as wire:
        status, body = await wire.call("message.say", thread="t", text="secret words")
        assert (await wire.call("message.say", thread="t", text="again"))[0] == 500
    assert (status, body["error"]["name"]) == (500, "INTERNAL")
    assert body["error"]["details"]["reference"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text + json.dumps(body)
    assert "secret words" not in caplog.text + json.dumps(body)


async def test_a_panic_of_native_code_is_answered_as_internal(tmp_path: Path) -> None:
    class PanicException(BaseException):
        pass

    async def panic(parameters: Any, context: Context) -> None:
        raise PanicException

    async with serving(tmp_path, {"status": panic}) as path, Wire(path) as wire:
        assert (await wire.call("status"))[0] == 500


async def test_a_handlers_broken_connection_is_its_own_error_and_not_the_clients_leaving(tmp_path: Path) -> None:
    async def unreachable(parameters: Any, context: Context) -> None:
        raise ConnectionRefusedError

    async with serving(tmp_path, {"relay.status": unreachable}) as path, Wire(path) as wire:
        assert (await wire.call("relay.status"))[1]["error"]["name"] == "NETWORK_ERROR"


@pytest.mark.parametrize("declared", [True, False])
async def test_an_oversized_body_is_refused_before_it_is_held(tmp_path: Path, declared: bool) -> None:
    async with serving(tmp_path, {"message.say": echo}) as path, Wire(path) as wire:
        head = "POST /v1/threads/t/messages HTTP/1.1\r\nHost: opensesh\r\n"
        if declared:
            await wire.say(f"{head}Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode())
        else:
            await wire.say(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            block = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
            for _ in range(9):
                await wire.say(block)
        status, body = await wire.answer()
    assert (status, body["error"]["name"]) == (413, "TOO_LARGE")


async def test_a_body_of_almost_the_limit_is_taken(tmp_path: Path) -> None:
    async def measure(parameters: Any, context: Context) -> int:
        return len(parameters.text)

    async with serving(tmp_path, {"message.say": measure}) as path, Wire(path) as wire:
        assert await wire.call("message.say", thread="t", text="x" * (MAX_BODY_BYTES - 100)) == (
            200,
            MAX_BODY_BYTES - 100,
        )


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 1000,
        os.urandom(4096) + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/status HTTP/9.9\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n\r\n",
        b"GET  /v1/status\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: opensesh\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: opensesh\r\nHost: opensesh\r\n\r\n",
        b"POST /v1/threads HTTP/1.1\r\nHost: opensesh\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/threads HTTP/1.1\r\nHost: opensesh\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /v1/threads HTTP/1.1\r\nHost: opensesh\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/threads HTTP/1.1\r\nHost: opensesh\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: opensesh\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: opensesh\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: opensesh\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /v1/events/ws HTTP/1.1\r\nHost: opensesh\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_garbage_is_refused_and_the_next_caller_is_served(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def watch(parameters: Any, context: Context) -> Any:
        yield {"type": "ready"}

    handlers = {"status": echo, "thread.create": echo, "events.watch": watch}
    async with serving(tmp_path, handlers) as path:
        async with Wire(path) as wire:
            await wire.say(garbage)
            wire.writer.write_eof()
            assert (await wire.head())[0] in (0, 400, 403)
        async with Wire(path) as wire:
            assert (await wire.call("status"))[0] == 200
    assert not [record for record in caplog.records if record.exc_info or "internal error" in record.message]


@pytest.mark.parametrize("header", ["Origin: http://localhost", "Origin: null", "Sec-Fetch-Site: cross-site"])
async def test_a_web_page_is_refused(tmp_path: Path, header: str) -> None:
    async with serving(tmp_path, {"status": echo}) as path, Wire(path) as wire:
        await wire.say(request("status", header))
        assert (await wire.answer())[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "opensesh.evil.example", "localhost:8080", ""])
async def test_a_request_for_another_host_is_refused_as_dns_rebinding(tmp_path: Path, host: str) -> None:
    async with serving(tmp_path, {"status": echo}) as path, Wire(path) as wire:
        await wire.say(raw_request("GET", "/v1/status", host=host))
        assert (await wire.answer())[0] == 403


async def test_a_connection_of_another_user_is_closed_unheard(tmp_path: Path) -> None:
    heard = []

    async def note(parameters: Any, context: Context) -> None:
        heard.append(context)

    async with serving(tmp_path, {"status": note}, uid_of=lambda sock: os.getuid() + 1) as path, Wire(path) as wire:
        await wire.say(request("status"))
        assert await wire.head() == (0, {})
    assert not heard


def test_the_kernel_names_our_own_user_for_our_own_connection() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_uid(ours) == os.getuid()


async def test_twenty_clients_at_once_each_get_their_own_answer(tmp_path: Path) -> None:
    arrived = asyncio.Semaphore(0)
    go = asyncio.Event()

    async def together(parameters: Any, context: Context) -> str:
        arrived.release()
        await go.wait()
        return str(parameters.text)

    async def client(path: Path, number: int) -> tuple[int, Any]:
        async with Wire(path) as wire:
            return await wire.call("message.say", thread="t", text=f"n{number}")

    async with serving(tmp_path, {"message.say": together}) as path:
        clients = [asyncio.create_task(client(path, number)) for number in range(20)]
        for _ in range(20):
            await arrived.acquire()
        go.set()
        assert await asyncio.gather(*clients) == [(200, f"n{number}") for number in range(20)]


async def test_one_connection_too_many_is_closed_and_the_others_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.api.connections.MAX_CONNECTIONS", 2)
    async with serving(tmp_path, {"status": echo}) as path, Wire(path) as first, Wire(path) as second:
        assert (await first.call("status"))[0] == (await second.call("status"))[0] == 200
        async with Wire(path) as third:
            await third.say(request("status"))
            assert (await third.head())[0] == 0
        assert (await first.call("status"))[0] == 200


@pytest.mark.parametrize(("name", "finished"), [("message.say", True), ("sync.wait", False)])
async def test_a_change_is_finished_when_its_client_leaves_and_a_wait_is_given_up(
    tmp_path: Path, name: str, finished: bool
) -> None:
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop().create_future()

    async def slow(parameters: Any, context: Context) -> None:
        begun.set()
        try:
            await may_end.wait()
            ended.set_result("finished")
        except asyncio.CancelledError:
            ended.set_result("given up")
            raise

    server = Server({name: slow}, short_socket(tmp_path))
    await server.start()
    async with Wire(short_socket(tmp_path)) as wire:
        await wire.say(request(name, **({"thread": "t", "text": "x"} if finished else {})))
        await begun.wait()
    connections = server._connections
    assert connections is not None
    await until(lambda: not connections.connections)
    if finished:
        may_end.set()
    assert await asyncio.wait_for(ended, 10) == ("finished" if finished else "given up")
    await server.stop()


async def test_stopping_lets_a_running_call_answer_and_removes_the_socket(tmp_path: Path) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(parameters: Any, context: Context) -> str:
        begun.set()
        await may_end.wait()
        return "done"

    path = short_socket(tmp_path)
    server = Server({"status": slow}, path)
    await server.start()
    async with Wire(path) as wire:
        await wire.say(request("status"))
        await begun.wait()
        stop = asyncio.create_task(server.stop())
        may_end.set()
        assert await wire.answer() == (200, "done")
        await stop
    assert not path.exists()
    await server.stop()


async def test_the_socket_and_its_folder_are_private(tmp_path: Path) -> None:
    async with serving(tmp_path, {}) as path:
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    path.parent.chmod(0o755)
    with pytest.raises(OpenSeshError) as caught:
        await Server({}, path).start()
    assert caught.value.kind is HOME_UNSAFE


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = short_socket(tmp_path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(tmp_path, {"status": echo}), Wire(path) as wire:
        assert (await wire.call("status"))[0] == 200


async def test_a_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, {"status": echo}) as path:
        with pytest.raises(OpenSeshError) as caught:
            await Server({}, path).start()
        assert caught.value.kind is HOME_LOCKED
        async with Wire(path) as wire:
            assert (await wire.call("status"))[0] == 200


async def test_a_file_in_the_sockets_place_is_never_removed(tmp_path: Path) -> None:
    path = short_socket(tmp_path)
    path.write_text("somebody's work")
    with pytest.raises(OpenSeshError) as caught:
        await Server({}, path).start()
    assert caught.value.kind is HOME_UNSAFE
    assert path.read_text() == "somebody's work"


async def test_a_home_with_a_very_long_name_is_served_where_its_clients_look(tmp_path: Path) -> None:
    environ = {"OPENSESH_HOME": str(tmp_path / ("long " * 40))}
    with Home.of(environ) as home:
        server = Server({"status": echo}, home.socket)
        await server.start()
        try:
            async with Wire(Path(socket_path(environ))) as wire:
                assert (await wire.call("status"))[0] == 200
        finally:
            await server.stop()
        home.run.rmdir()


def test_a_handler_of_no_operation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"thread\.explode"):
        Server({"thread.explode": echo}, tmp_path / "s")
