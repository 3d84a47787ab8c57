"""The conversation and the lines around it, without a terminal: what is seen, and what stays where it is."""

from dataclasses import replace

import pytest

from client.screen import render, status
from client.screen.blocks import finished
from client.screen.state import State, update
from client.screen.styled import Line
from client.screen.text import width
from tests.client.screen.told import answer, conversation, event, message


def plain(lines: list[Line]) -> list[str]:
    return ["".join(text for _, text in line) for line in lines]


def many(count: int) -> State:
    return conversation(*(message(str(n), f"message {n}") for n in range(count)))


def seen(state: State, columns: int = 80, height: int = 10) -> list[str]:
    return plain(render.conversation(state, columns, height))


def test_the_newest_stands_at_the_bottom_and_only_what_fits_is_drawn() -> None:
    lines = seen(many(10_000))
    assert len(lines) == 10 and lines[-2] == "message 9999"


def test_only_what_is_visible_is_laid_out() -> None:
    laid_out = finished.cache_info().misses
    seen(many(5000), columns=81)
    assert finished.cache_info().misses - laid_out < 12


def test_a_short_thread_stands_at_the_top() -> None:
    assert seen(conversation(message("a", "alone")))[3] == "alone"


def test_each_day_is_named_once() -> None:
    days = [message(str(n), "x", created_at=f"2026-01-0{1 + n // 2}T12:00:00.000Z") for n in range(4)]
    assert [line for line in seen(conversation(*days), height=30) if "──" in line] == [
        "── 2026-01-01 ──",
        "── 2026-01-02 ──",
    ]


def test_scrolling_up_stays_put_while_new_messages_come() -> None:
    state = render.scrolled(many(50), 30, 80, 10)
    before = seen(state)
    state = update(state, event("message.added", message=message("new", "just now")))
    assert seen(state) == before
    assert "↓ 1 new" in "".join(plain([status.status(state, 80, 0)]))


def test_scrolling_up_stays_put_while_the_very_message_at_the_edge_grows() -> None:
    state = conversation(*(message(str(n), "x") for n in range(9)), answer("a", "\n".join(map(str, range(30)))))
    state = render.scrolled(state, 5, 80, 10)
    before = seen(state)
    more = event("message.delta", message_id="a", part="text", at=len(state.messages[-1].text), text="\nmore" * 50)
    grown = update(state, more)
    assert grown != state and seen(grown) == before


def test_one_scrolls_line_by_line_and_back_to_following() -> None:
    state = many(30)
    up = state
    for _ in range(7):
        up = render.scrolled(up, 1, 80, 10)
    assert seen(up) == seen(render.scrolled(state, 7, 80, 10)) != seen(state)
    down = render.scrolled(up, -7, 80, 10)
    assert down.anchor is None and seen(down) == seen(state)


def test_one_scrolls_neither_past_the_first_screenful_nor_past_the_newest() -> None:
    state = many(20)
    top = render.scrolled(state, 10_000, 80, 10)
    assert seen(top)[3] == "message 0" and len(seen(top)) == 10
    bottom = render.scrolled(top, -10_000, 80, 10)
    assert bottom.anchor is None and bottom.unseen == 0
    short = conversation(message("a", "one"))
    assert render.scrolled(short, 5, 80, 10) == short


@pytest.mark.parametrize("columns", [20, 58, 100, 200])
def test_a_window_of_another_size_shows_the_same_place(columns: int) -> None:
    state = render.scrolled(conversation(*(message(str(n), f"word{n} " * 60) for n in range(50))), 200, 100, 20)
    at = state.messages[render._position(state, 100)[0]].id
    resized = seen(state, columns, 15)
    assert len(resized) == 15 and f"word{at} " in "".join(resized) + " "


def test_the_window_grown_past_the_first_line_is_filled_from_below() -> None:
    top = render.scrolled(many(20), 10_000, 80, 10)
    assert len(seen(top, height=40)) == 40


def test_the_top_is_near_when_less_than_some_screenfuls_are_left_above() -> None:
    state = many(100)
    assert not render.is_near_top(state, 80, 10)
    assert render.is_near_top(render.scrolled(state, 10_000, 80, 10), 80, 10)


def test_empty_states_say_what_to_do_next() -> None:
    assert any("Enter" in line for line in seen(replace(State(), is_listed=True)))
    assert any("Ctrl-T" in line for line in seen(replace(conversation(), thread=None)))
    assert any("Alt-S" in line for line in seen(conversation()))
    assert "away" in seen(replace(State(), offline=True))[0]


@pytest.mark.parametrize(("columns", "height"), [(58, 9), (70, 20), (58, 2), (150, 50)])
def test_the_page_of_keys_fits_and_says_what_is_missing(columns: int, height: int) -> None:
    lines = seen(replace(conversation(), helping=True), columns, height)
    assert len(lines) <= height and all(width(line) <= columns for line in lines)
    assert ("taller window" in lines[-1]) == (height < 21)


@pytest.mark.parametrize("columns", [10, 20, 60, 79, 80, 200])
def test_the_lines_around_it_fit_whatever_they_have_to_say(columns: int) -> None:
    state = replace(
        conversation(), title="日本語 \x1b[2J" * 40, notice="E001: " + "very long " * 80, unseen=3, anchor="a"
    )
    state = replace(state, running={"t1": "streaming", "t2": "queued"}, sending=1)
    for line in plain(
        [render.header(state, columns), status.status(state, columns, 0), *render.notice(state, columns)]
    ):
        assert width(line) <= columns and "\x1b" not in line
    assert len(render.notice(state, columns)) <= render.NOTICE_LINES


def test_the_status_says_in_words_what_goes_on_and_where_it_is_stored() -> None:
    def drawn(state: State, now: float = 0) -> str:
        return "".join(plain([status.status(state, 100, now)])).strip("─ ")

    state = conversation(answer("a"))
    assert drawn(state) == "answering … ── local-only"
    assert "away" in drawn(replace(state, offline=True)) and "local-only" not in drawn(replace(state, offline=True))
    assert drawn(replace(state, begun={"t1": 100}), 142.5).startswith("answering … 42 s")
    assert "waiting for you" in drawn(replace(state, running={"t1": "waiting"}))
    assert "1 running elsewhere" in drawn(replace(state, running={"t2": "streaming"}))
    assert "sending" in drawn(replace(state, sending=1))


def test_a_narrow_window_says_which_of_how_many_threads_it_is() -> None:
    assert "1 of 2" in "".join(plain([render.header(conversation(), 60)]))
    assert "1 of 2" not in "".join(plain([render.header(conversation(), 100)]))
