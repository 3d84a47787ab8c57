"""Two devices over a real relay: whatever happens to it, both end with everything, once, and so does it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crdt import errors
from crdt.ids import ThreadId
from node.sync import subscription
from node.synchronizer import Synchronizer
from tests.node.second_device import Machine, enter
from tests.node.sync.with_relay import URL, Place, Wire, devices, syncing
from tests.waiting import until

PATIENCE_S = 30.0


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Machine, Machine]]:
    """Two devices of one identity that was told of a relay."""
    async with devices(tmp_path, "laptop", "desktop") as (laptop, desktop):
        await laptop.account.ensure()
        await laptop.account.put("relays", {URL: ""})
        await enter(laptop, desktop)
        yield laptop, desktop


async def settle(*synchronizers: Synchronizer) -> None:
    """Everything of each at the relay, and everything of the relay at each."""
    async with asyncio.timeout(PATIENCE_S):
        for synchronizer in (*synchronizers, *synchronizers):
            await synchronizer.wait(None, incoming=True)


async def test_what_either_says_is_on_both_and_at_the_relay_once(pair: tuple[Machine, Machine], tmp_path: Path) -> None:
    laptop, desktop = pair
    place = Place(tmp_path)
    thread = await laptop.new("Plans")
    await laptop.say(thread, "one", "two")
    async with place.up(), syncing(laptop, (URL, place)) as (left, _), syncing(desktop, (URL, place)) as (right, _):
        await settle(left, right)
        await desktop.say(thread, "three")
        await settle(right, left)
        assert await laptop.texts(thread) == await desktop.texts(thread) == ["one", "two", "three"]
        assert left.words(thread) == right.words(thread) == "on the relay"
    both = await laptop.hashes(thread) | await laptop.hashes(laptop.account.thread)
    assert sorted(place.hashes()) == sorted(both)


async def test_what_is_said_while_both_are_connected_is_there_without_anybody_asking(
    pair: tuple[Machine, Machine], tmp_path: Path
) -> None:
    laptop, desktop = pair
    place = Place(tmp_path)
    thread = await laptop.new("Live")
    async with place.up(), syncing(laptop, (URL, place)) as (left, _), syncing(desktop, (URL, place)) as (right, _):
        await settle(left, right)
        await laptop.say(thread, "there")
        await until(lambda: _says(desktop, thread, ["there"]))
        await desktop.say(thread, "and back")
        await until(lambda: _says(laptop, thread, ["there", "and back"]))
        founded = await desktop.new("Founded while connected")
        await desktop.say(founded, "first")
        await until(lambda: _says(laptop, founded, ["first"]))


async def _says(device: Machine, thread: ThreadId, expected: list[str]) -> bool:
    try:
        return await device.texts(thread) == expected
    except errors.OpenSeshError:
        return False


async def test_a_relay_that_was_away_gets_what_it_missed(pair: tuple[Machine, Machine], tmp_path: Path) -> None:
    laptop, desktop = pair
    place = Place(tmp_path)
    thread = await laptop.new("Away")
    async with syncing(laptop, (URL, place)) as (left, _), syncing(desktop, (URL, place)) as (right, _):
        async with place.up():
            await settle(left, right)
        await laptop.say(thread, "while it was away")
        assert left.words(thread) == "saved here"
        async with place.up():
            await settle(left, right)
        assert await desktop.texts(thread) == ["while it was away"]
        assert left.words(thread) == "on the relay"


async def test_a_relay_with_another_database_gets_everything_also_what_came_from_the_old_one(
    pair: tuple[Machine, Machine], tmp_path: Path
) -> None:
    laptop, desktop = pair
    old, new = Place(tmp_path, "old"), Place(tmp_path, "new")
    async with old.up(), syncing(laptop, (URL, old)) as (left, _), syncing(desktop, (URL, old)) as (right, _):
        await settle(left, right)
        thread = await desktop.new("The desktop's")
        await desktop.say(thread, "said on the desktop")
        await settle(right, left)
    async with new.up(), syncing(laptop, (URL, new)) as (left, _):  # the desktop never comes back
        await settle(left)
    assert set(new.hashes()) == await laptop.hashes(thread) | await laptop.hashes(laptop.account.thread)


async def test_a_relay_put_back_from_an_old_backup_gets_again_what_it_lost(
    pair: tuple[Machine, Machine], tmp_path: Path
) -> None:
    laptop, desktop = pair
    place, backup = Place(tmp_path), tmp_path / "backup"
    thread = await laptop.new("Put back")
    async with place.up(), syncing(laptop, (URL, place)) as (left, _):
        await settle(left)
    shutil.copytree(place.folder, backup)
    async with place.up(), syncing(laptop, (URL, place)) as (left, _), syncing(desktop, (URL, place)) as (right, _):
        await settle(left, right)
        await laptop.say(thread, "lost by the relay, the laptop's")
        await settle(left, right)
        await desktop.say(thread, "lost by the relay, the desktop's")
        await settle(right, left)
    whole = set(place.hashes())
    shutil.rmtree(place.folder)
    backup.rename(place.folder)
    assert len(place.hashes()) < len(whole)
    async with place.up(), syncing(laptop, (URL, place)) as (left, _):  # the desktop never comes back
        await settle(left)
        assert left.words(thread) == "on the relay"
    assert set(place.hashes()) == whole


async def test_an_upload_that_was_cut_anywhere_goes_on_and_leaves_nothing_twice(
    pair: tuple[Machine, Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "BATCH_BYTES", 1)  # each frame in an upload of its own
    laptop, desktop = pair
    place = Place(tmp_path)
    thread = await laptop.new("Cut")
    await laptop.say(thread, *(f"{number}" for number in range(20)))
    for cut_after in (1, 5, 15):
        async with place.up(), syncing(laptop, (URL, place)) as (_, line):
            reached = asyncio.Event()

            async def cut(
                room: bytes, line: Wire = line, reached: asyncio.Event = reached, after: int = cut_after
            ) -> None:
                if len(line.published) >= after:
                    reached.set()
                    await asyncio.Event().wait()  # until this device's process ends

            line.before_publish = cut
            await laptop.say(thread, f"before cut {cut_after}")
            async with asyncio.timeout(PATIENCE_S):
                await reached.wait()
    async with place.up(), syncing(laptop, (URL, place)) as (left, _), syncing(desktop, (URL, place)) as (right, _):
        await settle(left, right)
    assert await desktop.texts(thread) == await laptop.texts(thread)
    assert len(await desktop.texts(thread)) == 23
    assert len(place.hashes()) == len(set(place.hashes()))


async def test_two_relays_at_once_bring_everything_once(pair: tuple[Machine, Machine], tmp_path: Path) -> None:
    laptop, desktop = pair
    other = "ws://other.test"
    one, two = Place(tmp_path, "one"), Place(tmp_path, "two")
    both = ((URL, one), (other, two))
    await laptop.account.put("relays", {other: ""})  # the desktop learns of this one by the first
    thread = await laptop.new("Twofold")
    async with one.up(), two.up(), syncing(laptop, *both) as (left, _), syncing(desktop, *both) as (right, _):
        await settle(left, right)
        for number in range(10):
            await laptop.say(thread, f"laptop {number}")
            await desktop.say(thread, f"desktop {number}")
        await settle(left, right)
        async with asyncio.timeout(PATIENCE_S):
            for synchronizer in (left, right):
                await until(lambda s=synchronizer: _all_stored(s))  # type: ignore[misc]
        assert await laptop.texts(thread) == await desktop.texts(thread)
        assert len(await laptop.texts(thread)) == 20
    assert set(one.hashes()) == set(two.hashes())
    assert len(one.hashes()) == len(set(one.hashes()))


async def _all_stored(synchronizer: Synchronizer) -> bool:
    return not any([await link.pending(None) for link in synchronizer.links()])


async def test_a_restarted_device_reads_on_where_it_was(pair: tuple[Machine, Machine], tmp_path: Path) -> None:
    laptop, desktop = pair
    place = Place(tmp_path)
    thread = await laptop.new("Marks")
    await laptop.say(thread, *(f"{number}" for number in range(30)))
    async with place.up():
        async with syncing(laptop, (URL, place)) as (left, _), syncing(desktop, (URL, place)) as (right, _):
            await settle(left, right)
        async with syncing(desktop, (URL, place)) as (right, line):
            await settle(right)
            cursors = dict(line.attached)
            assert line.published == []
    assert cursors[desktop.account.affairs.rooms[thread].public] == len(await laptop.hashes(thread))


@pytest.mark.parametrize("count", [700, pytest.param(5000, marks=pytest.mark.deep)])
async def test_a_long_backlog_comes_whole_and_is_counted_right(
    pair: tuple[Machine, Machine], tmp_path: Path, count: int
) -> None:
    laptop, desktop = pair
    place = Place(tmp_path)
    thread = await laptop.new("Long")
    await laptop.say_at_once(thread, *(f"{number}" for number in range(count)))
    async with syncing(laptop, (URL, place)) as (left, line), syncing(desktop, (URL, place)) as (right, _):
        frames = len(await laptop.hashes(thread))
        assert await left.pending(thread) == frames > count
        async with place.up():
            await settle(left, right)
        assert await left.pending() == 0
        assert sum(line.published) == frames + len(await laptop.hashes(laptop.account.thread))
        assert len(line.published) <= 4 + frames // 400
    assert await desktop.hashes(thread) == await laptop.hashes(thread)
    assert len(await desktop.texts(thread)) == count


async def test_a_thread_that_is_kept_here_has_no_room_at_the_relay_until_it_may(
    pair: tuple[Machine, Machine], tmp_path: Path
) -> None:
    laptop, _ = pair
    place = Place(tmp_path)
    kept, shared = await laptop.new("Kept"), await laptop.new("Shared")
    rooms = {thread: room.public for thread, room in laptop.account.affairs.rooms.items()}
    async with place.up():
        async with syncing(laptop, (URL, place)) as (left, _):
            await left.allow(kept, None, False)
        async with syncing(laptop, (URL, place)) as (left, _):  # remembered
            await laptop.say(kept, "for me alone")
            await settle(left)
            assert left.words(kept) == "local-only"
            with pytest.raises(errors.OpenSeshError, match="kept on this device") as refusal:
                await left.wait(kept, incoming=False)
            assert refusal.value.kind is errors.NOTHING_TO_SYNC_WITH
        assert rooms[kept] not in place.rooms()
        assert rooms[shared] in place.rooms()
        async with syncing(laptop, (URL, place)) as (left, _):
            await left.allow(kept, None, True)
            await settle(left)
            assert left.words(kept) == "on the relay"
    assert rooms[kept] in place.rooms()


async def test_nothing_is_dialled_before_a_relay_was_named(tmp_path: Path) -> None:
    async with devices(tmp_path, "laptop") as [laptop], syncing(laptop, (URL, Place(tmp_path))) as (left, line):
        with pytest.raises(errors.OpenSeshError):
            await left.wait(None, incoming=False)
        thread = await laptop.new("Alone")
        await laptop.say(thread, "here")
        with pytest.raises(errors.OpenSeshError):
            await left.wait(thread, incoming=True)
        assert left.words(thread) == await left.overall() == "local-only"
        assert line.dialled == []


async def test_a_deleted_thread_is_left_alone_at_the_relay(pair: tuple[Machine, Machine], tmp_path: Path) -> None:
    laptop, _ = pair
    place = Place(tmp_path)
    thread = await laptop.new("Gone")
    await laptop.account.set_state(thread, "deleted")
    async with place.up(), syncing(laptop, (URL, place)) as (left, _):
        await settle(left)
    assert laptop.account.affairs.rooms[thread].public not in place.rooms()
