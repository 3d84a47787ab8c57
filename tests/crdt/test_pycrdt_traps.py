"""What the native library really does with bad input, and that we refuse it before: one test a trap.

These are canaries. If one fails after an upgrade of pycrdt, the library has changed: read the trap
again before relaxing anything, since older versions stay in use.
"""

from random import Random

import pytest
from pycrdt import Array, Doc, Map, Text, get_state

from crdt.errors import PeerFault
from crdt.shape import Shape
from crdt.update import check_shared, check_single_writer, read
from tests.crdt.fuzz_updates import (
    ANY,
    JSON,
    ROOTS,
    STRING,
    TYPE,
    applied_in_a_child,
    block,
    forged,
    state,
    string,
    uint,
    update,
)

ANA, BEN, EVE = 11, 22, 33


def typed(client: int, *words: str) -> tuple[Doc[Text], list[bytes]]:
    """A document in which `client` appended each word in a transaction of its own, and the updates."""
    doc = Doc({"text": Text()}, client_id=client)
    sent: list[bytes] = []
    subscription = doc.observe(lambda event: sent.append(event.update))
    for word in words:
        doc["text"] += word
    subscription.drop()
    return doc, sent


def shown(*updates: bytes) -> str:
    doc = Doc({"text": Text()}, client_id=99)
    for data in updates:
        doc.apply_update(data)
    return str(doc["text"])


def nested_value(depth: int) -> bytes:
    return update([(EVE, 0, [block(ANY, b"\1" + b"\x75\1" * depth + b"\x7e", root="array")])])


def test_canary_updates_out_of_order_are_silently_lost() -> None:
    doc, (first, second, third) = typed(ANA, "a", "b", "c")
    fourth_at_the_front: list[bytes] = []
    subscription = doc.observe(lambda event: fourth_at_the_front.append(event.update))
    doc["text"].insert(0, "d")
    subscription.drop()
    (fourth,) = fourth_at_the_front
    assert shown(first, second, third, fourth) == "dabc"
    assert shown(first, third, fourth, second) == "dab", "pycrdt no longer loses the third: tell PROTOCOL's traps"
    assert shown(first, third, fourth, second, *typed(BEN, "!")[1]).count("c") == 0, "no later update heals it"


def test_an_update_out_of_order_is_refused_as_a_clock_jump() -> None:
    _, (first, _, third) = typed(ANA, "a", "b", "c")
    end = check_single_writer(read(first), ANA, 0, {})
    with pytest.raises(PeerFault, match="clock jump"):
        check_single_writer(read(third), ANA, end, {})


def test_a_value_nested_too_deep_kills_the_process_and_is_refused_before() -> None:
    assert applied_in_a_child([[nested_value(30_000)]])[0].startswith("died")
    with pytest.raises(PeerFault, match="nested more than"):
        read(nested_value(30_000))
    read(nested_value(31))


def test_shared_types_nested_over_many_updates_kill_the_process_and_are_refused_before() -> None:
    chain = [update([(EVE, 0, [block(TYPE, b"\1", root="map", key="x")])])]
    for start in range(1, 96_000, 4_000):
        inner = [block(TYPE, b"\1", parent=(EVE, clock - 1), key="x") for clock in range(start, start + 4_000)]
        chain.append(update([(EVE, start, inner)]))
    chain.append(update(deleted=[(EVE, [(0, 1)])]))
    assert applied_in_a_child([chain])[0].startswith("died")
    shape = Shape(ROOTS)
    shape.admit(read(chain[0]))
    with pytest.raises(PeerFault, match="bad shape: shared types nested"):
        shape.admit(read(chain[1]))


def test_a_panic_of_the_native_library_is_no_exception() -> None:
    _, (first,) = typed(ANA, "a")
    empty_section = update([(ANA, 0, [])])
    doc = Doc({"text": Text()})
    doc.apply_update(first)
    with pytest.raises(BaseException, match="unwrap") as caught:
        doc.apply_update(empty_section)
    assert not isinstance(caught.value, Exception)
    with pytest.raises(PeerFault, match="without a block"):
        read(empty_section)


def test_get_state_leaves_out_a_client_whose_first_block_is_not_clock_0() -> None:
    _, (_, second) = typed(ANA, "a", "b")
    assert get_state(second) == b"\0"
    (run,) = read(second).inserted
    assert (run.client, run.clock, run.length) == (ANA, 1, 1)


def test_reusing_a_client_and_clock_diverges_for_ever_with_equal_state_vectors() -> None:
    ours, (one,) = typed(ANA, "one")
    theirs, (two,) = typed(ANA, "two")
    ours.apply_update(two)
    theirs.apply_update(one)
    assert state(ours) == state(theirs)
    assert str(ours["text"]) != str(theirs["text"])
    end = check_single_writer(read(one), ANA, 0, {})
    with pytest.raises(PeerFault, match="overlap"):
        check_single_writer(read(two), ANA, end, {})


