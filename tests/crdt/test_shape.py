"""Where blocks belong: what honest clients never write is refused, whole, whatever came before."""

from random import Random

import pytest
from pycrdt import Doc, Map

from crdt.errors import PeerFault
from crdt.shape import MAX_TYPE_DEPTH, Shape
from crdt.update import ARRAY, MAP, TEXT, read
from tests.crdt.fuzz_updates import (
    ANY,
    BINARY,
    DELETED,
    EMBED,
    FORMAT,
    ROOTS,
    STRING,
    TYPE,
    block,
    forged,
    forged_case,
    string,
    update,
)

ANA, BEN, EVE = 11, 22, 33
NULL = b"\1\x7e"


def new_type(kind: int) -> bytes:
    return bytes([kind])


def with_history() -> Shape:
    """Ana's blocks: 0-4 the text "a😀bc" with 😀 at 1-2 and a deleted character at 5, 6 an array in the
    map with two nulls 7 and 8, 9 a text in that array, 10 collected, 11 a null in the map."""
    shape = Shape(ROOTS)
    shape.admit(
        read(
            update(
                [
                    (
                        ANA,
                        0,
                        [
                            block(STRING, string("a😀bc"), root="text"),
                            block(DELETED, b"\1", left=(ANA, 4)),
                            block(TYPE, new_type(ARRAY), root="map", key="k"),
                            block(ANY, b"\2\x7e\x7e", parent=(ANA, 6)),
                            block(TYPE, new_type(TEXT), left=(ANA, 8)),
                            b"\0\1",
                            block(ANY, NULL, root="map", key="n"),
                        ],
                    )
                ]
            )
        )
    )
    return shape


def eve(*blocks: bytes, deleted: tuple[int, int] | None = None) -> bytes:
    return update([(EVE, 0, list(blocks))] if blocks else [], [(ANA, [deleted])] if deleted else [])


@pytest.mark.parametrize(
    "data",
    [
        eve(block(STRING, string("x"), left=(ANA, 0), right=(ANA, 1))),
        eve(block(STRING, string("x"), left=(ANA, 2), right=(ANA, 3))),
        eve(block(STRING, string("x"), left=(ANA, 5))),
        eve(block(FORMAT, string("b") + string("true"), left=(ANA, 3))),
        eve(block(EMBED, string("1"), right=(ANA, 0))),
        eve(block(TYPE, new_type(MAP), left=(ANA, 3))),
        eve(block(ANY, NULL, left=(ANA, 7), right=(ANA, 8))),
        eve(block(BINARY, string("x"), right=(ANA, 9))),
        eve(block(STRING, string("x"), parent=(ANA, 9))),
        eve(block(ANY, NULL, left=(ANA, 6), key="k")),
        eve(block(ANY, NULL, root="map", key="k")),
        eve(block(ANY, NULL, root="any other root is a map", key="k")),
        eve(block(ANY, NULL, left=(ANA, 10))),
        eve(block(TYPE, new_type(MAP), parent=(ANA, 10), key="k"), block(ANY, NULL, parent=(EVE, 0), key="k")),
        eve(block(ANY, NULL, left=(ANA, 10), right=(ANA, 7))),
        eve(block(ANY, NULL, parent=(ANA, 5))),
        eve(deleted=(0, 5)),
        eve(deleted=(1, 2)),
        eve(deleted=(3, 9)),
    ],
)
def test_what_honest_clients_write_is_admitted(data: bytes) -> None:
    with_history().admit(read(data))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (eve(block(STRING, string("x"), left=(ANA, 4), right=(ANA, 7))), "neighbours that do not belong"),
        (eve(block(ANY, NULL, left=(ANA, 6), key="k"), block(ANY, NULL, left=(EVE, 0))), "neighbours that do not"),
        (eve(block(ANY, NULL, left=(ANA, 7), key="k")), "neighbours that do not belong"),
        (eve(block(ANY, NULL, left=(ANA, 6), right=(ANA, 11), key="k")), "in front of another"),
        (eve(block(ANY, NULL, right=(ANA, 6), key="k")), "in front of another"),
        (eve(block(ANY, NULL, parent=(ANA, 0))), "no shared type"),
        (eve(block(ANY, NULL, parent=(ANA, 7), key="k")), "no shared type"),
        (eve(block(STRING, string("x"), left=(ANA, 7))), "does not belong into that type"),
        (eve(block(ANY, NULL, left=(ANA, 3))), "does not belong into that type"),
        (eve(block(STRING, string("x"), root="map", key="k")), "does not belong into that type"),
        (eve(block(ANY, NULL, root="map")), "does not belong into that type"),
        (eve(block(ANY, NULL, root="array", key="k")), "does not belong into that type"),
        (eve(block(STRING, string("x"), root="any other root is a map")), "does not belong into that type"),
        (eve(block(ANY, b"\2\x7e\x7e", root="map", key="k")), "map entry of several values"),
        (eve(block(STRING, string("x"), left=(ANA, 1))), "cut through a character"),
        (eve(block(STRING, string("x"), right=(ANA, 2))), "cut through a character"),
        (eve(deleted=(0, 2)), "cut through a character"),
        (eve(deleted=(2, 3)), "cut through a character"),
    ],
)
def test_a_foreign_shape_is_refused_by_name(data: bytes, why: str) -> None:
    with pytest.raises(PeerFault, match=why) as caught:
        with_history().admit(read(data))
    assert caught.value.reason == "bad shape"


