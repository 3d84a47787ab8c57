"""Bring what is sound in a damaged database into a new one, and put the damaged one aside, untouched.

Frames are the truth of every thread: whatever else is lost can be rebuilt from them, and frames that are
lost come again from a relay or another device, since it is forgotten here how far those had been read.
Every row proves itself: a frame by its hash, any other by its seal. Synchronous, while no node has the home.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crdt.errors import OpenSeshError
from crdt.wire import frame_hash
from node.storage import apply, aside, backup, faults, files, opening
from node.storage import schema as schemas
from node.storage.sealing import Sealer

_PAGE = 200
_LAST_ROWID = 2**63 - 1
_Row = tuple[Any, ...]


@dataclass(frozen=True)
class Rescued:
    """Rows saved, and rows that were there and did not prove themselves, by table; where the damaged one lies.

    Rows on pages that can't be read at all are in neither count. Summaries and texts are to be rebuilt from
    the frames; a thread without a summary is not listed until then.
    """

    saved: dict[str, int]
    refused: dict[str, int]
    damaged: Path
    generation: int


def rescue(database: Path, installation_key: bytes) -> Rescued:
    """Replace a damaged database by what can be saved of it.

    Raises DATABASE_CORRUPT if that is nothing, DISK_FULL and the like; nothing has changed then.
    """
    sealer = Sealer(installation_key)
    fresh = database.with_name(database.name + opening.RESTORING)
    saved: dict[str, int] = {}
    refused: dict[str, int] = {}
    try:
        aside.back_after_crash(database, "damaged")
        fresh.unlink(missing_ok=True)
        files.put_in_place(fresh, lambda path: opening.create(path, sealer, schemas.CURRENT))
        with closing(sqlite3.connect(fresh, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = DELETE")
            target.execute("PRAGMA synchronous = FULL")
            target.execute("BEGIN IMMEDIATE")
            with closing(opening.read_only(database)) as source:
                for table, proves in _proofs(sealer).items():
                    saved[table], refused[table] = _copy(source, target, table, proves)
                if not any(saved.values()):
                    raise faults.corrupt(database, "no row of it can be read")
                generation = _continue_numbers(source, target)
            target.execute("COMMIT")
        moves = aside.plan(database, "damaged")
        aside.carry_out(moves)
        fresh.replace(database)
        files.sync_folder(database.parent)
        return Rescued(saved, refused, moves[0][1], generation)
    except (OSError, sqlite3.Error) as error:
        raise faults.translate(error, database) from error
    finally:
        if database.exists():
            fresh.unlink(missing_ok=True)


def _proofs(sealer: Sealer) -> dict[str, Callable[[_Row], bool]]:
    """For each table worth saving, whether a row of it is what was once stored."""

    def sealed(table: str, row_id: Callable[[_Row], bytes], column: int) -> Callable[[_Row], bool]:
        seal = sealer.table(table)

        def opens(row: _Row) -> bool:
            try:
                seal.open(row_id(row), row[column])
            except (OpenSeshError, AttributeError, TypeError, UnicodeError):
                return False
            return True

        return opens

    return {
        "frames": lambda row: isinstance(row[7], bytes) and frame_hash(row[7]) == row[8],
        "threads": lambda row: row[3] is None or sealed("threads", lambda each: each[0], 3)(row),
        "texts": sealed("texts", lambda row: apply.text_id(row[0], row[1]), 2),
        "origins": sealed("origins", lambda row: row[1], 2),
        "settings": sealed("settings", lambda row: row[0], 1),
        "secrets": sealed("secrets", lambda row: row[0], 1),
        "checkpoints": sealed("checkpoints", lambda row: row[0], 1),
        "runs": sealed("runs", lambda row: apply.run_id(row[0], row[1]), 3),
        "answers": sealed("answers", lambda row: row[1], 3),
    }


def _copy(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, proves: Callable[[_Row], bool]
) -> tuple[int, int]:
    saved = refused = 0
    for _, *row in _readable(source, table):
        if not proves(tuple(row)):
            refused += 1
            continue
        marks = ", ".join("?" * len(row))
        target.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 (names are ours)
        saved += 1
    return saved, refused


def _readable(source: sqlite3.Connection, table: str) -> Iterator[_Row]:
    """(rowid, columns…) of every row that can be read, in order; what lies on damaged pages is jumped over."""
    after: int | None = -1
    limit = _PAGE
    while after is not None:
        page = _page(source, table, after, limit)
        if page:
            yield from page
            after, limit = page[-1][0], _PAGE
        elif page is None and limit > 1:
            limit = 1  # read up to the damage row by row
        elif page is None:
            after = _beyond_damage(source, table, after)
        else:
            return


def _beyond_damage(source: sqlite3.Connection, table: str, after: int) -> int | None:
    """The lowest rowid after which rows can be read again; None if there is none."""
    step = 1
    while _page(source, table, after + step, 1) is None:
        step *= 2
        if after + step >= _LAST_ROWID // 2:
            return None
    low, high = step // 2, step
    while high - low > 1:
        middle = (low + high) // 2
        if _page(source, table, after + middle, 1) is None:
            low = middle
        else:
            high = middle
    return after + high


def _page(source: sqlite3.Connection, table: str, after: int, limit: int) -> list[_Row] | None:
    """Some rows after a rowid, or None if SQLite can't read them."""
    try:
        sql = f"SELECT rowid, * FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608
        return source.execute(sql, (after, limit)).fetchall()
    except (sqlite3.DatabaseError, UnicodeError):
        return None


def _continue_numbers(source: sqlite3.Connection, target: sqlite3.Connection) -> int:
    """Never use a cursor again, tell the node to begin new sessions, and note what there is to upload."""
    target.execute(
        "INSERT INTO threads (thread, newest_row) SELECT thread, max(row) FROM frames WHERE true GROUP BY thread"
        " ON CONFLICT (thread) DO UPDATE SET newest_row = excluded.newest_row"
    )
    for name, reader in (("generation", "SELECT value FROM meta WHERE name = 'generation'"),
                         ("event_floor", "SELECT seq FROM sqlite_sequence WHERE name = 'events'")):  # fmt: skip
        try:
            found = source.execute(reader).fetchone()
        except sqlite3.DatabaseError:
            found = (backup.CURSOR_JUMP,)  # unknown: further than any number that was given out
        if found is not None:
            target.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, int(found[0])))
    return backup.mark_restored(target)
