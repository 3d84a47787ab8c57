"""Measure the relay: durable appends, fan-out to 1, 10, 50 readers, propagation, memory. Prints a table and JSON.

    python -m bench.relay_fanout [--seconds 4] [--json]

The relay runs in a process of its own, writers and readers in this one, all on loopback; every
acknowledged append is fsynced, and the relay writes to --data (by default a temporary folder: choose
one on a real disk). Linux only: CPU and memory are read from /proc. With two cores for both sides,
latencies at full rate include waiting for a core; "CPU s per 1,000 delivered" is the relay's own.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import aiohttp

from crdt import keys, wire
from tests.relay.conversation import Node, RelayProcess, dial, frames_of, new_key

WINDOW_FRAMES = 256  # in the closed loop: frames that the slowest reader may lack
FRAME_BYTES = 64
PACED_PER_S = 50
Row = dict[str, Any]


class Server:
    """The relay's process as /proc shows it."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu_s(self) -> float:
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self, name: str) -> int:
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


class Reader:
    """Counts what a subscription brings, and how long it took if frames carry their time."""

    def __init__(self, node: Node) -> None:
        self.seen = 0
        self.latencies_ms: list[float] | None = None
        self.changed = asyncio.Event()
        self._node = node
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._node.ws:
            deliver = wire.decode_from_relay(message.data)
            if not isinstance(deliver, wire.Deliver):
                continue
            self.seen += len(deliver.frames)
            if self.latencies_ms is not None:
                now = time.perf_counter_ns()
                self.latencies_ms.extend((now - int.from_bytes(frame[:8], "big")) / 1e6 for frame in deliver.frames)
            self.changed.set()


def stamped() -> bytes:
    """A frame that carries the time it was made."""
    return time.perf_counter_ns().to_bytes(8, "big") + os.urandom(FRAME_BYTES - 8)


async def member(session: aiohttp.ClientSession, url: str, room: keys.SigningKey) -> Node:
    node = await dial(session, url)
    await node.login()
    await node.open_room(room)
    await node.attach(room)
    return node


async def fan_out(session: aiohttp.ClientSession, url: str, server: Server, count: int, seconds: float) -> list[Row]:
    """One writer, `count` readers: first paced like a token stream, then as fast as the readers keep up."""
    room = new_key()
    writer = await member(session, url, room)
    readers = [Reader(await member(session, url, room)) for _ in range(count)]
    acknowledged = asyncio.create_task(count_stored(writer))
    rows = [await paced(writer, room, readers, server, seconds)]
    for batch in (1, 16):
        rows.append(await full_rate(writer, room, readers, server, seconds, batch))
    for task in (acknowledged, *(reader.task for reader in readers)):
        task.cancel()
    return rows


async def count_stored(node: Node) -> None:
    async for _ in node.ws:
        pass


async def paced(writer: Node, room: keys.SigningKey, readers: list[Reader], server: Server, seconds: float) -> Row:
    for reader in readers:
        reader.latencies_ms = []
    base, cpu_s, start = [reader.seen for reader in readers], server.cpu_s(), time.perf_counter()
    total = int(PACED_PER_S * seconds)
    for number in range(total):
        await asyncio.sleep(max(0.0, start + number / PACED_PER_S - time.perf_counter()))
        await writer.send(wire.Publish(number, room.public, (stamped(),)))
    await until_seen(readers, base, total)
    delivered = total * len(readers)
    latencies = sorted(value for reader in readers for value in reader.latencies_ms or [])
    for reader in readers:
        reader.latencies_ms = None
    return {
        "what": f"{PACED_PER_S}/s to {len(readers)} readers",
        "p50_ms": round(statistics.median(latencies), 2),
        "p95_ms": round(latencies[int(len(latencies) * 0.95)], 2),
        "cpu_s_per_1000": round((server.cpu_s() - cpu_s) / delivered * 1000, 4),
    }


