"""One program in a pseudo-terminal of this device: its bytes, its keyboard, its size, its end.

Reading is what lets it go on: nobody reads, and it waits. It gets a session and a controlling terminal of its
own, and SIGHUP when the terminal is closed; what still runs a moment later is killed. It ends with the node.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import struct
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from crdt import errors
from node.terminals import launcher

READ_BYTES: Final = 64 * 1024
HANG_UP_S: Final = 2.0  # from SIGHUP to SIGKILL
LINGER_S: Final = 0.2  # what the program's own children may still say once it has ended
TERM: Final = "xterm-256color"


class Program:
    """Made by `start`, ended by `close`. `read` gives b"" once there will be no more."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int) -> None:
        self._process = process
        self._terminal = terminal
        self._closed = False
        self._over = False

    @classmethod
    async def start(
        cls, words: Sequence[str], folder: str, environment: Mapping[str, str], columns: int, rows: int
    ) -> "Program":
        """Start it. Raises PROGRAM_NOT_STARTED for what is no program or no folder."""
        check(words, folder, environment)
        ours, theirs = os.openpty()
        try:
            _set_size(ours, columns, rows)
            os.set_blocking(ours, False)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *words),
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                cwd=folder,
                env=_environment(environment),
                start_new_session=True,
            )
        except OSError as error:
            os.close(ours)
            raise errors.PROGRAM_NOT_STARTED(f"The program could not be started: {error.strerror}.") from error
        finally:
            os.close(theirs)
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """The program's process id, which is its session's too."""
        return self._process.pid

    async def read(self) -> bytes:
        """What it has written, up to `READ_BYTES`; waits until there is something."""
        while not (self._over or self._closed):
            try:
                data = os.read(self._terminal, READ_BYTES)
            except BlockingIOError:
                await self._readable()
                continue
            except OSError as error:
                if error.errno != errno.EIO:  # the way Linux says that nobody has the other side open
                    raise
                data = b""
            if not data:
                self._over = True
            return data
        return b""

    async def _readable(self) -> None:
        """Until there is something to read, or the program has ended and nothing came for a moment."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._terminal, ready.set)
        ended = asyncio.ensure_future(self._process.wait())
        waiting = asyncio.ensure_future(ready.wait())
        try:
            await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.is_set():
                # Others of its session may hold the terminal open for ever.
                await asyncio.wait({waiting}, timeout=LINGER_S)
                self._over = not ready.is_set()
        finally:
            if not self._closed:
                loop.remove_reader(self._terminal)
            for each in (ended, waiting):
                each.cancel()

    async def write(self, data: bytes) -> None:
        """Type; waits while the program doesn't read. Nothing happens once it is over."""
        loop = asyncio.get_running_loop()
        while data and not self._closed:
            try:
                data = data[os.write(self._terminal, data) :]
            except BlockingIOError:
                writable = asyncio.Event()
                loop.add_writer(self._terminal, writable.set)
                try:
                    await writable.wait()
                finally:
                    if not self._closed:
                        loop.remove_writer(self._terminal)
            except OSError:
                return

    def resize(self, columns: int, rows: int) -> None:
        """Another size; the program gets SIGWINCH."""
        if not self._closed:
            with contextlib.suppress(OSError):
                _set_size(self._terminal, columns, rows)

    async def wait(self) -> int:
        """Its exit code, 128 + n after signal n."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        """Hang up, and kill what doesn't mind. Harmless twice."""
        if not self._closed:
            self._closed = True
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._terminal)
            loop.remove_writer(self._terminal)
            self._signal(signal.SIGHUP)
            self._signal(signal.SIGCONT)
            os.close(self._terminal)  # its foreground processes get SIGHUP by that
        try:
            async with asyncio.timeout(HANG_UP_S):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: int) -> None:
        # Not once it has been waited for: its id may be another's by then.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """As it was given, for the terminal that we are: the size is the terminal's to say, not a variable's."""
    kept = {name: value for name, value in given.items() if name not in ("COLUMNS", "LINES")}
    return {**kept, "TERM": TERM}


def check(words: Sequence[str], folder: str, environment: Mapping[str, str]) -> None:
    """Raise PROGRAM_NOT_STARTED if there is no such program, or no such folder, before anything is begun."""
    if not Path(folder).is_dir():
        raise errors.PROGRAM_NOT_STARTED(f"There is no folder {folder}.", folder=folder)
    name = str(Path(folder, words[0])) if "/" in words[0] else words[0]
    if shutil.which(name, path=environment.get("PATH", os.defpath)) is None:
        raise errors.PROGRAM_NOT_STARTED(f"There is no program {words[0]!r}.", program=words[0])


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
