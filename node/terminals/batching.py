"""When what a program prints becomes a chunk of its thread (pure).

The first bytes after a pause go at once, the next ones together a moment later. Each chunk is an envelope that
every member keeps, so the pauses grow with their number: what prints for hours without a break costs the
square root of it. A full chunk doesn't wait, until a program floods: then it prints as fast as `RATE_BYTES`
allows. What people say to each other takes the same way as what their terminals print, to each of their devices.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Final

from crdt.output import MAX_DATA_BYTES, Chunk, Data, Resized

PAUSE_MS: Final = 30
MAX_PAUSE_MS: Final = 1_000
CHUNKS_PER_STEP: Final = 2_000  # after so many the pause is twice as long, then three times, …
RATE_BYTES: Final = 2 * 1024 * 1024  # a second, in the long run, to all devices of the thread together
BURST_BYTES: Final = 512 * 1024  # at once, after a rest, to all of them together
MAX_WAITING_BYTES: Final = 4 * MAX_DATA_BYTES  # beyond, the program waits


class Batcher:
    """Takes bytes and sizes, gives chunks in that order. Times in ms of a clock that only goes forward."""

    def __init__(self, readers: Callable[[], int] = lambda: 1) -> None:
        """`readers` tells how many devices take in what is printed."""
        self._readers = readers
        self._waiting: deque[bytearray | Resized] = deque()
        self._waiting_bytes = 0
        self._last_ms: int | None = None
        self._made = 0
        self._room_bytes = math.inf  # that may be said at once: as much as is ever allowed
        self._room_ms = 0  # as of when

    @property
    def is_full(self) -> bool:
        """Whether no more should be read for now."""
        return self._waiting_bytes >= MAX_WAITING_BYTES

    @property
    def pause_ms(self) -> int:
        """The least time between two chunks that aren't full."""
        return min(MAX_PAUSE_MS, PAUSE_MS * (1 + self._made // CHUNKS_PER_STEP))

    def add(self, data: bytes) -> None:
        """The program printed this."""
        if not self._waiting or isinstance(self._waiting[-1], Resized):
            self._waiting.append(bytearray())
        last = self._waiting[-1]
        assert isinstance(last, bytearray)
        last += data
        self._waiting_bytes += len(data)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size from here on; of sizes without output between them the last one counts."""
        if self._waiting and isinstance(self._waiting[-1], Resized):
            self._waiting.pop()
        self._waiting.append(Resized(columns, rows))

    def due_in_ms(self, now_ms: int) -> int | None:
        """How long to wait for the next chunk; None while there is none."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        if isinstance(first, Resized) or len(first) < MAX_DATA_BYTES:
            return 0 if self._last_ms is None else max(0, self._last_ms + self.pause_ms - now_ms)
        owed_bytes = -self._room_at(now_ms)
        return math.ceil(owed_bytes * 1000 / self._rate) if owed_bytes > 0 else 0

    @property
    def _shares(self) -> int:
        return max(1, self._readers())

    @property
    def _rate(self) -> float:
        return RATE_BYTES / self._shares

    def _room_at(self, now_ms: int) -> float:
        """How much a flood may print at once; less than nothing while it has to wait."""
        return min(BURST_BYTES / self._shares, self._room_bytes + (now_ms - self._room_ms) * self._rate / 1000)

    def take(self, now_ms: int) -> Chunk | None:
        """The next chunk, due or not."""
        if not self._waiting:
            return None
        self._last_ms = now_ms
        self._made += 1
        first = self._waiting[0]
        if isinstance(first, Resized):
            self._waiting.popleft()
            return first
        data = bytes(first[:MAX_DATA_BYTES])
        del first[:MAX_DATA_BYTES]
        self._waiting_bytes -= len(data)
        self._room_bytes, self._room_ms = self._room_at(now_ms) - len(data), now_ms
        if not first:
            self._waiting.popleft()
        return Data(data)
