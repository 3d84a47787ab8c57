"""Heartbeats: what a member's device has, said now and then, so that a relay can't withhold or roll back unnoticed.

A heartbeat is the payload of a presence message, signed and sealed as these are. It names the open ends of what its
device wrote, the tips of the governance that it knows, and, as proof, headers of the owner's newest records with
their signatures. A warning comes only of what is proven: a record that the owner's device signed, or what the author
says of themselves; and only once it has been impossible to get for `PATIENCE_MS`.

What the greatest governance was that each device spoke of is kept over restarts (`Marks`): who later speaks of less
was rolled back.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from crdt import codec, keys
from crdt.envelope import MAX_HEADS, Bytes32, Envelope, Header, envelope_id
from crdt.errors import PeerFault
from crdt.governance import Graph, Node
from crdt.ids import DeviceId, ThreadId
from crdt.membership import Membership
from crdt.permissions import LaneKind
from crdt.presence import MAX_PAYLOAD_BYTES
from crdt.replica import Replica

VERSION: Final = 1
MAX_OWN: Final = 16  # open ends that one heartbeat names
MAX_PROOFS: Final = 2
MAX_CLAIMS: Final = 32  # that one device's heartbeats bring and that are waited for; the oldest stay
MAX_MARKED: Final = 512  # devices whose mark is kept
PATIENCE_MS: Final = 60_000
_SPOKEN: Final = (LaneKind.IDENTITY, LaneKind.TIMELINE, LaneKind.DECISIONS, LaneKind.COMMENTS, LaneKind.SHARED)

Why = Literal["control withheld", "work withheld", "rolled back"]


class Proof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A record's header in bytes, and the signature over it."""

    header: bytes
    signature: Annotated[bytes, Meta(min_length=keys.SIGNATURE_BYTES, max_length=keys.SIGNATURE_BYTES)]


