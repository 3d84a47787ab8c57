"""The pipe between node and model worker: length-prefixed msgpack frames, and the messages in them (pure).

A frame is four bytes of big-endian length and that many bytes of one tagged message. Both ends bound
what they accept, so that a worker gone wrong can't make the node swallow more than a frame. A key
travels in `Complete` alone; its `repr` hides it, because tracebacks and logs print reprs.
"""

import struct
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from node.agent.ports import ChatMessage
from node.agent.steps import Kind

TO_WORKER_BYTES = 16 * 1024 * 1024  # one whole context
TO_NODE_BYTES = 1024 * 1024  # one delta or one error
PREFIX = struct.Struct(">I")


class Secret(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A provider's key and header values, kept out of every repr."""

    key: str = ""
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return "Secret(…)"

    def values(self) -> list[str]:
        """Every string in here that must not be shown."""
        return [value for value in (self.key, *self.headers.values()) if value]


class Limits(msgspec.Struct, frozen=True):
    """Time-outs of one completion, in seconds: to the first chunk, between chunks, altogether."""

    first_s: float = 300.0  # a local model may have to be loaded from disk first
    stall_s: float = 120.0
    total_s: float = 3600.0


class Complete(msgspec.Struct, frozen=True, tag="complete"):
    """Stream one completion; `id` names it in everything that follows."""

    id: int
    model: str
    base_url: str
    secret: Secret
    messages: tuple[ChatMessage, ...]
    limits: Limits
    max_tokens: int | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Close that stream; no answer is expected."""

    id: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker has imported everything and takes work."""

    import_ms: int


class Chunk(msgspec.Struct, frozen=True, tag="chunk"):
    """Some text or reasoning."""

    id: int
    kind: Kind
    text: str


class Call(msgspec.Struct, frozen=True, tag="call"):
    """A tool call, whole."""

    id: int
    call_id: str
    name: str
    input: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The stream ended well."""

    id: int
    reason: str
    input_tokens: int | None = None
    output_tokens: int | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The stream ended badly. `kind`: status, network, timeout, broken or lost (the worker); `message` is redacted."""

    id: int
    kind: str
    message: str
    status: int | None = None


ToWorker = Complete | Cancel
Reply = Chunk | Call | Done | Failed
ToNode = Ready | Reply
_encoder = msgspec.msgpack.Encoder()


class Misframed(Exception):
    """The other end sent what is no frame; the pipe is of no more use."""


def encode(message: ToWorker | ToNode, limit_bytes: int) -> bytes:
    """One frame. Raises Misframed if it exceeds the limit."""
    body = _encoder.encode(message)
    if len(body) > limit_bytes:
        raise Misframed(f"a frame of {len(body)} bytes exceeds {limit_bytes}")
    return PREFIX.pack(len(body)) + body


M = TypeVar("M")


class FrameReader(Generic[M]):
    """Bytes in, messages out. Holds at most one unfinished frame."""

    def __init__(self, decoder: "msgspec.msgpack.Decoder[M]", limit_bytes: int) -> None:
        self._decoder = decoder
        self._limit = limit_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
        """Every message completed by `data`. Raises Misframed for an oversized or undecodable frame."""
        self._buffer += data
        while len(self._buffer) >= PREFIX.size:
            (size,) = PREFIX.unpack_from(self._buffer)
            if size > self._limit:
                raise Misframed(f"a frame of {size} bytes exceeds {self._limit}")
            end = PREFIX.size + size
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[PREFIX.size : end])
            del self._buffer[:end]
            try:
                message = self._decoder.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # a wrong shape is the first
                raise Misframed(f"a frame can't be read: {type(error).__name__}") from None
            yield message


def node_reader() -> FrameReader[ToNode]:
    """Reads what a worker sends."""
    return FrameReader(msgspec.msgpack.Decoder(ToNode), TO_NODE_BYTES)


def worker_reader() -> FrameReader[ToWorker]:
    """Reads what the node sends."""
    return FrameReader(msgspec.msgpack.Decoder(ToWorker), TO_WORKER_BYTES)
