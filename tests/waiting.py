"""The one place where tests poll: for what nothing announces."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 30.0  # a machine may be slow; a test that waits so long has failed


async def until(condition: Callable[[], Any], what: str = "the condition") -> None:
    """Wait until `condition`, plain or a coroutine, holds. Fails after `PATIENCE_S`."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                holds = condition()
                if inspect.isawaitable(holds):
                    holds = await holds
                if holds:
                    return
                await asyncio.sleep(0.005)
    except TimeoutError as error:
        raise AssertionError(f"{what} did not come true within {PATIENCE_S:.0f} s") from error


def eventually(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """The same for tests that drive other processes: each look is a command of its own, which takes its time."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {PATIENCE_S:.0f} s"
    return found
