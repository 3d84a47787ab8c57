"""Other tools' sessions as they are written: what is watched, kept over restarts, and the watching itself."""

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from crdt import errors
from crdt.errors import OpenSeshError
from node.importing import follow
from node.importing.checkpoint import Checkpoint
from node.importing.folders import Place, standard_place
from node.importing.merging import Floors
from node.importing.tail import Batch as Tail
from node.imports import Importer, Outcome, Piece
from node.store import Batch, Store

TOOLS: Final = ("claude", "codex")
RECENT_S: Final = 86_400.0
"""Of a tool's sessions those written this long before watching began are brought in at once, older ones when they
go on. What somebody names by its path is brought in whole."""

_FOLLOWS: Final = "follows"  # the setting: source → since when, in seconds since 1970; 0 for a path
_CHECKPOINT: Final = "follow/"  # in the store's checkpoints: path → how far it was read
_AGAIN_S: Final = 5.0
log = logging.getLogger(__name__)


class Follows:
    """What is watched: tools' folders, other folders, files. `start` it, `close` it.

    `configured` is watched from the start, besides what was asked for.
    """

    def __init__(
        self,
        store: Store,
        importer: Importer,
        home: Path,
        configured: Iterable[str] = (),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._store = store
        self._importer = importer
        self._home = home
        self._configured = tuple(configured)
        self._environ = environ
        self._since: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sessions: dict[str, set[str]] = {}  # watched source → the sessions it brought
        self._failing: dict[str, str] = {}  # file → why what it says can't be stored, as it was logged
        self._floors: dict[str, Floors] = {}  # file → where its conversations have come to

    async def start(self) -> None:
        """Go on watching what was watched."""
        stored = await self._store.setting(_FOLLOWS)
        self._since = json.loads(stored) if stored else {}
        for source in self._since:
            await self._watch(source)
        for source in self._configured:
            try:
                await self.add(_expanded(source))
            except OpenSeshError as error:
                log.warning("the setting import.follow names what can't be followed: %s", error.kind.name)

    async def close(self) -> None:
        """Stop watching, without forgetting what."""
        for source in list(self._tasks):
            await self._stop(source)

    async def add(self, source: str | None) -> list[dict[str, Any]]:
        """Watch a tool's sessions, a folder or a file; without a source both tools. Raises FILE_UNREADABLE."""
        for each in [source] if source else TOOLS:
            if each not in TOOLS and not Path(each).is_absolute():
                raise errors.FILE_UNREADABLE("Give `claude`, `codex` or an absolute path.", path=each[:200])
            if each not in self._since:
                self._since[each] = time.time() if each in TOOLS else 0.0
                await self._save()
                await self._watch(each)
        return self.rows()

    async def remove(self, name: str) -> list[dict[str, Any]]:
        """Stop watching a source, given by its name, path or id. Raises FILE_UNREADABLE if it isn't watched."""
        source = next((each for each in self._since if name in (each, follow_id(each))), None)
        if source is None:
            raise errors.FILE_UNREADABLE("That is not being watched.", next="See: opensesh import --followed")
        del self._since[source]
        await self._save()
        await self._stop(source)
        return self.rows()

    def rows(self) -> list[dict[str, Any]]:
        """What is watched, in the API's shape."""
        return [self._row(source, self._place(source).root) for source in self._since]

    def _row(self, source: str, root: Path) -> dict[str, Any]:
        return {
            "id": follow_id(source),
            "source": source if source in TOOLS else "path",
            "path": str(root),
            "sessions": len(self._sessions.get(source, ())),
            "state": "watching" if root.exists() else "missing",
        }

    async def _save(self) -> None:
        await self._store.write(Batch(settings={_FOLLOWS: json.dumps(self._since).encode()}))

    def _place(self, source: str) -> Place:
        return standard_place(source, self._home, self._environ) or Place(Path(source))

    async def _watch(self, source: str) -> None:
        place = self._place(source)
        checkpoints, self._sessions[source] = [], set()
        for name, value in (await self._store.checkpoints()).items():
            if not name.startswith(_CHECKPOINT) or not Path(name.removeprefix(_CHECKPOINT)).is_relative_to(place.root):
                continue
            with contextlib.suppress(ValueError, KeyError):
                shape = json.loads(value)
                checkpoints.append(Checkpoint.from_json(shape))
                self._sessions[source].update(filter(None, [shape["session"]]))
        began = self._since[source]
        follower = follow.Follower([place], checkpoints, since_s=max(0.0, began - RECENT_S), began_s=began)
        self._tasks[source] = asyncio.create_task(self._run(source, follower), name=f"follow {source}")

    async def _run(self, source: str, follower: follow.Follower) -> None:
        async def store(batch: Tail) -> bool:
            return await self._take(source, batch)

        try:
            while True:
                try:
                    await follow.follow(follower, store, failed=self._failed)
                except Exception:
                    log.exception("following %s met a fault of ours, and goes on", follow_id(source))
                await asyncio.sleep(_AGAIN_S)
        finally:
            follower.close()

    async def _take(self, source: str, batch: Tail) -> bool:
        """Store what a file gained. False if what came before it isn't here."""
        session = batch.session
        shape = {**batch.checkpoint.to_json(), "session": session.source if session else ""}
        checkpoints: dict[str, bytes | None] = {_CHECKPOINT + batch.path: json.dumps(shape).encode()}
        if session is None:
            await self._store.write(Batch(checkpoints=checkpoints))
            return True
        # On failure the place in the order is worked out anew.
        floors = Floors() if batch.from_start else self._floors.pop(batch.path, None)
        piece = Piece(session, batch.events, floors, checkpoints, from_start=batch.from_start)
        _, outcome = await self._importer.store(piece)
        self._failing.pop(batch.path, None)
        if outcome in (Outcome.STORED, Outcome.NEW):
            self._sessions[source].add(session.source)
            if piece.floors is not None:
                self._floors[batch.path] = piece.floors
        return outcome is not Outcome.INCOMPLETE

    def _failed(self, batch: Tail, failure: Exception) -> None:
        """It is tried again every few seconds: say so once."""
        reason = failure.kind.name if isinstance(failure, OpenSeshError) else type(failure).__name__
        if self._failing.get(batch.path) == reason:
            return
        self._failing[batch.path] = reason
        fault = None if isinstance(failure, OpenSeshError) else failure
        log.warning("a followed session waits: %s", reason, exc_info=fault)

    async def _stop(self, source: str) -> None:
        task = self._tasks.pop(source, None)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _expanded(source: str) -> str:
    return str(Path(source).expanduser()) if source.startswith("~") else source


def follow_id(source: str) -> str:
    """A short name for a followed source."""
    return source if source in TOOLS else hashlib.blake2b(source.encode(), digest_size=5).hexdigest()
