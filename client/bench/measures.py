"""The measurements: each against real processes with homes of their own, each a row with its unit."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client import http
from client.demo.machines import Device, Relay
from crdt.errors import DEMO_FAILED
from node.api.endpoint import places

Row = dict[str, Any]
PACED_PER_S = 50
WRITERS = 8
LONG_S = 600.0  # however slow the machine is


def row(
    what: str, value: float, unit: str, *, low: float | None = None, high: float | None = None, note: str = ""
) -> Row:
    """One figure: its median or total, its range, and what it was measured on."""
    return {"what": what, "value": round(value, 3), "unit": unit, "low": low, "high": high, "note": note}


def timed_ms(act: Callable[[], object]) -> float:
    """How long something took."""
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def several(what: str, act: Callable[[], object], times: int, note: str = "") -> Row:
    """The median of several runs, with their range."""
    took = sorted(timed_ms(act) for _ in range(times))
    return row(what, statistics.median(took), "ms", low=round(took[0], 1), high=round(took[-1], 1), note=note)


def command_line(device: Device, times: int) -> list[Row]:
    """`opensesh list` with a warm node, and how that stands to an interpreter that does nothing."""
    bare = several("python -c pass", lambda: _quiet([sys.executable, "-c", "pass"], device), times)
    listing = several("opensesh list, warm node", lambda: _quiet(device.command("list"), device), times)
    return [bare, listing, row("opensesh list ÷ python -c pass", listing["value"] / bare["value"], "×")]


def cold_start(device: Device, times: int) -> Row:
    """From nothing to a node that answers."""

    def start() -> None:
        device.run("node", "start")

    took = []
    for _ in range(times):
        device.run("node", "stop")
        took.append(timed_ms(start))
    took.sort()
    return row(
        "node, cold start to ready", statistics.median(took), "ms", low=round(took[0], 1), high=round(took[-1], 1)
    )


def memory(device: Device, relay: Relay) -> list[Row]:
    """What an idle node and an idle relay hold (Linux only)."""
    pid = int(Path(places(device.environment).pid_file).read_text().split()[0])
    found = []
    for name, number in (("node", pid), ("relay", relay.pid)):
        try:
            status = Path(f"/proc/{number}/status").read_text()
        except OSError:
            continue
        sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in status.splitlines() if line.endswith("kB")}
        found += [
            row(f"{name}, idle: resident memory", sizes["VmRSS"], "MiB"),
            row(f"{name}, idle: private memory", sizes["RssAnon"], "MiB"),
        ]
    return found


def propagation(laptop: Device, desktop: Device, thread: str, seconds: int) -> list[Row]:
    """From the call on the laptop to the event on the desktop: signed, sealed, stored twice, over the relay."""
    sent: dict[str, float] = {}
    took: list[float] = []
    count = PACED_PER_S * seconds
    ready, done = threading.Event(), threading.Event()

    def listen() -> None:
        for line in http.stream(places(desktop.environment).socket, "events.watch", thread=thread):
            if line["type"] == "ready":
                ready.set()
            elif line["type"] == "message.added" and line["message"]["text"] in sent:
                took.append((time.perf_counter() - sent[line["message"]["text"]]) * 1000)
                if len(took) == count:
                    done.set()
                    return

    threading.Thread(target=listen, daemon=True).start()
    ready.wait(20)
    socket = places(laptop.environment).socket
    begun = time.perf_counter()
    for number in range(count):
        text = f"paced {number}"
        time.sleep(max(0.0, begun + number / PACED_PER_S - time.perf_counter()))
        sent[text] = time.perf_counter()
        http.call(socket, "message.say", thread=thread, text=text)
    if not done.wait(30) and not took:
        raise DEMO_FAILED("No change arrived on the second device.")
    took.sort()
    note = f"{PACED_PER_S} changes/s over a relay on loopback, {len(took)} of {count} arrived"
    p95 = took[int(len(took) * 0.95)]
    return [
        row("change propagation, median", statistics.median(took), "ms", note=note),
        row("change propagation, p95", p95, "ms"),
    ]


def appends(device: Device, thread: str, seconds: float) -> Row:
    """Messages acknowledged, each of them on the disk, by several writers at once."""
    socket = places(device.environment).socket
    stop = time.perf_counter() + seconds
    counts = [0] * WRITERS

    def write(number: int) -> None:
        while time.perf_counter() < stop:
            http.call(socket, "message.say", thread=thread, text=f"writer {number}, message {counts[number]}")
            counts[number] += 1

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return row("node: durable messages through the API", sum(counts) / seconds, "per s", note=f"{WRITERS} writers")


def catch_up(laptop: Device, desktop: Device, folder: Path, events: int) -> list[Row]:
    """A long imported thread: into the laptop while the desktop is off, over to the desktop, its end shown there."""
    path = folder / "long.jsonl"
    path.write_text("".join(_record(number) for number in range(events)), encoding="utf-8")
    note = f"{events} events, {path.stat().st_size / 1e6:.1f} MB"
    imported: list[str] = []

    def bring_in() -> None:
        imported.append(laptop.run("import", str(path), patience_s=LONG_S)["threads"][0]["id"])

    def fetch() -> None:
        desktop.run("node", "start")
        desktop.run("sync", "wait", "--incoming", patience_s=LONG_S)

    def show() -> None:
        desktop.run("show", imported[0], "--limit", "50")

    desktop.run("node", "stop")
    found = [row("import a long session", timed_ms(bring_in), "ms", note=note)]
    laptop.run("sync", "wait", patience_s=LONG_S)
    found.append(row("cold catch-up over the relay", timed_ms(fetch), "ms", note="the node's start included"))
    found.append(row("its last 50 messages shown there", timed_ms(show), "ms"))
    desktop.run("node", "stop")
    desktop.run("node", "start")
    found.append(row("the same, opened from the disk", timed_ms(show), "ms"))
    return found


def _record(number: int) -> str:
    role = "user" if number % 2 == 0 else "assistant"
    content: Any = f"event {number}: " + "some words of a session that goes on for long " * 3
    message: dict[str, Any] = {"role": role, "content": content}
    if role == "assistant":
        message |= {"id": f"msg_{number}", "model": "m", "content": [{"type": "text", "text": content}]}
    second, minute, hour = number % 60, number // 60 % 60, number // 3600 % 24
    record = {
        "sessionId": "bench",
        "cwd": "/bench",
        "type": role,
        "uuid": f"u{number}",
        "timestamp": f"2026-01-0{1 + number // 86400}T{hour:02d}:{minute:02d}:{second:02d}.000Z",
        "message": message,
    }
    return json.dumps(record) + "\n"


def _quiet(command: list[str], device: Device) -> None:
    subprocess.run(command, env=device.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import platform

    from client.version import version

    return {
        "opensesh": version(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }
