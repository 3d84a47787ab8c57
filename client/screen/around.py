"""What the screen is to those who carry out its commands."""

from collections.abc import Coroutine
from typing import Any, Protocol

from client.screen.state import State


class Around(Protocol):
    """The screen, as far as commands have to do with it."""

    state: State

    @property
    def size(self) -> tuple[int, int]: ...
    def put(self, state: State) -> None: ...
    def later(self, work: Coroutine[Any, Any, object]) -> None: ...
    def control(self, sequence: str) -> None: ...
    def suspend(self) -> None: ...
    def leave(self) -> None: ...
