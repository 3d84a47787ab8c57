"""Text from anybody, made fit for cells (pure): harmless, of a width everybody agrees on, in lines that fit.

`settled` goes further than `client.cli.text.clean`: a full screen is drawn cell by cell, so a character on whose
width terminals differ would shift everything to its right. Such sequences are shown by their plain parts.
"""

import re
import unicodedata
from functools import lru_cache

from prompt_toolkit.utils import get_cwidth

from client.cli.text import clean, one_line

MARKS_KEPT = 4  # combining marks on one character; more of them paint over the lines above

_SELECTORS = re.compile(
    "[\u034f\u180b-\u180f\ufe00-\ufe0f\U0001d173-\U0001d17a\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]"
)
# Joiners stay where a script needs them; between emoji and in Latin words they only hide something.
_JOINERS = re.compile("(?<![\u0600-\u1cff\ufb50-\ufdff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u1cff\ufb50-\ufdff])")
_FLAGS = {0x1F1E6 + number: ord("A") + number for number in range(26)}  # flag letters as the letters they are


def settled(text: object) -> str:
    """Text in several lines; tabs become spaces."""
    harmless = clean(text)
    lines = harmless.split("\n") if not harmless.isascii() else [harmless]
    return "\n".join(map(_certain, lines)).expandtabs(4)


def settled_line(text: object) -> str:
    """Text in one line."""
    return _certain(one_line(text))


def _certain(text: str) -> str:
    return text if text.isascii() else _of_certain_width(text)


@lru_cache(maxsize=8192)  # by lines: of a growing text only the last one changes
def _of_certain_width(text: str) -> str:
    text = _JOINERS.sub("", _SELECTORS.sub("", text)).translate(_FLAGS)
    text = unicodedata.normalize("NFC", text)
    return text if text.isascii() else _few_marks(text)


def _few_marks(text: str) -> str:
    kept: list[str] = []
    marks = 0
    before = "\n"
    for character in text:
        if get_cwidth(character) == 0 and character not in "\n\t":
            marks += 1
            if marks > MARKS_KEPT:
                continue
            if before in "\n\t ":
                kept.append("◌")  # a mark without a letter would sit on its neighbour's
        else:
            marks = 0
        kept.append(character)
        before = character
    return "".join(kept)


def width(text: str) -> int:
    """The cells that a settled line takes, counted as the drawing library counts them."""
    return len(text) if text.isascii() else sum(map(get_cwidth, text))


def fit(text: str, columns: int) -> str:
    """The line cut to so many cells, with … where something is missing."""
    if width(text) <= columns:
        return text
    taken = 0
    for index, character in enumerate(text):
        taken += get_cwidth(character)
        if taken > columns - 1:
            return text[:index] + "…" * (columns > 0)
    return text


def filled(text: str, columns: int) -> str:
    """The line cut or padded to exactly so many cells."""
    text = fit(text, columns)
    return text + " " * (columns - width(text))


def wrap(line: str, columns: int) -> list[str]:
    """One settled line in pieces that fit, broken at a space where a late one is; at least a character each."""
    return [line[start:end] for start, end in breaks(line, columns)]


def breaks(line: str, columns: int, at_spaces: bool = True) -> list[tuple[int, int]]:
    """Where the pieces of `wrap` begin and end; a space at which a line is broken belongs to none."""
    if width(line) <= columns:
        return [(0, len(line))]
    found: list[tuple[int, int]] = []
    start, taken, space = 0, 0, -1
    for index, character in enumerate(line):
        cells = get_cwidth(character)
        if taken + cells > columns and index > start:
            cut = index if character == " " else space
            if not at_spaces or cut - start <= columns // 3:
                cut = index
            is_space = at_spaces and line[cut] == " "
            found.append((start, start + len(line[start:cut].rstrip()) if is_space else cut))
            start, space = cut + is_space, -1
            taken = width(line[start:index])
            if start > index:
                continue
        if character == " ":
            space = index
        taken += cells
    if start < len(line):
        found.append((start, len(line)))
    return found
