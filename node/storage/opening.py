"""Find out whether the database may be used before anything can change it: then create, check or migrate it.

Everything here runs once, at start, before the first write, and is synchronous (call it in a thread). The
checks run on a read-only connection that can't checkpoint: a damaged database and its log stay byte for
byte what they were, for whoever tries to rescue them.
"""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from crdt.errors import DATABASE_NEWER, KEYS_UNREADABLE, OpenSeshError
from node.storage import faults, files
from node.storage import schema as schemas
from node.storage.sealing import Sealer

CLEAN_CHECK_S = 0.1
UNCLEAN_CHECK_S = 10.0
BUSY_TIMEOUT_S = 5.0
RESTORING = ".restoring"  # the end of a file's name while `backup.restore` is at work
_HEADER = b"SQLite format 3\x00"
_KEY_PROOF = b"this database belongs to this key"


@dataclass(frozen=True)
class Opened:
    """What was found: a new database, one that was not closed cleanly, where a migration's backup lies."""

    created: bool
    unclean: bool
    migrated_from: int | None
    backup: Path | None


def prepare(path: Path, sealer: Sealer, schema: schemas.Schema = schemas.CURRENT) -> Opened:
    """Make `path` a sound database of the schema's version, or raise and leave it as it is.

    Raises DATABASE_CORRUPT, DATABASE_NEWER, KEYS_UNREADABLE (another key's), HOME_LOCKED, DISK_FULL.
    """
    try:
        if not path.exists():
            _refuse_orphans(path)
            files.put_in_place(path, lambda neighbour: create(neighbour, sealer, schema))
            return Opened(True, False, None, None)
        path.chmod(files.PRIVATE)
        unclean = _size(path.with_name(path.name + "-wal")) > 0
        found = inspect(path, sealer, schema, unclean)
        backup = _migrate(path, schema, found) if found < schema.version else None
        return Opened(False, unclean, found if backup else None, backup)
    except (sqlite3.Error, OSError) as error:
        raise faults.translate(error, path) from error


def inspect(path: Path, sealer: Sealer, schema: schemas.Schema, unclean: bool) -> int:
    """Check header, size, version, key and structure without writing. Returns the version found."""
    _check_header(path, unclean)
    try:
        with closing(read_only(path)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != schemas.APPLICATION_ID:
                raise faults.corrupt(path, "it is no database of OpenSesh")
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found > schema.version:
                raise DATABASE_NEWER(path=str(path), found=found, understood=schema.version)
            _check_structure(connection, path, unclean)
            _check_key(connection, path, sealer)
            return found
    except sqlite3.OperationalError as error:
        if faults.primary_code(error) == sqlite3.SQLITE_ERROR:  # "no such table": the schema is not there
            raise faults.corrupt(path, str(error)) from error
        raise


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that can neither write nor checkpoint."""
    return sqlite3.connect(read_only_uri(path), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def read_only_uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def copy_to(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use, without its free pages, in one private file."""

    def make(neighbour: Path) -> None:
        with closing(read_only(source)) as connection:
            connection.execute("VACUUM INTO ?", (str(neighbour),))

    files.put_in_place(target, make)


def _refuse_orphans(path: Path) -> None:
    # A log without its database: the database was moved or deleted, and creating one would destroy the log.
    if path.with_name(path.name + RESTORING).exists():
        raise faults.corrupt(path, "restoring or repairing it was cut off; do that again")
    wal = path.with_name(path.name + "-wal")
    if _size(wal) > 0:
        raise faults.corrupt(path, f"{path.name} is missing, but {wal.name} is there")


def create(path: Path, sealer: Sealer, schema: schemas.Schema) -> None:
    """A whole, empty database in a new file."""
    # Complete before it gets its name: an empty or half-made file under that name is damage, never a start.
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        schemas.create(connection, schema)
        proof = sealer.table("meta").seal(b"key_proof", _KEY_PROOF)
        connection.execute("INSERT INTO meta VALUES ('key_proof', ?)", (proof,))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _check_header(path: Path, unclean: bool) -> None:
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_HEADER):
        raise faults.corrupt(path, "it does not begin as a SQLite database does")
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    pages = int.from_bytes(header[28:32], "big")
    # A checkpoint that was cut off may have written the header before the last pages; the log still has them.
    if not unclean and _size(path) < pages * page_bytes:
        raise faults.corrupt(path, f"it ends after {_size(path)} of {pages * page_bytes} bytes")


def _check_structure(connection: sqlite3.Connection, path: Path, unclean: bool) -> None:
    """After an unclean stop everything, indexes too; else as much as a quick start allows."""
    deadline = time.monotonic() + (UNCLEAN_CHECK_S if unclean else CLEAN_CHECK_S)
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 2000)
    try:
        result = connection.execute(f"PRAGMA {'integrity_check' if unclean else 'quick_check'}(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if faults.primary_code(error) == sqlite3.SQLITE_INTERRUPT:
            return  # out of time, and nothing wrong so far; what is read later is still checked by its seal
        raise
    finally:
        connection.set_progress_handler(None, 0)
    if result != "ok":
        raise faults.corrupt(path, str(result))


def _check_key(connection: sqlite3.Connection, path: Path, sealer: Sealer) -> None:
    found = connection.execute("SELECT value FROM meta WHERE name = 'key_proof'").fetchone()
    if found is None:
        raise faults.corrupt(path, "it does not say which key it belongs to")
    try:
        sealer.table("meta").open(b"key_proof", found[0])
    except OpenSeshError as error:
        raise KEYS_UNREADABLE(
            "This installation's key does not open its database.",
            next="Restore the key or the database that belongs with it; neither was changed.",
            path=str(path),
        ) from error


def _migrate(path: Path, schema: schemas.Schema, found: int) -> Path:
    backup = path.with_name(f"{path.name}.v{found}.backup")
    copy_to(path, backup)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            schemas.migrate(connection, schema, found)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return backup


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
