"""What is typed on one device for a terminal of another, as the payload of a whisper (pure).

Whispers may be lost, so each repeats the end of what was typed before it, and says where in all that was
typed it begins: one that is lost is made up for by the next one, and nothing is typed twice.
"""

import re
from collections import OrderedDict
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from crdt import codec
from crdt.errors import PeerFault
from crdt.output import TERMINAL_BYTES, Columns, Rows

MAX_TYPED_BYTES: Final = 1_024  # new ones in one message
REPEATED_BYTES: Final = 512  # of those before
MAX_STREAMS: Final = 64  # of one person, remembered of one terminal
STREAM_BYTES: Final = 8

Terminal = Annotated[bytes, Meta(min_length=TERMINAL_BYTES, max_length=TERMINAL_BYTES)]


class Typed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="typed"):
    """Bytes typed; `at` is how many were typed in this stream before the first of them."""

    terminal: Terminal
    stream: Annotated[bytes, Meta(min_length=STREAM_BYTES, max_length=STREAM_BYTES)]
    at: Annotated[int, Meta(ge=0, le=2**53)]
    data: Annotated[bytes, Meta(min_length=1, max_length=MAX_TYPED_BYTES + REPEATED_BYTES)]


class Sized(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="size"):
    """Whoever drives sees it in this size."""

    terminal: Terminal
    columns: Columns
    rows: Rows


class Closed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="close"):
    """End the program."""

    terminal: Terminal


Pressed = Typed | Sized | Closed
_decoder: msgspec.msgpack.Decoder[Pressed] = msgspec.msgpack.Decoder(Pressed)


def decode_pressed(payload: bytes) -> Pressed | None:
    """A payload back; None for what is none."""
    try:
        return codec.decode(_decoder, payload, "keys")
    except PeerFault:
        return None


def encode_pressed(pressed: Pressed) -> bytes:
    """A payload."""
    return codec.encode(pressed)


class Typist:
    """What one device types into one terminal of another."""

    def __init__(self, terminal: bytes, stream: bytes) -> None:
        self._terminal, self._stream = terminal, stream
        self._at = 0
        self._before = b""
        self.last = b""  # the newest payload

    def type(self, data: bytes) -> list[bytes]:
        """The payloads that carry these bytes."""
        payloads = []
        for start in range(0, len(data), MAX_TYPED_BYTES):
            piece = self._before + data[start : start + MAX_TYPED_BYTES]
            payloads.append(encode_pressed(Typed(self._terminal, self._stream, self._at - len(self._before), piece)))
            self._at += len(piece) - len(self._before)
            self._before = piece[-REPEATED_BYTES:]
        return payloads


class Keyboard:
    """What was typed into one terminal from other devices, each stream in its order.

    A stream that is forgotten could be typed twice. So each person has room of their own: nobody, with whatever
    number of streams and devices, makes what somebody else typed be forgotten.
    """

    def __init__(self) -> None:
        self._reached: dict[bytes, OrderedDict[bytes, int]] = {}  # person → stream → bytes taken

    def new(self, person: bytes, typed: Typed) -> bytes:
        """The bytes of it that were not typed yet."""
        streams = self._reached.setdefault(person, OrderedDict())
        reached = streams.get(typed.stream, 0)
        end = typed.at + len(typed.data)
        streams[typed.stream] = max(reached, end)
        streams.move_to_end(typed.stream)
        if len(streams) > MAX_STREAMS:
            streams.popitem(last=False)
        return typed.data[max(0, reached - typed.at) :] if end > reached else b""


_KEY = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|\x1b.?|.", re.DOTALL)
_WITHIN_LINE = re.compile(rb"\x1b[\[O][CDHF]|[\x20-\x7e\x80-\xff\x7f\x08]")


def without_enter(data: bytes) -> bytes:
    """What may be typed by who needs another's Enter: characters, and moving and erasing within the line.

    Everything else could start, end or complete something, as Ctrl-O, Ctrl-D and Tab do.
    """
    return b"".join(key for key in _KEY.findall(data) if _WITHIN_LINE.fullmatch(key))
