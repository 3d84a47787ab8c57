"""Discovery: real mDNS over the loopback interface, over two network namespaces (deep), and hostile neighbours.

Other tests may speak mDNS on the same loopback at the same time: each looks for the pseudonyms it knows.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from node import discovery
from node.discovery import Discovery, Peer, lan_enabled, new_pseudonym, plate_hash, read_peer

LABEL = "abcdefghijklmnop"
HONEST: dict[bytes, bytes | None] = {b"version": b"1", b"deviceId": LABEL.encode(), b"capabilities": b"sync"}
LIMIT_S = 15


def loopback() -> tuple[str, ...]:
    return ("127.0.0.1",)


async def until(found: Discovery, condition: Callable[[], bool]) -> None:
    """Wait on the table's own announcements of change."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            revision = found.revision
            if condition():
                return
            await found.changed(revision)


@pytest.fixture
async def two() -> AsyncIterator[tuple[Discovery, Discovery]]:
    laptop = Discovery(b"l" * 32, 4001, addresses=loopback, poll_s=0.05)
    desktop = Discovery(b"d" * 32, 4002, addresses=loopback, poll_s=0.05)
    await asyncio.gather(laptop.start(), desktop.start())
    yield laptop, desktop
    await asyncio.gather(laptop.close(), desktop.close())


# ---- real mDNS


async def test_two_nodes_find_each_other_and_one_of_them_dials(two: tuple[Discovery, Discovery]) -> None:
    laptop, desktop = two
    await until(laptop, lambda: desktop.pseudonym in laptop.peers)
    await until(desktop, lambda: laptop.pseudonym in desktop.peers)
    seen = laptop.peers[desktop.pseudonym]
    assert seen == Peer(desktop.pseudonym, ("127.0.0.1",), 4002, frozenset({"sync"}), "")
    assert laptop.pseudonym not in laptop.peers
    assert laptop.dials(seen) is not desktop.dials(desktop.peers[laptop.pseudonym])


async def test_a_shown_code_is_found_by_its_nameplate_and_gone_when_hidden(two: tuple[Discovery, Discovery]) -> None:
    laptop, desktop = two
    await until(desktop, lambda: laptop.pseudonym in desktop.peers)
    searching = asyncio.ensure_future(desktop.find_pairing("7"))
    other = asyncio.ensure_future(desktop.find_pairing("8"))
    await laptop.show_pairing("7")
    async with asyncio.timeout(LIMIT_S):
        found = await searching
    assert (found.pseudonym, found.port) == (laptop.pseudonym, 4001)
    await laptop.show_pairing(None)
    await until(desktop, lambda: not desktop.peers[laptop.pseudonym].plate)
    assert not other.done()
    other.cancel()


async def test_a_node_that_stops_is_taken_off_the_table(two: tuple[Discovery, Discovery]) -> None:
    laptop, desktop = two
    await until(laptop, lambda: desktop.pseudonym in laptop.peers)
    await until(desktop, lambda: laptop.pseudonym in desktop.peers)
    await desktop.close()
    await until(laptop, lambda: desktop.pseudonym not in laptop.peers)


async def test_an_interface_that_vanishes_and_returns_finds_everybody_again() -> None:
    here: list[tuple[str, ...]] = [loopback()]
    laptop = Discovery(b"l" * 32, 4001, addresses=lambda: here[0], poll_s=0.02)
    desktop = Discovery(b"d" * 32, 4002, addresses=loopback, poll_s=0.02)
    await asyncio.gather(laptop.start(), desktop.start())
    try:
        await until(laptop, lambda: desktop.pseudonym in laptop.peers)
        before = laptop.pseudonym
        here[0] = ()
        await until(laptop, lambda: not laptop.peers)
        here[0] = loopback()
        await until(laptop, lambda: desktop.pseudonym in laptop.peers)
        assert laptop.pseudonym != before  # another network may not link it to the one before
        await until(desktop, lambda: laptop.pseudonym in desktop.peers and before not in desktop.peers)
        assert laptop.problem == ""
    finally:
        await asyncio.gather(laptop.close(), desktop.close())


async def test_without_a_network_it_says_so_and_goes_on_waiting() -> None:
    asked = asyncio.Event()
    answers = iter([(), (), ()])

    def nowhere() -> tuple[str, ...]:
        if next(answers, None) is None:
            asked.set()
        return ()

    lonely = Discovery(b"x" * 32, 4003, addresses=nowhere, poll_s=0.01)
    await lonely.start()
    async with asyncio.timeout(LIMIT_S):
        await asked.wait()
    assert "no interface has a local address" in lonely.problem
    await lonely.show_pairing("7")  # nothing to update; not an error
    await lonely.close()


