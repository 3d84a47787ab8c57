"""Say what went wrong in SQLite in the product's own words: full, locked, damaged, or unknown."""

import errno
import sqlite3
from pathlib import Path

from crdt.errors import DATABASE_CORRUPT, DISK_FULL, FILE_UNREADABLE, HOME_LOCKED, INTERNAL, OpenSeshError

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code (the low byte of the extended one), or -1 where there is none."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else int(code) & 0xFF


def is_hopeless(error: Exception) -> bool:
    """Whether the same transaction with less in it would fail as well: a lock, damage, a failing disk."""
    hopeless = _LOCKED | _DAMAGED | {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
    return isinstance(error, sqlite3.Error) and primary_code(error) in hopeless


def translate(error: BaseException, path: Path) -> BaseException:
    """The `OpenSeshError` for a SQLite or operating-system error; anything else is returned as it is."""
    if isinstance(error, OSError):
        return _from_system(error, path)
    if not isinstance(error, sqlite3.Error):
        return error
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return DISK_FULL(path=str(path))
    if code in _LOCKED:
        return HOME_LOCKED(
            "Another program holds the database's lock.", next="Close what has it open, then try again.", path=str(path)
        )
    if code in _DAMAGED:
        return corrupt(path, str(error))
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        return FILE_UNREADABLE("The database can't be opened for writing.", path=str(path), cause=str(error))
    return INTERNAL("The database reported an error.", path=str(path), cause=str(error))


def corrupt(path: Path, cause: str) -> OpenSeshError:
    return DATABASE_CORRUPT(f"The database {path} is damaged; it was left untouched.", path=str(path), cause=cause)


def _from_system(error: OSError, path: Path) -> OpenSeshError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL(path=str(path))
    return FILE_UNREADABLE(f"{path} can't be used: {error.strerror or error}.", path=str(path))
