"""Tables of Markdown, their columns under each other (pure)."""

import re
from collections.abc import Sequence

from client.screen.styled import Line
from client.screen.text import filled, width

MOST_COLUMNS = 40
_RULE = re.compile(r":?-+:?$")
_BAR = re.compile(r"(?<!\\)\|")


def is_table(lines: Sequence[str]) -> bool:
    """Whether a table begins here: a row with bars, and a rule under it."""
    return len(lines) > 1 and "|" in lines[0] and "|" in lines[1] and all(map(_RULE.match, _cells(lines[1])))


def table(rows: Sequence[str], columns: int) -> list[Line] | None:
    """A table that fits; None if it is too wide, and better read as it was written."""
    cells = [_cells(row) for row in rows]
    count = len(cells[0])
    if count > MOST_COLUMNS:
        return None
    even = [(row + [""] * count)[:count] for number, row in enumerate(cells) if number != 1]
    widths = [max(1, *map(width, column)) for column in zip(*even, strict=True)]
    if sum(widths) + 3 * (count - 1) > columns:
        return None
    drawn = [" │ ".join(map(filled, row, widths)).rstrip() for row in even]
    rule = "─┼─".join("─" * each for each in widths)
    return [(("class:bold", drawn[0]),), (("class:dim", rule),), *((("", row),) for row in drawn[1:])]


def _cells(row: str) -> list[str]:
    row = row.strip().removeprefix("|")
    row = row[:-1] if row.endswith("|") and not row.endswith("\\|") else row
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(row)]
