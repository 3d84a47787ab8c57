"""The relay's tables and the statements on them. No thread, no queue: a connection goes in.

A frame's row id is its room's number and its cursor in one integer, so that one room's frames lie
together in cursor order without a second index, and cursors count per room: what one room's reader
sees tells nothing about the others. Only `execute` and `fetch…` are used of the connection, so that
the power-cut tests can run these very statements on a recording file system.
"""

import functools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

SCHEMA_VERSION: Final = 3
APPLICATION_ID: Final = 0x4F535259  # "OSRY"
CURSOR_BITS: Final = 40
_MAX_ROWS: Final = 64  # of one statement: few enough to stay in the statement cache

PRAGMAS: Final = (
    # In WAL mode the same as FULL. Set first, because it also syncs the folder when the rollback journal of
    # the switch to WAL is deleted: if a power cut brought that one back, it would roll everything back.
    "PRAGMA synchronous=EXTRA",
    "PRAGMA journal_mode=WAL",
    "PRAGMA wal_autocheckpoint=0",  # the writer checkpoints by itself, after it has acknowledged
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-8192",
    "PRAGMA temp_store=MEMORY",
)

# For each login of a room, the newest certificate (an empty signature: none) and a letter.
_LETTERS: Final = """CREATE TABLE letters (
    room INTEGER NOT NULL, login BLOB NOT NULL, append INTEGER NOT NULL, generation INTEGER NOT NULL,
    signature BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (room, login))"""

# Drawn for each transaction; empty in rows that are older than the column.
_BATCH: Final = "batch BLOB NOT NULL DEFAULT x''"

SCHEMA: Final = (
    f"PRAGMA application_id={APPLICATION_ID}",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    """CREATE TABLE rooms (
        number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, last INTEGER NOT NULL, bytes INTEGER NOT NULL,
        generation INTEGER NOT NULL, mail_last INTEGER NOT NULL)""",
    "CREATE TABLE frames (place INTEGER PRIMARY KEY, room INTEGER NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL, "
    f"{_BATCH})",
    "CREATE UNIQUE INDEX frame_once ON frames (room, hash)",
    "CREATE TABLE mail (place INTEGER PRIMARY KEY, arrived_s INTEGER NOT NULL, body BLOB NOT NULL)",
    _LETTERS,
    f"PRAGMA user_version={SCHEMA_VERSION}",
)

_NAMES: Final = ("meta", "rooms", "frames", "mail", "letters")
NAMES: Final = {1: _NAMES[:4], 2: _NAMES, 3: _NAMES}
UPGRADES: Final = {  # from that version to the next
    1: (_LETTERS,),
    2: (f"ALTER TABLE frames ADD COLUMN {_BATCH}",),
}


@dataclass(slots=True)
class RoomRow:
    """One room as stored. `last` is its newest cursor (0: empty), `bytes` the sum of its frames' sizes."""

    number: int
    key: bytes
    last: int
    bytes: int
    generation: int
    mail_last: int


@dataclass(frozen=True, slots=True)
class LetterRow:
    """What is kept for one login. Without a certificate `signature` is empty."""

    append: bool
    generation: int
    signature: bytes
    body: bytes


