"""What every store of the relay must do, and what the embedded one does when its file or disk fails."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.errors import OpenSeshError
from relay import database, tables
from relay.grants import Refusal
from relay.limits import Limits
from relay.store import Page, SqliteStore, Store
from tests.relay.conversation import frames_of

LIMITS = Limits(room_bytes=1_000_000, rooms=50, mailbox_items=3, mailbox_bytes=1000)
KEY = bytes(range(32))


@pytest.fixture(params=[SqliteStore])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Every implementation of `Store`, in turn."""
    opened = await request.param.open(tmp_path, LIMITS)
    yield opened
    await opened.close()


async def read_all(store: Store, room: int, after: int = 0) -> list[bytes]:
    frames: list[bytes] = []
    while (page := await store.read(room, after, 7, 1000)).frames:
        frames.extend(page.frames)
        after = page.upto
    return frames


# ---- the acceptance suite


async def test_what_was_appended_is_read_back_in_order(store: Store) -> None:
    room = await store.open_room(KEY)
    frames = frames_of(40)
    appended = [await store.append(room.number, frames[at : at + 10]) for at in range(0, 40, 10)]
    assert [(each.after, each.last) for each in appended] == [(0, 10), (10, 20), (20, 30), (30, 40)]
    assert await read_all(store, room.number) == list(frames)
    assert await read_all(store, room.number, after=33) == list(frames[33:])
    assert store.pending_bytes == 0


async def test_a_frame_is_kept_once_per_room_however_often_it_comes(store: Store) -> None:
    one, two = await store.open_room(KEY), await store.open_room(KEY[::-1])
    a, b, c = frames_of(3)
    assert (await store.append(one.number, (a, b, a))).frames == (a, b)
    again = await store.append(one.number, (b, c, a))
    assert (again.after, again.last, again.frames) == (2, 3, (c,))
    assert (await store.append(one.number, (a,))).frames == ()
    assert (await store.append(two.number, (a,))).last == 1, "another room has its own frames and cursors"


async def test_appends_that_share_a_transaction_share_no_cursor(store: Store) -> None:
    rooms = [await store.open_room(os.urandom(32)) for _ in range(3)]
    frames = frames_of(90)
    storing = [store.append(rooms[at % 3].number, (frame, frames[0])) for at, frame in enumerate(frames)]
    for room in rooms:
        own = [await each for at, each in enumerate(storing) if rooms[at % 3] is room]
        cursors = [cursor for each in own for cursor in range(each.after + 1, each.last + 1)]
        assert cursors == list(range(1, own[-1].last + 1))
        assert await read_all(store, room.number) == [frame for each in own for frame in each.frames]


async def test_reading_stops_at_its_bounds_but_always_gets_on(store: Store) -> None:
    room = await store.open_room(KEY)
    frames = frames_of(10, 400)
    await store.append(room.number, frames)
    check = await store.check_at(room.number, 1)
    assert check
    assert await store.read(room.number, 0, 3, 10_000) == Page(3, check, frames[:3])
    assert await store.read(room.number, 3, 100, 1000) == Page(5, check, frames[3:5])
    assert await store.read(room.number, 5, 100, 1) == Page(6, check, frames[5:6])
    assert await store.read(room.number, 10, 100, 1000) == Page(10, b"", ())


async def test_a_room_is_found_as_it_stands(store: Store) -> None:
    assert await store.find_room(KEY) is None
    room = await store.open_room(KEY)
    assert (room.last, room.last_check, room.generation) == (0, b"", 0)
    frames = frames_of(2)
    storing = store.append(room.number, frames)
    found = await store.find_room(KEY)
    stored = await storing
    assert found is not None
    assert (found.number, found.last, found.last_check) == (room.number, 2, stored.batch)
    assert await store.open_room(KEY) == found
    assert await store.check_at(room.number, 1) == stored.batch
    assert await store.check_at(room.number, 3) is None


