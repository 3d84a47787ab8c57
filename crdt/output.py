"""What a shared terminal prints, as it stands in a thread: chunks in a lane of their own, appended by one device.

A lane of output is no document: nobody builds on it, so its envelopes are shown in the order in which they
stand. Here is the form of a chunk, and what is kept in memory of a terminal: the order of its envelopes, and
how it began, how large it is and how it ended. What it printed stays in the store, whatever its size.
A chunk in no known form counts as said and shows nothing.
"""

import bisect
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from crdt import codec, keys
from crdt.chains import Link
from crdt.ids import EnvelopeId
from crdt.permissions import Lane

TERMINAL_BYTES: Final = 16  # of a terminal's scope, and of its id
MAX_DATA_BYTES: Final = 64 * 1024
MAX_COLUMNS: Final = 500
MAX_ROWS: Final = 200
MAX_WORDS: Final = 64
MAX_WORD_CHARACTERS: Final = 1024
MAX_TITLE_CHARACTERS: Final = 256
MAX_REASON_CHARACTERS: Final = 256

Columns = Annotated[int, Meta(ge=1, le=MAX_COLUMNS)]
Rows = Annotated[int, Meta(ge=1, le=MAX_ROWS)]


class Opened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="open"):
    """The terminal begins: the program's words, as far as they are shown, and its size in character cells."""

    command: Annotated[
        tuple[Annotated[str, Meta(max_length=MAX_WORD_CHARACTERS)], ...], Meta(min_length=1, max_length=MAX_WORDS)
    ]
    columns: Columns
    rows: Rows
    title: Annotated[str, Meta(max_length=MAX_TITLE_CHARACTERS)]
    at_ms: Annotated[int, Meta(ge=0, le=2**53)]  # Unix time, as its device says


class Data(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="data"):
    """Bytes as the program wrote them: for an emulator, never for anybody's terminal."""

    bytes: Annotated[bytes, Meta(min_length=1, max_length=MAX_DATA_BYTES)]


class Resized(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="resize"):
    """The terminal has another size from here on."""

    columns: Columns
    rows: Rows


class Ended(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="exit"):
    """The program is over: its exit code (128 + n after signal n), or why nobody knows it."""

    code: Annotated[int, Meta(ge=0, le=255)] | None
    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARACTERS)]


Chunk = Opened | Data | Resized | Ended
_decoder: msgspec.msgpack.Decoder[Chunk] = msgspec.msgpack.Decoder(Chunk)


def encode_chunk(chunk: Chunk) -> bytes:
    """A chunk as an envelope's body."""
    return codec.encode(chunk)


def decode_chunk(body: bytes) -> Chunk:
    """A body back. Raises `PeerFault("bad chunk")`."""
    return codec.decode(_decoder, body, "chunk")


def note_of(body: bytes) -> bytes:
    """What memory keeps of a chunk: the whole of the small ones, nothing of what was printed. Raises `PeerFault`."""
    return b"" if isinstance(decode_chunk(body), Data) else body


class Output:
    """One terminal, by its accepted envelopes.

    Sessions that follow one another stand in that order; those of a copied disk, side by side, in the order of
    their ids. So everybody shows the same, whatever came first.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.revision = 0  # grows when something came to stand before what was here
        self._sessions: list[_Session] = []
        self._named: dict[bytes, list[_Session]] = {}
        self._count = 0
        # Kept as chunks come: whoever opens sessions without end is not to be gone through for each of them.
        self._opened: _Session | None = None  # the first that says so
        self._ended: _Session | None = None
        self._sized: _Session | None = None  # the last that does
        self._told: tuple[Opened | None, Ended | None] = (None, None)

    def __len__(self) -> int:
        return self._count

    def page(self, start: int, limit: int) -> list[EnvelopeId]:
        """The ids of up to `limit` envelopes from the place `start` on, in the order in which they are shown."""
        found: list[EnvelopeId] = []
        for session in self._sessions:
            if start < len(session.ids):
                found += session.ids[start : start + limit - len(found)]
            start = max(0, start - len(session.ids))
            if len(found) == limit:
                break
        return found

    @property
    def opened(self) -> Opened | None:
        """How it began."""
        return self._opened.opened if self._opened else None

    @property
    def ended(self) -> Ended | None:
        """How it ended; what is said after that is not shown."""
        return self._ended.ended if self._ended else None

    @property
    def size(self) -> tuple[int, int] | None:
        """(columns, rows) as it is now."""
        return self._sized.size if self._sized else None

    def news(self) -> bool:
        """Whether it has begun or ended since this was asked last."""
        before, self._told = self._told, (self.opened, self.ended)
        return before != self._told

    def take(self, link: Link, seen: Sequence[Link], note: bytes) -> None:
        """An envelope was accepted whose chain is here up to it; of an opener, with the sessions `seen` before it."""
        session = self._session_of(link, seen)
        if session is not self._sessions[-1]:
            self.revision += 1
        session.ids.append(link.id)
        self._count += 1
        if note:
            session.take(decode_chunk(note))
            self._note(session)

    def _note(self, session: "_Session") -> None:
        if session.opened and (self._opened is None or session.place < self._opened.place):
            self._opened = session
        if session.ended and (self._ended is None or session.place < self._ended.place):
            self._ended = session
        if session.size and (self._sized is None or session.place >= self._sized.place):
            self._sized = session

    def _session_of(self, link: Link, seen: Sequence[Link]) -> "_Session":
        name = link.header.session
        if link.parent is not None:
            return max(reversed(self._named[name]), key=lambda each: each.place)
        before = {each.header.session for each in seen}
        depth = max((each.depth + 1 for earlier in before for each in self._named.get(earlier, ())), default=0)
        session = _Session(name, depth)
        self._named.setdefault(name, []).append(session)
        bisect.insort(self._sessions, session, key=lambda each: each.place)
        return session


class _Session:
    """The part of a terminal that one session of its device said."""

    def __init__(self, name: bytes, depth: int) -> None:
        self.name, self.depth = name, depth
        self.ids: list[EnvelopeId] = []
        self.opened: Opened | None = None
        self.ended: Ended | None = None
        self.size: tuple[int, int] | None = None

    @property
    def place(self) -> tuple[int, bytes]:
        """Sessions stand in this order."""
        return (self.depth, self.name)

    def take(self, chunk: Chunk) -> None:
        if self.ended is not None:
            return
        if isinstance(chunk, Opened):
            self.opened = self.opened or chunk
        if isinstance(chunk, Opened | Resized):
            self.size = (chunk.columns, chunk.rows)
        elif isinstance(chunk, Ended):
            self.ended = chunk


def terminal_id(lane: Lane) -> bytes:
    """What a terminal is called outside: no other device can have one of that name."""
    return keys.digest("terminal", lane.owner, lane.scope, size=TERMINAL_BYTES)


def is_terminal(lane: Lane) -> bool:
    """Whether the lane is named as a terminal is."""
    return len(lane.scope) == TERMINAL_BYTES
