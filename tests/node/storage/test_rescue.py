"""A damaged database gives up what is sound in it, and nothing that is not."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt.errors import CURSOR_UNKNOWN, DATABASE_CORRUPT, OpenSeshError
from node.storage.rescue import rescue
from node.store import Batch, NewEvent, RoomProgress, Run, Store, Text
from tests.node.storage.store_rows import KEY, a_frame, a_summary, ident

PAGE_BYTES = 4096


@pytest.fixture
async def closed(database_path: Path) -> Path:
    store = await Store.open(database_path, KEY)
    thread = ident("a")
    await store.write(
        Batch(
            frames=[a_frame("a", number, size_bytes=700) for number in range(400)],
            events=[NewEvent(thread, b"x")],
            summaries=[a_summary("a", b"summary")],
            texts=[Text(thread, str(number), f"text {number}") for number in range(100)],
            secrets={"device-seed": b"seed"},
            settings={"name": b"value"},
            runs=[Run("run", thread, "queued", b"run")],
            progress=[RoomProgress(1, ident("room of a"), 9, b"c" * 16, 400)],
        )
    )
    await store.origin_number("relay", "ws://one")
    await store.close()
    return database_path


def spoil(path: Path, pages: list[int]) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE_BYTES)
            file.write(b"\xa5" * PAGE_BYTES)


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def move(path: Path, to: Path) -> None:
    path.rename(to)


def pages_of(path: Path, table: str) -> list[int]:
    """The leaf pages of a table, found through SQLite's own virtual table where it is built in."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            found = connection.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,))
            return [row[0] for row in found]
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")


async def test_damage_to_some_frames_costs_those_frames_alone(closed: Path) -> None:
    leaves = pages_of(closed, "frames")
    spoil(closed, leaves[3:5] + leaves[20:21])
    before = content(closed)
    with pytest.raises(OpenSeshError):
        await Store.open(closed, KEY)
    rescued = rescue(closed, KEY)
    assert content(rescued.damaged) == before
    store = await Store.open(closed, KEY)
    found = [frame async for frame in store.stream_frames(ident("a"))]
    lost = 400 - len(found)
    assert 3 <= lost <= 3 * PAGE_BYTES // 700
    for frame in found:
        assert frame.frame == a_frame("a", frame.sequence, size_bytes=700).frame
    assert await store.secret("device-seed") == b"seed"
    assert await store.setting("name") == b"value"
    assert await store.summary(ident("a")) == a_summary("a", b"summary")
    assert len([hit async for hit in store.search("text")]) == 100
    assert [run.run for run in await store.runs_in_state("queued")] == ["run"]
    assert [origin.number for origin in await store.origins()] == [1]
    await store.close()


async def test_after_a_rescue_everything_is_asked_and_offered_again(closed: Path) -> None:
    spoil(closed, pages_of(closed, "frames")[3:4])
    rescued = rescue(closed, KEY)
    assert rescued.generation == 1
    store = await Store.open(closed, KEY)
    assert store.generation == 1
    assert await store.progress(1) == {}
    left = [frame async for frame in store.stream_frames(ident("a"))]
    assert await store.frames_to_upload(1) == [(ident("a"), len(left))]
    with pytest.raises(OpenSeshError) as error:
        await store.events(1)
    assert error.value.kind is CURSOR_UNKNOWN
    written = await store.write(Batch(frames=[a_frame("a", 1000)]))
    assert written.frame_rows == (401,)
    await store.close()


async def test_a_row_that_does_not_prove_itself_is_not_saved(closed: Path) -> None:
    with closing(sqlite3.connect(closed)) as connection, connection:
        connection.execute("UPDATE frames SET frame = zeroblob(700) WHERE sequence = 7")
        connection.execute("UPDATE secrets SET sealed = zeroblob(60)")
        connection.execute("UPDATE threads SET sealed = x'00'")
    rescued = rescue(closed, KEY)
    assert (rescued.refused["frames"], rescued.refused["secrets"], rescued.refused["threads"]) == (1, 1, 1)
    store = await Store.open(closed, KEY)
    assert await store.secret("device-seed") is None
    assert await store.summaries() == []
    assert len(await store.frames(ident("a"))) == 399
    await store.close()


async def test_a_rescue_cut_off_by_a_crash_is_done_again(closed: Path) -> None:
    spoil(closed, pages_of(closed, "frames")[3:4])
    move(closed, closed.with_name("opensesh.db.damaged-1"))
    put(closed.with_name("opensesh.db.restoring"), b"half")
    with pytest.raises(OpenSeshError):
        await Store.open(closed, KEY)
    rescue(closed, KEY)
    store = await Store.open(closed, KEY)
    assert await store.secret("device-seed") == b"seed"
    await store.close()


def test_of_what_is_no_database_nothing_is_made(database_path: Path) -> None:
    garbage = b"garbage" * 5000
    database_path.write_bytes(garbage)
    with pytest.raises(OpenSeshError) as error:
        rescue(database_path, KEY)
    assert error.value.kind is DATABASE_CORRUPT
    assert database_path.read_bytes() == garbage
    assert [file.name for file in database_path.parent.iterdir()] == [database_path.name]


async def test_whatever_pages_are_spoiled_the_rescue_ends_and_what_it_saves_is_true(
    closed: Path, tmp_path: Path
) -> None:
    whole = content(closed)
    opened = 0
    seed = random.Random(3)
    for number in range(25):
        damaged = tmp_path / f"damaged-{number}" / "opensesh.db"
        damaged.parent.mkdir()
        put(damaged, whole)
        spoil(damaged, seed.sample(range(1, len(whole) // PAGE_BYTES), seed.randrange(1, 30)))
        try:
            rescue(damaged, KEY)
        except OpenSeshError as error:
            assert error.kind is DATABASE_CORRUPT
            continue
        opened += 1
        store = await Store.open(damaged, KEY)
        async for frame in store.stream_frames(ident("a")):
            assert frame.frame == a_frame("a", frame.sequence, size_bytes=700).frame
        await store.close()
    assert opened > 10