async def test_no_two_transactions_give_the_same_check(store: Store) -> None:
    room = await store.open_room(KEY)
    stored = [await store.append(room.number, frames_of(2)) for _ in range(3)]
    assert len({each.batch for each in stored}) == 3
    assert [await store.check_at(room.number, cursor) for cursor in range(1, 7)] == [
        each.batch for each in stored for _ in each.frames
    ]


async def test_the_generation_never_goes_down(store: Store) -> None:
    room = await store.open_room(KEY)
    assert [await store.raise_generation(room.number, to) for to in (3, 1, 4)] == [3, 3, 4]
    found = await store.find_room(KEY)
    assert found is not None and found.generation == 4


async def test_mail_waits_until_it_is_taken(store: Store) -> None:
    room, other = await store.open_room(KEY), await store.open_room(KEY[::-1])
    await store.drop(other.number, b"elsewhere")
    await store.drop(room.number, b"one")
    await store.drop(room.number, b"two")
    assert await store.take(room.number, 0) == (2, [b"one", b"two"])
    assert await store.take(room.number, 1) == (2, [b"two"])
    await store.drop(room.number, b"three")
    assert await store.take(room.number, 2) == (3, [b"three"]), "a cursor is never given out twice"
    assert await store.take(room.number, 3) == (3, [])
    assert await store.take(other.number, 0) == (1, [b"elsewhere"])


async def test_a_mailbox_is_bounded_in_number_and_in_bytes(store: Store) -> None:
    room = await store.open_room(KEY)
    with pytest.raises(Refusal, match="quota"):
        await store.drop(room.number, bytes(1001))
    for _ in range(3):
        await store.drop(room.number, b"x")
    with pytest.raises(Refusal, match="quota"):
        await store.drop(room.number, b"x")
    await store.take(room.number, 1)
    await store.drop(room.number, b"x")


async def test_a_room_at_its_quota_refuses_whole_batches_and_harms_no_other(store: Store) -> None:
    full, fine = await store.open_room(KEY), await store.open_room(KEY[::-1])
    first, large, small = frames_of(1, 600_000), frames_of(2, 300_000), frames_of(1, 1000)
    storing = [store.append(full.number, first), store.append(full.number, large), store.append(fine.number, large)]
    outcomes = await asyncio.gather(*storing, return_exceptions=True)
    assert isinstance(outcomes[1], Refusal) and outcomes[1].code == "quota"
    assert (await store.append(full.number, small)).last == 2
    assert (await store.append(full.number, first)).frames == (), "what is there already needs no room"
    assert await read_all(store, fine.number) == list(large)


async def test_the_number_of_rooms_is_bounded(store: Store) -> None:
    for _ in range(50):
        await store.open_room(os.urandom(32))
    with pytest.raises(Refusal, match="quota"):
        await store.open_room(KEY)


# ---- the embedded store's own


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    first = await SqliteStore.open(tmp_path, LIMITS)
    room, frames = await first.open_room(KEY), frames_of(5)
    await first.append(room.number, frames)
    await first.close()
    assert not (tmp_path / "relay.db-wal").exists(), "a stop leaves one file, good for copying"
    second = await SqliteStore.open(tmp_path, LIMITS)
    assert second.id == first.id
    assert await read_all(second, room.number) == list(frames)
    await second.close()


async def test_publishes_due_at_once_share_a_transaction(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path, LIMITS)
    room = await store.open_room(KEY)
    await asyncio.gather(*(store.append(room.number, (frame,)) for frame in frames_of(500)))
    assert store.transactions < 100
    await store.close()


async def test_closing_stores_what_was_handed_in(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path, LIMITS)
    room, frames = await store.open_room(KEY), frames_of(300)
    storing = [store.append(room.number, (frame,)) for frame in frames]
    await store.close()
    assert [(await each).last for each in storing] == list(range(1, 301))


async def test_files_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "relay"
    lock = database.prepare_folder(folder)
    store = await SqliteStore.open(folder, LIMITS)
    room = await store.open_room(KEY)
    await store.append(room.number, frames_of(1))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    await store.close()
    os.close(lock)


async def test_old_mail_makes_room_for_new(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path, replace(LIMITS, mailbox_items=1, mail_age_s=-10))
    room = await store.open_room(KEY)
    await store.drop(room.number, b"old")
    await store.drop(room.number, b"new")
    assert await store.take(room.number, 0) == (2, [b"new"])
    await store.close()


