"""Operations on shared terminals."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any

from crdt.errors import REQUEST_INVALID
from crdt.ids import ThreadId, to_text
from crdt.output import terminal_id
from node.api.requests import Context
from node.library import Library
from node.terminals.service import Terminals
from node.terminals.view import Key

MAX_COMMAND_BYTES = 64 * 1024
MAX_ENVIRONMENT_BYTES = 128 * 1024


class TerminalHandlers:
    """`terminal.*`"""

    def __init__(
        self, terminals: Terminals, library: Library, looking: Callable[[ThreadId], AbstractContextManager[None]]
    ) -> None:
        self._terminals = terminals
        self._library = library
        self._looking = looking

    async def run(self, p: Any, context: Context) -> dict[str, Any]:
        """`terminal.run`"""
        listed = await self._library.find(p.thread)
        words = _texts(p.command, "command", MAX_COMMAND_BYTES)
        if p.environment is None:  # the node's own, but for what is meant for the node
            pairs = [f"{name}={value}" for name, value in os.environ.items() if not name.startswith("OPENSESH_")]
        else:
            pairs = _texts(p.environment, "environment", MAX_ENVIRONMENT_BYTES)
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair[1:])
        if not words or not words[0]:
            raise REQUEST_INVALID("command must name a program.")
        folder = p.folder or listed.summary.project or "/"
        size = (p.columns or 1, p.rows or 1)
        terminal = await self._terminals.run(listed.id, words, folder, environment, size)
        return {"terminal": terminal, "thread": listed.text}

    async def list(self, p: Any, context: Context) -> dict[str, Any]:
        """`terminal.list`"""
        return {"terminals": await self._terminals.list((await self._library.find(p.thread)).id)}

    async def watch(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        """`terminal.watch`"""
        thread = (await self._library.find(p.thread)).id
        with self._looking(thread):
            async for line in self._terminals.watch(thread, p.terminal):
                yield line

    async def input(self, p: Any, context: Context) -> dict[str, Any]:
        """`terminal.input`"""
        thread = (await self._library.find(p.thread)).id
        return _named(await self._terminals.hands.type(thread, p.terminal, p.text.encode()))

    async def resize(self, p: Any, context: Context) -> dict[str, Any]:
        """`terminal.resize`"""
        thread = (await self._library.find(p.thread)).id
        return _named(await self._terminals.hands.resize(thread, p.terminal, p.columns or 1, p.rows or 1))

    async def close(self, p: Any, context: Context) -> dict[str, Any]:
        """`terminal.close`"""
        return _named(await self._terminals.hands.end((await self._library.find(p.thread)).id, p.terminal))


def _named(key: Key) -> dict[str, Any]:
    return {"terminal": to_text(terminal_id(key[1])), "thread": to_text(key[0])}


def _texts(value: Any, name: str, limit_bytes: int) -> list[str]:
    """A list of texts that a program can be given. Raises REQUEST_INVALID."""
    if not isinstance(value, list) or not all(isinstance(each, str) and "\0" not in each for each in value):
        raise REQUEST_INVALID(f"{name} must be a list of texts.")
    if sum(len(each.encode()) + 1 for each in value) > limit_bytes:
        raise REQUEST_INVALID(f"{name} is longer than {limit_bytes} bytes.")
    return value
