"""Whatever answers on the node's socket: cut anywhere, garbage, silence, or an impostor's folder."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import opensesh
from client import http
from client.wire import Answer, Lines, request_bytes
from crdt.errors import DAEMON_NOT_RUNNING, HOME_UNSAFE, TIMEOUT, OpenSeshError
from node.api.endpoint import places
from node.api.operations import OPERATIONS

BODY = b'{"threads": []}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED = (
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9;x=y\r\n{"threads\r\n6\r\n": []}\r\n1\r\n\n\r\n0\r\n\r\n'
)
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\n\r\n" + BODY
GARBAGE = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x00\xff" * 100,
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
]
CUT = [WHOLE[:10], WHOLE[:30], WHOLE[:-1], CHUNKED[:-2][:60], CHUNKED[:70], b""]


@pytest.mark.parametrize("raw", [WHOLE, CHUNKED, UNTIL_THE_END])
@given(cuts=st.lists(st.integers(1, 150)))
def test_an_answer_is_the_same_however_it_is_cut_up(raw: bytes, cuts: list[int]) -> None:
    answer, body, start = Answer(), b"", 0
    for cut in (*sorted(set(cuts)), len(raw)):
        body += answer.feed(raw[start:cut])
        start = max(start, cut)
    if not answer.complete:
        answer.end()
    assert (answer.status, answer.complete, body.strip()) == (200, True, BODY)


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)), st.integers(1, 20))
def test_lines_are_the_same_however_they_are_cut_up(objects: list[dict[str, str]], step: int) -> None:
    raw = b"".join(json.dumps(item).encode() + b"\n" for item in objects).replace(b"\n", b"\n\n")
    lines, found = Lines(), []
    for start in range(0, len(raw), step):
        found += lines.feed(raw[start : start + step])
    assert found == objects


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_our_own_error(raw: bytes) -> None:
    for head in (b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        answer = Answer()
        try:
            answer.feed(head + raw)
            answer.end()
        except OpenSeshError as error:
            assert error.kind is DAEMON_NOT_RUNNING


def test_a_request_is_one_line_of_ascii_and_a_secret_is_in_the_body_only() -> None:
    raw = request_bytes(
        OPERATIONS["provider.add"], {"name": "l", "base_url": "u", "model": "m", "key": "sk-1"}, "request-1"
    )
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /v1/providers HTTP/1.1"
    assert b"Idempotency-Key: request-1" in head and b"sk-1" not in head
    assert json.loads(body)["key"] == "sk-1"
    hostile = request_bytes(OPERATIONS["thread.show"], {"thread": "a\r\nHost: evil ü"})
    assert hostile.count(b"\r\n") == request_bytes(OPERATIONS["thread.show"], {"thread": "a"}).count(b"\r\n")


def test_a_setting_can_be_set_to_nothing() -> None:
    raw = request_bytes(OPERATIONS["config.set"], {"key": "k", "value": None})
    assert json.loads(raw.partition(b"\r\n\r\n")[2]) == {"key": "k", "value": None}


@contextmanager
def impostor(answer: bytes, *, hang: bool = False) -> Iterator[str]:
    """Something on the node's socket that reads a request and answers with these bytes."""
    path = Path(places().socket)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(8)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection, suppress(OSError):  # who calls may have left
                    connection.recv(65536)
                    connection.sendall(answer)
                    if hang:
                        done.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield str(path)
        finally:
            done.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("raw", [*GARBAGE, *CUT], ids=lambda raw: repr(raw[:40]))
async def test_garbage_and_cut_answers_are_refused_by_both_clients(home: Path, raw: bytes) -> None:
    with impostor(raw) as path:
        with pytest.raises(OpenSeshError) as blocking:
            await asyncio.to_thread(http.call, path, "thread.list")
        with pytest.raises(OpenSeshError) as awaited:
            async with opensesh.connect():
                pass
    assert blocking.value.kind is awaited.value.kind is DAEMON_NOT_RUNNING
    assert blocking.value.to_json()["next"]
    # Nobody may take this for a node that isn't there, and start another, or do a thing twice.
    assert "path" not in blocking.value.details


@pytest.mark.parametrize(
    "lines",
    [b'{"type": "run.queued"}\n', b'{"type": "run.queued"}\n{"type": "run.comp', b"\n\n", b"5\n", b"[1]\n", b"{bad}\n"],
)
async def test_a_stream_that_ends_without_its_last_line_was_cut_off(home: Path, lines: bytes) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(lines), lines)
    with impostor(raw) as path, pytest.raises(OpenSeshError) as caught:
        await asyncio.to_thread(lambda: list(http.stream(path, "run.ask", None, thread="t", text="x")))
    assert caught.value.kind is DAEMON_NOT_RUNNING


async def test_a_node_that_hangs_is_a_timeout_with_a_next_step(home: Path) -> None:
    with impostor(b"", hang=True) as path:
        with pytest.raises(OpenSeshError) as caught:
            await asyncio.to_thread(http.call, path, "thread.list", 0.05)
        assert caught.value.kind is TIMEOUT and "node logs" in caught.value.to_json()["next"]
        begun = time.monotonic()
        with pytest.raises(OpenSeshError) as ended:
            await asyncio.to_thread(lambda: list(http.stream(path, "events.watch", time.monotonic() + 0.05)))
        assert ended.value.kind is TIMEOUT
        assert time.monotonic() - begun < 10


async def test_a_socket_in_a_folder_open_to_others_is_not_spoken_to(home: Path) -> None:
    with impostor(WHOLE) as path:
        Path(path).parent.chmod(0o755)
        for attempt in (asyncio.to_thread(http.call, path, "thread.list"), opensesh.connect().__aenter__()):
            with pytest.raises(OpenSeshError) as caught:
                await attempt
            assert caught.value.kind is HOME_UNSAFE


async def test_a_full_backlog_is_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with unaccepting() as path:
        monkeypatch.setattr(http, "BUSY_S", 0.1)
        with pytest.raises(OpenSeshError) as caught:
            await asyncio.to_thread(http.call, path, "thread.list")
        assert caught.value.kind is TIMEOUT
        with pytest.raises(OpenSeshError) as caught:
            async with opensesh.connect():
                pass
        assert caught.value.kind is TIMEOUT


@asynccontextmanager
async def unaccepting() -> AsyncIterator[str]:
    """A socket on which everybody waits already and nobody is let in."""
    path = Path(places().socket)
    path.parent.mkdir(mode=0o700, parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(0)
        waiting: list[socket.socket] = []
        while True:
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            try:
                waiting[-1].connect(str(path))
            except BlockingIOError:
                break
        yield str(path)
        for one in waiting:
            one.close()
