"""Two network namespaces and a cable between them: found by mDNS, paired by code, synced; nothing readable passes."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from client.demo.machines import Device, Relay
from tests.system.machines import texts

CANARY = "canary-on-the-wire"
TITLE = "A title nobody overhears"
HOSTS = {"laptop": "10.77.0.1", "desktop": "10.77.0.2"}
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2 for network namespaces"
)


class Housed(Device):
    """A device in a network namespace of its own."""

    def __init__(self, name: str, folder: Path, space: str) -> None:
        super().__init__(name, folder)
        self.space = space
        self.environment["OPENSESH_LAN"] = "1"

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.space, *super().command(*words)]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Ear:
    """Everything that passes a network interface of this process's own namespace."""

    def __init__(self, interface: str) -> None:
        self.heard = bytearray()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # 3: all protocols
        self._socket.bind((interface, 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                self.heard += self._socket.recv(65536)
            except OSError:
                return

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[tuple[Housed, Housed, Ear]]:
    """Laptop and desktop, each in a namespace of its own, joined by a bridge here, where we listen."""
    tag = f"{os.getpid() % 10_000:04d}"
    bridge = f"osbr{tag}"
    with ExitStack() as stack:
        ip("link", "add", bridge, "type", "bridge")
        stack.callback(ip, "link", "del", bridge)
        ip("link", "set", bridge, "up")
        devices = []
        for name, address in HOSTS.items():
            space, inner, outer = f"os-{name}-{tag}", f"osi{name[0]}{tag}", f"oso{name[0]}{tag}"
            ip("netns", "add", space)
            stack.callback(ip, "netns", "del", space)
            ip("link", "add", outer, "type", "veth", "peer", "name", inner)
            ip("link", "set", inner, "netns", space)
            ip("link", "set", outer, "master", bridge)
            ip("link", "set", outer, "up")
            ip("-n", space, "addr", "add", f"{address}/24", "dev", inner)
            ip("-n", space, "link", "set", inner, "up")
            ip("-n", space, "link", "set", "lo", "up")
            ip("-n", space, "route", "add", "default", "dev", inner)
            device = Housed(name, tmp_path, space)
            stack.callback(device.stop)
            devices.append(device)
        ear = Ear(f"osol{tag}")  # our end of the laptop's cable
        stack.callback(ear.close)
        yield devices[0], devices[1], ear


@pytest.mark.deep
@needs_namespaces
def test_two_devices_on_one_network_pair_and_sync_without_any_relay(cable: tuple[Housed, Housed, Ear]) -> None:
    laptop, desktop, ear = cable
    thread = laptop.run("new", TITLE)["id"]
    laptop.run("say", thread, CANARY)
    showing = laptop.stream("pair", "--yes")
    desktop.run("pair", showing.until("pair.code")["code"])
    showing.until("pair.done")
    for device in (laptop, desktop):
        device.run("sync", "wait", "--incoming")
    assert texts(desktop, thread) == [CANARY]
    assert desktop.run("sync", "status")["state"] == "on 2 devices"
    watching = laptop.stream("watch", thread)
    watching.until("ready")
    desktop.run("say", thread, "and back")
    assert watching.until("message.added")["message"]["text"] == "and back"
    assert texts(laptop, thread) == texts(desktop, thread) == [CANARY, "and back"]
    with ExitStack() as stack:
        _then_over_a_relay_too(laptop, desktop, thread, stack)
    assert b"_opensesh" in bytes(ear.heard), "the ear hears nothing"
    for word in (CANARY, TITLE, "and back", "laptop", "desktop"):
        assert word.encode() not in bytes(ear.heard), f"{word!r} passed readably"


def _then_over_a_relay_too(laptop: Housed, desktop: Housed, thread: str, stack: ExitStack) -> None:
    """The relay alone, with the local network off; then both at once, and nothing comes twice."""
    host = HOSTS["laptop"]
    relay = Relay(laptop.home.parent, host, ("ip", "netns", "exec", laptop.space))
    stack.callback(relay.stop)
    laptop.run("sync", "connect", relay.url)
    for device in (laptop, desktop, laptop):
        device.run("sync", "wait", "--incoming")
    for lan in ("0", "1"):
        for device in (laptop, desktop):
            device.run("node", "stop")
            device.environment["OPENSESH_LAN"] = lan
            device.run("node", "start")
        for number in range(5):
            laptop.run("say", thread, f"{CANARY} laptop {lan} {number}")
            desktop.run("say", thread, f"{CANARY} desktop {lan} {number}")
        for device in (laptop, desktop, laptop, desktop):
            device.run("sync", "wait", "--incoming")
        assert desktop.run("sync", "status")["relays"][0]["state"] == "connected"
    shown = texts(laptop, thread)
    assert shown == texts(desktop, thread) and len(shown) == len(set(shown)) == 22
    assert not [name for name, data in relay.files() if CANARY.encode() in data or TITLE.encode() in data]
