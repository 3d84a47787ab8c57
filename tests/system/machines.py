"""Real processes for tests: a relay, devices with homes of their own, driven through the command line."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from client.demo.machines import Device, Relay, environment

__all__ = ["Device", "Relay", "Room", "environment", "failing"]
Paired = tuple[Relay, Device, Device]  # a relay, a laptop that uses it, and a desktop that was paired over it


class Room:
    """A folder with a relay and any number of devices; everything ends with it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def relay(self, *options: str) -> Relay:
        relay = Relay(self.folder, options=options)
        self._stack.callback(relay.stop)
        return relay

    def device(self, name: str) -> Device:
        device = Device(name, self.folder)
        self._stack.callback(device.stop)
        return device

    def paired(self) -> Paired:
        """A relay, a laptop that uses it, and a desktop that was paired over it."""
        relay, laptop, desktop = self.relay(), self.device("laptop"), self.device("desktop")
        laptop.run("sync", "connect", relay.url)
        pair(laptop, desktop, relay)
        return relay, laptop, desktop


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with ExitStack() as stack:
        yield Room(tmp_path, stack)


def pair(shower: Device, joiner: Device, relay: Relay | str) -> None:
    """Pair two devices by a spoken code over the relay, or the one at that address."""
    url = relay if isinstance(relay, str) else relay.url
    showing = shower.stream("pair", "--yes")
    code = showing.until("pair.code")["code"]
    joiner.run("pair", code, "--relay", url)
    showing.until("pair.done")


def settle(*devices: Device) -> None:
    """Everything of each on the relay, and everything of the relay on each."""
    for device in (*devices, *devices):
        device.run("sync", "wait", "--incoming")


@contextmanager
def without(relay: Relay) -> Iterator[None]:
    """While the relay is stopped. Afterwards it is there again, whatever happened."""
    relay.stop()
    try:
        yield
    finally:
        relay.start()


def quiet(*devices: Device) -> None:
    """End the commands that still run on each; the node goes on."""
    for device in devices:
        while device._streams:
            device._streams.pop().close()


def threads(device: Device, *options: str) -> set[str]:
    """The ids of the threads that a device lists."""
    return {row["id"] for row in device.run("list", *options)["threads"]}


def failing(device: Device, *words: str, stdin: str = "") -> dict[str, Any]:
    """Run a command that must fail; its error."""
    done = subprocess.run(
        device.command(*words), env=device.environment, input=stdin, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0, f"{words} succeeded: {done.stdout}"
    error: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])["error"]
    return error


def texts(device: Device, thread: str) -> list[str]:
    """What a thread says, message by message."""
    return [message["text"] for message in device.run("show", thread)["messages"]]


def markdown(device: Device, thread: str) -> str:
    """A thread's export."""
    text: str = device.run("export", thread, "--format", "markdown")["text"]
    return text
