"""The bounded reader and the rules of the lanes: agreement with the native library, and every refusal."""

import time
from collections.abc import Iterable
from itertools import chain, islice, repeat
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from crdt import update as module
from crdt.errors import PeerFault
from crdt.update import Inserted, Update, check_shared, check_single_writer, read
from tests.crdt.fuzz_updates import (
    ANY,
    BINARY,
    EMBED,
    FORMAT,
    LEFT,
    MOVE,
    SKIP,
    STRING,
    SUBDOCUMENT,
    TYPE,
    Author,
    Gate,
    applied_in_a_child,
    block,
    forged_case,
    mutated,
    mutated_cases,
    state,
    string,
    uint,
    update,
)

ANA, BEN, EVE = 11, 22, 33
TEXT_BLOCK = block(STRING, string("abc"), root="text")


def refused(data: bytes, why: str) -> None:
    with pytest.raises(PeerFault, match=why) as caught:
        read(data)
    assert caught.value.reason == "bad update"


# ---- agreement with the native library


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**64))
def test_honest_edit_scripts_are_read_exactly_as_the_native_library_counts_them(seed: int) -> None:
    """Clocks against the state vectors before and after, deletions against the transaction's own set."""
    play(Random(seed), steps=25)


def play(random: Random, steps: int) -> int:
    """Two honest devices that edit, undo and exchange at random. Returns how many updates were checked."""
    gate = Gate()
    authors = [Author(client, random.random() < 0.5) for client in random.sample(range(2**53), 2)]
    reader: Doc[Map[object]] = Doc()
    checked = 0
    for _ in range(steps):
        author = random.choice(authors)
        before, deleted_by_it = state(author.doc), list[bytes]()
        subscription = author.doc.observe(lambda event, kept=deleted_by_it: kept.append(event.delete_set))
        data = author.act(random)
        subscription.drop()
        if data is None:
            continue
        after, start = state(author.doc), before.get(author.client, 0)
        claimed = gate.admit(data, author.client)
        grown = after.get(author.client, 0) - start
        assert claimed.inserted == ((Inserted(author.client, start, grown),) if grown else ())
        assert claimed.deleted == read(b"\0" + deleted_by_it[-1]).deleted
        assert check_shared(claimed, author.client, start, before) == after.get(author.client, 0)
        reader.apply_update(data)
        assert state(reader).get(author.client, 0) == after.get(author.client, 0)
        checked += 1
        if random.random() < 0.5:
            exchange(*authors)
    exchange(*authors)
    assert reader.get("text", type=Text).to_py() == authors[0].doc["text"].to_py()
    return checked


def exchange(one: Author, other: Author) -> None:
    """Bring both to one state; the differences pycrdt writes for that are well-formed too."""
    for source, target in ((one, other), (other, one)):
        difference = source.doc.get_update(target.doc.get_state())
        missing = {client: end for client, end in state(source.doc).items() if end > state(target.doc).get(client, 0)}
        assert {run.client: run.clock + run.length for run in read(difference).inserted} == missing
        target.doc.apply_update(difference)


def test_a_text_moves_the_clock_by_utf16_units() -> None:
    doc = Doc({"text": Text("a😀é👩‍👩‍👧")}, client_id=ANA)
    assert read(doc.get_update()).inserted == (Inserted(ANA, 0, 12),) == (Inserted(ANA, 0, state(doc)[ANA]),)


def test_an_update_tells_what_it_builds_on_and_which_roots_it_names() -> None:
    data = update(
        [
            (
                EVE,
                7,
                [
                    block(STRING, string("ab"), left=(ANA, 3), right=(BEN, 4)),
                    block(TYPE, b"\2", root="map", key="k"),
                    block(ANY, b"\1\x7e", parent=(EVE, 9), key="k"),
                    block(BINARY, string(b"\xff"), left=(ANA, 3)),
                    b"\0\5",
                ],
            )
        ],
        [(ANA, [(0, 2), (2, 1), (9, 1)])],
    )
    claimed = read(data)
    assert claimed.inserted == (Inserted(EVE, 7, 10),)
    assert claimed.references == ((ANA, 3), (BEN, 4), (EVE, 9))
    assert claimed.roots == {"map"}
    assert claimed.deleted == ((ANA, 0, 2), (ANA, 2, 1), (ANA, 9, 1))
    assert claimed.size_bytes == len(data)
    assert [found.length for found in claimed.blocks] == [2, 1, 1, 1, 5]


