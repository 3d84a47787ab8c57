"""Who is in the thread with what right, once it has been decided which governance records count.

It answers three questions: which role an identity has at given heads, which restrictions cut which lane,
and which epoch to write with. What counts is decided in `fold`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from crdt.admissions import Admitted, Invites
from crdt.governance import Node
from crdt.identity import DeviceLog, SignedEntry
from crdt.ids import DeviceId, EnvelopeId, EpochId, IdentityId
from crdt.permissions import LaneKind, Role, may_write
from crdt.records import Cut, Genesis, Offer


@dataclass(frozen=True, slots=True)
class Given:
    """A counted grant."""

    node: Node
    identity: IdentityId
    role: Role
    name: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A counted restriction: of an identity to `cap`, or (`device` set) of one device to nothing."""

    node: Node
    identity: IdentityId
    device: DeviceId | None
    cap: Role
    cuts: tuple[Cut, ...]

    def cuts_lanes_of(self, kind: LaneKind) -> bool:
        """Whether it cuts lanes of that kind, of the device or of all the identity's devices."""
        return self.device is not None or not may_write(self.cap, kind)

    def concerns(self, identity: IdentityId, device: bytes, kind: LaneKind) -> bool:
        """Whether it cuts lanes of that kind of a device in that identity's log."""
        return self.identity == identity and self.device in (None, device) and self.cuts_lanes_of(kind)

    def tips(self, kind: int, scope: bytes, device: bytes) -> tuple[bytes, ...]:
        """The tips it leaves that device in that lane; none means nothing stays."""
        return named_tips(self.cuts, kind, scope, device)


