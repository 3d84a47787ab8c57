"""Numbers that are counted up by many, one of whom may be no friend of the others."""

import pytest

from crdt.numbers import MAX_AHEAD, in_reach, parse_number


@pytest.mark.parametrize("name", ["", "01", "-1", "1.0", " 1", "1e3", "٣", "1" * 16, "9" * 5000])
def test_a_number_has_one_spelling_and_an_end(name: str) -> None:
    assert parse_number(name) is None


@pytest.mark.parametrize("number", [0, 1, 10, 10**15 - 1])
def test_a_number_in_its_spelling_is_read(number: int) -> None:
    assert parse_number(str(number)) == number


def test_a_number_far_beyond_all_others_is_passed_over_and_so_is_what_stands_on_it() -> None:
    numbers = [1, 2, 3, 3 + MAX_AHEAD, 10**15 - 2, 10**15 - 1]
    assert list(in_reach(dict.fromkeys(numbers))) == [1, 2, 3, 3 + MAX_AHEAD]


def test_no_first_number_is_far_from_the_beginning() -> None:
    assert in_reach({10**9: "forged"}) == {}
