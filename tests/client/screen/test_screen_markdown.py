"""A little Markdown: what a person sees of it, and that what is not understood stays as it was written."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screen.markdown import lines_of
from client.screen.text import width


def drawn(text: str, columns: int = 40) -> list[str]:
    return ["".join(piece for _, piece in line) for line in lines_of(text, columns)]


def styles(text: str) -> list[tuple[str, str]]:
    return [piece for line in lines_of(text, 40) for piece in line]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("# Title #", ["Title"]),
        ("- one\n* two", ["• one", "• two"]),
        ("12. twelve", ["12. twelve"]),
        ("> said", ["▌ said"]),
        ("---", ["─" * 40]),
        ("```python\nx = 1\n```", ["  [python]", "  x = 1"]),
        ("````\n```\n````", ["  ```"]),
        ("#hashtag -no 3.14", ["#hashtag -no 3.14"]),
        ("### C #", ["C"]),
        ("# C#", ["C#"]),
        ("|a|b\\|c|\n|-|:-:|\n|one|2|", ["a   │ b|c", "────┼────", "one │ 2"]),
        ("a | b\nno table", ["a | b", "no table"]),
        ("|" + "x" * 50 + "|\n|-|", ["|" + "x" * 39, "x" * 11 + "|", "|-|"]),
        ("", []),
    ],
)
def test_blocks(written: str, shown: list[str]) -> None:
    assert drawn(written) == shown


def test_a_code_block_that_has_not_ended_yet_is_code() -> None:
    assert drawn("```\nx = **1**") == ["  x = **1**"]


def test_marks_in_a_line_are_styled_and_code_keeps_its_own() -> None:
    assert styles("a **bold** `code`") == [("", "a "), ("class:bold", "bold"), ("", " "), ("class:code", "`code`")]
    assert styles("2 ** 3 ** 4 and a ` alone") == [("", "2 ** 3 ** 4 and a ` alone")]


def test_the_further_lines_of_an_item_stand_under_its_text() -> None:
    assert drawn("- one two three four", 10) == ["• one two", "  three", "  four"]


def test_emphasis_goes_on_over_the_end_of_a_line() -> None:
    assert lines_of("one **two three** four", 8) == [
        (("", "one "), ("class:bold", "two")),
        (("class:bold", "three"),),
        (("", "four"),),
    ]
    assert styles("*so* it is 2 * 3 * 4") == [("class:italic", "so"), ("", " it is 2 * 3 * 4")]


HOSTILE = ("#  ", "``` a", "|-", "| : ", "*a ", "** ", "\\'", "'", '"\\', "/*", "- ", "> ", "`` ", "_ _", "<", "\t")


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("begin", ["", "# ", "|a|\n|", "```python\n", "```js\n"])
def test_no_text_makes_the_screen_wait(piece: str, begin: str) -> None:
    def cost(size: int) -> float:
        before = time.process_time()
        lines_of(begin + piece * (size // len(piece)) + "`x", 80)
        return time.process_time() - before

    # Ten times the text would take a hundred times as long if a pattern went over it again and again.
    assert cost(100_000) < max(0.25, 30 * cost(10_000))


@given(st.text(alphabet="a *`#->1.|\n日~_", max_size=120), st.integers(4, 40))
def test_every_line_fits(text: str, columns: int) -> None:
    assert all(width(line) <= columns for line in drawn(text, columns))
