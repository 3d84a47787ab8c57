"""A sealed value opens in its own row of its own table under its own key, and nowhere else."""

import pytest

from crdt.errors import DATABASE_CORRUPT, KEYS_UNREADABLE, OpenSeshError
from node.storage.sealing import Sealer, TableSeal

KEY, OTHER = bytes(32), bytes([1]) * 32


@pytest.fixture(params=[True, False], ids=["aes", "xchacha"])
def table(request: pytest.FixtureRequest) -> TableSeal:
    return Sealer(KEY, aes=request.param).table("texts")


def fails(table: TableSeal, row: bytes, sealed: bytes) -> bool:
    with pytest.raises(OpenSeshError) as error:
        table.open(row, sealed)
    return error.value.kind is DATABASE_CORRUPT


def test_what_was_sealed_opens_and_shows_nothing(table: TableSeal) -> None:
    sealed = table.seal(b"row", b"plain text")
    assert table.open(b"row", sealed) == b"plain text"
    assert b"plain" not in sealed
    assert table.seal(b"row", b"plain text") != sealed
    assert table.open(b"row", table.seal(b"row", b"")) == b""


def test_a_value_moved_to_another_row_table_or_key_does_not_open(table: TableSeal) -> None:
    sealed = table.seal(b"row", b"plain")
    assert fails(table, b"other row", sealed)
    assert fails(Sealer(KEY).table("events"), b"row", sealed)
    assert fails(Sealer(OTHER).table("texts"), b"row", sealed)


def test_every_damaged_byte_is_noticed(table: TableSeal) -> None:
    sealed = table.seal(b"row", b"plain")
    for place in range(len(sealed)):
        assert fails(table, b"row", sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])
        assert fails(table, b"row", sealed[:place])


def test_what_one_processor_sealed_opens_on_another() -> None:
    with_aes, without = (Sealer(KEY, aes=aes).table("texts") for aes in (True, False))
    assert without.open(b"row", with_aes.seal(b"row", b"x")) == b"x"
    assert with_aes.open(b"row", without.seal(b"row", b"x")) == b"x"


def test_nonces_come_from_the_given_source_and_are_not_repeated() -> None:
    drawn: list[int] = []

    def random_bytes(size: int) -> bytes:
        drawn.append(size)
        return len(drawn).to_bytes(size, "big")

    table = Sealer(KEY, random_bytes, aes=True).table("texts")
    sealed = [table.seal(b"row", b"x") for _ in range(3)]
    assert drawn == [12, 12, 12]
    assert len({each[1:13] for each in sealed}) == 3


def test_a_tag_is_equal_for_equal_names_of_one_table_alone() -> None:
    sealer = Sealer(KEY)
    assert sealer.table("settings").tag("a") == sealer.table("settings").tag("a")
    assert sealer.table("settings").tag("a") != sealer.table("settings").tag("b")
    assert sealer.table("settings").tag("a") != sealer.table("secrets").tag("a")
    assert Sealer(OTHER).table("settings").tag("a") != sealer.table("settings").tag("a")


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(OpenSeshError) as error:
        Sealer(b"short")
    assert error.value.kind is KEYS_UNREADABLE