async def test_a_neighbour_with_false_announcements_is_not_listed(two: tuple[Discovery, Discovery]) -> None:
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

    laptop, _ = two
    neighbour = AsyncZeroconf(interfaces=["127.0.0.1"])
    hostile: list[tuple[str, list[str], dict[str, str]]] = [
        ("aaaaaaaaaaaaaaaa", ["8.8.8.8"], {"version": "1", "deviceId": "aaaaaaaaaaaaaaaa"}),
        ("bbbbbbbbbbbbbbbb", ["127.0.0.1"], {"version": "1", "deviceId": "cccccccccccccccc"}),
        ("dddddddddddddddd", ["127.0.0.1"], {"version": "\x1b[31m", "deviceId": "dddddddddddddddd"}),
        ("Evil Laptop\u202e", ["127.0.0.1"], {"version": "1", "deviceId": "Evil Laptop"}),
    ]
    services = [
        ServiceInfo(
            discovery.SERVICE_TYPE,
            f"{label}.{discovery.SERVICE_TYPE}",
            port=9,
            parsed_addresses=addresses,
            properties=properties,
            server=f"{label}.local.",
        )
        for label, addresses, properties in hostile
    ]
    # The last one is honest: when it is listed, the others, announced before, have been looked at.
    services.append(
        ServiceInfo(
            discovery.SERVICE_TYPE,
            f"{LABEL}.{discovery.SERVICE_TYPE}",
            port=9,
            parsed_addresses=["127.0.0.1"],
            properties={"version": "1", "deviceId": LABEL, "capabilities": "sync"},
            server=f"{LABEL}.local.",
        )
    )
    try:
        for service in services:
            with contextlib.suppress(Exception):  # zeroconf itself refuses some of these names
                await neighbour.async_register_service(service, strict=False, cooperating_responders=True)
        await until(laptop, lambda: LABEL in laptop.peers)
        assert not {label for label, _, _ in hostile} & set(laptop.peers)
    finally:
        await neighbour.async_close()


# ---- what is heard is untrusted


def test_an_honest_announcement_is_read() -> None:
    peer = read_peer(LABEL, ["192.168.1.5", "fe80::1%eth0", "192.168.1.5"], 4711, HONEST)
    assert peer == Peer(LABEL, ("192.168.1.5", "fe80::1%eth0"), 4711, frozenset({"sync"}), "")


@pytest.mark.parametrize(
    ("change", "addresses", "port"),
    [
        ({b"version": b"2"}, ["10.0.0.1"], 1),
        ({b"version": None}, ["10.0.0.1"], 1),
        ({b"deviceId": b"qrstuvwxyzabcdef"}, ["10.0.0.1"], 1),
        ({b"deviceId": b"\xff" * 16}, ["10.0.0.1"], 1),
        ({b"capabilities": b"x" * 65}, ["10.0.0.1"], 1),
        ({b"capabilities": "sync\u202e".encode()}, ["10.0.0.1"], 1),
        ({}, [], 1),
        ({}, ["8.8.8.8", "example.com"], 1),
        ({}, ["10.0.0.1"], 0),
        ({}, ["10.0.0.1"], 65536),
        ({}, ["10.0.0.1"], None),
    ],
)
def test_anything_else_is_not(change: dict[bytes, bytes | None], addresses: list[str], port: int | None) -> None:
    assert read_peer(LABEL, addresses, port, HONEST | change) is None


@pytest.mark.parametrize(
    "label", ["", "ABCDEFGHIJKLMNOP", "a" * 17, "abcdefghijklmno\n", "../../etc/passwd", "\x1b[31mabcdefghij"]
)
def test_a_label_that_is_no_pseudonym_is_refused(label: str) -> None:
    assert read_peer(label, ["10.0.0.1"], 1, HONEST | {b"deviceId": label.encode()}) is None


def test_public_addresses_are_left_out_and_the_rest_is_bounded() -> None:
    many = [f"10.0.0.{number}" for number in range(1, 50)]
    peer = read_peer(LABEL, ["8.8.8.8", *many], 1, HONEST)
    assert peer is not None
    assert peer.addresses == tuple(many[: discovery.MAX_ADDRESSES])


