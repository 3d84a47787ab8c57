"""The screen of an emulated terminal: what each control function does to its cells.

Nothing here reads bytes (see `emulator`), and nothing goes out but cells. Its size and the history are
bounded; a function that does not exist is no method here. Rows and columns count from 0; `x` may stand one
behind the last column, until the next character wraps.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from node.terminals.cells import PLAIN, Line, Row, Style, width

MAX_HISTORY_LINES: Final = 10_000
MAX_HISTORY_BYTES: Final = 2 * 1024 * 1024
TAB: Final = 8
# The line drawing of the VT100, which ncurses still asks for.
_DRAWING: Final = str.maketrans("`afgjklmnopqrstuvwxyz{|}~", "◆▒°±┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")


class _Saved(NamedTuple):
    x: int
    y: int
    style: Style
    drawing: bool
    origin: bool


class History:
    """The lines that have left a screen at its top, the newest of them within bounds."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque()
        self.total = 0  # that have come in, those that were dropped included
        self.bytes = 0

    def push(self, line: Line) -> None:
        """Take in a line, and drop the oldest beyond the bounds."""
        self.lines.append(line)
        self.total += 1
        self.bytes += line.cost_bytes()
        while len(self.lines) > MAX_HISTORY_LINES or self.bytes > MAX_HISTORY_BYTES:
            self.bytes -= self.lines.popleft().cost_bytes()

    def since(self, total: int, limit: int) -> list[Line]:
        """The lines that came after the first `total`, the last `limit` of them, as far as they are here."""
        count = min(self.total - total, len(self.lines), limit)
        return [self.lines[index] for index in range(len(self.lines) - count, len(self.lines))] if count else []


