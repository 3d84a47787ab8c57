"""A shared screen on this terminal: what is written to it, as another terminal emulator shows it."""

import random
import re
from typing import Any

import pyte
import pytest

from client.cli.attaching import Keys
from client.cli.canvas import BEGIN, Canvas
from node.terminals.emulator import Emulator
from node.terminals.view import Told
from tests.client.handlers import HOSTILE


def screen(*texts: str, rows: int = 0, cursor: tuple[int, int] = (0, 0), **more: Any) -> dict[str, Any]:
    lines = [{"text": text} for text in texts] + [{"text": ""}] * (rows - len(texts))
    row, column = cursor
    return {
        **{"type": "terminal.screen", "terminal": "t", "columns": 20, "rows": len(lines), "history": []},
        **{"lines": lines, "cursor": {"row": row, "column": column, "visible": True}, "modes": {}, **more},
    }


class Window:
    """A window with a canvas in it; pyte shows what it is written."""

    def __init__(self, columns: int, rows: int) -> None:
        self.canvas = Canvas(columns, rows)
        self.shown = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream = pyte.Stream(self.shown)
        self._stream.feed(BEGIN)
        self.written = ""

    def take(self, line: dict[str, Any]) -> str:
        self.canvas.take(line)
        return self.draw()

    def draw(self) -> str:
        written = self.canvas.draw()
        self.written += written
        self._stream.feed(written)
        return written

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.shown.display]

    @property
    def scrollback(self) -> list[str]:
        rows = [[row[x].data for x in range(self.shown.columns)] for row in self.shown.history.top]
        return ["".join(row).rstrip() for row in rows]


def test_the_screen_is_shown_with_its_cursor() -> None:
    window = Window(20, 5)
    window.take(screen("$ ls", "one two", rows=5, cursor=(1, 3)))
    assert window.lines == ["$ ls", "one two", "", "", ""]
    assert (window.shown.cursor.y, window.shown.cursor.x, window.shown.cursor.hidden) == (1, 3, False)


def test_only_lines_that_differ_are_written() -> None:
    window = Window(20, 5)
    window.take(screen("one", "two", rows=5))
    written = window.take(
        {"type": "terminal.changed", "moved": 0, "scrolled": [], "lines": [{"row": 1, "text": "TWO"}]}
    )
    assert window.lines[:2] == ["one", "TWO"] and "one" not in written
    assert window.draw() == window.draw(), "nothing but the cursor"


def test_lines_that_leave_go_into_the_scrollback() -> None:
    window = Window(20, 3)
    window.take(screen("1", "2", "3", history=[{"text": "0"}]))
    window.take(
        {
            **{"type": "terminal.changed", "moved": 2, "scrolled": [{"text": "1"}, {"text": "2"}]},
            "lines": [{"row": 1, "text": "4"}, {"row": 2, "text": "5"}],
        }
    )
    assert window.lines == ["3", "4", "5"] and [line for line in window.scrollback if line][-3:] == ["0", "1", "2"]


def test_a_smaller_window_shows_where_the_cursor_is_and_a_larger_one_all() -> None:
    small, large = Window(4, 2), Window(30, 8)
    for window in (small, large):
        window.take(screen("abcdef", "ghijkl", "日本語x", "yz", cursor=(2, 1)))
    assert small.lines == ["ghij", "日本"]
    assert large.lines[:5] == ["abcdef", "ghijkl", "日本語x", "yz", ""]


def test_a_full_line_does_not_lose_its_last_character() -> None:
    window = Window(5, 2)
    window.take(screen("12345", "67890"))
    assert window.lines == ["12345", "67890"]


