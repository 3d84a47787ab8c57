"""What was written in a simulation, by whom and knowing what; and so what has to be shown, and what must not be.

Kept by the simulation beside the code under test, from what each action meant: a restriction keeps what its
author had before their eyes, a right given again holds for sessions that began knowing it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from crdt.chains import Link
from crdt.envelope import Envelope, Header
from crdt.ids import DeviceId, EnvelopeId
from crdt.permissions import LaneKind, Role, may_write
from crdt.records import Grant, Settle
from crdt.replica import Commit, Replica
from crdt.wire import frame_hash
from tests.simulating.world import Violation


@dataclass
class Written:
    """One honest change to a document. `name` is the message's id, or the key set in `shared`; "" for other changes."""

    envelope: EnvelopeId
    frame: bytes  # its hash
    header: Header
    identity: bytes
    name: str
    deletes: str  # the message's id that it takes back
    before: EnvelopeId | None  # the change before it in its chain
    knew: frozenset[bytes]  # grants that its session began with
    heard: frozenset[bytes]  # restrictions that it was written in knowledge of
    is_patched: bool = False  # its author may have had no right to begin with
    forged: bool = False  # patched software signed it; it must be refused
    acknowledged: bool = False
    waived: bool = False  # the only disk that had it was put back to an old backup: it may be gone


@dataclass
class Bound:
    """One restriction: of an identity to `cap`, or of one device to nothing. `kept` is what its author had seen."""

    identity: bytes
    device: bytes | None
    cap: Role
    kept: frozenset[bytes]

    def concerns(self, written: Written) -> bool:
        if self.device is not None:
            return self.device == written.header.device
        return self.identity == written.identity and not may_write(self.cap, LaneKind(written.header.kind))


