"""Two members' devices find out which frames the other lacks, knowing nothing of what is in them.

A thread's frames are kept apart by the first byte of their hash, in 256 buckets. One digest over all of
them tells in 16 bytes that nothing is missing; if it differs, the buckets' digests tell where; and only
those buckets' hashes are listed. This needs no knowledge of lanes or authors, carries frames that nobody
here can open yet, and shows both branches of a fork, because both are frames.

    either  → the other   overview   (thread, digest) of every thread we may both have
    either  → the other   buckets    256 digests, for a thread whose digests differ
    either  → the other   listing    the hashes in the buckets that differ
    either  → the other   frames     what the other's listing lacks; and from then on everything new, at once
    either  → the other   holds      (thread, digest) after storing: the other knows then what we have
    either  → the other   whisper    presence, see `presence`: nobody stores it, and it may be lost
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from crdt import keys, wire
from crdt.errors import PeerFault

BUCKETS: Final = 256
DIGEST_BYTES: Final = 16
MAX_THREADS: Final = 8192  # in one overview
MAX_LISTED: Final = 65_536  # hashes in one listing; a larger thread takes several
MAX_BATCH_BYTES: Final = 2 * 1024 * 1024

Thread = Annotated[bytes, Meta(min_length=32, max_length=32)]
Digest = Annotated[bytes, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
BucketNumber = Annotated[int, Meta(ge=0, lt=BUCKETS)]
Hashes = Annotated[bytes, Meta(max_length=MAX_LISTED * wire.FRAME_HASH_BYTES)]


class _Message(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A tagged array of bounded fields."""


class Overview(_Message, frozen=True, tag="overview"):
    """Threads that may be in sync, each with the digest of all its frames."""

    threads: Annotated[tuple[tuple[Thread, Digest], ...], Meta(max_length=MAX_THREADS)]


class Buckets(_Message, frozen=True, tag="buckets"):
    """The digests of one thread's 256 buckets, in order."""

    thread: Thread
    digests: Annotated[bytes, Meta(min_length=BUCKETS * DIGEST_BYTES, max_length=BUCKETS * DIGEST_BYTES)]


class Listing(_Message, frozen=True, tag="listing"):
    """Some buckets' hashes, one after the other, complete for each bucket named."""

    thread: Thread
    buckets: Annotated[tuple[BucketNumber, ...], Meta(max_length=BUCKETS)]
    hashes: Hashes


class Frames(_Message, frozen=True, tag="frames"):
    """Frames that the other lacks, or that are new."""

    thread: Thread
    frames: wire.Frames


class Holds(_Message, frozen=True, tag="holds"):
    """What we have of a thread, now that what came is stored."""

    thread: Thread
    digest: Digest


class Whisper(_Message, frozen=True, tag="whisper"):
    """A presence message."""

    thread: Thread
    payload: Annotated[bytes, Meta(max_length=wire.MAX_PRESENCE_BYTES)]


PeerMessage = Overview | Buckets | Listing | Frames | Holds | Whisper
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(PeerMessage)
encode = msgspec.msgpack.Encoder().encode


def decode(data: bytes) -> PeerMessage:
    """Raises `PeerFault("bad message")` for anything but one well-formed, bounded message."""
    try:
        message: PeerMessage = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerFault("bad message", str(error)[:200]) from error
    if isinstance(message, Listing):
        if len(message.hashes) % wire.FRAME_HASH_BYTES:
            raise PeerFault("bad message", "a piece of a hash")
        # Named twice, a bucket would be answered twice: 256 times what it holds for a message of a few bytes.
        if any(before >= after for before, after in pairwise(message.buckets)):
            raise PeerFault("bad message", "buckets out of order")
    return message


class Inventory:
    """The frame hashes of one thread, by bucket, with their digests kept up to date."""

    def __init__(self, hashes: Iterable[bytes] = ()) -> None:
        self._buckets: list[list[bytes]] = [[] for _ in range(BUCKETS)]
        self._digests: list[bytes | None] = [None] * BUCKETS
        self._digest: bytes | None = None
        for each in hashes:
            self._buckets[each[0]].append(each)
        for bucket in self._buckets:
            bucket.sort()

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self._buckets)

    def add(self, frame_hash: bytes) -> bool:
        """Take in one more, and whether it was one; one that is there already changes nothing."""
        bucket = self._buckets[frame_hash[0]]
        at = bisect_left(bucket, frame_hash)
        if at < len(bucket) and bucket[at] == frame_hash:
            return False
        bucket.insert(at, frame_hash)
        self._digests[frame_hash[0]] = self._digest = None
        return True

    @property
    def digest(self) -> bytes:
        """One digest of everything."""
        if self._digest is None:
            self._digest = keys.digest("frames", *self.digests(), size=DIGEST_BYTES)
        return self._digest

    def digests(self) -> list[bytes]:
        """A digest of each bucket: collision-resistant, for a member might try to hide a frame from a sibling."""
        for number, known in enumerate(self._digests):
            if known is None:
                self._digests[number] = keys.digest("frame-bucket", *self._buckets[number], size=DIGEST_BYTES)
        return [digest for digest in self._digests if digest is not None]

    def differing(self, digests: bytes) -> list[int]:
        """The buckets in which the other, with these digests, has something else."""
        theirs = [digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)]
        return [
            number for number, (mine, other) in enumerate(zip(self.digests(), theirs, strict=True)) if mine != other
        ]

    def listings(self, thread: bytes, numbers: Iterable[int]) -> list[Listing]:
        """These buckets' hashes, in as many messages as it takes."""
        listings: list[Listing] = []
        named: list[int] = []
        hashes: list[bytes] = []
        for number in numbers:
            bucket = self._buckets[number]
            if named and len(hashes) + len(bucket) > MAX_LISTED:
                listings.append(Listing(thread, tuple(named), b"".join(hashes)))
                named, hashes = [], []
            named.append(number)
            hashes += bucket[:MAX_LISTED]
        if named:
            listings.append(Listing(thread, tuple(named), b"".join(hashes)))
        return listings

    def lacking(self, listing: Listing) -> list[bytes]:
        """What is here of the buckets listed, and not in the listing."""
        size = wire.FRAME_HASH_BYTES
        theirs = {listing.hashes[at : at + size] for at in range(0, len(listing.hashes), size)}
        return [each for number in listing.buckets for each in self._buckets[number] if each not in theirs]


def batches(frames: Iterable[bytes]) -> list[tuple[bytes, ...]]:
    """Frames in messages of a bounded size."""
    found: list[list[bytes]] = []
    size = 0
    for frame in frames:
        if not found or size + len(frame) > MAX_BATCH_BYTES or len(found[-1]) >= wire.MAX_BATCH_FRAMES:
            found.append([])
            size = 0
        found[-1].append(frame)
        size += len(frame)
    return [tuple(batch) for batch in found]
