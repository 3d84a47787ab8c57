"""A person in front of the screen, inside this process: keys go in, and a terminal shows what comes out."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TextIO, cast

import pyte
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from client.api.node import Node
from client.screen.app import Screen

PATIENCE_S = 20.0
KEYS = {
    **{f"Ctrl-{letter}": chr(number) for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1)},
    **{"Enter": "\r", "Esc": "\x1b", "Up": "\x1b[A", "Down": "\x1b[B", "PgUp": "\x1b[5~", "PgDn": "\x1b[6~"},
    **{"F1": "\x1bOP", "Alt-Enter": "\x1b\r"},
}
OBEYED = ("\x1b[2J \x1b", "owned\x07", "\x1bP1", "\x9b", "\u202e", "\u2066")


class Wire:
    """The terminal's end of the line: what is written is drawn by `pyte`, and kept."""

    encoding = "utf-8"

    def __init__(self, columns: int, rows: int) -> None:
        self.raw = ""
        self.changed = asyncio.Event()
        self.terminal = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.terminal)

    def write(self, text: str) -> int:
        """Draw."""
        self.raw += text
        self._stream.feed(text)
        self.changed.set()
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """As far as can be told."""
        return True

    def fileno(self) -> int:
        """There is no file behind it."""
        raise OSError


class Seat:
    """One screen, opened. `press` and `type`, then look whether it `shows` what it should."""

    def __init__(self, node: Node, pipe: PipeInput, columns: int, rows: int, project: Path | None = None) -> None:
        self.size = Size(rows, columns)
        self.wire = Wire(columns, rows)
        self.running: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pipe = pipe
        output = Vt100_Output(cast(TextIO, self.wire), lambda: self.size, term="xterm-256color")
        self.screen = Screen(node, project, pipe, output)

    def press(self, *keys: str) -> None:
        """Keys by their names: `Ctrl-N`, `Alt-s`, `Enter`."""
        for key in keys:
            alt = "\x1b" + key[4:] if key.startswith("Alt-") else None
            self._pipe.send_text(KEYS.get(key) or alt or key)

    def type(self, text: str) -> None:
        """Letters."""
        self._pipe.send_text(text)

    def enter(self, text: str) -> None:
        """Letters, and Enter."""
        self.type(text)
        self.press("Enter")

    def paste(self, text: str) -> None:
        """What the terminal says was pasted."""
        self._pipe.send_text(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, rows: int) -> None:
        """Another size, as a window manager gives it."""
        self.size = Size(rows, columns)
        self.wire.terminal.resize(rows, columns)
        self.screen.app._on_resize()

    @property
    def lines(self) -> list[str]:
        """What is seen. The empty cell after a wide character is no character."""
        return [re.sub(r"\s+$", "", line) for line in self.wire.terminal.display]

    @property
    def obeyed(self) -> list[str]:
        """What a terminal would have obeyed of `test_screen_text.ATTACKS`."""
        return [each for each in OBEYED if each in self.wire.raw]

    @property
    def composer(self) -> str:
        """What is written in the composer's first line."""
        return self.lines[-2]

    async def leaves(self) -> int:
        """Wait until the screen is left; its exit code."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.running

    async def shows(self, *words: str, until: Callable[["Seat"], object] = lambda _: True) -> list[str]:
        """Wait until all words are seen; the lines."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (all(word in "\n".join(self.lines) for word in words) and until(self)):
                    self.wire.changed.clear()
                    await self.wire.changed.wait()
        except TimeoutError:
            raise AssertionError(f"{words} did not come up on:\n" + "\n".join(self.lines)) from None
        return self.lines


@contextlib.asynccontextmanager
async def seated(node: Node, columns: int = 100, rows: int = 30, project: Path | None = None) -> AsyncIterator[Seat]:
    """Open the screen, and leave it at the end if nobody did."""
    with create_pipe_input() as pipe:
        seat = Seat(node, pipe, columns, rows, project)
        seat.running = asyncio.create_task(seat.screen.run())
        try:
            yield seat
        finally:
            if not seat.running.done():
                seat.screen.app.exit(result=0)
            await seat.running
