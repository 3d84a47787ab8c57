"""What a program's bytes make of a screen; an independent emulator and hostile bytes have their say, too."""

import random
import sys
import unicodedata
from typing import Any

import pyte
import pytest

from node.terminals.cells import BOLD, PLAIN, REVERSE, UNDERLINE, Line, Style
from node.terminals.emulator import MAX_REPLIES, MAX_WORK, Emulator
from node.terminals.screen import MAX_HISTORY_BYTES, MAX_HISTORY_LINES


def fed(*pieces: str | bytes, columns: int = 20, rows: int = 5) -> Emulator:
    emulator = Emulator(columns, rows)
    for piece in pieces:
        emulator.feed(piece.encode() if isinstance(piece, str) else piece)
        while emulator.is_behind:
            emulator.catch_up()
    return emulator


def shown(emulator: Emulator) -> list[str]:
    """The screen's lines, without the empty ones at its end."""
    lines = [row.line().text for row in emulator.screen.lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def first(emulator: Emulator) -> Line:
    return emulator.screen.lines[0].line()


# ---- text and cursor


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("one\ntwo", ["one", "   two"]),
        ("abc\rX", ["Xbc"]),
        ("abc\b\bX", ["aXc"]),
        ("a\tb", ["a       b"]),
        ("x" * 25, ["x" * 20, "xxxxx"]),
        ("\x1b[?7l" + "x" * 24 + "Y", ["x" * 19 + "Y"]),
        ("\x1b[3;5Hhere\x1b[1;1Hthere", ["there", "", "    here"]),
        ("abcdef\x1b[3G\x1b[K", ["ab"]),
        ("abcdef\x1b[3G\x1b[1K", ["   def"]),
        ("abcdef\x1b[2G\x1b[2P", ["adef"]),
        ("abcdef\x1b[2G\x1b[2@", ["a  bcdef"]),
        ("abcdef\x1b[2G\x1b[2X", ["a  def"]),
        ("abc\x1b[4hX\rY", ["YabcX"]),
        ("ab\x1b[3b", ["abbbb"]),
        ("1\r\n2\r\n3\x1b[2H\x1b[L", ["1", "", "2", "3"]),
        ("1\r\n2\r\n3\x1b[1H\x1b[M", ["2", "3"]),
        ("1\r\n2\r\n3\x1b[2;3r\x1b[3H\n4", ["1", "3", "4"]),
        ("1\r\n2\r\n3\x1b[H\x1bM0", ["0", "1", "2", "3"]),
        ("1\r\n2\x1b[2J", []),
        ("a\x1b7\x1b[4;4Hb\x1b8c", ["ac", "", "", "   b"]),
        ("\x1b(0lqk\x1b(B lqk", ["┌─┐ lqk"]),
        ("\x1b)0\x0eq\x0fq", ["─q"]),
        ("日本語", ["日本語"]),
        ("日本\x1b[2GX", [" X本"]),
        ("e\u0301", ["e\u0301"]),
        ("a\u202eb\u200bc\xadd", ["abcd"]),
        ("a\x7fb\x80c\x9b31md", ["abc31md"]),
    ],
)
def test_what_is_written_is_shown(written: str, lines: list[str]) -> None:
    assert shown(fed(written)) == lines


def test_bytes_may_be_cut_anywhere() -> None:
    written = "é日\x1b[31mred\x1b[0m\x1b]0;title ü\x07\x1b[2;3Hx\x1bPq#0\x1b\\y\x1b(0q\x1b(B".encode()
    whole = fed(written)
    pieces = fed(*(written[at : at + 1] for at in range(len(written))))
    assert [row.line() for row in pieces.screen.lines] == [row.line() for row in whole.screen.lines]
    assert pieces.screen.title == whole.screen.title == "title ü"


