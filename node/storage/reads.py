"""Every question the node asks its database, as plain functions over a connection.

Long answers come in pages: no read transaction outlives one page, so a slow reader never keeps the log
from being checkpointed.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from crdt.errors import CURSOR_UNKNOWN
from node.storage import apply
from node.storage.apply import Connection
from node.storage.rows import Event, Origin, RoomProgress, Run, StoredFrame, Summary, Text
from node.storage.sealing import Sealer

PAGE = 500
_FRAME = "row, thread, envelope, lane, owner, session, sequence, frame, hash, origin, status"
_named = msgspec.msgpack.Decoder(tuple[str, bytes])
_origin = msgspec.msgpack.Decoder(tuple[str, str])


def frames_after(
    connection: Connection, thread: bytes, row: int, not_from: int | None, limit: int, limit_bytes: int | None = None
) -> list[StoredFrame]:
    """At least one frame, if there is any; then as many as both limits allow."""
    rows = connection.execute(
        f"SELECT {_FRAME} FROM frames INDEXED BY frames_in_order"  # noqa: S608
        " WHERE thread = ? AND row > ? AND origin IS NOT ? ORDER BY row LIMIT ?",
        (thread, row, not_from, limit),
    )
    if limit_bytes is None:
        return [StoredFrame(*columns) for columns in rows.fetchall()]
    found: list[StoredFrame] = []
    size = 0
    while size < limit_bytes and (columns := rows.fetchone()) is not None:
        found.append(StoredFrame(*columns))
        size += len(found[-1].frame)
    return found


def frame(connection: Connection, thread: bytes, envelope: bytes) -> StoredFrame | None:
    found = connection.execute(
        f"SELECT {_FRAME} FROM frames WHERE thread = ? AND envelope = ?",  # noqa: S608
        (thread, envelope),
    ).fetchone()
    return StoredFrame(*found) if found else None


def frames_of_envelopes(connection: Connection, thread: bytes, envelopes: Iterable[bytes]) -> dict[bytes, bytes]:
    sql = "SELECT frame FROM frames WHERE thread = ? AND envelope = ?"
    found = ((each, connection.execute(sql, (thread, each)).fetchone()) for each in envelopes)
    return {each: row[0] for each, row in found if row}


def known_hashes(connection: Connection, thread: bytes, hashes: Iterable[bytes]) -> set[bytes]:
    sql = "SELECT 1 FROM frames WHERE hash = ? AND thread = ? LIMIT 1"
    return {each for each in hashes if connection.execute(sql, (each, thread)).fetchone()}


def hashes(connection: Connection, thread: bytes, row: int, limit: int) -> list[tuple[int, bytes]]:
    sql = "SELECT row, hash FROM frames INDEXED BY frames_in_order WHERE thread = ? AND row > ? ORDER BY row LIMIT ?"
    return connection.execute(sql, (thread, row, limit)).fetchall()


def frames_by_hash(connection: Connection, thread: bytes, wanted: Iterable[bytes]) -> list[bytes]:
    sql = "SELECT frame FROM frames WHERE hash = ? AND thread = ? LIMIT 1"
    found = (connection.execute(sql, (each, thread)).fetchone() for each in wanted)
    return [row[0] for row in found if row]


def frames_being_tried(connection: Connection) -> list[tuple[bytes, bytes]]:
    # The status is written out: SQLite can't know that a parameter fits the partial index.
    return connection.execute("SELECT thread, envelope FROM frames WHERE status = 1 ORDER BY row").fetchall()


def frames_to_upload(connection: Connection, origin: int) -> list[tuple[bytes, int]]:
    """(thread, how many frames beyond the mark did not come from the origin), where there are any."""
    found = connection.execute(
        "SELECT threads.thread, (SELECT count(*) FROM frames INDEXED BY frames_in_order"
        "  WHERE frames.thread = threads.thread AND frames.row > coalesce(uploaded_row, 0) AND origin IS NOT ?)"
        " FROM threads LEFT JOIN progress ON progress.origin = ? AND progress.room = threads.room"
        " WHERE threads.room IS NOT NULL AND newest_row > coalesce(uploaded_row, 0)",
        (origin, origin),
    ).fetchall()
    return [(thread, count) for thread, count in found if count]


def summaries(connection: Connection, sealer: Sealer) -> list[Summary]:
    open_sealed = sealer.table("threads").open
    found = connection.execute("SELECT thread, room, sealed FROM threads WHERE sealed IS NOT NULL").fetchall()
    return [Summary(thread, room, open_sealed(thread, sealed)) for thread, room, sealed in found]


def summary(connection: Connection, sealer: Sealer, thread: bytes) -> Summary | None:
    sql = "SELECT room, sealed FROM threads WHERE thread = ? AND sealed IS NOT NULL"
    found = connection.execute(sql, (thread,)).fetchone()
    return Summary(thread, found[0], sealer.table("threads").open(thread, found[1])) if found else None


def thread_of_room(connection: Connection, room: bytes) -> bytes | None:
    found = connection.execute("SELECT thread FROM threads WHERE room = ?", (room,)).fetchone()
    return found[0] if found else None


def search(
    connection: Connection, sealer: Sealer, words: tuple[str, ...], after: int, limit: int
) -> tuple[list[Text], int]:
    """The texts among the next `limit` that hold all words, and the place to go on from (0: that was all)."""
    open_sealed = sealer.table("texts").open
    found = connection.execute(
        "SELECT rowid, thread, message, sealed FROM texts WHERE rowid > ? ORDER BY rowid LIMIT ?", (after, limit)
    ).fetchall()
    hits = []
    for _, thread, message, sealed in found:
        text = open_sealed(apply.text_id(thread, message), sealed).decode()
        folded = text.casefold()
        if all(word in folded for word in words):
            hits.append(Text(thread, message, text))
    return hits, found[-1][0] if len(found) == limit else 0


def events_after(connection: Connection, sealer: Sealer, cursor: int, limit: int, thread: bytes | None) -> list[Event]:
    """Raises CURSOR_UNKNOWN for a cursor of another device, of before a restore, or older than what is kept."""
    floor, last = event_bounds(connection)
    if not floor <= cursor <= last:
        raise CURSOR_UNKNOWN(cursor=cursor, oldest=floor, newest=last)
    sql = "SELECT cursor, thread, sealed FROM events WHERE cursor > ? {} ORDER BY cursor LIMIT ?"
    if thread is None:
        found = connection.execute(sql.format(""), (cursor, limit)).fetchall()
    else:
        found = connection.execute(sql.format("AND thread = ?"), (cursor, thread, limit)).fetchall()
    open_sealed = sealer.table("events").open
    return [Event(at, of, open_sealed(apply.event_id(at, of), sealed)) for at, of, sealed in found]


def event_bounds(connection: Connection) -> tuple[int, int]:
    """(floor, last): the cursors from which one may go on, both included."""
    floor = apply.event_floor(connection)
    return floor, max(floor, apply.last_number(connection, "events"))


def named(connection: Connection, sealer: Sealer, table: str, name: str) -> bytes | None:
    seal = sealer.table(table)
    tag = seal.tag(name)
    found = connection.execute(f"SELECT sealed FROM {table} WHERE tag = ?", (tag,)).fetchone()  # noqa: S608
    return _named.decode(seal.open(tag, found[0]))[1] if found else None


def all_named(connection: Connection, sealer: Sealer, table: str) -> dict[str, bytes]:
    open_sealed = sealer.table(table).open
    found = connection.execute(f"SELECT tag, sealed FROM {table}").fetchall()  # noqa: S608
    return dict(sorted(_named.decode(open_sealed(tag, sealed)) for tag, sealed in found))


def origins(connection: Connection, sealer: Sealer) -> list[Origin]:
    open_sealed = sealer.table("origins").open
    found = connection.execute("SELECT origin, tag, sealed FROM origins ORDER BY origin").fetchall()
    return [Origin(number, *_origin.decode(open_sealed(tag, sealed))) for number, tag, sealed in found]


def progress(connection: Connection, origin: int) -> list[RoomProgress]:
    sql = "SELECT origin, room, cursor, check_hash, uploaded_row FROM progress WHERE origin = ?"
    return [RoomProgress(*columns) for columns in connection.execute(sql, (origin,)).fetchall()]


def runs(connection: Connection, sealer: Sealer, where: str, parameters: tuple[Any, ...]) -> list[Run]:
    open_sealed = sealer.table("runs").open
    sql = f"SELECT run, thread, state, sealed FROM runs WHERE {where} ORDER BY rowid"  # noqa: S608
    found = connection.execute(sql, parameters).fetchall()
    return [Run(run, of, state, open_sealed(apply.run_id(run, of), sealed)) for run, of, state, sealed in found]


def answer(connection: Connection, sealer: Sealer, request: str) -> bytes | None:
    seal = sealer.table("answers")
    tag = seal.tag(request)
    found = connection.execute("SELECT sealed FROM answers WHERE tag = ?", (tag,)).fetchone()
    return seal.open(tag, found[0]) if found else None


def generation(connection: Connection) -> int:
    """How many times this installation was restored from a backup."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
    return int(found[0]) if found else 0


def counts(connection: Connection) -> dict[str, int]:
    tables = ("threads", "frames", "texts", "events", "runs", "origins")
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608


def damage(connection: Connection) -> str:
    """What SQLite's quick check finds wrong, in its words; empty if nothing."""
    found = [row[0] for row in connection.execute("PRAGMA quick_check(3)").fetchall()]
    return "" if found == ["ok"] else "; ".join(found)


def size_of(connection: Connection, thread: bytes) -> int:
    """Bytes of a thread's frames."""
    sql = "SELECT coalesce(sum(length(frame)), 0) FROM frames INDEXED BY frames_in_order WHERE thread = ?"
    return int(connection.execute(sql, (thread,)).fetchone()[0])
