"""What travels between a node and a relay: every message, its bounds, and the codec.

One WebSocket binary message is one MessagePack array whose first element is the message's tag.
The relay imports this file and nothing else of the core that knows what a thread is. All bounds are
constants of the protocol; a decoder refuses what exceeds them before anything is done with it.
"""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from crdt import keys
from crdt.errors import PeerFault

PROTOCOL_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 512 * 1024
MAX_BATCH_FRAMES: Final = 1024
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
MAX_PRESENCE_BYTES: Final = 4 * 1024
MAX_MAIL_BYTES: Final = 16 * 1024
MAX_LETTER_BYTES: Final = 32 * 1024
MAX_RENDEZVOUS_BYTES: Final = 16 * 1024
FRAME_HASH_BYTES: Final = 16
CHECK_BYTES: Final = 16
# Whoever holds the room's own key certifies itself, beyond any generation that ends members' certificates: a
# device that was away when one was raised could otherwise never come to the record that says so. It also shows
# the relay who speaks for the room itself: no member's certificate has this generation.
OWN_GENERATION: Final = 2**53

Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Nonce = Annotated[bytes, Meta(min_length=32, max_length=32)]
Check = Annotated[bytes, Meta(max_length=CHECK_BYTES)]
FrameBytes = Annotated[bytes, Meta(min_length=32, max_length=MAX_FRAME_BYTES)]
Frames = Annotated[tuple[FrameBytes, ...], Meta(max_length=MAX_BATCH_FRAMES)]
Count = Annotated[int, Meta(ge=0, le=OWN_GENERATION)]
Name = Annotated[str, Meta(max_length=256)]
LetterBytes = Annotated[bytes, Meta(max_length=MAX_LETTER_BYTES)]

T = TypeVar("T")


def frame_hash(frame: bytes) -> bytes:
    """The 16 bytes under which a relay and a node keep a frame once."""
    return keys.digest("frame", frame, size=FRAME_HASH_BYTES)