def test_a_plate_counts_only_with_the_capability() -> None:
    plate = plate_hash("7", LABEL)
    with_pair = read_peer(LABEL, ["10.0.0.1"], 1, HONEST | {b"capabilities": b"sync,pair", b"plate": plate.encode()})
    without = read_peer(LABEL, ["10.0.0.1"], 1, HONEST | {b"plate": plate.encode()})
    assert with_pair is not None
    assert with_pair.plate == plate
    assert without is not None
    assert without.plate == ""
    assert plate_hash("7", LABEL) != plate_hash("7", "qrstuvwxyzabcdef") != plate_hash("8", "qrstuvwxyzabcdef")


async def test_a_flood_of_names_is_bounded() -> None:
    from zeroconf import ServiceStateChange

    flooded = Discovery(b"x" * 32, 4003, addresses=lambda: ())
    for number in range(2000):
        label = new_pseudonym(b"f" * 32, number.to_bytes(4, "big"))
        name = f"{label}.{discovery.SERVICE_TYPE}"
        flooded._on_service(None, discovery.SERVICE_TYPE, name, ServiceStateChange.Added)
        if number % 2:
            flooded._on_service(None, discovery.SERVICE_TYPE, name, ServiceStateChange.Removed)
    assert len(flooded._resolving) <= discovery.MAX_PEERS
    await flooded.close()
    assert flooded._resolving == {}


def test_a_pseudonym_says_nothing_lasting() -> None:
    names = {new_pseudonym(b"d" * 32, bytes([nonce])) for nonce in range(50)}
    assert len(names) == 50
    assert all(len(name) == 16 for name in names)


@pytest.mark.parametrize(
    ("value", "on"), [("0", False), ("off", False), (" False ", False), ("1", True), ("", True), (None, True)]
)
def test_one_setting_turns_it_off(value: str | None, on: bool) -> None:
    assert lan_enabled({} if value is None else {"OPENSESH_LAN": value}) is on


def test_importing_it_loads_no_zeroconf() -> None:
    script = "import sys, node.discovery; print('zeroconf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- two machines


def _namespaces_possible() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("ip") is not None


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def namespaces() -> Any:
    """Two network namespaces joined by a veth pair, and nothing else: two machines on one cable."""
    names = [f"osd{os.getpid()}{side}" for side in "ab"]

    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", names[0], "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", names[1])
        for number, name in enumerate(names, start=1):
            ip("-n", name, "address", "add", f"10.77.0.{number}/24", "dev", "wire")
            ip("-n", name, "link", "set", "wire", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


_ROOT = Path(discovery.__file__).resolve().parents[1]
_NODE = textwrap.dedent("""
    import asyncio, sys
    from node.discovery import Discovery

    async def main():
        found = Discovery(sys.argv[1].encode() * 32, int(sys.argv[2]), poll_s=0.1)
        await found.start()
        await found.show_pairing("7")
        print("started", flush=True)
        revision = 0
        while True:
            revision = await found.changed(revision)
            for peer in found.peers.values():
                print("peer", *peer.addresses, peer.port, bool(peer.plate), flush=True)
            if not found.peers:
                print("nobody", flush=True)

    asyncio.run(main())
""")


@pytest.mark.deep
@pytest.mark.skipif(not _namespaces_possible(), reason="network namespaces need root and iproute2")
async def test_two_machines_on_one_cable_find_each_other_and_survive_its_being_pulled(namespaces: list[str]) -> None:
    children = [
        await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", name, sys.executable, "-c", _NODE, letter, port,
            stdout=asyncio.subprocess.PIPE, cwd=_ROOT,
        )
        for name, letter, port in zip(namespaces, "ab", ("4001", "4002"), strict=True)
    ]  # fmt: skip

    async def line(child: asyncio.subprocess.Process, wanted: str) -> None:
        assert child.stdout is not None
        async with asyncio.timeout(60):
            while said := await child.stdout.readline():
                if wanted in said.decode():
                    return
        raise AssertionError(f"the node ended before saying {wanted!r}")

    try:
        await asyncio.gather(line(children[0], "peer 10.77.0.2"), line(children[1], "peer 10.77.0.1"))
        for arguments in (("address", "del", "10.77.0.1/24", "dev", "wire"), ("link", "set", "wire", "down")):
            ip("-n", namespaces[0], *arguments)
        await line(children[0], "nobody")
        for arguments in (("link", "set", "wire", "up"), ("address", "add", "10.77.0.1/24", "dev", "wire")):
            ip("-n", namespaces[0], *arguments)
        await line(children[0], "peer 10.77.0.2")
        await line(children[1], "peer 10.77.0.1")
    finally:
        for child in children:
            child.kill()
            await child.wait()
