"""Sessions of other tools as threads: whole files on request, and what `follows` brings.

A session is one thread, found again by its source, on whichever device it was imported first. What is
stored of a followed file and how far the file was read are stored together: exactly once, whatever stops.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any, Final

from crdt.ids import ThreadId, to_text
from crdt.replica import Receipt
from crdt.thread import SHARED, set_shared
from node.importing.merging import Floors, Merging, floors_of
from node.importing.reader import Reader
from node.importing.records import Event, ImportCounts, ImportedSession, MessageUpsert
from node.importing.whole import Transcript
from node.importing.writing import changes, grouped
from node.open_thread import Draft, OpenThread
from node.store import Batch
from node.summary import decode_summary
from node.threads import Threads

SESSION: Final = "import/"  # in the store's checkpoints: source → the thread it was put into, empty before there is one
ROOT_CHARS: Final = 4096  # of a project's folder
Found = Callable[[dict[str, Any]], Awaitable[OpenThread]]


class Outcome(Enum):
    """What became of a piece of a session."""

    STORED = "stored"
    NEW = "new"  # stored, in a thread that was not here before
    NOTHING = "nothing"  # no message yet: no thread is made for it
    DELETED = "deleted"  # its thread was deleted, which what is followed doesn't undo
    INCOMPLETE = "incomplete"  # what came before it is not here


@dataclass(slots=True)
class Piece:
    """Some events of a session, to be stored in one transaction with `checkpoints` (values of JSON).

    `floors` are as the piece before it left them, None if that isn't known; afterwards they are this piece's.
    `wanted`: a person asked for it. `from_start`: nothing of the file came before.
    """

    session: ImportedSession
    events: Sequence[Event]
    floors: Floors | None = None
    checkpoints: dict[str, bytes | None] = field(default_factory=dict)
    wanted: bool = False
    from_start: bool = False


class Importer:
    """Puts sessions into threads. `begin` founds a thread with the given `meta`."""

    def __init__(
        self, threads: Threads, begin: Found, is_deleted: Callable[[ThreadId], bool] = lambda thread: False
    ) -> None:
        self._threads = threads
        self._begin = begin
        self._is_deleted = is_deleted
        self._known: dict[str, ThreadId] | None = None  # source → thread, once it was asked for
        self._lock = asyncio.Lock()
        threads.on_change.append(self._on_change)

    async def import_file(self, path: Path) -> list[dict[str, Any]]:
        """Bring a transcript in; a row for its thread, none if it holds no message.

        Raises IMPORT_UNRECOGNISED or FILE_UNREADABLE, having stored nothing then.
        """
        reader, floors, new = Reader(), Floors(), False
        thread: ThreadId | None = None
        with await asyncio.to_thread(Transcript, path) as transcript:
            pieces = transcript.chunks()
            while data := await asyncio.to_thread(next, pieces, b""):
                thread, outcome = await self._take(reader, await asyncio.to_thread(reader.feed, data), floors)
                new |= outcome is Outcome.NEW
            thread, outcome = await self._take(reader, reader.finish(), floors)
            new |= outcome is Outcome.NEW
        return [] if thread is None else [await self._row(thread, new, reader.counts)]

    async def _take(self, reader: Reader, events: Sequence[Event], floors: Floors) -> tuple[ThreadId | None, Outcome]:
        if reader.session is None:
            return None, Outcome.NOTHING
        return await self.store(Piece(reader.session, events, floors, wanted=True))

    async def _row(self, thread: ThreadId, new: bool, counts: ImportCounts) -> dict[str, Any]:
        meta = (await self._threads.open(thread)).view.meta()
        return {
            "id": to_text(thread),
            "title": meta.get("title") or "",
            "new": new,
            "messages": counts.messages,
            "assistant_messages": counts.assistant_messages,
            "tool_calls": counts.tool_calls,
            "agent_tool_calls": counts.agent_tool_calls,
            "placeholders": counts.placeholders,
            "skipped_lines": counts.skipped_lines,
        }

    async def store(self, piece: Piece) -> tuple[ThreadId | None, Outcome]:
        """Make the session's thread show what the events say, durably; only what isn't there is written.

        Nothing is stored, the checkpoints neither, if the outcome is DELETED or INCOMPLETE.
        """
        source = piece.session.source
        async with self._lock:
            thread = await self._find(source)
            outcome = Outcome.STORED
            if thread is None:
                outcome = await self._why_not_begin(piece)
                if outcome is Outcome.NOTHING:
                    await self._threads.store.write(Batch(checkpoints={**piece.checkpoints, SESSION + source: b""}))
                if outcome is not Outcome.NEW:
                    return None, outcome
                thread = (await self._begin(_meta(piece.session))).id
            async with self._threads.change(thread) as draft:
                self._retitle(draft, piece.session)
                floors = await self._write(draft, piece)
                draft.batch.checkpoints |= {**piece.checkpoints, SESSION + source: thread}
        if piece.floors is not None:
            piece.floors.update(floors)
        else:
            piece.floors = floors
        return thread, outcome

    async def _find(self, source: str) -> ThreadId | None:
        """The session's thread. Of several that devices made apart from each other, the same one everywhere."""
        known = self._known.get(source) if self._known is not None else None
        gone = known is not None and (self._is_deleted(known) or await self._threads.store.summary(known) is None)
        if self._known is None or gone:
            self._known = {}
            for stored in await self._threads.store.summaries():
                self._note(decode_summary(stored.payload).source, ThreadId(stored.thread))
        return self._known.get(source)

    def _note(self, source: object, thread: ThreadId) -> None:
        if self._known is not None and isinstance(source, str) and not self._is_deleted(thread):
            self._known[source] = min(thread, self._known.get(source, thread))

    def _on_change(self, opened: OpenThread, receipts: list[Receipt]) -> None:
        """A thread that came from another device may be a session's."""
        if any(SHARED in receipt.lanes for receipt in receipts):
            self._note(opened.view.meta().get("source"), opened.id)

    async def _why_not_begin(self, piece: Piece) -> Outcome:
        """NEW if a thread is to be begun, else why not."""
        before = await self._threads.store.checkpoint(SESSION + piece.session.source)
        if before and not piece.wanted and self._is_deleted(ThreadId(before)):
            return Outcome.DELETED
        if before != b"" and not piece.wanted and not piece.from_start:
            return Outcome.INCOMPLETE
        says_something = any(isinstance(event, MessageUpsert) for event in piece.events)
        return Outcome.NEW if says_something else Outcome.NOTHING

    def _retitle(self, draft: Draft, session: ImportedSession) -> None:
        """Follow the session's own title, unless a person gave the thread another."""
        meta = draft.thread.view.meta()
        wanted: dict[str, Any] = {}
        if session.title and meta.get("title") == meta.get("source_title") != session.title:
            wanted |= {"title": session.title, "source_title": session.title}
        if session.project_root and not meta.get("project"):
            wanted["project"] = session.project_root[:ROOT_CHARS]
        if wanted:
            draft.commit(SHARED, lambda doc: set_shared(doc, "meta", wanted))

    async def _write(self, draft: Draft, piece: Piece) -> Floors:
        view, lane, source = draft.thread.view, draft.timeline, piece.session.source
        floors = piece.floors if piece.floors is not None else floors_of(view.messages(), source)
        merging = Merging(source, view.message, floors, self._threads.now_ms())
        merging.take(piece.events)
        # What another device has brought in is its own to change: here it stays as it is shown.
        ours = [message for message in merging.changed.values() if message.device in (b"", lane.owner)]
        for change in grouped(chain.from_iterable(changes(each, view.message(each.id)) for each in ours)):
            draft.commit(lane, change)
            await asyncio.sleep(0)  # sealing takes its time: let others have their turn
        return merging.floors


def _meta(session: ImportedSession) -> dict[str, Any]:
    title = session.title or "Imported session"
    return {
        "title": title,
        "source_title": title,
        "project": session.project_root[:ROOT_CHARS] or None,
        "source": session.source,
    }
