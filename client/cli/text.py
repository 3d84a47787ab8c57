"""Making text from others fit for a terminal, and numbers and times fit for people.

Titles, messages, names and outputs may come from anybody. What a terminal would obey, or would hide, is
shown as a visible mark instead: escape sequences, control characters, bidirectional overrides, invisible
characters.
"""

from typing import Any

# Control characters have pictures of their own in Unicode; the rest gets the replacement character.
_MARKS: dict[int, int] = {code: 0x2400 + code for code in range(0x20)}
_MARKS[0x7F] = 0x2421
_MARKS.update(dict.fromkeys(range(0x80, 0xA0), 0xFFFD))
_MARKS.update(
    dict.fromkeys(
        (
            *(0xAD, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x3164, 0xFEFF, 0xFFA0),  # invisible, or direction
            *range(0x200B, 0x2010),  # zero width and direction marks; the two joiners are let through below
            *range(0x2028, 0x202F),  # line and paragraph separators, bidirectional embeddings and overrides
            *range(0x2060, 0x2070),  # word joiner, invisible operators, bidirectional isolates
            *range(0xD800, 0xE000),  # halves of pairs
            *range(0xFFF9, 0xFFFC),  # annotations
            *range(0xE0000, 0xE0080),  # tags, which spell text that nobody sees
        ),
        0xFFFD,
    )
)
del _MARKS[0x200C], _MARKS[0x200D]  # joiners: emoji and several scripts are misspelt without them
_LINES = {code: mark for code, mark in _MARKS.items() if code not in (0x09, 0x0A)}
_ONE_LINE = {**_MARKS, 0x09: 0x20, 0x0A: 0x20, 0x0D: 0x20}


def clean(text: object) -> str:
    """Text in several lines, made harmless; tabs and line ends stay."""
    return str(text).replace("\r\n", "\n").translate(_LINES)


def one_line(text: object) -> str:
    """Text in one line, made harmless."""
    return str(text).translate(_ONE_LINE).strip()


def flat(text: object) -> str:
    """Text in one line, made harmless, every character in its place."""
    return str(text).translate(_ONE_LINE)


def width(text: str) -> int:
    """The columns that a harmless line takes on a terminal."""
    if text.isascii():
        return len(text)
    import unicodedata

    columns = 0
    for character in text:
        if unicodedata.combining(character) or character in "\u200c\u200d\ufe0e\ufe0f":
            continue
        columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return columns


def shorten(text: str, columns: int) -> str:
    """The line cut to fit into so many columns, with … where something is missing."""
    if width(text) <= columns:
        return text
    kept = text[: max(0, columns - 1)]
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return kept + "…"


def pad(text: str, columns: int) -> str:
    """The line filled with spaces to so many columns."""
    return text + " " * (columns - width(text))


def table(rows: list[list[str]], columns: int | None = None, flexible: int = 1) -> list[str]:
    """Rows as aligned lines; the `flexible` column is shortened to make a line fit into `columns`, if given."""
    if not rows:
        return []
    measured = [[width(cell) for cell in row] for row in rows]
    widths = [max(column) for column in zip(*measured, strict=True)]
    if columns is not None:
        spare = columns - sum(widths) - 2 * (len(widths) - 1)
        widths[flexible] = max(12, widths[flexible] + min(0, spare))
    lines = []
    for row, sizes in zip(rows, measured, strict=True):
        cells = [
            cell + " " * (most - taken) if taken <= most else pad(shorten(cell, most), most)
            for cell, taken, most in zip(row, sizes, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def local_time(stamp: object) -> str:
    """A time of the API (RFC 3339, UTC) as local date and minute; what is no time comes back as it is."""
    import datetime

    try:
        moment = datetime.datetime.fromisoformat(str(stamp))
        return moment.astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return one_line(stamp)


def size(count: Any) -> str:
    """A number of bytes in decimal units."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def count(number: object, one: str, several: str | None = None) -> str:
    """A number with its noun: `1 thread`, `2 threads`."""
    return f"{number} {one if number == 1 else several or one + 's'}"
