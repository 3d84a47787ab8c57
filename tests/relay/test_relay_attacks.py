"""Attacks on a relay by name, over real sockets. Each is refused, and an honest node is served afterwards."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import msgspec
import pytest

from crdt import wire
from relay.limits import Limits
from tests.relay.conversation import (
    PATIENCE_S,
    Node,
    Running,
    connecting,
    dial,
    frames_of,
    new_key,
    serving,
)
from tests.waiting import until

LIMITS = Limits(
    max_frame_bytes=100_000,
    frames_per_second=200,
    burst_frames=400,
    drops_per_minute=5,
    meets_per_minute=5,
    connections_per_address=8,
    subscriptions_per_connection=3,
)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path, LIMITS) as running:
        yield running
        await honest(running)


async def honest(relay: Running) -> None:
    """An honest pair gets its work done: what every attack has to leave possible."""
    await until(lambda: relay.relay._census.total < 6, "the attackers' going")
    room, frames = new_key(), frames_of(3)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await ana.open_room(room)
        await ana.attach(room)
        await ben.attach(room, append=False)
        assert await ana.publish(room, frames) == wire.Stored(3, 3)
        assert await ben.collect(room, 3) == list(frames)


def code(answer: wire.FromRelay) -> str:
    assert isinstance(answer, wire.Refused), answer
    return answer.code


async def test_append_without_a_certificate(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as owner, connecting(relay.url) as stranger:
        await owner.open_room(room)
        assert code(await stranger.publish(room, frames_of(1))) == "no-right"
        assert isinstance(await stranger.attach(room, append=False), wire.Attached)
        assert code(await stranger.publish(room, frames_of(1))) == "no-right", "a reader doesn't append"
        assert code(await stranger.answer(wire.TakeMail(9, room.public, 0))) == "no-right"


async def test_certificate_of_another_login(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as owner, connecting(relay.url) as thief:
        await owner.open_room(room)
        stolen = wire.certify(room, owner.key.public, True, 0)
        assert code(await thief.answer(wire.Attach(1, stolen, 0, b""))) == "bad-certificate"


async def test_certificate_of_a_swapped_room(relay: Running) -> None:
    mine, theirs = new_key(), new_key()
    async with connecting(relay.url) as owner, connecting(relay.url) as thief:
        await owner.open_room(theirs)
        await thief.open_room(mine)
        genuine = wire.certify(mine, thief.key.public, True, 0)
        swapped = replace_field(genuine, room=theirs.public)
        assert code(await thief.answer(wire.Attach(1, swapped, 0, b""))) == "bad-certificate"
        await thief.attach(mine)
        assert code(await thief.publish(theirs, frames_of(1))) == "no-right"


async def test_certificate_of_an_old_generation(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as owner, connecting(relay.url) as removed:
        await owner.open_room(room)
        signature = room.sign("room-generation", (5).to_bytes(8, "big"))
        await owner.answer(wire.RaiseGeneration(2, room.public, 5, signature))
        assert code(await removed.attach(room, generation=4)) == "bad-certificate"
        forged = replace_field(wire.certify(room, removed.key.public, True, 4), generation=5)
        assert code(await removed.answer(wire.Attach(9, forged, 0, b""))) == "bad-certificate"


def replace_field(certificate: wire.Certificate, **changed: object) -> wire.Certificate:
    return msgspec.structs.replace(certificate, **changed)


async def test_strangers_neither_open_nor_raise_a_room_they_have_no_key_of(relay: Running) -> None:
    room, other = new_key(), new_key()
    async with connecting(relay.url) as owner, connecting(relay.url) as stranger:
        await owner.open_room(room)
        forged = other.sign("room-open", stranger.key.public + stranger.challenge.nonce)
        assert code(await stranger.answer(wire.OpenRoom(1, room.public, forged, ""))) == "no-right"
        raised = other.sign("room-generation", (9).to_bytes(8, "big"))
        assert code(await stranger.answer(wire.RaiseGeneration(2, room.public, 9, raised))) == "no-right"
        assert isinstance(await owner.attach(room), wire.Attached)


async def test_rooms_that_do_not_exist(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as node:
        assert code(await node.attach(room)) == "no-room"
        assert code(await node.answer(wire.Drop(2, room.public, b"mail"))) == "no-room"
        raised = room.sign("room-generation", (9).to_bytes(8, "big"))
        assert code(await node.answer(wire.RaiseGeneration(3, room.public, 9, raised))) == "no-room"
        await node.send(wire.Whisper(room.public, b"anybody?"))
        assert code(await node.expect(wire.Refused)) == "no-right"


async def test_replayed_login_proof(relay: Running) -> None:
    async with connecting(relay.url, login=False) as honest_node, connecting(relay.url, login=False) as thief:
        proof = honest_node.login_message()
        await thief.send(proof)
        assert code(await thief.receive()) == "bad-login"
        await thief.closed()
        await honest_node.send(proof)
        assert isinstance(await honest_node.receive(), wire.Welcome)
        await honest_node.send(proof)
        assert code(await honest_node.receive()) == "bad-login", "one login per connection"


async def test_login_proof_made_for_another_relay(relay: Running) -> None:
    async with connecting(relay.url, login=False) as thief:
        await thief.send(thief.login_message(audience="elsewhere.example:8765"))
        assert code(await thief.receive()) == "bad-login"
        await thief.closed()


async def test_anything_before_the_login(relay: Running) -> None:
    async with connecting(relay.url, login=False) as node:
        assert code(await node.attach(new_key())) == "bad-login"
        await node.closed()


async def test_a_page_in_a_browser(relay: Running) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await dial(session, relay.url, headers={"Origin": "https://evil.example"})
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await dial(session, relay.url, headers={"Origin": relay.url})


async def test_oversized_frame_is_refused_by_its_request(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as node:
        await node.open_room(room)
        await node.attach(room)
        assert code(await node.publish(room, frames_of(1, 100_001))) == "too-large"
        assert await node.publish(room, frames_of(1, 100_000)) == wire.Stored(4, 1)


async def test_oversized_frame_beyond_the_protocol_ends_the_connection(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as node:
        await node.send(wire.Publish(1, room.public, (bytes(wire.MAX_FRAME_BYTES + 1),)))
        assert code(await node.receive()) == "bad-message"
        await node.closed()


async def test_oversized_message_ends_the_connection(relay: Running) -> None:
    async with connecting(relay.url) as node:
        with contextlib.suppress(ConnectionError):  # closed while we still send
            await node.ws.send_bytes(bytes(wire.MAX_MESSAGE_BYTES + 1))
        await node.closed()


async def test_publishing_above_the_rate_is_refused_with_a_time_and_goes_on_after_it(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as node:
        await node.open_room(room)
        await node.attach(room)
        assert isinstance(await node.publish(room, frames_of(380)), wire.Stored)
        refused = await node.publish(room, frames_of(400))
        assert code(refused) == "rate"
        assert isinstance(refused, wire.Refused) and 0 < refused.retry_after_ms < 2100
        assert isinstance(await node.publish(room, frames_of(100)), wire.Stored)


async def test_mail_and_pairings_from_one_address_are_limited(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as owner, connecting(relay.url) as flooder:
        await owner.open_room(room)
        mail = [await flooder.answer(wire.Drop(number, room.public, b"spam")) for number in range(1, 8)]
        assert [isinstance(each, wire.Done) for each in mail] == [True] * 5 + [False] * 2
        assert code(mail[6]) == "rate"
        guesses = [await flooder.answer(wire.Meet(number, "1234")) for number in range(8, 15)]
        assert [code(each) for each in guesses] == ["no-nameplate"] * 5 + ["rate"] * 2


async def test_telling_without_a_seat(relay: Running) -> None:
    async with connecting(relay.url, login=False) as node:
        await node.send(wire.Tell(b"hello?"))
        assert code(await node.receive()) == "no-nameplate"


async def test_connections_from_one_address_are_limited(relay: Running) -> None:
    async with aiohttp.ClientSession() as session:
        nodes = [await dial(session, relay.url) for _ in range(8)]
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await dial(session, relay.url)
        await nodes[0].ws.close()
        await until(lambda: relay.relay._census.total == 7, "its leaving")
        nodes.append(await dial(session, relay.url))


async def test_behind_a_proxy_the_forwarded_address_counts(tmp_path: Path) -> None:
    limits = replace(LIMITS, connections_per_address=1)
    async with serving(tmp_path, limits, behind_proxy=True) as relay, aiohttp.ClientSession() as session:
        one = await dial(session, relay.url, headers={"X-Forwarded-For": "spoofed, 192.0.2.1"})
        two = await dial(session, relay.url, headers={"X-Forwarded-For": "spoofed, 192.0.2.2"})
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await dial(session, relay.url, headers={"X-Forwarded-For": "other, 192.0.2.2"})
        assert not one.ws.closed and not two.ws.closed


async def test_subscriptions_of_one_connection_are_limited(relay: Running) -> None:
    async with connecting(relay.url) as node:
        rooms = [new_key() for _ in range(4)]
        for room in rooms:
            await node.open_room(room)
        answers = [await node.attach(room) for room in rooms]
        assert code(answers[3]) == "busy"
        assert isinstance(await node.attach(rooms[0]), wire.Attached), "attaching again takes no further place"


async def test_a_connection_that_never_logs_in_is_closed_but_not_one_that_pairs(relay: Running) -> None:
    async with connecting(relay.url, login=False) as silent, connecting(relay.url, login=False) as pairing:
        assert isinstance(await pairing.answer(wire.Meet(1, "")), wire.Met)
        relay.relay.tick(time.monotonic() + LIMITS.login_s + 1)
        await silent.closed()
        await pairing.send(wire.Tell(b"x"))
        assert not pairing.ws.closed
        relay.relay.tick(time.monotonic() + LIMITS.rendezvous_s + 1)
        assert await pairing.expect(wire.Parted) == wire.Parted("timed out")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost:"])
async def test_a_connection_that_never_finishes_its_request_is_closed(tmp_path: Path, begun: bytes) -> None:
    async with serving(tmp_path, Limits(login_s=0.1)) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(relay.url.rpartition(":")[2]))
        writer.write(begun)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()


async def test_an_overloaded_store_makes_publishers_come_back(tmp_path: Path) -> None:
    room = new_key()
    async with serving(tmp_path, Limits(pending_bytes=1000)) as relay, connecting(relay.url) as node:
        await node.open_room(room)
        await node.attach(room)
        relay.store._pending_bytes += 1001
        assert code(await node.publish(room, frames_of(1))) == "busy"
        relay.store._pending_bytes -= 1001
        assert isinstance(await node.publish(room, frames_of(1)), wire.Stored)


async def test_a_node_that_sends_but_never_reads_answers_is_no_longer_read(tmp_path: Path) -> None:
    room = new_key()
    limits = Limits(outbox_bytes=2000, mailbox_bytes=400_000)
    async with serving(tmp_path, limits) as relay, connecting(relay.url) as node:
        await node.open_room(room)
        await node.attach(room, generation=wire.OWN_GENERATION)
        for _ in range(20):
            await node.answer(wire.Drop(node.request(), room.public, bytes(16_000)))
        connection = next(iter(relay.relay._connections.values()))
        node.ws._reader._protocol.pause_reading()  # type: ignore[attr-defined]
        sending = asyncio.create_task(send_many(node, wire.TakeMail(5, room.public, 0), 300))
        await until(lambda: connection._more is not None, "the relay's waiting")
        assert connection._outbox_bytes < 1_000_000
        node.ws._reader._protocol.resume_reading()  # type: ignore[attr-defined]
        for _ in range(300):
            await node.expect(wire.Mail)
        await sending


async def send_many(node: Node, message: wire.ToRelay, times: int) -> None:
    for _ in range(times):
        await node.send(message)


def garbage(rng: random.Random) -> bytes:
    """Bytes that are no message: noise, a damaged one, a well-formed one of the wrong shape."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 1:
        genuine = bytearray(wire.encode(wire.Publish(1, rng.randbytes(32), (rng.randbytes(64),))))
        for _ in range(rng.randrange(1, 4)):
            genuine[rng.randrange(len(genuine))] = rng.randrange(256)
        return bytes(genuine)
    if kind == 2:
        return b"\x91" * rng.randrange(1, 100_000)  # arrays in arrays
    shape = [rng.choice(["publish", "login", "attach", "nonsense", 7]), *[rng.choice([1, "x", b"y", None, []])] * 3]
    return msgspec.msgpack.encode(shape)