@dataclass(frozen=True, slots=True)
class Settled:
    """A counted settlement: `identity`, an owner, closed the matter of the restrictions in one record."""

    node: Node
    identity: IdentityId
    restriction: EnvelopeId
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A counted epoch. `rank` is how senior its author is, 0 first."""

    node: Node
    id: EpochId
    depth: int
    parents: tuple[bytes, ...]
    rank: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ownership:
    """One owner. `since` is the acceptance that made them owner; None for the first."""

    identity: IdentityId
    since: Node | None


class Said(NamedTuple):
    """The ids of the records that give an identity a role, limit it, and settle such limits."""

    given: frozenset[EnvelopeId]
    limited: frozenset[EnvelopeId]
    settled: frozenset[EnvelopeId]


@dataclass(slots=True)
class Membership:
    """What the counted records amount to."""

    genesis: Genesis | None = None
    owners: list[Ownership] = field(default_factory=list)
    logs: dict[IdentityId, DeviceLog] = field(default_factory=dict)
    entries: dict[IdentityId, list[SignedEntry]] = field(default_factory=dict)
    identity_of: dict[DeviceId, IdentityId] = field(default_factory=dict)  # by all records
    homes: dict[DeviceId, tuple[IdentityId, ...]] = field(default_factory=dict)  # in whose logs it is: one, if honest
    introduced: dict[DeviceId, int] = field(default_factory=dict)  # bit set of the records that carry its log entry
    introduced_as: dict[tuple[DeviceId, IdentityId], int] = field(default_factory=dict)  # the same, for each log
    grants: list[Given] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    settlements: list[Settled] = field(default_factory=list)
    epochs: list[Opened] = field(default_factory=list)
    openings: dict[bytes, int] = field(default_factory=dict)  # epoch → bit set of the records by owners that opened it
    private: int = 0  # bit set of the records that are passed over, sealed under a key that no owner handed out
    relays: tuple[str, ...] = ()
    offers: list[tuple[Node, Offer]] = field(default_factory=list)
    invites: Invites = field(default_factory=Invites)
    everything: int = 0  # bit set of all records
    _grants_to: dict[IdentityId, list[Given]] = field(default_factory=dict)
    _limits_of: dict[IdentityId, list[Limit]] = field(default_factory=dict)
    _limits_in: dict[tuple[bytes, LaneKind], list[Limit]] = field(default_factory=dict)  # by identity or device
    _void: dict[IdentityId, list[Admitted]] = field(default_factory=dict)
    _opened: dict[IdentityId, set[bytes]] = field(default_factory=dict)
    _safe: list[Opened] | None = None

    @property
    def owner(self) -> IdentityId | None:
        """The owner as of all records."""
        return self.owners[-1].identity if self.owners else None

    def owner_at(self, closure: int) -> IdentityId | None:
        """The owner as of a closed set of records."""
        known = [each.identity for each in self.owners if each.since is None or closure >> each.since.index & 1]
        return known[-1] if known else None

    def role_at(self, identity: IdentityId, closure: int) -> Role:
        """The role an identity has by the counted records of a closed set."""
        if identity == self.owner_at(closure):
            return Role.OWNER
        caps = [limit for limit in self._limits_of.get(identity, ()) if limit.device is None]
        best = Role.NONE
        for grant in self._grants_to.get(identity, ()):
            if closure >> grant.node.index & 1:
                best = max(best, min([grant.role, *(c.cap for c in caps if _caps(c, grant, closure))]))
        return best

    def role(self, identity: IdentityId) -> Role:
        """The role as of all records."""
        return self.role_at(identity, self.everything)

    def is_revoked(self, device: DeviceId) -> bool:
        """Whether the device's identity has revoked it."""
        identity = self.identity_of.get(device)
        return identity is not None and self.logs[identity].devices[device].revoked

    def writes(self, device: DeviceId) -> bool:
        """Whether the device may write timelines and drafts, as of all records."""
        identity = self.identity_of.get(device)
        return (
            identity is not None and not self.is_revoked(device) and may_write(self.role(identity), LaneKind.TIMELINE)
        )

    def author_at(self, device: DeviceId, closure: int) -> IdentityId | None:
        """Whose device it is, by the log entries in the records of the set: what is entered later changes nothing about
        what was said before, for whoever stole the device can enter it in another log. Of two the smaller identity."""
        for identity in self.homes.get(device, ()):
            if self.introduced_as.get((device, identity), 0) & closure:
                return identity
        return None

    def members(self) -> dict[IdentityId, Role]:
        """Everybody with a role, the owner first."""
        found = {self.owner: Role.OWNER} if self.owner is not None else {}
        for grant in self.grants:
            if grant.identity not in found and (role := self.role(grant.identity)) > Role.NONE:
                found[grant.identity] = role
        return found

    def admitted_login(self, identity: IdentityId) -> bytes | None:
        """What an identity proved to the relay when it came by a link or handed the thread over, the latest it said."""
        everybody = [admitted for key in self.invites.offered for admitted in self.invites.admissions(key)]
        said = [(each.node, each.action.login) for each in everybody if each.identity == identity]
        said += [(node, offer.login) for node, offer in self.offers if self.identity_of.get(node.device) == identity]
        latest = max(said, key=lambda each: (each[0].depth, each[0].id), default=None)
        return latest[1] if latest is not None else None

    def is_open(self, epoch: bytes, closure: int) -> bool:
        """Whether an owner opened an epoch by a record of a closed set, all of which every member can open. Counted or
        not by now: others have written under it in good faith."""
        return bool(self.openings.get(epoch, 0) & closure) and not self.private & closure

    def give(self, grant: Given) -> None:
        """Count a grant."""
        self.grants.append(grant)
        self._grants_to.setdefault(grant.identity, []).append(grant)

    def limit(self, limit: Limit) -> None:
        """Count a restriction."""
        self.limits.append(limit)
        self._limits_of.setdefault(limit.identity, []).append(limit)
        for kind in LaneKind:
            if limit.cuts_lanes_of(kind):
                self._limits_in.setdefault((limit.device or limit.identity, kind), []).append(limit)

    def settle_admissions(self) -> None:
        """Decide who was let in by links, once everything has been counted that owners say."""
        self.invites.settle(self.limits, self.owners)
        for admitted, role in self.invites.resolve(self.everything):
            if role is Role.NONE:
                self._void.setdefault(admitted.identity, []).append(admitted)
            else:
                self.give(Given(admitted.node, admitted.identity, role, admitted.action.name))

    def limits_on(self, identity: IdentityId, device: bytes, kind: LaneKind) -> list[Limit]:
        """The restrictions that cut that device's lanes of that kind."""
        of_device = (each for each in self._limits_in.get((device, kind), ()) if each.identity == identity)
        return [*self._limits_in.get((identity, kind), ()), *of_device]

    def says_of(self, identity: IdentityId) -> Said:
        """The counted records that decide an identity's rights."""
        limited = frozenset(limit.node.id for limit in self._limits_of.get(identity, ()))
        return Said(
            frozenset(grant.node.id for grant in self._grants_to.get(identity, ())),
            limited,
            frozenset(each.node.id for each in self.settlements if each.restriction in limited),
        )

    def settled(self, limit: Limit) -> list[Settled]:
        """The settlements of a restriction: until there is one, others' work carries along what it cuts in `shared`."""
        return [each for each in self.settlements if each.restriction == limit.node.id]

    def is_exempt(self, limit: Limit, identity: IdentityId, known: int) -> bool:
        """Whether the restriction is lifted by a later grant, or by a handing over of the thread of which it did not
        know, that is among the `known` records: for content, those its session knew when it opened."""
        if limit.device is not None:
            return False
        lifting = [grant.node for grant in self._grants_to.get(identity, ()) if grant.node.knew(limit.node.index)]
        taken = [owner.since for owner in self.owners if owner.identity == identity and owner.since is not None]
        lifting += [since for since in taken if not limit.node.knew(since.index)]
        return any(known >> node.index & 1 for node in lifting)

    def writing_epochs(self) -> Iterator[Opened]:
        """The epochs that nobody who was put out can open, the one to write with first."""
        if self._safe is None:
            surplus = [who for who in self._void if self.role(who) is Role.NONE]
            safe = [
                epoch
                for epoch in self.epochs
                if not any(self._spoils(limit, epoch) for limit in self.limits)
                and not any(self._has_reached(who, epoch) for who in surplus)
            ]
            self._safe = sorted(safe, key=lambda e: (-e.depth, e.rank, e.id))
        yield from self._safe

    def _spoils(self, limit: Limit, epoch: Opened) -> bool:
        """Whether the epoch's key may be with somebody whom the restriction puts out, and so can't be used any more.

        Not if they had been put out before the epoch: else somebody long gone could silence everybody by
        leaving again and again.
        """
        if epoch.node.closure & limit.node.bit or (limit.device is None and limit.cap > Role.NONE):
            return False
        if limit.device is not None and any(
            other.device == limit.device and epoch.node.closure & other.node.bit
            for other in self._limits_of[limit.identity]
        ):
            return False
        return epoch.id in self._opened_by(limit.identity)

    def _has_reached(self, surplus: IdentityId, epoch: Opened) -> bool:
        """Whether the epoch's key may be with somebody whom a link let in and who turned out to be one too many.

        Not if its author knew of all that let them in, and that it was void: they were not given this key.
        """
        known = all(epoch.node.closure & void.node.bit for void in self._void[surplus])
        if known and not self._seemed_admitted(surplus, epoch.node.closure):
            return False
        return epoch.id in self._opened_by(surplus)

    def _seemed_admitted(self, identity: IdentityId, closure: int) -> bool:
        """Whether a void admission looked good to whoever knew no more than these records."""
        void = [each for each in self._void.get(identity, ()) if closure & each.node.bit]
        caps = [limit for limit in self._limits_of.get(identity, ()) if limit.device is None]
        for each in void:
            if self.invites.stands(each, closure):
                known = [c for c in caps if c.cap is Role.NONE and closure & c.node.bit]
                if all(each.node.knew(c.node.index) for c in known):
                    return True
        return False

    def _opened_by(self, identity: IdentityId) -> set[bytes]:
        """The epochs whose keys an identity was given: those of its time, and all before, sealed under these."""
        found = self._opened.get(identity)
        if found is None:
            found = self._opened[identity] = set()
            parents: dict[bytes, set[bytes]] = {}
            for epoch in self.epochs:
                parents.setdefault(epoch.id, set()).update(epoch.parents)
            todo: list[bytes] = [
                e.id
                for e in self.epochs
                if self.role_at(identity, e.node.closure) > Role.NONE or self._seemed_admitted(identity, e.node.closure)
            ]
            while todo:
                identifier = todo.pop()
                if identifier not in found:
                    found.add(identifier)
                    todo += parents.get(identifier, ())
        return found

    def epoch_tips(self) -> list[Opened]:
        """The counted epochs that no other one names as its parent."""
        named = {parent for epoch in self.epochs for parent in epoch.parents}
        return [epoch for epoch in self.epochs if epoch.id not in named]


def named_tips(cuts: tuple[Cut, ...], kind: int, scope: bytes, device: bytes) -> tuple[bytes, ...]:
    """The tips that cuts name of one device in one lane."""
    return tuple(tip for cut in cuts if (cut.kind, cut.scope, cut.device) == (kind, scope, device) for tip in cut.tips)


def _caps(limit: Limit, grant: Given, closure: int) -> bool:
    """A restriction caps every grant that did not know of it, the concurrent ones too."""
    return bool(closure >> limit.node.index & 1) and not grant.node.knew(limit.node.index)
