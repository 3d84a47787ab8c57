"""One file that another program writes to: what was appended since, exactly once.

Every look at the file goes through one descriptor, so that what is checked is what is read. The
descriptor is kept: when the path comes to name another file (rotation), the rest of the old one is read
before the new one is begun. If that happened while nobody looked, the old one is searched for among its
neighbours. Nothing counts as handed out until it is confirmed.

1. The reader has been fed the bytes [0, fed) of the file behind the descriptor, and no others.
2. `confirmed` is the last checkpoint the caller stored; what follows it will be handed out (again).
3. A file that doesn't continue what was read (shorter, or other bytes before the place) is read from its
   beginning: the same records have the same keys, so nothing comes twice.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crdt.errors import OpenSeshError

from .checkpoint import TAIL_BYTES, Checkpoint, tail_before
from .detect import Format
from .lines import LINE_LIMIT_BYTES
from .reader import CHUNK_BYTES, Reader
from .records import Event, ImportCounts, ImportedSession

BATCH_BYTES = 1024 * 1024

_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a named pipe must not hold us; it then fails to be read


@dataclass(frozen=True, slots=True)
class Batch:
    """What one file gained: store `events` and `checkpoint` together, then confirm.

    `counts` are of the whole file, and `session` is what the file says of it so far; None if nothing yet.
    `from_start`: what the file says before this batch was handed out by nobody. `size_bytes` is how much was read.
    """

    path: str
    format: Format
    events: list[Event]
    checkpoint: Checkpoint
    counts: ImportCounts
    size_bytes: int
    session: ImportedSession | None
    from_start: bool


class TailedFile:
    """Reads on in one path. Not for use by two threads at once."""

    def __init__(
        self, path: str, confirmed: Checkpoint | None = None, *, line_limit_bytes: int = LINE_LIMIT_BYTES
    ) -> None:
        self.path = path
        self.behind = False
        """Whether there is more to read than the last poll took."""
        self._line_limit_bytes = line_limit_bytes
        self._confirmed = confirmed
        self._pending: Checkpoint | None = None
        self._descriptor: int | None = None
        self._reader: Reader | None = None
        self._from_start = True  # whether the reader has handed out nothing, nor been fed what was handed out
        self._last = b""  # the bytes before the place we read up to, to see whether they still stand there
        self._no_transcript_below: int | None = None  # size from which on the file is known to be none

    def poll(self) -> Batch | None:
        """The next batch, or None if no line was completed. Raises OSError if the file can't be read."""
        if self._pending:
            self._pending = self._reader = None
        self.behind = False
        if self._descriptor is None:
            former = self._open_former()
            self._descriptor = self._open_named() if former is None else former
        if self._descriptor is not None and not self._path_names(self._descriptor):
            rest = self._read(self._descriptor)
            if rest or self.behind:
                self.behind = True  # come again for what the path names now
                return rest
            self.close()
            self._confirmed = None
            self._descriptor = self._open_named()
        return self._read(self._descriptor) if self._descriptor is not None else None

    def confirm(self) -> None:
        """The last batch is stored; it won't be handed out again."""
        if self._pending:
            self._confirmed, self._pending = self._pending, None

    @property
    def gone(self) -> bool:
        """Whether nothing more can come: the path names no file, and none is held."""
        return self._descriptor is None

    def close(self) -> None:
        """Let go of the file and of everything that can be rebuilt from it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._reader = self._pending = self._no_transcript_below = None

    def _open_named(self) -> int | None:
        try:
            return os.open(self.path, _OPEN_FLAGS)
        except FileNotFoundError:
            return None

    def _open_former(self) -> int | None:
        """The file that was being read, if it goes by another name in the same folder now."""
        confirmed = self._confirmed
        if confirmed is None:
            return None
        with suppress(OSError):
            if Path(self.path).stat().st_ino == confirmed.inode:
                return None
        with suppress(OSError), os.scandir(Path(self.path).parent) as entries:
            for entry in entries:
                if entry.inode() == confirmed.inode and entry.is_file(follow_symlinks=False):
                    descriptor = os.open(entry.path, _OPEN_FLAGS)
                    if confirmed.fits(descriptor):
                        return descriptor
                    os.close(descriptor)
        return None

    def _path_names(self, descriptor: int) -> bool:
        try:
            named = Path(self.path).stat()
        except FileNotFoundError:
            return False
        held = os.fstat(descriptor)
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def _read(self, descriptor: int) -> Batch | None:
        size = os.fstat(descriptor).st_size
        if self._no_transcript_below is not None and size >= self._no_transcript_below:
            return None
        reader = self._continued(descriptor, size)
        before = reader.resume_offset
        try:
            data = os.pread(descriptor, BATCH_BYTES, reader.fed_bytes)
            events = reader.feed(data)
        except OpenSeshError:
            self._reader, self._no_transcript_below = None, size
            return None
        self._last = (self._last + data)[-TAIL_BYTES:]
        self.behind = size > reader.fed_bytes and bool(data)
        # Lines read before the format is known have given no events yet, so they must not be checkpointed.
        if reader.format is None or reader.resume_offset == before:
            return None
        self._pending = Checkpoint.of(self.path, descriptor, reader.resume_offset)
        from_start, self._from_start = self._from_start, False
        return Batch(
            self.path, reader.format, events, self._pending, reader.counts, len(data), reader.session, from_start
        )

    def _continued(self, descriptor: int, size: int) -> Reader:
        """The reader, if the file still goes on from what it was fed; otherwise one that stands at the right place."""
        reader = self._reader
        if reader and size >= reader.fed_bytes and tail_before(descriptor, reader.fed_bytes) == self._last:
            return reader
        self._no_transcript_below = None
        if self._confirmed and self._confirmed.fits(descriptor):
            self._reader = self._replayed(descriptor, self._confirmed.offset)
        else:
            self._reader = Reader(line_limit_bytes=self._line_limit_bytes)
        self._from_start = self._reader.resume_offset == 0
        self._last = tail_before(descriptor, self._reader.fed_bytes)
        return self._reader

    def _replayed(self, descriptor: int, offset: int) -> Reader:
        """A reader that has read up to `offset`, as if it had never been put away."""
        reader = Reader(line_limit_bytes=self._line_limit_bytes)
        try:
            while data := os.pread(descriptor, min(CHUNK_BYTES, offset - reader.fed_bytes), reader.fed_bytes):
                reader.feed(data)
        except OpenSeshError:  # the beginning was rewritten into something else
            reader = Reader(line_limit_bytes=self._line_limit_bytes)
        return reader
