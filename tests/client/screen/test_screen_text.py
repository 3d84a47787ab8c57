"""Text from anybody: what is harmless stays, what is not is seen, and everything has the width it is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screen.text import MARKS_KEPT, filled, fit, settled, settled_line, width, wrap

ATTACKS = (
    "\x1b[2J \x1b]0;owned\x07 \x1bP1$r\x1b\\ \x9b31m \u202eexe.gnp \u2066x \u200b \u200e \ufeff \x00 \x7f \r \U000e0041"
)


def is_harmless(line: str) -> bool:
    return not any(
        ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u200b\u200e\ufeff\U000e0041" for c in line
    )


@given(st.text())
def test_nothing_a_terminal_would_obey_is_left_in_a_line(text: str) -> None:
    assert is_harmless(settled_line(text + ATTACKS)) and is_harmless(settled(text + ATTACKS).replace("\n", ""))


def test_scripts_and_emoji_stay_as_they_are() -> None:
    text = "naïve 日本語 한국어 עברית हिन्दी ไทย 🎉 ∀x∈ℝ → ½"
    assert settled_line(text) == text


def test_sequences_on_whose_width_terminals_differ_are_shown_by_their_parts() -> None:
    assert settled_line("👨\u200d👩\u200d👧 👍🏽 ❤\ufe0f 🇩🇪") == "👨👩👧 👍 ❤ DE"
    assert settled_line("می\u200cخواهم") == "می\u200cخواهم", "a script that needs the joiner keeps it"


def test_marks_heaped_on_a_letter_are_cut_off_and_one_without_a_letter_gets_a_circle() -> None:
    assert width(settled_line("Z" + "\u0301" * 500)) == 1 and len(settled_line("Z" + "\u0336" * 500)) == 1 + MARKS_KEPT
    assert settled_line("\u0336x").startswith("◌")


def test_tabs_become_spaces_up_to_the_next_stop() -> None:
    assert settled("a\tb\n\tc") == "a   b\n    c"


@pytest.mark.parametrize(
    ("text", "columns", "cut"), [("abcdef", 4, "abc…"), ("日本語", 4, "日…"), ("ab", 2, "ab"), ("ab", 0, "")]
)
def test_a_line_that_does_not_fit_ends_in_a_mark(text: str, columns: int, cut: str) -> None:
    assert fit(text, columns) == cut


@given(st.text(), st.integers(1, 60))
def test_a_filled_line_has_exactly_its_columns(text: str, columns: int) -> None:
    assert width(filled(settled_line(text), columns)) == columns


@given(st.text(alphabet="ab `#日🎉e\u0301", max_size=200), st.integers(2, 60))
def test_wrapping_loses_no_letter_and_keeps_to_its_columns(text: str, columns: int) -> None:
    line = settled(text)
    pieces = wrap(line, columns)
    assert "".join(pieces).replace(" ", "") == line.replace(" ", "")
    assert all(width(piece) <= columns for piece in pieces)


def test_wrapping_breaks_at_spaces_and_long_words_anywhere() -> None:
    assert wrap("the quick brown fox", 10) == ["the quick", "brown fox"]
    assert wrap("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert wrap("", 10) == [""]
