"""More than the relay can serve: it stays within its bounds, serves the honest, and heals without a restart."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from crdt import keys, wire
from tests.relay.conversation import PATIENCE_S, Node, RelayProcess, connecting, dial, frames_of, new_key
from tests.waiting import until

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, sets limits the Linux way"),
]


def resident_mib(relay: RelayProcess) -> float:
    status = Path(f"/proc/{relay.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


async def member(session: aiohttp.ClientSession, url: str, room: keys.SigningKey) -> Node:
    node = await dial(session, url)
    await node.login()
    await node.open_room(room)
    await node.attach(room)
    return node


async def flood(node: Node, room: keys.SigningKey, seconds: float) -> int:
    """Publish without ever waiting for an answer, as fast as the socket takes it; how many frames went out."""
    sent, end = 0, asyncio.get_running_loop().time() + seconds
    reading = asyncio.create_task(read_away(node))
    while asyncio.get_running_loop().time() < end:
        await node.send(wire.Publish(1, room.public, frames_of(64, 4000)))
        sent += 64
    reading.cancel()
    return sent


async def read_away(node: Node) -> None:
    async for _ in node.ws:
        pass


async def test_a_flood_before_stalled_readers_stays_in_memory_and_honest_nodes_are_served(tmp_path: Path) -> None:
    flooded, honest = new_key(), new_key()
    relay = await RelayProcess(tmp_path, "--frames-per-second", "1000000").start()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        floods = [await member(session, relay.url, flooded) for _ in range(4)]
        stalled = [await member(session, relay.url, flooded) for _ in range(50)]
        for node in stalled:
            node.ws._reader._protocol.pause_reading()  # type: ignore[attr-defined]
        ana, ben = await member(session, relay.url, honest), await member(session, relay.url, honest)
        flooding = [asyncio.create_task(flood(node, flooded, 4)) for node in floods]
        peak_mib, written = 0.0, 0
        while not all(task.done() for task in flooding):
            frames = frames_of(1)
            async with asyncio.timeout(PATIENCE_S):
                assert isinstance(await ana.publish(honest, frames), wire.Stored)
                assert await ben.collect(honest, written + 1, after=written) == list(frames)
            written += 1
            peak_mib = max(peak_mib, resident_mib(relay))
        sent = sum([await task for task in flooding])
    assert sent > 10_000 and written > 10
    assert peak_mib < 250, f"{peak_mib:.0f} MiB with 50 stalled readers behind {sent * 4 // 1000} MB"
    print(f"\noverload: {sent} frames before 50 stalled readers, {written} honest ones served, peak {peak_mib:.0f} MiB")
    async with connecting(relay.url) as again:
        assert isinstance(await again.attach(honest), wire.Attached)
        assert len(await again.collect(honest, written)) == written
    assert await relay.stop() == 0


async def test_without_file_descriptors_it_serves_whom_it_has_and_heals(tmp_path: Path) -> None:
    room = new_key()
    relay = await RelayProcess(tmp_path, prefix=("sh", "-c", 'ulimit -n 40; exec "$@"', "relay")).start()
    async with connecting(relay.url) as ana:
        await ana.open_room(room)
        await ana.attach(room)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            crowd = [asyncio.create_task(dial(session, relay.url)) for _ in range(80)]
            await until(lambda: sum(task.done() for task in crowd) >= 15, "the crowd's arrival")
            assert await ana.publish(room, frames_of(1)) == wire.Stored(3, 1)
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
        async with asyncio.timeout(PATIENCE_S), connecting(relay.url) as ben:
            await ben.attach(room)
            assert len(await ben.collect(room, 1)) == 1
    assert await relay.stop() == 0


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if mounting.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_disk_that_is_really_full_refuses_publishing_keeps_reading_and_heals(tmp_path: Path) -> None:
    room, acknowledged = new_key(), list[bytes]()
    with small_disk(tmp_path / "disk", "4m") as disk:
        ballast = disk / "ballast"
        grow(ballast, 1_000_000)
        relay = await RelayProcess(disk / "data").start()
        async with connecting(relay.url) as ana, connecting(relay.url) as ben:
            await ana.open_room(room)
            await ana.attach(room)
            for _ in range(200):
                frames = frames_of(4, 20_000)
                answer = await ana.publish(room, frames)
                if isinstance(answer, wire.Refused):
                    break
                acknowledged.extend(frames)
            assert isinstance(answer, wire.Refused) and answer.code == "full"
            await ben.attach(room)
            assert await ben.collect(room, len(acknowledged)) == acknowledged, "reading goes on"
            ballast.unlink()
            more = frames_of(4, 20_000)
            assert isinstance(await ana.publish(room, more), wire.Stored)
            acknowledged.extend(more)
        assert await relay.stop() == 0
        again = await RelayProcess(disk / "data").start()
        async with connecting(again.url) as cleo:
            await cleo.attach(room)
            assert await cleo.collect(room, len(acknowledged)) == acknowledged
        assert await again.stop() == 0


def grow(path: Path, size_bytes: int) -> None:
    path.write_bytes(os.urandom(size_bytes))