class Heartbeat(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`own`: open ends of its device; `heads`: tips of the governance it knows, of which `proofs` prove some."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    own: Annotated[tuple[Bytes32, ...], Meta(max_length=MAX_OWN)]
    heads: Annotated[tuple[Bytes32, ...], Meta(max_length=MAX_HEADS)]
    proofs: Annotated[tuple[Proof, ...], Meta(max_length=MAX_PROOFS)]


class Marks(Struct, array_like=True):
    """What is kept over restarts. `heads`: by device (oldest first) the greatest governance it spoke of. `as_of`:
    when (Unix ms) an owner's device last spoke of nothing that isn't here."""

    heads: dict[bytes, tuple[bytes, ...]] = {}
    as_of: int = 0


class Warning(Struct, frozen=True):
    """What is wrong: since when (Unix ms), and by whose word; `device` is None where the owner's signature says it."""

    why: Why
    device: DeviceId | None
    since: int


_decoder = msgspec.msgpack.Decoder(Heartbeat)
_header_decoder = msgspec.msgpack.Decoder(Header)


def beat(replica: Replica, device: DeviceId, envelope_of: Callable[[Node], Envelope | None]) -> bytes:
    """The payload that says what is here. `envelope_of` finds a record again; it is proved only if it is found."""
    own = tuple(dict.fromkeys(tip for cut in replica.cuts([device], _SPOKEN) for tip in cut.tips))[-MAX_OWN:]
    heads = tuple(node.id for node in replica.graph.tips()[:MAX_HEADS])
    made = Heartbeat(VERSION, own, heads, ())
    for node in newest_control(replica)[:MAX_PROOFS]:
        envelope = envelope_of(node)
        if envelope is not None:
            proofs = (*made.proofs, Proof(envelope.header_bytes, envelope.signature))
            more = msgspec.structs.replace(made, proofs=proofs)
            made = more if len(codec.encode(more)) <= MAX_PAYLOAD_BYTES else made
    return codec.encode(made)


def newest_control(replica: Replica) -> list[Node]:
    """The records of the control lane by devices of the present owner that none of these comes after."""
    membership, found, past = replica.membership, [], 0
    for node in reversed(replica.graph.nodes):  # in the order of joining, so that each comes after its past
        if node.kind is LaneKind.CONTROL and membership.identity_of.get(node.device) == membership.owner:
            if not past & node.bit:
                found.append(node)
            past |= node.closure
    return sorted(found, key=lambda node: (-node.depth, node.id))


def decode_heartbeat(payload: bytes) -> Heartbeat:
    """Raises `PeerFault("bad heartbeat")`."""
    return codec.decode(_decoder, payload, "heartbeat")


def proven(proof: Proof, thread: ThreadId, membership: Membership) -> bytes | None:
    """The id of the record that a proof proves there to be; None if it proves nothing."""
    try:
        header = codec.decode(_header_decoder, proof.header, "header")
    except PeerFault:
        return None
    device = DeviceId(header.device)
    if header.thread != thread or header.kind != LaneKind.CONTROL or membership.is_revoked(device):
        return None
    if membership.owner is None or membership.identity_of.get(device) != membership.owner:
        return None
    if not keys.verify(device, "envelope", proof.header, proof.signature):
        return None
    return envelope_id(proof.header)


class Watch:
    """What one thread's heartbeats say that it lacks here. Its memory is bounded by the number of members' devices."""

    def __init__(self, thread: ThreadId, marks: Marks) -> None:
        self.marks = marks
        self._thread = thread
        self._kept_as_of = marks.as_of
        self._control: dict[bytes, int] = {}  # id of a proven record → since when it is missing
        self._claims: dict[DeviceId, dict[bytes, int]] = {}  # the same of what devices say of themselves
        self._rolled: dict[DeviceId, int] = {}

    def hear(self, device: DeviceId, payload: bytes, replica: Replica, now_ms: int) -> bool:
        """Take in a heartbeat that was believed. Whether the marks are to be kept anew. Raises `PeerFault`."""
        said = decode_heartbeat(payload)
        ids = [identifier for proof in said.proofs if (identifier := self._proven(proof, replica)) is not None]
        _wait_for(self._control, ids, replica, now_ms)
        _wait_for(self._claims.setdefault(device, {}), said.own, replica, now_ms)
        known = replica.graph.closure(said.heads)
        moved = known is not None and self._compare(device, said.heads, known, replica.graph, now_ms)
        complete = known is not None and not self._control
        if complete and replica.membership.identity_of.get(device) == replica.membership.owner:
            self.marks.as_of = max(self.marks.as_of, now_ms)
        if not moved and self.marks.as_of - self._kept_as_of < PATIENCE_MS:
            return False
        self._kept_as_of = self.marks.as_of
        return True

    def _proven(self, proof: Proof, replica: Replica) -> bytes | None:
        """A signature costs more than a look: only what is not here is worth checking."""
        identifier = envelope_id(proof.header)
        if replica.has(identifier) or identifier in self._control:
            return identifier
        return proven(proof, self._thread, replica.membership)

    def _compare(self, device: DeviceId, heads: tuple[bytes, ...], known: int, graph: Graph, now_ms: int) -> bool:
        """Hold what a device speaks of against the most it ever spoke of. Whether it is more."""
        before = graph.closure(self.marks.heads.get(device, ()))
        if before is None:  # it is we who have less than we had: the mark stays, and `warnings` says so
            return False
        if known != before and known | before == before:
            self._rolled.setdefault(device, now_ms)
            return False
        self._rolled.pop(device, None)
        if known == before:
            return False
        self.marks.heads.pop(device, None)
        self.marks.heads[device] = heads
        while len(self.marks.heads) > MAX_MARKED:
            del self.marks.heads[next(iter(self.marks.heads))]
        return True

    def warnings(self, replica: Replica, now_ms: int) -> list[Warning]:
        """What has been impossible to get, or was rolled back, for `PATIENCE_MS`: the gravest first."""
        membership = replica.membership
        # What a device spoke of, and we had then, there surely is: were it gone, somebody put us back.
        _wait_for(self._control, (head for heads in self.marks.heads.values() for head in heads), replica, now_ms)
        found = [Warning("control withheld", None, since) for since in sorted(self._control.values())[:1]]
        for device in sorted(self._claims.keys() | self._rolled.keys()):
            identity = membership.identity_of.get(device)
            if identity is None or membership.is_revoked(device) or not membership.role(identity):
                self._claims.pop(device, None)  # what they wrote since counts for nobody
                self._rolled.pop(device, None)
                continue
            if device in self._rolled:
                found.append(Warning("rolled back", device, self._rolled[device]))
            claims = self._claims.get(device, {})
            _forget_what_came(claims, replica)
            if claims:
                found.append(Warning("work withheld", device, min(claims.values())))
        return [each for each in found if now_ms - each.since >= PATIENCE_MS]


def _wait_for(waiting: dict[bytes, int], named: Iterable[bytes], replica: Replica, now_ms: int) -> None:
    _forget_what_came(waiting, replica)
    for identifier in named:
        if identifier not in waiting and len(waiting) < MAX_CLAIMS and not replica.has(identifier):
            waiting[identifier] = now_ms


def _forget_what_came(waiting: dict[bytes, int], replica: Replica) -> None:
    for identifier in [each for each in waiting if replica.has(each)]:
        del waiting[identifier]
