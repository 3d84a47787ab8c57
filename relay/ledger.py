"""What the writer does inside its transactions: append once, count, keep mail and letters. Runs on one thread.

Invariants, for every room:
1. Cursors are 1, 2, 3 … without a gap; a cursor is never given to a second frame.
2. A frame is kept once, however often it is published.
3. Nothing is reported before the transaction that holds it is on the disk (the caller's duty: it
   reports after `transaction` returned).
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from crdt import wire
from relay import tables
from relay.grants import Refusal
from relay.limits import Limits

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room as it stood at one point of the writer's order. `last_check` is b"" while it is empty."""

    number: int
    last: int
    last_check: bytes
    generation: int


@dataclass(frozen=True, slots=True)
class Append:
    room: int
    frames: tuple[bytes, ...]

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.frames))


@dataclass(frozen=True, slots=True)
class Appended:
    """`frames` are those that were new, in order, at the cursors `after` + 1 … `last`; `batch` they came with."""

    after: int
    last: int
    frames: tuple[bytes, ...]
    batch: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What is kept for one login in one room: nothing is `Letter(None, b"")`."""

    certificate: wire.Certificate | None
    body: bytes


class Ledger:
    """The writing connection and the rooms touched by the transaction under way."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._rooms: dict[int, tables.RoomRow] = {}

    def transaction(self, work: Callable[[], T]) -> T:
        """Run `work` in one transaction; when this returns, what it wrote is fsynced."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            outcome = work()
            for room in self._rooms.values():
                tables.save_room(self._connection, room)
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._rooms.clear()
        return outcome

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite has done so by itself after some errors
            self._connection.execute("ROLLBACK")

    def append(self, appends: Sequence[Append]) -> list[Appended | Refusal]:
        """Append several batches, in order; a refusal of one leaves the others be."""
        hashes = [[wire.frame_hash(frame) for frame in append.frames] for append in appends]
        wanted: dict[int, list[bytes]] = {}
        for append, hashed in zip(appends, hashes, strict=True):
            wanted.setdefault(append.room, []).extend(hashed)
        known = {room: tables.known(self._connection, room, hashed) for room, hashed in wanted.items()}
        new: list[tuple[int, int, bytes, bytes]] = []
        # Never drawn twice: a relay put back to a backup can't give a cursor the check that it had before.
        batch = os.urandom(wire.CHECK_BYTES)
        outcomes = [
            self._plan(append, hashed, known[append.room], batch, new)
            for append, hashed in zip(appends, hashes, strict=True)
        ]
        tables.insert(self._connection, [(*row, batch) for row in new])
        return outcomes

    def _plan(
        self,
        append: Append,
        hashes: list[bytes],
        known: set[bytes],
        batch: bytes,
        rows: list[tuple[int, int, bytes, bytes]],
    ) -> Appended | Refusal:
        """Give cursors to what is new, and note its rows; all of a batch is taken, or nothing."""
        new: dict[bytes, bytes] = {
            digest: frame for digest, frame in zip(hashes, append.frames, strict=True) if digest not in known
        }
        room = self._room(append.room)
        size_bytes = sum(map(len, new.values()))
        if self._limits.room_bytes is not None and room.bytes + size_bytes > self._limits.room_bytes:
            return Refusal("quota", "the room holds as much as this relay allows")
        known.update(new)
        after = room.last
        for cursor, (digest, frame) in enumerate(new.items(), after + 1):
            rows.append((tables.place(append.room, cursor), append.room, digest, frame))
        room.last += len(new)
        room.bytes += size_bytes
        return Appended(after, room.last, tuple(new.values()), batch)

    def _room(self, number: int) -> tables.RoomRow:
        room = self._rooms.get(number)
        if room is None:
            room = self._rooms[number] = tables.room_by_number(self._connection, number)
        return room

    def find_room(self, key: bytes) -> RoomState | None:
        row = tables.room_by_key(self._connection, key)
        return self._state(self._rooms.get(row.number, row)) if row else None

    def open_room(self, key: bytes) -> RoomState | Refusal:
        """The room, made if it is new."""
        state = self.find_room(key)
        if state is not None:
            return state
        if tables.count_rooms(self._connection) >= self._limits.rooms:
            return Refusal("quota", "this relay has as many rooms as it allows")
        return self._state(tables.add_room(self._connection, key))

    def _state(self, row: tables.RoomRow) -> RoomState:
        last_check = tables.check_at(self._connection, row.number, row.last) or b""
        return RoomState(row.number, row.last, last_check, row.generation)

    def raise_generation(self, number: int, generation: int) -> int:
        """The room's generation afterwards: it never goes down."""
        room = self._room(number)
        room.generation = max(room.generation, generation)
        return room.generation

    def drop(self, number: int, body: bytes, now_s: int) -> Refusal | None:
        """Keep one piece of mail, after letting go of what nobody has fetched for too long."""
        tables.expire_mail(self._connection, number, now_s - self._limits.mail_age_s)
        waiting = tables.mail_of(self._connection, number)
        full = len(waiting) >= self._limits.mailbox_items
        if full or sum(map(len, waiting)) + len(body) > self._limits.mailbox_bytes:
            return Refusal("quota", "the room's mailbox is full")
        tables.add_mail(self._connection, self._room(number), body, now_s)
        return None

    def take(self, number: int, upto: int) -> tuple[int, list[bytes]]:
        """Delete mail up to `upto`; then the last cursor given out, and what is waiting, oldest first."""
        if upto:
            tables.delete_mail(self._connection, number, upto)
        return self._room(number).mail_last, tables.mail_of(self._connection, number)

    def deposit(self, number: int, login: bytes, letter: Letter) -> Refusal | None:
        """Keep it for that login in place of the last one; nothing, to keep nothing."""
        certificate = letter.certificate
        if certificate is None and not letter.body:
            tables.delete_letter(self._connection, number, login)
            return None
        if certificate is not None and certificate.generation < self._as_it_stands(number).generation:
            return Refusal("bad-certificate", "its generation has ended")
        is_new = tables.letter_of(self._connection, number, login) is None
        if is_new and tables.count_letters(self._connection, number) >= self._limits.letters:
            # Whoever has a link, also a closed one, is answered: that many answers must not keep a member out.
            generation = self._as_it_stands(number).generation
            if not tables.delete_idle_letter(self._connection, number, generation):
                return Refusal("quota", "the room keeps letters for as many logins as this relay allows")
        signed = (certificate.append, certificate.generation, certificate.signature) if certificate else (False, 0, b"")
        tables.put_letter(self._connection, number, login, tables.LetterRow(*signed, letter.body))
        return None

    def claim(self, number: int, login: bytes) -> Letter:
        """What is kept for that login, without a certificate that a raised generation has ended."""
        row = tables.letter_of(self._connection, number, login)
        if row is None:
            return Letter(None, b"")
        room = self._as_it_stands(number)
        if not row.signature or row.generation < room.generation:
            return Letter(None, row.body)
        return Letter(wire.Certificate(room.key, login, row.append, row.generation, row.signature), row.body)

    def _as_it_stands(self, number: int) -> tables.RoomRow:
        """To be read alone: unlike `_room`, it is not written back, so that reading costs no fsync."""
        return self._rooms.get(number) or tables.room_by_number(self._connection, number)


def run_together(ledger: Ledger, jobs: Sequence[Any]) -> list[Any]:
    """Carry out jobs in order: an `Append`, or a callable of the ledger. Neighbouring appends are merged."""
    outcomes: list[Any] = []
    appends: list[Append] = []
    for job in jobs:
        if isinstance(job, Append):
            appends.append(job)
            continue
        outcomes.extend(ledger.append(appends))
        appends.clear()
        outcomes.append(job(ledger))
    outcomes.extend(ledger.append(appends))
    return outcomes
