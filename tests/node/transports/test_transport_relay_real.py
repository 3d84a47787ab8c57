"""The node's line to the relay against the relay itself, as a process of its own."""

import asyncio
import importlib.util
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import crdt
from crdt import keys, pairing, wire
from crdt.errors import OpenSeshError
from crdt.pairing_messages import ConfirmNeeded, Finished, Joined, Received, Send
from node.transports.base import TransportClosed
from node.transports.relay import Detached, RelayConnection
from node.transports.rendezvous import Rendezvous

pytestmark = pytest.mark.skipif(importlib.util.find_spec("relay.__main__") is None, reason="there is no relay here yet")

ROOT = Path(crdt.__file__).resolve().parents[1]
OWNER = keys.SigningKey.from_seed(b"o" * 32)
READER = keys.SigningKey.from_seed(b"r" * 32)
ROOM = keys.SigningKey.from_seed(b"R" * 32)
FRAMES = [bytes([number]) * 64 for number in range(5)]


class Running:
    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process, self.url = process, url


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", "--port", "0", "--data", str(tmp_path), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        said = (await process.stdout.readline()).decode()
    yield Running(process, said.split()[-1])
    if process.returncode is None:
        process.terminate()
    await process.wait()


async def test_what_one_login_publishes_another_is_delivered(relay: Running) -> None:
    async with asyncio.timeout(20):
        owner = await RelayConnection.connect(relay.url, OWNER)
        reader = await RelayConnection.connect(relay.url, READER)
        assert owner.store == reader.store
        await owner.open_room(ROOM)
        await owner.attach(wire.certify(ROOM, OWNER.public, True, wire.OWN_GENERATION), 0, b"")
        attached = await reader.attach(wire.certify(ROOM, READER.public, False, 0), 0, b"")
        assert (attached.last, attached.reset) == (0, False)
        stored = await owner.publish(ROOM.public, FRAMES)
        received: list[bytes] = []
        upto = 0
        while len(received) < len(FRAMES):
            event = await reader.next_event()
            assert isinstance(event, wire.Deliver)
            received += event.frames
            upto = event.upto
        assert received == FRAMES
        assert upto == stored.last
        again = await reader.attach(wire.certify(ROOM, READER.public, False, 0), stored.last, event.check)
        assert not again.reset
        with pytest.raises(OpenSeshError) as caught:
            await reader.publish(ROOM.public, FRAMES)
        assert caught.value.details["reason"] == "no-right"
        await reader.drop(ROOM.public, b"redemption")
        mail = await owner.take_mail(ROOM.public)
        assert mail.items == (b"redemption",)
        await owner.close()
        await reader.close()


async def test_raising_the_generation_ends_an_older_certificate(relay: Running) -> None:
    async with asyncio.timeout(20):
        owner = await RelayConnection.connect(relay.url, OWNER)
        reader = await RelayConnection.connect(relay.url, READER)
        await owner.open_room(ROOM)
        await reader.attach(wire.certify(ROOM, READER.public, False, 0), 0, b"")
        await owner.raise_generation(ROOM, 1)
        event = await reader.next_event()
        assert isinstance(event, Detached)
        assert (event.room, event.error.details["reason"]) == (ROOM.public, "no-right")
        await owner.close()
        await reader.close()


async def test_a_relay_that_stops_says_so(relay: Running) -> None:
    async with asyncio.timeout(20):
        owner = await RelayConnection.connect(relay.url, OWNER)
        relay.process.send_signal(signal.SIGTERM)
        with pytest.raises(TransportClosed):
            await owner.next_event()
        assert owner.error is not None
        assert owner.error.details["reason"] in ("stopping", "cut")
        await owner.close()


async def drive(machine: Any, transport: Rendezvous, events: list[Any]) -> list[Any]:
    """Be the driver and the person of one pairing machine, to its end."""
    told: list[Any] = []
    while True:
        while events:
            event = events.pop(0)
            told.append(event)
            if isinstance(event, Send):
                await transport.send(event.frame)
            elif isinstance(event, ConfirmNeeded):
                events += machine.confirm(b"bundle" * 10_000)
            elif isinstance(event, Received):
                events += machine.accept(b"offers" * 10_000)
            elif isinstance(event, Joined):
                events += machine.finish()
        if machine.over:
            return [event for event in told if not isinstance(event, Send)]
        events += machine.receive(await transport.receive())


async def test_two_devices_pair_over_its_rendezvous(relay: Running) -> None:
    async with asyncio.timeout(30):
        at_shower = await Rendezvous.meet(relay.url, OWNER)
        at_joiner = await Rendezvous.meet(relay.url, READER, at_shower.nameplate)
        assert at_shower.venue == at_joiner.venue
        plate = at_shower.nameplate
        shower = pairing.Offer(b"code:marble-violin", plate, random.Random(1).randbytes).shower(at_shower.venue)
        joiner = pairing.Joiner(
            b"code:marble-violin", plate, at_joiner.venue, random.Random(2).randbytes,
            device=keys.SigningKey.from_seed(b"D" * 32), agreement=keys.AgreementKey.from_secret(b"A" * 32),
            name="desktop", platform="linux",
        )  # fmt: skip
        at_one, at_other = await asyncio.gather(drive(shower, at_shower, []), drive(joiner, at_joiner, joiner.start()))
        assert isinstance(at_one[-1], Finished)
        assert isinstance(at_other[-1], Finished)
        assert at_other[1] == Received(b"bundle" * 10_000)
        await at_shower.close()
        await at_joiner.close()


async def test_a_nameplate_nobody_waits_under_is_an_expired_code(relay: Running) -> None:
    with pytest.raises(OpenSeshError) as caught:
        await Rendezvous.meet(relay.url, READER, "4711")
    assert caught.value.kind.name == "PAIRING_EXPIRED"
