"""The node's side of letters: what a lying relay can make of them, and all of it against the relay itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crdt import keys, wire
from crdt.errors import OpenSeshError
from node.transports.relay import RelayConnection
from tests.relay.conversation import serving

Visit = Any
Scripted = Any
OWNER, MEMBER = keys.SigningKey.from_seed(b"o" * 32), keys.SigningKey.from_seed(b"m" * 32)
ROOM, OTHER = keys.SigningKey.from_seed(b"R" * 32), keys.SigningKey.from_seed(b"S" * 32)
HELD = wire.certify(ROOM, MEMBER.public, True, 3)


@contextlib.asynccontextmanager
async def connected(url: str, login: keys.SigningKey) -> AsyncIterator[RelayConnection]:
    async with asyncio.timeout(20):
        connection = await RelayConnection.connect(url, login)
        try:
            yield connection
        finally:
            await connection.close()


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[str]:
    """The real relay's address."""
    async with serving(tmp_path) as running:
        yield running.url.replace("http", "ws", 1)


@contextlib.asynccontextmanager
async def owning(url: str) -> AsyncIterator[RelayConnection]:
    async with connected(url, OWNER) as owner:
        await owner.open_room(ROOM)
        await owner.attach(wire.certify(ROOM, OWNER.public, True, wire.OWN_GENERATION), 0, b"")
        yield owner


# ---- against the relay


async def test_a_joiner_gets_in_from_drop_to_publish(relay: str) -> None:
    async with owning(relay) as owner, connected(relay, MEMBER) as member:
        claimed = await member.claim(ROOM.public)
        assert (claimed.certificate, claimed.letter) == (None, b"")
        await member.drop(ROOM.public, b"redemption")
        assert await owner.next_event() == wire.Rung(ROOM.public)
        mail = await owner.take_mail(ROOM.public)
        assert mail.items == (b"redemption",)
        await owner.deposit(ROOM.public, MEMBER.public, HELD, b"sealed")
        assert (await owner.take_mail(ROOM.public, mail.last)).items == ()
        assert await member.next_event() == wire.Called(ROOM.public)
        claimed = await member.claim(ROOM.public)
        assert (claimed.certificate, claimed.letter) == (HELD, b"sealed")
        await member.attach(HELD, 0, b"")
        await member.publish(ROOM.public, [bytes(40)])
        delivered = await owner.next_event()
        assert isinstance(delivered, wire.Deliver) and delivered.frames == (bytes(40),)


async def test_presence_reaches_the_events(relay: str) -> None:
    async with owning(relay) as owner, connected(relay, MEMBER) as member:
        await member.attach(HELD, 0, b"")
        await member.whisper(ROOM.public, b"typing")
        async for event in owner.events():
            assert event == wire.Heard(ROOM.public, b"typing")
            break


@pytest.mark.parametrize("what", ["deposit", "take", "certificate", "room"])
async def test_what_the_relay_refuses_is_named(relay: str, what: str) -> None:
    expected = {"deposit": "no-right", "take": "no-right", "certificate": "bad-certificate", "room": "no-room"}
    async with owning(relay) as owner, connected(relay, MEMBER) as member:
        await member.attach(HELD, 0, b"")
        asked = {
            "deposit": lambda: member.deposit(ROOM.public, MEMBER.public, HELD, b""),
            "take": lambda: member.take_mail(ROOM.public),
            "certificate": lambda: owner.deposit(ROOM.public, OWNER.public, HELD, b""),
            "room": lambda: member.claim(OTHER.public),
        }
        with pytest.raises(OpenSeshError) as caught:
            await asked[what]()
        assert caught.value.details["reason"] == expected[what]


# ---- against one that says what it likes


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(wire.certify(OTHER, MEMBER.public, True, 3), id="another room's"),
        pytest.param(wire.certify(ROOM, OWNER.public, True, 3), id="another login's"),
        pytest.param(wire.Certificate(ROOM.public, MEMBER.public, True, 4, HELD.signature), id="forged"),
    ],
)
async def test_a_certificate_that_proves_nothing_is_taken_for_none(
    scripted_relay: Scripted, certificate: wire.Certificate
) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        for held in (certificate, HELD):
            asked = await visit.receive()
            assert isinstance(asked, wire.Claim)
            await visit.send(wire.Claimed(asked.request, held, b"letter"))

    scripted_relay.script = script
    async with connected(scripted_relay.url, MEMBER) as member:
        claimed = await member.claim(ROOM.public)
        assert (claimed.certificate, claimed.letter) == (None, b"letter")
        assert (await member.claim(ROOM.public)).certificate == HELD


async def test_calls_that_wait_already_are_kept_once(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        for _ in range(50):
            await visit.send(wire.Rung(ROOM.public))
            await visit.send(wire.Called(ROOM.public))
        await visit.send(wire.Called(OTHER.public))
        asked = await visit.receive()
        assert isinstance(asked, wire.Claim)
        await visit.send(wire.Claimed(asked.request, None, b""))  # comes after all of them
        await visit.receive()
        await visit.send(wire.Rung(ROOM.public))

    scripted_relay.script = script
    async with connected(scripted_relay.url, MEMBER) as member:
        await member.claim(ROOM.public)
        kept = [await member.next_event() for _ in range(3)]
        assert kept == [wire.Rung(ROOM.public), wire.Called(ROOM.public), wire.Called(OTHER.public)]
        await member.whisper(ROOM.public, b"go on")
        assert await member.next_event() == wire.Rung(ROOM.public), "once taken it is told again"
