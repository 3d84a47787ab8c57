"""Two devices of one identity in one thread: each sees what the other looks at, and nothing of it is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from crdt.identity import REVOKE
from crdt.ids import DeviceId, IdentityId, ThreadId, to_text
from crdt.presence import MAX_PAYLOAD_BYTES, Here
from node import presence as node_presence
from node.bus import Subscription
from node.presence import Presence
from tests.node.air import Air, happening, in_one_thread
from tests.node.second_device import Machine
from tests.waiting import until


class Two:
    """A laptop with a thread, and a desktop that has all of it."""

    def __init__(self, laptop: Machine, desktop: Machine, thread: ThreadId) -> None:
        self.laptop, self.desktop, self.thread, self.air = laptop, desktop, thread, Air()
        self.at_laptop, self.at_desktop = self.air.join(laptop), self.air.join(desktop)

    async def who(self, at: Presence) -> dict[str, dict[str, Any]]:
        """The rows by the device's name."""
        return {row["device"]["name"]: row for row in await at.show(self.thread)}


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with in_one_thread(tmp_path) as (laptop, desktop, thread):
        made = Two(laptop, desktop, thread)
        yield made
        await made.at_laptop.close()
        await made.at_desktop.close()


async def told(events: Subscription, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The next presence.changed of which that holds."""
    event = await happening(events, "presence.changed", wanted)
    assert event.passing
    return event.data


async def test_a_device_that_looks_is_seen_by_the_other_and_gone_when_it_leaves(two: Two) -> None:
    with two.laptop.threads.bus.subscribe() as events:
        with two.at_desktop.looking(two.thread):
            data = await told(events, lambda data: bool(data["people"]))
            (row,) = data["people"]
            assert row["device"]["name"] == "desktop" and row["state"] == "active" and row["role"] == "owner"
            assert row["identity"] == to_text(two.laptop.account.identity) and not row["this"]
            assert list(await two.who(two.at_laptop)) == ["desktop"]
            assert list(await two.who(two.at_desktop)) == ["desktop"]
        data = await told(events, lambda data: bool(data["gone"]))
        assert data == {"people": [], "gone": [row["device"]["id"]]}
    assert await two.who(two.at_laptop) == {}


async def test_who_comes_later_sees_at_once_who_was_there(two: Two) -> None:
    with two.at_desktop.looking(two.thread):
        await until(lambda: two.air.said, "the desktop said that it looks")
        two.air.ears.clear()
        late = two.air.join(two.laptop)  # it has heard nothing of that
        two.air.ears.append(two.at_desktop)
        with late.looking(two.thread):

            async def both() -> bool:
                return set(await two.who(late)) == {"laptop", "desktop"}

            await until(both, "the desktop answered")
        await late.close()


async def test_what_is_looked_at_and_the_cursor_come_across(two: Two) -> None:
    two.at_desktop.look(two.thread, Here("active", "draft", "", 12, True))

    async def seen() -> bool:
        row = (await two.who(two.at_laptop)).get("desktop")
        return row is not None and row["cursor"] == 12

    await until(seen, "the cursor")
    row = (await two.who(two.at_laptop))["desktop"]
    assert row["looking_at"] == {"kind": "draft", "id": None} and row["writing"]
    two.at_desktop.look(two.thread, Here("away", "message", "m1"))

    async def away() -> bool:
        row = (await two.who(two.at_laptop)).get("desktop")
        return row is not None and row["state"] == "away"

    await until(away, "away")
    with pytest.raises(ValueError, match="bad presence"):
        two.at_desktop.look(two.thread, Here("active", "message", "M/1"))


async def test_many_moves_in_a_moment_are_told_at_most_ten_times_a_second_and_the_last_one_surely(two: Two) -> None:
    await two.at_desktop.show(two.thread)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for at in range(500):
        two.at_desktop.look(two.thread, Here("active", "draft", "", at))

    async def last() -> bool:
        row = (await two.who(two.at_laptop)).get("desktop")
        return row is not None and row["cursor"] == 499

    await until(last, "the last move")
    assert len(two.air.said) <= 2 + (loop.time() - begun) / node_presence.PAUSE_S


async def test_keys_go_at_once_in_order_to_whoever_asked_for_them(two: Two) -> None:
    heard: list[tuple[ThreadId, IdentityId, DeviceId, bytes]] = []
    two.at_laptop.on("keys", lambda *given: heard.append(given))
    for key in b"hello":  # the first ones wait for the thread to be read, on either side
        two.at_desktop.send(two.thread, "keys", bytes([key]))
    await until(lambda: len(heard) == 5, "five keys")
    desktop = two.desktop.account
    assert heard == [(two.thread, desktop.identity, desktop.device.id, bytes([key])) for key in b"hello"]
    with pytest.raises(ValueError, match="at most"):
        two.at_desktop.send(two.thread, "keys", bytes(MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(ValueError, match="known kind"):
        two.at_desktop.send(two.thread, "shout", b"")  # type: ignore[arg-type]


async def test_a_handler_that_fails_keeps_nothing_from_the_others(two: Two) -> None:
    heard: list[bytes] = []

    def failing(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    two.at_laptop.on("keys", failing)
    two.at_laptop.on("keys", lambda *given: heard.append(given[3]))
    two.at_desktop.send(two.thread, "keys", b"a")
    await until(lambda: heard == [b"a"], "the key")


async def test_nobody_who_does_not_look_says_that_they_are_here(two: Two) -> None:
    with two.at_desktop.looking(two.thread):
        await until(lambda: len(two.air.said) == 1, "the desktop's word")
        await until(lambda: two.at_laptop.is_here(two.thread, two.desktop.account.device.id), "the desktop is seen")
    await until(lambda: len(two.air.said) == 2, "its goodbye")
    await until(lambda: not two.at_laptop.is_here(two.thread, two.desktop.account.device.id), "the goodbye is heard")
    assert await two.at_laptop.show(two.thread) == []


async def test_presence_is_nowhere_in_the_store_and_no_event_of_it_has_a_cursor(two: Two) -> None:
    before = await two.laptop.store.event_bounds(), await two.laptop.hashes(two.thread)
    with two.laptop.threads.bus.subscribe() as events, two.at_desktop.looking(two.thread):
        await told(events, lambda data: bool(data["people"]))
    assert (await two.laptop.store.event_bounds(), await two.laptop.hashes(two.thread)) == before


async def test_a_revoked_device_is_gone_at_once_though_it_goes_on_talking(two: Two) -> None:
    with two.at_desktop.looking(two.thread):
        await until(lambda: two.at_laptop.is_here(two.thread, two.desktop.account.device.id), "the desktop is seen")
        log = two.laptop.account.log()
        log.add(REVOKE, two.laptop.account.device.signing, at_ms=1, subject=two.desktop.account.device.id)
        await two.laptop.account.extend_log(log.entries[-1:])
        two.at_desktop.look(two.thread, Here("active", "draft"))

        async def gone() -> bool:
            return await two.who(two.at_laptop) == {}

        await until(gone, "the desktop is gone")


async def test_a_relay_that_whispers_without_end_has_few_threads_read(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[ThreadId] = []
    monkeypatch.setattr(two.laptop.threads, "open", lambda thread: _refuse(opened, thread))
    for number in range(5_000):
        two.at_laptop.heard(ThreadId(number.to_bytes(32, "big")), b"\x01" + bytes(100))
    await until(lambda: not two.at_laptop._background, "all that was begun is over")
    assert 0 < len(opened) <= node_presence.MAX_LOADS + 8
    assert len(two.at_laptop._audiences) <= node_presence.MAX_AUDIENCES


async def test_a_relay_that_whispers_elsewhere_does_not_have_us_forget_what_keys_were_typed(two: Two) -> None:
    heard: list[bytes] = []
    two.at_laptop.on("keys", lambda *given: heard.append(given[3]))
    two.at_desktop.send(two.thread, "keys", b"a")
    await until(lambda: heard == [b"a"], "the key")
    ((_, recorded),) = two.air.said
    for number in range(2 * node_presence.MAX_AUDIENCES):
        two.at_laptop.heard(ThreadId(number.to_bytes(32, "big")), b"\x01" + bytes(100))
    two.at_laptop.heard(two.thread, recorded)
    two.at_desktop.send(two.thread, "keys", b"b")
    await until(lambda: heard[-1] == b"b", "the next key")
    assert heard == [b"a", b"b"], "none was typed twice"


async def _refuse(opened: list[ThreadId], thread: ThreadId) -> None:
    from crdt.errors import THREAD_NOT_FOUND

    opened.append(thread)
    raise THREAD_NOT_FOUND()
