"""One terminal's screen as this device shows it: read from the store, through the emulator, for who watches.

The same on the device that runs the program and on all others. It is made when somebody looks, follows what is
accepted, and begins anew when a cut took something back. Watchers are given what differs from what they had:
one that is slow misses steps in between, and holds nobody up.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from crdt.ids import ThreadId, to_text
from crdt.output import Chunk, Data, Ended, Opened, Output, Resized, terminal_id
from crdt.permissions import Lane
from node.terminals.cells import Row
from node.terminals.emulator import MAX_REPLIES, Emulator
from node.terminals.screen import Screen
from node.threads import Threads

PAGE: Final = 32  # chunks read at once: 2 MiB at most
FEED_BYTES: Final = 8 * 1024  # between two turns of the event loop
FRAME_S: Final = 0.016  # between two things that a watcher is told
MAX_SCROLLED: Final = 1_000  # lines that left the screen, in one change; of more, the last
HISTORY_LINES: Final = 1_000  # of the history, with the first screen
Key = tuple[ThreadId, Lane]  # a terminal, among those of all threads


class View:
    """A terminal, as far as its chunks are here. `advance` it whenever there may be more."""

    def __init__(self, threads: Threads, thread: ThreadId, lane: Lane) -> None:
        self.thread, self.lane = thread, lane
        self.watchers = 0
        self.stale = False  # there may be more than was read
        self.replies: list[bytes] = []  # to what the program asked its terminal; for the device that runs it
        self._answered = 0
        self._threads = threads
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._begin(None)

    def _begin(self, output: Output | None) -> None:
        self._output = output
        self._revision = output.revision if output else 0
        self._place = 0
        self.emulator: Emulator | None = None
        self.opened: Opened | None = None
        self.ended: Ended | None = None

    async def advance(self) -> None:
        """Show all that is accepted by now. Raises what opening the thread raises."""
        async with self._lock:
            opened = await self._threads.open(self.thread)
            output = opened.replica.outputs.get(self.lane)
            if output is not self._output or (output is not None and output.revision != self._revision):
                self._begin(output)
            if output is None or opened.replica.stale:
                return
            target = len(output)  # not what comes meanwhile: who prints without end would never be shown
            while self._place < target and output.revision == self._revision:
                ids = output.page(self._place, min(PAGE, target - self._place))
                frames = await self._threads.store.frames_of_envelopes(self.thread, ids)
                for identifier in ids:
                    if identifier not in frames:
                        return  # on its way to the disk: only what is there is shown
                    await self._show(opened.replica.printed(frames[identifier]))
                    self._place += 1
                    self._take_replies()
                    self.tell()

    async def _show(self, chunk: Chunk | None) -> None:
        if self.ended is not None or chunk is None:
            return
        if isinstance(chunk, Opened):
            if self.opened is None:
                self.opened = chunk
                self.emulator = Emulator(chunk.columns, chunk.rows)
        elif isinstance(chunk, Ended):
            self.ended = chunk
        elif self.emulator is not None and isinstance(chunk, Resized):
            self.emulator.resize(chunk.columns, chunk.rows)
            await asyncio.sleep(0)
        elif self.emulator is not None and isinstance(chunk, Data):
            for start in range(0, len(chunk.bytes), FEED_BYTES):
                self.emulator.feed(chunk.bytes[start : start + FEED_BYTES])
                await asyncio.sleep(0)
                while self.emulator.is_behind:
                    self.emulator.catch_up()
                    await asyncio.sleep(0)

    def _take_replies(self) -> None:
        """Each question of the program is answered once, also when its output is read anew."""
        if self.emulator is not None:
            if self._place > self._answered:
                self.replies = (self.replies + self.emulator.replies)[-MAX_REPLIES:]
            self.emulator.replies.clear()
        self._answered = max(self._answered, self._place)

    def tell(self) -> None:
        """Wake who watches."""
        self._news.set()
        self._news = asyncio.Event()

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """The screen, then what changes, to the end of the terminal."""
        told = Told(to_text(terminal_id(self.lane)), to_text(self.thread))
        while True:
            news, ended = self._news, self.ended if self.emulator is not None else None
            lines = told.lines(self)
            for line in lines:
                yield line
            if ended is not None:
                yield {**told.names, "type": "terminal.ended", "code": ended.code, "reason": ended.reason}
                return
            if lines:
                await asyncio.sleep(FRAME_S)
            await news.wait()


class Told:
    """What one watcher was told: makes the next lines out of what differs."""

    def __init__(self, terminal: str, thread: str) -> None:
        self.names = {"terminal": terminal, "thread": thread}
        self._screen: Screen | None = None
        self._size = (0, 0)
        self._alternate = False
        self._rows: list[Row] = []
        self._stamp = -1
        self._total = 0
        self._state: dict[str, Any] = {}

    def lines(self, view: View) -> list[dict[str, Any]]:
        """What to tell now; nothing if nothing differs."""
        if view.emulator is None or view.opened is None:
            return []
        screen = view.emulator.screen
        state = _state(screen)
        size = (screen.columns, screen.rows)
        is_other = screen is not self._screen or (size, screen.alternate) != (self._size, self._alternate)
        line = self._whole(view, screen, state) if is_other else self._difference(screen, state)
        self._screen, self._size, self._alternate = screen, size, screen.alternate
        self._rows, self._stamp = list(screen.lines), screen.stamp
        self._total, self._state = screen.history.total, state
        return [{**self.names, **line}] if line else []

    def _whole(self, view: View, screen: Screen, state: dict[str, Any]) -> dict[str, Any]:
        assert view.opened is not None
        is_first = screen is not self._screen
        past = screen.history.since(0, HISTORY_LINES) if is_first else screen.history.since(self._total, MAX_SCROLLED)
        return {
            "type": "terminal.screen",
            "command": list(view.opened.command),
            "columns": screen.columns,
            "rows": screen.rows,
            **state,
            "alternate": screen.alternate,
            "begins": is_first,
            "history": [line.to_json() for line in past],
            "lines": [row.line().to_json() for row in screen.lines],
        }

    def _difference(self, screen: Screen, state: dict[str, Any]) -> dict[str, Any] | None:
        moved = screen.history.total - self._total
        before: list[Row | None] = [*self._rows[moved:], *[None] * min(moved, screen.rows)]
        changed = [
            {"row": number, **row.line().to_json()}
            for number, row in enumerate(screen.lines)
            if row is not before[number] or row.stamp > self._stamp
        ]
        if not (moved or changed or state != self._state):
            return None
        return {
            "type": "terminal.changed",
            **{name: value for name, value in state.items() if value != self._state.get(name)},
            "scrolled": [line.to_json() for line in screen.history.since(self._total, MAX_SCROLLED)],
            "moved": moved,
            "lines": changed,
        }


def _state(screen: Screen) -> dict[str, Any]:
    return {
        "cursor": {"row": screen.y, "column": min(screen.x, screen.columns - 1), "visible": screen.cursor_visible},
        "title": screen.title,
        "modes": {
            "application_cursor": screen.application_cursor,
            "application_keypad": screen.application_keypad,
            "bracketed_paste": screen.bracketed_paste,
        },
    }
