"""The relay's log on disk, behind the small interface `Store`; `SqliteStore` is the embedded default.

One thread owns the one connection that writes *and* checkpoints (SQLite 3.7.0–3.51.2 can lose data
when another connection resets the WAL). Everything that is due when it comes round goes into one
transaction, so that many publishes share one fsync; while that fsync runs, the next group gathers.
A second thread reads. Futures are resolved on the event loop in the order of the transaction.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from relay import database, ledger, tables
from relay.grants import Refusal
from relay.ledger import Append, Appended, Ledger, Letter, RoomState
from relay.limits import Limits

T = TypeVar("T")
Job = Append | Callable[[Ledger], Any]

_GROUP_BYTES: Final = 8 * 1024 * 1024
_GROUP_JOBS: Final = 4096
_CHECKPOINT_BYTES: Final = 4 * 1024 * 1024
_log = logging.getLogger(__name__)


class Page(NamedTuple):
    """Some of a room's frames in order; `check` is that of `upto`, the last one's cursor."""

    upto: int
    check: bytes
    frames: tuple[bytes, ...]


class Store(Protocol):
    """A log of frames per room, a mailbox, and letters to logins. Every change is durable when its future resolves.

    All raise `Refusal`: "full" when the disk is full (try later), "internal" when the store fails,
    "quota" where a bound is reached, "bad-certificate" for a letter's certificate that has ended.
    """

    @property
    def id(self) -> bytes:
        """16 random bytes: another store means that every cursor starts over."""

    @property
    def pending_bytes(self) -> int:
        """What was handed in and is not stored yet."""

    def append(self, room: int, frames: tuple[bytes, ...]) -> "asyncio.Future[Appended]":
        """Queue at once, in call order; known frames are skipped."""

    async def find_room(self, key: bytes) -> RoomState | None: ...
    async def open_room(self, key: bytes) -> RoomState: ...
    async def raise_generation(self, room: int, generation: int) -> int: ...
    async def drop(self, room: int, body: bytes) -> None: ...
    async def take(self, room: int, upto: int) -> tuple[int, list[bytes]]: ...
    async def deposit(self, room: int, login: bytes, letter: Letter) -> None: ...
    async def claim(self, room: int, login: bytes) -> Letter: ...
    async def check_at(self, room: int, cursor: int) -> bytes | None:
        """What nobody knows but who read this log up to that cursor; None if there is no such cursor."""

    async def read(self, room: int, after: int, max_frames: int, max_bytes: int) -> Page:
        """What follows `after`: at least one frame if there is one."""

    async def flush(self) -> None:
        """Wait until everything handed in so far is stored, or was refused."""

    async def close(self) -> None: ...


class SqliteStore:
    """`Store` in one SQLite file. Make it with `open`."""

    def __init__(self, path: Path, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._path, self._limits, self._loop = path, limits, loop
        self._jobs: queue.SimpleQueue[tuple[Job, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._pending_bytes = 0
        self._readers = ThreadPoolExecutor(1, "relay-read")
        self._writer = threading.Thread(target=self._write_all, name="relay-write", daemon=True)
        self.transactions = 0
        self.full = False

    @classmethod
    async def open(cls, folder: Path, limits: Limits) -> "SqliteStore":
        """Open or create the database in `folder`. Raises what `database.open_writing` raises."""
        loop = asyncio.get_running_loop()
        path = folder / database.FILE_NAME
        store = cls(path, limits, loop)
        # Opened here and handed to the thread that from then on is its only user.
        store._connection = await loop.run_in_executor(store._readers, database.open_writing, path)
        store._id = tables.store_id(store._connection)
        store._reading = await loop.run_in_executor(store._readers, database.open_reading, path)
        store._writer.start()
        return store

    _connection: sqlite3.Connection
    _reading: sqlite3.Connection
    _id: bytes

    @property
    def id(self) -> bytes:
        return self._id

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    def append(self, room: int, frames: tuple[bytes, ...]) -> "asyncio.Future[Appended]":
        job = Append(room, frames)
        self._pending_bytes += job.size_bytes
        return self._submit(job)

    async def find_room(self, key: bytes) -> RoomState | None:
        # On the writer, so that its answer has a place in the order of what is appended.
        return await self._call(lambda ledger: ledger.find_room(key))

    async def open_room(self, key: bytes) -> RoomState:
        return await self._call(lambda ledger: ledger.open_room(key))

    async def raise_generation(self, room: int, generation: int) -> int:
        return await self._call(lambda ledger: ledger.raise_generation(room, generation))

    async def drop(self, room: int, body: bytes) -> None:
        now_s = int(time.time())
        await self._call(lambda ledger: ledger.drop(room, body, now_s))

    async def take(self, room: int, upto: int) -> tuple[int, list[bytes]]:
        return await self._call(lambda ledger: ledger.take(room, upto))

    async def deposit(self, room: int, login: bytes, letter: Letter) -> None:
        await self._call(lambda ledger: ledger.deposit(room, login, letter))

    async def claim(self, room: int, login: bytes) -> Letter:
        return await self._call(lambda ledger: ledger.claim(room, login))

    async def check_at(self, room: int, cursor: int) -> bytes | None:
        return await self._loop.run_in_executor(self._readers, self._guarded, tables.check_at, room, cursor)

    async def read(self, room: int, after: int, max_frames: int, max_bytes: int) -> Page:
        return await self._loop.run_in_executor(self._readers, self._guarded, _read, room, after, max_frames, max_bytes)

    async def flush(self) -> None:
        with contextlib.suppress(Refusal):
            await self._call(lambda _: None)

    async def close(self) -> None:
        """Finish what was handed in, move the log into the database, and let go of the files."""
        await self._loop.run_in_executor(self._readers, self._reading.close)
        self._jobs.put(None)
        await self._loop.run_in_executor(self._readers, self._writer.join)
        self._readers.shutdown()

    async def _call(self, job: Callable[[Ledger], T | Refusal]) -> T:
        outcome: T = await self._submit(job)
        return outcome

    def _submit(self, job: Job) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((job, future))
        return future

    def _guarded(self, work: Callable[..., T], *arguments: Any) -> T:
        """On the reading thread."""
        try:
            return work(self._reading, *arguments)
        except sqlite3.Error as error:
            raise _refusal(error) from error

    # ---- on the writing thread

    def _write_all(self) -> None:
        book = Ledger(self._connection, self._limits)
        unmerged_bytes = 0
        while group := self._next_group():
            outcomes = self._carry_out(book, [job for job, _ in group])
            size_bytes = sum(job.size_bytes for job, _ in group if isinstance(job, Append))
            self._loop.call_soon_threadsafe(self._settle, group, outcomes, size_bytes)
            unmerged_bytes += size_bytes + 4096 * len(group)
            if unmerged_bytes >= _CHECKPOINT_BYTES:
                database.checkpoint(self._connection, "PASSIVE")
                unmerged_bytes = 0
        database.checkpoint(self._connection, "TRUNCATE")
        self._connection.close()

    def _next_group(self) -> list[tuple[Job, "asyncio.Future[Any]"]]:
        """Wait for a job, then take all that are due with it. Empty when the store closes."""
        group: list[tuple[Job, asyncio.Future[Any]]] = []
        size_bytes = 0
        while len(group) < _GROUP_JOBS and size_bytes < _GROUP_BYTES:
            try:
                item = self._jobs.get(block=not group)
            except queue.Empty:
                break
            if item is None:
                if group:
                    self._jobs.put(None)  # close after this group: nothing is handed in any more
                break
            group.append(item)
            size_bytes += item[0].size_bytes if isinstance(item[0], Append) else 0
        return group

    def _carry_out(self, book: Ledger, jobs: Sequence[Job]) -> list[Any]:
        try:
            outcomes = book.transaction(lambda: ledger.run_together(book, jobs))
        except sqlite3.Error as error:
            if len(jobs) > 1:  # what can be done (reading, say, on a full disk) is not dragged down
                return [self._carry_out(book, [job])[0] for job in jobs]
            refusal = _refusal(error)
            self.full = refusal.code == "full"
            return [refusal]
        self.transactions += 1
        if any(isinstance(job, Append) for job in jobs):
            self.full = False
        return outcomes

    # ---- back on the event loop

    def _settle(self, group: Sequence[tuple[Job, "asyncio.Future[Any]"]], outcomes: list[Any], size_bytes: int) -> None:
        self._pending_bytes -= size_bytes
        for (_, future), outcome in zip(group, outcomes, strict=True):
            if future.cancelled():
                continue
            if isinstance(outcome, Refusal):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


def _read(connection: sqlite3.Connection, room: int, after: int, max_frames: int, max_bytes: int) -> Page:
    frames: list[bytes] = []
    check = b""
    size_bytes = 0
    for cursor, frame, its_check in tables.frames_after(connection, room, after, max_frames):
        size_bytes += len(frame)
        if frames and size_bytes > max_bytes:
            break
        frames.append(frame)
        after, check = cursor, its_check
    return Page(after, check, tuple(frames))


def _refusal(error: sqlite3.Error) -> Refusal:
    code = error.sqlite_errorcode & 0xFF if hasattr(error, "sqlite_errorcode") else 0
    if code == sqlite3.SQLITE_FULL:
        return Refusal("full", "the relay's disk is full", 5000)
    _log.error("the store failed: %s", error)
    return Refusal("internal", "the relay's store failed", 5000)
