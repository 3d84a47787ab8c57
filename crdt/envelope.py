"""The unit of change: a header, a signature over it, and a sealed body.

Envelopes of one device, lane and session form a chain: numbered from 0, each naming the one before.
The header says who wrote where, and under which state of the membership (`heads`); the body is
readable with the epoch's key alone. The id is a hash of the header, which commits to the body.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from crdt import codec, keys
from crdt.errors import PeerFault
from crdt.ids import EnvelopeId, ThreadId
from crdt.permissions import Lane, LaneKind, lane_of

VERSION: Final = 1
MAX_HEADS: Final = 8
MAX_SEEN: Final = 64
MAX_BODY_BYTES: Final = 384 * 1024

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class Header(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Everything about a change but its content. Field order is the wire's."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    thread: Bytes32
    kind: Annotated[int, Meta(ge=0, le=6)]
    scope: Annotated[bytes, Meta(max_length=16)]
    device: Bytes32
    session: Annotated[bytes, Meta(min_length=16, max_length=16)]
    sequence: Count
    previous: Annotated[bytes, Meta(max_length=32)]
    heads: Annotated[tuple[Bytes32, ...], Meta(max_length=MAX_HEADS)]
    epoch: Bytes32
    seen: Annotated[tuple[Bytes32, ...], Meta(max_length=MAX_SEEN)]
    outside: Annotated[bytes, Meta(max_length=32)]
    body_hash: Annotated[bytes, Meta(max_length=32)]

    @property
    def lane(self) -> Lane:
        return lane_of(self.kind, self.device, self.scope)

    @property
    def chain(self) -> "ChainKey":
        return (self.kind, self.scope, self.device, self.session)


ChainKey = tuple[int, bytes, bytes, bytes]  # kind, scope, device, session


@dataclass(frozen=True, slots=True)
class Envelope:
    """One signed change as it is stored and sent: three byte strings, and what they parse to."""

    id: EnvelopeId
    header: Header
    header_bytes: bytes
    signature: bytes
    body: bytes  # nonce ‖ ciphertext


_header_decoder = msgspec.msgpack.Decoder(Header)


def seal_envelope(header: Header, body_key: bytes, plaintext: bytes, nonce: bytes, signer: keys.SigningKey) -> Envelope:
    """Seal and sign. `header.body_hash` must be empty: it is filled in here."""
    bound = codec.encode(header)
    body = nonce + keys.seal(body_key, nonce, plaintext, bound)
    complete = msgspec.structs.replace(header, body_hash=keys.digest("body", body))
    header_bytes = codec.encode(complete)
    signature = signer.sign("envelope", header_bytes)
    return Envelope(envelope_id(header_bytes), complete, header_bytes, signature, body)


def parse_envelope(header_bytes: bytes, signature: bytes, body: bytes, thread: ThreadId) -> Envelope:
    """Check form and integrity, not yet the signature. Raises `PeerFault` by name."""
    header = codec.decode(_header_decoder, header_bytes, "header")
    if header.thread != thread:
        raise PeerFault("wrong thread")
    if bool(header.sequence) != bool(header.previous):
        raise PeerFault("bad header", "only the first of a chain has nothing before it")
    if header.scope and header.kind != LaneKind.OUTPUT:
        raise PeerFault("bad header", "only terminals have several lanes of a kind")
    if len(body) > MAX_BODY_BYTES:
        raise PeerFault("too large", "body")
    if keys.digest("body", body) != header.body_hash:
        raise PeerFault("bad body")
    return Envelope(envelope_id(header_bytes), header, header_bytes, signature, body)


def check_signature(envelope: Envelope) -> None:
    """Raises `PeerFault("bad signature")`. Such a copy counts as never received."""
    if not keys.verify(envelope.header.device, "envelope", envelope.header_bytes, envelope.signature):
        raise PeerFault("bad signature", "envelope")


def open_body(envelope: Envelope, body_key: bytes) -> bytes:
    """The plaintext under the epoch's body key. Raises `PeerFault("bad seal")`."""
    bound = codec.encode(msgspec.structs.replace(envelope.header, body_hash=b""))
    nonce, ciphertext = envelope.body[: keys.NONCE_BYTES], envelope.body[keys.NONCE_BYTES :]
    return keys.unseal(body_key, nonce, ciphertext, bound)


def envelope_id(header_bytes: bytes) -> EnvelopeId:
    """The id of the envelope with that header."""
    return EnvelopeId(keys.digest("envelope-id", header_bytes))
