"""The graph of governance records: what each of them knew when it was written.

The lanes `control` and `identity` form one graph: a record's parents are the tips its author knew
(`heads`), the record before it in its chain, and what its session's opener says it saw. A record
joins the graph once all its parents are in it, so every record here has its whole past here too.
Pasts are bit sets over the order of joining, held in integers: "a is in b's past" is one shift.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from crdt.envelope import Envelope
from crdt.errors import PeerFault
from crdt.ids import DeviceId, EnvelopeId
from crdt.permissions import LaneKind
from crdt.records import Devices, Record

MAX_RECORDS: Final = 16_384  # by weight, see `weight`
MAX_FOREIGN: Final = 2_048  # of these, by devices that no owner has: nobody can fill the graph against its owner
MAX_ENDED: Final = 8_192  # of these, by those and by devices that owners have revoked: neither can a thief
ENTRIES_PER_WEIGHT: Final = 4  # of actions, too
MAX_HELD: Final = 4_096  # records that wait for their past; beyond, the oldest are dropped
MAX_HELD_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Node:
    """One governance record in its place. `past` and `bit` are bit sets of indices; `depth` counts from 0."""

    index: int
    id: EnvelopeId
    kind: LaneKind
    device: DeviceId
    position: tuple[bytes, int]  # session and sequence: two nodes of one device at one position are an equivocation
    record: Record
    past: int
    depth: int
    epoch: bytes  # under which it is sealed

    @property
    def bit(self) -> int:
        return 1 << self.index

    @property
    def closure(self) -> int:
        """The past, and the record itself."""
        return self.past | self.bit

    def knew(self, index: int) -> bool:
        """Whether the record with that index is in this one's past."""
        return bool(self.past >> index & 1)


class Graph:
    """All governance records of one thread whose past is complete."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._by_id: dict[bytes, Node] = {}
        self._tips: dict[bytes, Node] = {}
        self._weights: Counter[bytes] = Counter()  # by device

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def weight(self) -> int:
        """What all records weigh together."""
        return self._weights.total()

    def __contains__(self, identifier: bytes) -> bool:
        return identifier in self._by_id

    def get(self, identifier: bytes) -> Node | None:
        return self._by_id.get(identifier)

    def missing(self, envelope: Envelope) -> list[bytes]:
        """The parents that are not here yet."""
        return [parent for parent in parents(envelope) if parent not in self._by_id]

    def add(self, envelope: Envelope, record: Record) -> Node:
        """Link a record whose parents are all here. Raises `PeerFault` if it doesn't fit its chain."""
        if self.weight >= MAX_RECORDS:
            raise PeerFault("too large", "governance records")
        header = envelope.header
        before = [self._by_id[parent] for parent in parents(envelope)]
        if header.sequence:
            self._check_previous(envelope)
        past = 0
        for parent in before:
            past |= parent.closure
        node = Node(
            index=len(self.nodes),
            id=envelope.id,
            kind=LaneKind(header.kind),
            device=DeviceId(header.device),
            position=(header.session, header.sequence),
            record=record,
            past=past,
            depth=1 + max((parent.depth for parent in before), default=-1),
            epoch=header.epoch,
        )
        self.nodes.append(node)
        self._by_id[node.id] = node
        for parent in before:
            self._tips.pop(parent.id, None)
        self._tips[node.id] = node
        self._weights[node.device] += weight(record)
        return node

    def _check_previous(self, envelope: Envelope) -> None:
        header = envelope.header
        previous = self._by_id[header.previous]
        fits = previous.device == header.device and previous.position == (header.session, header.sequence - 1)
        if not fits or previous.kind != header.kind:
            raise PeerFault("bad header", "not the next of its chain")

    def closure(self, identifiers: tuple[bytes, ...]) -> int | None:
        """The bit set of everything at or before the given records; None if one of them is not here."""
        found = 0
        for identifier in identifiers:
            node = self._by_id.get(identifier)
            if node is None:
                return None
            found |= node.closure
        return found

    def weight_without(self, devices: Iterable[bytes]) -> int:
        """What the records weigh that are not by these devices."""
        return self.weight - sum(self._weights[device] for device in devices)

    def tips(self, without: int = 0) -> list[Node]:
        """The records that no other one has in its past, the deepest first; as if those of the bit set, with which
        everything goes that has one of them in its past, were not here."""
        tips = list(self._tips.values())
        if without:
            left = [node for node in self.nodes if not without & node.bit]
            known = 0
            for node in left:
                known |= node.past
            tips = [node for node in left if not known & node.bit]
        return sorted(tips, key=lambda node: (-node.depth, node.id))


class Held:
    """Governance records whose past is not here yet, each filed under one that it lacks."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._waiting: OrderedDict[bytes, tuple[Envelope, Record, bytes]] = OrderedDict()
        self._after: dict[bytes, set[bytes]] = {}
        self._bytes = 0

    def __contains__(self, identifier: bytes) -> bool:
        return identifier in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, envelope: Envelope, record: Record, join: Callable[[Envelope, Record], bool]) -> None:
        """Let a record `join` the graph, and then whatever waited for it; or keep it until its past is here."""
        ready = [(envelope, record)]
        while ready:
            each, its_record = ready.pop()
            missing = self._graph.missing(each)
            if missing:
                self._keep(each, its_record, missing[0])
            elif join(each, its_record):
                ready += [self._release(identifier) for identifier in sorted(self._after.pop(each.id, ()))]

    def _keep(self, envelope: Envelope, record: Record, missing: bytes) -> None:
        self._waiting[envelope.id] = (envelope, record, missing)
        self._after.setdefault(missing, set()).add(envelope.id)
        self._bytes += len(envelope.body)
        while len(self._waiting) > MAX_HELD or self._bytes > MAX_HELD_BYTES:
            identifier, (_, _, lacked) = next(iter(self._waiting.items()))
            self._release(identifier)
            self._after[lacked].discard(identifier)
            if not self._after[lacked]:
                del self._after[lacked]

    def _release(self, identifier: bytes) -> tuple[Envelope, Record]:
        envelope, record, _ = self._waiting.pop(identifier)
        self._bytes -= len(envelope.body)
        return envelope, record


def weight(record: Record) -> int:
    """What a record takes of a thread's room: one, and one more for every four device log entries that it carries and
    actions beyond the first."""
    entries = sum(len(action.entries) for action in record.actions if isinstance(action, Devices))
    return 1 + (entries + len(record.actions) - 1) // ENTRIES_PER_WEIGHT


def parents(envelope: Envelope) -> list[bytes]:
    """Everything a governance envelope names as before it."""
    header = envelope.header
    named = [*header.heads, *header.seen]
    if header.sequence:
        named.append(header.previous)
    return named
