"""Deterministic MessagePack for everything that is hashed or signed.

Signatures cover stored bytes, so nothing ever depends on encoding a value again. Still, one value
has one spelling: a decoder refuses bytes that it would not have written itself, which closes the
door on unknown trailing fields, alternative integer widths and the like.
"""

from typing import Any, TypeVar

import msgspec

from crdt.errors import PeerFault

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()


def encode(value: Any) -> bytes:
    """The one spelling of a struct, tuple or scalar."""
    return _encoder.encode(value)


def decode(decoder: "msgspec.msgpack.Decoder[T]", data: bytes, what: str) -> T:
    """The value, typed and bounded by `decoder`. Raises `PeerFault("bad <what>")` otherwise."""
    try:
        value = decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PeerFault(f"bad {what}", str(error)[:200]) from error
    if _encoder.encode(value) != data:
        raise PeerFault(f"bad {what}", "not in its one spelling")
    return value
