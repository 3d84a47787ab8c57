"""What a relay carries: an envelope sealed once more, so that nothing of its header shows.

Layout, big-endian: version (1) ‖ epoch tag (8) ‖ lane tag (16) ‖ length of `outside` (4) ‖ `outside` ‖
nonce (24) ‖ sealed [header, signature, body] with padding. The nonce is a keyed hash of what is
sealed, so every member who uploads an envelope makes the same frame. `outside` is what somebody needs
who can open nothing yet: a new epoch's key wrapped to each member, and earlier keys sealed under it;
the envelope's header commits to it.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from crdt import codec, keys
from crdt.envelope import Envelope, check_signature, parse_envelope
from crdt.epochs import EPOCH_TAG_BYTES, LANE_TAG_BYTES, Epoch
from crdt.errors import PeerFault
from crdt.ids import ThreadId

VERSION: Final = 1
MAX_WRAPS: Final = 512
MAX_BACK: Final = 64
MAX_UNMARKED: Final = 16  # keys that are tried on an earlier key that doesn't say under which epoch it stands
MAX_OUTSIDE_BYTES: Final = 64 * 1024
_OUTSIDE_AT = 1 + EPOCH_TAG_BYTES + LANE_TAG_BYTES

Wrap = Annotated[bytes, Meta(min_length=keys.WRAP_BYTES, max_length=keys.WRAP_BYTES)]


class Sealed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An earlier epoch's key, sealed under a later one, whose tag the nonce begins with."""

    nonce: Annotated[bytes, Meta(min_length=keys.NONCE_BYTES, max_length=keys.NONCE_BYTES)]
    ciphertext: Annotated[bytes, Meta(min_length=48, max_length=48)]


class Outside(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Wraps of an epoch's key to members, in no order that tells anything; earlier keys under it."""

    wraps: Annotated[tuple[Wrap, ...], Meta(max_length=MAX_WRAPS)]
    back: Annotated[tuple[Sealed, ...], Meta(max_length=MAX_BACK)]


class _Inner(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    header: bytes
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]
    body: bytes


class Outer(Struct, frozen=True):
    """A frame's visible parts: what a relay sees."""

    epoch_tag: bytes
    lane_tag: bytes
    outside: bytes
    bound: bytes
    nonce: bytes
    ciphertext: bytes


_inner_decoder = msgspec.msgpack.Decoder(_Inner)
_outside_decoder = msgspec.msgpack.Decoder(Outside)


def seal_frame(envelope: Envelope, epoch: Epoch, outside: bytes = b"") -> bytes:
    """The frame of an envelope; the same bytes whoever makes it."""
    head = bytes([VERSION]) + epoch.tag + epoch.lane_tag(envelope.header.lane)
    bound = head + len(outside).to_bytes(4, "big") + outside
    plaintext = pad(codec.encode(_Inner(envelope.header_bytes, envelope.signature, envelope.body)))
    nonce = _nonce(epoch, bound, plaintext)
    return bound + nonce + keys.seal(epoch.frame_key, nonce, plaintext, bound)


def parse_frame(frame: bytes) -> Outer:
    """A frame's visible parts. Raises `PeerFault("bad frame")`."""
    if len(frame) < _OUTSIDE_AT + 4 + keys.NONCE_BYTES + keys.TAG_BYTES or frame[0] != VERSION:
        raise PeerFault("bad frame")
    length = int.from_bytes(frame[_OUTSIDE_AT : _OUTSIDE_AT + 4], "big")
    sealed_at = _OUTSIDE_AT + 4 + length
    if length > MAX_OUTSIDE_BYTES or sealed_at + keys.NONCE_BYTES + keys.TAG_BYTES > len(frame):
        raise PeerFault("bad frame", "outside")
    return Outer(
        epoch_tag=frame[1 : 1 + EPOCH_TAG_BYTES],
        lane_tag=frame[1 + EPOCH_TAG_BYTES : _OUTSIDE_AT],
        outside=frame[_OUTSIDE_AT + 4 : sealed_at],
        bound=frame[:sealed_at],
        nonce=frame[sealed_at : sealed_at + keys.NONCE_BYTES],
        ciphertext=frame[sealed_at + keys.NONCE_BYTES :],
    )


def open_frame(outer: Outer, epoch: Epoch, thread: ThreadId, *, verify: bool = True) -> Envelope:
    """The envelope inside, whole and (unless it is our own stored copy) signed. Raises `PeerFault`."""
    padded = keys.unseal(epoch.frame_key, outer.nonce, outer.ciphertext, outer.bound)
    inner = codec.decode(_inner_decoder, unpad(padded), "frame")
    envelope = parse_envelope(inner.header, inner.signature, inner.body, thread)
    if envelope.header.epoch != epoch.id:
        raise PeerFault("wrong epoch")
    if envelope.header.outside != (keys.digest("outside", outer.outside) if outer.outside else b""):
        raise PeerFault("bad frame", "outside is not what was signed")
    if epoch.lane_tag(envelope.header.lane) != outer.lane_tag:
        raise PeerFault("bad frame", "lane tag")
    if verify:
        if outer.nonce != _nonce(epoch, outer.bound, padded):
            raise PeerFault("bad frame", "nonce")  # an envelope has one frame, or peers would never hold the same ones
        check_signature(envelope)
    return envelope


def make_outside(epoch: Epoch, recipients: list[bytes], earlier: list[Epoch], nonces: list[bytes]) -> bytes:
    """Wrap `epoch`'s key to X25519 keys, and seal earlier epochs' keys under it; one nonce for each."""
    wraps = tuple(sorted(keys.wrap(public, epoch.key) for public in recipients))
    back_key = keys.derive(epoch.key, "epoch-back")
    # The tag tells a reader which key to try, and 16 random bytes are enough for few keys under a fresh one.
    marked = [epoch.tag + nonce[len(epoch.tag) :] for nonce in nonces]
    back = tuple(
        Sealed(nonce, keys.seal(back_key, nonce, old.key, epoch.id)) for old, nonce in zip(earlier, marked, strict=True)
    )
    return codec.encode(Outside(wraps, back))


def unwrap_keys(data: bytes, own: list[keys.AgreementKey]) -> list[bytes]:
    """The epoch keys that a frame's `outside` wraps to us. Raises `PeerFault("bad outside")`.

    Nothing here is to be trusted before the frame that commits to it has opened: see `crdt.opening`.
    """
    unwrapped = [private.unwrap(wrapped) for wrapped in _outside(data).wraps for private in own]
    return [key for key in unwrapped if key is not None and len(key) == keys.KEY_BYTES]


def earlier_keys(
    data: bytes, tagged: Callable[[bytes], Sequence[Epoch]], unmarked: Callable[[], Iterable[Epoch]]
) -> list[bytes]:
    """The keys that a frame's `outside` seals under an epoch that is `tagged` as the nonce says. One whose nonce says
    nothing, from before it did, is tried with the first of `unmarked`. Raises `PeerFault("bad outside")`.
    """
    back = _outside(data).back
    guesses = list(islice(unmarked(), MAX_UNMARKED)) if back else []
    back_keys: dict[bytes, bytes] = {}
    found = []
    for sealed in back:
        for epoch in tagged(sealed.nonce[:EPOCH_TAG_BYTES]) or guesses:
            if epoch.id not in back_keys:
                back_keys[epoch.id] = keys.derive(epoch.key, "epoch-back")
            with contextlib.suppress(PeerFault):
                found.append(keys.unseal(back_keys[epoch.id], sealed.nonce, sealed.ciphertext, epoch.id))
    return found


def _outside(data: bytes) -> Outside:
    return codec.decode(_outside_decoder, data, "outside")


def _nonce(epoch: Epoch, bound: bytes, padded: bytes) -> bytes:
    return keys.derive(epoch.frame_nonce_key, "frame-nonce", bound, padded, size=keys.NONCE_BYTES)


def pad(plaintext: bytes) -> bytes:
    """Length, text, zeros up to a step: small bodies look alike (steps of 128 bytes up to 2 KiB, then 1 KiB)."""
    framed = len(plaintext).to_bytes(4, "big") + plaintext
    step = 128 if len(framed) <= 2048 else 1024
    return framed + bytes(-len(framed) % step)


def unpad(padded: bytes) -> bytes:
    length = int.from_bytes(padded[:4], "big")
    if len(padded) < 4 or length > len(padded) - 4 or pad(padded[4 : 4 + length]) != padded:
        raise PeerFault("bad frame", "padding")
    return padded[4 : 4 + length]
