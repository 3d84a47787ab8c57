"""What working together costs: joining, changes in a room of ten, and changes of rights with up to 100 members.

The first figures are of real nodes over a real relay. A hundred nodes don't fit on one machine: what rights cost
with many members is measured by the node itself, with as many identities (`python -m node.measuring.sharing`).
"""

import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from client import http
from client.bench.measures import PACED_PER_S, Row, row
from client.bench.run import tell
from client.cli.out import Out
from client.demo.machines import Device, Relay
from client.starting import node_environment
from crdt.errors import DEMO_FAILED, OpenSeshError
from node.api.endpoint import places

PEOPLE = 10
QUICK_PEOPLE = 3
LATE_S = 30.0


class Room:
    """A thread of Ana's, and teammates in it, each with a node of their own."""

    def __init__(self, folder: Path, people: int, stack: ExitStack) -> None:
        relay = Relay(folder)
        stack.callback(relay.stop)
        self.ana, *self.team = [Device(f"person-{number}", folder) for number in range(people)]
        for device in (self.ana, *self.team):
            stack.callback(device.stop)
            device.run("node", "start")
        self.ana.run("sync", "connect", relay.url)
        self.thread: str = self.ana.run("new", "Measured together")["id"]
        self.ana.run("sync", "wait")

    def join(self) -> list[float]:
        """Let everybody in; how long each took, in ms, from the command to its answer."""
        took = []
        for device in self.team:
            link = self.ana.run("share", self.thread, "--permission", "editor")["link"]
            begun = time.perf_counter()
            http.call(_socket(device), "share.join", link=link, name=device.name, timeout_s=LATE_S)
            took.append((time.perf_counter() - begun) * 1000)
        return took


class Listeners:
    """What happens in a thread on each device, with the time at which it was heard of."""

    def __init__(self, thread: str, devices: list[Device]) -> None:
        self.heard: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        ready = threading.Barrier(len(devices) + 1)
        for device in devices:
            threading.Thread(target=self._listen, args=(device, thread, ready), daemon=True).start()
        ready.wait(LATE_S)

    def _listen(self, device: Device, thread: str, ready: threading.Barrier) -> None:
        with contextlib.suppress(OpenSeshError):  # the node stops at the end
            for line in http.stream(_socket(device), "events.watch", thread=thread):
                now = time.perf_counter()
                if line["type"] == "ready":
                    ready.wait(LATE_S)
                name = line["message"]["text"] if line["type"] == "message.added" else line["type"]
                with self._changed:
                    self.heard.setdefault(name, []).append(now)
                    self._changed.notify_all()

    def wait(self, name: str, count: int) -> list[float]:
        """When so many have heard of it."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.heard.get(name, [])) >= count, LATE_S):
                raise DEMO_FAILED(f"Only {len(self.heard.get(name, []))} of {count} heard of a change.")
            return list(self.heard[name])


def changes(room: Room, seconds: int) -> list[Row]:
    """Messages at a steady rate by one, and how long until each of the others was told."""
    listeners = Listeners(room.thread, room.team)
    acknowledged: dict[str, float] = {}
    begun = time.perf_counter()
    for number in range(PACED_PER_S * seconds):
        text = f"paced {number}"
        time.sleep(max(0.0, begun + number / PACED_PER_S - time.perf_counter()))
        http.call(_socket(room.ana), "message.say", thread=room.thread, text=text)
        acknowledged[text] = time.perf_counter()
    took = [
        max(0.0, (heard - when) * 1000)
        for text, when in acknowledged.items()
        for heard in listeners.wait(text, len(room.team))
    ]
    note = f"{PACED_PER_S} changes/s to {len(room.team)} others, from the acknowledgement to the event"
    return _spread("a change in a room of " + str(len(room.team) + 1), took, note)


def rights(room: Room, times: int) -> list[Row]:
    """A member's right changed by the owner, until that member is told."""
    listeners = Listeners(room.thread, room.team[:1])
    took = []
    for number in range(times):
        permission = ("commenter", "editor")[number % 2]
        http.call(_socket(room.ana), "member.permit", thread=room.thread, who=room.team[0].name, permission=permission)
        begun = time.perf_counter()
        heard = listeners.wait("members.changed", number + 1)
        took.append(max(0.0, (heard[number] - begun) * 1000))
    return _spread("a right changed, until its holder knows", took, "over a relay on loopback")


def _spread(what: str, took: list[float], note: str) -> list[Row]:
    took.sort()
    p95 = took[int(len(took) * 0.95)]
    return [row(f"{what}, median", statistics.median(took), "ms", note=note), row(f"{what}, p95", p95, "ms")]


def with_many(*, quick: bool) -> list[Row]:
    """What rights cost with 1, 10 and 100 members, as the node measures it."""
    command = [sys.executable, "-P", "-m", "node.measuring.sharing", *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=node_environment(), capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise DEMO_FAILED(f"The measurement of rights broke off: {done.stderr.strip()[-300:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(out: Out, *, quick: bool) -> int:
    """Measure everything; `quick` is a fraction of the work, to see that it runs."""
    folder = Path(tempfile.mkdtemp(prefix="opensesh-bench-"))
    people = QUICK_PEOPLE if quick else PEOPLE
    rows: list[Row] = []
    try:
        with ExitStack() as stack:
            out.progress(f"{people} nodes and a relay …")
            room = Room(folder, people, stack)
            rows += _spread("joining by a link", room.join(), "asked, let in, and the thread verified")
            out.progress("changes …")
            rows += changes(room, 1 if quick else 6)
            out.progress("rights …")
            rows += rights(room, 6 if quick else 40)
        rows += with_many(quick=quick)
    finally:
        out.progress("")
        shutil.rmtree(folder, ignore_errors=True)
    tell(rows, out)
    return 0


def _socket(device: Device) -> str:
    return places(device.environment).socket
