"""`events.watch`: what happens, from a cursor on, without gap or repeat."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from crdt.ids import ThreadId, to_text
from node.api.requests import Context
from node.bus import OVERFLOW, Bus
from node.happenings import Happening, unpack
from node.library import Library
from node.store import Store


class EventHandlers:
    """Reads the store up to now, then the bus; and the store again after an overflow."""

    def __init__(
        self, store: Store, bus: Bus, library: Library, looking: Callable[[ThreadId], AbstractContextManager[None]]
    ) -> None:
        self._store = store
        self._bus = bus
        self._library = library
        self._looking = looking

    async def watch(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        """`events.watch`"""
        only = (await self._library.find(p.thread)).id if p.thread is not None else None
        name = to_text(only) if only is not None else None
        with self._bus.subscribe() as live, self._looking(only) if only is not None else nullcontext():
            _, newest = await self._store.event_bounds()
            cursor = p.since if p.since is not None else newest
            await self._store.events(cursor, 1)  # CURSOR_UNKNOWN, before anything is answered
            yield {"type": "ready", "cursor": cursor, "thread": name}
            async for event in self._stored(cursor, only):
                cursor = event.cursor
                yield event.to_json()
            async for happened in live:
                if happened is OVERFLOW:
                    async for event in self._stored(cursor, only):
                        cursor = event.cursor
                        yield event.to_json()
                elif isinstance(happened, Happening) and (name is None or happened.thread == name):
                    passing = happened.passing
                    if passing or happened.cursor > cursor:
                        cursor = max(cursor, happened.cursor)
                        yield {**happened.to_json(), "cursor": cursor}

    async def _stored(self, since: int, only: ThreadId | None) -> AsyncIterator[Happening]:
        while page := await self._store.events(since, thread=only):
            for event in page:
                yield unpack(event.cursor, event.thread, event.payload)
            since = page[-1].cursor
