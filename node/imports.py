"""Sessions of other tools as threads: whole files on request, and what is followed as it is written.

A session is one thread, found again by its source, on whichever device it was imported first. What is
stored of a followed file and how far the file was read are stored together: exactly once, whatever stops.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

from crdt import errors
from crdt.content import Message
from crdt.errors import OpenSeshError
from crdt.ids import ThreadId, to_text
from crdt.thread import SHARED, set_shared
from node.importing import follow
from node.importing.checkpoint import Checkpoint
from node.importing.folders import Place, standard_place
from node.importing.merging import Merging
from node.importing.reader import CHUNK_BYTES, Reader
from node.importing.records import Event, ImportCounts, ImportedSession, SessionFound
from node.importing.tail import Batch as TailBatch
from node.importing.writing import changes, grouped, together
from node.storage import faults
from node.store import Batch
from node.summary import decode_summary
from node.threads import Draft, OpenThread, Threads

FOLLOWS: Final = "follows"
CHECKPOINT: Final = "follow/"
TOOLS: Final = ("claude", "codex")
Found = Callable[[dict[str, Any]], Awaitable[OpenThread]]
log = logging.getLogger(__name__)


class Importer:
    """Puts sessions into threads. `begin` founds a thread with the given `meta`."""

    def __init__(self, threads: Threads, begin: Found) -> None:
        self._threads = threads
        self._begin = begin
        self._known: dict[str, ThreadId] = {}
        self._lock = asyncio.Lock()

    async def import_file(self, path: Path) -> list[dict[str, Any]]:
        """Bring a transcript in. Raises IMPORT_UNRECOGNISED or FILE_UNREADABLE, having stored nothing then."""
        await asyncio.to_thread(_probe, path)
        reader = Reader()
        touched: dict[ThreadId, bool] = {}
        session: ImportedSession | None = None
        for data in _chunks(path):
            events = await asyncio.to_thread(reader.feed, data) if data else reader.finish()
            session = _session(events, session)
            if session is not None:
                thread, new = await self.store(session, events)
                touched[thread] = touched.get(thread, False) or new
        return [await self._row(thread, new, reader.counts) for thread, new in touched.items()]

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

    async def store(
        self, session: ImportedSession, events: Iterable[Event], checkpoint: Checkpoint | None = None
    ) -> tuple[ThreadId, bool]:
        """Make the session's thread show what the events say. The thread, and whether it is new."""
        async with self._lock:
            thread = await self._find(session.source)
            new = thread is None
            if thread is None:
                thread = (await self._begin(_meta(session))).id
                self._known[session.source] = thread
            async with self._threads.change(thread) as draft:
                self._retitle(draft, session)
                self._write(draft, session, events)
                if checkpoint is not None:
                    value = json.dumps(checkpoint.to_json()).encode()
                    draft.batch.checkpoints[CHECKPOINT + checkpoint.path] = value
        return thread, new

    async def _find(self, source: str) -> ThreadId | None:
        if source not in self._known:
            for stored in await self._threads.store.summaries():
                summary = decode_summary(stored.payload)
                if summary.source is not None:
                    self._known.setdefault(summary.source, ThreadId(stored.thread))
        return self._known.get(source)

    def forget(self, thread: ThreadId) -> None:
        """The thread is gone: its session would begin a new one."""
        self._known = {source: known for source, known in self._known.items() if known != thread}

    def _retitle(self, draft: Draft, session: ImportedSession) -> None:
        """Follow the session's own title, unless a person gave the thread another."""
        meta = draft.thread.view.meta()
        wanted: dict[str, Any] = {}
        if session.title and meta.get("title") == meta.get("source_title") != session.title:
            wanted |= {"title": session.title, "source_title": session.title}
        if session.project_root and not meta.get("project"):
            wanted["project"] = session.project_root
        if wanted:
            draft.commit(SHARED, lambda doc: set_shared(doc, "meta", wanted))

    def _write(self, draft: Draft, session: ImportedSession, events: Iterable[Event]) -> None:
        view = draft.thread.view
        merging = Merging(session.source, view.message, _last_key(view.messages(), session.source))
        merging.take(events)
        lane = draft.timeline
        # What another device has brought in is its own to change: here it stays as it is shown.
        ours = [m for m in merging.changed.values() if m.device in (b"", lane.owner)]
        due = chain.from_iterable(changes(message, view.message(message.id)) for message in ours)
        for group in grouped(due):
            draft.commit(lane, together(group))


