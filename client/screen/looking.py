"""What this screen looks at, told to the others: which thread, which message, where in the draft; and when it leaves.

Said when it changes and again before it is forgotten, never more often than the pause. Nothing is said where there is
nobody else to hear it, or while the node is away.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from client.api.node import Node
from client.screen.state import State
from crdt.errors import OpenSeshError

PAUSE_S: Final = 0.3  # between two tellings, with all that changes in between
AGAIN_S: Final = 10.0  # what was said holds for thirty seconds
TYPING_S: Final = 3.0  # after a letter one still writes
AWAY_S: Final = 300.0  # after the last key nobody sits here
PATIENCE_S: Final = 5.0
FAREWELL_S: Final = 0.5  # leaving waits no longer for the node


class Look(NamedTuple):
    """What is told of a thread."""

    thread: str
    state: str = "active"
    place: str | None = None
    id: str | None = None
    cursor: int | None = None
    writing: bool = False


class Looking:
    """`get` is the screen's state; `cursor` where one writes, in characters."""

    def __init__(self, node: Node, get: Callable[[], State], cursor: Callable[[], int]) -> None:
        self._node, self._get, self._cursor = node, get, cursor
        self._due = asyncio.Event()
        self._said: Look | None = None
        self._typed_at, self._pressed_at = -TYPING_S, time.monotonic()

    def typed(self) -> None:
        """A letter was written."""
        self._typed_at = time.monotonic()
        self.pressed()

    def pressed(self) -> None:
        """Somebody sits here."""
        self._pressed_at = time.monotonic()
        self.turned()

    def turned(self) -> None:
        """Something else may be looked at."""
        if self.now() != self._said:
            self._due.set()

    def heard(self, event: dict[str, Any]) -> None:
        """Something happened. If another screen of this device has left, it has said so for this one, too."""
        is_ours = self._said is not None and event.get("thread") == self._said.thread
        if is_ours and event["type"] == "presence.changed" and not any(p.is_this for p in self._get().known.present):
            self._due.set()

    def now(self) -> Look | None:
        """What is looked at; None where there is nobody to tell."""
        state = self._get()
        company, now = state.company, time.monotonic()
        if state.thread is None or state.offline or not company.is_shared or company.role == "none":
            return None
        if now - self._pressed_at > AWAY_S:
            return Look(state.thread, "away")
        writes = now - self._typed_at < TYPING_S and state.mode in ("", "comment", "draft")
        if state.mode == "draft":
            return Look(state.thread, place="draft", cursor=self._cursor(), writing=writes)
        message = state.spot.message if state.mode == "comment" and state.spot is not None else state.anchor
        if message:
            return Look(state.thread, place="message", id=message, writing=writes)
        return Look(state.thread, writing=writes)

    async def keep(self) -> None:
        """Tell it, for as long as the screen is open."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TYPING_S if self._said and self._said.writing else AGAIN_S):
                    await self._due.wait()
            self._due.clear()
            with contextlib.suppress(OpenSeshError, TimeoutError):  # the next time it is told anyhow
                async with asyncio.timeout(PATIENCE_S):
                    await self._tell(self.now())
            await asyncio.sleep(PAUSE_S)

    async def leave(self) -> None:
        """Say goodbye."""
        with contextlib.suppress(OpenSeshError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._tell(None)

    async def _tell(self, look: Look | None) -> None:
        before, self._said = self._said, look
        if before is not None and (look is None or look.thread != before.thread):
            await self._node.look(before.thread, state="leaving")
        if look is not None:
            values: dict[str, Any] = look._asdict()
            await self._node.look(values.pop("thread"), **values)
