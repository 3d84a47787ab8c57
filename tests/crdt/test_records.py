"""Governance records: one spelling, bounds, and an id that commits to the thread's birth."""

import msgspec
import pytest

from crdt import codec
from crdt.errors import PeerFault
from crdt.records import Cut, Genesis, Grant, Record, Restrict, decode_record, thread_id

GENESIS = Genesis(b"o" * 32, "thread", b"r" * 32, b"s" * 32, 1000)


def test_a_record_is_read_as_it_was_written() -> None:
    cut = Cut(2, b"", b"d" * 32, (b"t" * 32,))
    record = Record((GENESIS, Grant(b"i" * 32, 3, "Ben"), Restrict(b"i" * 32, 1, (cut,))))
    assert decode_record(codec.encode(record)) == record


@pytest.mark.parametrize("field, value", [("owner", b"x" * 32), ("room", b"x" * 32), ("purpose", "account")])
def test_whatever_changes_in_the_genesis_is_another_thread(field: str, value: object) -> None:
    assert thread_id(msgspec.structs.replace(GENESIS, **{field: value})) != thread_id(GENESIS)


@pytest.mark.parametrize(
    "record",
    [
        Record(()),
        Record((GENESIS,) * 65),
        Record((Grant(b"short", 3, ""),)),
        Record((Grant(b"i" * 32, 4, "an owner can't be granted"),)),
        Record((msgspec.structs.replace(GENESIS, purpose="other"),)),
        Record((msgspec.structs.replace(GENESIS, purpose="account\n"),)),
    ],
)
def test_what_exceeds_the_bounds_is_refused(record: Record) -> None:
    with pytest.raises(PeerFault, match="bad record"):
        decode_record(codec.encode(record))


def test_a_second_spelling_of_a_record_is_refused() -> None:
    encoded = codec.encode(Record((GENESIS,)))
    assert encoded.endswith(b"\xcd\x03\xe8")
    with pytest.raises(PeerFault, match="one spelling"):
        decode_record(encoded[:-3] + b"\xce\x00\x00\x03\xe8")
