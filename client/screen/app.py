"""The screen as a program: keys become calls, events become state, state becomes a drawing.

Typing never waits for the node: every call is a task of its own. What is being written belongs to its thread,
so each thread has a draft that comes back with it.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output

from client.api.node import Node, connect
from client.screen import render
from client.screen.choosing import MODES, moved, picked, queried
from client.screen.clipboard import osc_52
from client.screen.commands import BY_SLASH
from client.screen.composer import Composer
from client.screen.feed import Feed
from client.screen.keys import bindings
from client.screen.layout import Places
from client.screen.project import current
from client.screen.sending import Sender
from client.screen.state import State, blank, next_thread
from client.screen.style import style

REDRAW_S = 0.05  # a stream redraws at most twenty times a second
ESCAPE_S = 0.1  # how long after Esc a key still makes it an Alt


class Screen:
    """One person's screen. `run` returns when they leave."""

    def __init__(
        self,
        node: Node,
        project: Path | None = None,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self.state = State()
        self.composer = Composer(self._typed)
        self._warned = ""  # the command that leaves at once if it comes again
        self._tasks: set[asyncio.Task[Any]] = set()
        self._places = Places(lambda: self.state, self.composer.buffer)
        self._feed = Feed(node, lambda: self.state, self._put)
        self._sender = Sender(node, self._feed, lambda: self.state, self._put, self._give_back, project)
        self.commands: dict[str, Callable[[], None]] = {
            "ask": lambda: self._send(is_said=False),
            "say": lambda: self._send(is_said=True),
            "newline": lambda: self.composer.buffer.insert_text("\n"),
            "escape": self._escape,
            "new": lambda: self._put(blank(self.state)),
            "next": lambda: self._step(1),
            "previous": lambda: self._step(-1),
            "find": lambda: self._turn("find"),
            "model": lambda: self._turn("model"),
            "rename": lambda: self._turn("rename" if self.state.thread is not None else ""),
            "page_up": lambda: self._scroll(self._places.conversation.height - 2),
            "page_down": lambda: self._scroll(2 - self._places.conversation.height),
            "line_up": lambda: self._line(-1),
            "line_down": lambda: self._line(1),
            "oldest": lambda: self._later(self._oldest()),
            "newest": lambda: self._put(replace(self.state, anchor=None, line=0, unseen=0)),
            "fold": lambda: self._put(replace(self.state, unfolded=not self.state.unfolded)),
            "older": lambda: self._recall(1),
            "newer": lambda: self._recall(-1),
            "copy": self._copy,
            "sidebar": lambda: self._put(replace(self.state, alone=not self.state.alone)),
            "interrupt": self._interrupt,
            "suspend": lambda: self.app.suspend_to_background(),
            "keys": lambda: self._put(replace(self.state, helping=not self.state.helping)),
            "quit": self._quit,
        }
        self.app: Application[int] = Application(
            layout=self._places.layout,
            key_bindings=bindings(self.do, self.composer.buffer),
            style=style(),
            full_screen=True,
            mouse_support=False,  # so that the terminal's own selection works; its wheel comes as arrow keys
            min_redraw_interval=REDRAW_S,
            input=input,
            output=output,
        )
        self.app.ttimeoutlen = self.app.timeoutlen = ESCAPE_S

    async def run(self) -> int:
        """Draw until the person leaves; the exit code."""
        self._later(self._feed.keep_list())
        self._later(self._feed.watch())
        self._later(self._tick())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave)
        try:
            return await self.app.run_async() or 0
        finally:
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def do(self, name: str) -> None:
        """Do what a key or a word after a slash stands for."""
        warned, self._warned = self._warned, ""
        if self.state.told:
            self._put(replace(self.state, told=""))
        if warned == name:
            self._leave()
        else:
            self.commands[name]()

    # ---- state

    def _put(self, state: State) -> None:
        """The state from now on; with another thread or purpose, the composer holds another draft."""
        before, self.state = self.state, state
        if not before.is_listed and state.rows and state.chosen is None and not self.composer.text:
            self._later(self._feed.open(state.rows[0].id))
        self.composer.turn(before, state)
        self.app.invalidate()

    def _typed(self, text: str) -> None:
        if self.state.mode in MODES and text != self.state.query:
            self._put(queried(self.state, text))
            if self.state.mode == "find":
                self._later(self._feed.search(text))

    def _give_back(self, thread: str | None, text: str) -> None:
        self.composer.give_back(self.state, thread, text)

    async def _tick(self) -> None:
        """Let the seconds be seen while something runs."""
        while True:
            await asyncio.sleep(1)
            if self.state.run is not None:
                self.app.invalidate()

    def _later(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """A fault of ours ends the screen and is told as one; a screen that no longer follows would be a lie."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self.app.is_running:
            self.app.exit(exception=error)

    # ---- commands

    def _send(self, is_said: bool) -> None:
        """Send what is written: as a prompt, to people only, as the first words of a thread, or as a title."""
        if self.state.mode:
            self._finish()
            return
        if not is_said and self.composer.continue_line():
            return
        text, thread = self.composer.text, self.state.chosen
        first, _, rest = text.strip().partition(" ")
        command = BY_SLASH.get(first)
        if command == "say":
            is_said, text = True, rest
        elif command is not None:
            self.composer.clear()
            self.do(command)
            if rest and self.state.mode:
                self.composer.put(rest)
            return
        if not text.strip():
            return
        self.composer.clear()
        self._put(replace(self.state, anchor=None, line=0, unseen=0, helping=False))
        if thread is None:
            self._later(self._sender.begin(text, is_said))
        else:
            self._later((self._sender.say if is_said else self._sender.ask)(thread, text))

    def _finish(self) -> None:
        """Take the title that is written, or what is picked."""
        state, text = self.state, self.composer.text.strip()
        item = picked(state) if state.mode in MODES else None
        self._put(replace(state, mode="", model=item.id if item and state.mode == "model" else state.model))
        if state.mode == "rename" and text and state.thread is not None:
            self._later(self._sender.rename(state.thread, text))
        elif state.mode == "find" and item is not None:
            self._later(self._open_at(item.id, item.message))

    async def _open_at(self, thread: str, message: str) -> None:
        """Open a thread, with this message at the top if one is named."""
        await self._feed.open(thread)
        if not message or self.state.thread != thread:
            return
        await self._feed.load_all(until=message)
        if self.state.thread == thread and any(known.id == message for known in self.state.messages):
            self._put(replace(self.state, anchor=message, line=1))
            self._scroll(1 - self._places.conversation.height)

    def _step(self, step: int) -> None:
        thread = next_thread(self.state, step)
        if thread is not None:
            self._later(self._feed.open(thread))

    def _turn(self, mode: str) -> None:
        """Use the composer for something else; pressed again: for messages."""
        self._put(
            replace(
                self.state, mode="" if self.state.mode == mode else mode, query="", hits=(), picked=0, helping=False
            )
        )

    def _line(self, down: int) -> None:
        if self.state.mode in MODES:
            self._put(moved(self.state, down))
        else:
            self._scroll(-down)

    def _scroll(self, lines: int) -> None:
        pane = self._places.conversation
        self._put(render.scrolled(replace(self.state, helping=False), lines, pane.columns, pane.height))
        if lines > 0 and render.is_near_top(self.state, pane.columns, pane.height):
            self._later(self._feed.load_earlier())

    async def _oldest(self) -> None:
        """To the thread's first message, once everything before the first one here was read."""
        thread = self.state.thread
        await self._feed.load_all()
        if self.state.messages and self.state.thread == thread:
            self._put(replace(self.state, anchor=self.state.messages[0].id, line=1))
            self._scroll(1)

    def _recall(self, older: int) -> None:
        if not self.state.mode:
            self.composer.recall(self.state.prompts, older)

    def _copy(self) -> None:
        newest = next((m for m in reversed(self.state.messages) if m.role == "assistant" and m.text), None)
        if newest is None:
            told = "There is no answer to copy yet."
        elif (sequence := osc_52(newest.text)) is None:
            told = "This answer is too long for the clipboard. Get it with: opensesh export"
        else:
            self.app.output.write_raw(sequence)
            self.app.output.flush()
            told = "The newest answer was given to the terminal's clipboard."
        self._put(replace(self.state, told=told))

    def _escape(self) -> None:
        """Leave what is open above; else stop the answer; else back to the newest."""
        if self.state.helping or self.state.mode:
            self._put(replace(self.state, helping=False, mode=""))
        elif self.state.run is not None and self.state.thread is not None:
            self._later(self._sender.cancel(self.state.thread))
        else:
            self._put(replace(self.state, anchor=None, line=0, unseen=0, notice=""))

    def _interrupt(self) -> None:
        """What Ctrl-C means is what is nearest: the text, then the answer, then the screen."""
        if self.state.helping or self.state.mode:
            self._escape()
        elif self.composer.text:
            self.composer.put("")  # Ctrl-_ brings it back
        elif self.state.run is not None:
            self._warned = "interrupt"
            self._escape()
        else:
            self._leave()

    def _quit(self) -> None:
        if self.composer.has_unsent:
            self._warned = "quit"
            self._put(replace(self.state, notice="What you wrote is not sent yet. Ctrl-Q again drops it and quits."))
        else:
            self._leave()

    def _leave(self) -> None:
        if self.app.is_running and not self.app.is_done:
            self.app.exit(result=0)


def main() -> int:
    """Connect, starting the node if need be, and draw."""

    async def opened() -> int:
        async with connect() as node:
            return await Screen(node, current()).run()

    return asyncio.run(opened())
