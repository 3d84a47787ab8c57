"""Frames whose key isn't here yet, filed by the epoch tag that they show, within bounds.

What is in them may be junk: everybody who can reach this device can send any bytes. So a key that comes
in makes nothing be tried but the frames of its own epoch, and the few frames that bring keys themselves.
"""

from collections import OrderedDict
from typing import Final

from crdt import keys

MAX_UNOPENED: Final = 4096  # beyond, the oldest are dropped and fetched again
MAX_UNOPENED_BYTES: Final = 64 * 1024 * 1024
MAX_WITH_KEYS: Final = 256  # of those, frames that bring keys


class Unopened:
    """Frames in the order in which they came."""

    def __init__(self) -> None:
        self._frames: OrderedDict[bytes, tuple[bytes, bytes]] = OrderedDict()  # digest → frame, tag
        self._tagged: dict[bytes, dict[bytes, None]] = {}
        self._with_keys: OrderedDict[bytes, list[bytes]] = OrderedDict()  # digest → keys wrapped to us in it
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: bytes, tag: bytes, wrapped: list[bytes] | None) -> None:
        """Keep a frame until its key comes. `wrapped` are the keys it has for us; None if it brings none at all."""
        digest = keys.digest("unopened", frame)
        if digest in self._frames:
            return
        self._frames[digest] = (frame, tag)
        self._tagged.setdefault(tag, {})[digest] = None
        self._bytes += len(frame)
        if wrapped is not None:
            self._with_keys[digest] = wrapped
            if len(self._with_keys) > MAX_WITH_KEYS:
                self._with_keys.popitem(last=False)
        while len(self._frames) > MAX_UNOPENED or self._bytes > MAX_UNOPENED_BYTES:
            self._take(next(iter(self._frames)))

    def take(self, tag: bytes) -> list[tuple[bytes, list[bytes] | None]]:
        """The frames of an epoch, and those that bring further keys, with these; they are no longer kept."""
        digests = [*self._tagged.get(tag, ()), *(d for d in self._with_keys if self._frames[d][1] != tag)]
        return [self._take(digest) for digest in digests]

    def _take(self, digest: bytes) -> tuple[bytes, list[bytes] | None]:
        frame, tag = self._frames.pop(digest)
        self._bytes -= len(frame)
        del self._tagged[tag][digest]
        if not self._tagged[tag]:
            del self._tagged[tag]
        return frame, self._with_keys.pop(digest, None)
