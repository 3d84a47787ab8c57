"""The relay's database after power cuts: what was acknowledged is there, at its cursor, once."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from crdt import wire
from relay import database, tables
from relay.grants import Refusal
from relay.ledger import Append, Appended, Ledger, Letter, run_together
from relay.limits import Limits
from tests.power_cut import Acknowledged, Disk, Sync, Write, record, try_images
from tests.relay.older import turn_back

Promise = tuple[int, int, bytes]  # room, cursor, hash and check


def workload(seed: int, groups: int, pragmas: Sequence[str] = tables.PRAGMAS) -> Callable[[Disk], None]:
    """Groups of publishes as the writing thread carries them out, with its checkpoints and a restart."""

    def run(disk: Disk) -> None:
        rng = random.Random(seed)
        for start in range(2):
            connection = disk.connect()
            for pragma in pragmas:
                connection.execute(pragma).fetchall()
            if start == 0:
                tables.create(connection, rng.randbytes(16))
            ledger = Ledger(connection, Limits())  # type: ignore[arg-type]
            rooms = ledger.transaction(lambda: [ledger.open_room(bytes([n]) * 32) for n in range(3)])  # noqa: B023
            for _ in range(groups // 2):
                jobs = [_job(rng, rooms) for _ in range(rng.randrange(1, 6))]
                outcomes = ledger.transaction(lambda: run_together(ledger, jobs))  # noqa: B023
                for job, outcome in zip(jobs, outcomes, strict=True):
                    _acknowledge(disk, job, outcome)
                if rng.random() < 0.2:
                    database.checkpoint(connection, rng.choice(["PASSIVE", "PASSIVE", "TRUNCATE"]))  # type: ignore[arg-type]
            connection.close()

    return run


def _job(rng: random.Random, rooms: Sequence[object]) -> Append:
    room = rng.choice(rooms)
    sizes = (rng.choice([40, 600, 5000]) for _ in range(rng.randrange(1, 6)))
    return Append(room.number, tuple(rng.randbytes(size) for size in sizes))  # type: ignore[attr-defined]


def _acknowledge(disk: Disk, job: Append, outcome: Appended | Refusal) -> None:
    assert isinstance(outcome, Appended)
    for cursor, frame in enumerate(outcome.frames, outcome.after + 1):
        disk.acknowledge((job.room, cursor, wire.frame_hash(frame) + outcome.batch))


def lost(path: Path, acknowledged: Sequence[Promise]) -> list[Promise]:
    """Open it as the relay does at its start, and look for every promise; what is there must be whole."""
    connection = database.open_writing(path)
    kept: set[Promise] = set()
    try:
        for number, last in connection.execute("SELECT number, last FROM rooms").fetchall():
            frames = list(tables.frames_after(connection, number, 0, 10**9))
            assert [cursor for cursor, _, _ in frames] == list(range(1, last + 1)), "cursors have gaps"
            hashes = [wire.frame_hash(frame) for _, frame, _ in frames]
            assert tables.known(connection, number, hashes) == set(hashes), "a frame is damaged"
            kept |= {(number, at, digest + check) for digest, (at, _, check) in zip(hashes, frames, strict=True)}
        return [promise for promise in acknowledged if promise not in kept]
    finally:
        connection.close()


def test_power_cuts_lose_no_acknowledged_frame(tmp_path: Path) -> None:
    recording = record(tmp_path / "run", workload(seed=1, groups=20))
    assert min(recording.count(kind) for kind in (Write, Sync, Acknowledged)) > 20
    report = try_images(recording, tmp_path / "cut", count=120, seed=1, lost=lost)
    assert report.images == 120 and report.acknowledged > 1000
    assert report.lost == 0, str(report)


@pytest.mark.parametrize(
    "pragmas",
    [
        pytest.param((*tables.PRAGMAS, "PRAGMA synchronous=OFF"), id="no sync"),
        pytest.param((*tables.PRAGMAS, "PRAGMA synchronous=NORMAL"), id="no sync of the log at a commit"),
        pytest.param(
            ("PRAGMA synchronous=FULL", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0"),
            id="a deleted rollback journal that comes back",
        ),
    ],
)
def test_the_same_cuts_find_out_a_store_that_syncs_too_little(tmp_path: Path, pragmas: Sequence[str]) -> None:
    recording = record(tmp_path / "run", workload(1, 20, pragmas))
    report = try_images(recording, tmp_path / "cut", count=60, seed=1, lost=lost)
    assert report.lost > 0


def letters(seed: int, count: int) -> Callable[[Disk], None]:
    """A database of version 1 is brought up to date; then letters come, several to a transaction."""

    def run(disk: Disk) -> None:
        rng = random.Random(seed)
        older = disk.connect()
        for pragma in tables.PRAGMAS:
            older.execute(pragma).fetchall()
        tables.create(older, rng.randbytes(16))  # type: ignore[arg-type]
        book = Ledger(older, Limits())  # type: ignore[arg-type]
        room = book.transaction(lambda: book.open_room(bytes(32)))
        assert not isinstance(room, Refusal)
        turn_back(older, 1)
        older.close()
        connection = disk.connect()
        for pragma in tables.PRAGMAS:
            connection.execute(pragma).fetchall()
        tables.upgrade(connection, 1)  # type: ignore[arg-type]
        ledger = Ledger(connection, Limits())  # type: ignore[arg-type]
        for first in range(0, count, 3):
            written = {number: rng.randbytes(rng.choice([20, 4096])) for number in range(first, first + 3)}
            jobs = [_leave(room.number, number, body) for number, body in written.items()]
            assert ledger.transaction(lambda: run_together(ledger, jobs)) == [None] * 3  # noqa: B023
            for number, body in written.items():
                disk.acknowledge((room.number, number, body))
        connection.close()

    return run


def _leave(room: int, number: int, body: bytes) -> Callable[[Ledger], Refusal | None]:
    return lambda ledger: ledger.deposit(room, bytes([number]) * 32, Letter(None, body))


def lost_letters(path: Path, acknowledged: Sequence[Promise]) -> list[Promise]:
    connection = database.open_writing(path)
    try:
        book = Ledger(connection, Limits())
        return [
            promise for promise in acknowledged if book.claim(promise[0], bytes([promise[1]]) * 32).body != promise[2]
        ]
    finally:
        connection.close()


def test_power_cuts_lose_no_acknowledged_letter_nor_leave_half_an_upgrade(tmp_path: Path) -> None:
    recording = record(tmp_path / "run", letters(seed=1, count=60))
    report = try_images(recording, tmp_path / "cut", count=120, seed=1, lost=lost_letters)
    assert report.images == 120 and report.acknowledged > 1000
    assert report.lost == 0, str(report)


@pytest.mark.deep
def test_5000_power_cuts_lose_no_acknowledged_frame(tmp_path: Path) -> None:
    total = 0
    for seed in range(10):
        recording = record(tmp_path / f"run-{seed}", workload(seed, groups=60))
        report = try_images(recording, tmp_path / "cut", count=500, seed=seed, lost=lost)
        assert report.lost == 0, f"seed {seed}: {report}"
        total += report.images
    print(f"\npower cuts: {total} images of the relay's database, 0 acknowledged frames lost")
    assert total == 5000
