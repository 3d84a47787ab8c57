"""The local network as a node uses it: real listeners and lines on loopback; only mDNS is played by a table."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from crdt.ids import ThreadId
from crdt.link import Contacts
from node import neighbours as module
from node.devices import Devices
from node.discovery import Peer, plate_hash
from node.neighbours import Neighbours
from node.transports.base import Transport, TransportClosed
from node.transports.lan import dial
from tests.node.second_device import Machine, enter, machine
from tests.waiting import until


class Air:
    """What mDNS would carry: who is announced, and that it changed."""

    def __init__(self) -> None:
        self.announced: dict[str, Peer] = {}
        self.revision = 0
        self.moved = asyncio.Condition()

    async def put(self, pseudonym: str, peer: Peer | None) -> None:
        async with self.moved:
            if peer is not None:
                self.announced[pseudonym] = peer
            else:
                self.announced.pop(pseudonym, None)
            self.revision += 1
            self.moved.notify_all()


class PlayedDiscovery:
    """In the place of `node.discovery.Discovery`."""

    air: Air
    born = 0

    def __init__(self, secret: bytes, port: int) -> None:
        PlayedDiscovery.born += 1
        self.pseudonym, self.problem = f"{PlayedDiscovery.born:08d}", ""
        self._port, self._air = port, self.air

    @property
    def peers(self) -> dict[str, Peer]:
        return {name: peer for name, peer in self._air.announced.items() if name != self.pseudonym}

    @property
    def revision(self) -> int:
        return self._air.revision

    async def changed(self, since: int) -> int:
        async with self._air.moved:
            await self._air.moved.wait_for(lambda: self._air.revision != since)
            return self._air.revision

    def dials(self, peer: Peer) -> bool:
        return self.pseudonym < peer.pseudonym

    async def start(self) -> None:
        await self._announce("")

    async def close(self) -> None:
        await self._air.put(self.pseudonym, None)

    async def show_pairing(self, nameplate: str | None) -> None:
        await self._announce(plate_hash(nameplate, self.pseudonym) if nameplate else "")

    async def find_pairing(self, nameplate: str) -> Peer:
        while True:
            revision = self.revision
            for peer in self.peers.values():
                if peer.plate == plate_hash(nameplate, peer.pseudonym):
                    return peer
            await self.changed(revision)

    async def _announce(self, plate: str) -> None:
        await self._air.put(
            self.pseudonym, Peer(self.pseudonym, ("127.0.0.1",), self._port, frozenset({"sync"}), plate)
        )


@pytest.fixture
def air(monkeypatch: pytest.MonkeyPatch) -> Air:
    monkeypatch.setattr(PlayedDiscovery, "air", Air(), raising=False)
    monkeypatch.setattr(module, "Discovery", PlayedDiscovery)
    return PlayedDiscovery.air


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[tuple[Machine, Machine]]:
    async with machine(tmp_path, "laptop") as laptop, machine(tmp_path, "desktop") as desktop:
        yield laptop, desktop


@pytest.fixture
async def ended() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def begin(
    ended: AsyncExitStack,
    here: Machine,
    may_sync: Callable[[ThreadId], bool] = lambda thread: True,
    *,
    on: bool = True,
    port: int = 0,
) -> Neighbours:
    made = Neighbours(here.account, here.threads, may_sync, enabled=on, port=port)
    await made.start()
    ended.push_async_callback(made.close)
    return made


async def test_devices_of_one_identity_find_each_other_and_sync(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack
) -> None:
    laptop, desktop = machines
    await enter(laptop, desktop)
    thread, kept = await laptop.new("Shared"), await laptop.new("Kept")
    await laptop.say(thread, "over the wire")
    left, right = await begin(ended, laptop, lambda each: each != kept), await begin(ended, desktop)
    await until(lambda: left.holders(thread) == right.holders(thread) == 1)
    assert await desktop.texts(thread) == ["over the wire"]
    assert await desktop.hashes(kept) == set()
    assert left.is_online(desktop.account.device.id) and not left.is_online(laptop.account.device.id)
    assert [(peer["name"], peer["state"]) for peer in left.peers()] == [("desktop", "connected")]
    await desktop.say(thread, "and back")
    await until(lambda: right.all_held(thread))
    assert await laptop.texts(thread) == ["over the wire", "and back"]


async def test_nothing_is_announced_before_there_is_another_device(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack
) -> None:
    laptop, desktop = machines
    made = await begin(ended, laptop)
    await laptop.new("Alone")
    assert not made._background and air.announced == {}
    await enter(laptop, desktop)
    await until(lambda: len(air.announced) == 1)


async def test_switched_off_it_neither_announces_nor_dials(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack
) -> None:
    laptop, desktop = machines
    await enter(laptop, desktop)
    await begin(ended, desktop)
    await until(lambda: air.announced)
    off = await begin(ended, laptop, on=False)
    await laptop.new("Quiet")
    assert not off._background and len(air.announced) == 1 and off.peers() == []


async def test_a_device_that_comes_back_is_dialled_again(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack
) -> None:
    laptop, desktop = machines
    await enter(laptop, desktop)
    thread = await laptop.new("Again")
    left, right = await begin(ended, laptop), await begin(ended, desktop)
    await until(lambda: left.holders(thread) == 1)
    await right.close()
    await until(lambda: not left.peers())
    await laptop.say(thread, "while you were away")
    right = await begin(ended, desktop)
    await until(lambda: left.holders(thread) == right.holders(thread) == 1)
    assert await desktop.texts(thread) == ["while you were away"]


async def test_a_revoked_device_is_hung_up_on_and_not_let_in_again(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack
) -> None:
    laptop, desktop = machines
    await enter(laptop, desktop)
    thread = await laptop.new("Mine")
    left, right = await begin(ended, laptop), await begin(ended, desktop)
    await until(lambda: left.holders(thread) == 1)
    before = await desktop.hashes(thread)
    await Devices(laptop.account, laptop.threads).revoke("desktop")
    await until(lambda: not left.peers() and not right.peers())
    await laptop.say(thread, "not for you")
    assert left._server is not None
    own, former = desktop.account.device, laptop.account.device
    contacts = Contacts(own.agreement, {former.id: former.agreement.public})
    with pytest.raises(TransportClosed):
        await dial("127.0.0.1", left._server.port, own.signing, contacts)
    assert "not for you" not in await desktop.texts(thread)
    assert len(await laptop.hashes(thread)) > len(before)


async def test_a_device_that_learns_it_was_revoked_listens_no_more(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack
) -> None:
    laptop, desktop = machines
    await enter(laptop, desktop)
    left, right = await begin(ended, laptop), await begin(ended, desktop)
    await until(lambda: left.is_online(desktop.account.device.id) and right.is_online(laptop.account.device.id))
    assert right._server is not None
    port = right._server.port
    await Devices(laptop.account, laptop.threads).revoke("desktop")
    frames = [frame async for frame in laptop.threads.store.stream_frames(laptop.account.thread)]
    await desktop.threads.receive(laptop.account.thread, [frame.frame for frame in frames], 7)
    assert desktop.account.is_revoked
    await until(lambda: len(air.announced) == 1)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_that_is_taken_is_told_of_and_another_one_used(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack
) -> None:
    laptop, desktop = machines
    await enter(laptop, desktop)
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        left, _ = await begin(ended, laptop, port=port), await begin(ended, desktop)
        await until(lambda: left.is_online(desktop.account.device.id))
        assert f"Port {port} (sync.lan_port)" in left.problem()


async def test_a_stranger_under_the_same_roof_gets_no_line(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack, tmp_path: Path
) -> None:
    laptop, desktop = machines
    await enter(laptop, desktop)
    async with machine(tmp_path, "eve") as eve, machine(tmp_path, "eve-2") as accomplice:
        await enter(eve, accomplice)
        hers = await begin(ended, eve)
        await until(lambda: air.announced)
        left, right = await begin(ended, laptop), await begin(ended, desktop)
        await until(lambda: left.peers() and right.peers())
        await until(lambda: len(air.announced) == 3)
        assert hers.peers() == []
        await hers.close()


async def test_a_code_shown_on_one_device_is_found_by_one_without_an_identity(
    air: Air, machines: tuple[Machine, Machine], ended: AsyncExitStack
) -> None:
    laptop, desktop = machines
    await laptop.account.ensure()
    left, right = await begin(ended, laptop), await begin(ended, desktop)
    heard: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    async def on_pairing(transport: Transport, venue: str) -> None:
        await heard.put((await transport.receive(), venue))

    async with left.showing("7", on_pairing):
        line, venue = await right.find("7")
        await line.send(b"knock")
        assert await heard.get() == (b"knock", venue)
        await line.close()
        assert len(air.announced) == 1  # who only looks leaves nothing behind
    assert all(not peer.plate for peer in air.announced.values())
