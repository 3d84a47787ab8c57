"""The screen as a program: the terminal, the state, and the tasks that follow the node.

Typing never waits for the node: every call is a task of its own.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output

from client.api.node import Node, connect
from client.screen.actions import Actions
from client.screen.composer import Composer
from client.screen.drafting import Drafting
from client.screen.feed import Feed
from client.screen.gathering import Gatherer
from client.screen.keys import bindings
from client.screen.layout import Places
from client.screen.looking import Looking
from client.screen.peopling import Peopling
from client.screen.project import current
from client.screen.sending import Sender
from client.screen.state import State
from client.screen.style import style
from client.screen.talking import Talker

REDRAW_S = 0.05  # a stream redraws at most twenty times a second
ESCAPE_S = 0.1  # how long after Esc a key still makes it an Alt
SIGNALS = (signal.SIGTERM, signal.SIGHUP)


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
        self._tasks: set[asyncio.Task[Any]] = set()
        self._composer = Composer(lambda text: self.actions.typed(text), lambda: _is_read_only(self.state))
        self._feed = Feed(node, lambda: self.state, self.put)
        sender = Sender(node, self._feed, lambda: self.state, self.put, self._give_back, project)
        self._drafting = Drafting(node, lambda: self.state, self.put, self._composer)
        self._talker = Talker(node, lambda: self.state, self.put, self._give_back_comment)
        self._gatherer = Gatherer(node, lambda: self.state, self.put)
        self._looking = Looking(node, lambda: self.state, lambda: self._composer.cursor)
        self._feed.listeners += [self._talker.heard, self._drafting.heard, self._gatherer.heard, self._looking.heard]

        def people(turn_to: Callable[[str], None]) -> Peopling:
            return Peopling(self, self._composer, node, self._feed, self._gatherer, turn_to)

        parts = (self._composer, self._feed, sender, self._talker, self._drafting, self._looking, people)
        self.actions = Actions(self, *parts)
        self._places = Places(lambda: self.state, self._composer.buffer)
        self.app: Application[int] = Application(
            layout=self._places.layout,
            key_bindings=bindings(self.actions.do, self._composer.buffer),
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
        self.later(self._feed.keep_list())
        self.later(self._feed.watch())
        self.later(self._talker.keep())
        self.later(self._drafting.keep())
        self.later(self._gatherer.keep())
        self.later(self._looking.keep())
        self.later(self._tick())
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.leave)
        try:
            return await self.app.run_async() or 0
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._looking.leave()

    # ---- for the actions

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines of the conversation."""
        return self._places.conversation.columns, self._places.conversation.height

    def put(self, state: State) -> None:
        """The state from now on. The first list there is opens its latest thread, unless something is written."""
        before, self.state = self.state, state
        if not before.is_listed and state.rows and state.chosen is None and not self._composer.text:
            self.later(self._feed.open(state.rows[0].id))
        self._composer.turn(before, state)
        if before.thread != state.thread:
            self._talker.opened()
            self._gatherer.opened()
        self._drafting.turned()
        self._looking.turned()
        self.app.invalidate()

    def later(self, work: Coroutine[Any, Any, object]) -> None:
        """Do this without waiting for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def control(self, sequence: str) -> None:
        """Tell the terminal something that is not drawn."""
        self.app.output.write_raw(sequence)
        self.app.output.flush()

    def suspend(self) -> None:
        """Back to the shell that opened this, until it calls us back."""
        self.app.suspend_to_background()

    def leave(self) -> None:
        """End, at once."""
        if self.app.is_running and not self.app.is_done:
            self.app.exit(result=0)

    # ----

    def _give_back(self, thread: str | None, text: str) -> None:
        self._composer.give_back(self.state, thread, text)

    def _give_back_comment(self, text: str) -> None:
        if self.state.mode == "comment" and not self._composer.text:
            self._composer.put(text)

    async def _tick(self) -> None:
        """Let the seconds be seen while something runs."""
        while True:
            await asyncio.sleep(1)
            if self.state.run is not None or self.state.mode == "people":
                self.app.invalidate()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """A fault of ours ends the screen and is told as one; a screen that no longer follows would be a lie."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self.app.is_running:
            self.app.exit(exception=error)


def _is_read_only(state: State) -> bool:
    """Whether what the composer is for now is a matter of those who may write."""
    return state.is_locked and state.mode in ("", "draft")


def main() -> int:
    """Connect, starting the node if need be, and draw."""

    async def opened() -> int:
        async with connect() as node:
            return await Screen(node, current()).run()

    return asyncio.run(opened())
