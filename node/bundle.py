"""What two pairing devices hand each other, sealed, once the code is proved (see `crdt/pairing.py`).

The shower gives what it takes to become a device of its identity; the joiner answers with its consent,
and with the threads it brings along.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.identity import SignedEntry

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
MAX_THREADS = 8192


class Bundle(Struct, frozen=True, array_like=True):
    """From the shower. `relays` maps URL to access key; `entries` is the device log so far."""

    identity: Bytes32
    account: Bytes32
    room_seed: Bytes32
    login_seed: Bytes32
    generation: Annotated[int, Meta(ge=0)]
    relays: dict[str, str]
    entries: Annotated[list[SignedEntry], Meta(max_length=4096)]
    device_name: Annotated[str, Meta(max_length=64)]


class Brought(Struct, frozen=True, array_like=True):
    """A thread the joiner owned, offered to the identity it joins. `state` as in the account's index."""

    thread: Bytes32
    room_seed: Bytes32
    offer: Bytes32
    state: str


class Acceptance(Struct, frozen=True, array_like=True):
    """From the joiner: its device's consent to the identity, and its threads."""

    consent: Annotated[bytes, Meta(min_length=64, max_length=64)]
    threads: Annotated[list[Brought], Meta(max_length=MAX_THREADS)]


_bundle = msgspec.msgpack.Decoder(Bundle)
_acceptance = msgspec.msgpack.Decoder(Acceptance)


def decode_bundle(data: bytes) -> Bundle:
    """Raises AUTH_FAILED: the other device speaks of something else."""
    try:
        return _bundle.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable() from error


def decode_acceptance(data: bytes) -> Acceptance:
    """Raises AUTH_FAILED: the other device speaks of something else."""
    try:
        return _acceptance.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable() from error


def _unreadable() -> OpenSeshError:
    return errors.AUTH_FAILED("The two devices speak different versions of pairing.", next="Upgrade the older one.")
