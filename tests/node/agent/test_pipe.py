"""The frames between node and worker: whole, bounded, and shy about keys."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.agent import pipe
from node.agent.ports import ChatMessage

KEY = "sk-never-to-be-shown"
REPLIES: list[pipe.ToNode] = [
    pipe.Ready(1200),
    pipe.Chunk(1, "text", "Hel"),
    pipe.Chunk(1, "reasoning", "hm"),
    pipe.Call(1, "c1", "grep", "{}"),
    pipe.Failed(2, "status", "no", 401),
    pipe.Done(1, "stop", 3, None),
]
SECRET = pipe.Secret(KEY, {"X-Team": "t"})
REQUESTS: list[pipe.ToWorker] = [
    pipe.Complete(1, "tiny", "http://localhost/v1", SECRET, (ChatMessage("user", "?"),), pipe.Limits(), 9),
    pipe.Cancel(1),
]


@given(st.lists(st.integers(1, 40), min_size=1))
def test_messages_arrive_whole_however_the_bytes_are_cut(cuts: list[int]) -> None:
    stream = b"".join(pipe.encode(reply, pipe.TO_NODE_BYTES) for reply in REPLIES)
    reader, at, turn = pipe.node_reader(), 0, 0
    arrived: list[pipe.ToNode] = []
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        arrived += reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert arrived == REPLIES


def test_the_worker_reads_what_the_node_wrote_key_included() -> None:
    stream = b"".join(pipe.encode(request, pipe.TO_WORKER_BYTES) for request in REQUESTS)
    assert list(pipe.worker_reader().feed(stream)) == REQUESTS


def framed(body: bytes) -> bytes:
    return pipe.PREFIX.pack(len(body)) + body


GARBAGE = {
    "text": framed(b"Traceback (most recent call last):"),
    "nothing": framed(b""),
    "another tag": framed(msgspec.msgpack.encode({"type": "surprise"})),
    "no tag": framed(msgspec.msgpack.encode({"id": 1})),
    "a wrong type": framed(msgspec.msgpack.encode({"type": "chunk", "id": 1, "kind": "text", "text": 5})),
    "an unknown kind": framed(msgspec.msgpack.encode({"type": "chunk", "id": 1, "kind": "song", "text": "la"})),
    "a request": framed(msgspec.msgpack.encode({"type": "cancel", "id": 1})),
    "text that is no utf-8": framed(b"\x84\xa4type\xa5chunk\xa2id\x01\xa4kind\xa4text\xa4text\xa2\xff\xff"),
    "depth without end": framed(b"\x83\xa4type\xa5ready\xa9import_ms\x01\xa1x" + b"\x91" * 200_000),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_message_is_refused_by_name(name: str) -> None:
    with pytest.raises(pipe.Misframed):
        list(pipe.node_reader().feed(GARBAGE[name]))


@given(st.binary(max_size=200))
def test_random_bytes_are_messages_or_misframed_and_nothing_else(body: bytes) -> None:
    reader = pipe.node_reader()
    try:
        arrived = list(reader.feed(framed(body)))
    except pipe.Misframed:
        return
    assert all(isinstance(message, pipe.ToNode) for message in arrived)


def test_an_oversized_frame_is_refused_on_its_first_bytes() -> None:
    with pytest.raises(pipe.Misframed, match=str(pipe.TO_NODE_BYTES + 1)):
        list(pipe.node_reader().feed(pipe.PREFIX.pack(pipe.TO_NODE_BYTES + 1)))
    with pytest.raises(pipe.Misframed):
        pipe.encode(pipe.Chunk(1, "text", "x" * 100), 100)


def test_a_refusal_does_not_quote_what_was_sent() -> None:
    body = msgspec.msgpack.encode({"type": KEY})
    with pytest.raises(pipe.Misframed) as refused:
        list(pipe.worker_reader().feed(framed(body)))
    assert KEY not in str(refused.value) and refused.value.__suppress_context__


def test_a_key_is_in_no_repr() -> None:
    request = REQUESTS[0]
    assert KEY not in repr(request) and "t'" not in repr(request).split("Secret")[1].split(")")[0]
    assert isinstance(request, pipe.Complete)
    assert KEY not in f"{request.secret} {request.secret!r}"
    assert request.secret.values() == [KEY, "t"] and pipe.Secret().values() == []
