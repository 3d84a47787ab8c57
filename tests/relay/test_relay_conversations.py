"""A relay and its nodes in conversation, over real sockets: what honest nodes get, in which order."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from crdt import keys, wire
from relay.grants import Refusal
from relay.handlers import Door
from relay.limits import Limits
from tests.relay.conversation import Node, Running, connecting, dial, frames_of, new_key, serving
from tests.waiting import until

Frames = tuple[bytes, ...]


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path) as running:
        yield running


async def joined(node: Node, room: object) -> Node:
    """Log in was done; open the room and subscribe from its start."""
    assert isinstance(await node.open_room(room), wire.Done)  # type: ignore[arg-type]
    assert isinstance(await node.attach(room), wire.Attached)  # type: ignore[arg-type]
    return node


async def test_two_readers_get_each_frame_once_and_the_writer_gets_an_acknowledgement(relay: Running) -> None:
    room, frames = new_key(), frames_of(30)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben, connecting(relay.url) as cleo:
        for node in (ana, ben, cleo):
            await joined(node, room)
        for at in range(0, 30, 10):
            stored = await ana.publish(room, frames[at : at + 10])
            assert isinstance(stored, wire.Stored) and stored.last == at + 10
        assert await ben.collect(room, 30) == list(frames)
        assert await cleo.collect(room, 30) == list(frames)


async def test_a_writers_own_frames_move_its_cursor_without_coming_back(relay: Running) -> None:
    room, own, others = new_key(), frames_of(3), frames_of(2)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.publish(room, own)
        await ben.publish(room, others)
        assert await ana.collect(room, 5) == list(others)
        assert await ben.collect(room, 5) == list(own)


async def test_a_backlog_goes_over_into_live_frames_without_gap_or_repeat(relay: Running) -> None:
    room, frames = new_key(), frames_of(3000, 600)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await ana.publish(room, frames[:1000])
        await ana.publish(room, frames[1000:2000])

        async def go_on() -> None:
            for at in range(2000, 3000, 50):
                await ana.publish(room, frames[at : at + 50])

        publishing = asyncio.create_task(go_on())
        await ben.attach(room)
        assert await ben.collect(room, 3000) == list(frames)
        await publishing


async def test_a_node_goes_on_where_it_was(relay: Running) -> None:
    room, frames = new_key(), frames_of(20)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.publish(room, frames[:15])
        assert await ben.collect(room, 15) == list(frames[:15])
        await ana.publish(room, frames[15:])
    async with connecting(relay.url) as again:
        attached = await again.attach(room, 15, ben.checks[room.public, 15])
        assert attached == wire.Attached(1, 20, False)
        assert await again.collect(room, 20, after=15) == list(frames[15:])
        level = await again.attach(room, 20, again.checks[room.public, 20])
        assert level == wire.Attached(2, 20, False)


async def test_a_frame_larger_than_a_batch_is_delivered_alone(relay: Running) -> None:
    room = new_key()
    frames = (*frames_of(1), *frames_of(2, wire.MAX_FRAME_BYTES), *frames_of(1))
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.publish(room, frames)
        assert await ben.collect(room, 4) == list(frames)


async def test_a_known_frame_is_acknowledged_and_delivered_no_second_time(relay: Running) -> None:
    room, (first, second) = new_key(), frames_of(2)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.publish(room, (first,))
        assert await ben.publish(room, (first, second)) == wire.Stored(3, 2)
        assert await ana.collect(room, 2) == [second]


async def put_back_after(folder: Path, room: keys.SigningKey, early: Frames, lost: Frames) -> bytes:
    """A relay in `folder` that had both, and is put back to when it had `early` alone; what it told of its end."""
    async with serving(folder) as relay, connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.publish(room, early)
        (folder.parent / "backup").mkdir()
        source, copy = sqlite3.connect(folder / "relay.db"), sqlite3.connect(folder.parent / "backup/relay.db")
        source.backup(copy)
        source.close()
        copy.close()
        await ana.publish(room, lost)
        await ben.collect(room, len(early) + len(lost))
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "backup", folder)
    return ben.checks[room.public, len(early) + len(lost)]


async def test_a_relay_restored_from_an_old_backup_says_start_over(tmp_path: Path) -> None:
    room, early, lost, later = new_key(), frames_of(4), frames_of(3), frames_of(5)
    check = await put_back_after(tmp_path / "relay", room, early, lost)
    async with serving(tmp_path / "relay") as relay, connecting(relay.url) as ana, connecting(relay.url) as ben:
        behind = await ana.attach(room, 7, check)
        assert behind == wire.Attached(1, 4, True)
        assert await ana.collect(room, 4) == list(early)
        await ana.publish(room, later)
        elsewhere = await ben.attach(room, 7, check)
        assert elsewhere == wire.Attached(1, 9, True), "another frame stands at that cursor now"
        assert await ben.collect(room, 9) == [*early, *later]


async def test_a_restored_relay_says_start_over_when_the_same_frame_has_come_to_the_same_cursor(tmp_path: Path) -> None:
    """What was lost is uploaded again, something new in the place of one of it: who was there would never be told."""
    room, early, lost, [new] = new_key(), frames_of(4), frames_of(3), frames_of(1)
    check = await put_back_after(tmp_path / "relay", room, early, lost)
    async with serving(tmp_path / "relay") as relay, connecting(relay.url) as ana, connecting(relay.url) as ben:
        await ana.attach(room)
        await ana.publish(room, (new, lost[1], lost[2], lost[0]))
        assert await ben.attach(room, 7, check) == wire.Attached(1, 8, True)
        assert await ben.collect(room, 8) == [*early, new, lost[1], lost[2], lost[0]]


async def test_another_store_has_another_id(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "two", "one"):
        (tmp_path / name).mkdir(exist_ok=True)
        async with serving(tmp_path / name) as relay, connecting(relay.url, login=False) as node:
            ids.append(node.challenge.store)
    assert ids[0] == ids[2] != ids[1]


async def test_detaching_ends_the_deliveries_and_attaching_again_catches_up(relay: Running) -> None:
    room, frames = new_key(), frames_of(6)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.publish(room, frames[:2])
        await ben.collect(room, 2)
        assert await ben.answer(wire.Detach(9, room.public)) == wire.Done(9)
        assert await ben.answer(wire.Detach(10, room.public)) == wire.Done(10)
        await ana.publish(room, frames[2:])
        await ben.attach(room, 2, ben.checks[room.public, 2])
        assert not [kept for kept in ben.kept if isinstance(kept, wire.Deliver)]
        assert await ben.collect(room, 6, after=2) == list(frames[2:])


async def test_attaching_twice_starts_the_subscription_over(relay: Running) -> None:
    room, frames = new_key(), frames_of(3)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.publish(room, frames)
        await ben.collect(room, 3)
        await ben.attach(room)
        assert await ben.collect(room, 3) == list(frames)
        await ana.publish(room, more := frames_of(1))
        assert await ben.collect(room, 4, after=3) == list(more)


async def test_publishes_in_flight_are_acknowledged_in_order(relay: Running) -> None:
    room, frames = new_key(), frames_of(200)
    async with connecting(relay.url) as ana:
        await joined(ana, room)
        for number, frame in enumerate(frames, 1000):
            await ana.send(wire.Publish(number, room.public, (frame,)))
        stored = [await ana.expect(wire.Stored) for _ in frames]
        assert stored == [wire.Stored(number, number - 999) for number in range(1000, 1200)]


async def test_rooms_share_a_connection_and_keep_their_own_cursors(relay: Running) -> None:
    rooms = [new_key() for _ in range(5)]
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        for room in rooms:
            await joined(ana, room)
            await joined(ben, room)
        frames = {room.public: frames_of(count) for count, room in enumerate(rooms, 1)}
        for room in rooms:
            await ana.publish(room, frames[room.public])
        for count, room in enumerate(rooms, 1):
            assert await ben.collect(room, count) == list(frames[room.public])


async def test_presence_reaches_the_others_and_is_not_stored(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.send(wire.Whisper(room.public, b"typing"))
        assert await ben.expect(wire.Heard) == wire.Heard(room.public, b"typing")
        assert await ana.attach(room) == wire.Attached(3, 0, False)
        assert ana.kept == []


async def test_a_flood_of_presence_is_thinned_and_harms_nothing(tmp_path: Path) -> None:
    room, frames = new_key(), frames_of(5)
    async with (
        serving(tmp_path, Limits(whispers_per_second=10)) as relay,
        connecting(relay.url) as ana,
        connecting(relay.url) as ben,
    ):
        await joined(ana, room)
        await joined(ben, room)
        for _ in range(500):
            await ana.send(wire.Whisper(room.public, b"!"))
        assert isinstance(await ana.publish(room, frames), wire.Stored)
        assert await ben.collect(room, 5) == list(frames)
        heard = [kept for kept in ben.kept if isinstance(kept, wire.Heard)]
        assert len(heard) < 100


async def test_mail_left_by_a_stranger_waits_for_the_rooms_own(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as ana, connecting(relay.url) as stranger:
        await joined(ana, room)
        await ana.attach(room, generation=wire.OWN_GENERATION)
        for request, body in enumerate((b"one", b"two"), 1):
            assert await stranger.answer(wire.Drop(request, room.public, body)) == wire.Done(request)
        assert await ana.answer(wire.TakeMail(7, room.public, 0)) == wire.Mail(7, 2, (b"one", b"two"))
        assert await ana.answer(wire.TakeMail(8, room.public, 2)) == wire.Mail(8, 2, ())


async def test_two_devices_pair_without_a_login(relay: Running) -> None:
    async with connecting(relay.url, login=False) as shower, connecting(relay.url, login=False) as joiner:
        met = await shower.answer(wire.Meet(1, ""))
        assert isinstance(met, wire.Met) and met.nameplate.isdecimal() and not met.peer
        await shower.send(wire.Tell(b"first"))
        assert await joiner.answer(wire.Meet(1, met.nameplate)) == wire.Met(1, met.nameplate, True)
        assert await joiner.expect(wire.Told) == wire.Told(b"first")
        await joiner.send(wire.Tell(b"second"))
        assert await shower.expect(wire.Told) == wire.Told(b"second")
        await joiner.ws.close()
        assert await shower.expect(wire.Parted) == wire.Parted("left")


async def test_a_restart_of_the_relay_loses_nothing_acknowledged(tmp_path: Path) -> None:
    room, frames = new_key(), frames_of(50)
    async with serving(tmp_path) as relay, connecting(relay.url) as ana:
        await joined(ana, room)
        await ana.publish(room, frames)
    async with serving(tmp_path) as relay, connecting(relay.url) as ben:
        await ben.attach(room)
        assert await ben.collect(room, 50) == list(frames)


async def test_an_access_key_is_asked_for_new_rooms_alone(tmp_path: Path) -> None:
    room = new_key()
    async with serving(tmp_path, door=Door(access_key=b"sesame")) as relay, connecting(relay.url) as ana:
        refused = await ana.open_room(room, "guess")
        assert isinstance(refused, wire.Refused) and refused.code == "access-key"
        assert isinstance(await ana.attach(room), wire.Refused), "the room was not opened"
        assert isinstance(await ana.open_room(room, "sesame"), wire.Done)
        assert isinstance(await ana.open_room(room), wire.Done), (
            "known by now, to a connection that has nobody attached"
        )
        assert isinstance(await ana.attach(room), wire.Attached)


async def test_a_public_host_is_the_only_name_accepted(tmp_path: Path) -> None:
    async with serving(tmp_path, door=Door(public_hosts=("relay.example:8765",))) as relay:
        async with connecting(relay.url, login=False) as node:
            await node.send(node.login_message(audience="relay.example:8765"))
            assert isinstance(await node.receive(), wire.Welcome)
        async with connecting(relay.url, login=False) as node:
            await node.send(node.login_message())
            refused = await node.receive()
            assert isinstance(refused, wire.Refused) and refused.code == "bad-login"


async def test_health_and_counts_are_served_without_naming_anybody(relay: Running) -> None:
    room, frames = new_key(), frames_of(3)
    async with connecting(relay.url) as ana, aiohttp.ClientSession() as session:
        await joined(ana, room)
        await ana.publish(room, frames)
        await ana.publish(room, frames)
        await ana.open_room(new_key(), "x" * 200)
        pages = {}
        for page in ("livez", "readyz", "metrics", ""):
            async with session.get(f"{relay.url}/{page}") as response:
                pages[page] = response.status, await response.text()
        assert pages["livez"] == pages["readyz"] == (200, "ok\n")
        assert pages[""][0] == 426
        counts = pages["metrics"][1]
        assert "opensesh_relay_frames_stored_total 3\n" in counts
        assert "opensesh_relay_frames_known_total 3\n" in counts
        assert "opensesh_relay_connections 1\n" in counts
        for secret in (room.public, ana.key.public):
            assert secret.hex() not in counts and "127.0.0.1" not in counts


async def test_readiness_fails_while_the_disk_is_full(relay: Running) -> None:
    relay.store.full = True
    async with aiohttp.ClientSession() as session, session.get(f"{relay.url}/readyz") as response:
        assert (response.status, await response.text()) == (503, "disk full\n")


async def test_stopping_tells_every_node_and_takes_no_more(relay: Running) -> None:
    room, frames = new_key(), frames_of(40)
    async with connecting(relay.url) as ana, connecting(relay.url, login=False) as idle:
        await joined(ana, room)
        for number, frame in enumerate(frames, 100):
            await ana.send(wire.Publish(number, room.public, (frame,)))
        await ana.expect(wire.Stored)
        stopping = asyncio.create_task(relay.relay.stop())
        for node in (ana, idle):
            refused = await node.expect(wire.Refused)
            assert (refused.request, refused.code) == (0, "stopping") and refused.retry_after_ms > 0
            await node.closed()
        await stopping
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await dial(session, relay.url)
            async with session.get(f"{relay.url}/readyz") as response:
                assert (response.status, await response.text()) == (503, "stopping\n")


async def test_an_ended_connection_leaves_nothing_behind(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as ana:
        await joined(ana, room)
        await ana.answer(wire.Meet(50, ""))
        assert (len(relay.relay._hub.rooms), len(relay.relay._rendezvous)) == (1, 1)
    await until(lambda: relay.relay._census.total == 0, "the connection's end")
    assert (relay.relay._hub.rooms, len(relay.relay._rendezvous), relay.relay._connections) == ({}, 0, {})


async def test_a_full_disk_is_told_and_heals(relay: Running) -> None:
    room, large = new_key(), frames_of(4, 100_000)
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        connection = relay.store._connection
        connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")
        refused = await ana.publish(room, large)
        assert isinstance(refused, wire.Refused) and refused.code == "full" and refused.retry_after_ms > 0
        connection.execute("PRAGMA max_page_count=1000000")
        assert isinstance(await ana.publish(room, large), wire.Stored)
        assert await ben.collect(room, 4) == list(large), "what was refused was never announced"


async def test_a_raised_generation_ends_older_certificates_while_attached(relay: Running) -> None:
    room = new_key()
    async with connecting(relay.url) as owner, connecting(relay.url) as removed, connecting(relay.url) as kept:
        await joined(owner, room)
        assert isinstance(await removed.attach(room), wire.Attached)
        assert isinstance(await kept.attach(room, generation=1), wire.Attached)
        signature = room.sign("room-generation", (1).to_bytes(8, "big"))
        request = owner.request()
        assert await owner.answer(wire.RaiseGeneration(request, room.public, 1, signature)) == wire.Done(request)
        ended = await removed.expect(wire.Refused)
        assert (ended.request, ended.code) == (1, "no-right"), "it names the Attach that has ended"
        assert isinstance(await removed.publish(room, frames_of(1)), wire.Refused)
        again = await removed.attach(room)
        assert isinstance(again, wire.Refused) and again.code == "bad-certificate"
        assert isinstance(await owner.attach(room, generation=1), wire.Attached)
        frames = frames_of(2)
        await owner.publish(room, frames)
        assert await kept.collect(room, 2) == list(frames)
        assert not [each for each in removed.kept if isinstance(each, wire.Deliver)]
        await owner.answer(wire.RaiseGeneration(99, room.public, 1, signature))
        assert isinstance(await kept.attach(room, generation=os.urandom(1)[0] + 1), wire.Attached)


async def test_a_fault_inside_ends_one_connection_and_names_nothing(
    relay: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room = new_key()

    async def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await joined(ben, room)
        await ana.attach(room, generation=wire.OWN_GENERATION)
        monkeypatch.setattr(relay.store, "take", fail)
        await ana.send(wire.TakeMail(9, room.public, 0))
        refused = await ana.expect(wire.Refused)
        assert (refused.request, refused.code) == (0, "internal") and "fault of ours" not in refused.explanation
        await ana.closed()
        assert isinstance(await ben.publish(room, frames_of(1)), wire.Stored)
    assert "a fault of ours" in caplog.text, "the operator's log has it"
    assert room.public.hex() not in caplog.text and str(room.public) not in caplog.text


async def test_a_store_that_cannot_be_read_ends_the_delivery_and_the_node_comes_back(
    relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, frames = new_key(), frames_of(3)

    async def fail(*_: object) -> None:
        raise Refusal("internal")

    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        await joined(ana, room)
        await ana.publish(room, frames)
        with monkeypatch.context() as broken:
            broken.setattr(relay.store, "read", fail)
            await ben.attach(room)
            await ben.closed()
        async with connecting(relay.url) as again:
            await again.attach(room)
            assert await again.collect(room, 3) == list(frames)


async def test_hundreds_of_rooms_on_one_connection_each_get_their_frame(relay: Running) -> None:
    rooms = [new_key() for _ in range(300)]
    async with connecting(relay.url) as ana, connecting(relay.url) as ben:
        for room in rooms:
            await joined(ana, room)
            await ben.attach(room)
        frames = {room.public: frames_of(1) for room in rooms}
        for number, room in enumerate(rooms, 10_000):
            await ana.send(wire.Publish(number, room.public, frames[room.public]))
        for room in rooms:
            assert await ben.collect(room, 1) == list(frames[room.public])
