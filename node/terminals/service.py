"""The shared terminals of this device's threads: programs that run here, and screens of all that run anywhere.

A program is started for somebody who may write, and is typed into by way of `hands`. What ran when the node went
away is said to have ended, at the next start.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.ids import ThreadId, from_text, to_text
from crdt.output import (
    MAX_WORD_CHARACTERS,
    MAX_WORDS,
    TERMINAL_BYTES,
    Chunk,
    Ended,
    Opened,
    Output,
    is_terminal,
    terminal_id,
)
from crdt.permissions import LaneKind
from crdt.replica import Receipt
from node import shapes
from node.account import Account
from node.background import Background
from node.open_thread import OpenThread
from node.store import Batch
from node.terminals.hands import Hands, check_role, own_lane
from node.terminals.program import Program, check
from node.terminals.runner import PASSING, Runner
from node.terminals.view import Key, View
from node.threads import Threads

MAX_RUNNING: Final = 16  # programs of one node
MAX_RUNNING_EACH: Final = 8  # and of one thread
MAX_VIEWS: Final = 32  # terminals of which a screen is kept at once, those that run here not counted
MAX_WATCHERS: Final = 64  # of one terminal
MAX_LISTED: Final = 256  # of one thread, the newest
STOPPED: Final = "the node stopped"
_CHECKPOINT: Final = "terminal/"
log = logging.getLogger(__name__)


class Terminals:
    """`start` it, `close` it. Typing is a matter of its `hands`."""

    def __init__(self, account: Account, threads: Threads) -> None:
        self._account = account
        self._threads = threads
        self._runners: dict[Key, Runner] = {}
        self._views: dict[Key, View] = {}
        self._advancing: dict[Key, asyncio.Task[None]] = {}
        self._background = Background()
        self._starting: dict[ThreadId, int] = {}
        self.hands = Hands(account, threads, self._runners, self.find)

    # ---- its life

    async def start(self) -> None:
        """Say of what ran when the node went away that it has ended, and begin to listen."""
        for name in await self._threads.store.checkpoints():
            if name.startswith(_CHECKPOINT):
                await self._settle(name)
        self._threads.on_change.append(self._on_change)
        self._threads.on_rebuilt.append(self._on_rebuilt)
        self.hands.start()

    async def _settle(self, name: str) -> None:
        _, thread, terminal = name.split("/")
        try:
            await self._say(ThreadId(from_text(thread)), from_text(terminal), Ended(None, STOPPED))
        except OpenSeshError as error:
            if error.kind not in PASSING:  # it never can be said
                await self._threads.store.write(Batch(checkpoints={name: None}))

    async def close(self) -> None:
        """End every program, and have that said."""
        await asyncio.gather(*(runner.end(STOPPED) for runner in self._runners.values()), return_exceptions=True)
        ending = [runner.task for runner in self._runners.values()]
        if ending:
            await asyncio.wait(ending, timeout=3.0)
        await self.hands.close()
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._background.close()

    # ---- running

    async def run(
        self, thread: ThreadId, words: Sequence[str], folder: str, environment: Mapping[str, str], size: tuple[int, int]
    ) -> str:
        """Start a program in a terminal of the thread; the terminal's id.

        Raises PERMISSION_DENIED below editor, PROGRAM_NOT_STARTED, and what writing to the thread raises.
        """
        check_role(self._account, await self._threads.open(thread))
        check(words, folder, environment)
        self._check_room(thread)
        terminal = os.urandom(TERMINAL_BYTES)
        self._starting[thread] = self._starting.get(thread, 0) + 1
        try:
            shown = tuple(word[:MAX_WORD_CHARACTERS] for word in words[:MAX_WORDS])
            await self._say(thread, terminal, Opened(shown, *size, "", self._threads.now_ms()))
            try:
                program = await Program.start(words, folder, environment, *size)
            except OpenSeshError as error:
                await self._say(thread, terminal, Ended(None, error.message))
                raise
            key = (thread, own_lane(self._account, terminal))
            runner = self._runners[key] = Runner(
                program, lambda chunk: self._say(thread, terminal, chunk), lambda: self._readers(thread)
            )
        finally:
            self._starting[thread] -= 1
        runner.task.add_done_callback(lambda task: self._ended(key, task))
        self._view(key)
        self._advance(key)
        return to_text(terminal_id(key[1]))

    def _readers(self, thread: ThreadId) -> int:
        """How many devices take in what the thread's terminals print, this one among them."""
        opened = self._threads.peek(thread)
        membership = opened.replica.membership if opened is not None else None
        logs = [membership.logs.get(identity) for identity in membership.members()] if membership else []
        return max(1, sum(len(log.live()) for log in logs if log is not None))

    def _check_room(self, thread: ThreadId) -> None:
        here = sum(1 for each, _ in self._runners if each == thread) + self._starting.get(thread, 0)
        everywhere = len(self._runners) + sum(self._starting.values())
        if here >= MAX_RUNNING_EACH or everywhere >= MAX_RUNNING:
            raise errors.PROGRAM_NOT_STARTED(
                f"{here} terminals run in this thread, and {everywhere} on this device; that is as many as may.",
                next="Close one with: opensesh terminal close THREAD TERMINAL",
            )

    async def _say(self, thread: ThreadId, terminal: bytes, chunk: Chunk) -> None:
        """One chunk, durable. What runs is noted with its first one, and the note goes with the last."""
        async with self._threads.change(thread) as draft:
            draft.output(terminal, chunk)
            name = f"{_CHECKPOINT}{to_text(thread)}/{to_text(terminal)}"
            if isinstance(chunk, Opened):
                draft.batch.checkpoints[name] = b"\1"
            elif isinstance(chunk, Ended):
                draft.batch.checkpoints[name] = None

    def _ended(self, key: Key, task: "asyncio.Task[None]") -> None:
        self._runners.pop(key, None)
        self.hands.forget(key)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a terminal broke off: %s", type(error).__name__)
        self._drop_idle()

    # ---- what there is

    async def list(self, thread: ThreadId) -> list[dict[str, Any]]:
        """The thread's terminals, oldest first."""
        opened = await self._threads.open(thread)
        return [self._row(opened, output) for output in _outputs(opened)]

    def _row(self, opened: OpenThread, output: Output) -> dict[str, Any]:
        author = opened.author_of(output.lane.owner)
        return shapes.terminal(output, author) | {"here": (opened.id, output.lane) in self._runners}

    async def find(self, thread: ThreadId, name: str | None) -> Key:
        """The terminal of that id, or unique beginning of one; without one, the last that was begun and runs, or the
        last at all. Raises TERMINAL_NOT_FOUND with those there are."""
        opened = await self._threads.open(thread)
        outputs = _outputs(opened)
        if name is not None:
            # Of all there are: whoever opens terminals without end hides none of somebody else's.
            found = [output for output in _begun(opened) if to_text(terminal_id(output.lane)).startswith(name)]
        else:
            found = ([output for output in outputs if output.ended is None] or outputs)[-1:]
        if len(found) != 1:
            there = [shapes.terminal(each, {}) for each in outputs[-10:]]
            rows = [{"terminal": each["terminal"], "command": " ".join(each["command"])} for each in there]
            raise errors.TERMINAL_NOT_FOUND(terminals=rows)
        return thread, found[0].lane

    # ---- watching

    async def watch(self, thread: ThreadId, name: str | None) -> AsyncIterator[dict[str, Any]]:
        """The screen of a terminal, then what changes, to its end. Raises TERMINAL_NOT_FOUND."""
        key = await self.find(thread, name)
        view = self._view(key)
        if view.watchers >= MAX_WATCHERS:
            raise errors.TOO_LARGE("As many as may watch this terminal already.", limit=MAX_WATCHERS)
        view.watchers += 1
        try:
            await view.advance()
            async for line in view.watch():
                yield line
        finally:
            view.watchers -= 1
            self._drop_idle()

    def _view(self, key: Key) -> View:
        view = self._views.get(key)
        if view is None:
            if sum(1 for each in self._views if each not in self._runners) >= MAX_VIEWS and key not in self._runners:
                raise errors.TOO_LARGE("As many terminals as may be are watched already.", limit=MAX_VIEWS)
            view = self._views[key] = View(self._threads, *key)
        return view

    def _drop_idle(self) -> None:
        """A screen is kept while somebody watches, or its program runs here and may ask it something."""
        for key in [each for each, view in self._views.items() if not view.watchers and each not in self._runners]:
            del self._views[key]
            self._advancing.pop(key, None)

    def _on_change(self, opened: OpenThread, receipts: Sequence[Receipt]) -> None:
        for lane in {lane for receipt in receipts for lane in receipt.lanes if lane.kind is LaneKind.OUTPUT}:
            if (opened.id, lane) in self._views:
                self._advance((opened.id, lane))

    async def _on_rebuilt(self, opened: OpenThread) -> None:
        """A cut took something back: what is shown begins anew."""
        for key in [key for key in self._views if key[0] == opened.id]:
            self._advance(key)

    def _advance(self, key: Key) -> None:
        """Have a view go on, unless it is about to look anyway."""
        view, going = self._views[key], self._advancing.get(key)
        view.stale = True
        if going is None or going.done():
            self._advancing[key] = self._background.begin(self._advanced(key, view), "terminal shown")

    async def _advanced(self, key: Key, view: View) -> None:
        while view.stale:
            view.stale = False
            try:
                await view.advance()
            except OpenSeshError as error:
                log.info("a terminal is not shown: %s", error.kind.name)
                return
            replies, view.replies = view.replies, []
            if (runner := self._runners.get(key)) is not None:
                runner.type(b"".join(replies))


def _outputs(opened: OpenThread) -> list[Output]:
    """The newest, by when they have begun, as their devices say."""
    return _begun(opened)[-MAX_LISTED:]


def _begun(opened: OpenThread) -> list[Output]:
    begun = [
        (output.opened.at_ms, lane, output)
        for lane, output in opened.replica.outputs.items()
        if output.opened is not None and is_terminal(lane)
    ]
    return [output for *_, output in sorted(begun, key=lambda each: each[:2])]