def test_an_update_without_content_is_read() -> None:
    assert read(b"\0\0") == Update((), (), (), (), frozenset(), 2)


# ---- malformed


def test_every_truncation_is_refused() -> None:
    author = Author(ANA)
    random = Random(3)
    for _ in range(40):
        data = author.act(random) or b"\0\0"
        for end in range(len(data)):
            refused(data[:end], "bad update")


def test_bytes_behind_the_end_are_refused() -> None:
    refused(update([(EVE, 0, [TEXT_BLOCK])]) + b"\0", "behind its end")


def test_an_oversized_update_is_refused_unread() -> None:
    refused(b"\0" * (module.MAX_UPDATE_BYTES + 1), "larger than")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (update([(EVE, 0, [block(SUBDOCUMENT, b"", root="map")])]), "document inside"),
        (update([(EVE, 0, [bytes([SKIP]) + b"\5", TEXT_BLOCK])]), "a skipped block"),
        (update([(EVE, 0, [block(MOVE, b"\0", root="map")])]), "a move"),
        (update([(EVE, 0, [bytes([15]) + b"\0"])]), "unknown kind of block"),
        (update([(EVE, 0, [bytes([LEFT]) + b"\1\1"])]), "collected block with flags"),
        (update([(EVE, 0, [bytes([0x10 | STRING]) + TEXT_BLOCK[1:]])]), "unknown kind of block"),
        (update([(EVE, 0, [b"\0\0"])]), "empty block"),
        (update([(EVE, 0, [block(ANY, b"\0", root="array")])]), "empty block"),
        (update([(EVE, 0, [block(STRING, string(b"\xff"), root="text")])]), "not UTF-8"),
        (update([(EVE, 0, [bytes([STRING]) + b"\1" + string(b"\xff") + string("a")])]), "not UTF-8"),
        (update([(EVE, 0, [bytes([STRING]) + b"\2" + string("text") + string("a")])]), "neither named nor an id"),
        (update([(EVE, 0, [block(TYPE, b"\3" + string("p"), root="map")])]), "neither array, map nor text: 3"),
        (update([(EVE, 0, [block(TYPE, b"\7", root="map")])]), "neither array, map nor text: 7"),
        (update([(EVE, 0, [block(EMBED, string("{"), root="text")])]), "not JSON"),
        (update([(EVE, 0, [block(FORMAT, string("b") + string(b"\xff"), root="text")])]), "not JSON"),
        (update([(EVE, 0, [])]), "without a block"),
        (update([(EVE, 0, [TEXT_BLOCK]), (EVE, 3, [TEXT_BLOCK])]), "listed twice"),
        (update([(EVE, 0, [block(STRING, string("a"), left=(EVE, 0))])]), "builds on itself"),
        (update([(EVE, 5, [block(STRING, string("a"), right=(EVE, 6))])]), "builds on itself"),
        (update([(EVE, 0, [block(ANY, b"\1\x7e", parent=(EVE, 0))])]), "builds on itself"),
        (update([(2**53, 0, [TEXT_BLOCK])]), "beyond 53 bits"),
        (update([(EVE, 2**31, [TEXT_BLOCK])]), "beyond 53 bits or a clock beyond 31"),
        (update([(EVE, 2**31 - 2, [TEXT_BLOCK])]), "clock beyond 31 bits"),
        (update([(EVE, 0, [b"\0" + uint(2**31)])]), "clock beyond 31 bits"),
        (update([(EVE, 0, [block(STRING, string("a"), left=(2**53, 0))])]), "beyond 53 bits"),
        (update(deleted=[(2**53, [(0, 1)])]), "deletions of a client"),
        (update(deleted=[(ANA, [])]), "of none"),
        (update(deleted=[(ANA, [(0, 1)]), (ANA, [(5, 1)])]), "deletions of a client twice"),
        (update(deleted=[(ANA, [(0, 0)])]), "deletions that are empty"),
        (update(deleted=[(ANA, [(5, 2), (4, 1)])]), "out of order"),
        (update(deleted=[(ANA, [(5, 2), (6, 1)])]), "out of order"),
        (update(deleted=[(ANA, [(1, 2**31 - 1)])]), "beyond 31 bits"),
    ],
)
def test_malformed_updates_are_refused_by_name(data: bytes, why: str) -> None:
    refused(data, why)