def test_claiming_anothers_future_clock_silently_kills_their_honest_edit() -> None:
    _, (first, second) = typed(ANA, "a", "b")
    claim = update([(ANA, 1, [block(STRING, string("!"), left=(ANA, 0))])])
    assert "b" not in shown(first, claim, second)
    for check in (check_single_writer, check_shared):
        with pytest.raises(PeerFault, match="foreign client"):
            check(read(claim), EVE, 0, {ANA: 1})


def test_deleting_ahead_silently_kills_honest_edits_later() -> None:
    _, (first, second) = typed(ANA, "a", "b")
    ahead = update(deleted=[(ANA, [(1, 100)])])
    assert shown(first, ahead, second) == "a"
    for check in (check_single_writer, check_shared):
        with pytest.raises(PeerFault, match="delete ahead"):
            check(read(ahead), EVE, 0, {ANA: 1})


def test_a_client_id_beyond_53_bits_is_taken_for_somebody_else() -> None:
    alias = update([(2**53 + ANA, 0, [block(STRING, string("!"), root="text")])])
    doc = Doc({"text": Text()})
    doc.apply_update(alias)
    assert state(doc) == {ANA: 1}
    with pytest.raises(PeerFault, match="beyond 53 bits"):
        read(alias)


def test_the_largest_53_bit_client_id_works() -> None:
    doc, (first,) = typed(2**53 - 1, "a")
    assert read(first).inserted[0].client == doc.client_id == 2**53 - 1


def test_a_block_that_builds_on_itself_waits_for_ever_and_is_refused() -> None:
    loop = update([(EVE, 0, [block(STRING, string("abc"), left=(EVE, 1))])])
    assert shown(loop) == ""
    with pytest.raises(PeerFault, match="builds on itself"):
        read(loop)


def test_an_empty_block_is_dropped_natively_and_refused_here() -> None:
    hollow = update([(EVE, 0, [block(STRING, string(""), root="text"), block(STRING, string("a"), root="text")])])
    assert shown(hollow) == "a"
    with pytest.raises(PeerFault, match="empty block"):
        read(hollow)


def test_old_json_content_is_read_one_text_too_far_and_is_refused() -> None:
    one_text = update([(EVE, 0, [block(JSON, uint(1) + string("1"), root="array")])])
    with pytest.raises(ValueError, match="Cannot decode update"):
        Doc().apply_update(one_text)
    with pytest.raises(PeerFault, match="old JSON"):
        read(one_text)


def test_a_parent_that_is_no_type_stops_the_native_library_half_way() -> None:
    halfway = update(
        [(EVE, 0, [block(STRING, string("a"), root="text"), block(TYPE, b"\1", parent=(EVE, 0), key="k")])]
    )
    doc = Doc({"text": Text()})
    with pytest.raises(RuntimeError, match="block parent"):
        doc.apply_update(halfway)
    assert str(doc["text"]) == "a", "the first block stays"
    shape = Shape(ROOTS)
    with pytest.raises(PeerFault, match="no shared type"):
        shape.admit(read(halfway))


def test_text_in_an_array_hangs_whoever_reads_it() -> None:
    hang = update([(EVE, 0, [block(STRING, string("a😀b"), root="array")])])
    assert applied_in_a_child([[hang]])[0].startswith("died")
    with pytest.raises(PeerFault, match="does not belong"):
        Shape(ROOTS).admit(read(hang))


def test_a_cut_through_a_character_makes_a_document_that_others_read_differently() -> None:
    """Deleting one half of 😀 leaves clocks that the next device counts differently."""
    whole = update([(EVE, 0, [block(STRING, string("a😀b"), root="text")])])
    cut = update(deleted=[(EVE, [(1, 1)])])
    first, second = Doc({"text": Text()}), Doc({"text": Text()})
    first.apply_update(whole)
    first.apply_update(cut)
    second.apply_update(first.get_update())
    assert state(first) != state(second)
    shape = Shape(ROOTS)
    shape.admit(read(whole))
    with pytest.raises(PeerFault, match="cut through a character"):
        shape.admit(read(cut))


def test_well_formed_updates_of_a_foreign_shape_break_the_native_library_and_are_all_refused() -> None:
    """Without the shape, clocks and references alone let through what hangs or breaks the library."""
    random = Random(5)
    history = Doc(
        {"text": Text("abc"), "array": Array([1, Map({"k": Text("x")})]), "map": Map({"a": 1})}, client_id=ANA
    )
    honest, known = history.get_update(), state(history)
    cases, refused = [], 0
    for _ in range(40):
        foreign = forged(random, EVE, 0, known)
        check_shared(read(foreign), EVE, 0, known)
        cases.append([honest, foreign])
    faults = applied_in_a_child(cases)
    assert faults, "nothing broke: the shape could be dropped"
    for index in faults:
        shape = Shape(ROOTS)
        shape.admit(read(honest))
        with pytest.raises(PeerFault):
            shape.admit(read(cases[index][1]))
        refused += 1
    assert refused == len(faults)