class _Message(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A tagged array. Requests carry a number of the sender's choice that the answer repeats."""


# ---- relay to node, unasked


class Challenge(_Message, frozen=True, tag="challenge"):
    """First message of every connection. `store` names the relay's database: a new one means start over."""

    version: Count
    nonce: Nonce
    store: Annotated[bytes, Meta(min_length=16, max_length=16)]


# ---- node to relay


class Login(_Message, frozen=True, tag="login"):
    """Prove a login key: a signature labelled "relay-login" over nonce ‖ audience (UTF-8).

    The audience is the `host:port` that the node dialled; the relay compares it with the request's
    Host header (or `--public-host`), so that a relay in the middle can't use the proof elsewhere.
    """

    version: Count
    login: Key
    audience: Name
    signature: Signature


class Certificate(_Message, frozen=True, tag="certificate"):
    """The room key says: this login may append to, or only read, the room, as of a generation.

    Signed with the room's key under the label "room-grant" over `certificate_bytes`.
    """

    room: Key
    login: Key
    append: bool
    generation: Count
    signature: Signature


class OpenRoom(_Message, frozen=True, tag="open"):
    """Create the room if it is new. `signature` is the room key's, label "room-open", over login ‖ relay nonce.

    A relay with an access key asks for it here alone, and only for a room it does not have.
    """

    request: Count
    room: Key
    signature: Signature
    access_key: Name


class Attach(_Message, frozen=True, tag="attach"):
    """Subscribe from `cursor` on (0: from the start). `check` is what the relay told of that cursor.

    If the relay tells something else of it now (it was restored from an old backup) it answers `reset`.
    """

    request: Count
    certificate: Certificate
    cursor: Count
    check: Check


class Detach(_Message, frozen=True, tag="detach"):
    """End the subscription, and the waiting for letters (`Claim`), of one room on this connection."""

    request: Count
    room: Key


class Publish(_Message, frozen=True, tag="publish"):
    """Append frames. Answered by `Stored` only when they are on the disk. Known ones are skipped."""

    request: Count
    room: Key
    frames: Frames


class Whisper(_Message, frozen=True, tag="whisper"):
    """Presence: passed to the room's other subscribers, never stored, dropped under load."""

    room: Key
    payload: Annotated[bytes, Meta(max_length=MAX_PRESENCE_BYTES)]


class RaiseGeneration(_Message, frozen=True, tag="raise"):
    """Certificates below `generation` end. Room key's signature, label "room-generation", over 8 bytes BE."""

    request: Count
    room: Key
    generation: Count
    signature: Signature


class Drop(_Message, frozen=True, tag="drop"):
    """Leave something sealed in the room's mailbox (a redemption). Needs no certificate; rate-limited."""

    request: Count
    room: Key
    payload: Annotated[bytes, Meta(max_length=MAX_MAIL_BYTES)]


class TakeMail(_Message, frozen=True, tag="take"):
    """Read the mailbox and delete up to and including `upto` (0: nothing).

    Needs a subscription with `OWN_GENERATION`: a member must not delete what others asked of the room.
    """

    request: Count
    room: Key
    upto: Count


class Deposit(_Message, frozen=True, tag="deposit"):
    """Leave for one login, in place of what was left before, a certificate and a sealed letter; durable at `Done`.

    Needs a subscription with `OWN_GENERATION`. No certificate and an empty letter take away what was left.
    """

    request: Count
    room: Key
    login: Key
    certificate: Certificate | None
    letter: LetterBytes


class Claim(_Message, frozen=True, tag="claim"):
    """Ask for what was left for one's own login, and be told (`Called`) when that changes. Needs no certificate."""

    request: Count
    room: Key


class Meet(_Message, frozen=True, tag="meet"):
    """Pairing: join the rendezvous of that nameplate, or ask for a free one with "". In memory, two seats."""

    request: Count
    nameplate: Annotated[str, Meta(max_length=16)]


class Tell(_Message, frozen=True, tag="tell"):
    """Pass bytes to the other seat of the rendezvous this connection sits in. Kept until the other comes."""

    payload: Annotated[bytes, Meta(max_length=MAX_RENDEZVOUS_BYTES)]


# ---- relay to node, in answer


class Welcome(_Message, frozen=True, tag="welcome"):
    """The login was accepted. Limits the node must keep to, in bytes and messages per second."""

    max_frame_bytes: Count
    frames_per_second: Count


class Done(_Message, frozen=True, tag="done"):
    """The request was carried out and is durable where it needs to be."""

    request: Count


class Attached(_Message, frozen=True, tag="attached"):
    """`last` is the room's newest cursor. With `reset`, forget the cursor: frames follow from 0."""

    request: Count
    last: Count
    reset: bool


class Stored(_Message, frozen=True, tag="stored"):
    """Every frame of the request is fsynced; `last` is the room's newest cursor then."""

    request: Count
    last: Count


class Deliver(_Message, frozen=True, tag="deliver"):
    """Frames of a room in cursor order: what follows `after`, up to and including `upto`.

    Backlog and live frames come in the same form; what is due in one tick comes in one message. The frames that
    this very connection published are left out. `check` stands for all of the log up to `upto`: a relay draws it
    anew whenever it stores something, so that after a restore no cursor has the check that it had before. (The
    hash of the frame there would do that only for most of them: what is uploaded again in another order can come
    to lie at its old cursor, with something new below it that a device there would never be told.)
    """

    room: Key
    after: Count
    upto: Count
    check: Check
    frames: Frames


class Heard(_Message, frozen=True, tag="heard"):
    room: Key
    payload: bytes


class Mail(_Message, frozen=True, tag="mail"):
    request: Count
    last: Count
    items: tuple[bytes, ...]


class Claimed(_Message, frozen=True, tag="claimed"):
    """What was left for this login: nothing, a letter alone, or both. No certificate that has ended is given out."""

    request: Count
    certificate: Certificate | None
    letter: LetterBytes


class Called(_Message, frozen=True, tag="called"):
    """What was left for this login in a room that it waits for has changed: claim it."""

    room: Key


class Rung(_Message, frozen=True, tag="rung"):
    """Mail came into a room that this connection is subscribed to with `OWN_GENERATION`: take it."""

    room: Key


class Met(_Message, frozen=True, tag="met"):
    """Seated. `peer` says whether the other seat is taken already."""

    request: Count
    nameplate: str
    peer: bool


class Told(_Message, frozen=True, tag="told"):
    payload: bytes


class Parted(_Message, frozen=True, tag="parted"):
    """The other seat was left, or the rendezvous timed out; its nameplate is gone."""

    reason: Name


class Refused(_Message, frozen=True, tag="refused"):
    """A request, or with request 0 the connection, was refused. `code` is one of `docs/protocol.md`.

    Codes: bad-message, bad-login, bad-certificate, no-room, access-key, no-right, too-large, rate,
    quota, full, no-nameplate, busy, stopping, internal.
    """

    request: Count
    code: Name
    explanation: Name
    retry_after_ms: Count


_OfRooms = Login | OpenRoom | Attach | Detach | Publish | Whisper | RaiseGeneration
ToRelay = _OfRooms | Drop | TakeMail | Deposit | Claim | Meet | Tell
_Answer = Welcome | Done | Attached | Stored | Mail | Claimed | Met | Refused
FromRelay = Challenge | _Answer | Deliver | Heard | Called | Rung | Told | Parted

_encoder = msgspec.msgpack.Encoder()
_to_relay: msgspec.msgpack.Decoder[ToRelay] = msgspec.msgpack.Decoder(ToRelay)
_from_relay: msgspec.msgpack.Decoder[FromRelay] = msgspec.msgpack.Decoder(FromRelay)


def encode(message: ToRelay | FromRelay) -> bytes:
    return _encoder.encode(message)


def decode_to_relay(data: bytes) -> ToRelay:
    """Raises `PeerFault("bad message")` for anything but one well-formed, bounded request."""
    return _decode(_to_relay, data)


def decode_from_relay(data: bytes) -> FromRelay:
    """Raises `PeerFault("bad message")` for anything but one well-formed, bounded answer."""
    return _decode(_from_relay, data)


def _decode(decoder: "msgspec.msgpack.Decoder[T]", data: bytes) -> T:
    if len(data) > MAX_MESSAGE_BYTES:
        raise PeerFault("bad message", "too large")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # msgspec lets bad UTF-8 through as such
        raise PeerFault("bad message", str(error)[:200]) from error


def login_bytes(nonce: bytes, audience: str) -> bytes:
    """What a `Login` signs, under the label "relay-login"."""
    return nonce + audience.encode()


def certificate_bytes(room: bytes, login: bytes, append: bool, generation: int) -> bytes:
    """What a `Certificate` signs, under the label "room-grant"."""
    return room + login + bytes([append]) + generation.to_bytes(8, "big")


def certify(room_key: keys.SigningKey, login: bytes, append: bool, generation: int) -> Certificate:
    """Let a login into a room: `room_key` is the room's own key pair."""
    signed = certificate_bytes(room_key.public, login, append, generation)
    return Certificate(room_key.public, login, append, generation, room_key.sign("room-grant", signed))


def is_genuine(certificate: Certificate) -> bool:
    """Whether the room's key signed it. Whose it is, and whether it has ended, is for the caller to compare."""
    signed = certificate_bytes(certificate.room, certificate.login, certificate.append, certificate.generation)
    return keys.verify(certificate.room, "room-grant", signed, certificate.signature)
