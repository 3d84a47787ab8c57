"""Follow the session files of other tools: what they append is handed out within a second, exactly once.

    follower = Follower([place], checkpoints_of_last_time)
    await follow(follower, store)           # store: batch and checkpoint in one transaction

Exactly once rests on three things: a batch counts only when it is confirmed after it was stored; its
checkpoint is stored with it; and a record keeps its key however often its file is read. The session of
a file, not the file, is what is followed: a session that goes on in another file stays one session.

Polling, not notifications: inotify doesn't exist on macOS, and says nothing on network file systems.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .checkpoint import Checkpoint
from .folders import STAT_BUDGET, Place, Scan
from .lines import LINE_LIMIT_BYTES
from .tail import BATCH_BYTES, Batch, TailedFile

INTERVAL_S = 0.4
"""Between two looks. With the time a look takes, what is written is handed out well within a second."""

LIVE_LIMIT = 32
"""Files held open with their readers. More sessions than that written at once are read again from their beginning."""

_IDLE_POLLS = 750  # five minutes: a session that rests holds no memory
_REJECTED_POLLS = 12  # five seconds until a batch that couldn't be stored is given again

_POLL_BYTES = 4 * BATCH_BYTES  # read per poll, over all files; the last may overshoot by a batch

_Signature = tuple[int, int, int, int]


class Follower:
    """Watches places; `poll` gives what is new, `confirm` says that a batch is stored. No clock, no thread, no store.

    `since_s` (seconds since 1970): files last written before it, and of which there is no checkpoint, are left
    alone until they change, unless they came after `began_s` (if not given, the same). None: everything that is
    there is read. Keep both with the checkpoints, so that after a restart a session written in between is not
    taken for an old one.
    """

    def __init__(
        self,
        places: Sequence[Place],
        checkpoints: Iterable[Checkpoint] = (),
        *,
        since_s: float | None = None,
        began_s: float | None = None,
        stat_budget: int = STAT_BUDGET,
        live_limit: int = LIVE_LIMIT,
        line_limit_bytes: int = LINE_LIMIT_BYTES,
    ) -> None:
        self._scan = Scan(places, stat_budget)
        self._since_s = since_s
        self._began_s = since_s if began_s is None else began_s
        self._live_limit = live_limit
        self._line_limit_bytes = line_limit_bytes
        self._checkpoints = {checkpoint.path: checkpoint for checkpoint in checkpoints}
        self._by_inode = {(each.device, each.inode): each for each in self._checkpoints.values()}
        self._live: OrderedDict[str, TailedFile] = OrderedDict()  # the most recently written last
        self._signatures: dict[str, _Signature] = {}
        self._again: set[str] = set()
        self._waiting: dict[str, int] = {}  # files whose batch was rejected → the poll at which it is given again
        self._read_at: dict[str, int] = {}  # live files → the poll at which something was read last
        self._polls = 0
        self.unreadable: dict[str, str] = {}
        """Files that can't be read, with the system's reason; a file leaves it when it can be read."""

    @property
    def behind(self) -> bool:
        """Whether the next poll should come at once: there is more to read, or a batch to give again."""
        return bool(self._again)

    def poll(self) -> list[Batch]:
        """At most one batch of each file that changed. A batch that wasn't confirmed by now is given again."""
        self._polls += 1
        self._again.update([path for path, poll in self._waiting.items() if poll <= self._polls])
        self._waiting = {path: poll for path, poll in self._waiting.items() if poll > self._polls}
        batches: list[Batch] = []
        inodes: set[tuple[int, int]] = set()
        room = _POLL_BYTES
        again, self._again = self._again, set()
        for path, status in self._due(again):
            signature = _signature(status)
            if path in self._waiting or (path not in again and signature == self._signatures.get(path)):
                continue
            if path not in self._signatures and self._is_old(path, status):
                self._signatures[path] = signature
                continue
            if room <= 0:
                self._again.add(path)
                continue
            self._signatures[path] = signature
            batch = self._read(path, status)
            if batch is None:
                continue
            inode = (batch.checkpoint.device, batch.checkpoint.inode)
            if inode in inodes:  # just read under another name: when that is confirmed, go on from there
                self._live.pop(path).close()
                continue
            inodes.add(inode)
            batches.append(batch)
            room -= batch.size_bytes
        self._put_idle_away()
        return batches

    def confirm(self, batch: Batch) -> None:
        """This batch is stored, and its checkpoint with it."""
        checkpoint = batch.checkpoint
        self._checkpoints[batch.path] = checkpoint
        self._by_inode[checkpoint.device, checkpoint.inode] = checkpoint
        file = self._live.get(batch.path)
        if file is None:
            return
        file.confirm()
        if not file.behind:
            self._again.discard(batch.path)

    def reject(self, batch: Batch) -> None:
        """This batch couldn't be stored: it is given again after a while, and keeps no other file waiting."""
        self._again.discard(batch.path)
        self._waiting[batch.path] = self._polls + _REJECTED_POLLS

    def restart(self, batch: Batch) -> None:
        """What came before this batch isn't stored after all: give the file again from its beginning."""
        former = self._checkpoints.pop(batch.path, batch.checkpoint)
        for checkpoint in (former, batch.checkpoint):
            self._by_inode.pop((checkpoint.device, checkpoint.inode), None)
        if file := self._live.pop(batch.path, None):
            file.close()
        self._again.add(batch.path)

    def close(self) -> None:
        """Let go of all files. What wasn't confirmed is given again by the next follower."""
        for file in self._live.values():
            file.close()
        self._live.clear()

    def _due(self, again: set[str]) -> Iterator[tuple[str, os.stat_result | None]]:
        """The files to look at now: those being written at every poll, None for one that vanished; others in turn."""
        looked_at = dict.fromkeys([*self._live, *sorted(again)])
        for path in looked_at:
            status = None
            with suppress(OSError):
                status = Path(path).stat()
            yield path, status
        for path, status in self._scan.tick():
            if path not in looked_at:
                yield path, status

    def _is_old(self, path: str, status: os.stat_result | None) -> bool:
        if self._since_s is None or self._began_s is None or status is None or path in self._checkpoints:
            return False
        if status.st_mtime >= self._since_s or status.st_ctime >= self._began_s:
            return False  # the latter shows a file that was copied here with its old time
        return (status.st_dev, status.st_ino) not in self._by_inode

    def _read(self, path: str, status: os.stat_result | None) -> Batch | None:
        file = self._live.get(path) or self._opened(path, status)
        try:
            batch = file.poll()
        except OSError as failure:
            self.unreadable[path] = failure.strerror or str(failure)
            self._live.pop(path).close()
            del self._signatures[path]  # look again: a right given later shows in no signature
            return None
        self.unreadable.pop(path, None)
        self._read_at[path] = self._polls
        if batch or file.behind:
            self._again.add(path)
            self._live.move_to_end(path)
        elif file.gone:
            del self._live[path]
        return batch

    def _opened(self, path: str, status: os.stat_result | None) -> TailedFile:
        checkpoint = self._checkpoints.get(path)
        if checkpoint:
            inode = (checkpoint.device, checkpoint.inode)
        else:
            inode = (status.st_dev, status.st_ino) if status else (0, 0)
        known = self._by_inode.get(inode)  # the same file may have been read further under another name
        if known and (checkpoint is None or known.offset > checkpoint.offset):
            checkpoint = replace(known, path=path)
        file = TailedFile(path, checkpoint, line_limit_bytes=self._line_limit_bytes)
        self._live[path] = file
        self._read_at = {each: poll for each, poll in self._read_at.items() if each in self._live}
        while len(self._live) > self._live_limit:
            self._live.popitem(last=False)[1].close()
        return file

    def _put_idle_away(self) -> None:
        busy = self._again.union(self._waiting)
        idle = [path for path in self._live if self._polls - self._read_at.get(path, 0) > _IDLE_POLLS]
        for path in idle:
            if path not in busy:
                self._live.pop(path).close()


def _signature(status: os.stat_result | None) -> _Signature:
    if status is None:
        return (0, 0, 0, 0)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


async def follow(
    follower: Follower,
    store: Callable[[Batch], Awaitable[bool]],
    *,
    failed: Callable[[Batch, Exception], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    interval_s: float = INTERVAL_S,
) -> None:
    """Follow until cancelled. `store` must have stored events and checkpoint, together, when it returns True.

    False says that what came before the batch is missing: the file is given again from its beginning. What
    `store` raises is told to `failed` and its batch given again later; without `failed` it ends the following.
    """
    while True:
        for batch in await _polled(follower):
            try:
                stored = await store(batch)
            except Exception as failure:
                if failed is None:
                    raise
                failed(batch, failure)
                follower.reject(batch)
                continue
            if stored:
                follower.confirm(batch)
            else:
                follower.restart(batch)
        if not follower.behind:
            await sleep(interval_s)


async def _polled(follower: Follower) -> list[Batch]:
    """Poll in a thread; when cancelled, wait for it, so that nobody closes the files under it."""
    polling = asyncio.ensure_future(asyncio.to_thread(follower.poll))
    try:
        return await asyncio.shield(polling)
    except asyncio.CancelledError:
        await asyncio.wait([polling])
        raise
