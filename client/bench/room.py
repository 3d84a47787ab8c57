"""A room full of people: a thread and its members, each with a node of their own, and what they hear when."""

import contextlib
import statistics
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from client import http
from client.bench.measures import Row, row
from client.demo.machines import Device, Relay
from crdt.errors import DEMO_FAILED, OpenSeshError
from node.api.endpoint import places

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
            http.call(socket_of(device), "share.join", link=link, name=device.name, timeout_s=LATE_S)
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
            for line in http.stream(socket_of(device), "events.watch", thread=thread):
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


def spread(what: str, took: list[float], note: str) -> list[Row]:
    """Median and 95th percentile."""
    took.sort()
    p95 = took[int(len(took) * 0.95)]
    return [row(f"{what}, median", statistics.median(took), "ms", note=note), row(f"{what}, p95", p95, "ms")]


def socket_of(device: Device) -> str:
    """Where a device's node listens."""
    return places(device.environment).socket
