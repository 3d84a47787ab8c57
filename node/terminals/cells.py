"""The cells of a terminal's screen: one row that can be written into, and a line as it is kept and told.

What gets into a cell is drawable and nothing else: no control character, nothing that is invisible or turns
the direction of text, and a bounded number of marks upon a character. So whoever shows a line shows text.
"""

import unicodedata
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

MAX_MARKS: Final = 4  # combining marks on one character
_BLANKS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800")  # letters, by the tables, that nobody sees

Cell = TypeVar("Cell")
Colour = int | str | None  # of the palette of 256; "#rrggbb"; the terminal's own

BOLD, DIM, ITALIC, UNDERLINE, BLINK, REVERSE, HIDDEN, STRIKE = (1 << bit for bit in range(8))
ATTRIBUTES: Final = ("bold", "dim", "italic", "underline", "blink", "reverse", "hidden", "strike")


class Style(NamedTuple):
    """How a cell looks; `flags` are bits in the order of `ATTRIBUTES`."""

    foreground: Colour = None
    background: Colour = None
    flags: int = 0


PLAIN: Final = Style()


class Line(NamedTuple):
    """A row as text without the blank cells at its end. `spans` are (characters, style) from its beginning on,
    together the whole text; none of a line that is plain all over."""

    text: str
    spans: tuple[tuple[int, Style], ...] = ()

    def cost_bytes(self) -> int:
        """Roughly what it takes in memory."""
        return 120 + len(self.text) * (1 if self.text.isascii() else 4) + 72 * len(self.spans)

    def to_json(self) -> dict[str, Any]:
        """`text`, and `spans` as [characters, foreground, background, attributes] where it is not plain."""
        if not self.spans:
            return {"text": self.text}
        return {"text": self.text, "spans": [_span(count, style) for count, style in self.spans]}


@lru_cache(maxsize=512)
def _span(count: int, style: Style) -> list[Any]:
    names = " ".join(name for bit, name in enumerate(ATTRIBUTES) if style.flags >> bit & 1)
    return [count, style.foreground, style.background, names]


class Row:
    """One row of cells: a text each, "" for the right half of a wide one. `stamp` tells when it last changed."""

    __slots__ = ("chars", "plain", "stamp", "styles", "wide")

    def __init__(self, columns: int, style: Style, stamp: int) -> None:
        self.chars = [" "] * columns
        self.styles = [style] * columns
        self.plain = style == PLAIN
        self.wide = False
        self.stamp = stamp

    def put(self, x: int, text: str, style: Style) -> None:
        """Write characters of one cell each, which fit."""
        end = x + len(text)
        if self.wide:
            self._split(x, end)
        self.chars[x:end] = text
        self.styles[x:end] = [style] * (end - x)
        if style is not PLAIN and style != PLAIN:
            self.plain = False

    def put_wide(self, x: int, character: str, style: Style) -> None:
        """Write a character of two cells, which fits."""
        self.put(x, character + " ", style)
        self.chars[x + 1] = ""
        self.wide = True

    def mark(self, x: int, mark: str) -> None:
        """Put a combining mark upon the character at `x`, if there is room on it."""
        at = x - 1 if x and not self.chars[x] else x
        if self.chars[at] and len(self.chars[at]) <= MAX_MARKS:
            self.chars[at] += mark

    def blank(self, start: int, end: int, style: Style) -> None:
        """Make cells empty."""
        if start < end:
            self.put(start, " " * (end - start), style)

    def shift(self, x: int, count: int, style: Style) -> None:
        """Move the cells from `x` on to the right, or with a negative count to the left; blanks come in."""
        columns = len(self.chars)
        if self.wide:
            self._split(x, columns)
        _shift(self.chars, x, count, " ")
        _shift(self.styles, x, count, style)
        if self.wide and self.chars[-1] and width(self.chars[-1][0]) == 2:
            self.chars[-1] = " "
        if self.wide and not self.chars[x]:
            self.chars[x] = " "
        self.plain = self.plain and style == PLAIN

    def resize(self, columns: int) -> None:
        """Cut, or fill with blanks."""
        missing = columns - len(self.chars)
        if missing < 0:
            if self.wide and not self.chars[columns]:
                self.chars[columns - 1] = " "
            del self.chars[columns:], self.styles[columns:]
        self.chars += [" "] * missing
        self.styles += [PLAIN] * missing

    def _split(self, x: int, end: int) -> None:
        """Halves of wide characters that the cells from `x` to `end` leave over become blanks."""
        if not self.chars[x]:
            self.chars[x - 1] = " "
        if end < len(self.chars) and not self.chars[end]:
            self.chars[end] = " "

    def line(self) -> Line:
        """The row as it is now."""
        if self.plain:
            return Line("".join(self.chars).rstrip(" "))
        chars, styles = self.chars, self.styles
        end = len(chars)
        while end and chars[end - 1] == " " and styles[end - 1] == PLAIN:
            end -= 1
        pieces, spans, start = [], [], 0
        while start < end:
            style, stop = styles[start], start + 1
            while stop < end and styles[stop] == style:
                stop += 1
            pieces.append("".join(chars[start:stop]))
            spans.append((len(pieces[-1]), style))
            start = stop
        return Line("".join(pieces), tuple(spans))


def _shift(cells: list[Cell], x: int, count: int, empty: Cell) -> None:
    moved = min(abs(count), len(cells) - x)
    if count > 0:
        cells[x:] = [empty] * moved + cells[x : len(cells) - moved]
    else:
        cells[x:] = cells[x + moved :] + [empty] * moved


@lru_cache(maxsize=4096)
def width(character: str) -> int:
    """Cells that a character takes: 0 for a mark upon the one before, 1, 2; -1 for what is not to be shown."""
    category = unicodedata.category(character)
    if category in ("Mn", "Me"):
        return 0
    if category in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in _BLANKS:
        return -1
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
