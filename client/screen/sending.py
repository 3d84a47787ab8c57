"""What a person does, done by the node: ask, say, begin a thread, rename it, import, stop an answer.

Nothing that was typed is lost because it could not be sent: it is given back. Sent again as it was, it goes
under the same request id, so that a text whose acknowledgement got lost does not stand there twice.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from client.api.node import Node, connect
from client.api.results.threads import RunEvent
from client.cli.text import count
from client.screen.feed import Feed, words
from client.screen.state import State
from client.screen.text import fit, settled_line
from crdt.errors import DAEMON_NOT_RUNNING, OpenSeshError

TITLE_COLUMNS = 60
MAX_UNSENT = 100
_NOTHING = "Neither Claude Code nor Codex has sessions here. Name a transcript: /import FILE"
Got = TypeVar("Got")
GiveBack = Callable[[str | None, str], None]  # the thread it was meant for, the text


class Sender:
    """`get` and `put` are the screen's state; `reach` makes sure that a node is there.

    `project` is the root folder of that which a new thread belongs to."""

    def __init__(
        self,
        node: Node,
        feed: Feed,
        get: Callable[[], State],
        put: Callable[[State], None],
        give_back: GiveBack,
        project: Path | None = None,
        reach: Callable[[], AbstractAsyncContextManager[Node]] = connect,
    ) -> None:
        self._node, self._feed, self._get, self._put = node, feed, get, put
        self._give_back, self._project, self._reach = give_back, project, reach
        self._requests: dict[tuple[str | None, str], str] = {}

    async def ask(self, thread: str, text: str) -> None:
        """Write a prompt. The answer is seen as events; here only what goes wrong with it is of interest."""

        async def begin(request: str) -> AsyncIterator[RunEvent]:
            steps = self._node.ask(thread, text, model=self._get().model or None, request_id=request)
            self._look(await anext(steps))
            return steps

        steps = await self._deliver(thread, text, begin)
        if steps is not None:
            with self._told():
                async for step in steps:
                    self._look(step)

    async def say(self, thread: str, text: str) -> None:
        """Write a message to people."""
        await self._deliver(thread, text, lambda request: self._node.say(thread, text, request_id=request))

    async def begin(self, text: str, is_said: bool) -> None:
        """Begin a thread with its first message; its title is that message's first line."""
        title = fit(settled_line(text.strip().partition("\n")[0]), TITLE_COLUMNS) or "untitled"
        made = await self._deliver(
            None, text, lambda request: self._node.create_thread(title, self._project, request_id=request)
        )
        if made is not None:
            if self._get().chosen is None:
                await self._feed.open(made.id)
            self._feed.refresh()
            await (self.say if is_said else self.ask)(made.id, text)

    async def rename(self, thread: str, title: str) -> None:
        """Give a thread another title."""
        with self._told():
            await self._node.rename_thread(thread, title)

    async def bring_in(self, path: str) -> None:
        """Bring in a transcript, or without a path keep up with what Claude Code and Codex write."""
        self._put(replace(self._get(), told="Bringing in …"))
        with self._told():
            if path:
                told = f"Brought in as {count(len(await self._node.import_file(path)), 'thread')}."
            else:
                follows = await self._node.follow()
                found = [follow.source for follow in follows if follow.state == "watching"]
                told = f"Sessions come in as they are written: {', '.join(found)}." if found else _NOTHING
            self._put(replace(self._get(), told=told))
            self._feed.refresh()

    async def cancel(self, thread: str) -> None:
        """Stop the answer."""
        with self._told():
            await self._node.cancel(thread)

    async def _deliver(self, thread: str | None, text: str, send: Callable[[str], Awaitable[Got]]) -> Got | None:
        """What `send` gets for the text and its request id. None: what failed is told, and the text given back."""
        if len(self._requests) > MAX_UNSENT:
            self._requests.clear()
        request = self._requests.setdefault((thread, text), secrets.token_hex(16))
        self._put(replace(self._get(), sending=self._get().sending + 1, notice=""))
        try:
            if self._get().offline:
                async with self._reach():
                    pass  # it starts the node, as each command does
            got = await send(request)
        except OpenSeshError as error:
            self._give_back(thread, text)
            self._put(replace(self._get(), notice=words(error)))
            return None
        else:
            self._requests.pop((thread, text), None)
            return got
        finally:
            self._put(replace(self._get(), sending=self._get().sending - 1))

    def _look(self, step: RunEvent) -> None:
        if step.type == "run.failed":
            error = step.error or {}
            said = f"{error.get('code', '')} {error.get('message', 'The run failed.')} {error.get('next') or ''}"
            self._put(replace(self._get(), notice=said.strip()))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OpenSeshError as error:
            if error.kind is not DAEMON_NOT_RUNNING:  # that the node is away is said by the status line
                self._put(replace(self._get(), notice=words(error)))