async def test_a_full_disk_refuses_and_heals_without_a_restart(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path, Limits())
    room, frames = await store.open_room(KEY), frames_of(1)
    await store.append(room.number, frames)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    # A publish that doesn't fit, and in the same group a look-up, which must not be dragged down.
    failing = store.append(room.number, frames_of(4, 100_000))
    found = await store.find_room(KEY)
    with pytest.raises(Refusal, match="full"):
        await failing
    assert store.full
    assert found is not None and found.last == 1
    assert store.pending_bytes == 0
    store._connection.execute("PRAGMA max_page_count=1000000")
    more = frames_of(4, 100_000)
    assert (await store.append(room.number, more)).after == 1
    assert not store.full
    assert await read_all(store, room.number) == [*frames, *more]
    await store.close()


async def test_a_failing_store_refuses_and_says_so_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await SqliteStore.open(tmp_path, Limits())
    room = await store.open_room(KEY)
    store._connection.execute("DROP TABLE frames")
    with pytest.raises(Refusal, match="internal"):
        await store.append(room.number, frames_of(1))
    with pytest.raises(Refusal, match="internal"):
        await store.read(room.number, 0, 1, 1)
    assert "no such table" in caplog.text
    await store.close()


async def test_a_failed_checkpoint_loses_nothing(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path, Limits())
    room, frames = await store.open_room(KEY), frames_of(100, 100_000)
    reader = sqlite3.connect(tmp_path / "relay.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM frames").fetchone()  # holds the checkpoint back
    for at in range(0, 100, 10):
        await store.append(room.number, frames[at : at + 10])
    reader.close()
    await store.close()
    again = await SqliteStore.open(tmp_path, Limits())
    assert await read_all(again, room.number) == list(frames)
    await again.close()


# ---- opening


async def made(folder: Path) -> Path:
    store = await SqliteStore.open(folder, Limits())
    room = await store.open_room(KEY)
    await store.append(room.number, frames_of(200, 1000))
    await store.close()
    return folder / "relay.db"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"not a database at all" * 500, id="other content"),
        pytest.param(lambda data: data[: len(data) // 2], id="truncated"),
        pytest.param(lambda data: data[:100] + bytes(8000) + data[8100:], id="zeroed pages"),
        pytest.param(lambda data: data[:50], id="half a header"),
    ],
)
async def test_a_damaged_database_is_refused_and_left_untouched(tmp_path: Path, damage: object) -> None:
    path = await made(tmp_path)
    broken = damage(path.read_bytes())  # type: ignore[operator]
    path.write_bytes(broken)
    with pytest.raises(OpenSeshError, check=lambda error: error.kind.code == "E025"):
        await SqliteStore.open(tmp_path, Limits())
    assert path.read_bytes() == broken


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "relay.db")
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(OpenSeshError, check=lambda error: error.kind.code == "E025"):
        await SqliteStore.open(tmp_path, Limits())


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = await made(tmp_path)
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version={tables.SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(OpenSeshError, check=lambda error: error.kind.code == "E026"):
        await SqliteStore.open(tmp_path, Limits())


async def test_a_start_that_was_cut_off_before_the_tables_is_made_good(tmp_path: Path) -> None:
    begun = sqlite3.connect(tmp_path / "relay.db")
    begun.execute("PRAGMA journal_mode=WAL")
    begun.close()
    store = await SqliteStore.open(tmp_path, Limits())
    assert (await store.open_room(KEY)).last == 0
    await store.close()


def test_one_folder_serves_one_relay(tmp_path: Path) -> None:
    lock = database.prepare_folder(tmp_path)
    with pytest.raises(OpenSeshError, check=lambda error: error.kind.code == "E023"):
        database.prepare_folder(tmp_path)
    os.close(lock)
    os.close(database.prepare_folder(tmp_path))


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OpenSeshError, check=lambda error: error.kind.code == "E024"):
        database.prepare_folder(tmp_path / "file")
