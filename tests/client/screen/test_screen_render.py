"""Drawing, without a terminal: what fits, what is harmless, what stays where it is."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from client.cli.text import width
from client.screen import render
from client.screen.commands import COMMANDS, help_line
from client.screen.state import Row, Shown, State

ROW = Row("t", "A thread", "2026-01-05T09:30:00.000Z", 3, "on the relay")


def said(identifier: str, text: str, **more: object) -> Shown:
    made = Shown(identifier, "user", "ana", "2026-01-05T09:30:00.000Z", "final", text)
    return replace(made, **more)  # type: ignore[arg-type]


def talk(*messages: Shown) -> State:
    return State(rows=(ROW,), thread="t", title="A thread", messages=messages)


def plain(lines: list[render.Line]) -> list[str]:
    return ["".join(text for _, text in line) for line in lines]


@given(st.text(), st.integers(20, 140))
def test_no_line_is_wider_than_its_columns_and_nothing_obeyed_by_a_terminal_passes(text: str, columns: int) -> None:
    drawn = plain(list(render.block(said("m", text, reasoning=text, tools=((text, "ok"),)), columns)))
    for line in drawn:
        assert width(line) <= max(columns, 2)
        assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u200b" for c in line)


@given(st.text(alphabet="ab `#日🎉\n", max_size=200), st.integers(4, 60))
def test_wrapping_loses_no_letter(text: str, columns: int) -> None:
    joined = "".join(render.wrap(text, columns))
    assert joined.replace(" ", "") == text.replace("\n", "").replace(" ", "")


def test_the_newest_stands_at_the_bottom_and_only_what_fits_is_drawn() -> None:
    state = talk(*(said(str(n), f"message {n}") for n in range(1000)))
    lines = plain(render.conversation(state, 80, 10))
    assert len(lines) == 10 and lines[-2] == "message 999"
    assert render.block.cache_info().currsize < 4096


def test_scrolling_up_stays_put_while_new_messages_come() -> None:
    state = render.scrolled(talk(*(said(str(n), f"message {n}") for n in range(50))), 30, 80, 10)
    before = plain(render.conversation(state, 80, 10))
    after = replace(state, messages=(*state.messages, said("new", "just now")), unseen=1)
    assert plain(render.conversation(after, 80, 10)) == before
    assert "↓ 1 new" in "".join(plain([render.status(after, 80)]))


def test_one_scrolls_neither_past_the_first_screenful_nor_past_the_newest() -> None:
    state = talk(*(said(str(n), f"message {n}") for n in range(20)))
    top = render.scrolled(state, 10_000, 80, 10)
    assert plain(render.conversation(top, 80, 10))[1] == "message 0"
    assert len(render.conversation(top, 80, 10)) == 10
    bottom = render.scrolled(top, -10_000, 80, 10)
    assert bottom.anchor is None and bottom.unseen == 0
    short = talk(said("a", "one"))
    assert render.scrolled(short, 5, 80, 10) == short


def test_reasoning_is_folded_and_an_open_answer_has_a_mark() -> None:
    message = said("m", "answer", reasoning="\n".join("abcdef"), state="streaming", role="assistant")
    drawn = plain(list(render.block(message, 80)))
    assert "│ … 4 more lines of reasoning" in drawn and drawn[-2] == "▍"


def test_empty_states_say_what_to_do_next() -> None:
    assert "Ctrl-N begins one." in plain(render.conversation(State(), 80, 10))
    assert "Ctrl-Down" in plain(render.conversation(State(rows=(ROW,)), 80, 10))[0]
    assert "Enter asks" in plain(render.conversation(talk(), 80, 10))[0]


def test_the_sidebar_shows_the_open_thread_however_many_there_are() -> None:
    rows = tuple(replace(ROW, id=str(n), title=f"thread {n}") for n in range(500))
    lines = plain(render.sidebar(State(rows=rows, thread="400"), 20))
    assert len(lines) == 20 and any(line.startswith("▸ thread 400") for line in lines)
    assert {width(line) for line in lines[1:]} == {render.SIDEBAR - 2}


def test_every_command_has_a_method_and_the_help_line_names_the_keys() -> None:
    from client.screen.app import Screen

    assert all(callable(getattr(Screen, command.name)) for command in COMMANDS)
    assert "Enter ask" in help_line(False) and "Enter begin" in help_line(True)
