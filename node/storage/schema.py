"""The tables, and how a database of an earlier version becomes one of this version.

Ids are BLOBs. A column named `sealed` holds what `sealing` made of it; nothing that could be content or a
name of the user's is in any other column. What stays readable to a thief: thread, room, device and session
ids, sizes, counts, and the order in which things were stored.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

APPLICATION_ID = 0x4F504E53  # "OPNS", so that file(1) and we know one of ours

_VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);

CREATE TABLE threads (
    thread BLOB PRIMARY KEY,
    room BLOB,
    newest_row INTEGER NOT NULL DEFAULT 0,  -- of its frames: tells what there is to upload without a scan
    sealed BLOB                             -- summary; NULL while frames arrive and nothing is known yet
);
CREATE INDEX threads_by_room ON threads (room) WHERE room IS NOT NULL;

CREATE TABLE frames (
    row INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused, so that "uploaded up to row" stays true
    thread BLOB NOT NULL,
    envelope BLOB NOT NULL,
    lane INTEGER NOT NULL,
    owner BLOB NOT NULL,
    session BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    frame BLOB NOT NULL,
    hash BLOB NOT NULL,
    origin INTEGER NOT NULL,
    status INTEGER NOT NULL
);
CREATE UNIQUE INDEX frames_once ON frames (thread, envelope);
-- SQLite appends the row to every index, so this one is (thread, row).
CREATE INDEX frames_in_order ON frames (thread);
CREATE INDEX frames_by_hash ON frames (hash);
CREATE INDEX frames_being_tried ON frames (status) WHERE status = 1;

CREATE TABLE texts (
    thread BLOB NOT NULL,
    message TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (thread, message)
);

CREATE TABLE events (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    thread BLOB NOT NULL,
    sealed BLOB NOT NULL
);
CREATE INDEX events_by_thread ON events (thread);

CREATE TABLE origins (origin INTEGER PRIMARY KEY AUTOINCREMENT, tag BLOB NOT NULL UNIQUE, sealed BLOB NOT NULL);
CREATE TABLE progress (
    origin INTEGER NOT NULL,
    room BLOB NOT NULL,
    cursor INTEGER NOT NULL,
    check_hash BLOB NOT NULL,
    uploaded_row INTEGER NOT NULL,
    PRIMARY KEY (origin, room)
) WITHOUT ROWID;
CREATE INDEX progress_by_room ON progress (room);

-- Names may say something (a file that is followed, a provider): a keyed tag stands for them.
CREATE TABLE settings (tag BLOB PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE secrets (tag BLOB PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE checkpoints (tag BLOB PRIMARY KEY, sealed BLOB NOT NULL);

CREATE TABLE runs (run TEXT PRIMARY KEY, thread BLOB NOT NULL, state TEXT NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX runs_by_thread ON runs (thread);
CREATE INDEX runs_by_state ON runs (state);

CREATE TABLE answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tag BLOB NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL
);
CREATE INDEX answers_by_age ON answers (at_ms);
"""


def _create(connection: sqlite3.Connection) -> None:
    for statement in _VERSION_1.split(";\n"):
        if statement.strip():
            connection.execute(statement)


@dataclass(frozen=True)
class Schema:
    """A version, how to create it in an empty database, and one step from each earlier version to the next."""

    version: int
    create: Callable[[sqlite3.Connection], None]
    steps: Mapping[int, Callable[[sqlite3.Connection], None]] = field(default_factory=dict)


CURRENT = Schema(version=1, create=_create)


def create(connection: sqlite3.Connection, schema: Schema) -> None:
    """Make the tables, within the caller's transaction."""
    schema.create(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {schema.version}")


def migrate(connection: sqlite3.Connection, schema: Schema, found: int) -> None:
    """Bring the tables from version `found` to the schema's, within the caller's transaction."""
    for version in range(found, schema.version):
        schema.steps[version](connection)
    connection.execute(f"PRAGMA user_version = {schema.version}")
