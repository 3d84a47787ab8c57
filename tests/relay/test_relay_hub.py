"""What is due to whom, where two things come at once that a whole relay meets only now and then."""

import asyncio

from relay.grants import Grant
from relay.hub import Hub, Subscription
from relay.ledger import Appended, RoomState
from relay.limits import Limits
from relay.store import Page

KEY = bytes(32)
FRAMES = tuple(bytes([number]) * 40 for number in range(5))


class SlowStore:
    """Reads frames of one room, when it is let."""

    def __init__(self) -> None:
        self.asked, self.let = asyncio.Event(), asyncio.Event()

    async def read(self, room: int, after: int, count: int, size_bytes: int) -> Page:
        self.asked.set()
        await self.let.wait()
        return Page(len(FRAMES), bytes(16), FRAMES[after:])


class Listener:
    number = 1

    def __init__(self) -> None:
        self.woken: list[Subscription] = []

    def due(self, subscription: Subscription) -> None:
        self.woken.append(subscription)

    def hear(self, data: bytes) -> None:
        raise AssertionError("nobody whispers")


async def test_who_starts_while_the_store_is_read_for_them_is_given_what_is_due_and_heard_of_again() -> None:
    store, listener = SlowStore(), Listener()
    hub = Hub(store, Limits())  # type: ignore[arg-type]
    state = RoomState(1, 4, b"", 0)
    subscription = hub.subscribe(KEY, state, listener, Grant(True, 0), 1)
    hub.announce(KEY, Appended(4, 5, FRAMES[4:], bytes(16)), publisher=2)  # stored between subscribing and starting
    assert listener.woken == [subscription]
    reading = asyncio.create_task(hub.next_batch(subscription))
    await store.asked.wait()
    hub.start(subscription, 3)
    store.let.set()
    assert await reading is not None
    assert subscription.cursor == 5
    assert await hub.next_batch(subscription) is None
    hub.announce(KEY, Appended(5, 6, (bytes(40),), bytes(16)), publisher=2)
    assert len(listener.woken) == 2, "and what comes later wakes it"
