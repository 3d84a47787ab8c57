"""Operations on sync: how it stands, what may sync, which relays, waiting."""

import asyncio
import time
from typing import Any

from crdt import errors
from crdt.ids import ThreadId, to_text
from node.api.requests import Context
from node.heartbeats import Heartbeats
from node.library import Library, is_within
from node.synchronizer import Synchronizer


class SyncHandlers:
    """`sync.*` and `relay.status`."""

    def __init__(self, synchronizer: Synchronizer, library: Library, heartbeats: Heartbeats) -> None:
        self._sync = synchronizer
        self._library = library
        self._heartbeats = heartbeats

    async def status(self, p: Any, context: Context) -> dict[str, Any]:
        """`sync.status`"""
        thread = await self._thread(p.thread)
        if thread is None:
            state, enabled = await self._sync.overall(), not self._sync.keeps_all
        else:
            state, enabled = self._sync.words(thread), self._sync.may_sync(thread)
        relays = [await self._sync.row(link) for link in self._sync.links()]
        pending = await self._sync.pending(thread)
        shown = {"state": state, "enabled": enabled, "pending": pending, "relays": relays, "peers": self._sync.peers()}
        if thread is not None:
            return {**shown, **await self._heartbeats.of(thread)}
        return {**shown, "warnings": await self._heartbeats.all()}

    async def _thread(self, name: str | None) -> ThreadId | None:
        return (await self._library.find(name)).id if name is not None else None

    async def enable(self, p: Any, context: Context) -> dict[str, Any]:
        """`sync.enable`"""
        return {"enabled": True, "threads": await self._allow(p, True)}

    async def disable(self, p: Any, context: Context) -> dict[str, Any]:
        """`sync.disable`"""
        return {"enabled": False, "threads": await self._allow(p, False)}

    async def _allow(self, p: Any, allowed: bool) -> list[str]:
        thread = await self._thread(p.thread)
        await self._sync.allow(thread, p.project, allowed)
        if thread is not None:
            return [to_text(thread)]
        listed = await self._library.list()
        return [each.text for each in listed if p.project is None or is_within(each.summary.project, p.project)]

    async def connect(self, p: Any, context: Context) -> dict[str, Any]:
        """`sync.connect`"""
        link = await self._sync.add_relay(p.url.rstrip("/"), p.access_key or "")
        return {"relay": await self._sync.row(link)}

    async def disconnect(self, p: Any, context: Context) -> dict[str, Any]:
        """`sync.disconnect`"""
        await self._sync.remove_relay(p.url.rstrip("/"))
        return {"relays": [await self._sync.row(link) for link in self._sync.links()]}

    async def wait(self, p: Any, context: Context) -> dict[str, Any]:
        """`sync.wait`"""
        thread = await self._thread(p.thread)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(p.timeout_s):
                await self._sync.wait(thread, p.incoming)
        except TimeoutError:
            raise errors.TIMEOUT(f"Not everything was stored elsewhere within {p.timeout_s:g} s.") from None
        return {"synced": True, "waited_ms": int((time.monotonic() - begun) * 1000)}

    async def relay_status(self, p: Any, context: Context) -> dict[str, Any]:
        """`relay.status`"""
        urls = [p.url.rstrip("/")] if p.url is not None else [link.url for link in self._sync.links()]
        if not urls:
            raise errors.NOTHING_TO_SYNC_WITH()
        return {"relays": list(await asyncio.gather(*(self._sync.probe(url) for url in urls)))}
