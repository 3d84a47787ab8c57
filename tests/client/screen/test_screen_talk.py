"""Comments below their messages, without a terminal: what is drawn, what can be chosen, what stays in sight."""

from dataclasses import replace

import pytest

from client.screen import render, status
from client.screen.state import State, discussed, opened, opening
from client.screen.styled import Line
from client.screen.talk import Spot, next_open, stepped
from client.screen.text import width
from tests.client.screen.test_screen_text import ATTACKS
from tests.client.screen.told import comment, conversation, message, talk, thread


def plain(lines: list[Line]) -> list[str]:
    return ["".join(text for _, text in line) for line in lines]


def seen(state: State, columns: int = 80, height: int = 24) -> list[str]:
    return plain(render.conversation(state, columns, height))


def talked(*conversations: dict[str, object], messages: int = 3) -> State:
    state = conversation(*(message(f"m{n}", f"message {n}") for n in range(messages)))
    return discussed(state, "t1", list(conversations))


def choosing(state: State, spot: Spot) -> State:
    return replace(state, mode="comment", spot=spot)


def test_a_marker_below_a_message_counts_what_is_said_about_it() -> None:
    lines = seen(talked(talk("c0", "m1", "Why?", "So."), talk("c1", "m1", resolved=True), talk("c2", "m2")))
    at = lines.index("message 1")
    assert lines[at + 1] == "▸ 3 comments · 1 open" and lines[at + 2] == ""
    assert lines[lines.index("message 2") + 1] == "▸ 1 comment · open"
    assert seen(talked(talk("c0", "m1", resolved=True)))[at + 1] == "▸ 1 comment · settled"


def test_while_one_comments_conversations_are_whole_and_settled_ones_a_line() -> None:
    about = {"kind": "message", "message": "m1", "lines": [2, 3], "quote": "old"}
    now = {"lines": [4, 5], "characters": [0, 3], "text": "four\nfive"}
    said = talk("c0", "m1", "Why?\nReally?", "So.", anchor=about, now=now)
    said["reactions"] = [{"sign": "👍", "count": 2, "by": []}]
    state = choosing(talked(said, talk("c1", "m1", "Done", resolved=True)), Spot("m0"))
    lines = seen(state)
    at = lines.index("message 1")
    assert lines[at + 1 : at + 4] == ["┃ ● open · lines 4-5", "┃ > four", "┃ > five"]
    assert [line.split("  ")[-1] for line in lines[at + 4 : at + 8]] == ["Why?", "┃ Really?", "┃ 👍 2", "So."]
    assert lines[at + 8] == "┃ ✓ settled · Ana: Done"
    chosen = seen(replace(state, spot=Spot("m1", "c1")))
    assert any(line.startswith("▌ ") and line.endswith("Done") for line in chosen), "the chosen one is whole"


def test_what_was_taken_back_is_not_shown_and_a_place_that_is_gone_is_named_so() -> None:
    said = talk("c0", "m1", "Why?", "So.", anchor={"kind": "message", "message": "m1", "lines": [2, 2]}, stands=False)
    said["deleted"], said["text"] = True, ""
    lines = seen(choosing(talked(said), Spot("m0")))
    at = lines.index("message 1")
    assert lines[at + 1] == "┃ ● open · line 2 · the place is gone" and lines[at + 2].endswith("So.")


def test_what_is_about_no_message_stands_at_the_end() -> None:
    file = {"kind": "file", "path": "a.py", "lines": [3, 3], "quote": "x = 1"}
    state = talked(talk("c0", None, anchor=file), talk("c1", None), talk("c2", "gone", "Lost"))
    lines = seen(choosing(state, Spot("m0")))
    at = lines.index("message 2")
    assert [line for line in lines[at:] if "open" in line] == [
        "┃ ● open · a.py, line 3",
        "┃ ● open · the thread",
        "┃ ● open",
    ]
    assert len(state.spots) == 6 and state.open_talks == 3
    unknown = replace(state, is_whole=False)
    assert len(unknown.spots) == 5, "its message may be further back"


