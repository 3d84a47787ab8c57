"""Typed ids and their spelling.

Inside, an id is the raw bytes that are hashed and signed; at every boundary it is lower-case base32
without padding (RFC 4648), which is short, safe in a shell and a file name, and has no look-alike
upper case. A `ThreadId` is the hash of the thread's genesis; a `DeviceId` and an `IdentityId` *are*
the Ed25519 public keys of the device and of the identity's root, so that holding one is holding
what is needed to check its signatures.
"""

import base64
import binascii
from typing import NewType

from crdt.errors import PeerFault

ThreadId = NewType("ThreadId", bytes)  # 32 bytes, hash of the genesis record
IdentityId = NewType("IdentityId", bytes)  # 32 bytes, the root's Ed25519 public key
DeviceId = NewType("DeviceId", bytes)  # 32 bytes, the device's Ed25519 public key
EnvelopeId = NewType("EnvelopeId", bytes)  # 32 bytes, labelled hash of the header
EpochId = NewType("EpochId", bytes)  # 32 bytes, commitment to (key, thread)
RoomId = NewType("RoomId", bytes)  # 32 bytes, the room's Ed25519 public key
SessionId = NewType("SessionId", bytes)  # 16 random bytes
MessageId = NewType("MessageId", str)  # 26 characters, 16 random or derived bytes


def to_text(raw: bytes) -> str:
    """Spell raw id bytes the way they are printed, typed and put into JSON."""
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def from_text(text: str) -> bytes:
    """Read an id back. Raises `PeerFault("bad id")` for anything `to_text` would not have written."""
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError) as error:
        raise PeerFault("bad id", text[:64]) from error
    if to_text(raw) != text:
        raise PeerFault("bad id", text[:64])
    return raw
