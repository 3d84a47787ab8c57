"""When what a program prints is said, and how the keys of another device come together."""

import random

import pytest

from crdt.output import MAX_DATA_BYTES, Data, Resized
from crdt.presence import MAX_PAYLOAD_BYTES
from node.terminals.batching import (
    BURST_BYTES,
    CHUNKS_PER_STEP,
    MAX_PAUSE_MS,
    MAX_WAITING_BYTES,
    PAUSE_MS,
    RATE_BYTES,
    Batcher,
)
from node.terminals.keys import (
    MAX_TYPED_BYTES,
    REPEATED_BYTES,
    Keyboard,
    Typed,
    Typist,
    decode_pressed,
    without_enter,
)


def test_the_first_bytes_go_at_once_and_the_next_ones_together_a_moment_later() -> None:
    batcher = Batcher()
    assert batcher.due_in_ms(0) is None and batcher.take(0) is None
    batcher.add(b"$ ")
    assert batcher.due_in_ms(1000) == 0
    assert batcher.take(1000) == Data(b"$ ")
    batcher.add(b"a")
    batcher.add(b"b")
    assert batcher.due_in_ms(1010) == PAUSE_MS - 10
    assert batcher.take(1030) == Data(b"ab")
    batcher.add(b"c")
    assert batcher.due_in_ms(2000) == 0


def test_a_flood_prints_at_once_what_a_rest_has_saved_and_then_at_a_steady_rate() -> None:
    batcher, said_bytes, now_ms = Batcher(lambda: 4), 0, 10_000
    while now_ms < 20_000:
        batcher.add(b"x" * MAX_DATA_BYTES)
        due = batcher.due_in_ms(now_ms)
        assert due is not None
        now_ms += due
        chunk = batcher.take(now_ms)
        assert isinstance(chunk, Data)
        said_bytes += len(chunk.bytes)
    assert abs(said_bytes - (10 * RATE_BYTES + BURST_BYTES) / 4) <= 2 * MAX_DATA_BYTES
    batcher.add(b"$ ")
    assert batcher.due_in_ms(now_ms + PAUSE_MS) == 0, "what is small waits for no flood that is over"


def test_a_full_chunk_does_not_wait_and_none_is_larger() -> None:
    batcher = Batcher()
    batcher.take(0)
    batcher.add(b"x")
    batcher.take(0)
    batcher.add(b"y" * (2 * MAX_DATA_BYTES + 5))
    sizes = []
    while batcher.due_in_ms(1) == 0:
        chunk = batcher.take(1)
        assert isinstance(chunk, Data)
        sizes.append(len(chunk.bytes))
    assert sizes == [MAX_DATA_BYTES, MAX_DATA_BYTES] and batcher.due_in_ms(1) == PAUSE_MS


def test_what_waits_is_bounded_by_who_reads() -> None:
    batcher = Batcher()
    read = 0
    while not batcher.is_full:
        batcher.add(b"z" * 10_000)
        read += 10_000
    assert read < MAX_WAITING_BYTES + 10_000
    batcher.take(0)
    assert not batcher.is_full


def test_another_size_keeps_its_place_and_only_the_last_of_several_counts() -> None:
    batcher = Batcher()
    batcher.add(b"before")
    batcher.resize(10, 10)
    batcher.resize(20, 20)
    batcher.add(b"after")
    assert [batcher.take(0) for _ in range(4)] == [Data(b"before"), Resized(20, 20), Data(b"after"), None]


def test_what_prints_for_hours_is_said_ever_more_seldom() -> None:
    """The chunks of eight hours without a break, each of which every member keeps."""
    batcher, now_ms, chunks = Batcher(), 0, 0
    while now_ms < 8 * 3_600_000:
        batcher.add(b".")
        due = batcher.due_in_ms(now_ms)
        assert due is not None
        now_ms += due
        batcher.take(now_ms)
        chunks += 1
    assert chunks < 70_000
    assert batcher.pause_ms <= MAX_PAUSE_MS and chunks > CHUNKS_PER_STEP


# ---- keys


def delivered(payloads: list[bytes], keyboard: Keyboard, device: bytes = b"d") -> bytes:
    typed = [decode_pressed(payload) for payload in payloads]
    return b"".join(keyboard.new(device, each) for each in typed if isinstance(each, Typed))


def test_what_is_typed_arrives_once_and_in_order() -> None:
    typist, keyboard = Typist(b"t" * 16, b"s" * 8), Keyboard()
    first, second = typist.type(b"ls -"), typist.type(b"la\r")
    assert delivered(first + second + second + first, keyboard) == b"ls -la\r"


@pytest.mark.parametrize("seed", range(10))
def test_what_a_lost_message_carried_comes_with_the_next_one(seed: int) -> None:
    source = random.Random(seed)
    typist, keyboard = Typist(b"t" * 16, b"s" * 8), Keyboard()
    keys = [bytes([source.randrange(97, 123)]) for _ in range(400)]
    sent = [typist.type(key) for key in keys]
    kept = [payloads for payloads in sent[:-1] if source.random() < 0.6] + sent[-1:]
    assert b"".join(delivered(payloads, keyboard) for payloads in kept) == b"".join(keys)


def test_what_is_pasted_goes_in_pieces_that_fit() -> None:
    typist, keyboard = Typist(b"t" * 16, b"s" * 8), Keyboard()
    pasted = bytes(range(256)) * 40
    payloads = typist.type(pasted)
    assert len(payloads) == -(-len(pasted) // MAX_TYPED_BYTES)
    assert max(map(len, payloads)) <= min(MAX_PAYLOAD_BYTES, MAX_TYPED_BYTES + REPEATED_BYTES + 64)
    assert delivered(payloads, keyboard) == pasted


def test_a_node_that_began_anew_types_in_a_stream_of_its_own() -> None:
    keyboard = Keyboard()
    assert delivered(Typist(b"t" * 16, b"1" * 8).type(b"one"), keyboard) == b"one"
    assert delivered(Typist(b"t" * 16, b"2" * 8).type(b"two"), keyboard) == b"two"
    assert delivered(Typist(b"t" * 16, b"2" * 8).type(b"tw"), keyboard, b"another device") == b"tw"


@pytest.mark.parametrize("payload", [b"", b"rubbish", b"\x90", Typist(b"short", b"s").type(b"x")[0]])
def test_a_forged_payload_is_none(payload: bytes) -> None:
    assert decode_pressed(payload) is None


def test_how_many_typists_are_remembered_is_bounded() -> None:
    keyboard = Keyboard()
    for number in range(1000):
        delivered(Typist(b"t" * 16, number.to_bytes(8, "big")).type(b"x"), keyboard)
    assert len(keyboard._reached) <= 64


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (b"rm -rf /\r", b"rm -rf /"),
        (b"one\ntwo", b"onetwo"),
        (b"\x0f\x04\x03\x1a\t", b""),
        (b"ab\x7f\x1b[D\x1b[Cc", b"ab\x7f\x1b[D\x1b[Cc"),
        (b"\x1b[A\x1b[200~x\x1b[201~", b"x"),
        (b"\x1b\r\x1bOM\x1b[27;5;13~", b""),
        ("ü€".encode(), "ü€".encode()),
    ],
)
def test_a_guest_without_enter_can_write_and_start_nothing(typed: bytes, kept: bytes) -> None:
    assert without_enter(typed) == kept
