"""What this device does by itself when the identity's affairs change: forget, accept, end, as they say.

Each task is harmless when there is nothing to do, so a crash in between is made up for at the next start.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from crdt.errors import OpenSeshError
from node.account import Account

Task = Callable[[], Awaitable[object]]
log = logging.getLogger(__name__)


class Upkeep:
    """Runs its tasks, in order, at the start and after every change of the account. `start` it, `close` it."""

    def __init__(self, account: Account, tasks: Sequence[Task]) -> None:
        self._account = account
        self._tasks = tasks
        self._due = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first round is due at once."""
        self._account.listeners.append(self._due.set)
        self._due.set()
        self._running = asyncio.create_task(self._run(), name="upkeep")

    async def close(self) -> None:
        """Stop, in the middle of a task if need be."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            for task in self._tasks if self._account.exists else ():
                try:
                    await task()
                except OpenSeshError as error:
                    log.warning("upkeep: %s", error.kind.name)
                except Exception:
                    log.exception("upkeep: a fault of ours")
