"""A command with a terminal, real as far as it can tell: what it draws, and what a person types."""

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import AsyncIterator

from tests.client.shell import PATIENCE_S, Shell


class Terminal:
    """One command on a terminal of `columns`; all that it wrote is in `said`."""

    def __init__(self, shell: Shell, columns: int = 80) -> None:
        self._shell, self._columns = shell, columns
        self.said = ""
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self, *words: str) -> AsyncIterator["Terminal"]:
        """Run a command; ends it, if it has not ended."""
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self._columns, 0, 0))
        os.set_blocking(ours, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, self._read, ours)
        try:
            self._ours = ours
            self._process = await asyncio.create_subprocess_exec(
                *self._shell.program, *words, stdin=theirs, stdout=theirs, stderr=theirs, env=self._shell.environ
            )
            os.close(theirs)
            yield self
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            loop.remove_reader(ours)
            os.close(ours)

    async def until(self, text: str) -> None:
        """Wait until it has written this."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.said:
                self._changed.clear()
                await self._changed.wait()

    def type(self, text: str) -> None:
        """Keys a person presses."""
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, as the terminal turns it into a signal."""
        self._process.send_signal(signal.SIGINT)

    async def end(self) -> int:
        """Wait for its end; its exit code."""
        async with asyncio.timeout(PATIENCE_S):
            code = await self._process.wait()
        self._read(self._ours)
        return code

    def _read(self, descriptor: int) -> None:
        # At its end a terminal gives an error, and not nothing.
        with contextlib.suppress(OSError):
            while data := os.read(descriptor, 65536):
                self.said += data.decode(errors="replace").replace("\r\n", "\n")
                self._changed.set()
