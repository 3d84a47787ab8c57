"""One message as it is drawn."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from client.screen.blocks import REASONING_LINES, UNFOLDED_LINES, block
from client.screen.message import Piece, Shown
from client.screen.text import width
from tests.client.screen.test_screen_text import ATTACKS, is_harmless

SAID = Shown("m", 0, "user", "ana", "2026-01-05T09:30:00.000Z", "final", "", (Piece("text", "hello"),))
ANSWER = replace(SAID, role="assistant", model="qwen3")


def drawn(message: Shown, columns: int = 80, unfolded: bool = False) -> list[str]:
    return ["".join(text for _, text in line) for line in block(message, columns, unfolded)]


def tool(**more: str) -> Shown:
    values = {"text": "Bash", "status": "ok", "input": json.dumps({"command": "ls -l"}), "result": "one\ntwo"}
    return replace(ANSWER, pieces=(Piece("tool_call", **{**values, **more}),))


@given(st.text(), st.integers(12, 140), st.booleans())
def test_no_line_is_wider_than_its_columns_and_nothing_obeyed_by_a_terminal_passes(
    text: str, columns: int, unfolded: bool
) -> None:
    text += ATTACKS
    pieces = tuple(Piece(kind, text, text, text, text, text) for kind in ("text", "reasoning", "tool_call", "image"))
    for line in drawn(Shown("m", 0, text, text, text, "streaming", text, pieces), columns, unfolded):
        assert width(line) <= columns and is_harmless(line)


def test_a_heading_says_who_and_a_models_also_where() -> None:
    assert drawn(SAID)[0].startswith("ana · ") and drawn(SAID)[1:] == ["hello", ""]
    assert drawn(ANSWER)[0].startswith("qwen3 · assistant on ana · ")


def test_reasoning_is_folded_until_asked_for() -> None:
    message = replace(ANSWER, pieces=(Piece("reasoning", "\n".join("abcdef")), Piece("text", "so")))
    assert f"│ … {6 - REASONING_LINES} more lines of reasoning (Ctrl-O)" in drawn(message)
    assert "│ f" not in drawn(message) and "│ f" in drawn(message, unfolded=True)


def test_a_tool_call_is_one_line_with_what_it_is_about_and_how_it_ended() -> None:
    assert drawn(tool())[1:-1] == ["▸ Bash  ls -l · done"]
    assert drawn(tool(status="error"))[1].endswith("· failed")
    assert drawn(tool(agent="scout"))[1].startswith("▸ Bash (scout)")
    assert drawn(tool(input="not json"))[1] == "▸ Bash  not json · done"


def test_text_and_tools_stand_apart_and_tools_together() -> None:
    call = tool().pieces[0]
    message = replace(ANSWER, pieces=(Piece("text", "first"), call, call, Piece("text", "then")))
    assert drawn(message)[1:-1] == ["first", "", "▸ Bash  ls -l · done", "▸ Bash  ls -l · done", "", "then"]


def test_an_unfolded_tool_call_shows_its_result_up_to_a_limit() -> None:
    assert drawn(tool(), unfolded=True)[-3:-1] == ["  one", "  two"]
    long = drawn(tool(result="\n".join(map(str, range(5000)))), unfolded=True)
    assert len(long) < UNFOLDED_LINES + 10 and f"{5000 - UNFOLDED_LINES} more lines" in long[-2]


def test_what_is_not_finished_says_so() -> None:
    assert drawn(replace(ANSWER, state="streaming"))[-2] == "▍"
    assert drawn(replace(ANSWER, state="interrupted"))[-2] == "(interrupted)"


def test_a_part_of_an_unknown_kind_is_named_and_told() -> None:
    assert "[image] chart.png" in drawn(replace(ANSWER, pieces=(Piece("image", "chart.png"),)))
