"""What is offered when nobody has the name that was typed."""

import pytest

from node.nearest import MOST, nearest

TITLES = ["Parser rewrite", "Fix the lexer", "parser rewrite", "Relay in Docker", "", "Fix the flaky test"]
IDS = ["abcd1111", "abcd2222", "efgh3333", "ijkl4444", "mnop5555", "qrst6666"]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("PARSER REWRITE", [0, 2]),  # only the case differs
        ("Parser rewrites", [0, 2]),  # a letter too many
        ("lexer", [1]),  # a part of it
        ("Relay in Docker, again", [3]),  # more than it
        ("efgh9999", [2]),  # the beginning of an id
        ("Fix teh lexer", [1]),
        ("entirely else", []),
        ("", []),
        ("   ", []),
    ],
)
def test_what_is_near_is_found_and_nothing_else(name: str, expected: list[int]) -> None:
    assert nearest(name, TITLES, IDS)[: max(1, len(expected))] == expected


def test_a_few_are_enough() -> None:
    assert len(nearest("parser", ["parser"] * 100, ["id"] * 100)) == MOST
