"""One thread on one device: the front door through which every change enters it, own or received.

`receive` and `commit` share one admit path: open, check the signature, link into its chain, decide by
the membership whether its author may, check the update, apply. What is shown depends on the set of
envelopes alone. What can't be decided yet waits inside and is decided when the missing part comes.

The caller stores frames, in any order it likes, and hands them all in again after a start.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import pycrdt

from crdt import codec, errors, frames, keys, output
from crdt.applying import Applying
from crdt.author import Author
from crdt.chains import Chains, Link
from crdt.envelope import Envelope, Header, open_body
from crdt.epochs import Epoch, Keyring
from crdt.errors import PeerFault
from crdt.governance import Graph, Held, Node
from crdt.ids import DeviceId, EnvelopeId, EpochId, IdentityId, ThreadId
from crdt.lane import LaneDocument
from crdt.left_out import Reason
from crdt.membership import Membership
from crdt.opening import Opening
from crdt.output import Chunk, Output
from crdt.permissions import GOVERNANCE, WRITES, Lane, LaneKind, Role, denied, lane_of, may_write
from crdt.receipt import Commit, Receipt, Status
from crdt.record_room import RecordRoom
from crdt.records import MAX_TIPS, Action, Cut, Genesis, NewEpoch, Record, decode_record, thread_id
from crdt.tips import Tips
from crdt.writing import Writing

__all__ = ["Commit", "Receipt", "Replica", "Status"]


NOTHING: Final = b"\0\0"  # an update that changes nothing


class Replica:
    """All of one thread that this device holds, and the rules over it."""

    def __init__(self, thread: ThreadId, own_keys: Iterable[keys.AgreementKey], author: Author | None = None) -> None:
        self.thread = thread
        self.own_keys = list(own_keys)
        self.author = author
        self.graph = Graph()
        self.epochs_used: dict[EpochId, None] = {}  # under which something here is sealed, counted or not
        self._content = Applying(thread, self.graph, author)
        self._opening = Opening(thread, self.own_keys)
        self._held = Held(self.graph)
        self._room = RecordRoom(self.graph, lambda: self.membership)
        self._writing = Writing(thread, author, self.graph, self.keyring, self._content) if author else None

    # ---- what is there

    @property
    def membership(self) -> Membership:
        """Who may do what, by the counted records."""
        return self._content.acceptance.membership

    @property
    def keyring(self) -> Keyring:
        """The content keys that are here."""
        return self._opening.keyring

    @property
    def chains(self) -> Chains:
        """Every content envelope, accepted or not."""
        return self._content.chains

    @property
    def tips(self) -> Tips:
        """The open ends of what is applied."""
        return self._content.tips

    @property
    def lanes(self) -> dict[Lane, LaneDocument]:
        """The documents there are."""
        return self._content.documents

    @property
    def outputs(self) -> dict[Lane, Output]:
        """The terminals there are."""
        return self._content.outputs

    @property
    def quarantined(self) -> set[Lane]:
        """Lanes on whose document the native library failed."""
        return self._content.quarantined

    @property
    def stale(self) -> bool:
        """Something applied is no longer accepted: make a new replica from the stored frames, see `loading`."""
        return self._content.stale

    @property
    def unopened(self) -> int:
        """How many frames wait for their key."""
        return len(self._opening.unopened)

    def document(self, lane: Lane) -> LaneDocument:
        """The lane's document, empty at first."""
        return self._content.document(lane)

    def accepted(self, lane: Lane) -> Iterator[EnvelopeId]:
        """The ids of the envelopes that are applied of a lane, session by session."""
        return self._content.accepted(lane)

    def carried(self) -> dict[EnvelopeId, frozenset[IdentityId]]:
        """What is applied in `shared` though it is beyond a cut, by envelope, with those by whom it is kept: whoever
        went on from it unknowing, or, once that is settled, the owner. To be shown as "Ben's, kept by Carl"."""
        return {link.id: keepers for link, keepers in self._content.carried()}

    def left_out(self) -> dict[EnvelopeId, Reason]:
        """What is here and doesn't count, with the reason; not what waits for something missing. See `drafts`."""
        return self._content.left_out()

    def knowing(self, record: EnvelopeId) -> set[DeviceId]:
        """The devices that have written something, of any kind, in knowledge of a governance record that is here."""
        node = self.graph.get(record)
        if node is None:
            return set()
        writers = {DeviceId(each.device) for each in self.graph.nodes if each.knew(node.index) or each is node}
        return writers | self._content.knowing(node.index)

    def has(self, identifier: bytes) -> bool:
        """Whether the envelope with that id is here, accepted or waiting."""
        return identifier in self.chains or identifier in self.graph or identifier in self._held

    # ---- receiving

    def receive(self, frame: bytes, *, verify: bool = True) -> Receipt:
        """Take a frame in. Raises `PeerFault` if it is damaged or forged: such a copy counts as never received.

        `verify=False` is for this device's own store, whose frames were checked when they came.
        """
        receipt = Receipt(Status.UNOPENED)
        opened = self._opening.open(frame, verify=verify)
        try:
            if opened is not None:
                envelope, outside = opened
                receipt.status, receipt.envelope = Status.KNOWN, None
                if not self.has(envelope.id):
                    receipt.status, receipt.envelope = Status.NEW, envelope
                    self._admit(envelope, outside, receipt)
        finally:
            self._open_more(receipt)
        return receipt

    def learn_key(self, key: bytes) -> Receipt:
        """Take in an epoch's key that came another way, such as over a pairing; opens what waited for it."""
        receipt = Receipt(Status.KNOWN, learned=self._opening.learn(key))
        self._open_more(receipt)
        return receipt

    @contextlib.contextmanager
    def loading(self) -> Iterator[Receipt]:
        """A block in which frames are received and nothing is decided until it ends, then everything at once.

        So no order of the stored frames can apply first what later ones take back.
        """
        receipt = Receipt(Status.NEW)
        self._content.paused = True
        yield receipt
        self._content.resume(receipt)

    def _open_more(self, receipt: Receipt) -> None:
        for envelope, outside in self._opening.again():
            receipt.learned = True
            if not self.has(envelope.id):
                try:
                    self._admit(envelope, outside, receipt)
                except PeerFault as fault:
                    receipt.refused.append((envelope.id, str(fault)))

    # ---- the admit path

    def _admit(self, envelope: Envelope, outside: bytes, receipt: Receipt) -> None:
        epoch = self.keyring.get(envelope.header.epoch)
        if epoch is None:
            raise PeerFault("wrong epoch")
        plaintext = open_body(envelope, epoch.body_key)
        self.epochs_used[epoch.id] = None
        if envelope.header.kind in GOVERNANCE:
            self._admit_record(envelope, decode_record(plaintext), outside, receipt)
        else:
            kept = self._note_of(envelope, plaintext, receipt)
            self._content.take(envelope, kept, receipt)

    def _note_of(self, envelope: Envelope, plaintext: bytes, receipt: Receipt) -> bytes:
        """What memory holds of a body until it is applied: of output that was printed, nothing."""
        if envelope.header.kind != LaneKind.OUTPUT:
            return plaintext
        try:
            return output.note_of(plaintext)
        except PeerFault as fault:  # it shows nothing, and what follows it still counts
            receipt.refused.append((envelope.id, str(fault)))
            return b""

    def _admit_record(self, envelope: Envelope, record: Record, outside: bytes, receipt: Receipt) -> None:
        self._check_root(envelope, record)
        if envelope.header.kind == LaneKind.CONTROL:  # elsewhere nobody hands out keys
            opened = [each for each in record.actions if isinstance(each, NewEpoch)]
            names = [*(each.epoch for each in opened), *(name for each in opened for name in each.parents)]
            receipt.learned |= self._opening.learn_named(outside, dict.fromkeys(names))
        size = len(self.graph)
        self._held.add(envelope, record, lambda each, its_record: self._join(each, its_record, receipt))
        if len(self.graph) > size:
            self._content.governed(self.graph.nodes[size:], receipt)
        if self._opening.is_crowded:
            self._opening.let_go(self.membership.openings)

    def _join(self, envelope: Envelope, record: Record, receipt: Receipt) -> bool:
        """Link a record whose past is here."""
        try:
            self._room.check(envelope)
            self.graph.add(envelope, record)
        except PeerFault as fault:
            receipt.refused.append((envelope.id, str(fault)))
            return False
        receipt.lanes.add(lane_of(envelope.header.kind, envelope.header.device, b""))
        if self._writing is not None:
            self._writing.joined(envelope)
        return True

    def _check_root(self, envelope: Envelope, record: Record) -> None:
        """Only the genesis has nothing before it, and there is only one: the thread's id is its hash."""
        genesis = [action for action in record.actions if isinstance(action, Genesis)]
        header = envelope.header
        is_root = not header.heads and not header.sequence
        if is_root != bool(genesis) or any(thread_id(each) != self.thread for each in genesis):
            raise PeerFault("bad genesis")

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
        return self._writer().epoch()

    def next_header(self, lane: Lane) -> Header:
        """The header that the author's next envelope in a lane has. Raises WAITING_FOR_KEY."""
        return self._writer().change(lane, self.writing_epoch())

    def commit(self, lane: Lane, change: Callable[[pycrdt.Doc[Any]], None]) -> Commit | None:
        """Change a document of this device's, as one signed envelope; None if nothing changed. In `shared` there may be
        others `before` it, which change nothing and name what one alone could not.

        Raises PERMISSION_DENIED or WAITING_FOR_KEY before anything is touched. If `change` raises, or what it did can't
        be one envelope, the document is ahead of its envelopes: the replica is `stale` then, takes no further
        change, and is to be thrown away for a new one, with a new session.
        """
        writing = self._writer()
        if not may_write(self.role(), lane.kind) or lane.kind is LaneKind.OUTPUT:
            raise denied(WRITES[lane.kind], self.role())
        self._check_fresh()
        epoch = writing.epoch()
        try:
            update = self.document(lane).record(change)
            if not update:
                return None
            before: list[Commit] = []
            while writing.has_too_much_to_name(lane):
                before.append(self._commit(lane, epoch, NOTHING, NOTHING))
            return self._commit(lane, epoch, update, update, tuple(before))
        except BaseException:
            self._content.stale = True
            raise

    def commit_output(self, terminal: bytes, chunk: Chunk) -> Commit:
        """Say what a terminal of this device's prints, or that it begins, changes or ends, as one signed envelope.

        `terminal` is its id of 16 bytes. Raises PERMISSION_DENIED or WAITING_FOR_KEY, and nothing is changed then.
        """
        writing = self._writer()
        if not may_write(self.role(), LaneKind.OUTPUT):
            raise denied(WRITES[LaneKind.OUTPUT], self.role())
        self._check_fresh()
        epoch = writing.epoch()
        body = output.encode_chunk(chunk)
        lane = Lane(LaneKind.OUTPUT, writing.author.device.id, terminal)
        try:
            return self._commit(lane, epoch, body, output.note_of(body))
        except BaseException:
            self._content.stale = True
            raise

    def printed(self, frame: bytes) -> Chunk | None:
        """The chunk in a stored frame of a terminal, None if it holds none; whether it counts, `outputs` says."""
        envelope = self.reopened(frame)
        epoch = self.keyring.get(envelope.header.epoch) if envelope is not None else None
        if envelope is None or epoch is None:
            return None
        try:
            return output.decode_chunk(open_body(envelope, epoch.body_key))
        except PeerFault:
            return None

    def reopened(self, frame: bytes) -> Envelope | None:
        """The envelope in a frame of this device's own store, which was checked when it came; None without its key."""
        outer = frames.parse_frame(frame)
        for epoch in self.keyring.tagged(outer.epoch_tag):
            with contextlib.suppress(PeerFault):
                return frames.open_frame(outer, epoch, self.thread, verify=False)
        return None

    def _commit(self, lane: Lane, epoch: Epoch, body: bytes, kept: bytes, before: tuple[Commit, ...] = ()) -> Commit:
        writing = self._writer()
        header = writing.change(lane, epoch)
        envelope = writing.seal(header, epoch, body)
        receipt = self._admit_own(envelope, kept)
        self.tips.vouched(header.seen)
        return Commit(frames.seal_frame(envelope, epoch), receipt, before)

    def _check_fresh(self) -> None:
        if self.stale:
            raise RuntimeError("a stale replica takes no change")

    def _admit_own(self, envelope: Envelope, update: bytes) -> Receipt:
        receipt = Receipt(Status.NEW, envelope)
        self._content.made_here = envelope.id
        try:
            self._content.take(envelope, update, receipt)
        finally:
            self._content.made_here = None
        link = self.chains.get(envelope.id)
        if link is None or link.state != Link.APPLIED:
            raise RuntimeError(f"an own change was not accepted: {receipt.refused}")
        return receipt

    def commit_record(self, kind: LaneKind, actions: Sequence[Action], outside: bytes = b"") -> Commit:
        """Write a governance record, sealed under the epoch in force. `outside` carries the keys it hands out.

        Raises WAITING_FOR_KEY, or TOO_LARGE if the graph is full; it hasn't changed then.
        """
        return self._commit_record(kind, actions, self._writer().epoch_for_records(), outside)

    def found(self, actions: Sequence[Action], epoch_key: bytes, outside: bytes) -> Commit:
        """Write the thread's first record, sealed under its own first epoch."""
        epoch = self.keyring.learn(epoch_key)
        if epoch is None:
            raise ValueError("founded already")
        return self._commit_record(LaneKind.CONTROL, actions, epoch, outside)

    def _commit_record(self, kind: LaneKind, actions: Sequence[Action], epoch: Epoch, outside: bytes) -> Commit:
        writing = self._writer()
        header = writing.record(kind, epoch, outside)
        record = codec.encode(Record(tuple(actions)))
        envelope = writing.seal(header, epoch, record)
        receipt = Receipt(Status.NEW, envelope, lanes={lane_of(kind, writing.author.device.id, b"")})
        self._admit_record(envelope, decode_record(record), outside, receipt)
        self._open_more(receipt)
        if envelope.id not in self.graph:
            raise errors.TOO_LARGE("This thread has no room for more about who may do what.")
        return Commit(frames.seal_frame(envelope, epoch, outside), receipt)

    def _writer(self) -> Writing:
        if self._writing is None:
            raise denied(Role.COMMENTER, Role.NONE)
        return self._writing

    def cuts(self, devices: Iterable[bytes], kinds: Iterable[LaneKind]) -> tuple[Cut, ...]:
        """What stands of these devices in lanes of these kinds, governance included, as a restriction names it."""
        wanted, of = set(kinds), set(devices)
        records = [
            Cut(int(kind), b"", device, tuple(node.id for node in last)[-MAX_TIPS:])
            for kind in sorted(GOVERNANCE & wanted)
            for device in sorted(of)
            if (last := self._last_records(device, kind))
        ]
        return (*records, *self.tips.cuts(of, wanted - GOVERNANCE))

    def _last_records(self, device: bytes, kind: LaneKind) -> list[Node]:
        nodes = [node for node in self.graph.nodes if node.device == device and node.kind is kind]
        before = 0
        for node in nodes:
            before |= node.past
        return [node for node in nodes if not before & node.bit]