@pytest.mark.parametrize(
    ("given", "style"),
    [
        ("1", Style(flags=BOLD)),
        ("1;4;31", Style(1, None, BOLD | UNDERLINE)),
        ("91;102", Style(9, 10)),
        ("38;5;200", Style(200)),
        ("48;2;1;2;255", Style(None, "#0102ff")),
        ("38:2::1:2:3", Style("#010203")),
        ("38:5:7", Style(7)),
        ("4:3", Style(flags=UNDERLINE)),
        ("1;7;22", Style(flags=REVERSE)),
        ("31;39;41;49", PLAIN),
        ("38;5;999;1", Style(flags=BOLD)),
        ("58;5;3;1", Style(flags=BOLD)),
        ("1;0", PLAIN),
        (">4;2", PLAIN),
    ],
)
def test_colours_and_attributes(given: str, style: Style) -> None:
    assert first(fed(f"\x1b[{given}mx")) == (Line("x", ((1, style),)) if style != PLAIN else Line("x"))


def test_a_line_tells_its_styles_by_how_many_characters_have_them() -> None:
    line = first(fed("ab\x1b[1;31mcd\x1b[0m\x1b[44m \x1b[K"))
    assert line.text == "abcd" + " " * 16
    assert line.to_json()["spans"] == [[2, None, None, ""], [2, 1, None, "bold"], [16, None, 4, ""]]
    assert Line("plain").to_json() == {"text": "plain"}


# ---- the alternate screen, history, another size


def test_a_full_screen_program_leaves_what_was_there_and_no_history() -> None:
    emulator = fed("before\x1b[?1049h\x1b[H" + "vim\r\n" * 9, "\x1b[?1h")
    assert emulator.screen.alternate and "before" not in shown(emulator) and not emulator.screen.history.lines
    emulator.feed(b"\x1b[?1049l after")
    assert shown(emulator) == ["before after"]


def test_what_scrolls_off_is_history_within_bounds() -> None:
    emulator = fed(*(f"line {number}\r\n" for number in range(12_000)))
    history = emulator.screen.history
    assert (len(history.lines), history.total) == (MAX_HISTORY_LINES, 12_000 - 4)
    assert [line.text for line in history.since(history.total - 2, 9)] == ["line 11994", "line 11995"]
    assert [line.text for line in history.since(0, 1)] == ["line 11995"]
    assert history.since(history.total, 9) == []
    emulator.feed(b"\x1b[3J")
    assert not history.lines and history.bytes == 0


def test_ten_megabytes_take_no_more_than_the_bound() -> None:
    emulator = fed(columns=200)
    block = b"".join(b"\x1b[3%dm%0190d\x1b[0m\r\n" % (number % 8, number) for number in range(320))
    for _ in range(160):
        emulator.feed(block)
        while emulator.is_behind:
            emulator.catch_up()
    history = emulator.screen.history
    assert history.total > 50_000 and len(history.lines) < MAX_HISTORY_LINES
    assert history.bytes <= MAX_HISTORY_BYTES
    assert sum(sys.getsizeof(line.text) + sys.getsizeof(line.spans) for line in history.lines) < MAX_HISTORY_BYTES


def test_another_size_keeps_what_fits_and_puts_the_rest_into_the_history() -> None:
    emulator = fed("1\r\n2\r\n3\r\n4")
    emulator.resize(10, 2)
    assert shown(emulator) == ["3", "4"] and [line.text for line in emulator.screen.history.lines] == ["1", "2"]
    emulator.resize(30, 4)
    emulator.feed(b"x" * 25)
    assert shown(emulator) == ["3", "4" + "x" * 25]


def test_another_size_while_a_full_screen_program_runs_is_the_main_screens_too() -> None:
    emulator = fed("1\r\n2\r\n3\x1b[?1049h\x1b[5Hfive")
    emulator.resize(10, 3)
    emulator.feed(b"\x1b[?1049l")
    assert shown(emulator) == ["1", "2", "3"] and len(emulator.screen.lines) == 3
    assert all(len(row.chars) == len(row.styles) == 10 for row in emulator.screen.lines)


