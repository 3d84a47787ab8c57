"""Presence at the relay: several words at once reach everybody who reads, and nobody waits for who does not."""

import asyncio
from pathlib import Path

import pytest

from crdt import keys, wire
from relay.connection import Connection
from relay.limits import Limits
from tests.relay.conversation import PATIENCE_S, Node, connecting, frames_of, new_key, serving


async def joined(node: Node, room: keys.SigningKey) -> None:
    assert isinstance(await node.open_room(room), wire.Done)
    assert isinstance(await node.attach(room), wire.Attached)


KEYS = [f"key {number}".encode() for number in range(60)]


@pytest.mark.parametrize("frames", [0, 200])
async def test_keys_typed_in_one_breath_all_arrive_in_their_order_also_beside_frames(
    tmp_path: Path, frames: int
) -> None:
    room = new_key()
    async with serving(tmp_path) as relay, connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        for key in KEYS:
            await ana.send(wire.Whisper(room.public, key))
        if frames:
            assert isinstance(await ana.publish(room, frames_of(frames, 1024)), wire.Stored)
        heard = [(await ben.expect(wire.Heard)).payload for _ in KEYS]
        assert heard == KEYS


async def test_who_does_not_read_costs_a_bounded_amount_and_holds_up_nobody(tmp_path: Path) -> None:
    room, payload = new_key(), bytes(wire.MAX_PRESENCE_BYTES)
    limits = Limits(whispers_per_second=100_000)
    async with serving(tmp_path, limits) as relay, connecting(relay.url) as ana, connecting(relay.url) as idle:
        await joined(ana, room)
        await joined(idle, room)
        idle.ws._reader._protocol.pause_reading()  # type: ignore[attr-defined]
        for _ in range(4_000):  # 16 MB, of which nobody reads a byte
            await ana.send(wire.Whisper(room.public, payload))
        async with asyncio.timeout(PATIENCE_S):
            assert isinstance(await ana.publish(room, frames_of(1)), wire.Stored)
        owed = [each.listener for each in relay.relay._hub.rooms[room.public].subscriptions.values()]
        assert all(each._outbox_bytes <= limits.heard_bytes for each in owed if isinstance(each, Connection))
        assert len(owed) == 2


async def test_a_whisper_is_heard_by_the_others_of_its_room_and_by_nobody_else(tmp_path: Path) -> None:
    room, other = new_key(), new_key()
    async with (
        serving(tmp_path) as relay,
        connecting(relay.url) as one,
        connecting(relay.url) as two,
        connecting(relay.url) as elsewhere,
    ):
        await joined(one, room)
        await joined(two, room)
        await joined(elsewhere, other)
        await elsewhere.send(wire.Whisper(room.public, b"from outside"))
        assert (await elsewhere.expect(wire.Refused)).code == "no-right"
        await one.send(wire.Whisper(room.public, b"first"))
        assert await two.expect(wire.Heard) == wire.Heard(room.public, b"first")
        await two.send(wire.Whisper(room.public, b"second"))
        assert await one.expect(wire.Heard) == wire.Heard(room.public, b"second"), "nothing of one's own comes back"
        await elsewhere.answer(wire.Detach(elsewhere.request(), other.public))
        assert not [kept for kept in elsewhere.kept if isinstance(kept, wire.Heard)]


async def test_who_whispers_without_end_is_passed_on_a_bounded_number_of_times(tmp_path: Path) -> None:
    room = new_key()
    limits = Limits(whispers_per_second=1)
    async with serving(tmp_path, limits) as relay, connecting(relay.url) as one, connecting(relay.url) as two:
        await joined(one, room)
        await joined(two, room)
        for number in range(1_000):
            await one.send(wire.Whisper(room.public, b"%d" % number))
        await one.answer(wire.Detach(one.request(), new_key().public))
        assert 0 < relay.relay._handlers.metrics.whispers < 100
