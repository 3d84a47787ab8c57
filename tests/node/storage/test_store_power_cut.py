"""After a power cut at any moment the store opens, and whatever it had acknowledged is there."""

import os
import random
import shutil
import sys
from pathlib import Path

import pytest

from crdt.errors import OpenSeshError
from node import keychain
from node.store import Store
from tests.node.storage.power_cut_trace import Call, Disk, record
from tests.node.storage.store_rows import a_frame, ident

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


def calls_of_a_store(folder: Path, rounds: int) -> list[Call]:
    folder.mkdir()
    command = [
        sys.executable,
        str(Path(__file__).with_name("traced_writer.py")),
        str(folder / "opensesh.db"),
        str(rounds),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return record(command, environment, folder.with_suffix(".trace"))


async def lost_in(image: Path, said: bytes) -> list[str]:
    """What was acknowledged and is not in the image; opening it is allowed to fail for nothing."""
    heard = [line.split() for line in said.decode().splitlines()]
    try:
        installation = keychain.unlock(image, image / "opensesh.db", {"OPENSESH_KEYRING": "file"})
        store = await Store.open(image / "opensesh.db", installation.key)
    except OpenSeshError as error:
        return [f"does not open: {error.message} {error.details}"]
    frames = {frame.envelope for thread in "abc" for frame in await store.frames(ident(thread), limit=100_000)}
    events = {event.cursor: event.payload for event in await store.events(0, limit=100_000)}
    missing = [
        f"{thread} {number}"
        for thread, number, cursor in heard
        if a_frame(thread, int(number)).envelope not in frames or events.get(int(cursor)) != number.encode()
    ]
    if len(frames) != len(events):
        missing.append("half of a batch")
    for thread, number, _ in reversed(heard):
        summary = await store.summary(ident(thread))
        if summary is None or int(summary.payload) < int(number):
            missing.append(f"summary of {thread}")
        break
    await store.close()
    return missing


async def losses(folder: Path, calls: list[Call], images: int, forget_syncs: bool = False) -> list[str]:
    """Cut the power `images` times at random calls. Returns what was lost, with what it takes to see it again."""
    seed = random.Random(images)
    moments = sorted(seed.choices(range(len(calls)), k=images))
    disk = Disk(folder, forget_syncs)
    found: list[str] = []
    played = 0
    for number, moment in enumerate(moments):
        while played <= moment:
            disk.play(calls[played])
            played += 1
        image = folder.parent / f"image-{number}"
        image.mkdir()
        disk.image(seed, image)
        found += [f"call {moment}, image {number}: {loss}" for loss in await lost_in(image, disk.said)]
        shutil.rmtree(image)
    assert disk.said
    return found


async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    calls = calls_of_a_store(tmp_path / "store", 60)
    assert await losses(tmp_path / "store", calls, 60) == []


async def test_the_cuts_would_show_a_store_that_does_not_sync(tmp_path: Path) -> None:
    calls = calls_of_a_store(tmp_path / "store", 30)
    assert await losses(tmp_path / "store", calls, 40, forget_syncs=True) != []


@pytest.mark.deep
async def test_5000_power_cuts_lose_nothing_that_was_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = calls_of_a_store(tmp_path / "store", 400)
    assert sum(call.name in ("fsync", "fdatasync") for call in calls) > 400
    assert await losses(tmp_path / "store", calls, 5000) == []
    with capsys.disabled():
        print("\npower cuts: 5000 images of the node's database, 0 acknowledged changes lost")
