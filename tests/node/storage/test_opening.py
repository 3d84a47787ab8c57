"""A database that is damaged, foreign, newer, locked or older at start: named, and never made worse."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt.errors import (
    DATABASE_CORRUPT,
    DATABASE_NEWER,
    DISK_FULL,
    HOME_LOCKED,
    KEYS_UNREADABLE,
    ErrorKind,
    OpenSeshError,
)
from node.storage import files, opening
from node.storage.schema import CURRENT, Schema
from node.store import Batch, Store, Text
from tests.node.storage.store_rows import KEY, a_frame, a_summary, ident


@pytest.fixture
async def closed(database_path: Path) -> Path:
    """A database of some pages, closed cleanly."""
    store = await Store.open(database_path, KEY)
    texts = [Text(ident("a"), str(number), "word " * 20) for number in range(200)]
    frames = [a_frame("a", number) for number in range(200)]
    await store.write(Batch(frames=frames, texts=texts, summaries=[a_summary("a")]))
    await store.close()
    return database_path


def folder(path: Path) -> dict[str, bytes]:
    """Every file that holds anything. (Reading makes SQLite put an empty log and its index beside a database.)"""
    files_there = (file for file in path.parent.iterdir() if not file.name.endswith("-shm"))
    return {file.name: file.read_bytes() for file in files_there if file.stat().st_size}


def damage(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


def truncate(path: Path, size_bytes: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size_bytes)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def refused(path: Path, kind: ErrorKind, key: bytes = KEY, schema: Schema = CURRENT) -> OpenSeshError:
    """Opening raises `kind`, and every file is what it was."""
    before = folder(path)
    with pytest.raises(OpenSeshError) as error:
        await Store.open(path, key, schema)
    assert error.value.kind is kind
    assert folder(path) == before
    return error.value


def left_unclean(path: Path, tmp_path: Path) -> Path:
    """The database as a killed process leaves it: with a log that is not folded in."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("INSERT INTO meta VALUES ('late', x'01')")
        killed = tmp_path / "killed"
        killed.mkdir()
        for end in ("", "-wal"):
            (killed / (path.name + end)).write_bytes(path.with_name(path.name + end).read_bytes())
    return killed / path.name


async def test_database_and_log_are_private(store: Store) -> None:
    await store.write(Batch(frames=[a_frame("a", 1)]))
    modes = {file.name: file.stat().st_mode & 0o777 for file in store.path.parent.iterdir()}
    assert modes == {"opensesh.db": 0o600, "opensesh.db-wal": 0o600, "opensesh.db-shm": 0o600}


@pytest.fixture
def readable_by_all(closed: Path) -> Path:
    closed.chmod(0o644)
    return closed


async def test_a_database_that_others_could_read_is_private_again_after_a_start(readable_by_all: Path) -> None:
    await (await Store.open(readable_by_all, KEY)).close()
    assert mode(readable_by_all) == 0o600


async def test_what_is_stored_is_meant_to_survive_a_power_cut(store: Store) -> None:
    def settings(connection: object) -> list[object]:
        assert isinstance(connection, sqlite3.Connection)
        return [
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "fullfsync")
        ]

    writing = store._database.writer._connection
    reading = store._database._reading._conn
    full = 2
    assert await store._database.write(lambda _: settings(writing)) == ["wal", full, 1]
    checkpoints = await store._database.read(lambda _: reading.execute("PRAGMA wal_autocheckpoint").fetchone()[0])
    assert checkpoints == 0


@pytest.mark.parametrize("kept", [0, 1, 50, 99, 4096, 20_000])
async def test_a_truncated_database_is_named_and_left_alone(closed: Path, kept: int) -> None:
    truncate(closed, kept)
    error = await refused(closed, DATABASE_CORRUPT)
    assert str(closed) in error.message
    assert "backup restore" in error.to_json()["next"]


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\x00" + b"\xff" * 8000])
async def test_garbage_is_no_database(closed: Path, content: bytes) -> None:
    damage(closed, 0, content)
    await refused(closed, DATABASE_CORRUPT)


async def test_a_damaged_page_is_found(closed: Path) -> None:
    for page in range(2, 20):
        damage(closed, page * 4096, b"\xa5" * 60)
    await refused(closed, DATABASE_CORRUPT)


async def test_a_database_of_another_program_is_refused(database_path: Path) -> None:
    with closing(sqlite3.connect(database_path)) as connection:
        connection.execute("CREATE TABLE other (x)")
    await refused(database_path, DATABASE_CORRUPT)


async def test_a_missing_table_is_damage(closed: Path) -> None:
    with closing(sqlite3.connect(closed)) as connection:
        connection.execute("DROP TABLE meta")
    await refused(closed, DATABASE_CORRUPT)


