"""What a shared terminal costs: a key typed on another device and its echo there; a flood beside a conversation."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable

from client import http
from client.bench.measures import Row, row
from client.bench.room import LATE_S, Room, socket_of, spread
from client.demo.machines import Device
from crdt.errors import DEMO_FAILED, OpenSeshError

PAUSE_S = 0.03  # between two keys: quick fingers, and not so quick that presence is held back
FLOOD_S = 180.0
FLOOD = "i=0; while [ $i -lt {count} ]; do i=$((i+1)); printf '%01023d\\n' $i; done; echo the end"


class Watcher:
    """A terminal as one device sees it: the lines of its screen, and whether it has ended."""

    def __init__(self, device: Device, thread: str, terminal: str) -> None:
        self.ended = False
        self.text = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._watch, args=(device, thread, terminal), daemon=True).start()

    def _watch(self, device: Device, thread: str, terminal: str) -> None:
        with contextlib.suppress(OpenSeshError):
            for line in http.stream(socket_of(device), "terminal.watch", thread=thread, terminal=terminal):
                with self._changed:
                    self.ended = line["type"] == "terminal.ended"
                    self.text += "".join(each["text"] + "\n" for each in line.get("lines", ()))
                    self.text = self.text[-4096:]
                    self._changed.notify_all()

    def wait(self, holds: Callable[["Watcher"], bool], what: str, patience_s: float = LATE_S) -> float:
        """When it came to hold."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self), patience_s):
                raise DEMO_FAILED(f"A terminal never showed {what}.")
            return time.perf_counter()


def keystrokes(room: Room, count: int) -> list[Row]:
    """Keys typed by a teammate into a program on the owner's device, one after another, each seen before the next."""
    guest = room.team[0]
    terminal = _run(room, "cat")
    given = {"action": "grant", "who": guest.name, "terminal": terminal}
    http.call(socket_of(room.ana), "control.set", thread=room.thread, **given)
    _until_there(guest, room.thread, terminal)
    watcher, took = Watcher(guest, room.thread, terminal), []
    for number in range(count):
        time.sleep(PAUSE_S)
        key = chr(ord("a") + number % 26)
        watcher.text = ""
        begun = time.perf_counter()
        http.call(socket_of(guest), "terminal.input", thread=room.thread, terminal=terminal, text=key)
        seen = watcher.wait(lambda it, key=key: it.text.rstrip().endswith(key), "a key")  # type: ignore[misc]
        took.append((seen - begun) * 1000)
    http.call(socket_of(guest), "terminal.close", thread=room.thread, terminal=terminal)
    return spread("a key typed on another's device and its echo seen", took, "two nodes and a relay between")


def flood(room: Room, megabytes: int, seconds: int, changes: Callable[[Room, int], list[Row]]) -> list[Row]:
    """Everybody sees a terminal that prints without end, and the conversation beside it; one has stopped reading."""
    begun = time.perf_counter()
    terminal = _run(room, "sh", "-c", FLOOD.format(count=megabytes * 1024))
    for device in room.team:
        _until_there(device, room.thread, terminal)
    stuck = http.stream(socket_of(room.team[-1]), "terminal.watch", thread=room.thread, terminal=terminal)
    next(stuck)  # and never again
    watchers = [_attach(device, room.thread, terminal) for device in room.team]
    rows = [{**each, "what": f"{each['what']}, beside a flood"} for each in changes(room, seconds)]
    for watcher in watchers:
        if watcher.wait(FLOOD_S) != 0:
            raise DEMO_FAILED("Somebody did not see a terminal to its end.")
    took_s = time.perf_counter() - begun
    stuck.close()  # type: ignore[attr-defined]
    note = f"{megabytes} MB, seen to the end by {len(watchers)} others; one more stopped reading"
    return [*rows, row("a terminal's flood, shared", megabytes / took_s, "MB/s", note=note)]


def _attach(device: Device, thread: str, terminal: str) -> "subprocess.Popen[bytes]":
    """A client of that device that watches: a process of its own, as people's are."""
    command, nowhere = device.command("attach", thread, terminal), subprocess.DEVNULL
    return subprocess.Popen(command, env=device.environment, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def _run(room: Room, *command: str) -> str:
    started = http.call(
        *(socket_of(room.ana), "terminal.run"),
        thread=room.thread,
        command=list(command),
        folder="/",
        columns=80,
        rows=24,
    )
    return str(started["terminal"])


def _until_there(device: Device, thread: str, terminal: str) -> None:
    deadline = time.monotonic() + LATE_S
    while all(
        each["terminal"] != terminal
        for each in http.call(socket_of(device), "terminal.list", thread=thread)["terminals"]
    ):
        if time.monotonic() > deadline:
            raise DEMO_FAILED("A terminal never came to another device.")