def test_styles_are_drawn_and_left_behind() -> None:
    window = Window(20, 2)
    spans = [[2, 1, None, "bold"], [2, "#0102ff", 200, "underline reverse"], [1, None, None, ""]]
    window.take(screen(lines=[{"text": "abcde", "spans": spans}, {"text": "plain"}]))
    row = window.shown.buffer[0]
    assert (row[0].fg, row[0].bold, row[2].fg, row[2].underscore, row[2].reverse) == ("red", True, "0102ff", True, True)
    assert (row[4].fg, row[4].bold, window.shown.buffer[1][0].reverse) == ("default", False, False)
    plain = Canvas(20, 2, colour=False)
    plain.take(screen(lines=[{"text": "abcde", "spans": spans}]))
    assert not re.search(r"\x1b\[0;\d", plain.draw())


# Everything that may be written to the terminal of who watches: places, erasing, styles, what keys send.
_OURS = re.compile(
    r"\x1b\[\d+;\d+H|\x1b\[K|\x1b\[[\d;]*m|\x1b\[\?(?:25|1|7|2004)[hl]|\x1b[=>]|\x1b\[2J|\x1b\[H|(?<=H)\n", re.ASCII
)


@pytest.mark.parametrize("where", ["text", "spans", "scrolled", "history", "notice", "style"])
def test_whatever_the_node_says_nothing_but_text_and_our_own_sequences_is_written(where: str) -> None:
    window = Window(200, 4)
    hostile = {"text": HOSTILE}
    if where == "spans":
        hostile["spans"] = [[5, None, None, ""], [500, 3, 4, "bold"]]  # type: ignore[assignment]
    if where == "style":
        hostile["spans"] = [[500, HOSTILE, "#00;1m\x1b]", HOSTILE]]  # type: ignore[assignment]
    if where == "notice":
        window.canvas.notice = "a notice"
    window.take(screen(lines=[hostile, {"text": ""}], title=HOSTILE, history=[hostile] if where == "history" else []))
    window.take({"type": "terminal.changed", "moved": 1, "scrolled": [hostile], "lines": [{"row": 10**9, **hostile}]})
    left = _OURS.sub("", BEGIN + window.written + window.canvas.leave())
    assert not re.search(r"[\x00-\x09\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202e\u2028\u200b]", left), repr(left)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_told_step_by_step_looks_like_the_program_s_own_screen(seed: int) -> None:
    """Emulator, what watchers are told, and the drawing of it, against the emulator's screen itself."""

    class View:
        def __init__(self) -> None:
            from crdt.output import Opened

            self.emulator = Emulator(20, 6)
            self.opened = Opened(("sh",), 20, 6, "", 0)

    source = random.Random(seed)
    view, told, window = View(), Told("t", "x"), Window(20, 6)
    for _ in range(60):
        for _ in range(source.randint(1, 3)):
            view.emulator.feed(
                source.choice(
                    (
                        b"".join(b"%d\r\n" % number for number in range(source.randint(1, 20))),
                        b"text \x1b[3%dmcolour\x1b[m" % source.randint(0, 7),
                        b"\x1b[%d;%dH" % (source.randint(1, 6), source.randint(1, 20)),
                        b"\x1b[2;4r\x1b[4H\nscrolled\x1b[r",
                        *(b"\x1b[J", b"\x1b[1K", b"\x1b[L", b"\x1b[M", b"\x1b[?1049h", b"\x1b[?1049l", b"\x1bM"),
                    )
                )
            )
        for line in told.lines(view):  # type: ignore[arg-type]
            window.take(line)
        screen_lines = [row.line().text.rstrip() for row in view.emulator.screen.lines]
        assert window.lines == screen_lines


# ---- keys


def test_keys_go_to_the_program_but_for_those_that_leave_it() -> None:
    assert Keys().take(b"ls\r") == (b"ls\r", False)
    assert Keys().take(b"ls\x1dd more") == (b"ls", True)
    assert Keys().take(b"\x1d\x1d") == (b"\x1d", False)
    assert Keys().take(b"\x1dx") == (b"\x1dx", False)
    keys = Keys()
    assert [keys.take(b"\x1d"), keys.take(b"d")] == [(b"", False), (b"", True)]
