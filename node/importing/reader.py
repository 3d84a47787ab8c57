"""Bytes of one transcript in, events out; whole, in pieces, or byte by byte with the same result.

    reader = Reader()
    for event in reader.feed(data): …
    for event in reader.finish(): …      # only where the file is known to have ended

The state of a reader follows from the bytes it was fed and nothing else. So after a restart a new one
is fed the file from its beginning to `resume_offset`, its events are thrown away, and it goes on as if
nothing had happened (`follow` does so).
"""

from typing import Protocol

from crdt.errors import IMPORT_UNRECOGNISED

from .claude import ClaudeInterpreter
from .codex import CodexInterpreter
from .detect import LINES_TRIED, Format, format_of
from .fields import Json
from .journal import Journal
from .lines import LINE_LIMIT_BYTES, Line, LineSplitter, Unreadable, parse_object
from .records import Event, ImportCounts, ImportedSession, SkippedLine

CHUNK_BYTES = 1024 * 1024


class Interpreter(Protocol):
    """Knows one format: writes what a record says into the journal. Must take any JSON object without raising."""

    def read(self, record: Json, data: bytes, journal: Journal) -> None:
        """`data` is the line the record was read from."""


_INTERPRETERS: dict[Format, type[Interpreter]] = {
    Format.CLAUDE: ClaudeInterpreter,
    Format.CODEX: CodexInterpreter,
}


class Reader:
    """Reads one transcript. `format` None: found out from its first lines.

    `feed` and `finish` raise IMPORT_UNRECOGNISED where the bytes are no transcript; the reader is then of no use.
    """

    def __init__(self, format: Format | None = None, *, line_limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self.format = format
        self._lines = LineSplitter(line_limit_bytes)
        self._journal = Journal()
        self._interpreter = _INTERPRETERS[format]() if format else None
        self._waiting: list[tuple[Json, bytes]] = []  # read before the format was known

    @property
    def resume_offset(self) -> int:
        """How many bytes were fed up to the end of the last complete line."""
        return self._lines.line_start

    @property
    def fed_bytes(self) -> int:
        """How many bytes were fed in all, an unfinished last line included."""
        return self._lines.fed_bytes

    @property
    def counts(self) -> ImportCounts:
        """What the transcript holds so far."""
        return self._journal.counts

    @property
    def session(self) -> ImportedSession | None:
        """The session as it is known so far; None before its first record."""
        return self._journal.session

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; the events of the lines they complete."""
        for line in self._lines.feed(data):
            self._read(line)
        return self._journal.drain() if self._interpreter else []

    def finish(self) -> list[Event]:
        """The stream has ended: a last line without its end is read too, or counted as skipped if it is half a one."""
        if line := self._lines.finish():
            self._read(line, cut=True)
        if self._interpreter is None:
            raise IMPORT_UNRECOGNISED()
        return self._journal.drain()

    def _read(self, line: Line, *, cut: bool = False) -> None:
        if line.data is None:
            self._skip(line, "too long")
            return
        if not line.data.strip():
            return
        try:
            record = parse_object(line.data)
        except Unreadable as unreadable:
            self._skip(line, "unfinished" if cut else str(unreadable))
            return
        if self._interpreter:
            self._interpreter.read(record, line.data, self._journal)
            return
        self._waiting.append((record, line.data))
        self.format = format_of(record)
        if self.format:
            self._interpreter = _INTERPRETERS[self.format]()
            for earlier, data in self._waiting:
                self._interpreter.read(earlier, data, self._journal)
            self._waiting.clear()
        elif len(self._waiting) >= LINES_TRIED:
            raise IMPORT_UNRECOGNISED()

    def _skip(self, line: Line, reason: str) -> None:
        self._journal.skip(SkippedLine(line.offset, line.size_bytes, reason))
        if self._interpreter is None and self.counts.skipped_lines >= LINES_TRIED:
            raise IMPORT_UNRECOGNISED()  # a binary file would otherwise be read to its end


def import_bytes(data: bytes, format: Format | None = None) -> tuple[list[Event], ImportCounts]:
    """All events of a transcript held in memory, and what it contains. Raises IMPORT_UNRECOGNISED if it is none."""
    reader = Reader(format)
    events = reader.feed(data)
    events += reader.finish()
    return events, reader.counts
