"""Choosing from a list by typing a part of a name."""

from dataclasses import replace

import pytest

from client.screen.choosing import chooser, items, moved, picked, queried
from client.screen.state import Row, State, offered, searched
from client.screen.text import width
from tests.client.screen.told import WHEN

TITLES = ("Fix the parser", "Parser is slow", "Ship it", "ÄRGER mit Tabs")
ROWS = tuple(Row(title, title, WHEN, 1, "saved here", project="/home/ana/engine") for title in TITLES)
FINDING = State(rows=ROWS, mode="find")


def found(query: str) -> list[str]:
    return [item.id for item in items(queried(FINDING, query))]


def test_every_word_has_to_be_in_the_title_or_the_project_in_any_order_and_case() -> None:
    assert found("") == list(TITLES) == found("engine")
    assert found("PARSER fix") == ["Fix the parser"]
    assert found("ärger") == ["ÄRGER mit Tabs"]
    assert found("nothing") == []


def test_another_query_picks_its_first_and_the_same_one_keeps_what_is_picked() -> None:
    state = moved(queried(FINDING, "parser"), 1)
    assert picked(state) == items(state)[1]
    assert picked(queried(state, "parser")) == items(state)[1]
    wider = queried(state, "par")
    assert picked(wider) == items(wider)[0]


def test_picking_goes_around_and_an_empty_list_has_nothing_to_pick() -> None:
    assert picked(moved(FINDING, -1)) == items(FINDING)[-1]
    assert picked(moved(FINDING, len(TITLES))) == items(FINDING)[0]
    nothing = queried(FINDING, "nothing")
    assert picked(moved(nothing, 1)) is None


def test_a_list_that_shrinks_under_the_pick_picks_its_last() -> None:
    state = replace(moved(FINDING, -1), rows=ROWS[:2])
    assert picked(state) == items(state)[1]


@pytest.mark.parametrize("columns", [20, 58, 100])
@pytest.mark.parametrize("step", [0, 250, -1])
def test_the_picked_one_is_seen_however_many_there_are(columns: int, step: int) -> None:
    rows = tuple(Row(str(n), f"{n} \x1b[2J日本語 " * 9, WHEN, 1, "", project="x" * 99) for n in range(500))
    state = moved(State(rows=rows, mode="find"), step)
    lines = ["".join(text for _, text in line) for line in chooser(state, columns, 12)]
    assert len(lines) == 12 and all(width(line) <= columns and "\x1b" not in line for line in lines)
    assert sum(line.startswith(f"▸ {step % 500} ") for line in lines) == 1


def test_models_name_the_default_and_one_that_is_gone_is_no_longer_chosen() -> None:
    models = [{"id": "guide", "default": False}, {"id": "l/qwen", "default": True}]
    state = offered(State(mode="model"), models)
    assert [(item.name, item.about) for item in items(state)] == [("guide", ""), ("l/qwen", "the default")]
    assert state.asked_model == "l/qwen"
    chosen = replace(state, model="guide")
    assert chosen.asked_model == "guide" and offered(chosen, models[1:]).asked_model == "l/qwen"


def test_messages_that_hold_the_words_stand_behind_the_threads_until_something_else_is_looked_for() -> None:
    hit = {"thread": "t9", "title": "Release", "message_id": "m", "snippet": "the \x1b[2Jparser waits"}
    state = searched(queried(FINDING, "parser"), "parser", [hit, {**hit, "message_id": None}])
    assert [(item.id, item.message) for item in items(state)][2:] == [("t9", "m")]
    lines = ["".join(text for _, text in line) for line in chooser(state, 80, 12)]
    assert lines[0] == "2 of 4 threads, and 1 message" and "␛[2Jparser waits" in lines[-1] and "Release" in lines[-1]
    assert items(queried(state, "parse")) == items(queried(FINDING, "parse"))


def test_an_answer_to_a_query_that_is_over_is_of_no_interest() -> None:
    hit = {"thread": "t9", "title": "Release", "message_id": "m", "snippet": "parser"}
    assert searched(queried(FINDING, "parsers"), "parser", [hit]).hits == ()
    assert searched(replace(FINDING, mode="", query="parser"), "parser", [hit]).hits == ()
