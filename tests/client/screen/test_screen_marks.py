"""The sign of a person: told apart without colours, the same on every screen."""

from dataclasses import replace

import pytest

from client.screen.marks import SHAPES, initials, sign, signs
from client.screen.people import Company, gathered, told
from client.screen.standing import lock, summary
from client.screen.state import State
from client.screen.styled import Line
from client.screen.text import width
from tests.client.screen.team import member, present
from tests.client.screen.told import conversation, event, message

CONTROL = {"driver": {"identity": "id-Me", "name": "Me", "me": True}, "requests": []}


def text(line: Line) -> str:
    return "".join(piece for _, piece in line)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Ana", "AN"), ("Ana Maria Berg", "AM"), ("ben-laptop", "BL"), ("日本語", "日本"), ("…", "?")],
)
def test_initials_are_of_the_first_two_words(name: str, expected: str) -> None:
    assert initials(name) == expected


def test_up_to_six_people_have_shapes_of_their_own_whoever_asks() -> None:
    everyone = [f"identity {number}" for number in range(len(SHAPES))]
    drawn = signs(frozenset(everyone))
    assert len({each.filled for each in drawn.values()}) == len(SHAPES)
    assert drawn == signs(frozenset(reversed(everyone)))


def test_who_is_away_is_told_apart_by_shape_alone() -> None:
    assert text(sign("a", ["a"], "Ana", True)) != text(sign("a", ["a"], "Ana", False))


@pytest.mark.parametrize("columns", [30, 60, 100])
@pytest.mark.parametrize("role", ["viewer", "commenter", "none"])
def test_the_lock_fits_and_names_the_role(columns: int, role: str) -> None:
    rows = [member("Ana" * 30, "owner"), *([member("Me", role)] if role != "none" else [])]
    lines = lock(replace(conversation(message("m")), known=company(*rows)), columns)
    assert all(width(line) <= columns for line in lines)
    assert ("no longer" if role == "none" else role) in " ".join(lines)


def test_of_many_people_the_first_are_named_and_the_others_counted() -> None:
    names = ["Me", *(f"Person {letter}" for letter in "ABCDEF")]
    known = replace(company(*(member(name) for name in names)))
    known = told(known, event("presence.changed", people=[present(name) for name in names], gone=[]), 0.0)
    line = text(summary(replace(conversation(message("m")), known=known)))
    assert line.count("P") == 4 and line.endswith("+2 here · 7 members")


def test_what_happens_in_another_thread_changes_nothing_here() -> None:
    known = company(member("Me", "owner"))
    gone = event("members.changed", where="t2", permission="none", members=[])
    assert told(known, gone, 0.0) is known


def test_of_an_event_of_a_terminal_the_thread_s_baton_stays_where_it_is() -> None:
    known = company(member("Me", "owner"), member("Ben"))
    ben = {"identity": "id-Ben", "name": "Ben", "me": False}
    assert told(known, event("control.changed", terminal="t", driver=ben, requests=[]), 0.0).drives
    assert told(known, event("control.changed", terminal=None, driver=ben, requests=[]), 0.0).driver_name == "Ben"


def company(*members: dict[str, object]) -> Company:
    return gathered(State().known, "t1", list(members), [], CONTROL)
