"""What this device remembers of one relay: which database it had, and how far we are with each of its rooms.

Frames are kept with the origin they came from, so that they are not sent back there. A relay whose database
was replaced, or put back from an old backup, may lack all of them: it counts as another origin from then
on, for which no mark holds and from which no frame has come.
"""

from dataclasses import dataclass
from typing import Final

from crdt.ids import ThreadId
from node.store import Batch, RoomProgress, Store

NOBODY: Final = -1  # an origin that nothing came from and that has nothing
STORE_BYTES: Final = 16


@dataclass(slots=True)
class RelayMemory:
    """The origin number of a relay's present database, and the rooms' marks as they are stored."""

    store: Store
    url: str
    origin: int = NOBODY

    @property
    def _name(self) -> str:
        return f"relay/{self.url}"

    async def recall(self) -> None:
        """Know again what an earlier process knew; before the first connection there is nothing."""
        kept = await self.store.setting(self._name)
        if kept is not None:
            self.origin = await self._number(kept)

    async def meet(self, database: bytes) -> dict[bytes, RoomProgress]:
        """Connected to that database: by room, how far we are with it. Nothing, if it is another than before."""
        kept = await self.store.setting(self._name)
        if kept is None or kept[:STORE_BYTES] != database:
            kept = database
            await self.store.write(Batch(settings={self._name: kept}))
        self.origin = await self._number(kept)
        return await self.store.progress(self.origin)

    async def start_over(self) -> None:
        """The same database went back in time: what it lacks now can't be known, so it is told everything."""
        kept = await self.store.setting(self._name)
        assert kept is not None, "connected before"
        again = int.from_bytes(kept[STORE_BYTES:], "big") + 1
        await self.store.write(Batch(settings={self._name: kept[:STORE_BYTES] + again.to_bytes(4, "big")}))

    async def _number(self, kept: bytes) -> int:
        return await self.store.origin_number("relay", f"{self.url} {kept.hex()}")

    async def behind(self) -> dict[ThreadId, int]:
        """How many frames of each thread it lacks, where it lacks any."""
        return {ThreadId(thread): count for thread, count in await self.store.frames_to_upload(self.origin)}
