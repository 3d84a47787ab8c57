"""Bytes to lines to JSON objects, whatever the bytes are.

A transcript may be cut anywhere, hold a line of any size, broken UTF-8, half a JSON object from a
crash, or JSON nested to kill a parser. Each costs its own line and no other; memory is bounded by
`LINE_LIMIT_BYTES` plus what was fed.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

LINE_LIMIT_BYTES = 32 * 1024 * 1024
"""Longer lines are skipped and counted. A pasted screenshot is 1 to 7 MB of base64; this leaves room."""

DEPTH_LIMIT = 64
"""JSON up to this deep is always read, deeper than three times that never. Python's own guard counts frames of a
stack whose size differs from thread to thread, and what reads the value afterwards recurses too."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. `offset` and `size_bytes` (with the end) are places in the file.

    `data` is None if the line was longer than the limit.
    """

    data: bytes | None
    offset: int
    size_bytes: int


class Unreadable(ValueError):
    """This line holds no JSON object that can be used; the message is the short stable reason."""


class LineSplitter:
    """Cuts a stream into lines; a last line without its end is kept until the rest comes."""

    def __init__(self, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._held_size = 0
        self.line_start = 0
        """Offset behind the last complete line: where a new splitter must be fed from to go on."""

    @property
    def fed_bytes(self) -> int:
        """How many bytes were fed in all."""
        return self.line_start + self._held_size

    def feed(self, data: bytes) -> list[Line]:
        """The lines that these bytes complete."""
        lines = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._hold(data[start : end + 1])
            lines.append(self._take())
            start = end + 1
        self._hold(data[start:])
        return lines

    def finish(self) -> Line | None:
        """The last line, if the stream ended without ending it."""
        return self._take() if self._held_size else None

    def _hold(self, piece: bytes) -> None:
        self._held_size += len(piece)
        if self._held_size > self._limit_bytes:
            self._held.clear()  # already lost; from here only its length is counted
        else:
            self._held += piece

    def _take(self) -> Line:
        size = self._held_size
        data = None if size > self._limit_bytes else bytes(self._held).rstrip(b"\r\n")
        line = Line(data, self.line_start, size)
        self._held.clear()
        self.line_start += size
        self._held_size = 0
        return line


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object on a line. Broken UTF-8 and lone surrogates become U+FFFD.

    Raises Unreadable with "nested too deeply", "broken JSON" or "not an object".
    """
    if _too_deep(data):
        raise Unreadable("nested too deeply")
    try:
        value = json.loads(data.decode("utf-8", "replace"), parse_constant=str)
    except (ValueError, RecursionError):
        raise Unreadable("broken JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("not an object")
    if not _SURROGATE_ESCAPE.search(data):
        return value
    return {_without_lone_surrogates(key): _without_lone_surrogates(item) for key, item in value.items()}


def _too_deep(data: bytes) -> bool:
    if data.count(b"[") + data.count(b"{") <= DEPTH_LIMIT:
        return False  # nearly every line: depth is at most the number of openings
    brackets = _STRING.sub(b"", data).translate(None, _NOT_BRACKETS)
    # Each round takes the innermost level off at least, in C speed. An unbalanced rest that no round shortens is
    # broken JSON, and stays shallow for the parser only if few openings are left.
    for _ in range(DEPTH_LIMIT):
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return brackets.count(b"[") + brackets.count(b"{") > DEPTH_LIMIT


def _without_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_lone_surrogates(key): _without_lone_surrogates(item) for key, item in value.items()}
    return value
