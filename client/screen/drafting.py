"""The composer as the draft that everybody in a thread writes together: what is typed goes out, what comes is merged.

One exchange with the node at a time: it is given the whole text as it is here and the version it was made from, and
answers what that has become among what the others typed. What was typed during the exchange is carried over.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from client.api.node import Node
from client.screen.composer import Composer
from client.screen.feed import words
from client.screen.state import State
from crdt.errors import DAEMON_NOT_RUNNING, DRAFT_MOVED_ON, PERMISSION_DENIED, TIMEOUT, OpenSeshError
from crdt.text_change import Change, applied, behind, between, moved

PAUSE_S: Final = 0.05  # between two exchanges, with all that is typed in between
BACK_S: Final = 0.5  # before it is tried again with a node that is away


class Drafting:
    """`get` and `put` are the screen's state. In the mode "draft" the composer holds the open thread's draft."""

    def __init__(self, node: Node, get: Callable[[], State], put: Callable[[State], None], composer: Composer) -> None:
        self._node, self._get, self._put, self._composer = node, get, put, composer
        self._due = asyncio.Event()
        self._thread: str | None = None  # whose draft is in the composer
        self._known, self._version = "", ""  # the text as the node gave it last; no version: it is to be read again
        self._agreed = asyncio.Condition()

    def typed(self, text: str) -> None:
        """Something was typed."""
        if text != self._known:
            self._due.set()

    def turned(self) -> None:
        """The composer may be for something else now, or for another thread's draft."""
        if self._wanted != self._thread:
            self._thread = None
            self._due.set()

    def heard(self, event: dict[str, Any]) -> None:
        """Something happened: perhaps somebody typed."""
        is_told = event["type"] in ("draft.changed", "thread.rebuilt") and event.get("thread") == self._thread
        if event["type"] == "ready" or (is_told and event.get("version") != self._version):
            self._due.set()

    @property
    def _wanted(self) -> str | None:
        return self._get().thread if self._get().mode == "draft" else None

    async def keep(self) -> None:
        """Exchange whenever there is reason to."""
        while True:
            await self._due.wait()
            self._due.clear()
            if (thread := self._wanted) is not None:
                try:
                    await self._exchange(thread)
                except OpenSeshError as error:
                    self._failed(error)
                    await asyncio.sleep(BACK_S)
            async with self._agreed:
                self._agreed.notify_all()
            await asyncio.sleep(PAUSE_S)

    async def send(self, is_said: bool) -> None:
        """Send it as a prompt, or only say it, once the node has all that is written here."""
        thread, model = self._wanted, self._get().model or None
        self._due.set()
        async with self._agreed:
            await self._agreed.wait_for(lambda: self._wanted != thread or self._is_known(thread))
        if thread is None or self._wanted != thread or not self._known.strip():
            return
        try:
            async for step in self._node.send_draft(thread, say=is_said, version=self._version, model=model):
                self._due.set()
                if step.type == "run.failed" and step.error:
                    self._tell(f"{step.error.get('code', '')} {step.error.get('message', '')}")
        except OpenSeshError as error:
            self._tell(words(error))

    def _is_known(self, thread: str | None) -> bool:
        """Whether the node has all that is written here."""
        return self._thread == thread and self._composer.text == self._known

    async def _exchange(self, thread: str) -> None:
        if self._thread != thread:
            shown = await self._node.draft(thread)
            if self._wanted == thread:
                self._thread, self._known, self._version = thread, shown.text, shown.version
                text = shown.text + self._composer.text  # what was typed before it came
                self._composer.write(text, len(text))
                self.typed(text)
        else:
            given = self._composer.text
            if given == self._known or not self._version:
                given, found = self._known, await self._node.draft(thread)
                unseen = between(given, found.text)
            else:
                found = made = await self._node.set_draft(thread, given, version=self._version)
                unseen = tuple(made.unseen)
            if self._wanted == thread:
                self._take(given, found.text, unseen)
                self._version = found.version

    def _take(self, given: str, text: str, unseen: Change) -> None:
        """The text that was `given` has become another one by what others did `unseen`; what was typed since is
        typed into that one."""
        typed = between(given, self._composer.text)
        cursor = moved(self._composer.cursor, behind(unseen, typed, before=False))
        self._known = text
        self._composer.write(applied(text, behind(typed, unseen)), cursor)
        if self._composer.text != text:
            self._due.set()

    def _failed(self, error: OpenSeshError) -> None:
        """Keep what is typed here, and try again; or if that is of no use, say so."""
        if error.kind is PERMISSION_DENIED:
            typed = "".join(step for step in between(self._known, self._composer.text) if isinstance(step, str))
            self._composer.write(self._known, len(self._known))
            self._composer.give_back(self._get(), self._thread, typed)
            self._tell(f"{words(error)} What you wrote is in your own composer.")
            return
        if error.kind is DRAFT_MOVED_ON:
            self._version = ""  # the node was started anew: look first, then write
        elif error.kind not in (DAEMON_NOT_RUNNING, TIMEOUT):
            self._tell(words(error))
            return
        self._due.set()

    def _tell(self, text: str) -> None:
        self._put(replace(self._get(), notice=text.strip()))