async def full_rate(
    writer: Node, room: keys.SigningKey, readers: list[Reader], server: Server, seconds: float, batch: int
) -> Row:
    base, cpu_s, start = [reader.seen for reader in readers], server.cpu_s(), time.perf_counter()
    own_cpu_s = time.process_time()
    sent = 0
    while time.perf_counter() - start < seconds:
        while sent - slowest(readers, base) <= WINDOW_FRAMES - batch:
            for _ in range(max(1, 32 // batch)):
                await writer.send(wire.Publish(sent, room.public, frames_of(batch, FRAME_BYTES)))
                sent += batch
            await asyncio.sleep(0)
        last = min(readers, key=lambda reader: reader.seen)
        last.changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(last.changed.wait(), 0.05)
    await until_seen(readers, base, sent)
    wall_s, delivered = time.perf_counter() - start, sent * len(readers)
    return {
        "what": f"full rate, {batch} per publish, {len(readers)} readers",
        "writes_per_s": round(sent / wall_s),
        "delivered_per_s": round(delivered / wall_s),
        "cpu_s_per_1000": round((server.cpu_s() - cpu_s) / delivered * 1000, 4),
        "relay_cpu_percent": round((server.cpu_s() - cpu_s) / wall_s * 100),
        "load_cpu_percent": round((time.process_time() - own_cpu_s) / wall_s * 100),
    }


def slowest(readers: list[Reader], base: list[int]) -> int:
    return min(reader.seen - before for reader, before in zip(readers, base, strict=True))


async def until_seen(readers: list[Reader], base: list[int], total: int) -> None:
    async with asyncio.timeout(60):
        for reader, before in zip(readers, base, strict=True):
            while reader.seen - before < total:
                reader.changed.clear()
                await reader.changed.wait()


async def durable_appends(session: aiohttp.ClientSession, url: str, server: Server, seconds: float) -> Row:
    """Four writers, frames of 1 kB, 32 to a publish, eight publishes in flight each; acknowledged only when fsynced."""
    writers, cpu_s, start = [], server.cpu_s(), time.perf_counter()
    for _ in range(4):
        room = new_key()
        writers.append(append_until(await member(session, url, room), room, start + seconds))
    stored = sum(await asyncio.gather(*writers))
    wall_s = time.perf_counter() - start
    return {
        "what": "durable appends of 1 kB, 4 writers",
        "writes_per_s": round(stored / wall_s),
        "relay_cpu_percent": round((server.cpu_s() - cpu_s) / wall_s * 100),
    }


async def append_until(node: Node, room: keys.SigningKey, end: float) -> int:
    flying: deque[int] = deque()
    stored = 0
    while True:
        while len(flying) < 8 and time.perf_counter() < end:
            flying.append(32)
            await node.send(wire.Publish(1, room.public, frames_of(32, 1000)))
        if not flying:
            return stored
        await node.expect(wire.Stored)
        node.kept.clear()
        stored += flying.popleft()


async def memory(session: aiohttp.ClientSession, url: str, server: Server, count: int) -> list[Row]:
    """Idle; per idle room with one client; per further client of such a room."""
    idle_kib, private_kib = server.memory_kib("VmRSS"), server.memory_kib("RssAnon")
    rooms = [new_key() for _ in range(count)]
    nodes = [await member(session, url, room) for room in rooms]
    with_rooms_kib = server.memory_kib("VmRSS")
    nodes += [await member(session, url, room) for room in rooms]
    with_more_kib = server.memory_kib("VmRSS")
    for node in nodes:
        await node.ws.close()
    return [
        {"what": "idle memory", "rss_mib": round(idle_kib / 1024, 1), "private_mib": round(private_kib / 1024, 1)},
        {"what": "per idle room with a client", "kib": round((with_rooms_kib - idle_kib) / count, 1)},
        {"what": "per further connection", "kib": round((with_more_kib - with_rooms_kib) / count, 1)},
    ]


async def measure(folder: Path, seconds: float) -> list[Row]:
    relay = await RelayProcess(folder, "--frames-per-second", "100000000", "--connections-per-address", "5000").start()
    server = Server(relay.process.pid)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        rows = await memory(session, relay.url, server, 400)
        rows.append(await durable_appends(session, relay.url, server, seconds))
        for count in (1, 10, 50):
            rows += await fan_out(session, relay.url, server, count, seconds)
        rows.append({"what": "memory at the end", "rss_mib": round(server.memory_kib("VmRSS") / 1024, 1)})
    if await relay.stop() != 0:
        raise SystemExit("the relay did not stop cleanly")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    parser.add_argument("--data", type=Path, help="where the relay stores (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="JSON alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.data) as folder:
        rows = asyncio.run(measure(Path(folder), arguments.seconds))
    if not arguments.json:
        for row in rows:
            figures = "  ".join(f"{name} {value}" for name, value in row.items() if name != "what")
            print(f"{row['what']:<44} {figures}")
    machine = {"python": platform.python_version(), "aiohttp": aiohttp.__version__, "cores": os.cpu_count()}
    json.dump({"machine": machine, "rows": rows}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
