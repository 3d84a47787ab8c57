"""Where everything that happens to a run waits its turn, so that no two effects of it overlap."""

import asyncio
from collections import deque

from node.agent.steps import Delta, Event

INBOX_SIZE = 64  # events of the model that wait here; beyond it the source is not read


class Inbox:
    """Events in order, except that an urgent one comes first; full for deltas at `INBOX_SIZE`."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._signal = asyncio.Event()

    def put(self, event: Event, *, urgent: bool = False) -> None:
        """Add it, full or not; an urgent one goes to the head."""
        (self._events.appendleft if urgent else self._events.append)(event)
        self._wake()

    async def put_when_room(self, event: Event) -> None:
        """Add it at the end as soon as fewer than `INBOX_SIZE` wait."""
        while len(self._events) >= INBOX_SIZE:
            await self._change()
        self.put(event)

    async def get(self) -> Event:
        """The next event, waiting for one. Deltas of one kind that wait in a row come as one.

        Handling one means a write; while a slow disk is written to, more of them pile up here.
        """
        while not self._events:
            await self._change()
        event = self._events.popleft()
        if isinstance(event, Delta):
            event = self._joined(event)
        self._wake()
        return event

    def _joined(self, first: Delta) -> Delta:
        texts = [first.text]
        while self._events and isinstance(following := self._events[0], Delta) and following.kind == first.kind:
            self._events.popleft()
            texts.append(following.text)
        return Delta(first.kind, "".join(texts), first.now_ms)

    def _wake(self) -> None:
        # A condition would want its lock held; an event that is replaced at each change does not.
        self._signal.set()
        self._signal = asyncio.Event()

    async def _change(self) -> None:
        await self._signal.wait()
