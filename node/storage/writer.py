"""Group commit: whatever is due at the same moment shares one transaction and one fsync.

While one group is on its way to the disk the next one collects. Each batch has a savepoint of its own, so
that a batch that fails takes nobody along; when the transaction as a whole fails (a full disk), its batches
are tried again one by one, so that only those fail that really can't be stored.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from crdt.errors import INTERNAL
from node.storage import faults
from node.storage.apply import Connection

MAX_GROUP = 512
MAX_GROUP_BYTES = 16 * 1024 * 1024
MAX_WAITING = 4096  # further writers wait for room in the queue; memory stays bounded

T = TypeVar("T")
Work = Callable[[Connection], Any]
Outcome = Any | BaseException
Execute = Callable[[Callable[[], list[Outcome]]], Awaitable[list[Outcome]]]


@dataclass(slots=True)
class _Waiting(Generic[T]):
    work: Work
    size_bytes: int
    done: "asyncio.Future[T]"


class Writer:
    """Runs work in transactions on the one writing connection, in the order in which it was handed in.

    `execute` runs a function in the database's thread. `transactions` counts the fsyncs that were paid.
    """

    def __init__(self, connection: Connection, execute: Execute, path: Path) -> None:
        self._connection = connection
        self._execute = execute
        self._path = path
        self._queue: asyncio.Queue[_Waiting[Any] | None] = asyncio.Queue(MAX_WAITING)
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="store writer")
        self.transactions = 0

    async def write(self, work: Work, size_bytes: int = 0) -> Any:
        """The work's result, once it is durable. Raises what the work raised, or DISK_FULL, HOME_LOCKED, …

        Cancelling the caller does not withdraw the work: it may or may not be stored.
        """
        if self._closing:
            raise INTERNAL("The store is closed.")
        waiting: _Waiting[Any] = _Waiting(work, size_bytes, asyncio.get_running_loop().create_future())
        await self._queue.put(waiting)
        return await waiting.done

    async def close(self) -> None:
        """Store what was handed in, then stop."""
        if not self._closing:
            self._closing = True
            await self._queue.put(None)
        await self._task

    async def _run(self) -> None:
        ended = False
        while not ended:
            first = await self._queue.get()
            # Let everybody who is due in this tick of the loop hand in their work first.
            await asyncio.sleep(0)
            group, ended = self._collect(first)
            if group:
                await self._store(group)
        self._refuse_the_rest()

    def _collect(self, first: "_Waiting[Any] | None") -> "tuple[list[_Waiting[Any]], bool]":
        group: list[_Waiting[Any]] = []
        size_bytes = 0
        following: _Waiting[Any] | None = first
        while following is not None:
            group.append(following)
            size_bytes += following.size_bytes
            if len(group) >= MAX_GROUP or size_bytes >= MAX_GROUP_BYTES or self._queue.empty():
                return group, False
            following = self._queue.get_nowait()
        return group, True

    async def _store(self, group: "list[_Waiting[Any]]") -> None:
        try:
            outcomes = await self._execute(lambda: self._commit([waiting.work for waiting in group]))
        except BaseException as error:
            outcomes = [error] * len(group)
            if not isinstance(error, Exception):
                _settle(group, outcomes)
                raise
        _settle(group, outcomes)

    def _commit(self, works: list[Work]) -> list[Outcome]:
        """In the database's thread: one transaction for all, or, if that fails, one for each."""
        try:
            return self._transaction(works)
        except Exception as error:
            # Waiting for a lock again, or writing again to a failing disk, would help nobody.
            if len(works) == 1 or faults.is_hopeless(error):
                return [faults.translate(error, self._path)] * len(works)
        return [outcome for work in works for outcome in self._commit([work])]

    def _transaction(self, works: list[Work]) -> list[Outcome]:
        connection = self._connection
        self.transactions += 1
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [self._one(work) for work in works]
            connection.execute("COMMIT")
        except BaseException:
            with suppress(Exception):  # SQLite itself has rolled back already after some errors
                connection.execute("ROLLBACK")
            raise
        return outcomes

    def _one(self, work: Work) -> Outcome:
        self._connection.execute("SAVEPOINT batch")
        try:
            result = work(self._connection)
        except Exception as error:
            try:
                self._connection.execute("ROLLBACK TO batch")
                self._connection.execute("RELEASE batch")
            except Exception:
                # SQLite gave up the whole transaction, as it may when the disk is full: there is no savepoint left.
                raise error from None
            return faults.translate(error, self._path)
        self._connection.execute("RELEASE batch")
        return result

    def _refuse_the_rest(self) -> None:
        while not self._queue.empty():
            waiting = self._queue.get_nowait()
            if waiting is not None:
                _settle([waiting], [INTERNAL("The store is closed.")])


def _settle(group: "list[_Waiting[Any]]", outcomes: list[Outcome]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.done.done():
            continue  # its caller was cancelled
        if isinstance(outcome, BaseException):
            waiting.done.set_exception(outcome)
        else:
            waiting.done.set_result(outcome)