class Screen:
    """Cells, cursor and modes of one terminal."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.history = History()
        self.title = ""
        self.stamp = 0  # of what is changed from now on
        self.work = 0  # cells that were made, which is what a control function may cost without end
        self.reset()

    def reset(self) -> None:
        """All as at first; the history stays."""
        self.x = self.y = 0
        self.style = PLAIN
        self.top, self.bottom = 0, self.rows - 1
        self.autowrap, self.insert, self.origin, self.newline = True, False, False, False
        self.cursor_visible = True
        self.application_cursor = self.application_keypad = self.bracketed_paste = False
        self.drawing = [False, False]  # whether G0, G1 are line drawing
        self.shifted = 0
        self.tabs = set(range(TAB, self.columns, TAB))
        self._saved: dict[bool, _Saved] = {}
        self._behind: list[Row] | None = None  # the main screen, while the alternate one is shown
        self._last = ""
        self.lines = [self._row(PLAIN) for _ in range(self.rows)]

    @property
    def alternate(self) -> bool:
        """Whether a full-screen program shows its own screen."""
        return self._behind is not None

    def _row(self, style: Style) -> Row:
        self.work += self.columns
        return Row(self.columns, style, self.stamp)

    def _blank(self) -> Style:
        """How what is erased looks: its background alone is of now."""
        style = self.style
        return PLAIN if style.background is None else Style(background=style.background)

    # ---- text

    def draw(self, text: str) -> None:
        """Characters, none of them a control."""
        if self.drawing[self.shifted]:
            text = text.translate(_DRAWING)
        if not text.isascii():
            self._draw_each(text)
            return
        self._last = text[-1]
        while text:
            room = self._make_room(1)
            if len(text) > room and not self.autowrap:
                text = text[: room - 1] + text[-1]
            piece, text = text[:room], text[room:]
            row = self.lines[self.y]
            if self.insert:
                row.shift(self.x, len(piece), self._blank())
            row.put(self.x, piece, self.style)
            row.stamp = self.stamp
            self.x += len(piece)

    def print(self, lines: list[str]) -> None:
        """Lines of printable ASCII, one below the other; of those that only pass by no cells are made."""
        is_plain = self.style == PLAIN and not (self.alternate or self.insert or self.drawing[self.shifted])
        passes = is_plain and (self.top, self.bottom) == (0, self.rows - 1) and max(map(len, lines)) <= self.columns
        for number, line in enumerate(lines):
            if passes and number and self.y == self.bottom and len(lines) - number > self.rows:
                self._pass(lines[number:])
                return
            if number:
                self.carriage_return()
                self.linefeed()
            if line:
                self.draw(line)

    def _pass(self, lines: list[str]) -> None:
        """More lines than the screen has rows, the first one below the bottom row."""
        for row in self.lines:
            self.history.push(row.line())
        for line in lines[: -self.rows]:
            self.history.push(Line(line.rstrip(" ")))
        self.lines = [self._row(PLAIN) for _ in range(self.rows)]
        for row, line in zip(self.lines, lines[-self.rows :], strict=True):
            row.put(0, line, PLAIN)
        self.x = len(lines[-1])
        self._last = lines[-1][-1:] or self._last

    def _draw_each(self, text: str) -> None:
        for character in text:
            cells = width(character)
            if cells == 0:
                if self.x:
                    row = self.lines[self.y]
                    row.mark(self.x - 1, character)
                    row.stamp = self.stamp
            elif cells > 0 and cells <= self.columns:
                self._make_room(cells)
                row = self.lines[self.y]
                if self.insert:
                    row.shift(self.x, cells, self._blank())
                (row.put if cells == 1 else row.put_wide)(self.x, character, self.style)
                row.stamp = self.stamp
                self.x += cells
                self._last = character

    def _make_room(self, cells: int) -> int:
        """Wrap if so many cells don't fit; how many are left in the row."""
        if self.x + cells > self.columns:
            if self.autowrap:
                self.x = 0
                self.index()
            else:
                self.x = self.columns - cells
        return self.columns - self.x

    def repeat(self, count: int) -> None:
        """The last character again, so many times, at most a screen of it."""
        if self._last:
            self.draw(self._last * min(count, self.columns * self.rows))

    # ---- the cursor

    def carriage_return(self) -> None:
        """To the first column."""
        self.x = 0

    def linefeed(self) -> None:
        """A row down."""
        self.index()
        if self.newline:
            self.x = 0

    def next_line(self) -> None:
        """To the beginning of the next row."""
        self.x = 0
        self.index()

    def backspace(self) -> None:
        """A column to the left."""
        self.x = max(0, min(self.x, self.columns - 1) - 1)

    def tab(self, count: int = 1) -> None:
        """To the next tab stops, or back for a negative count."""
        if count > 0:
            stops = sorted(stop for stop in self.tabs if stop > self.x)
            self.x = stops[count - 1] if count <= len(stops) else self.columns - 1
        else:
            stops = sorted((stop for stop in self.tabs if stop < self.x), reverse=True)
            self.x = stops[-count - 1] if -count <= len(stops) else 0
        self.x = min(self.x, self.columns - 1)

    def set_tab(self) -> None:
        """A tab stop at the cursor."""
        self.tabs.add(min(self.x, self.columns - 1))

    def clear_tabs(self, how: int) -> None:
        """Without the tab stop at the cursor (0), or without any (3)."""
        self.tabs -= {self.x} if how == 0 else self.tabs if how == 3 else set()

    def move(self, columns: int, rows: int) -> None:
        """So many cells on, within the screen, and within the margins if it stands there."""
        self.x = max(0, min(min(self.x, self.columns - 1) + columns, self.columns - 1))
        lowest = self.bottom if self.y <= self.bottom else self.rows - 1
        highest = self.top if self.y >= self.top else 0
        self.y = max(highest, min(self.y + rows, lowest))

    def place(self, x: int | None, y: int | None) -> None:
        """To that cell; None leaves one of the two."""
        self.x = max(0, min(self.x if x is None else x, self.columns - 1))
        if y is not None:
            first, last = (self.top, self.bottom) if self.origin else (0, self.rows - 1)
            self.y = max(first, min(first + y, last))

    def index(self) -> None:
        """A row down; at the bottom margin everything moves up."""
        if self.y == self.bottom:
            self.scroll_up(1)
        elif self.y < self.rows - 1:
            self.y += 1

    def reverse_index(self) -> None:
        """A row up; at the top margin everything moves down."""
        if self.y == self.top:
            self.scroll_down(1)
        elif self.y:
            self.y -= 1

    def save(self) -> None:
        """Remember cursor and style."""
        drawing = self.drawing[self.shifted]
        self._saved[self.alternate] = _Saved(self.x, self.y, self.style, drawing, self.origin)

    def restore(self) -> None:
        """Back to what was remembered, or to the beginning."""
        saved = self._saved.get(self.alternate, _Saved(0, 0, PLAIN, False, False))
        self.x, self.y = min(saved.x, self.columns), min(saved.y, self.rows - 1)
        self.style, self.origin = saved.style, saved.origin
        self.drawing[self.shifted] = saved.drawing

    # ---- moving rows

    def scroll_up(self, count: int) -> None:
        """The rows between the margins move up; what leaves the main screen at its top becomes history."""
        kept = self.top == 0 and not self.alternate
        for _ in range(min(count, self.bottom - self.top + 1)):
            row = self.lines.pop(self.top)
            if kept:
                self.history.push(row.line())
            self.lines.insert(self.bottom, self._row(self._blank()))

    def scroll_down(self, count: int) -> None:
        """The rows between the margins move down."""
        for _ in range(min(count, self.bottom - self.top + 1)):
            del self.lines[self.bottom]
            self.lines.insert(self.top, self._row(self._blank()))

    def insert_lines(self, count: int) -> None:
        """Blank rows at the cursor; those below move down."""
        self._within(count, self.scroll_down)

    def delete_lines(self, count: int) -> None:
        """Rows at the cursor go; those below move up."""
        self._within(count, self.scroll_up)

    def _within(self, count: int, scroll: Callable[[int], None]) -> None:
        if self.top <= self.y <= self.bottom:
            top, self.top = self.top, self.y
            history, self.history = self.history, History()  # deleted rows are no history
            scroll(count)
            self.top, self.history = top, history
            self.x = 0

    def margins(self, top: int, bottom: int) -> None:
        """Scroll between these rows only; margins that make no sense change nothing."""
        bottom = min(bottom, self.rows - 1)
        if 0 <= top < bottom:
            self.top, self.bottom = top, bottom
            self.place(0, 0)

    # ---- within rows

    def insert_cells(self, count: int) -> None:
        """Blanks at the cursor; what stands behind moves to the right."""
        self._change().shift(min(self.x, self.columns - 1), count, self._blank())

    def delete_cells(self, count: int) -> None:
        """Cells at the cursor go; what stands behind moves to the left."""
        self._change().shift(min(self.x, self.columns - 1), -count, self._blank())

    def erase_cells(self, count: int) -> None:
        """Blanks from the cursor on; nothing moves."""
        self._change().blank(self.x, min(self.x + count, self.columns), self._blank())

    def erase_in_line(self, how: int) -> None:
        """From the cursor to the end (0), from the beginning to the cursor (1), all (2)."""
        start = self.x if how == 0 else 0
        end = min(self.x + 1, self.columns) if how == 1 else self.columns
        if how <= 2:
            self._change().blank(start, end, self._blank())

    def erase_in_display(self, how: int) -> None:
        """As `erase_in_line`, of the screen; 3 is the history."""
        if how == 3:
            self.history.lines.clear()
            self.history.bytes = 0
            return
        if how < 2:
            self.erase_in_line(how)
        rows = {0: range(self.y + 1, self.rows), 1: range(self.y), 2: range(self.rows)}.get(how, range(0))
        for y in rows:
            self.lines[y] = self._row(self._blank())

    def fill(self, character: str) -> None:
        """The whole screen full of one character."""
        self.work += self.columns * self.rows
        for row in self.lines:
            row.put(0, character * self.columns, PLAIN)
            row.stamp = self.stamp

    def _change(self) -> Row:
        row = self.lines[self.y]
        row.stamp = self.stamp
        return row

    # ---- the whole

    def show_alternate(self, wanted: bool) -> None:
        """To the screen of full-screen programs, empty at first, or back to the main one."""
        if wanted and self._behind is None:
            self._behind, self.lines = self.lines, [self._row(PLAIN) for _ in range(self.rows)]
        elif not wanted and self._behind is not None:
            self.lines, self._behind = self._behind, None
            for row in self.lines:
                row.stamp = self.stamp

    def resize(self, columns: int, rows: int) -> None:
        """Another size. Rows go at the bottom while they are below the cursor, else into the history."""
        screens = [self.lines] if self._behind is None else [self.lines, self._behind]
        for number, lines in enumerate(screens):
            is_main = len(screens) == number + 1
            while len(lines) > rows:
                if self.y < len(lines) - 1 or (number and not lines[-1].line().text):
                    lines.pop()
                    continue
                gone = lines.pop(0).line()
                self.y -= not number
                if is_main:
                    self.history.push(gone)
            for row in lines:
                row.resize(columns)
                row.stamp = self.stamp
            lines += [Row(columns, PLAIN, self.stamp) for _ in range(rows - len(lines))]
        self.tabs |= set(range(TAB * (1 + self.columns // TAB), columns, TAB))
        self.columns, self.rows = columns, rows
        self.top, self.bottom = 0, rows - 1
        self.x, self.y = min(self.x, columns), max(0, min(self.y, rows - 1))