@dataclass
class Ledger:
    """All of it, for one thread."""

    written: dict[bytes, Written] = field(default_factory=dict)  # by envelope
    by_frame: dict[bytes, Written] = field(default_factory=dict)
    bounds: dict[bytes, Bound] = field(default_factory=dict)  # by the record's envelope
    grants: dict[bytes, tuple[bytes, frozenset[bytes]]] = field(default_factory=dict)  # record → identity, bounds known
    void: set[bytes] = field(default_factory=set)  # records that may count for nothing
    forged: set[bytes] = field(default_factory=set)  # envelopes that must be refused
    _after: dict[bytes, list[Written]] = field(default_factory=dict)  # in `shared`: what names each as before it
    settled: dict[bytes, dict[bytes, frozenset[bytes]]] = field(default_factory=dict)  # bound → settlement → kept

    def changed(self, replica: Replica, commit: Commit, name: str, deletes: str) -> Written:
        """Note a change to a document."""
        envelope = commit.receipt.envelope
        assert envelope is not None
        written = self._noted(replica, envelope, commit.frame, name, deletes)
        self.written[envelope.id] = self.by_frame[written.frame] = written
        return written

    def patched(self, replica: Replica, envelope: Envelope, frame: bytes, name: str) -> None:
        """Note a change that patched software signed: whether it counts is asked as of any other."""
        written = self._noted(replica, envelope, frame, name, "")
        written.is_patched = True
        self.written[envelope.id] = self.by_frame[written.frame] = written

    def cheated(self, replica: Replica, envelope: Envelope, frame: bytes) -> None:
        """Note an envelope that must be refused everywhere. Its author's word it is all the same."""
        self.forged.add(envelope.id)
        self._noted(replica, envelope, frame, "", "", forged=True)

    def _noted(
        self, replica: Replica, envelope: Envelope, frame: bytes, name: str, deletes: str, forged: bool = False
    ) -> Written:
        assert replica.author is not None
        header = envelope.header
        before = self.written.get(header.previous)
        closure = replica.graph.closure(header.heads) or 0

        def known(records: Iterable[bytes]) -> frozenset[bytes]:
            told = ((each, replica.graph.get(each)) for each in records)
            return frozenset(each for each, node in told if node is not None and closure & node.bit)

        written = Written(
            envelope.id,
            frame_hash(frame),
            header,
            replica.author.identity,
            name,
            deletes,
            before.envelope if before else None,
            before.knew if before else known(self.grants),
            known(self.bounds),
            forged,
        )
        if header.kind == LaneKind.SHARED:
            for earlier in (*header.seen, *((header.previous,) if header.previous else ())):
                self._after.setdefault(earlier, []).append(written)
        return written

    def applied_in(self, replica: Replica) -> frozenset[bytes]:
        """The changes a replica shows."""
        return frozenset(each for each in self.written if _is_applied(replica.chains.get(each)))

    def governed(self, replica: Replica, commit: Commit, kept: frozenset[bytes]) -> None:
        """Note what a governance record restricts or gives. `kept`: what its author saw just before."""
        envelope = commit.receipt.envelope
        assert envelope is not None
        for limit in replica.membership.limits:
            if limit.node.id == envelope.id:
                self.bounds[envelope.id] = Bound(limit.identity, limit.device, limit.cap, kept)
        node = replica.graph.get(envelope.id)
        assert node is not None
        for action in node.record.actions:
            if isinstance(action, Settle):
                self.settled.setdefault(action.restriction, {})[envelope.id] = kept
            if isinstance(action, Grant):
                known = frozenset(each for each in self.bounds if each in replica.graph)
                self.grants[envelope.id] = (action.identity, known)

    def is_cut(self, written: Written, replica: Replica, has: Callable[[Written], bool]) -> bool:
        """Whether a record that counts takes the change back, for whoever `has` what they have."""
        counted = _counted(replica)
        for identifier in counted & self.bounds.keys():
            if self._is_beyond(written, identifier, counted) and (
                written.header.kind != LaneKind.SHARED
                or counted & self.settled.get(identifier, {}).keys()
                or not self._is_carried(written, identifier, replica, has)
            ):
                return True
        return False

    def _is_beyond(self, written: Written, identifier: bytes, counted: set[bytes]) -> bool:
        bound = self.bounds[identifier]
        settled = [kept for each, kept in self.settled.get(identifier, {}).items() if each in counted]
        stays = written.envelope in bound.kept or (
            written.header.kind == LaneKind.SHARED and any(written.envelope in kept for kept in settled)
        )
        return bound.concerns(written) and not stays and not self._is_lifted(written, identifier)

    def _is_carried(self, written: Written, bound: bytes, replica: Replica, has: Callable[[Written], bool]) -> bool:
        """Whether somebody whom the restriction is not about went on from it in ignorance."""
        seen, due = {written.envelope}, [written]
        while due:
            each = due.pop()
            if bound in each.heard:
                continue
            if not self.bounds[bound].concerns(each) and self._stands_alone(each, replica):
                return True
            for later in self._after.get(each.envelope, ()):
                if later.envelope not in seen and has(later):
                    seen.add(later.envelope)
                    due.append(later)
        return False

    def _stands_alone(self, written: Written, replica: Replica) -> bool:
        counted = _counted(replica)
        at: Written | None = written
        while at is not None:
            if not self._had_right(at, replica):
                return False
            if any(self._is_beyond(at, each, counted) for each in counted & self.bounds.keys()):
                return False
            at = self.written.get(at.before) if at.before else None
        return True

    def _is_lifted(self, written: Written, bound: bytes) -> bool:
        if self.bounds[bound].device is not None:
            return False
        given = (self.grants[known] for known in written.knew)
        return any(identity == written.identity and bound in knew for identity, knew in given)

    def waive(self, lost: set[bytes]) -> None:
        """These frames' only copies are gone, by no fault of the code."""
        for frame in lost:
            if written := self.by_frame.get(frame):
                written.waived = True

    def standing(self, frames: set[bytes], replica: Replica) -> list[Written]:
        """The changes that count for whoever has these frames: whole chains, on what counts itself, not cut.

        In `shared`, where one builds on others, what was built on something that is gone waits for it.
        """
        stands: dict[bytes, bool] = {}
        for written in self.written.values():  # in the order of writing: what a change builds on comes before it
            header = written.header
            is_bound = header.kind == LaneKind.SHARED or not header.sequence
            needed = [*((written.before,) if written.before else ()), *(header.seen if is_bound else ())]
            stands[written.envelope] = (
                written.frame in frames
                and all(stands.get(each, False) for each in needed)
                and not self.is_cut(written, replica, lambda each: each.frame in frames)
                and self._had_right(written, replica)
            )
        return [written for written in self.written.values() if stands[written.envelope]]

    def _had_right(self, written: Written, replica: Replica) -> bool:
        """Every change was made with a right its author saw; a grant may turn out void, its author being cut off."""
        counted = {given.node.id for given in replica.membership.grants}
        if not (written.is_patched or written.forged) and all(
            grant in counted for grant in self.grants if grant in replica.graph
        ):
            return True
        closure = replica.graph.closure(written.header.heads)
        identity = replica.membership.author_at(DeviceId(written.header.device), closure or 0)
        role = replica.membership.role_at(identity, closure or 0) if identity is not None else Role.NONE
        return may_write(role, LaneKind(written.header.kind))

    def check_nothing_cut_shows(self, replica: Replica, who: str) -> None:
        """Nothing that a restriction known here takes back is shown here, nor anything forged."""
        for envelope in self.applied_in(replica):
            if self.is_cut(self.written[envelope], replica, lambda each: each.envelope in replica.chains):
                raise Violation("cut", f"{who} shows {self.written[envelope].name!r}, which was written after the cut")
        membership = replica.membership
        said = (*membership.limits, *membership.settlements, *membership.grants, *membership.epochs)
        if any(each.node.id in self.void for each in said):
            raise Violation("void", f"{who} counts what somebody without authority has said")
        for envelope in self.forged:
            if _is_applied(replica.chains.get(envelope)):
                raise Violation("forged", f"{who} shows an update in another's name")


def _counted(replica: Replica) -> set[bytes]:
    """The restrictions and settlements that count."""
    membership = replica.membership
    return {each.node.id for each in (*membership.limits, *membership.settlements)}


def _is_applied(link: Link | None) -> bool:
    return link is not None and link.state == Link.APPLIED
