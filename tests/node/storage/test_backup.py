"""A backup brings everything back, on this device or another, and never makes anything worse."""

import asyncio
from pathlib import Path

import pytest

from crdt.errors import AUTH_FAILED, BACKUP_INVALID, CURSOR_UNKNOWN, KEYS_UNREADABLE, ErrorKind, OpenSeshError
from node import keychain
from node.storage import backup
from node.store import Batch, NewEvent, Store
from tests.node.storage.store_rows import a_frame, a_summary, ident

FILE = {"OPENSESH_KEYRING": "file"}
NOW_MS = 1_700_000_000_000


class Home:
    """A data folder with its key in a file."""

    def __init__(self, data: Path) -> None:
        data.mkdir()
        self.data, self.database = data, data / "opensesh.db"

    def unlock(self) -> keychain.Installation:
        return keychain.unlock(self.data, self.database, FILE)

    async def open(self) -> Store:
        return await Store.open(self.database, self.unlock().key)

    async def write(self, number: int) -> None:
        store = await self.open()
        thread = ident("a")
        batch = Batch(frames=[a_frame("a", number)], events=[NewEvent(thread, b"x")], summaries=[a_summary("a")])
        await store.write(batch)
        await store.close()

    async def sequences(self) -> list[int]:
        store = await self.open()
        found = [frame.sequence for frame in await store.frames(ident("a"))]
        await store.close()
        return found

    def restore(self, source: Path, passphrase: str | None = None) -> backup.Restored:
        return backup.restore(source, self.database, passphrase, FILE)

    def content(self) -> dict[str, bytes]:
        there = (file for file in self.data.iterdir() if not file.name.endswith("-shm"))
        return {file.name: file.read_bytes() for file in there if file.stat().st_size}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def other(tmp_path: Path) -> Home:
    return Home(tmp_path / "other")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup.opensesh"


async def backed_up(home: Home, target: Path, passphrase: str | None = None) -> Path:
    """A backup that is made while the store is open and has frame 1 in its log only; frame 2 comes later."""
    store = await home.open()
    await store.write(Batch(frames=[a_frame("a", 1)], events=[NewEvent(ident("a"), b"x")], summaries=[a_summary("a")]))
    await asyncio.to_thread(backup.create, home.database, target, home.unlock(), NOW_MS, passphrase)
    await store.close()
    await home.write(2)
    return target


def refused(home: Home, source: Path, kind: ErrorKind, passphrase: str | None = None) -> None:
    before = home.content()
    with pytest.raises(OpenSeshError) as error:
        home.restore(source, passphrase)
    assert error.value.kind is kind
    assert home.content() == before


async def test_a_backup_restores_what_was_there_and_keeps_what_it_replaces(home: Home, target: Path) -> None:
    await backed_up(home, target)
    restored = home.restore(target)
    assert await home.sequences() == [1]
    assert restored.replaced is not None
    former = await Store.open(restored.replaced, home.unlock().key)
    assert [frame.sequence for frame in await former.frames(ident("a"))] == [1, 2]
    await former.close()


async def test_a_restored_installation_counts_a_generation_and_uses_no_cursor_again(home: Home, target: Path) -> None:
    await backed_up(home, target)
    store = await home.open()
    assert store.generation == 0
    _, seen = await store.event_bounds()
    await store.close()
    assert home.restore(target).generation == 1
    store = await home.open()
    assert store.generation == 1
    with pytest.raises(OpenSeshError) as error:
        await store.events(seen)
    assert error.value.kind is CURSOR_UNKNOWN
    floor, last = await store.event_bounds()
    assert await store.events(floor) == []
    written = await store.write(Batch(events=[NewEvent(ident("a"), b"new")]))
    assert written.cursors == (last + 1,)
    assert [event.payload for event in await store.events(floor)] == [b"new"]
    await store.close()
    assert home.restore(target).generation == 1


async def test_with_a_passphrase_a_backup_opens_on_another_device(home: Home, other: Home, target: Path) -> None:
    await backed_up(home, target, "correct horse")
    refused(other, target, KEYS_UNREADABLE)
    refused(other, target, AUTH_FAILED, "wrong horse")
    restored = other.restore(target, "correct horse")
    assert restored.replaced is None
    assert restored.installation.id == home.unlock().id
    assert await other.sequences() == [1]


async def test_restoring_over_another_installation_keeps_its_database_and_key(
    home: Home, other: Home, target: Path
) -> None:
    await backed_up(home, target, "correct horse")
    await other.write(7)
    key = other.unlock().key
    restored = other.restore(target, "correct horse")
    assert await other.sequences() == [1]
    assert restored.replaced is not None
    former = await Store.open(restored.replaced, key)
    assert [frame.sequence for frame in await former.frames(ident("a"))] == [7]
    await former.close()
    assert key.hex() in (other.data / "installation.key.replaced-1").read_text()


async def test_without_key_or_passphrase_a_backup_stays_shut(home: Home, other: Home, target: Path) -> None:
    await backed_up(home, target)
    refused(other, target, KEYS_UNREADABLE, "any words")


async def test_a_backup_is_private_and_shows_no_key(home: Home, target: Path) -> None:
    await backed_up(home, target, "correct horse")
    assert (await asyncio.to_thread(target.stat)).st_mode & 0o777 == 0o600
    content = await asyncio.to_thread(target.read_bytes)
    key = home.unlock().key
    assert key not in content
    assert key.hex().encode() not in content
    assert b"correct horse" not in content
    metadata = backup.read_metadata(target)
    assert metadata.created_ms == NOW_MS
    assert metadata.installation == home.unlock().id


async def test_every_kind_of_damage_to_a_backup_is_refused(home: Home, target: Path, tmp_path: Path) -> None:
    whole = await asyncio.to_thread((await backed_up(home, target)).read_bytes)
    damaged = tmp_path / "damaged"
    end = len(whole)
    for content in (
        b"",
        b"no backup at all",
        whole[:20],
        whole[:-1],
        whole + b"x",
        whole[:40] + bytes([whole[40] ^ 0xFF]) + whole[41:],
        *(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(200, end, end // 9)),
        whole[:18] + b"\xff\xff\xff\xff" + whole[22:],
    ):
        await asyncio.to_thread(damaged.write_bytes, content)
        refused(home, damaged, BACKUP_INVALID)
    assert await home.sequences() == [1, 2]


async def test_a_backup_is_never_written_over_a_file(home: Home, target: Path) -> None:
    await backed_up(home, target)
    with pytest.raises(OpenSeshError) as error:
        backup.create(home.database, target, home.unlock(), NOW_MS)
    assert error.value.kind is BACKUP_INVALID


async def test_a_restore_that_fails_at_the_last_step_puts_everything_back(
    home: Home, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backed_up(home, target)

    def failing(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("node.storage.files.sync_folder", failing)
    with pytest.raises(OpenSeshError):
        home.restore(target)
    monkeypatch.undo()
    assert await home.sequences() == [1, 2]


async def test_after_a_restore_cut_off_by_a_crash_no_empty_database_is_made(home: Home, target: Path) -> None:
    await backed_up(home, target)
    cut_off = home.database.with_name("opensesh.db.replaced-1")
    home.database.rename(cut_off)
    await asyncio.to_thread(home.database.with_name("opensesh.db.restoring").write_bytes, b"half")
    with pytest.raises(OpenSeshError, match="damaged") as error:
        await home.open()
    assert "do that again" in error.value.details["cause"]
    home.restore(target)
    assert await home.sequences() == [1]
    assert cut_off.exists()
