"""What this device writes: the header of its next envelope, the key it seals with, the signature."""

from collections.abc import Iterator

from crdt import errors, keys
from crdt.applying import Applying
from crdt.author import Author
from crdt.chains import Link
from crdt.envelope import MAX_HEADS, MAX_SEEN, VERSION, ChainKey, Envelope, Header, seal_envelope
from crdt.epochs import Epoch, Keyring
from crdt.governance import Graph, Node
from crdt.ids import ThreadId
from crdt.membership import Membership
from crdt.permissions import Lane, LaneKind


class Writing:
    """The next envelope of each chain of one author's session."""

    def __init__(self, thread: ThreadId, author: Author, graph: Graph, keyring: Keyring, content: Applying) -> None:
        self.author = author
        self._thread = thread
        self._graph = graph
        self._keyring = keyring
        self._content = content
        self._own_records: dict[ChainKey, Envelope] = {}  # the newest in each of the governance chains

    def joined(self, record: Envelope) -> None:
        """A governance record has joined the graph: if it is an own one, the next follows it."""
        if record.header.device == self.author.device.id:
            self._own_records[record.header.chain] = record

    def change(self, lane: Lane, epoch: Epoch) -> Header:
        """The header of the next content envelope in a lane."""
        chain = self._chain(lane.kind, lane.scope)
        last, _ = self._content.last(chain)
        return Header(
            version=VERSION,
            thread=self._thread,
            kind=lane.kind,
            scope=lane.scope,
            device=self.author.device.id,
            session=self.author.session,
            sequence=last.header.sequence + 1 if last else 0,
            previous=last.id if last else b"",
            heads=tuple(node.id for node in self._heads(last, epoch)[:MAX_HEADS]),
            epoch=epoch.id,
            seen=self._content.tips.seen_by_next(lane, chain),
            outside=b"",
            body_hash=b"",
        )

    def has_too_much_to_name(self, lane: Lane) -> bool:
        """Whether an envelope has to go before the next change, only to name what is new in the lane."""
        return self._content.tips.is_too_much(lane, self._chain(lane.kind, lane.scope))

    def record(self, kind: LaneKind, epoch: Epoch, outside: bytes) -> Header:
        """The header of the next governance record. It knows of up to 72 tips, so that one record ends a disarray."""
        last = self._own_records.get(self._chain(kind, b""))
        tips = tuple(node.id for node in self._heads(None, epoch))
        return Header(
            version=VERSION,
            thread=self._thread,
            kind=kind,
            scope=b"",
            device=self.author.device.id,
            session=self.author.session,
            sequence=last.header.sequence + 1 if last else 0,
            previous=last.id if last else b"",
            heads=tips[:MAX_HEADS],
            epoch=epoch.id,
            seen=tips[MAX_HEADS : MAX_HEADS + MAX_SEEN],
            outside=keys.digest("outside", outside) if outside else b"",
            body_hash=b"",
        )

    def _chain(self, kind: LaneKind, scope: bytes) -> ChainKey:
        return (int(kind), scope, bytes(self.author.device.id), bytes(self.author.session))

    def _heads(self, last: Link | None, epoch: Epoch) -> list[Node]:
        """The tips of the governance graph, the most needed first: there may be more than a header can name.

        First those that cover what this chain has named already, for it may not go back; then one by which the
        epoch is open; then those that bring what is needed (see `_needed`); the rest by depth. None that not every
        member can read.
        """
        membership = self._content.acceptance.membership
        tips = self._graph.tips(without=membership.private)
        if len(tips) <= MAX_HEADS:
            return tips
        chosen: list[Node] = []
        covered = 0
        for named in map(self._graph.get, last.header.heads if last else ()):
            if named is not None and not (covered | membership.private) & named.bit:
                chosen.append(next(tip for tip in tips if tip.closure & named.bit))
                covered |= chosen[-1].closure
        opening = membership.openings.get(epoch.id, 0)
        if opening and not covered & opening:
            chosen.append(next(tip for tip in tips if tip.closure & opening))  # an opening is never private
            covered |= chosen[-1].closure
        for needed in _needed(membership, self.author):
            while left := needed & ~covered:
                chosen.append(_widest(tips, left))
                covered |= chosen[-1].closure
        return [*chosen, *(tip for tip in tips if tip not in chosen)]

    def epoch(self) -> Epoch:
        """The epoch to seal content with. Raises WAITING_FOR_KEY while an owner has yet to hand out a safe one."""
        for opened in self._content.acceptance.membership.writing_epochs():
            if epoch := self._keyring.get(opened.id):
                return epoch
        raise errors.WAITING_FOR_KEY()

    def epoch_for_records(self) -> Epoch:
        """The epoch in force, even one that a record to come replaces."""
        membership = self._content.acceptance.membership
        for opened in sorted(membership.epochs, key=lambda e: (-e.depth, e.rank, e.id)):
            if epoch := self._keyring.get(opened.id):
                return epoch
        raise errors.WAITING_FOR_KEY()

    def seal(self, header: Header, epoch: Epoch, plaintext: bytes) -> Envelope:
        """Seal and sign."""
        author = self.author
        return seal_envelope(header, epoch.body_key, plaintext, author.random(keys.NONCE_BYTES), author.device.signing)


def _widest(tips: list[Node], left: int) -> Node:
    """The tip that brings most of what is left."""
    return max(tips, key=lambda tip: (tip.closure & left).bit_count())


def _needed(membership: Membership, author: Author) -> Iterator[int]:
    """The records that a new envelope has to stand behind, as bit sets: first those that give its author the right,
    then what owners say, last what members say of themselves, of which anybody can make as many tips as they like."""
    introduced = membership.introduced_as.get((author.device.id, author.identity), 0)
    own = introduced & -introduced
    said = 0
    told = [(grant.identity, grant.node) for grant in membership.grants]
    told += [(limit.identity, limit.node) for limit in membership.limits]
    told += [(owner.identity, owner.since) for owner in membership.owners if owner.since]
    for identity, node in told:
        own |= node.bit if identity == author.identity else 0
        said |= node.bit if node.kind is LaneKind.CONTROL else 0
    for epoch in membership.epochs:
        said |= epoch.node.bit
    yield own
    yield said
    for limit in membership.limits:
        said |= limit.node.bit
    yield said
