"""Operations on control: who drives a thread or a terminal."""

from typing import Any

from crdt import errors
from crdt.plain import identifier
from node.api.requests import Context
from node.control import Control
from node.library import Library


class ControlHandlers:
    """`control.*`."""

    def __init__(self, control: Control, library: Library) -> None:
        self._control = control
        self._library = library

    async def show(self, p: Any, context: Context) -> dict[str, Any]:
        """`control.show`"""
        return await self._control.show((await self._library.find(p.thread)).id, _terminal(p.terminal))

    async def set(self, p: Any, context: Context) -> dict[str, Any]:
        """`control.set`"""
        if (p.who is not None) != (p.action in ("grant", "hand", "type-only", "watch-only")):
            raise errors.REQUEST_INVALID("To give control takes a person, and nothing else does.")
        thread = (await self._library.find(p.thread)).id
        return await self._control.act(thread, p.action, p.who, _terminal(p.terminal), p.text or "")


def _terminal(given: str | None) -> str:
    if given is None:
        return ""
    if identifier(given) is None:
        raise errors.REQUEST_INVALID("That is no terminal's id.")
    return given
