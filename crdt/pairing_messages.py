"""What two pairing devices say to each other, with its bounds, and what each tells its driver.

Frames are what travels; a `Part` carries a piece of a sealed message once the code is verified. Events
are what a machine of `pairing.py` returns: frames to carry, a question to ask, or the end.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from crdt import keys
from crdt.errors import OpenSeshError

PAIRING_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 16 * 1024  # what a relay's rendezvous passes on at once
MAX_PAYLOAD_BYTES: Final = 1024 * 1024  # each of transfer, bundle and acceptance; sent in several frames
MAX_NAME_CHARACTERS: Final = 64
PART_BYTES: Final = 15 * 1024
MAX_MESSAGE_BYTES: Final = MAX_PAYLOAD_BYTES + 2048

Share = Annotated[bytes, Meta(min_length=33, max_length=33)]
Tag = Annotated[bytes, Meta(min_length=32, max_length=32)]
Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Payload = Annotated[bytes, Meta(max_length=MAX_PAYLOAD_BYTES)]


# ---- what travels


class _Struct(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A tagged array of bounded fields."""


class Hello(_Struct, frozen=True, tag="hello"):
    version: Annotated[int, Meta(ge=0, le=2**16)]
    share: Share


class Answer(_Struct, frozen=True, tag="answer"):
    share: Share


class Proof(_Struct, frozen=True, tag="proof"):
    mac: Tag


class Verified(_Struct, frozen=True, tag="verified"):
    mac: Tag


class Part(_Struct, frozen=True, tag="part"):
    """A piece of a sealed message; `last` ends it. Both are authenticated, and so is the piece's number."""

    last: bool
    box: Annotated[bytes, Meta(min_length=keys.TAG_BYTES, max_length=PART_BYTES + keys.TAG_BYTES)]


class Abort(_Struct, frozen=True, tag="abort"):
    """The end, in one of the words of `pairing_exchange.py`. Before the code is verified it is not authenticated."""

    reason: Annotated[str, Meta(max_length=32)]


class Device(_Struct, frozen=True, tag="device"):
    device: Key
    agreement: Key
    name: Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS)]
    platform: Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS)]
    owns_threads: bool
    payload: Payload
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Bundle(_Struct, frozen=True, tag="bundle"):
    wrapped: Annotated[bytes, Meta(min_length=keys.WRAP_BYTES, max_length=keys.WRAP_BYTES)]
    box: Annotated[bytes, Meta(max_length=MAX_PAYLOAD_BYTES + keys.TAG_BYTES)]


class Accepted(_Struct, frozen=True, tag="accepted"):
    payload: Payload


class Done(_Struct, frozen=True, tag="done"):
    pass


frames: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Hello | Answer | Proof | Verified | Part | Abort)
messages: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Device | Bundle | Accepted | Done | Abort)
encode = msgspec.msgpack.Encoder().encode


# ---- what the driver is told


@dataclass(frozen=True, slots=True)
class Send:
    """Carry this frame, at most `MAX_FRAME_BYTES`, to the other side."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class CodeVerified:
    """The other side knows the code."""


@dataclass(frozen=True, slots=True)
class NewDevice:
    """Who joins. Name and platform are the joiner's words, made fit to print; `payload` is opaque here."""

    device: bytes
    agreement: bytes
    name: str
    platform: str
    owns_threads: bool
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConfirmNeeded:
    """Ask the shower's person about this device, then call `confirm` or `decline`."""

    device: NewDevice


@dataclass(frozen=True, slots=True)
class Received:
    """The joiner has the bundle: take it in, then call `accept`. `repr` has none of it, for there are keys in it."""

    bundle: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Joined:
    """The joiner acknowledged. Store what it hands over, then call `finish`."""

    device: NewDevice
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """Both sides hold everything."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Over. `error` is what the person is shown; further frames are ignored."""

    error: OpenSeshError


Event = Send | CodeVerified | ConfirmNeeded | Received | Joined | Finished | Failed
