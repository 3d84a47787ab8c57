"""The terminal and the node, joined: keys become calls, events become state, state becomes a drawing.

Typing never waits for the node: every call is a task of its own, and a text whose sending failed comes back
into the composer.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import msgspec
from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import ConditionalContainer, Dimension, HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.processors import BeforeInput

from client.api.node import Node, connect
from client.cli.text import shorten
from client.screen import render
from client.screen.commands import COMMANDS, help_line
from client.screen.render import Line
from client.screen.state import State, listed, next_thread, opened, update
from client.screen.style import style
from crdt.errors import CURSOR_UNKNOWN, DAEMON_NOT_RUNNING, OpenSeshError

LIST_PAUSE_S = 0.3  # how soon after an event the list is asked for again
MAX_COMPOSER = 10
LIMIT = 5000  # messages of a thread that are fetched


class Screen:
    """One person's screen. `run` returns when they leave."""

    def __init__(self, node: Node) -> None:
        self.state = State()
        self._node = node
        self._composer = Buffer(multiline=True)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._list_due = asyncio.Event()
        self._drafts: dict[str | None, str] = {}
        self.app: Application[int] = Application(
            layout=self._layout(),
            key_bindings=self._bindings(),
            style=style(),
            full_screen=True,
            mouse_support=False,
            min_redraw_interval=0.05,  # a stream redraws at most twenty times a second; a key at once
        )

    async def run(self) -> int:
        """Draw until the person leaves."""
        self._later(self._keep_list())
        self._later(self._watch())
        self._list_due.set()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, lambda: self.app.exit(result=0) if self.app.is_running else None)
        try:
            return await self.app.run_async() or 0
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- state

    def _set(self, state: State) -> None:
        self.state = state
        self.app.invalidate()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_list(self) -> None:
        """The list anew, soon after something happened; not for each of a hundred events."""
        while True:
            await self._list_due.wait()
            self._list_due.clear()
            try:
                threads = [msgspec.to_builtins(row) for row in await self._node.threads()]
                sync = (await self._node.status()).sync
            except OpenSeshError as error:
                away = error.kind is DAEMON_NOT_RUNNING
                self._set(replace(self.state, offline=away, notice="" if away else _words(error)))
            else:
                self._set(listed(self.state, threads, sync))
                if self.state.thread is None and threads:
                    await self._open(threads[0]["id"])
            await asyncio.sleep(LIST_PAUSE_S)

    async def _watch(self) -> None:
        """Every event, from now on; after a gap that can't be filled, everything is read again."""
        since: int | None = None
        while True:
            try:
                async for event in self._node.events(since=since, reconnect=False):
                    since = event.cursor
                    if event.type == "thread.rebuilt" and event.thread == self.state.thread:
                        self._later(self._open(event.thread or ""))
                    self._set(update(self.state, event.data))
                    self._list_due.set()
            except OpenSeshError as error:
                if error.kind is CURSOR_UNKNOWN:
                    since = None
                    if self.state.thread is not None:
                        self._later(self._open(self.state.thread))
            self._set(replace(self.state, offline=True))
            await asyncio.sleep(0.5)
            self._list_due.set()

    async def _open(self, thread: str) -> None:
        self._drafts[self.state.thread] = self._composer.text
        try:
            found = msgspec.to_builtins(await self._node.thread(thread, limit=LIMIT))
        except OpenSeshError as error:
            self._set(replace(self.state, notice=_words(error)))
            return
        self._set(opened(self.state, found))
        self._composer.text = self._drafts.get(thread, "")
        self._composer.cursor_position = len(self._composer.text)

    # ---- commands

    def ask(self) -> None:
        """Send what is written: to the model, or as the title of a new thread."""
        text = self._take()
        if self.state.asking_title:
            self._later(self._create(text.strip()))
        elif text.strip() and self.state.thread is not None:
            if text.startswith("/say "):
                self._later(self._send(self.state.thread, text.removeprefix("/say ")))
            else:
                self._later(self._ask(self.state.thread, text))

    def say(self) -> None:
        """Send what is written to people only."""
        text = self._take()
        if text.strip() and self.state.thread is not None:
            self._later(self._send(self.state.thread, text))

    def _take(self) -> str:
        text = self._composer.text
        self._composer.reset()
        return text

    def newline(self) -> None:
        self._composer.insert_text("\n")

    def new(self) -> None:
        """Ask for a title; again: leave it."""
        self._set(replace(self.state, asking_title=not self.state.asking_title, notice=""))

    def next(self) -> None:
        self._step(1)

    def previous(self) -> None:
        self._step(-1)

    def _step(self, step: int) -> None:
        thread = next_thread(self.state, step)
        if thread is not None:
            self._later(self._open(thread))

    def page_up(self) -> None:
        self._scroll(self._height() - 2)

    def page_down(self) -> None:
        self._scroll(2 - self._height())

    def _scroll(self, lines: int) -> None:
        if self.state.messages:
            self._set(render.scrolled(self.state, lines, self._columns(), self._height()))

    def cancel(self) -> None:
        """Stop the answer that is being written here."""
        if self.state.thread is not None:
            self._later(self._cancel(self.state.thread))

    def quit(self) -> None:
        self.app.exit(result=0)

    async def _create(self, title: str) -> None:
        if not title:
            self._set(replace(self.state, asking_title=False))
            return
        try:
            thread = await self._node.create_thread(title)
        except OpenSeshError as error:
            self._give_back(title, error)
            return
        await self._open(thread.id)
        self._list_due.set()

    async def _send(self, thread: str, text: str) -> None:
        try:
            await self._node.say(thread, text)
        except OpenSeshError as error:
            self._give_back(text, error)

    async def _ask(self, thread: str, text: str) -> None:
        begun = False
        try:
            async for step in self._node.ask(thread, text):
                begun = True
                if step.type == "run.failed":
                    said = (step.error or {}).get("message", "The run failed.")
                    self._set(replace(self.state, notice=said))
        except OpenSeshError as error:
            if begun:
                self._set(replace(self.state, notice=_words(error)))
            else:
                self._give_back(text, error)

    async def _cancel(self, thread: str) -> None:
        with contextlib.suppress(OpenSeshError):
            await self._node.cancel(thread)

    def _give_back(self, text: str, error: OpenSeshError) -> None:
        """Nothing that was typed is lost because it could not be sent."""
        if not self._composer.text:
            self._composer.text = text
            self._composer.cursor_position = len(text)
        self._set(replace(self.state, notice=_words(error)))

    # ---- drawing

    def _columns(self) -> int:
        total = self.app.output.get_size().columns
        return max(20, total - (render.SIDEBAR + 2 if total >= render.NARROW else 1))

    def _height(self) -> int:
        return max(3, self.app.output.get_size().rows - 3 - self._composer_height())

    def _composer_height(self) -> int:
        return min(MAX_COMPOSER, self._composer.document.line_count)

    def _layout(self) -> Layout:
        wide = Condition(lambda: self.app.output.get_size().columns >= render.NARROW)
        side = VSplit(
            [
                _drawn(lambda: render.sidebar(self.state, self._height()), width=render.SIDEBAR),
                Window(width=1, char="│", style="class:line"),
            ]
        )
        talk = _drawn(lambda: render.conversation(self.state, self._columns(), self._height()))
        prompt = BeforeInput(lambda: [("class:prompt", "title› " if self.state.asking_title else "› ")])
        composer = Window(
            BufferControl(self._composer, input_processors=[prompt]),
            height=lambda: Dimension.exact(self._composer_height()),
            wrap_lines=True,
        )
        total: Callable[[], int] = lambda: self.app.output.get_size().columns  # noqa: E731 - read anew at each drawing
        rows = [
            _drawn(lambda: [render.header(self.state, total())], height=1),
            VSplit([ConditionalContainer(side, wide), talk]),
            _drawn(lambda: [render.status(self.state, total())], height=1),
            composer,
            _drawn(lambda: [(("class:help", shorten(help_line(self.state.asking_title), total())),)], height=1),
        ]
        return Layout(HSplit(rows), focused_element=composer)

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        for command in COMMANDS:
            for keys in command.keys:
                bindings.add(*keys)(self._binding(command.name))
        return bindings

    def _binding(self, name: str) -> Callable[[KeyPressEvent], None]:
        def pressed(event: KeyPressEvent) -> None:
            getattr(self, name)()

        return pressed


def _drawn(lines: Callable[[], list[Line]], **size: Any) -> Window:
    def fragments() -> StyleAndTextTuples:
        found: StyleAndTextTuples = []
        for line in lines():
            found += [*line, ("", "\n")]
        return found[:-1]

    return Window(FormattedTextControl(fragments), wrap_lines=False, **size)


def _words(error: OpenSeshError) -> str:
    return f"{error.kind.code}: {error.message} {error.kind.next}"


def main() -> int:
    """Connect, starting the node if need be, and draw."""

    async def opened_screen() -> int:
        async with connect() as node:
            return await Screen(node).run()

    return asyncio.run(opened_screen())