def test_one_steps_through_messages_and_conversations_and_the_ends_are_ends() -> None:
    state = talked(talk("c0", "m1", resolved=True), talk("c1", "m1"), talk("c2", "m2"))
    every = state.spots
    assert every == [Spot("m0"), Spot("m1"), Spot("m1", "c0"), Spot("m1", "c1"), Spot("m2"), Spot("m2", "c2")]
    assert stepped(every, Spot("m1"), 1) == Spot("m1", "c0")
    assert stepped(every, Spot("m0"), -1) == Spot("m0") and stepped(every, Spot("m2", "c2"), 1) == Spot("m2", "c2")
    assert stepped(every, None, 1) == every[-1] and stepped([], None, 1) is None
    assert next_open(every, state.talks, None) == Spot("m1", "c1")
    assert next_open(every, state.talks, Spot("m1", "c1")) == Spot("m2", "c2")
    assert next_open(every, state.talks, Spot("m2", "c2")) == Spot("m1", "c1"), "around the end"
    assert next_open(every, {}, None) is None


@pytest.mark.parametrize("height", [6, 12, 30])
@pytest.mark.parametrize("columns", [20, 80])
def test_what_is_chosen_is_in_sight_wherever_it_stands(columns: int, height: int) -> None:
    talks = [talk(f"c{n}", f"m{n}", f"said {n}") for n in range(0, 60, 7)]
    state = talked(*talks, messages=60)
    for spot in state.spots:
        focused = render.focused(choosing(state, spot), columns, height)
        lines = seen(focused, columns, height)
        assert len(lines) == height
        wanted = "▌ " if spot.talk else f" 1 message {spot.message[1:]}"
        assert any(line.startswith(wanted) for line in lines), (spot, lines)


def test_a_conversation_that_is_gone_leaves_its_message_chosen() -> None:
    state = choosing(talked(talk("c0", "m1")), Spot("m1", "c0"))
    assert discussed(state, "t1", []).spot == Spot("m1")
    assert discussed(state, "another", []) is state


def test_another_thread_has_other_comments() -> None:
    state = choosing(talked(talk("c0", "m1")), Spot("m1", "c0"))
    same = opened(opening(state, "t1"), thread("t1", message("m1")))
    assert same.talks and same.mode == "comment"
    other = opened(opening(state, "t2"), thread("t2", message("x")))
    assert not other.talks and other.spot is None and other.mode == ""


def test_the_status_line_counts_the_open_ones() -> None:
    line = "".join(text for _, text in status.status(talked(talk("c0", "m1"), talk("c1", "m1")), 100, 0.0))
    assert "2 open comments (Ctrl-G)" in line
    assert "comment" not in "".join(text for _, text in status.status(talked(talk("c", "m1", resolved=True)), 100, 0.0))


@pytest.mark.parametrize("columns", [10, 30, 80, 200])
def test_nothing_from_others_breaks_out_of_its_lines(columns: int) -> None:
    hostile = talk("c0", "m1", ATTACKS, ATTACKS, now={"lines": [1, 1], "characters": [0, 1], "text": ATTACKS})
    hostile["anchor"] = {"kind": "message", "message": "m1", "lines": [1, 1], "quote": ATTACKS}
    hostile["author"] = {**hostile["author"], "name": ATTACKS}
    hostile["reactions"] = [{"sign": ATTACKS, "count": 1, "by": []}]
    hostile["replies"].append(comment("r", "日本語 🎉 " * 30))
    for spot in (Spot("m0"), Spot("m1", "c0")):
        for resolved in (False, True):
            lines = seen(choosing(talked({**hostile, "resolved": resolved}), spot), columns, 200)
            assert all(width(line) <= columns for line in lines)
            assert not any(mark in "".join(lines) for mark in "\x1b\x07\x9b\u202e\u2066\n\t")


def test_the_lines_of_the_chosen_message_have_their_numbers() -> None:
    text = "# first\n\nthird " + "word " * 10
    state = conversation(message("m0", text), message("m1", "other"))
    lines = seen(choosing(state, Spot("m0")), columns=30)
    at = next(number for number, line in enumerate(lines) if line.startswith("laptop"))
    assert lines[at + 1 : at + 4] == [" 1 # first", " 2 ", " 3 third word word word word"]
    assert lines[at + 4].startswith("   word")
    call = {"id": "c", "name": "bash", "input": "{}", "result": "one\ntwo", "status": "ok", "agent": None}
    ran = message("m2", "", parts=[{"type": "tool_call", "id": "c"}], tool_calls=[call])
    lines = seen(choosing(conversation(ran), Spot("m2")))
    assert lines[3:5] == [" 1 one", " 2 two"]