async def throw_garbage(relay: Running, count: int, seed: int) -> None:
    rng = random.Random(seed)
    async with aiohttp.ClientSession() as session:
        for _ in range(count):
            node = await dial(session, relay.url)
            try:
                if rng.random() < 0.5:
                    await node.login()
                if rng.random() < 0.1:
                    await node.ws.send_str("text")
                else:
                    await node.ws.send_bytes(garbage(rng))
                assert code(await node.receive()) in {"bad-message", "bad-login", "no-right"}
            finally:
                await node.ws.close()


async def test_garbage_on_the_socket(relay: Running) -> None:
    await throw_garbage(relay, 100, seed=1)


@pytest.mark.deep
async def test_five_thousand_malformed_messages(relay: Running) -> None:
    await throw_garbage(relay, 5000, seed=2)


async def stop_reading(node: Node) -> None:
    """The process is there, its socket is open, and it takes nothing more."""
    node.ws._reader._protocol.pause_reading()  # type: ignore[attr-defined]


async def test_a_slow_reader_costs_a_cursor_and_no_queue_and_is_closed(tmp_path: Path) -> None:
    room = new_key()
    limits = Limits(tail_bytes=200_000, deliver_bytes=50_000)
    async with serving(tmp_path, limits) as relay:
        async with connecting(relay.url) as ana, connecting(relay.url) as slow, connecting(relay.url) as quick:
            await ana.open_room(room)
            for node in (ana, slow, quick):
                await node.attach(room)
            hub, stuck = relay.relay._hub, relay.relay._connections[2]
            await stop_reading(slow)
            sent = []
            for _ in range(60):
                sent.append(frames_of(20, 10_000))
                await ana.publish(room, sent[-1])
            # The quick one has it all; the slow one is held by its cursor, and no frame waits for it.
            assert await quick.collect(room, 1200) == [frame for batch in sent for frame in batch]
            behind = hub.rooms[room.public].subscriptions[stuck.number]
            assert behind.cursor < 1200 and behind.is_due
            assert hub._tails_bytes <= 200_000
            assert (
                stuck._outbox_bytes == 0 and stuck._transport.get_write_buffer_size() < 1_000_000
            )  # of 12 MB that were sent
            now = time.monotonic()
            relay.relay.tick(now)
            relay.relay.tick(now + limits.stall_s - 1)
            assert stuck.number in relay.relay._connections
            relay.relay.tick(now + limits.stall_s)
            await until(lambda: stuck.number not in relay.relay._connections, "the slow reader's end")
            assert relay.relay._handlers.metrics.stalled == 1
            # It comes back and misses nothing.
            async with connecting(relay.url) as again:
                await again.attach(room)
                assert len(await again.collect(room, 1200)) == 1200
        await until(lambda: hub._tails_bytes == 0, "the tails' end")


