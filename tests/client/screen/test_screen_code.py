"""Code in colours: what is told apart, and that no character is lost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screen.code import MOST, coloured


def words(code: str, language: str, kind: str) -> list[str]:
    return [text for line in coloured(code, language) for style, text in line if style == f"class:block.{kind}"]


@pytest.mark.parametrize(
    ("language", "code", "kind", "found"),
    [
        ("python", "def f(x): return 'a # b'  # c", "word", ["def", "return"]),
        ("python", "def f(x): return 'a # b'  # c", "string", ["'a # b'"]),
        ("python", "def f(x): return 'a # b'  # c", "comment", ["# c"]),
        ("Python", "x = 0x1F + 2.5", "number", ["0x1F", "2.5"]),
        ("js", "/* one\ntwo */ let a = `b\nc` // d", "comment", ["/* one", "two */", "// d"]),
        ("js", "/* one\ntwo */ let a = `b\nc` // d", "string", ["`b", "c`"]),
        ("rust", "fn f<'a>(x: &'a str)", "word", ["fn"]),
        ("sql", "SELECT a FROM b -- c", "word", ["SELECT", "FROM"]),
        ("bash", 'echo "$#" # c', "comment", ["# c"]),
        ("diff", "--- a\n+++ b\n@@ 1\n-old\n+new\n same", "added", ["+new"]),
        ("diff", "--- a\n+++ b\n@@ 1\n-old\n+new\n same", "removed", ["-old"]),
        ("text", "def is a word", "word", []),
        ("", "def is a word", "word", []),
    ],
)
def test_what_is_told_apart(language: str, code: str, kind: str, found: list[str]) -> None:
    assert words(code, language, kind) == found


def test_a_block_too_long_to_read_is_not_coloured() -> None:
    assert words("if " * (MOST // 3), "python", "word") and not words("if " * MOST, "python", "word")


@given(st.text(alphabet="ab'\"`#/*\\ \n1-+"), st.sampled_from(["python", "js", "sql", "diff", "", "nonsense"]))
def test_every_character_stays_where_it_is(code: str, language: str) -> None:
    assert ["".join(text for _, text in line) for line in coloured(code, language)] == code.split("\n")


@pytest.mark.parametrize("piece", ["'", "\\'", '"\\', "/*", "`", "'''", "#", "-- ", "1.", "a_"])
@pytest.mark.parametrize("language", ["python", "js", "sql"])
def test_no_code_makes_the_screen_wait(piece: str, language: str) -> None:
    before = time.process_time()
    coloured(piece * (MOST // len(piece)) + "'", language)
    assert time.process_time() - before < 0.5
