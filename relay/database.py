"""Open the relay's SQLite file with care: private, whole, ours, of a version we know; or say why not.

A damaged or newer file is left as it is. The folder is 0700 and the file 0600: frames are sealed,
but sizes, times and rooms are nobody else's business either.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crdt import errors
from relay import tables

FILE_NAME: Final = "relay.db"
_QUICK_CHECK_BYTES: Final = 128 * 1024 * 1024
_SQLITE_HEADER: Final = b"SQLite format 3\x00"
_NOT_OUR_DAMAGE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR)
_log = logging.getLogger(__name__)


def prepare_folder(folder: Path) -> int:
    """Make the folder private and claim it. Returns the lock's descriptor, to be kept open.

    Raises `HOME_LOCKED` if another relay uses it, `HOME_UNSAFE` if it can't be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = os.open(folder / "relay.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(str(error.strerror)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise errors.HOME_LOCKED(
            "Another relay is already using this data folder.", next="Stop it, or give another --data DIR."
        ) from error
    return lock


def open_writing(path: Path) -> sqlite3.Connection:
    """The writing connection, on a new or checked database.

    Raises `DATABASE_CORRUPT` (damaged, or not a relay's), `DATABASE_NEWER`, `DISK_FULL`, `HOME_UNSAFE`.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)  # the WAL and shared-memory files take the mode of the database
        return _open_checked(path)
    except OSError as error:
        raise _unusable(str(error.strerror)) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise errors.DISK_FULL("The disk is full; the relay can't open its database.") from error
        if code in _NOT_OUR_DAMAGE:
            raise _unusable(str(error)) from error
        raise _corrupt(str(error)) from error


def _open_checked(path: Path) -> sqlite3.Connection:
    size_bytes = path.stat().st_size
    # With a rollback journal the file may be half written, and opening it puts that right.
    if size_bytes and not path.with_name(path.name + "-journal").exists():
        _check_header(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        is_new = _is_empty(connection)
        version = tables.SCHEMA_VERSION
        if not is_new:
            version = _check_version(connection)
            _check_pages(connection, size_bytes, tables.NAMES[version])
        for pragma in tables.PRAGMAS:
            connection.execute(pragma)
        if is_new:
            tables.create(connection, os.urandom(16))
        elif version < tables.SCHEMA_VERSION:
            tables.upgrade(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reading(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA cache_size=-2048")
    return connection


def checkpoint(connection: sqlite3.Connection, mode: str) -> None:
    """Move the write-ahead log into the database. On a full disk it stays where it is, and nothing is lost."""
    try:
        connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
    except sqlite3.Error as error:
        _log.warning("the checkpoint was put off: %s", error)


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_SQLITE_HEADER)) != _SQLITE_HEADER:
            raise _corrupt("it is no SQLite database")


def _is_empty(connection: sqlite3.Connection) -> bool:
    """New, or killed between the creation of the file and that of its tables."""
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _check_version(connection: sqlite3.Connection) -> int:
    """The version of its tables, one that we know."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != tables.APPLICATION_ID:
        raise _corrupt("it is another program's database")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > tables.SCHEMA_VERSION:
        raise errors.DATABASE_NEWER("The relay's data was written by a newer version.", next="Upgrade the relay.")
    if version not in tables.NAMES:
        raise _corrupt(f"its version is {version}")
    return version


def _check_pages(connection: sqlite3.Connection, size_bytes: int, names: Sequence[str]) -> None:
    """Small databases are read through; of large ones, what opening and the tables' roots show."""
    if size_bytes <= _QUICK_CHECK_BYTES:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise _corrupt(str(verdict))
    for name in names:
        connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT 1)").fetchone()  # noqa: S608


def _unusable(reason: str) -> errors.OpenSeshError:
    return errors.HOME_UNSAFE(
        f"The data folder can't be used: {reason}.", next="Give a folder of your own with --data DIR."
    )


def _corrupt(reason: str) -> errors.OpenSeshError:
    return errors.DATABASE_CORRUPT(
        f"The relay's database is damaged ({reason}); it was left untouched.",
        next="Move relay.db aside and restart: nodes upload again what they have.",
    )