def test_only_what_changed_has_a_new_stamp() -> None:
    emulator = fed("one\r\ntwo\r\n")
    before = emulator.screen.stamp
    emulator.feed(b"\x1b[1Hx")
    assert [row.stamp > before for row in emulator.screen.lines] == [True, False, False, False, False]


# ---- what must not get out


@pytest.mark.parametrize(
    "said",
    [
        "\x1b]52;c;c3RlYWw=\x07",
        "\x1b]8;;https://example.org\x1b\\",
        "\x1b]10;?\x07",
        '\x1bP$q"p\x1b\\',
        "\x1b_Gf=100;AAAA\x1b\\",
        "\x1b^secret\x1b\\",
        "\x1bXsecret\x1b\\",
        "\x1b]1337;File=:AAAA\x07",
        "\x1b[?1000h\x1b[?1006h",
        "\x1b[21t\x1b[4 q\x1b[>4;2m\x1b[?u",
    ],
)
def test_what_would_act_beyond_the_screen_leaves_nothing(said: str) -> None:
    emulator = fed(f"a{said}b")
    assert shown(emulator) == ["ab"] and emulator.replies == []


def test_questions_are_answered_to_the_program_alone() -> None:
    emulator = fed("ab\x1b[6n\x1b[c\x1b[>c\x1b[5n")
    assert emulator.replies == [b"\x1b[1;3R", b"\x1b[?62;22c", b"\x1b[>0;0;0c", b"\x1b[0n"]
    assert shown(emulator) == ["ab"]


def test_a_title_is_text_and_short() -> None:
    assert fed("\x1b]2;a\u202eb\u200bc\x1b\\").screen.title == "abc"
    assert len(fed("\x1b]0;" + "t" * 10_000 + "\x07").screen.title) <= 256


@pytest.mark.parametrize(
    "endless",
    ["\x1b]0;" + "x" * 500, "\x1bP" + "x" * 500, "\x1b[" + "1;" * 250, "\x1b[6n" * 100, "e" + "\u0301" * 300, "\x1b7"],
)
def test_what_never_ends_is_held_within_bounds(endless: str) -> None:
    emulator = fed(endless[:2])
    for _ in range(200):
        emulator.feed(endless[2:].encode())
    assert len(emulator._rest) <= 300 and len(emulator._string or ()) <= 300 and len(emulator.replies) <= MAX_REPLIES
    assert all(len(cell) <= 6 for row in emulator.screen.lines for cell in row.chars)


@pytest.mark.parametrize(
    "heavy", ["\x1b[9999S", "\x1b[9999T", "\x1b[2J", "\x1b#8", "\x1b[?47h\x1b[?47l", "x\x1b[9999b"]
)
def test_a_few_bytes_that_ask_for_much_are_done_in_turns(heavy: str) -> None:
    """Else a member could stop the node of everybody who watches."""
    emulator, turns = Emulator(500, 200), 0
    emulator.feed((heavy * 100).encode() + b"\x1b[H\x1b[2Jdone")
    while emulator.is_behind:
        assert emulator.screen.work <= MAX_WORK + 2 * 500 * 200, "one control function beyond the bound"
        emulator.catch_up()
        turns += 1
    assert turns > 8 and shown(emulator) == ["done"]


