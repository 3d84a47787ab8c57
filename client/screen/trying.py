"""What a person does, tried at the node: that it is under way is seen, and why it failed is told."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from client.screen.feed import words
from client.screen.state import State
from crdt.errors import DAEMON_NOT_RUNNING, OpenSeshError

Got = TypeVar("Got")


async def tried(
    get: Callable[[], State], put: Callable[[State], None], answer: Awaitable[Got], lost: str
) -> Got | None:
    """What the node answers; None if that failed. `lost` says what did not happen, if the node is away."""
    put(replace(get(), sending=get().sending + 1, notice=""))
    try:
        return await answer
    except OpenSeshError as error:
        is_away = error.kind is DAEMON_NOT_RUNNING
        put(replace(get(), notice=f"The node is away. {lost}" if is_away else words(error)))
        return None
    finally:
        put(replace(get(), sending=get().sending - 1))