def test_overlapping_blocks_are_refused() -> None:
    """A section's blocks follow each other by construction: overlap takes a second section, or a used clock."""
    refused(update([(EVE, 0, [TEXT_BLOCK]), (EVE, 1, [TEXT_BLOCK])]), "listed twice")
    with pytest.raises(PeerFault, match="overlap"):
        check_single_writer(read(update([(EVE, 1, [TEXT_BLOCK])])), EVE, 3, {})


def test_huge_counts_are_refused_before_anything_is_reserved() -> None:
    refused(uint(module.MAX_CLIENTS + 1), "blocks of more than")
    refused(b"\1" + uint(module.MAX_BLOCKS + 1) + b"\5\0", "more than 4096 blocks")
    refused(b"\0\1\5" + uint(module.MAX_DELETE_RANGES + 1), "in more than 8192 ranges")
    refused(b"\0" + uint(2**50), "truncated")


def test_a_huge_delete_set_is_refused_and_the_largest_is_read() -> None:
    ranges = [(2 * index, 1) for index in range(module.MAX_DELETE_RANGES)]
    assert len(read(update(deleted=[(ANA, ranges)])).deleted) == module.MAX_DELETE_RANGES
    refused(update(deleted=[(ANA, ranges), (BEN, [(0, 1)])]), "in more than")


