"""One program that runs here, and the terminal of a thread in which everybody sees it.

What it prints goes into batches, batches into the thread; while storing is behind, or has to wait for a key or
for room on the disk, nothing more is read and the program waits. Its terminal always gets its last word:
the exit code, or why there is none.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.output import MAX_REASON_CHARACTERS, Chunk, Ended
from node.terminals.batching import Batcher
from node.terminals.program import Program

MAX_TYPED_BYTES: Final = 64 * 1024  # that wait for the program to read them; beyond, what is typed is lost
RETRY_S: Final = 1.0
# What passes of itself: then the program waits. Anything else ends it.
PASSING: Final = (errors.WAITING_FOR_KEY, errors.DISK_FULL, errors.HOME_LOCKED, errors.INTERNAL)
log = logging.getLogger(__name__)

Say = Callable[[Chunk], Awaitable[None]]


class Runner:
    """Made of a program that was started; `task` is done once its end is said."""

    def __init__(self, program: Program, say: Say, readers: Callable[[], int] = lambda: 1) -> None:
        self.program = program
        self._say = say
        self._batcher = Batcher(readers)
        self._changed = asyncio.Event()  # there is more to say, or room for more
        self._read_all = False
        self._failure: OpenSeshError | None = None
        self._reason = ""
        self._typed: asyncio.Queue[bytes] = asyncio.Queue()
        self._typed_bytes = 0
        self.task = asyncio.create_task(self._run(), name="terminal")

    # ---- from outside

    def type(self, data: bytes) -> None:
        """Give the program these bytes, in order. What it leaves unread beyond a bound is lost."""
        if data and self._typed_bytes + len(data) <= MAX_TYPED_BYTES:
            self._typed_bytes += len(data)
            self._typed.put_nowait(data)

    def resize(self, columns: int, rows: int) -> None:
        """Another size, for the program and for all who watch."""
        self.program.resize(columns, rows)
        self._batcher.resize(columns, rows)
        self._changed.set()

    async def end(self, reason: str) -> None:
        """Hang up, and have the reason said instead of an exit code."""
        self._reason = self._reason or reason
        await self.program.close()

    # ---- within

    async def _run(self) -> None:
        typing = asyncio.create_task(self._type_all(), name="terminal keys")
        reading = asyncio.create_task(self._read_to_the_end(), name="terminal output")
        try:
            await self._say_all()
            code = await self.program.wait()
            reason = str(self._failure) if self._failure else self._reason
            end = Ended(None, reason[:MAX_REASON_CHARACTERS]) if reason else Ended(min(code, 255), "")
            await self._said(end)
        finally:
            for task in (typing, reading):
                task.cancel()
            await self.program.close()
            await asyncio.gather(typing, reading, return_exceptions=True)

    async def _read_to_the_end(self) -> None:
        try:
            while data := await self.program.read():
                self._batcher.add(data)
                self._changed.set()
                while self._batcher.is_full and self._failure is None:
                    self._changed.clear()
                    await self._changed.wait()
                if self._failure is not None:
                    break
        finally:
            self._read_all = True
            self._changed.set()

    async def _say_all(self) -> None:
        """Chunk after chunk, when each is due, until there will be no more."""
        loop = asyncio.get_running_loop()
        while True:
            now_ms = int(loop.time() * 1000)
            wait_ms = self._batcher.due_in_ms(now_ms)
            if wait_ms is None and self._read_all:
                return
            if wait_ms is None or (wait_ms > 0 and not self._read_all):
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
                        await self._changed.wait()
                continue
            chunk = self._batcher.take(now_ms)
            if chunk is not None and not await self._said(chunk):
                return
            self._changed.set()

    async def _said(self, chunk: Chunk) -> bool:
        """Store a chunk, as soon as it can be. False if it never can, and then the program is ended."""
        while self._failure is None:
            try:
                await self._say(chunk)
            except OpenSeshError as error:
                if error.kind not in PASSING:
                    log.info("a terminal can't be shown any more: %s", error.kind.name)
                    self._failure = error
                    await self.program.close()
                    return False
                await asyncio.sleep(RETRY_S)
            else:
                return True
        return False

    async def _type_all(self) -> None:
        while True:
            data = await self._typed.get()
            await self.program.write(data)
            self._typed_bytes -= len(data)
