"""One thread on one device: the front door through which every change enters it, own or received.

`receive` and `commit` share one admit path: open, check the signature, link into its chain, decide by
the membership whether its author may, check the update, apply. What is shown depends on the set of
envelopes alone. What can't be decided yet waits inside and is decided when the missing part comes.

The caller stores frames, in any order it likes, and hands them all in again after a start.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import pycrdt

from crdt import codec, errors, frames, keys
from crdt.acceptance import Acceptance
from crdt.author import Author
from crdt.chains import Chains, Link
from crdt.envelope import MAX_HEADS, VERSION, ChainKey, Envelope, Header, open_body, seal_envelope
from crdt.epochs import Epoch, Keyring
from crdt.errors import PeerFault
from crdt.governance import Graph, Node
from crdt.ids import EnvelopeId, EpochId, ThreadId
from crdt.lane import LaneDocument, Quarantined, client_id
from crdt.membership import Membership
from crdt.permissions import GOVERNANCE, SINGLE_WRITER, Lane, LaneKind, Role, lane_of, may_write
from crdt.records import MAX_TIPS, Action, Cut, Genesis, Record, decode_record, thread_id
from crdt.tips import Tips

MAX_UNOPENED: Final = 4096  # frames kept whose key isn't here yet; beyond, the oldest are dropped and fetched again
MAX_HELD_RECORDS: Final = 4096


class Status(Enum):
    """What became of a received frame."""

    NEW = "new"
    KNOWN = "known"
    UNOPENED = "unopened"  # its key isn't here (yet)


@dataclass(slots=True)
class Receipt:
    """What a frame, or a local commit, brought about."""

    status: Status
    envelope: Envelope | None = None
    lanes: set[Lane] = field(default_factory=set)  # whose documents changed
    governed: bool = False  # the membership may have changed
    learned: bool = False  # a content key was learned
    refused: list[tuple[EnvelopeId, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Commit:
    """A local change as a frame to store and send."""

    frame: bytes
    receipt: Receipt


class Replica:
    """All of one thread that this device holds, and the rules over it."""

    def __init__(self, thread: ThreadId, own_keys: Iterable[keys.AgreementKey], author: Author | None = None) -> None:
        self.thread = thread
        self.own_keys = list(own_keys)
        self.author = author
        self.keyring = Keyring(thread)
        self.graph = Graph()
        self.chains = Chains()
        self.tips = Tips(author.device.id if author else None)
        self.lanes: dict[Lane, LaneDocument] = {}
        self.stale = False  # make a new replica, with a new session, from the stored frames: what is applied is no
        # longer accepted, or this session can't go on
        self.quarantined: set[Lane] = set()
        self.epochs_used: dict[EpochId, None] = {}  # under which something here is sealed, counted or not
        self._acceptance = Acceptance(self.graph, self.chains)
        self._unopened: dict[bytes, bytes] = {}
        self._records: dict[bytes, tuple[Envelope, Record]] = {}  # governance records whose parents are missing
        self._own_records: dict[ChainKey, Envelope] = {}  # this device's newest in each of its governance chains
        self._applied: dict[ChainKey, list[tuple[Link, int]]] = {}  # links, each with the closure of its heads
        self._awaited: dict[bytes, dict[ChainKey, None]] = {}  # a missing link's id → chains whose next link names it
        self._named_ahead: set[bytes] = set()  # what somebody has seen and we haven't
        self._made_here: EnvelopeId | None = None

    @property
    def membership(self) -> Membership:
        """Who may do what, by the counted records."""
        return self._acceptance.membership

    def document(self, lane: Lane) -> LaneDocument:
        """The lane's document, empty at first."""
        if lane not in self.lanes:
            self.lanes[lane] = LaneDocument(self.thread, lane, self._own_client(lane))
        return self.lanes[lane]

    def _own_client(self, lane: Lane) -> int | None:
        if self.author is None or (lane.owner and lane.owner != self.author.device.id):
            return None
        return client_id(self.thread, lane, self.author.device.id, self.author.session)

    # ---- receiving

    def receive(self, frame: bytes, *, verify: bool = True) -> Receipt:
        """Take a frame in. Raises `PeerFault` if it is damaged or forged: such a copy counts as never received.

        `verify=False` is for this device's own store, whose frames were checked when they came.
        """
        outer = frames.parse_frame(frame)
        receipt = Receipt(Status.UNOPENED)
        receipt.learned = frames.learn_keys(outer.outside, self.keyring, self.own_keys)
        envelope = self._open(outer, verify)
        if envelope is None:
            self._keep_unopened(frame)
        elif self.has(envelope.id):
            receipt.status = Status.KNOWN
        else:
            receipt.status, receipt.envelope = Status.NEW, envelope
            self._admit(envelope, receipt)
        if receipt.learned:
            self._retry(receipt)
        return receipt

    def learn_key(self, key: bytes) -> Receipt:
        """Take in an epoch's key that came another way, such as over a pairing; opens what waited for it."""
        receipt = Receipt(Status.KNOWN, learned=self.keyring.learn(key) is not None)
        self._retry(receipt)
        return receipt

    def has(self, identifier: bytes) -> bool:
        """Whether the envelope with that id is here, accepted or waiting."""
        return identifier in self.chains or identifier in self.graph or identifier in self._records

    @property
    def unopened(self) -> int:
        """How many frames wait for their key."""
        return len(self._unopened)

    def _open(self, outer: frames.Outer, verify: bool) -> Envelope | None:
        fault: PeerFault | None = None
        for epoch in self.keyring.tagged(outer.epoch_tag):
            try:
                return frames.open_frame(outer, epoch, self.thread, verify=verify)
            except PeerFault as error:
                fault = error
        if fault:
            raise fault
        return None

    def _keep_unopened(self, frame: bytes) -> None:
        self._unopened[keys.digest("unopened", frame)] = frame
        if len(self._unopened) > MAX_UNOPENED:
            del self._unopened[next(iter(self._unopened))]

    def _retry(self, receipt: Receipt) -> None:
        """Open what waited for a key; one frame's key may open the next."""
        waiting, self._unopened = self._unopened, {}
        for digest, frame in waiting.items():
            outer = frames.parse_frame(frame)
            try:
                frames.learn_keys(outer.outside, self.keyring, self.own_keys)
                envelope = self._open(outer, verify=True)
            except PeerFault:
                continue
            if envelope is None:
                self._unopened[digest] = frame
            elif not self.has(envelope.id):
                self._admit(envelope, receipt)
        if len(self._unopened) < len(waiting) and self._unopened:
            self._retry(receipt)

    # ---- the admit path

    def _admit(self, envelope: Envelope, receipt: Receipt) -> None:
        epoch = self.keyring.get(envelope.header.epoch)
        if epoch is None:
            raise PeerFault("wrong epoch")
        plaintext = open_body(envelope, epoch.body_key)
        self.epochs_used[epoch.id] = None
        if envelope.header.kind in GOVERNANCE:
            self._admit_record(envelope, decode_record(plaintext), receipt)
            return
        for link in self.chains.add(envelope, plaintext):
            self._linked(link, receipt)

    def _admit_record(self, envelope: Envelope, record: Record, receipt: Receipt) -> None:
        self._check_root(envelope, record)
        self._records[envelope.id] = (envelope, record)
        if len(self._records) > MAX_HELD_RECORDS:
            del self._records[next(iter(self._records))]
        linked = False
        while ready := [each for each in self._records.values() if not self.graph.missing(each[0])]:
            for held, its_record in ready:
                del self._records[held.id]
                try:
                    self.graph.add(held, its_record)
                except PeerFault as fault:
                    receipt.refused.append((held.id, fault.reason))
                    continue
                linked = True
                if self.author is not None and held.header.device == self.author.device.id:
                    self._own_records[held.header.chain] = held
        if linked:
            self._govern(receipt)

    def _check_root(self, envelope: Envelope, record: Record) -> None:
        """Only the genesis has nothing before it, and there is only one: the thread's id is its hash."""
        genesis = [action for action in record.actions if isinstance(action, Genesis)]
        header = envelope.header
        is_root = not header.heads and not header.sequence
        if is_root != bool(genesis) or any(thread_id(each) != self.thread for each in genesis):
            raise PeerFault("bad genesis")

    def _govern(self, receipt: Receipt) -> None:
        """A right may have been given, or withdrawn: decide anew about every chain."""
        self._acceptance.renew()
        receipt.governed = True
        for chain in list(self.chains.openers):
            self._decide_again(chain, receipt)
        if self._is_own_session_ended():
            self.stale = True

    def _is_own_session_ended(self) -> bool:
        """Whether a restriction ended what this session has begun: with a right given again it needs another one."""
        if self.author is None or self.membership.is_revoked(self.author.device.id):
            return False
        own = (bytes(self.author.device.id), bytes(self.author.session))
        return any(
            self._acceptance.is_ended(applied[-1][0]) for chain, applied in self._applied.items() if chain[2:] == own
        )

    # ---- deciding

    def _linked(self, link: Link, receipt: Receipt) -> None:
        """A content envelope joined its chain: go on there, if it is the next one."""
        applied = self._applied.get(link.chain)
        if link.chain in self.chains.forked:
            siblings = link.parent.children if link.parent else self.chains.openers[link.chain]
            if len(siblings) > 1 or link.id in self._named_ahead:
                self._decide_again(link.chain, receipt)
        if link.parent is (applied[-1][0] if applied else None):
            self._go_on(link.chain, receipt)
        self._named_ahead.discard(link.id)
        if self._acceptance.is_awaited(link):
            for chain in [each for each in self.chains.openers if each[:3] == link.chain[:3]]:
                self._go_on(chain, receipt)

    def _go_on(self, chain: ChainKey, receipt: Receipt) -> None:
        """Apply whatever of a chain is accepted and stands next."""
        while (link := self._next(chain)) is not None:
            closure = self._acceptance.accepts(link, self._closure_before(chain))
            if closure is None or not self._apply(link, receipt):
                return
            self._applied.setdefault(chain, []).append((link, closure))

    def _next(self, chain: ChainKey) -> Link | None:
        applied = self._applied.get(chain)
        link = self.chains.after(chain, applied[-1][0] if applied else None)
        if link is None and chain in self.chains.forked:
            kept, at = self._kept_of_fork(chain), len(applied or ())
            link = kept[at] if at < len(kept) else None
        return link if link is not None and link.state == Link.WAITING else None

    def _closure_before(self, chain: ChainKey) -> int:
        applied = self._applied.get(chain)
        return applied[-1][1] if applied else 0

    def _decide_again(self, chain: ChainKey, receipt: Receipt) -> None:
        """After a change of the rules: `stale` if something applied no longer counts; else go on."""
        before = 0
        kept = {link.id for link in self._kept_of_fork(chain)} if chain in self.chains.forked else None
        for link, _ in self._applied.get(chain, ()):
            closure = self._acceptance.accepts(link, before)
            if closure is None or (kept is not None and link.id not in kept):
                self.stale = True
                return
            before = closure
        self._go_on(chain, receipt)

    def _kept_of_fork(self, chain: ChainKey) -> list[Link]:
        """What stays of a chain whose device said two things: see `chains`."""
        witnessed = {
            identifier
            for applied in self._applied.values()
            for link, _ in applied
            if link.header.device != chain[2]
            for identifier in link.header.seen
        }
        return [*self.chains.plain(chain), *self.chains.beyond(chain, witnessed)]

    def _apply(self, link: Link, receipt: Receipt) -> bool:
        """Check and apply one accepted link. False if it has to wait, or is refused."""
        seen = self._required(link)
        if isinstance(seen, bytes):
            self._awaited.setdefault(seen, {})[link.chain] = None
            return False
        body, link.update = link.update or b"", None
        document = self.document(link.lane)
        try:
            document.admit(link, seen, body)
        except PeerFault as fault:
            link.state = Link.REFUSED
            receipt.refused.append((link.id, str(fault)))
            return False
        link.state = Link.APPLIED
        receipt.lanes.add(link.lane)
        if link.id != self._made_here:  # an own change is in the document already
            self._hand_over(document, body)
        self.tips.applied(link)
        if self._is_behind(link):
            self.stale = True
        self._hear(link, receipt)
        for chain in self._awaited.pop(link.id, ()):
            self._go_on(chain, receipt)
        return True

    def _is_behind(self, link: Link) -> bool:
        """Whether an earlier session of this device's came in (back from others, after an old backup) when the present
        one had been opened without it. What is said there can't be changed in this session: begin another."""
        author, header = self.author, link.header
        if author is None or link.lane.kind not in SINGLE_WRITER or header.device != author.device.id:
            return False
        return header.session != author.session and (*link.chain[:3], bytes(author.session)) in self._applied

    def _hand_over(self, document: LaneDocument, body: bytes) -> None:
        try:
            document.apply(body)
        except Quarantined:
            self.quarantined.add(document.lane)

    def _required(self, link: Link) -> list[Link] | bytes:
        """What the link builds on beyond its own chain, all of it applied; or the id of what is missing."""
        if link.lane.kind in SINGLE_WRITER and link.parent is not None:
            return []
        found = []
        for identifier in link.header.seen:
            named = self.chains.get(identifier)
            if named is None or named.state != Link.APPLIED or named.lane != link.lane:
                return identifier
            found.append(named)
        return found

    def _hear(self, link: Link, receipt: Receipt) -> None:
        """What an accepted envelope vouches to have seen decides about forks."""
        for identifier in link.header.seen:
            named = self.chains.get(identifier)
            if named is None:
                self._named_ahead.add(identifier)
            elif named.chain in self.chains.forked and named.header.device != link.header.device:
                self._decide_again(named.chain, receipt)

    # ---- writing

    def role(self) -> Role:
        """What the author may do here, as of everything known."""
        if self.author is None:
            return Role.NONE
        identity = self.membership.identity_of.get(self.author.device.id)
        if identity is None or self.membership.is_revoked(self.author.device.id):
            return Role.NONE
        return self.membership.role(identity)

    @property
    def is_introduced(self) -> bool:
        """Whether the thread's members can know whose device the author's is."""
        return self.author is not None and bool(self.membership.introduced.get(self.author.device.id))

    def writing_epoch(self) -> Epoch:
        """The epoch to seal with. Raises WAITING_FOR_KEY while an owner has yet to hand out a safe one."""
        for opened in self.membership.writing_epochs():
            if epoch := self.keyring.get(opened.id):
                return epoch
        raise errors.WAITING_FOR_KEY()

    def commit(self, lane: Lane, change: Callable[[pycrdt.Doc[Any]], None]) -> Commit | None:
        """Change a document of this device's, as one signed envelope; None if nothing changed.

        Raises READ_ONLY or WAITING_FOR_KEY before anything is touched. If `change` raises, or the frame can't
        be stored, the document is ahead of its envelopes: throw the replica away and make a new one, with a
        new session.
        """
        author = self._author()
        if not may_write(self.role(), lane.kind):
            raise errors.READ_ONLY()
        epoch = self.writing_epoch()
        update = self.document(lane).record(change)
        if not update:
            return None
        header = self._next_header(author, lane, epoch)
        envelope = self._seal(author, header, epoch, update)
        receipt = Receipt(Status.NEW, envelope)
        self._made_here = envelope.id
        self._admit(envelope, receipt)
        self._made_here = None
        link = self.chains.get(envelope.id)
        if link is None or link.state != Link.APPLIED:
            self.stale = True
            raise RuntimeError(f"an own change was not accepted: {receipt.refused}")
        self.tips.vouched(header.seen)
        return Commit(frames.seal_frame(envelope, epoch), receipt)

    def commit_record(self, kind: LaneKind, actions: Sequence[Action], outside: bytes = b"") -> Commit:
        """Write a governance record, sealed under the epoch in force. `outside` carries the keys it hands out."""
        return self._commit_record(kind, actions, self._sealing_epoch(), outside)

    def found(self, actions: Sequence[Action], epoch_key: bytes, outside: bytes) -> Commit:
        """Write the thread's first record, sealed under its own first epoch."""
        epoch = self.keyring.learn(epoch_key)
        if epoch is None:
            raise ValueError("founded already")
        return self._commit_record(LaneKind.CONTROL, actions, epoch, outside)

    def _commit_record(self, kind: LaneKind, actions: Sequence[Action], epoch: Epoch, outside: bytes) -> Commit:
        author = self._author()
        lane = lane_of(kind, author.device.id, b"")
        chain = (int(kind), b"", bytes(author.device.id), bytes(author.session))
        last = self._own_records.get(chain)
        header = Header(
            version=VERSION,
            thread=self.thread,
            kind=kind,
            scope=b"",
            device=author.device.id,
            session=author.session,
            sequence=last.header.sequence + 1 if last else 0,
            previous=last.id if last else b"",
            heads=tuple(node.id for node in self.graph.tips()[:MAX_HEADS]),
            epoch=epoch.id,
            seen=(),
            outside=keys.digest("outside", outside) if outside else b"",
            body_hash=b"",
        )
        envelope = self._seal(author, header, epoch, codec.encode(Record(tuple(actions))))
        receipt = Receipt(Status.NEW, envelope, lanes={lane})
        receipt.learned = frames.learn_keys(outside, self.keyring, self.own_keys)
        self._admit(envelope, receipt)
        return Commit(frames.seal_frame(envelope, epoch, outside), receipt)

    def _sealing_epoch(self) -> Epoch:
        """For records: the epoch in force, even one that a record to come replaces."""
        known = [opened for opened in self.membership.epochs if self.keyring.get(opened.id)]
        if not known:
            raise errors.WAITING_FOR_KEY()
        best = min(known, key=lambda e: (-e.depth, e.rank, e.id))
        epoch = self.keyring.get(best.id)
        assert epoch is not None
        return epoch

    def _next_header(self, author: Author, lane: Lane, epoch: Epoch) -> Header:
        chain = (int(lane.kind), lane.scope, bytes(author.device.id), bytes(author.session))
        applied = self._applied.get(chain)
        last = applied[-1][0] if applied else None
        return Header(
            version=VERSION,
            thread=self.thread,
            kind=lane.kind,
            scope=lane.scope,
            device=author.device.id,
            session=author.session,
            sequence=last.header.sequence + 1 if last else 0,
            previous=last.id if last else b"",
            heads=self._heads(last),
            epoch=epoch.id,
            seen=self.tips.seen_by_next(lane, chain),
            outside=b"",
            body_hash=b"",
        )

    def _heads(self, last: Link | None) -> tuple[EnvelopeId, ...]:
        """The tips of the governance graph. Of too many, those that cover what was named before come first."""
        tips = self.graph.tips()
        before = self._applied[last.chain][-1][1] if last else 0
        tips.sort(key=lambda node: not node.closure & before)
        return tuple(node.id for node in tips[:MAX_HEADS])

    def _seal(self, author: Author, header: Header, epoch: Epoch, plaintext: bytes) -> Envelope:
        return seal_envelope(header, epoch.body_key, plaintext, author.random(keys.NONCE_BYTES), author.device.signing)

    def _author(self) -> Author:
        if self.author is None:
            raise errors.READ_ONLY()
        return self.author

    def cuts(self, devices: Iterable[bytes], kinds: Iterable[LaneKind]) -> tuple[Cut, ...]:
        """What stands of these devices in lanes of these kinds, governance included, as a restriction names it."""
        wanted, of = set(kinds), set(devices)
        records = [
            Cut(int(kind), b"", device, tuple(node.id for node in self._last_records(device, kind))[-MAX_TIPS:])
            for kind in sorted(GOVERNANCE & wanted)
            for device in sorted(of)
            if self._last_records(device, kind)
        ]
        return (*records, *self.tips.cuts(of, wanted - GOVERNANCE))

    def _last_records(self, device: bytes, kind: LaneKind) -> list[Node]:
        nodes = [node for node in self.graph.nodes if node.device == device and node.kind is kind]
        return [node for node in nodes if not any(other.knew(node.index) for other in nodes)]
