"""A shared terminal's cells as what has to be written to this one (pure): text, colours and places, nothing else.

What a program printed never gets here; what does was made of cells by the node, and is made harmless once more.
Lines that leave the screen are scrolled into this terminal's own scrollback, as far as it has one.
"""

import re
from typing import Any, Final

from client.cli.text import flat, width

_CODES: Final = {"bold": 1, "dim": 2, "italic": 3, "underline": 4, "reverse": 7, "hidden": 8, "strike": 9}
_RGB = re.compile("#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})")
BEGIN: Final = "\x1b[0m\x1b[?7l\x1b[2J\x1b[H"
END: Final = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1l\x1b>\x1b[?2004l"


class Canvas:
    """A window of `columns` by `rows`. `take` what is told, then write `draw()`."""

    def __init__(self, columns: int, rows: int, colour: bool = True) -> None:
        self._colour = colour
        self._lines: list[dict[str, Any]] = []
        self._left: list[dict[str, Any]] = []  # lines that are to go into the scrollback
        self._cursor: dict[str, Any] = {}
        self._modes: dict[str, Any] = {}
        self._sent_modes = ""
        self.notice = ""
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        """Another window: all of it is drawn anew."""
        self.columns, self.rows = columns, rows
        self._drawn: list[str | None] = [None] * rows

    def take(self, line: dict[str, Any]) -> None:
        """A line of `terminal.watch`."""
        kind = line["type"]
        if kind == "terminal.screen":
            self._lines = list(line["lines"])
            self._left += line["history"]
        elif kind == "terminal.changed":
            self._left += line["scrolled"]
            self._lines = changed(self._lines, line)
        self._cursor = line.get("cursor", self._cursor)
        self._modes = line.get("modes", self._modes)

    def draw(self) -> str:
        """What brings the window from what it shows to what it should."""
        pieces = ["\x1b[?25l"]
        for line in self._left:
            pieces.append(f"\x1b[1;1H{self._row(line)}\x1b[{self.rows};1H\n")
            self._drawn = [*self._drawn[1:], ""]
        self._left = []
        first = self._first()
        for number in range(self.rows):
            at = first + number
            wanted = self._row(self._lines[at]) if at < len(self._lines) else self._row({"text": ""})
            if self.notice and number == self.rows - 1:
                wanted = self._row({"text": self.notice, "spans": [[len(self.notice), None, None, "reverse"]]})
            if wanted != self._drawn[number]:
                pieces.append(f"\x1b[{number + 1};1H{wanted}")
                self._drawn[number] = wanted
        return "".join(pieces) + self._mode_changes() + self._place(first)

    def leave(self) -> str:
        """What leaves the window as a command finds it, the cursor below what is shown."""
        last = max((number for number, row in enumerate(self._drawn) if row and row != _EMPTY), default=-1)
        return f"{END}\x1b[{min(last + 1, self.rows)};1H\r\n"

    def _first(self) -> int:
        """The line at the window's top: a smaller window follows the cursor."""
        row = int(self._cursor.get("row", 0))
        return max(0, min(row - self.rows + 1, len(self._lines) - self.rows))

    def _place(self, first: int) -> str:
        row, column = int(self._cursor.get("row", 0)) - first, int(self._cursor.get("column", 0))
        if not self._cursor.get("visible") or not 0 <= row < self.rows or column >= self.columns:
            return ""
        return f"\x1b[{row + 1};{column + 1}H\x1b[?25h"

    def _mode_changes(self) -> str:
        """What the keys are to send; these are the only modes of a program that reach this terminal."""
        wanted = (
            ("\x1b[?1h" if self._modes.get("application_cursor") else "\x1b[?1l")
            + ("\x1b=" if self._modes.get("application_keypad") else "\x1b>")
            + ("\x1b[?2004h" if self._modes.get("bracketed_paste") else "\x1b[?2004l")
        )
        if wanted == self._sent_modes:
            return ""
        self._sent_modes = wanted
        return wanted

    def _row(self, line: dict[str, Any]) -> str:
        """A line as far as it fits, and nothing behind it."""
        text, left = str(line.get("text", "")), self.columns
        pieces: list[str] = []
        spans = line.get("spans") if self._colour else None
        at = 0
        for count, foreground, background, names in spans or [[len(text), None, None, ""]]:
            piece = _fit(flat(text[at : at + count]), left)
            left -= width(piece)
            at += count
            if piece:
                pieces.append(_style(foreground, background, str(names)) + piece)
        return "".join(pieces) + (_EMPTY if left else "\x1b[0m")


def changed(lines: list[dict[str, Any]], line: dict[str, Any]) -> list[dict[str, Any]]:
    """A screen's lines after a `terminal.changed`: all move up, then those that are named are replaced."""
    moved = min(line["moved"], len(lines))
    after = [*lines[moved:], *[{"text": ""}] * moved]
    for each in line["lines"]:
        if 0 <= each["row"] < len(after):
            after[each["row"]] = each
    return after


_EMPTY: Final = "\x1b[0m\x1b[K"


def _fit(text: str, columns: int) -> str:
    if text.isascii():
        return text[: max(0, columns)]
    while text and width(text) > columns:
        text = text[:-1]
    return text


def _style(foreground: Any, background: Any, names: str) -> str:
    codes = ["0", *(str(_CODES[name]) for name in names.split() if name in _CODES)]
    codes += [*_colour(foreground, 30), *_colour(background, 40)]
    return f"\x1b[{';'.join(codes)}m"


def _colour(colour: Any, base: int) -> list[str]:
    if isinstance(colour, int) and 0 <= colour <= 255:
        if colour < 16:
            return [str(base + colour if colour < 8 else base + 52 + colour)]
        return [str(base + 8), "5", str(colour)]
    if isinstance(colour, str) and (found := _RGB.fullmatch(colour)):
        return [str(base + 8), "2", *(str(int(part, 16)) for part in found.groups())]
    return []