class Follows:
    """What is watched: which tools' folders or files, kept over restarts. `start` it, `close` it."""

    def __init__(self, threads: Threads, importer: Importer, home: Path) -> None:
        self._threads = threads
        self._importer = importer
        self._home = home
        self._watched: dict[str, float] = {}  # source → since when, in seconds since 1970
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sessions: dict[str, ImportedSession] = {}
        self._seen: dict[str, set[str]] = {}

    async def start(self) -> None:
        """Go on watching what was watched."""
        stored = await self._threads.store.setting(FOLLOWS)
        self._watched = json.loads(stored) if stored else {}
        for source in self._watched:
            await self._watch(source)

    async def close(self) -> None:
        """Stop watching, without forgetting what."""
        for source in list(self._tasks):
            await self._stop(source)

    async def add(self, source: str | None) -> list[dict[str, Any]]:
        """Watch a tool's sessions, a folder or a file; without a source both tools."""
        for each in [source] if source else TOOLS:
            place = self._place(each)
            if place.root.is_absolute() is False:
                raise errors.FILE_UNREADABLE("Give `claude`, `codex` or an absolute path.", path=each[:200])
            if each not in self._watched:
                # What is over when watching begins stays where it is; `import` brings it in.
                self._watched[each] = time.time()
                await self._save()
                await self._watch(each)
        return await self.rows()

    async def remove(self, name: str) -> list[dict[str, Any]]:
        """Stop watching a source. Raises FILE_UNREADABLE if it isn't watched."""
        source = next((each for each in self._watched if name in (each, follow_id(each))), None)
        if source is None:
            raise errors.FILE_UNREADABLE("That is not being watched.", next="See what is: opensesh import --followed")
        del self._watched[source]
        await self._save()
        await self._stop(source)
        return await self.rows()

    async def rows(self) -> list[dict[str, Any]]:
        """What is watched, in the API's shape."""
        return [
            {
                "id": follow_id(source),
                "source": source,
                "path": str(self._place(source).root),
                "sessions": len(self._seen.get(source, ())),
                "state": "watching" if self._place(source).root.exists() else "missing",
            }
            for source in self._watched
        ]

    async def _save(self) -> None:
        await self._threads.store.write(Batch(settings={FOLLOWS: json.dumps(self._watched).encode()}))

    def _place(self, source: str) -> Place:
        return standard_place(source, self._home, os.environ) or Place(Path(source))

    async def _watch(self, source: str) -> None:
        checkpoints = []
        place = self._place(source)
        for name, value in (await self._threads.store.checkpoints()).items():
            if name.startswith(CHECKPOINT) and Path(name.removeprefix(CHECKPOINT)).is_relative_to(place.root):
                with contextlib.suppress(ValueError, KeyError):
                    checkpoints.append(Checkpoint.from_json(json.loads(value)))
        follower = follow.Follower([place], checkpoints, since_s=self._watched[source])
        self._seen[source] = set()
        self._tasks[source] = asyncio.create_task(self._run(source, follower), name=f"follow {source}")

    async def _run(self, source: str, follower: follow.Follower) -> None:
        async def store(batch: TailBatch) -> bool:
            session = _session(batch.events, self._sessions.get(batch.path))
            if session is None:
                session = await asyncio.to_thread(_session_of, batch.path)
            if session is not None:
                self._sessions[batch.path] = session
                self._seen[source].add(session.source)
                await self._importer.store(session, batch.events, batch.checkpoint)
            return True

        while True:
            try:
                await follow.follow(follower, store)
            except OpenSeshError as error:
                log.warning("following %s waits: %s", source[:40], error.kind.name)
            except Exception:
                log.exception("following stopped in a fault of ours, and goes on")
            await asyncio.sleep(5.0)

    async def _stop(self, source: str) -> None:
        task = self._tasks.pop(source, None)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def follow_id(source: str) -> str:
    """A short name for a followed source."""
    return source if source in TOOLS else hashlib.blake2b(source.encode(), digest_size=5).hexdigest()


def _meta(session: ImportedSession) -> dict[str, Any]:
    title = session.title or "Imported session"
    return {
        "title": title,
        "source_title": title,
        "project": session.project_root or None,
        "source": session.source,
    }


def _session(events: Iterable[Event], known: ImportedSession | None) -> ImportedSession | None:
    """The session the events belong to: the last that was found, else the one known so far."""
    for event in events:
        if isinstance(event, SessionFound):
            known = event.session
    return known


def _session_of(path: str) -> ImportedSession | None:
    """The session of a file that is read on after a restart: it names itself at its beginning."""
    reader = Reader()
    session: ImportedSession | None = None
    with contextlib.suppress(OSError, OpenSeshError), Path(path).open("rb") as file:
        while session is None and (data := file.read(CHUNK_BYTES)):
            session = _session(reader.feed(data), None)
    return session


def _last_key(messages: list[Message], source: str) -> int:
    return max((message.key for message in messages if message.source == source), default=0)


def _probe(path: Path) -> None:
    """Find out that it is a transcript before anything is stored."""
    reader = Reader()
    try:
        with path.open("rb") as file:
            while reader.format is None and (data := file.read(CHUNK_BYTES)):
                reader.feed(data)
    except OSError as error:
        raise faults.translate(error, path) from error
    if reader.format is None:
        reader.finish()


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, and an empty piece at the end."""
    try:
        with path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                yield data
    except OSError as error:
        raise faults.translate(error, path) from error
    yield b""
