"""Work that nobody waits for: held on to while it runs, and ended with whoever began it."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Belongs to the event loop. `close` it, or what still runs goes on while what it needs is being closed."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """How much runs."""
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        """Run it from now on; `name` is what it is called where tasks are listed."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End what still runs, and wait until it has."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
