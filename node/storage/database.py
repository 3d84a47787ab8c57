"""The two connections to the database file, and the settings that make "stored" mean stored.

One connection writes *and* checkpoints: SQLite 3.7.0 to 3.51.2 can reset the log wrongly when one connection
checkpoints while another writes. The second one is read-only, so that a long search does not hold up a write.
`synchronous=FULL`: with NORMAL, simulated power cuts lost acknowledged commits in over half of all cases.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite

from node.storage import faults, opening
from node.storage.apply import Connection
from node.storage.opening import Opened
from node.storage.schema import CURRENT, Schema
from node.storage.sealing import Sealer
from node.storage.writer import Writer

T = TypeVar("T")
_WRITER_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS: fsync alone leaves data in the drive's cache
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = FAST",  # deleted content is overwritten where that costs no extra write
    "PRAGMA cache_size = -2000",
    "PRAGMA journal_size_limit = 8388608",  # give disk space back after a burst
)
_READER_SETTINGS = ("PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0", "PRAGMA cache_size = -2000")


class Database:
    """An open database: `write` work in transactions, `read` between them. Made by `Database.open`."""

    def __init__(
        self, path: Path, writing: aiosqlite.Connection, reading: aiosqlite.Connection, opened: Opened
    ) -> None:
        self.path = path
        self.opened = opened
        self._writing = writing
        self._reading = reading
        self.writer = Writer(_bare(writing), lambda function: _in_thread(writing, function), path)

    @classmethod
    async def open(cls, path: Path, sealer: Sealer, schema: Schema = CURRENT) -> "Database":
        """Create, check or migrate the file, then open it. Raises what `opening.prepare` raises."""
        opened = await asyncio.to_thread(opening.prepare, path, sealer, schema)
        writing = reading = None
        try:
            writing = await aiosqlite.connect(path, timeout=opening.BUSY_TIMEOUT_S, isolation_level=None)
            await _set(writing, _WRITER_SETTINGS)
            reading = await aiosqlite.connect(
                opening.read_only_uri(path), uri=True, timeout=opening.BUSY_TIMEOUT_S, isolation_level=None
            )
            await _set(reading, _READER_SETTINGS)
        except (sqlite3.Error, OSError) as error:
            # Their threads are no daemons: left open, they would keep the process from ending.
            for connection in (reading, writing):
                if connection is not None:
                    await connection.close()
            raise faults.translate(error, path) from error
        return cls(path, writing, reading, opened)

    async def write(self, work: Callable[[Connection], T], size_bytes: int = 0) -> T:
        """Run the work in a transaction, perhaps together with others; returns once it is on the disk."""
        return cast(T, await self.writer.write(work, size_bytes))

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run a question on the read-only connection; it sees everything that `write` has returned for."""
        connection = _bare(self._reading)
        try:
            return await _in_thread(self._reading, lambda: question(connection))
        except sqlite3.Error as error:
            raise faults.translate(error, self.path) from error

    async def close(self) -> None:
        """Store what is under way, fold the log into the file, and let go of it."""
        await self.writer.close()
        await self._reading.close()
        try:
            await self._writing.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:  # a full disk: the log stays, and the next start reads it
            pass
        finally:
            await self._writing.close()


async def _set(connection: aiosqlite.Connection, settings: tuple[str, ...]) -> None:
    for setting in settings:
        await connection.execute_fetchall(setting)


def _bare(connection: aiosqlite.Connection) -> Connection:
    return cast(Connection, connection._conn)


async def _in_thread(connection: aiosqlite.Connection, function: Callable[[], T]) -> T:
    # A transaction of many statements is one hop to the database's thread, not one hop for each statement.
    # aiosqlite has no public name for "run this there"; `_execute` has been that since its first versions.
    execute: Callable[[Callable[[], Any]], Any] = cast(Any, connection)._execute
    return cast(T, await execute(function))