def of_two_values(*deleted: tuple[int, int]) -> bytes:
    """Two values under one key at clocks 1 and 2, and what is deleted at once."""
    entry = block(ANY, b"\2\x7e\x7e", root="map", key="k")
    return update([(EVE, 0, [block(ANY, NULL, root="map", key="j"), entry])], [(EVE, list(deleted))] if deleted else [])


def test_a_map_entry_of_several_values_is_admitted_when_all_of_it_is_gone_at_once() -> None:
    for gone in ([(1, 2)], [(0, 3)]):
        Shape(ROOTS).admit(read(of_two_values(*gone)))
    for left in ([], [(0, 1)], [(0, 2)], [(1, 1)], [(2, 1)]):
        with pytest.raises(PeerFault, match="map entry of several values"):
            Shape(ROOTS).admit(read(of_two_values(*left)))


def test_a_map_entry_of_several_values_deleted_in_part_outlives_its_map_in_the_native_library() -> None:
    """The reason for the rule: once this fails, the native library has mended it."""
    doc: Doc[Map[object]] = Doc()
    inner = block(ANY, b"\2\x7e\x7e", parent=(EVE, 0), key="k")
    doc.apply_update(update([(EVE, 0, [block(TYPE, new_type(MAP), root="map", key="m"), inner])]))
    doc.apply_update(update(deleted=[(EVE, [(2, 1)])]))
    doc.apply_update(update(deleted=[(EVE, [(0, 1)])]))
    assert read(doc.get_update()).deleted == ((EVE, 0, 1), (EVE, 2, 1)), "the value at clock 1 went with its map"


def test_a_reference_to_what_was_never_admitted_is_refused() -> None:
    for left in ((ANA, 12), (EVE, 3)):
        with pytest.raises(PeerFault, match="unknown reference"):
            with_history().admit(read(update([(7, 0, [block(ANY, NULL, left=left)])])))


def test_an_update_out_of_order_is_refused() -> None:
    with pytest.raises(PeerFault, match="bad shape"):
        with_history().admit(read(update([(ANA, 13, [block(STRING, string("x"), root="text")])])))


def test_shared_types_nest_up_to_the_bound() -> None:
    shape = Shape()
    chain = [block(TYPE, new_type(MAP), root="map", key="k")]
    chain += [block(TYPE, new_type(MAP), parent=(EVE, clock), key="k") for clock in range(MAX_TYPE_DEPTH - 1)]
    shape.admit(read(update([(EVE, 0, chain)])))
    with pytest.raises(PeerFault, match="nested more than"):
        deepest = block(TYPE, new_type(MAP), parent=(EVE, MAX_TYPE_DEPTH - 1), key="k")
        shape.admit(read(update([(EVE, MAX_TYPE_DEPTH, [deepest])])))


def test_a_refused_update_leaves_nothing_behind() -> None:
    """The first blocks of the refused one make a root, a type, a text with a wide character."""
    shape = with_history()
    good = [
        block(TYPE, new_type(MAP), root="a new root", key="k"),
        block(STRING, string("😀"), left=(ANA, 0), right=(ANA, 1)),
    ]
    bad = block(ANY, NULL, parent=(ANA, 0))
    with pytest.raises(PeerFault):
        shape.admit(read(update([(EVE, 0, [*good, bad])])))
    assert described(shape) == described(with_history()) | {EVE: ([], [], [], {}, 0)}
    shape.admit(read(update([(EVE, 0, good)])))


def described(shape: Shape) -> dict[object, object]:
    clients = {
        client: (list(held.starts), list(held.places), list(held.halves), held.types, held.end)
        for client, held in shape._clients.items()
    }
    return {**clients, "types": bytes(shape._types), "depths": bytes(shape._depths), "roots": shape._roots}


def test_the_answer_does_not_depend_on_the_order_of_independent_updates() -> None:
    """Eve's and Ben's updates build on Ana's and on their own; each is judged alike however the two interleave."""
    for seed in range(10):
        random = Random(seed)
        history = [data for data in forged_case(random, attempts=30) if read(data).inserted]
        known: dict[int, int] = {}
        for data in history:
            (run,) = read(data).inserted
            known[run.client] = run.clock + run.length
        judged = {client: attempts(random, client, history, known) for client in (EVE, BEN)}
        assert any(fits for _, fits in judged[EVE])
        shape = admitted(history)
        pending = {client: list(reversed(told)) for client, told in judged.items()}
        while any(pending.values()):
            data, fits = random.choice([told for told in pending.values() if told]).pop()
            assert admits(shape, data) == fits


def attempts(random: Random, client: int, history: list[bytes], known: dict[int, int]) -> list[tuple[bytes, bool]]:
    """Forgeries of one client on top of a history, and whether each fits when nobody else writes."""
    shape, clock, told = admitted(history), 0, list[tuple[bytes, bool]]()
    for _ in range(150):
        data = forged(random, client, clock, known, most_blocks=2)
        fits = admits(shape, data)
        told.append((data, fits))
        if fits:
            (run,) = read(data).inserted
            clock = run.clock + run.length
    return told


def admitted(history: list[bytes]) -> Shape:
    shape = Shape(ROOTS)
    for data in history:
        shape.admit(read(data))
    return shape


def admits(shape: Shape, data: bytes) -> bool:
    try:
        shape.admit(read(data))
    except PeerFault:
        return False
    return True


def test_a_stream_of_text_costs_no_memory_but_its_own_run() -> None:
    shape = Shape(ROOTS)
    shape.admit(read(update([(EVE, 0, [block(STRING, string("word "), root="text")])])))
    for clock in range(5, 5_000, 5):
        shape.admit(read(update([(EVE, clock, [block(STRING, string("word "), left=(EVE, clock - 1))])])))
    assert len(shape._clients[EVE].starts) == 1