def create(connection: sqlite3.Connection, store_id: bytes) -> None:
    """Make the tables of a new database, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('store', ?)", (store_id,))
    connection.execute("COMMIT")


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables of an older version up to this one: all of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    for older in range(version, SCHEMA_VERSION):
        for statement in UPGRADES[older]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute("COMMIT")


def store_id(connection: sqlite3.Connection) -> bytes:
    return bytes(connection.execute("SELECT value FROM meta WHERE name = 'store'").fetchone()[0])


_ROOM: Final = "SELECT number, key, last, bytes, generation, mail_last FROM rooms"


def room_by_key(connection: sqlite3.Connection, key: bytes) -> RoomRow | None:
    row = connection.execute(f"{_ROOM} WHERE key = ?", (key,)).fetchone()
    return RoomRow(*row) if row else None


def room_by_number(connection: sqlite3.Connection, number: int) -> RoomRow:
    return RoomRow(*connection.execute(f"{_ROOM} WHERE number = ?", (number,)).fetchone())


def add_room(connection: sqlite3.Connection, key: bytes) -> RoomRow:
    connection.execute("INSERT INTO rooms (key, last, bytes, generation, mail_last) VALUES (?, 0, 0, 0, 0)", (key,))
    row = room_by_key(connection, key)
    assert row is not None
    return row


def count_rooms(connection: sqlite3.Connection) -> int:
    """The highest number given out; rooms are never deleted, so it is also their count."""
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM rooms").fetchone()[0])


def save_room(connection: sqlite3.Connection, room: RoomRow) -> None:
    connection.execute(
        "UPDATE rooms SET last = ?, bytes = ?, generation = ?, mail_last = ? WHERE number = ?",
        (room.last, room.bytes, room.generation, room.mail_last, room.number),
    )


def place(room: int, cursor: int) -> int:
    return room << CURSOR_BITS | cursor


def cursor_of(place: int) -> int:
    return place & ((1 << CURSOR_BITS) - 1)


def known(connection: sqlite3.Connection, room: int, hashes: Sequence[bytes]) -> set[bytes]:
    """Those of `hashes` that the room has. One statement for many: each step costs a GIL hand-over."""
    found: set[bytes] = set()
    for chunk in _chunks(hashes):
        rows = connection.execute(_known_statement(len(chunk)), (room, *chunk)).fetchall()
        found.update(bytes(row[0]) for row in rows)
    return found


def insert(connection: sqlite3.Connection, rows: Sequence[tuple[int, int, bytes, bytes, bytes]]) -> None:
    """Add frames as (place, room, hash, body, batch). A row that exists already is an error, never skipped."""
    for chunk in _chunks(rows):
        connection.execute(_insert_statement(len(chunk)), tuple(value for row in chunk for value in row))


def frames_after(
    connection: sqlite3.Connection, room: int, cursor: int, limit: int
) -> Iterator[tuple[int, bytes, bytes]]:
    """(cursor, frame, check) in order, at most `limit` of them; rows are read as they are asked for."""
    rows: Iterable[Any] = connection.execute(
        "SELECT place, body, batch, hash FROM frames WHERE place > ? AND place < ? ORDER BY place LIMIT ?",
        (place(room, cursor), place(room + 1, 0), limit),
    )
    for row in rows:
        yield cursor_of(row[0]), row[1], bytes(row[2] or row[3])


def check_at(connection: sqlite3.Connection, room: int, cursor: int) -> bytes | None:
    """What only a reader of this very log knows of a cursor: the batch it came with, or, if that is older, its hash."""
    row = connection.execute("SELECT batch, hash FROM frames WHERE place = ?", (place(room, cursor),)).fetchone()
    return bytes(row[0] or row[1]) if row else None


def add_mail(connection: sqlite3.Connection, room: RoomRow, body: bytes, now_s: int) -> None:
    room.mail_last += 1
    connection.execute("INSERT INTO mail VALUES (?, ?, ?)", (place(room.number, room.mail_last), now_s, body))


def mail_of(connection: sqlite3.Connection, room: int) -> list[bytes]:
    rows = connection.execute(
        "SELECT body FROM mail WHERE place > ? AND place < ? ORDER BY place", (place(room, 0), place(room + 1, 0))
    )
    return [bytes(row[0]) for row in rows.fetchall()]


def delete_mail(connection: sqlite3.Connection, room: int, upto: int) -> None:
    connection.execute("DELETE FROM mail WHERE place > ? AND place <= ?", (place(room, 0), place(room, upto)))


def expire_mail(connection: sqlite3.Connection, room: int, before_s: int) -> None:
    connection.execute(
        "DELETE FROM mail WHERE place > ? AND place < ? AND arrived_s < ?",
        (place(room, 0), place(room + 1, 0), before_s),
    )


def put_letter(connection: sqlite3.Connection, room: int, login: bytes, row: LetterRow) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO letters VALUES (?, ?, ?, ?, ?, ?)",
        (room, login, row.append, row.generation, row.signature, row.body),
    )


def letter_of(connection: sqlite3.Connection, room: int, login: bytes) -> LetterRow | None:
    row = connection.execute(
        "SELECT append, generation, signature, body FROM letters WHERE room = ? AND login = ?", (room, login)
    ).fetchone()
    return LetterRow(bool(row[0]), row[1], bytes(row[2]), bytes(row[3])) if row else None


def delete_letter(connection: sqlite3.Connection, room: int, login: bytes) -> None:
    connection.execute("DELETE FROM letters WHERE room = ? AND login = ?", (room, login))


def delete_idle_letter(connection: sqlite3.Connection, room: int, generation: int) -> bool:
    """Let go of the oldest letter that lets nobody in; whether there was one."""
    found = connection.execute(
        "SELECT rowid FROM letters WHERE room = ? AND (length(signature) = 0 OR generation < ?) ORDER BY rowid LIMIT 1",
        (room, generation),
    ).fetchone()
    if found is not None:
        connection.execute("DELETE FROM letters WHERE rowid = ?", found)
    return found is not None


def count_letters(connection: sqlite3.Connection, room: int) -> int:
    return int(connection.execute("SELECT count(*) FROM letters WHERE room = ?", (room,)).fetchone()[0])


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _MAX_ROWS):
        yield values[start : start + _MAX_ROWS]


@functools.cache
def _known_statement(count: int) -> str:
    return f"SELECT hash FROM frames WHERE room = ? AND hash IN ({', '.join('?' * count)})"  # noqa: S608


@functools.cache
def _insert_statement(count: int) -> str:
    return f"INSERT INTO frames (place, room, hash, body, batch) VALUES {', '.join(['(?, ?, ?, ?, ?)'] * count)}"  # noqa: S608
