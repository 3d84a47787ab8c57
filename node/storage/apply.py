"""Turn one `Batch` into SQL, inside a transaction that is already open.

Plain functions over a DB-API connection: the writer calls them in the database's thread, and the power-cut
harness calls the very same ones over another binding of SQLite.
"""

from typing import Any, Protocol

import msgspec

from node.storage.rows import (
    Answer,
    Batch,
    DuplicateRequest,
    NewEvent,
    NewFrame,
    RoomProgress,
    Run,
    Summary,
    Text,
    Written,
)
from node.storage.sealing import Sealer

MAX_ANSWERS = 10_000
ANSWER_AGE_MS = 7 * 24 * 3600 * 1000
PRUNE_EVERY = 1024  # events: so seldom that it costs next to nothing, so often that no one time costs much


class Rows(Protocol):
    """What a statement gives back."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """The little of a SQLite connection that we need; `sqlite3` and `apsw` both have it."""

    def execute(self, sql: str, parameters: tuple[Any, ...] = (), /) -> Rows: ...


def apply(connection: Connection, sealer: Sealer, batch: Batch, events_kept: int | None = None) -> Written:
    """Store the batch; now and then delete events beyond the newest `events_kept` (None keeps all).

    Raises `DuplicateRequest`; the caller rolls back to before the batch on any exception.
    """
    if batch.answer is not None:
        _keep_answer(connection, sealer, batch.answer)
    for thread in batch.forget:
        _forget(connection, thread)
    frame_rows = _add_frames(connection, batch.frames)
    for mark in batch.marks:
        sql = "UPDATE frames SET status = ? WHERE thread = ? AND envelope = ?"
        connection.execute(sql, (mark.status, mark.thread, mark.envelope))
    _put_summaries(connection, sealer, batch.summaries)
    _put_texts(connection, sealer, batch.texts)
    for progress in batch.progress:
        _put_progress(connection, progress)
    for run in batch.runs:
        _put_run(connection, sealer, run)
    for table, changes in (
        ("settings", batch.settings),
        ("secrets", batch.secrets),
        ("checkpoints", batch.checkpoints),
    ):
        for name, value in changes.items():
            put_named(connection, sealer, table, name, value)
    cursors = _add_events(connection, sealer, batch.events)
    if events_kept is not None and any(cursor % PRUNE_EVERY == 0 for cursor in cursors):
        prune_events(connection, events_kept)
    return Written(cursors, frame_rows)


def last_number(connection: Connection, table: str) -> int:
    """The greatest key that an AUTOINCREMENT table has ever given out; 0 for none."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return int(found[0]) if found else 0


def _add_frames(connection: Connection, frames: list[NewFrame]) -> tuple[int | None, ...]:
    row = last_number(connection, "frames") if frames else 0
    given: list[int | None] = []
    newest: dict[bytes, int] = {}
    for frame in frames:
        values = (frame.thread, frame.envelope, frame.lane, frame.owner, frame.session, frame.sequence)
        connection.execute(
            "INSERT INTO frames VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (thread, envelope) DO NOTHING",
            (row + 1, *values, frame.frame, frame.hash, frame.origin, frame.status),
        )
        if connection.execute("SELECT changes()").fetchone()[0]:
            row += 1
            newest[frame.thread] = row
            given.append(row)
        else:
            given.append(None)
    for thread, newest_row in newest.items():
        connection.execute(
            "INSERT INTO threads (thread, newest_row) VALUES (?, ?)"
            " ON CONFLICT (thread) DO UPDATE SET newest_row = excluded.newest_row",
            (thread, newest_row),
        )
    return tuple(given)


def _add_events(connection: Connection, sealer: Sealer, events: list[NewEvent]) -> tuple[int, ...]:
    # The cursor is part of what is sealed, so it is chosen here and not by the INSERT.
    seal = sealer.table("events").seal
    first = last_number(connection, "events") + 1 if events else 0
    for cursor, event in enumerate(events, first):
        sealed = seal(event_id(cursor, event.thread), event.payload)
        connection.execute("INSERT INTO events VALUES (?, ?, ?)", (cursor, event.thread, sealed))
    return tuple(range(first, first + len(events)))


def _put_summaries(connection: Connection, sealer: Sealer, summaries: list[Summary]) -> None:
    seal = sealer.table("threads").seal
    for summary in summaries:
        connection.execute(
            "INSERT INTO threads (thread, room, sealed) VALUES (?, ?, ?) ON CONFLICT (thread)"
            " DO UPDATE SET room = coalesce(excluded.room, room), sealed = excluded.sealed",
            (summary.thread, summary.room, seal(summary.thread, summary.payload)),
        )