async def test_a_log_without_its_database_is_not_overwritten(closed: Path, tmp_path: Path) -> None:
    killed = left_unclean(closed, tmp_path)
    killed.unlink()
    await refused(killed, DATABASE_CORRUPT)


async def test_a_damaged_database_keeps_its_log_too(closed: Path, tmp_path: Path) -> None:
    killed = left_unclean(closed, tmp_path)
    damage(killed, 4096 * 3, bytes(4096 * 20))
    await refused(killed, DATABASE_CORRUPT)


async def test_after_an_unclean_stop_everything_is_checked_and_there(closed: Path, tmp_path: Path) -> None:
    killed = left_unclean(closed, tmp_path)
    store = await Store.open(killed, KEY)
    assert store.opened.unclean
    late = await store._database.read(
        lambda each: each.execute("SELECT value FROM meta WHERE name = 'late'").fetchone()
    )
    assert late == (b"\x01",)
    assert len(await store.frames(ident("a"))) == 200
    await store.close()


async def test_an_index_that_disagrees_is_found_after_an_unclean_stop(closed: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
        # quick_check would not see that the index lacks rows which the table has.
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE INDEX runs_by_state ON runs (thread)'"
                           " WHERE name = 'runs_by_state'")  # fmt: skip
        connection.execute("PRAGMA writable_schema = OFF")
    with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
        connection.execute("INSERT INTO runs VALUES ('r', x'01', 'state', x'00')")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE INDEX runs_by_state ON runs (state)'"
                           " WHERE name = 'runs_by_state'")  # fmt: skip
    await refused(left_unclean(closed, tmp_path), DATABASE_CORRUPT)


async def test_the_check_at_a_clean_start_is_bounded_in_time(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "CLEAN_CHECK_S", -1.0)
    store = await Store.open(closed, KEY)
    assert len(await store.summaries()) == 1
    await store.close()


async def test_another_installations_key_is_refused(closed: Path) -> None:
    await refused(closed, KEYS_UNREADABLE, key=b"\x07" * 32)


async def test_a_database_of_a_newer_version_is_refused(closed: Path) -> None:
    with closing(sqlite3.connect(closed)) as connection:
        connection.execute(f"PRAGMA user_version = {CURRENT.version + 1}")
    error = await refused(closed, DATABASE_NEWER)
    assert error.details["found"] == CURRENT.version + 1


def _next_version(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE runs ADD COLUMN lease INTEGER NOT NULL DEFAULT 7")


def _failing(connection: sqlite3.Connection) -> None:
    _next_version(connection)
    raise sqlite3.OperationalError("out of luck")


async def test_a_migration_keeps_everything_and_leaves_a_backup_of_before(closed: Path) -> None:
    newer = Schema(CURRENT.version + 1, CURRENT.create, {CURRENT.version: _next_version})
    store = await Store.open(closed, KEY, newer)
    assert store.opened.migrated_from == CURRENT.version
    assert len(await store.frames(ident("a"))) == 200
    columns = await store._database.read(
        lambda each: each.execute("SELECT * FROM pragma_table_info('runs')").fetchall()
    )
    assert "lease" in [column[1] for column in columns]
    await store.close()
    backup = store.opened.backup
    assert backup is not None
    assert mode(backup) == 0o600
    former = await Store.open(backup, KEY)
    assert len(await former.frames(ident("a"))) == 200
    await former.close()


async def test_a_migration_that_fails_changes_nothing(closed: Path) -> None:
    newer = Schema(CURRENT.version + 1, CURRENT.create, {CURRENT.version: _failing})
    with pytest.raises(OpenSeshError):
        await Store.open(closed, KEY, newer)
    store = await Store.open(closed, KEY)
    assert len(await store.frames(ident("a"))) == 200
    await store.close()


async def test_no_migration_is_begun_without_room_for_its_backup(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, make: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "put_in_place", full)
    newer = Schema(CURRENT.version + 1, CURRENT.create, {CURRENT.version: _next_version})
    await refused(closed, DISK_FULL, schema=newer)


async def test_a_database_that_another_program_holds_is_named(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(closed, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OpenSeshError) as error:
            await Store.open(closed, KEY)
        assert error.value.kind is HOME_LOCKED


async def test_a_start_cut_off_while_creating_begins_again(database_path: Path) -> None:
    database_path.with_name(database_path.name + ".new").write_bytes(b"half")
    store = await Store.open(database_path, KEY)
    assert store.opened.created
    await store.close()
    assert [file.name for file in database_path.parent.iterdir()] == [database_path.name]
