"""The list of threads at the side."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from client.screen.sidebar import COLUMNS, age, sidebar
from client.screen.state import Row, State
from client.screen.text import width
from tests.client.screen.told import WHEN

NOW = datetime.fromisoformat(WHEN).timestamp()
ROW = Row("t", "A thread", WHEN, 3, "on the relay")


def drawn(state: State, height: int = 20, columns: int = COLUMNS) -> list[str]:
    return ["".join(text for _, text in line) for line in sidebar(state, columns, height, NOW + 120)]


def test_a_row_says_the_title_how_much_and_how_long_ago() -> None:
    assert drawn(State(rows=(ROW,), thread="t"))[1:] == ["▸ A thread".ljust(COLUMNS), "  3 messages · 2 min"]


def test_a_thread_of_a_project_names_it_and_keeps_its_age_however_long_the_name_is() -> None:
    lines = drawn(State(rows=(replace(ROW, project="/home/ana/parser"), replace(ROW, project="/x/" + "日本語" * 20))))
    assert lines[2] == "  parser · 2 min" and lines[4].endswith("… · 2 min") and width(lines[4]) <= COLUMNS


def test_what_goes_on_is_told_before_how_much_there_is() -> None:
    state = State(rows=(replace(ROW, messages=9000),), running={"t": "streaming"})
    assert drawn(state, columns=20)[2] == "  running · 2 min"


def test_the_open_thread_is_seen_however_many_there_are() -> None:
    rows = tuple(replace(ROW, id=str(n), title=f"thread {n}") for n in range(500))
    for number in (0, 250, 499):
        lines = drawn(State(rows=rows, thread=str(number)), 21)
        assert len(lines) == 21 and any(line.startswith(f"▸ thread {number} ") for line in lines)


@pytest.mark.parametrize(
    ("more", "running", "mark", "words"),
    [
        ({}, {"t": "waiting"}, "?", "asks you"),
        ({}, {"t": "streaming"}, "»", "running"),
        ({"sync": "waiting for a key"}, {}, "○", "waits for key"),
        ({"is_new": True}, {}, "●", "new"),
    ],
)
def test_a_mark_never_stands_without_its_words(
    more: dict[str, Any], running: dict[str, str], mark: str, words: str
) -> None:
    lines = drawn(State(rows=(replace(ROW, **more),), running=running))
    assert lines[1].startswith(mark) and words in lines[2]


@pytest.mark.parametrize("columns", [20, COLUMNS])
def test_hostile_and_wide_titles_keep_to_their_column(columns: int) -> None:
    titles = ("日本語" * 20, "\x1b[2J\u202e\n" * 9, "", "e\u0301" * 60, "👨\u200d👩\u200d👧" * 20)
    lines = drawn(State(rows=tuple(replace(ROW, title=title) for title in titles)), columns=columns)
    assert {width(line) for line in lines[1::2]} == {columns} and not any("\x1b" in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "now"), (-500, "now"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d"), (6e7, "1 y")]
)
def test_ages(seconds: float, words: str) -> None:
    assert age(WHEN, NOW + seconds) == words