async def test_a_reader_that_is_slow_but_moves_is_not_closed(tmp_path: Path) -> None:
    room = new_key()
    async with (
        serving(tmp_path, Limits(deliver_bytes=50_000)) as relay,
        connecting(relay.url) as ana,
        connecting(relay.url) as slow,
    ):
        await ana.open_room(room)
        await ana.attach(room)
        await slow.attach(room)
        await stop_reading(slow)
        for _ in range(60):
            await ana.publish(room, frames_of(20, 10_000))
        stuck = relay.relay._connections[2]
        await until(lambda: stuck._transport.get_write_buffer_size() > 0, "the reader's falling behind")
        now = time.monotonic()
        relay.relay.tick(now)
        sent = stuck._sent
        slow.ws._reader._protocol.resume_reading()  # type: ignore[attr-defined]
        slow.kept.append(await slow.expect(wire.Deliver))
        await until(lambda: stuck._sent > sent, "its progress")
        await stop_reading(slow)
        relay.relay.tick(now + 59)
        relay.relay.tick(now + 61)
        slow.ws._reader._protocol.resume_reading()  # type: ignore[attr-defined]
        assert len(await slow.collect(room, 1200)) == 1200
        assert relay.relay._handlers.metrics.stalled == 0


async def test_relay_files_and_memory_hold_no_more_than_sealed_frames_do(tmp_path: Path) -> None:
    room, frames = new_key(), (os.urandom(64),)
    async with serving(tmp_path) as relay, connecting(relay.url) as ana:
        await ana.open_room(room)
        await ana.attach(room)
        await ana.publish(room, frames)
        files = written_in(tmp_path)
    assert frames[0] in files and room.public in files
    assert ana.key.public not in files, "who publishes is not written down"
    assert room.seed not in files


def written_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())
