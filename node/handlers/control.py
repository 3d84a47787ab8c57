"""Operations on control: who drives a thread or a terminal."""

from typing import Any

from crdt import errors
from crdt.ids import ThreadId, to_text
from crdt.output import terminal_id
from node.api.requests import Context
from node.control import Control
from node.library import Library
from node.terminals.service import Terminals


class ControlHandlers:
    """`control.*`."""

    def __init__(self, control: Control, library: Library, terminals: Terminals) -> None:
        self._control = control
        self._library = library
        self._terminals = terminals

    async def show(self, p: Any, context: Context) -> dict[str, Any]:
        """`control.show`"""
        thread = (await self._library.find(p.thread)).id
        return await self._control.show(thread, await self._terminal(thread, p.terminal))

    async def set(self, p: Any, context: Context) -> dict[str, Any]:
        """`control.set`"""
        if (p.who is not None) != (p.action in ("grant", "hand", "type-only", "watch-only")):
            raise errors.REQUEST_INVALID("To give control takes a person, and nothing else does.")
        thread = (await self._library.find(p.thread)).id
        return await self._control.act(thread, p.action, p.who, await self._terminal(thread, p.terminal), p.text or "")

    async def _terminal(self, thread: ThreadId, name: str | None) -> str:
        """The whole id of a terminal that is given by its beginning; "" is the thread itself."""
        if name is None:
            return ""
        _, lane = await self._terminals.find(thread, name)
        return to_text(terminal_id(lane))
