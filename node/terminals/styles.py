"""What "select graphic rendition" makes of a style."""

from collections.abc import Iterator
from typing import Final

from node.terminals.cells import (
    BLINK,
    BOLD,
    DIM,
    HIDDEN,
    ITALIC,
    PLAIN,
    REVERSE,
    STRIKE,
    UNDERLINE,
    Colour,
    Style,
)

_MAX_PIECES: Final = 64
_SET: Final = {1: BOLD, 2: DIM, 3: ITALIC, 4: UNDERLINE, 5: BLINK, 6: BLINK, 7: REVERSE, 8: HIDDEN, 9: STRIKE}
_SET[21] = UNDERLINE
_UNSET: Final = {22: BOLD | DIM, 23: ITALIC, 24: UNDERLINE, 25: BLINK, 27: REVERSE, 28: HIDDEN, 29: STRIKE}


def restyled(style: Style, given: str) -> Style:
    """The style after `CSI given m`. What is not known changes nothing."""
    if given in ("", "0"):
        return PLAIN
    foreground, background, flags = style
    pieces = iter(given.split(";", _MAX_PIECES)[:_MAX_PIECES])
    for piece in pieces:
        head, *parts = piece.split(":")
        code = _number(head)
        if code == 0:
            foreground, background, flags = None, None, 0
        elif code == 4 and parts:
            flags = flags | UNDERLINE if parts[0] != "0" else flags & ~UNDERLINE
        elif code in _SET:
            flags |= _SET[code]
        elif code in _UNSET:
            flags &= ~_UNSET[code]
        elif 30 <= code <= 37 or 90 <= code <= 97:
            foreground = code - 30 if code < 40 else code - 82
        elif 40 <= code <= 47 or 100 <= code <= 107:
            background = code - 40 if code < 50 else code - 92
        elif code == 39:
            foreground = None
        elif code == 49:
            background = None
        elif code in (38, 48, 58):
            colour, known = _colour_of_parts(parts) if parts else _colour(pieces)
            if known and code == 38:
                foreground = colour
            elif known and code == 48:
                background = colour
    return Style(foreground, background, flags)


def _number(text: str) -> int:
    if not text:
        return 0
    return int(text) if len(text) < 6 and text.isascii() and text.isdigit() else -1


def _colour(pieces: Iterator[str]) -> tuple[Colour, bool]:
    """The colour that the next pieces name, as `5;n` or `2;r;g;b`."""
    kind = next(pieces, "")
    count = {"5": 1, "2": 3}.get(kind, 0)
    return _made([next(pieces, "") for _ in range(count)])


def _colour_of_parts(parts: list[str]) -> tuple[Colour, bool]:
    """The colour written with colons: `5:n`, `2:r:g:b` or `2:space:r:g:b`."""
    if parts[0] == "5":
        return _made(parts[1:2])
    return _made(parts[-3:] if parts[0] == "2" and len(parts) >= 4 else [])


def _made(values: list[str]) -> tuple[Colour, bool]:
    numbers = [_number(value) for value in values]
    if not numbers or not all(0 <= number <= 255 for number in numbers):
        return None, False
    return (numbers[0] if len(numbers) == 1 else "#{:02x}{:02x}{:02x}".format(*numbers)), True
