"""Shared terminals, of the Python API."""

import os
from collections.abc import AsyncIterator, Sequence

from client.api.calls import Calls, absolute, typed
from client.api.operation import calls
from client.api.results import terminals as r


class Terminals:
    """A `terminal` is given as its id or a unique beginning of it."""

    _calls: Calls

    @calls("terminal.run")
    async def run(
        self,
        thread: str,
        command: Sequence[str],
        *,
        folder: str | os.PathLike[str] | None = None,
        environment: Sequence[str] | None = None,
        columns: int = 80,
        rows: int = 24,
    ) -> str:
        """Run a program, here on this device, in a terminal that all members see; the terminal's id.

        Without a `folder` in the thread's project, without an `environment` (NAME=value each) in the node's.
        Raises PERMISSION_DENIED below editor, and PROGRAM_NOT_STARTED.
        """
        started = await self._calls.call(
            "terminal.run",
            r.TerminalName,
            thread=thread,
            command=list(command),
            folder=absolute(folder),
            environment=None if environment is None else list(environment),
            columns=columns,
            rows=rows,
        )
        return started.terminal

    @calls("terminal.list")
    async def terminals(self, thread: str) -> list[r.Terminal]:
        """The thread's terminals, oldest first."""
        return typed((await self._calls.plain("terminal.list", thread=thread)).get("terminals"), list[r.Terminal])

    @calls("terminal.watch")
    async def watch_terminal(self, thread: str, terminal: str | None = None) -> AsyncIterator[r.TerminalEvent]:
        """A terminal's screen, then what changes, to its end: without a name of the newest that runs.

        Raises TERMINAL_NOT_FOUND.
        """
        async for line in self._calls.stream("terminal.watch", thread=thread, terminal=terminal):
            yield typed(line, r.TerminalEvent)

    @calls("terminal.input")
    async def type_into(self, thread: str, terminal: str, text: str) -> None:
        """Type into a terminal; Enter is a carriage return. Raises PERMISSION_DENIED for who doesn't control it,
        and TERMINAL_ENDED."""
        await self._calls.plain("terminal.input", thread=thread, terminal=terminal, text=text)

    @calls("terminal.resize")
    async def resize_terminal(self, thread: str, terminal: str, columns: int, rows: int) -> None:
        """Give a terminal another size."""
        await self._calls.plain("terminal.resize", thread=thread, terminal=terminal, columns=columns, rows=rows)

    @calls("terminal.close")
    async def close_terminal(self, thread: str, terminal: str) -> None:
        """End a terminal's program."""
        await self._calls.plain("terminal.close", thread=thread, terminal=terminal)
