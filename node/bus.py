"""The one typed event bus: changes travel up through it, and only once they are stored.

Publishing never waits and never fails: a subscriber has a bounded buffer, and one that doesn't keep up
gets `OVERFLOW` in place of what it missed, and reads the store again from the cursor it had reached;
what it finds there and then gets from the bus too, it knows by the cursor. So a slow client costs
itself a re-read, and nobody else anything.
"""

import asyncio
from collections import deque
from typing import Any, Final, Literal

import msgspec

BUFFER_EVENTS: Final = 1024


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. A kind is a subclass (`frozen=True, kw_only=True`): a default for `type`, and its own fields.

    `cursor` is the event's place in this device's order of events, rising; events that are not kept,
    such as one piece of a stream, carry the cursor of the last one that is. `thread` is the thread id
    as text, or None for what concerns no thread.
    """

    cursor: int
    type: str
    thread: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The event as it crosses the API: plain JSON values, `cursor`, `type` and `thread` always among them."""
        shape: dict[str, Any] = msgspec.to_builtins(self)
        return shape


class Overflow:
    """The one value `OVERFLOW`: this subscriber missed events; read again from your own cursor."""

    def __repr__(self) -> str:
        return "OVERFLOW"


OVERFLOW: Final = Overflow()


class Subscription:
    """One subscriber's view: an async iterator of events. Buffers from the moment it is made until closed.

    Use as a context manager, so that the bus forgets it: `with bus.subscribe() as events:`.
    """

    def __init__(self, bus: "Bus", limit: int) -> None:
        self._bus, self._limit = bus, limit
        self._buffer: deque[Event | Overflow] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        self.close()
        return False

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event | Overflow:
        """The next event, or `OVERFLOW` once for any number that were missed. Ends when closed and empty."""
        while not self._buffer:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._buffer.popleft()

    def close(self) -> None:
        """Take nothing more. Harmless twice."""
        self._closed = True
        self._bus._forget(self)
        self._wake.set()

    def _take(self, event: Event) -> None:
        if len(self._buffer) >= self._limit:
            # What is buffered is as stale as what didn't fit: the re-read covers both, and frees the memory.
            self._buffer.clear()
            self._buffer.append(OVERFLOW)
        elif self._buffer and self._buffer[-1] is OVERFLOW:
            return  # the re-read that it will do begins after this event was stored
        else:
            self._buffer.append(event)
        self._wake.set()


class Bus:
    """Publish to every subscriber, in one order. Belongs to one event loop."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: Event) -> None:
        """Hand an event, already stored, to every subscriber. Neither waits nor raises."""
        for subscription in tuple(self._subscriptions):
            subscription._take(event)

    def subscribe(self, limit: int = BUFFER_EVENTS) -> Subscription:
        """Begin to receive; what is published from now on is buffered, at most `limit` events."""
        subscription = Subscription(self, limit)
        self._subscriptions.add(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription once it has read what it has."""
        for subscription in tuple(self._subscriptions):
            subscription.close()

    @property
    def subscribers(self) -> int:
        """How many receive at the moment."""
        return len(self._subscriptions)

    def _forget(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
