"""The node's database, as the rest of the node sees it: store a batch, ask a question.

`write` returns when the batch is on the disk and will survive a power cut; only then may anything be
announced. Content is sealed under the installation key on the way in and opened on the way out.
Relies on `node.storage` for everything; errors are `OpenSeshError`: DISK_FULL, HOME_LOCKED, DATABASE_CORRUPT.
"""

from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path

from node.storage import apply, reads
from node.storage.database import Database
from node.storage.opening import Opened
from node.storage.rows import (
    LOCAL,
    Answer,
    Batch,
    DuplicateRequest,
    Event,
    FrameMark,
    FrameStatus,
    NewEvent,
    NewFrame,
    Origin,
    RoomProgress,
    Run,
    StoredFrame,
    Summary,
    Text,
    Written,
)
from node.storage.schema import CURRENT, Schema
from node.storage.sealing import Sealer

__all__ = [
    "LOCAL",
    "Answer",
    "Batch",
    "DuplicateRequest",
    "Event",
    "FrameMark",
    "FrameStatus",
    "NewEvent",
    "NewFrame",
    "Origin",
    "RoomProgress",
    "Run",
    "Store",
    "StoredFrame",
    "Summary",
    "Text",
    "Written",
]


class Store:
    """An open store. `generation` counts restores from a backup: after one, never continue an old session."""

    def __init__(self, database: Database, sealer: Sealer, generation: int) -> None:
        self._database = database
        self._sealer = sealer
        self.generation = generation
        self._events_kept: int | None = None  # all of them

    @classmethod
    async def open(cls, path: Path, installation_key: bytes, schema: Schema = CURRENT) -> "Store":
        """Open or create the database at `path` (its folder exists, is private, and is locked by this node).

        Raises DATABASE_CORRUPT, DATABASE_NEWER, KEYS_UNREADABLE, DISK_FULL, HOME_LOCKED or FILE_UNREADABLE,
        and has changed nothing then.
        """
        sealer = Sealer(installation_key)
        database = await Database.open(path, sealer, schema)
        try:
            return cls(database, sealer, await database.read(reads.generation))
        except BaseException:
            await database.close()
            raise

    async def close(self) -> None:
        """Store what is under way, then close. What comes later is refused."""
        await self._database.close()

    @property
    def path(self) -> Path:
        return self._database.path

    @property
    def opened(self) -> Opened:
        """What the start found: a new database, an unclean stop, a migration and its backup."""
        return self._database.opened

    @property
    def transactions(self) -> int:
        """Transactions so far; batches per transaction is what group commit gains."""
        return self._database.writer.transactions

    # ---- writing

    async def write(self, batch: Batch) -> Written:
        """Store the batch entirely, durably, or not at all. Raises `DuplicateRequest`, DISK_FULL, HOME_LOCKED."""
        work = partial(apply.apply, sealer=self._sealer, batch=batch, events_kept=self._events_kept)
        written: Written = await self._database.write(work, batch.size_bytes())
        return written

    async def origin_number(self, kind: str, name: str) -> int:
        """The number under which frames of a relay ("relay", URL) or device ("device", id) are kept; made if new."""
        return await self._database.write(lambda each: apply.ensure_origin(each, self._sealer, kind, name))

    async def keep_events(self, count: int) -> int:
        """Keep about the newest `count` events from now on. Returns the floor: older cursors are unknown now."""
        self._events_kept = count
        floor: int = await self._database.write(lambda each: apply.prune_events(each, count))
        return floor

    # ---- frames

    async def frames(
        self,
        thread: bytes,
        after_row: int = 0,
        *,
        not_from: int | None = None,
        limit: int = reads.PAGE,
        limit_bytes: int | None = None,
    ) -> list[StoredFrame]:
        """A page of the thread's frames in the order of storing; `not_from` leaves out what an origin sent us.

        With `limit_bytes` the page ends with the frame that reaches it."""
        return await self._database.read(
            lambda each: reads.frames_after(each, thread, after_row, not_from, limit, limit_bytes)
        )

    async def stream_frames(self, thread: bytes, after_row: int = 0) -> AsyncIterator[StoredFrame]:
        """All frames of the thread in the order of storing, page by page."""
        while page := await self.frames(thread, after_row):
            for frame in page:
                yield frame
            after_row = page[-1].row

    async def frame(self, thread: bytes, envelope: bytes) -> StoredFrame | None:
        return await self._database.read(lambda each: reads.frame(each, thread, envelope))

    async def frames_of_envelopes(self, thread: bytes, envelopes: Iterable[bytes]) -> dict[bytes, bytes]:
        """Frames by the id of the envelope in them, of those that are here; ask for a bounded number."""
        asked = tuple(envelopes)
        return await self._database.read(lambda each: reads.frames_of_envelopes(each, thread, asked))

    async def known_hashes(self, thread: bytes, hashes: Iterable[bytes]) -> set[bytes]:
        """Those of the given 16-byte frame hashes that the thread has."""
        asked = tuple(hashes)
        return await self._database.read(lambda each: reads.known_hashes(each, thread, asked))

    async def hashes(self, thread: bytes) -> list[bytes]:
        """The hashes of all frames of the thread, read page by page."""
        found: list[bytes] = []
        row = 0
        while page := await self._database.read(partial(reads.hashes, thread=thread, row=row, limit=10 * reads.PAGE)):
            found += [frame_hash for _, frame_hash in page]
            row = page[-1][0]
        return found

    async def frames_by_hash(self, thread: bytes, hashes: Iterable[bytes]) -> list[bytes]:
        """The frames with these hashes, of those that are here; ask for a bounded number."""
        wanted = tuple(hashes)
        return await self._database.read(lambda each: reads.frames_by_hash(each, thread, wanted))

    async def frames_being_tried(self) -> list[tuple[bytes, bytes]]:
        """(thread, envelope) of frames on which the last process may have died."""
        return await self._database.read(reads.frames_being_tried)

    async def frames_to_upload(self, origin: int) -> list[tuple[bytes, int]]:
        """(thread, how many) of the frames that the origin may lack."""
        return await self._database.read(lambda each: reads.frames_to_upload(each, origin))

    # ---- threads, texts, events

    async def summaries(self) -> list[Summary]:
        return await self._database.read(lambda each: reads.summaries(each, self._sealer))

    async def summary(self, thread: bytes) -> Summary | None:
        return await self._database.read(lambda each: reads.summary(each, self._sealer, thread))

    async def thread_of_room(self, room: bytes) -> bytes | None:
        return await self._database.read(lambda each: reads.thread_of_room(each, room))

    async def search(self, query: str) -> AsyncIterator[Text]:
        """Messages whose text holds every word of the query, regardless of case; none for an empty query."""
        words = tuple(query.casefold().split())
        after = 0
        while words:
            hits, after = await self._database.read(partial(self._search, words=words, after=after))
            for hit in hits:
                yield hit
            if not after:
                return

    async def events(self, since: int, limit: int = reads.PAGE, thread: bytes | None = None) -> list[Event]:
        """The next events after a cursor, of all threads or of one. Raises CURSOR_UNKNOWN."""
        return await self._database.read(lambda each: reads.events_after(each, self._sealer, since, limit, thread))

    async def event_bounds(self) -> tuple[int, int]:
        """(floor, last): from `floor` on everything there is; from `last` on only what is new."""
        return await self._database.read(reads.event_bounds)

    # ---- relays and devices

    async def origins(self) -> list[Origin]:
        return await self._database.read(lambda each: reads.origins(each, self._sealer))

    async def progress(self, origin: int) -> dict[bytes, RoomProgress]:
        """By room: how far we are with this origin, and it with us."""
        found = await self._database.read(lambda each: reads.progress(each, origin))
        return {progress.room: progress for progress in found}

    # ---- settings, secrets, checkpoints, runs, answers

    async def setting(self, name: str) -> bytes | None:
        return await self._database.read(lambda each: reads.named(each, self._sealer, "settings", name))

    async def settings(self) -> dict[str, bytes]:
        return await self._database.read(lambda each: reads.all_named(each, self._sealer, "settings"))

    async def secret(self, name: str) -> bytes | None:
        return await self._database.read(lambda each: reads.named(each, self._sealer, "secrets", name))

    async def secrets(self) -> dict[str, bytes]:
        return await self._database.read(lambda each: reads.all_named(each, self._sealer, "secrets"))

    async def checkpoint(self, name: str) -> bytes | None:
        return await self._database.read(lambda each: reads.named(each, self._sealer, "checkpoints", name))

    async def checkpoints(self) -> dict[str, bytes]:
        return await self._database.read(lambda each: reads.all_named(each, self._sealer, "checkpoints"))

    async def runs_in_state(self, *states: str) -> list[Run]:
        """Runs in any of the states, oldest first: what a start has to reconcile."""
        where = f"state IN ({', '.join('?' * len(states))})"
        return await self._database.read(lambda each: reads.runs(each, self._sealer, where, states))

    async def run(self, run: str) -> Run | None:
        found = await self._database.read(lambda each: reads.runs(each, self._sealer, "run = ?", (run,)))
        return found[0] if found else None

    async def answer(self, request: str) -> bytes | None:
        """What a request with this id was answered, if that is still kept."""
        return await self._database.read(lambda each: reads.answer(each, self._sealer, request))

    async def counts(self) -> dict[str, int]:
        """Rows by table, for `doctor` and `purge --dry-run`."""
        return await self._database.read(reads.counts)

    async def damage(self) -> str:
        """What a quick check of the database finds wrong; empty if nothing."""
        return await self._database.read(reads.damage)

    async def size_of(self, thread: bytes) -> int:
        """Bytes of a thread's frames."""
        return await self._database.read(lambda each: reads.size_of(each, thread))

    def _search(self, connection: apply.Connection, words: tuple[str, ...], after: int) -> tuple[list[Text], int]:
        return reads.search(connection, self._sealer, words, after, reads.PAGE)