def _put_texts(connection: Connection, sealer: Sealer, texts: list[Text]) -> None:
    seal = sealer.table("texts").seal
    for text in texts:
        if text.text:
            sealed = seal(text_id(text.thread, text.message), text.text.encode())
            # Updated in place, so that a search that runs meanwhile meets no text twice.
            connection.execute(
                "INSERT INTO texts VALUES (?, ?, ?)"
                " ON CONFLICT (thread, message) DO UPDATE SET sealed = excluded.sealed",
                (text.thread, text.message, sealed),
            )
        else:
            connection.execute("DELETE FROM texts WHERE thread = ? AND message = ?", (text.thread, text.message))


def _put_progress(connection: Connection, progress: RoomProgress) -> None:
    # Two tasks move one row, each half of it: what came in, and what went out. Neither takes the other back.
    connection.execute(
        "INSERT INTO progress VALUES (?, ?, ?, ?, ?) ON CONFLICT (origin, room) DO UPDATE SET"
        " check_hash = iif(excluded.cursor > cursor, excluded.check_hash, check_hash),"
        " cursor = max(cursor, excluded.cursor), uploaded_row = max(uploaded_row, excluded.uploaded_row)",
        (progress.origin, progress.room, progress.cursor, progress.check, progress.uploaded_row),
    )


def _put_run(connection: Connection, sealer: Sealer, run: Run) -> None:
    sealed = sealer.table("runs").seal(run_id(run.run, run.thread), run.payload)
    connection.execute(
        "INSERT INTO runs VALUES (?, ?, ?, ?)"
        " ON CONFLICT (run) DO UPDATE SET thread = excluded.thread, state = excluded.state, sealed = excluded.sealed",
        (run.run, run.thread, run.state, sealed),
    )


def _keep_answer(connection: Connection, sealer: Sealer, answer: Answer) -> None:
    table = sealer.table("answers")
    tag = table.tag(answer.request)
    known = connection.execute("SELECT sealed FROM answers WHERE tag = ?", (tag,)).fetchone()
    if known:
        raise DuplicateRequest(table.open(tag, known[0]))
    connection.execute(
        "INSERT INTO answers (tag, at_ms, sealed) VALUES (?, ?, ?)",
        (tag, answer.now_ms, table.seal(tag, answer.response)),
    )
    newest = last_number(connection, "answers")
    connection.execute("DELETE FROM answers WHERE number <= ?", (newest - MAX_ANSWERS,))
    connection.execute("DELETE FROM answers WHERE at_ms < ?", (answer.now_ms - ANSWER_AGE_MS,))


def _forget(connection: Connection, thread: bytes) -> None:
    connection.execute(
        "DELETE FROM progress WHERE room = (SELECT room FROM threads WHERE thread = ? AND room IS NOT NULL)", (thread,)
    )
    for table in ("frames", "texts", "events", "runs", "threads"):
        connection.execute(f"DELETE FROM {table} WHERE thread = ?", (thread,))  # noqa: S608 (names are ours)


def put_named(connection: Connection, sealer: Sealer, table: str, name: str, value: bytes | None) -> None:
    """Set or, with None, delete a name of `settings`, `secrets` or `checkpoints`."""
    seal = sealer.table(table)
    tag = seal.tag(name)
    if value is None:
        connection.execute(f"DELETE FROM {table} WHERE tag = ?", (tag,))  # noqa: S608
        return
    sealed = seal.seal(tag, msgspec.msgpack.encode((name, value)))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (tag, sealed))  # noqa: S608


def ensure_origin(connection: Connection, sealer: Sealer, kind: str, name: str) -> int:
    """The number of a relay or device, given on first sight."""
    seal = sealer.table("origins")
    tag = seal.tag(f"{kind}:{name}")
    found = connection.execute("SELECT origin FROM origins WHERE tag = ?", (tag,)).fetchone()
    if found is None:
        sealed = seal.seal(tag, msgspec.msgpack.encode((kind, name)))
        connection.execute("INSERT INTO origins (tag, sealed) VALUES (?, ?)", (tag, sealed))
        found = connection.execute("SELECT origin FROM origins WHERE tag = ?", (tag,)).fetchone()
    return int(found[0])


def prune_events(connection: Connection, keep: int) -> int:
    """Delete all but the newest `keep` events. Returns the floor: the greatest cursor that is gone."""
    floor = max(last_number(connection, "events") - keep, event_floor(connection))
    connection.execute("DELETE FROM events WHERE cursor <= ?", (floor,))
    set_event_floor(connection, floor)
    return floor


def event_floor(connection: Connection) -> int:
    """Events up to and including this cursor are gone; reading from below it would leave a gap."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'event_floor'").fetchone()
    return int(found[0]) if found else 0


def set_event_floor(connection: Connection, floor: int) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('event_floor', ?)", (floor,))


def event_id(cursor: int, thread: bytes) -> bytes:
    return cursor.to_bytes(8, "big") + thread


def text_id(thread: bytes, message: str) -> bytes:
    return thread + message.encode()


def run_id(run: str, thread: bytes) -> bytes:
    return thread + run.encode()