def test_the_most_blocks_are_read() -> None:
    assert len(read(update([(EVE, 0, [b"\0\1"] * module.MAX_BLOCKS)])).blocks) == module.MAX_BLOCKS
    halves = [(EVE, 0, [b"\0\1"] * (module.MAX_BLOCKS // 2)), (BEN, 0, [b"\0\1"] * (module.MAX_BLOCKS // 2 + 1))]
    refused(update(halves), "more than 4096 blocks")


def test_the_most_expensive_updates_are_read_within_a_second() -> None:
    """A bound against the absurd: these take tens of milliseconds."""
    room = module.MAX_UPDATE_BYTES - 64
    values = uint(60_000) + b"\x7e" * 60_000
    emoji = string("😀" * (room // 4))
    costly = [
        update([(EVE, 0, [block(ANY, values, root="array")] * 4)]),
        update([(EVE, 0, [block(STRING, emoji, root="text")])]),
        update([(EVE, 0, [block(STRING, string("a"), root="text")] * module.MAX_BLOCKS)]),
        update([(EVE, 0, [block(FORMAT, string("f") + string("[" * (room // 2) + "]" * (room // 2)), root="text")])]),
    ]
    for data in costly:
        began = time.process_time()
        try:
            read(data)
        except PeerFault as fault:
            assert "JSON" in str(fault)
        assert time.process_time() - began < 1


# ---- the rules of the lanes


def text_after(client: int, clock: int, left: tuple[int, int] | None = None) -> Update:
    found = block(STRING, string("abc"), left=left) if left else TEXT_BLOCK
    return read(update([(client, clock, [found])]))


BOTH = pytest.mark.parametrize("check", [check_single_writer, check_shared])


@BOTH
def test_what_goes_on_where_the_client_stopped_is_accepted(check: type(check_shared)) -> None:
    assert check(text_after(ANA, 5, left=(ANA, 4)), ANA, 5, {}) == 8
    assert check(text_after(ANA, 0), ANA, 0, {BEN: 3}) == 3
    assert check(text_after(ANA, 0, left=(BEN, 2)), ANA, 0, {BEN: 3}) == 3


@BOTH
def test_deletions_alone_leave_the_clock(check: type(check_shared)) -> None:
    assert check(read(update(deleted=[(ANA, [(0, 5)]), (BEN, [(1, 2)])])), ANA, 5, {BEN: 3}) == 5


@BOTH
def test_a_block_may_be_deleted_by_the_update_that_brings_it(check: type(check_shared)) -> None:
    assert check(read(update([(ANA, 0, [TEXT_BLOCK])], [(ANA, [(0, 3)])])), ANA, 0, {}) == 3


@BOTH
def test_a_foreign_client_id_is_refused(check: type(check_shared)) -> None:
    with pytest.raises(PeerFault, match="foreign client"):
        check(text_after(BEN, 3), ANA, 0, {BEN: 3})
    two = read(update([(ANA, 0, [TEXT_BLOCK]), (BEN, 0, [TEXT_BLOCK])]))
    with pytest.raises(PeerFault, match="foreign client"):
        check(two, ANA, 0, {})


@BOTH
def test_a_clock_jump_is_refused(check: type(check_shared)) -> None:
    with pytest.raises(PeerFault, match="clock jump"):
        check(text_after(ANA, 6), ANA, 5, {})


@BOTH
def test_a_clock_used_before_is_refused(check: type(check_shared)) -> None:
    with pytest.raises(PeerFault, match="overlap"):
        check(text_after(ANA, 4), ANA, 5, {})


@BOTH
def test_deleting_ahead_is_refused(check: type(check_shared)) -> None:
    for deleted in ((BEN, [(2, 2)]), (ANA, [(0, 6)]), (ANA, [(5, 1)])):
        with pytest.raises(PeerFault, match="delete ahead"):
            check(read(update(deleted=[deleted])), ANA, 5, {BEN: 3})


@BOTH
def test_building_on_what_is_not_here_is_refused(check: type(check_shared)) -> None:
    for left in ((BEN, 3), (EVE, 0)):
        with pytest.raises(PeerFault, match="unknown reference"):
            check(text_after(ANA, 0, left=left), ANA, 0, {BEN: 3})


def test_deletions_of_a_stranger_are_foreign_in_a_lane_of_one_writer_and_ahead_in_a_shared_one() -> None:
    strangers = read(update(deleted=[(EVE, [(0, 1)])]))
    with pytest.raises(PeerFault, match="foreign client"):
        check_single_writer(strangers, ANA, 0, {BEN: 3})
    with pytest.raises(PeerFault, match="delete ahead"):
        check_shared(strangers, ANA, 0, {BEN: 3})


# ---- fuzz


def test_bit_flips_of_an_update_are_read_or_refused() -> None:
    doc = Doc(
        {"map": Map({"m": Map({"role": "user", "text": Text("a😀"), "n": Array([1, 2.5, None])})})}, client_id=ANA
    )
    data = doc.get_update()
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        only_a_peer_fault(bytes(flipped))


def only_a_peer_fault(data: bytes) -> bool:
    try:
        read(data)
    except PeerFault as fault:
        assert fault.reason == "bad update"
        return False
    return True


def malformed(random: Random, number: int) -> int:
    """Read that many mutated updates and random bytes; how many were accepted."""
    author, accepted = Author(random.randrange(2**53)), 0
    for index in range(number):
        if index % 100 == 0:
            data = author.act(random) or b"\0\0"
        hostile = random.randbytes(random.randrange(64)) if index % 10 == 0 else mutated(random, data)
        accepted += only_a_peer_fault(hostile)
    return accepted


def test_malformed_updates_by_the_ten_thousand_raise_only_peer_faults() -> None:
    assert 0 < malformed(Random(1), 10_000) < 10_000


def survive(cases: Iterable[list[bytes]]) -> None:
    kept = list(cases)
    faults = applied_in_a_child(kept)
    some = {fault: [part.hex() for part in kept[index]] for index, fault in list(faults.items())[:3]}
    assert not faults, f"{len(faults)} of {len(kept)}: {some}"


def mutated_until(number: int, seed: int) -> list[list[bytes]]:
    random = Random(seed)
    return list(islice(chain.from_iterable(mutated_cases(random) for _ in repeat(None)), number))


def test_mutated_updates_that_pass_the_gate_are_applied_without_a_fault() -> None:
    survive(mutated_until(300, seed=1))


def test_forged_updates_that_pass_the_gate_are_applied_without_a_fault() -> None:
    survive(forged_case(Random(seed)) for seed in range(40))


@pytest.mark.deep
def test_deep_200_000_malformed_updates_raise_only_peer_faults() -> None:
    malformed(Random(2), 200_000)


@pytest.mark.deep
def test_deep_20_000_mutated_updates_that_pass_the_gate_kill_no_process() -> None:
    survive(mutated_until(20_000, seed=2))


@pytest.mark.deep
def test_deep_3_000_documents_of_forged_updates_that_pass_the_gate_kill_no_process() -> None:
    survive(forged_case(Random(seed)) for seed in range(1_000, 4_000))


@pytest.mark.deep
def test_deep_5_000_honest_scripts_are_read_exactly() -> None:
    assert sum(play(Random(seed), steps=25) for seed in range(5_000)) > 50_000
