"""Two sets of frames become their union, at a price in bytes that follows the difference; the hostile is refused."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import reconcile, wire
from crdt.errors import PeerFault
from crdt.reconcile import BUCKETS, Buckets, Frames, Holds, Inventory, Listing, Overview

THREAD = b"t" * 32
Held = dict[bytes, bytes]


def frames(*numbers: int) -> Held:
    """Frames by their hash."""
    made = [number.to_bytes(8, "big") * 8 for number in numbers]
    return {wire.frame_hash(frame): frame for frame in made}


class Side:
    """What a device does with the messages, without a network, a store or a clock."""

    def __init__(self, held: Held) -> None:
        self.held = dict(held)
        self.inventory = Inventory(held)

    def open(self) -> list[reconcile.PeerMessage]:
        return [Overview(((THREAD, self.inventory.digest),))]

    def take(self, message: reconcile.PeerMessage) -> list[reconcile.PeerMessage]:
        match message:
            case Overview():
                if message.threads[0][1] != self.inventory.digest:
                    return [Buckets(THREAD, b"".join(self.inventory.digests()))]
            case Buckets():
                return [*self.inventory.listings(THREAD, self.inventory.differing(message.digests))]
            case Listing():
                lacking = [self.held[each] for each in self.inventory.lacking(message)]
                return [Frames(THREAD, batch) for batch in reconcile.batches(lacking)]
            case Frames():
                for frame in message.frames:
                    self.held[wire.frame_hash(frame)] = frame
                    self.inventory.add(wire.frame_hash(frame))
        return []


def converse(left: Side, right: Side) -> int:
    """Carry messages both ways until nobody has anything to say; how many bytes passed."""
    passed = 0
    due = [(right, each) for each in left.open()] + [(left, each) for each in right.open()]
    while due:
        side, message = due.pop(0)
        data = reconcile.encode(message)
        assert len(data) <= wire.MAX_MESSAGE_BYTES
        passed += len(data)
        other = left if side is right else right
        due += [(other, answer) for answer in side.take(reconcile.decode(data))]
    return passed


numbers = st.sets(st.integers(0, 400), max_size=120)


@given(numbers, numbers)
@settings(deadline=None)
def test_two_sets_become_their_union_on_both_sides(mine: set[int], theirs: set[int]) -> None:
    left, right = Side(frames(*mine)), Side(frames(*theirs))
    converse(left, right)
    assert left.held == right.held == frames(*(mine | theirs))
    assert left.inventory.digest == right.inventory.digest


@given(st.lists(st.integers(0, 400), max_size=120))
@settings(deadline=None)
def test_a_digest_depends_on_the_frames_alone_and_not_on_how_they_came(order: list[int]) -> None:
    grown = Inventory()
    for number in order:
        _ = grown.digest  # what is computed in between must not be kept too long
        for each in frames(number):
            grown.add(each)
    assert grown.digest == Inventory(frames(*order)).digest
    assert len(grown) == len(set(order))


def test_equal_threads_cost_one_digest_each_however_large() -> None:
    held = frames(*range(5000))
    assert converse(Side(held), Side(held)) < 150


def test_one_missing_frame_among_many_costs_its_bucket_and_not_the_thread() -> None:
    held = frames(*range(20_000))
    less = dict(held)
    less.popitem()
    left, right = Side(held), Side(less)
    passed = converse(left, right)
    assert right.held == held
    assert passed < 2 * BUCKETS * reconcile.DIGEST_BYTES + 4 * 200 * wire.FRAME_HASH_BYTES


def test_frames_that_differ_only_in_which_bucket_they_are_missing_from_have_different_digests() -> None:
    held = list(frames(*range(300)))
    digests = {Inventory(held[:at] + held[at + 1 :]).digest for at in range(len(held))}
    assert len(digests) == len(held)


def test_a_large_thread_takes_several_listings_each_within_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "MAX_LISTED", 100)
    inventory = Inventory(frames(*range(3000)))
    listings = inventory.listings(THREAD, range(BUCKETS))
    assert len(listings) > 10
    assert all(len(each.hashes) <= 100 * wire.FRAME_HASH_BYTES for each in listings)
    assert [number for each in listings for number in each.buckets] == list(range(BUCKETS))
    assert all(not inventory.lacking(each) for each in listings)


def test_batches_stay_below_the_bounds_of_a_message_and_keep_the_order() -> None:
    sizes = [wire.MAX_FRAME_BYTES] * 9 + [64] * 3000
    made = [bytes(size) for size in sizes]
    batches = reconcile.batches(made)
    assert [len(frame) for batch in batches for frame in batch] == sizes
    for batch in batches:
        assert len(batch) <= wire.MAX_BATCH_FRAMES
        assert len(reconcile.encode(Frames(THREAD, batch))) <= wire.MAX_MESSAGE_BYTES


def test_the_largest_messages_of_each_kind_fit_the_transport() -> None:
    rows = tuple((number.to_bytes(32, "big"), bytes(16)) for number in range(reconcile.MAX_THREADS))
    full = Listing(THREAD, tuple(range(BUCKETS)), bytes(reconcile.MAX_LISTED * wire.FRAME_HASH_BYTES))
    for message in (Overview(rows), full):
        data = reconcile.encode(message)
        assert len(data) <= wire.MAX_MESSAGE_BYTES
        assert reconcile.decode(data) == message


HOSTILE = {
    "a digest too short": ["overview", [[THREAD, b"short"]]],
    "a thread too long": ["holds", THREAD + b"x", bytes(16)],
    "too many threads": ["overview", [[THREAD, bytes(16)]] * (reconcile.MAX_THREADS + 1)],
    "one bucket digest missing": ["buckets", THREAD, bytes(BUCKETS * 16 - 16)],
    "a bucket that doesn't exist": ["listing", THREAD, [BUCKETS], b""],
    "a bucket below none": ["listing", THREAD, [-1], b""],
    "more buckets than there are": ["listing", THREAD, [0] * (BUCKETS + 1), b""],
    "a bucket twice, to have it sent twice": ["listing", THREAD, [7, 7], b""],
    "buckets out of order": ["listing", THREAD, [8, 7], b""],
    "a piece of a hash": ["listing", THREAD, [0], b"x" * 17],
    "too many hashes": ["listing", THREAD, [0], bytes((reconcile.MAX_LISTED + 1) * wire.FRAME_HASH_BYTES)],
    "a frame too small": ["frames", THREAD, [b"x"]],
    "a frame too large": ["frames", THREAD, [bytes(wire.MAX_FRAME_BYTES + 1)]],
    "too many frames": ["frames", THREAD, [bytes(32)] * (wire.MAX_BATCH_FRAMES + 1)],
    "an unknown kind": ["whisper", THREAD],
    "a field too many": ["holds", THREAD, bytes(16), 1],
    "no tag": [],
    "a map": {"thread": THREAD},
    "invalid UTF-8 as its kind": msgspec.Raw(b"\x91\xa2\xff\xfe"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_message_outside_the_bounds_is_refused_by_name(name: str) -> None:
    with pytest.raises(PeerFault, match="bad message"):
        reconcile.decode(msgspec.msgpack.encode(HOSTILE[name]))


def test_deep_nesting_and_garbage_are_refused_by_name() -> None:
    chance = random.Random(1)
    whole = reconcile.encode(Holds(THREAD, bytes(16)))
    hostile = [b"\x91" * 100_000, b"", whole + b"\x00", whole[:-1], *(chance.randbytes(40) for _ in range(2000))]
    for data in hostile:
        with pytest.raises(PeerFault, match="bad message"):
            reconcile.decode(data)
