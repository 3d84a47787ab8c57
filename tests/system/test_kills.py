"""Node and relay are killed at random moments while four writers write: what was acknowledged is there."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from client import http
from crdt.errors import OpenSeshError
from node.api.endpoint import places
from tests.system.machines import Device, Room, room, settle, texts

__all__ = ["room"]
ROUNDS = 20
WRITERS = 4


class Writer(threading.Thread):
    """Says one thing after the other on one device, and remembers what was acknowledged."""

    def __init__(self, number: int, device: Device, thread: str) -> None:
        super().__init__(daemon=True)
        self._name, self._thread_id = f"writer {number}", thread
        self._socket = places(device.environment).socket
        self.said: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        """A call that fails says nothing: it may have been stored, or not."""
        number = 0
        while not self.stop.is_set():
            number += 1
            text = f"{self._name} says {number}"
            try:
                http.call(self._socket, "message.say", 5.0, thread=self._thread_id, text=text)
            except OpenSeshError:
                self.stop.wait(0.02)
            else:
                self.said.append(text)


def pid_of(device: Device) -> int:
    return int(Path(places(device.environment).pid_file).read_text().split()[0])


@pytest.mark.deep
def test_twenty_kills_of_node_and_relay_lose_nothing_that_was_acknowledged(room: Room) -> None:
    relay, laptop, desktop = room.paired()
    thread = laptop.run("new", "Under fire")["id"]
    settle(laptop, desktop)
    writers = [Writer(number, (laptop, desktop)[number % 2], thread) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    chance = random.Random(20)
    for number in range(ROUNDS):
        before = sum(len(writer.said) for writer in writers)
        deadline = time.monotonic() + 20
        while sum(len(writer.said) for writer in writers) < before + 20 + chance.randrange(60):
            assert time.monotonic() < deadline, "the writers do not get on"
            writers[0].stop.wait(0.01)
        victim = (laptop, desktop, relay)[number % 3]
        if isinstance(victim, Device):
            os.kill(pid_of(victim), signal.SIGKILL)
            victim.run("node", "start")
        else:
            victim.kill()
            victim.start()
    for writer in writers:
        writer.stop.set()
        writer.join()
    settle(laptop, desktop)
    said = {text for writer in writers for text in writer.said}
    on_laptop, on_desktop = texts(laptop, thread), texts(desktop, thread)
    print(f"{ROUNDS} kills, {len(said)} acknowledged, {len(on_laptop)} shown")
    assert said <= set(on_laptop), f"lost on the laptop: {sorted(said - set(on_laptop))[:5]}"
    assert said <= set(on_desktop), f"lost on the desktop: {sorted(said - set(on_desktop))[:5]}"
    assert on_laptop == on_desktop
    assert len(on_laptop) == len(set(on_laptop)), "something is shown twice"
