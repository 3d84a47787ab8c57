"""The primitives: one spelling each, nothing beyond the bounds, the same answer as the native library."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from crdt import lib0
from crdt.errors import PeerFault
from tests.crdt.fuzz_updates import FORMAT, block, string, uint, update

NULL = b"\x7e"
json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.integers(0, 2**56 - 1))
def test_a_count_is_read_back(number: int) -> None:
    assert lib0.count(uint(number) + b"rest", 0) == (number, len(uint(number)))


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff\x80\x00", b"\x80" * 7 + b"\x00"])
def test_a_count_in_a_longer_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(PeerFault, match="longer spelling"):
        lib0.count(data, 0)


def test_a_count_beyond_56_bits_is_refused() -> None:
    with pytest.raises(PeerFault, match="beyond 56 bits"):
        lib0.count(uint(2**56), 0)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff\xff"])
def test_a_count_cut_short_raises_index_error(data: bytes) -> None:
    with pytest.raises(IndexError):
        lib0.count(data, 0)


@given(st.text())
def test_lengths_count_utf16_units(characters: str) -> None:
    assert lib0.utf16_length(characters.encode()) == len(characters.encode("utf-16-le")) // 2


@given(st.text(alphabet="aé中😀\U0010ffff"))
def test_second_halves_are_the_low_surrogates(characters: str) -> None:
    units = memoryview(characters.encode("utf-16-le")).cast("H")
    assert lib0.second_halves(characters) == [at for at, unit in enumerate(units) if 0xDC00 <= unit < 0xE000]


@pytest.mark.parametrize("raw", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_what_is_not_utf8_is_refused(raw: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        lib0.text(string(raw), 0)


def test_a_name_has_a_bound() -> None:
    assert lib0.name(string("n" * lib0.MAX_NAME_BYTES), 0)[0] == "n" * lib0.MAX_NAME_BYTES
    with pytest.raises(PeerFault, match="a name of more than"):
        lib0.name(string("n" * (lib0.MAX_NAME_BYTES + 1)), 0)


@given(json_like)
def test_every_value_pycrdt_writes_is_stepped_over_exactly(value: Any) -> None:
    doc = Doc({"map": Map()}, client_id=1)
    doc["map"]["k"] = value
    data = doc.get_update()
    start = data.index(b"map\x01k") + len(b"map\x01k")
    assert data[start] == 1
    assert lib0.values(data, start + 1, 1) == len(data) - 1, "one byte of no deletions follows"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"\x76\x02\x01a\x7e\x01a\x7e", "a key twice"),
        (b"\x75\x01" * 33 + NULL, "nested more than"),
        (b"\x76\x01\x01k" * 33 + NULL, "nested more than"),
        (b"\x00", "unknown kind of value"),
        (b"\x80", "unknown kind of value"),
        (b"\x75" + uint(lib0.MAX_VALUES), "more than 65536 values"),
        (b"\x76" + uint(2**40), "more than 65536 values"),
        (b"\x7d\x80\x00", "longer spelling"),
        (b"\x7d" + b"\xff" * 8 + b"\x01", "beyond 55 bits"),
    ],
)
def test_values_beyond_the_bounds_are_refused(value: bytes, why: str) -> None:
    with pytest.raises(PeerFault, match=why):
        lib0.values(value + b"\0" * 8, 0, 1)


def test_more_values_than_the_bound_are_refused_before_reading_them() -> None:
    with pytest.raises(PeerFault, match="more than 65536 values"):
        lib0.values(b"", 0, lib0.MAX_VALUES + 1)


def test_values_at_the_bounds_are_accepted() -> None:
    deepest = b"\x75\x01" * 32 + NULL
    assert lib0.values(deepest, 0, 1) == len(deepest)
    most = b"\x75" + uint(lib0.MAX_VALUES - 1) + NULL * (lib0.MAX_VALUES - 1)
    assert lib0.values(most, 0, 1) == len(most)
    assert lib0.values(b"\x75\x00\x76\x00" + NULL, 0, 3) == 5, "empty lists and maps end at once"


@pytest.mark.parametrize(
    "value", [b"", b"\x77\x05abc", b"\x7b\0\0\0", b"\x75\x02\x7e", b"\x74\x09", b"\x7d", b"\x7d\x80"]
)
def test_values_cut_short_never_end_within_the_data(value: bytes) -> None:
    with contextlib.suppress(IndexError):
        assert lib0.values(value, 0, 1) > len(value)


JSON_TEXTS = [
    ("null", True),
    (' {"a": [1, -0.5e3, "é\\n\\ud83d\\ude00"]}\n', True),
    (str(2**63 - 1), True),
    (str(2**63), False),
    ("1e999", False),
    ("NaN", False),
    ("-Infinity", False),
    ('"\\ud800"', False),
    ('{"\\ud800": 1}', False),
    ('{"a": 1, "a": 2}', False),
    ('"\x01"', False),
    ("[1,]", False),
    ("", False),
    ("1 2", False),
    ("9" * 5000, False),
    ("[" * 32 + "]" * 32, True),
    ("[" * 34 + "]" * 34, False),
    ('{"a":' * 34 + "1" + "}" * 34, False),
    ("[" * 20_000 + "]" * 20_000, False),
]


@pytest.mark.parametrize(("text", "accepted"), JSON_TEXTS, ids=range(len(JSON_TEXTS)))
def test_json_is_accepted_only_if_every_parser_reads_it_alike(text: str, accepted: bool) -> None:
    if not accepted:
        with pytest.raises(PeerFault, match="JSON"):
            lib0.json_text(string(text), 0)
        return
    assert lib0.json_text(string(text) + b"rest", 0) == len(string(text))
    Doc({"text": Text()}).apply_update(update([(5, 0, [block(FORMAT, string("f") + string(text), root="text")])]))


@given(json_like.filter(lambda value: value is not None))  # None stands for taking a format away
def test_every_format_pycrdt_writes_is_json_we_accept(value: Any) -> None:
    doc = Doc({"text": Text()}, client_id=1)
    doc["text"].insert(0, "x", {"f": value})
    data = doc.get_update()
    start = data.index(b"\x01f") + 2
    end = lib0.json_text(data, start)
    json.loads(data[slice(*lib0.span(data, start))])
    assert end < len(data)


def test_an_array_of_bytes_is_stepped_over() -> None:
    doc = Doc({"array": Array([b"\xff\x00", 1.5])}, client_id=1)
    data = doc.get_update()
    start = data.index(b"array") + len(b"array") + 1
    assert lib0.values(data, start, 2) == len(data) - 1