_ALPHABET = [
    *("\x1b[", "\x1b]", "\x1bP", "\x1b(0", "\x1b", "\x07", "\x1b\\", "\x9b", "\n", "\r", "\b", "\t", "\x0e", "\x0f"),
    *("\x1b[?1049h", "\x1b[?1049l", "\x1b[?6h", "\x1b[?7l", "\x1b[4h", "\x1b[2;3r", "\x1b[r", "\x1b#8", "\x1bc"),
    *("日", "e\u0301", "\u202e", "😀", "a", "xyz", ";", "9999", "5", "0", ":", "?", ">", "!", "\x18"),
    *"ABCDEFGHIJKLMPSTXZ@`abcdefghlmnrsu",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
def test_no_bytes_break_it(seed: int) -> None:
    source = random.Random(seed)
    emulator = Emulator(source.randint(1, 30), source.randint(1, 10))
    for _ in range(400):
        pieces = source.choices(_ALPHABET, k=source.randint(1, 12))
        emulator.feed("".join(pieces).encode() + source.randbytes(source.choice((0, 0, 0, 3))))
        while emulator.is_behind:
            emulator.catch_up()
        if source.random() < 0.1:
            emulator.resize(source.randint(1, 30), source.randint(1, 10))
        _check(emulator)


def _check(emulator: Emulator) -> None:
    screen = emulator.screen
    assert 0 <= screen.x <= screen.columns and 0 <= screen.y < screen.rows
    assert 0 <= screen.top <= screen.bottom < screen.rows == len(screen.lines)
    for row in screen.lines:
        assert len(row.chars) == len(row.styles) == screen.columns
        line = row.line()
        assert not any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in line.text)
        assert not line.spans or sum(count for count, _ in line.spans) == len(line.text)
        assert row.chars[0], "the right half of nothing"


@pytest.mark.parametrize("seed", range(25))
def test_many_lines_at_once_give_what_they_give_one_by_one(seed: int) -> None:
    source = random.Random(seed)
    columns, rows = source.randint(2, 12), source.randint(1, 6)
    at_once, apart = Emulator(columns, rows), Emulator(columns, rows)
    for _ in range(12):
        before = source.choice(
            ("", "", "", "\x1b[2;3r", "\x1b[r", "\x1b[31m", "\x1b[m", "\x1b[4h", "\x1b[4l", "\x1b[H")
        )
        longest = source.choice((columns, columns, 2 * columns))
        lines = ["".join(source.choices("ab ", k=source.randint(0, longest))) for _ in range(source.randint(1, 20))]
        for emulator, pieces in ((at_once, ["\r\n".join(lines)]), (apart, "\r\n".join(lines))):
            emulator.feed(before.encode())
            for piece in pieces:
                emulator.feed(piece.encode())
        assert shown(at_once) == shown(apart)
        assert (at_once.screen.x, at_once.screen.y) == (apart.screen.x, apart.screen.y)
        assert list(at_once.screen.history.lines) == list(apart.screen.history.lines)


# ---- another emulator's opinion


def _program(source: random.Random) -> str:
    """What both emulators know. Not margins, and no wide characters at the edge: there pyte strays from xterm."""
    number = source.randint(1, 6)
    return source.choice(
        (
            "".join(source.choices("abcdef ", k=source.randint(1, 30))),
            "\r\n" * source.randint(1, 2),
            f"\x1b[{source.randint(1, 6)};{source.randint(1, 22)}H",
            *(f"\x1b[{number}{final}" for final in "CDGLM"),
            *(f"\x1b[{number}G\x1b[{number}{final}" for final in "ABdPX"),
            f"\x1b[{source.randint(0, 2)}{source.choice('JK')}",
            *("\r", "\b", "\t", "\x1bM", "\x1bD", "\x1b[1;32m", "\x1b[0m"),
        )
    )


def _display(screen: Any) -> list[str]:
    return [line.rstrip() for line in screen.display]


@pytest.mark.parametrize("seed", range(40))
def test_it_shows_what_pyte_shows(seed: int) -> None:
    source = random.Random(seed)
    emulator, other = Emulator(20, 6), pyte.Screen(20, 6)
    stream = pyte.ByteStream(other)
    for _ in range(60):
        piece = _program(source)
        emulator.feed(piece.encode())
        stream.feed(piece.encode())
        assert [row.line().text.rstrip() for row in emulator.screen.lines] == _display(other), repr(piece)
        assert (min(emulator.screen.x, 19), emulator.screen.y) == (min(other.cursor.x, 19), other.cursor.y), repr(piece)
