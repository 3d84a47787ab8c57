"""Full disks, held locks, damage while running, kills: what was acknowledged stays, what failed leaves nothing."""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crdt.errors import DATABASE_CORRUPT, DISK_FULL, HOME_LOCKED, OpenSeshError
from node.storage import opening
from node.store import Batch, NewEvent, Store
from tests.node.storage.store_rows import KEY, a_frame, a_summary, ident

ROOT = Path(__file__).parents[3]


async def allow_pages(store: Store, pages: int) -> None:
    """Let the database grow to that many pages: SQLite reports it as it reports a full disk."""
    await store._database._writing.execute_fetchall(f"PRAGMA max_page_count = {pages}")


async def refused(store: Store, batch: Batch) -> OpenSeshError:
    with pytest.raises(OpenSeshError) as error:
        await store.write(batch)
    return error.value


def big(thread: str, number: int) -> Batch:
    return Batch(frames=[a_frame(thread, number, size_bytes=200_000)], events=[NewEvent(ident(thread), b"x")])


async def test_a_full_disk_refuses_by_name_stores_nothing_and_heals(store: Store) -> None:
    await store.write(Batch(frames=[a_frame("a", 1)], events=[NewEvent(ident("a"), b"x")]))
    await allow_pages(store, 60)
    assert (await refused(store, big("a", 2))).kind is DISK_FULL
    assert [frame.sequence for frame in await store.frames(ident("a"))] == [1]
    assert await store.event_bounds() == (0, 1)
    await allow_pages(store, 100_000)
    assert (await store.write(big("a", 2))).cursors == (2,)


async def test_on_a_nearly_full_disk_what_fits_is_stored(store: Store) -> None:
    await allow_pages(store, 60)
    small = [store.write(Batch(frames=[a_frame("a", number)])) for number in range(5)]
    outcomes = await asyncio.gather(*small[:2], store.write(big("b", 1)), *small[2:], return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert outcomes.index(failed[0]) == 2
    assert len(failed) == 1
    assert len(await store.frames(ident("a"))) == 5
    assert await store.frames(ident("b")) == []


async def test_a_lock_held_by_another_program_is_waited_for(store: Store) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.write(Batch(frames=[a_frame("a", 1)])))
        await asyncio.sleep(0)
        assert not writing.done()
        holder.execute("ROLLBACK")
        assert (await writing).frame_rows == (1,)


async def test_a_lock_that_is_never_released_is_named(database_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_S", 0.05)
    store = await Store.open(database_path, KEY)
    with closing(sqlite3.connect(database_path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        writes = [store.write(Batch(frames=[a_frame("a", number)])) for number in range(20)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert {getattr(outcome, "kind", None) for outcome in outcomes} == {HOME_LOCKED}
        assert store.transactions <= 2  # the group waits once, not each of its batches in turn
        holder.execute("ROLLBACK")
    assert (await store.write(Batch(frames=[a_frame("a", 1)]))).frame_rows == (1,)
    await store.close()


async def test_a_row_changed_on_the_disk_is_damage_and_not_content(store: Store) -> None:
    await store.write(Batch(summaries=[a_summary("a", b"one"), a_summary("b", b"two")]))
    swap = "UPDATE threads SET sealed = (SELECT sealed FROM threads WHERE thread = ?) WHERE thread = ?"
    with closing(sqlite3.connect(store.path)) as thief, thief:
        thief.execute(swap, (ident("a"), ident("b")))
    with pytest.raises(OpenSeshError) as error:
        await store.summary(ident("b"))
    assert error.value.kind is DATABASE_CORRUPT
    assert (await store.summary(ident("a"))) == a_summary("a", b"one")


async def test_a_cancelled_writer_disturbs_nobody(store: Store) -> None:
    tasks = [asyncio.create_task(store.write(Batch(frames=[a_frame("a", number)]))) for number in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)] == [3]
    assert (await store.write(Batch(frames=[a_frame("a", 99)]))).frame_rows != (None,)


def kill_at_random(database: Path, round_number: int, seed: random.Random) -> list[tuple[str, int, int]]:
    """Start writers, kill them after a random number of acknowledgements, and return those that were heard."""
    command = [sys.executable, str(Path(__file__).with_name("busy_writer.py")), str(database), str(round_number)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(seed.randrange(1, 1000))]
        process.kill()
        lines += process.stdout.readlines()
    heard = [line.split() for line in lines if line.endswith("\n")]
    assert heard
    return [(thread, int(number), int(cursor)) for thread, number, cursor in heard]


async def lost(database: Path, heard: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    store = await Store.open(database, KEY)
    assert store.opened.unclean
    events = {}
    cursor = 0
    while page := await store.events(cursor):
        events.update({event.cursor: (event.thread, event.payload) for event in page})
        cursor = page[-1].cursor
    missing = []
    for thread, number, at in heard:
        frame = await store.frame(ident(thread), a_frame(thread, number).envelope)
        if frame is None or events.get(at) != (ident(thread), str(number).encode()):
            missing.append((thread, number, at))
    # No half of a batch: every frame has its event, and every event its frame.
    assert len(events) == (await store.counts())["frames"] == (await store.counts())["texts"]
    await store.close()
    return missing


async def run_kills(database: Path, rounds: int) -> None:
    seed = random.Random(rounds)
    heard: list[tuple[str, int, int]] = []
    for round_number in range(rounds):
        heard += await asyncio.to_thread(kill_at_random, database, round_number, seed)
        assert await lost(database, heard) == []


async def test_what_was_acknowledged_is_there_after_a_kill(database_path: Path) -> None:
    await run_kills(database_path, 2)


@pytest.mark.deep
async def test_what_was_acknowledged_is_there_after_twenty_kills(database_path: Path) -> None:
    await run_kills(database_path, 20)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux") or not shutil.which("mount"):
        pytest.skip("a tmpfs can only be mounted by root on Linux")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.deep
async def test_a_full_file_system_loses_nothing_and_heals(small_disk: Path) -> None:
    path, ballast = small_disk / "opensesh.db", small_disk / "ballast"
    store = await Store.open(path, KEY)
    stored = 0
    while True:
        try:
            await store.write(Batch(frames=[a_frame("a", stored, size_bytes=20_000)]))
            stored += 1
        except OpenSeshError as error:
            assert error.kind is DISK_FULL
            break
        if stored == 20:
            await asyncio.to_thread(ballast.write_bytes, bytes(1_500_000))
    assert stored > 20
    assert len(await store.frames(ident("a"))) == stored
    await asyncio.to_thread(ballast.unlink)
    await store.write(Batch(frames=[a_frame("a", stored, size_bytes=20_000)]))
    await store.close()
    again = await Store.open(path, KEY)
    assert [frame.sequence for frame in await again.frames(ident("a"))] == list(range(stored + 1))
    await again.close()


@pytest.mark.deep
async def test_a_full_file_system_does_not_keep_a_store_from_opening_or_closing(small_disk: Path) -> None:
    path = small_disk / "opensesh.db"
    store = await Store.open(path, KEY)
    await store.write(Batch(frames=[a_frame("a", 1)]))
    with pytest.raises(OSError, match="No space"):
        await asyncio.to_thread((small_disk / "ballast").write_bytes, bytes(5_000_000))
    await store.close()
    again = await Store.open(path, KEY)
    assert len(await again.frames(ident("a"))) == 1
    assert (await refused(again, big("a", 2))).kind is DISK_FULL
    await again.close()
