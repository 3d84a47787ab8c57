"""Governance records: one spelling, bounds, and an id that commits to the thread's birth."""

import msgspec
import pytest

from crdt import codec
from crdt.errors import PeerFault
from crdt.records import (
    Action,
    Cut,
    Genesis,
    Grant,
    Invite,
    Record,
    Restrict,
    Settle,
    decode_record,
    thread_id,
)

GENESIS = Genesis(b"o" * 32, "thread", b"r" * 32, b"s" * 32, 1000)
CUT = Cut(5, b"", b"d" * 32, (b"t" * 32,))


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


@pytest.mark.parametrize(
    ("fits", "exceeds"),
    [
        (Invite(b"k" * 32, 3, 0, 256, False, ""), Invite(b"k" * 32, 3, 0, 257, False, "")),
        (Invite(b"k" * 32, 1, 0, 1, False, ""), Invite(b"k" * 32, 0, 0, 1, False, "")),
        (Invite(b"k" * 32, 3, 0, 1, False, ""), Invite(b"k" * 32, 4, 0, 1, False, "")),
        (Invite(b"k" * 32, 3, 0, 1, False, ""), Invite(b"k" * 32, 3, 0, 0, False, "")),
        (Settle(b"r" * 32, (CUT,) * 1024), Settle(b"r" * 32, (CUT,) * 1025)),
        (Restrict(b"i" * 32, 3, (CUT,) * 1024), Restrict(b"i" * 32, 3, (CUT,) * 1025)),
        (Cut(5, b"", b"d" * 32, (b"t" * 32,) * 16), Cut(5, b"", b"d" * 32, (b"t" * 32,) * 17)),
    ],
)
def test_links_and_cuts_have_bounds_in_figures(fits: Action | Cut, exceeds: Action | Cut) -> None:
    """Each costs every member something: a link its uses, a cut a walk for each tip."""

    def read(part: Action | Cut) -> Record:
        action = Settle(b"r" * 32, (part,)) if isinstance(part, Cut) else part
        return decode_record(codec.encode(Record((action,))))

    assert read(fits)
    with pytest.raises(PeerFault, match="bad record"):
        read(exceeds)
