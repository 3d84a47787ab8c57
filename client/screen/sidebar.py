"""The list of threads at the side (pure): two lines each, the title and what there is to know."""

from datetime import datetime

from client.screen.project import name_of
from client.screen.state import Row, State
from client.screen.styled import Line
from client.screen.text import filled, fit, settled_line, width

COLUMNS = 28  # at most: of a narrower window, a quarter
ROW_LINES = 2
_AGES = ((60, 1, ""), (3600, 60, "min"), (86_400, 3600, "h"), (604_800, 86_400, "d"), (31_557_600, 604_800, "wk"))


def columns_of(window: int) -> int:
    """The sidebar's columns in a window of so many."""
    return min(COLUMNS, window // 4)


def sidebar(state: State, columns: int, height: int, now: float) -> list[Line]:
    """As many threads as fit, the open one among them. `now` in Unix seconds."""
    lines: list[Line] = [(("class:heading", filled(" Threads", columns)),)]
    for row in _visible(state, height):
        lines += _row(state, row, columns, now)
    return lines[:height]


def _visible(state: State, height: int) -> tuple[Row, ...]:
    fitting = max(1, (height - 1) // ROW_LINES)
    at = next((i for i, row in enumerate(state.rows) if row.id == state.chosen), 0)
    first = max(0, min(at - fitting // 2, len(state.rows) - fitting))
    return state.rows[first : first + fitting]


def _row(state: State, row: Row, columns: int, now: float) -> list[Line]:
    is_open = row.id == state.chosen
    mark, about = _mark(state, row)
    what = settled_line(name_of(row.project)) or f"{row.messages} message{'' if row.messages == 1 else 's'}"
    when = age(row.updated_at, now)
    left = " · ".join(filter(None, (about, what)))
    space = columns - len(when) - 5
    if about and width(left) > space:
        left = about
    left = fit(left, space)
    known = " · ".join(filter(None, (left, when)))
    title = filled(f"{'▸' if is_open else mark} {settled_line(row.title) or 'untitled'}", columns)
    style = "class:row.open" if is_open else "class:row.new" if row.is_new else "class:row"
    return [((style, title),), (("class:dim", fit(f"  {known}", columns)),)]


def _mark(state: State, row: Row) -> tuple[str, str]:
    """A mark and its words; the most urgent."""
    run = state.running.get(row.id)
    if run == "waiting":
        return "?", "asks you"
    if run is not None:
        return "»", "running"
    if row.sync == "waiting for a key":
        return "○", "waits for key"
    return ("●", "new") if row.is_new else (" ", "")


def age(stamp: str, now: float) -> str:
    """How long ago, in a few letters; a clock that is ahead counts as now."""
    try:
        return age_of(now - datetime.fromisoformat(stamp).timestamp())
    except (ValueError, OverflowError):
        return ""


def age_of(seconds: float) -> str:
    """So many seconds in a few letters."""
    seconds = max(0.0, seconds)
    for below, unit, name in _AGES:
        if seconds < below:
            return f"{int(seconds // unit)} {name}" if name else "now"
    return f"{int(seconds // 31_557_600)} y"
