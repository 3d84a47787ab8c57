"""Which governance records count, as a pure function of their set.

The fold runs in the order in which authority flows. Device logs prove themselves, so they come first.
Then the owners, each handing over to the next by a root-signed offer. Then the owners' devices and at
last the members' own, the standing before the revoked and the senior before the junior: when a
device's turn comes, everything that may cut it off has been counted. A record that does not count
still links the graph.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeVar

from crdt import keys
from crdt.admissions import Admitted, Offered
from crdt.errors import PeerFault
from crdt.governance import Graph, Node
from crdt.identity import ADD, SignedEntry, fold_log, open_entry
from crdt.ids import DeviceId, EnvelopeId, EpochId, IdentityId
from crdt.membership import Given, Limit, Membership, Opened, Ownership, Settled
from crdt.permissions import GOVERNANCE, LaneKind, Role
from crdt.records import (
    Accept,
    Action,
    Admit,
    Cut,
    Devices,
    Genesis,
    Grant,
    Invite,
    NewEpoch,
    Offer,
    Relays,
    Restrict,
    RevokeDevice,
    Settle,
    Withdraw,
    offer_bytes,
    thread_id,
)

ACTIONS_OF_MEMBERS = (Devices, RevokeDevice, Restrict)  # what an identity lane may say, of oneself alone
RESTRICTING = (RevokeDevice, Restrict, Accept, Withdraw)


def fold(graph: Graph) -> Membership:
    """Decide what counts. Depends on the set of linked records alone."""
    private = 0
    while True:
        found = _Fold(graph, private).result()
        more = _private(graph, found) & ~private
        if not more:
            return found
        private |= more


def _private(graph: Graph, found: Membership) -> int:
    """The records under a key that no owner had opened in their past, and what builds on such. Not every member can
    read them, so that nobody may go by them: else a key for some alone would part these from the others."""
    private = found.private
    for node in graph.nodes:
        is_first = isinstance(node.record.actions[0], Genesis)
        if private & node.past or not (is_first or found.openings.get(node.epoch, 0) & node.past):
            private |= node.bit
    return private


A = TypeVar("A", Accept, NewEpoch, RevokeDevice)


class _Fold:
    def __init__(self, graph: Graph, private: int) -> None:
        self.graph = graph
        self.nodes = [node for node in graph.nodes if not private & node.bit]
        self.found = Membership(everything=((1 << len(graph)) - 1) & ~private, private=private)
        self.claims: dict[IdentityId, int] = defaultdict(
            int
        )  # by whom an offer was taken up, in their own eyes at least
        self.by_device: dict[DeviceId, list[Node]] = defaultdict(list)
        for node in sorted(self.nodes, key=lambda n: (n.depth, n.id)):
            self.by_device[node.device].append(node)
        self.relays_at: tuple[int, bytes] = (-1, b"")
        # Of an identity's device that was ended: what every ending leaves.
        self.spared: dict[tuple[IdentityId, DeviceId, LaneKind], int] = {}

    def result(self) -> Membership:
        self._read_logs()
        self._follow_owners()
        self._read_openings()
        owners = list(dict.fromkeys(owner.identity for owner in self.found.owners))  # one may be owner twice
        for rank, identity in enumerate(owners):
            for device in self._in_order(identity):
                self._count(device, identity, (rank, self.found.logs[identity].devices[device].rank))
        self.found.settle_admissions()  # only owners let anybody in, and members' turns depend on who is one
        for identity in sorted(self.found.logs):
            if identity not in owners:
                for device in self._in_order(identity):
                    self._count(device, identity, (len(self.found.owners), 0))
        self._choose_homes(owners)
        return self.found

    def _get(self, identifier: bytes) -> Node | None:
        node = self.graph.get(identifier)
        return None if node is None or self.found.private & node.bit else node

    # ---- device logs

    def _read_logs(self) -> None:
        entries: dict[IdentityId, dict[bytes, SignedEntry]] = defaultdict(dict)
        for node in self.nodes:
            for signed in _entries_of(node):
                try:
                    entry = open_entry(signed)
                except PeerFault:
                    continue
                entries[IdentityId(entry.identity)][signed.hash] = signed
                if entry.kind == ADD:
                    device = DeviceId(entry.subject)
                    self.found.introduced[device] = self.found.introduced.get(device, 0) | node.bit
                    asked = (device, IdentityId(entry.identity))
                    self.found.introduced_as[asked] = self.found.introduced_as.get(asked, 0) | node.bit
        for identity in sorted(entries):
            signed_entries = [entries[identity][h] for h in sorted(entries[identity])]
            self.found.entries[identity] = signed_entries
            log = self.found.logs[identity] = fold_log(identity, signed_entries)
            for device in log.devices:
                self.found.homes[device] = (*self.found.homes.get(device, ()), identity)
                self.found.identity_of.setdefault(device, identity)

    def _in_order(self, identity: IdentityId) -> list[DeviceId]:
        """The identity's devices, those that stand first, each group the senior first."""
        log = self.found.logs.get(identity)
        return [d.id for d in sorted(log.devices.values() if log else (), key=lambda d: (d.revoked, d.rank))]

    def _choose_homes(self, owners: list[IdentityId]) -> None:
        """Whose a device in several logs is to be called: an owner's, a member's, then the smallest identity's."""
        granted = {grant.identity for grant in self.found.grants}
        for device, homes in self.found.homes.items():
            if len(homes) > 1:
                chosen = min(homes, key=lambda each: (each not in owners, each not in granted, each))
                self.found.identity_of[device] = chosen

    # ---- owners

    def _follow_owners(self) -> None:
        """Genesis names the first owner; each next one was offered the thread by the root before and accepted."""
        for node in self.nodes:
            action = node.record.actions[0]
            if isinstance(action, Genesis) and not self.found.owners:
                self.found.genesis = action
                self.found.owners.append(Ownership(IdentityId(action.owner), None))
        used: set[bytes] = set()
        while self.found.owners and (step := self._next_owner(self.found.owners[-1], used)):
            used.add(step[0])
            self._hand_over(self.found.owners[-1], step[1])
            self.found.owners.append(step[1])

    def _next_owner(self, owner: Ownership, used: set[bytes]) -> tuple[bytes, Ownership] | None:
        accepted = []
        offered: dict[tuple[bytes, IdentityId], bool] = {}
        for node, action in self._actions(Accept):
            offer_node = self._get(action.offer)
            if offer_node is None or action.offer in used or not node.knew(offer_node.index):
                continue
            identity = self.found.author_at(node.device, node.closure)
            if identity is None:
                continue
            asked = (action.offer, identity)  # anybody may name one offer again and again
            if asked not in offered:
                offers = (each for each in offer_node.record.actions if isinstance(each, Offer) and each.to == identity)
                offered[asked] = any(self._is_offered(owner, each, offer_node) for each in offers)
            revoked = self.found.logs[identity].devices[node.device].revoked
            if offered[asked] and not (revoked and self._is_ended_by_own(node, identity)):
                # A device that its identity has revoked may be a thief's: any standing one goes before it.
                place = (revoked, node.depth, node.id)
                accepted.append((place, action.offer, Ownership(identity, node)))
                self.claims[identity] |= node.bit
        return min(accepted, key=lambda each: each[0])[1:] if accepted else None

    def _is_ended_by_own(self, node: Node, identity: IdentityId) -> bool:
        """Whether a standing device of the identity's has ended the record's device here, before the record. Such a
        word stands whoever owns the thread, so that it can be heard before that is known."""
        for other, action in self._actions(RevokeDevice):
            author = self.found.author_at(other.device, other.closure)
            if action.device != node.device or other.kind is not LaneKind.IDENTITY or author != identity:
                continue
            if not self.found.logs[identity].devices[other.device].revoked:
                left = Limit(other, identity, node.device, Role.NONE, action.cuts).tips(node.kind, b"", node.device)
                tips = [tip for tip in map(self._get, left) if tip is not None]
                if not any(tip.closure & node.bit for tip in tips):
                    return True
        return False

    def _is_offered(self, owner: Ownership, offer: Offer, node: Node) -> bool:
        if owner.since is not None and not node.knew(owner.since.index):
            return False
        signed = offer_bytes(self._thread(), offer.to, owner.since.id if owner.since else b"")
        return _signed_by_root(owner.identity, signed, offer.signature)

    def _read_openings(self) -> None:
        """By which records owners opened epochs. Of several who took up offers at once, each is one to whoever has not
        heard of the others; and what a device wrote that was cut off later has been gone by until then."""
        for node, action in self._actions(NewEpoch):
            author = self.found.author_at(node.device, node.closure)
            if node.kind is not LaneKind.CONTROL or action.depth > node.depth or author is None:
                continue
            if author == self.found.owner_at(node.closure) or self.claims.get(author, 0) & node.closure:
                self.found.openings[action.epoch] = self.found.openings.get(action.epoch, 0) | node.bit

    def _thread(self) -> bytes:
        return thread_id(self.found.genesis) if self.found.genesis else b""

    def _actions(self, kind: type[A]) -> Iterator[tuple[Node, A]]:
        for node in self.nodes:
            for action in node.record.actions:
                if isinstance(action, kind):
                    yield node, action

    # ---- records

    def _before_equivocation(self, nodes: Iterable[Node]) -> int:
        """The records a device wrote before it first said two things at one position: all, if it never did."""
        at: dict[tuple[int, tuple[bytes, int]], list[Node]] = defaultdict(list)
        for node in nodes:
            at[node.kind, node.position].append(node)
        trusted = (1 << len(self.graph)) - 1
        for twins in at.values():
            if len(twins) > 1:
                for twin in twins:
                    trusted &= twin.past
        return trusted

    def _count(self, device: DeviceId, identity: IdentityId, rank: tuple[int, int]) -> None:
        """Count a device's records: restrictions first, so that a device that ends itself ends its other work too."""
        self._count_actions(device, identity, rank, restricting=True)
        # What is cut off is no equivocation either, or a thief could void with it all that stands of the device.
        trusted = self._before_equivocation(self._standing(device, identity))
        self._count_actions(device, identity, rank, restricting=False, among=trusted)

    def _count_actions(
        self, device: DeviceId, identity: IdentityId, rank: tuple[int, int], *, restricting: bool, among: int = -1
    ) -> None:
        for node in self._standing(device, identity):
            for action in node.record.actions if among & node.bit else ():
                if isinstance(action, RESTRICTING) is restricting and self._has_authority(node, identity, action):
                    self._apply(node, identity, action, rank)

    def _standing(self, device: DeviceId, identity: IdentityId) -> Iterator[Node]:
        """The records by which a device may say something as that identity's, and that nothing cuts off, as far as has
        been counted."""
        for node in self.by_device.get(device, []):
            may = node.kind is not LaneKind.CONTROL or self.found.owner_at(node.closure) == identity
            if may and self.found.author_at(device, node.closure) == identity and not self._is_cut(node, identity):
                yield node

    def _is_cut(self, node: Node, identity: IdentityId) -> bool:
        if not self.spared.get((identity, node.device, node.kind), -1) & node.bit:
            return True
        for limit in self.found.limits_on(identity, node.device, node.kind):
            if limit.device is not None or limit.node is node or self.found.is_exempt(limit, identity, node.closure):
                continue
            tips = [self._get(tip) for tip in limit.tips(node.kind, b"", node.device)]
            if not any(tip is not None and tip.closure & node.bit for tip in tips):
                return True
        return False

    def _has_authority(self, node: Node, identity: IdentityId, action: Action) -> bool:
        if node.kind is LaneKind.CONTROL:
            return True
        if isinstance(action, Restrict):
            return action.identity == identity
        return isinstance(action, ACTIONS_OF_MEMBERS)

    def _apply(self, node: Node, identity: IdentityId, action: Action, rank: tuple[int, int]) -> None:
        found = self.found
        match action:
            case Grant():
                found.give(Given(node, IdentityId(action.identity), Role(action.role), action.name))
            case Restrict() if IdentityId(action.identity) != found.owner_at(node.closure):
                limited = IdentityId(action.identity)
                found.limit(Limit(node, limited, None, Role(action.role), action.cuts))
            case RevokeDevice():
                for home in self.found.homes.get(DeviceId(action.device), ()):
                    if home == identity or node.kind is LaneKind.CONTROL:
                        self._revoke(node, home, DeviceId(action.device), action.cuts)
            case NewEpoch() if action.depth <= node.depth:  # a made-up depth would outdo every later epoch
                found.epochs.append(Opened(node, EpochId(action.epoch), action.depth, action.parents, rank))
            case Relays() if (node.depth, node.id) > self.relays_at:
                self.relays_at = (node.depth, node.id)
                found.relays = action.urls
            case Invite():
                found.invites.offer(Offered(node, identity, action, rank))
            case Withdraw():
                found.invites.withdraw(action.invite, node)
            case Admit():
                found.invites.admit(Admitted(node, action.invite, IdentityId(action.identity), action, rank))
            case Settle() if self._knew(node, action.restriction):
                found.settlements.append(Settled(node, identity, EnvelopeId(action.restriction), action.cuts))
            case Offer():
                found.offers.append((node, action))
            case _:
                pass

    def _knew(self, node: Node, record: bytes) -> bool:
        earlier = self._get(record)
        return earlier is not None and node.knew(earlier.index)

    def _revoke(self, node: Node, identity: IdentityId, device: DeviceId, cuts: tuple[Cut, ...]) -> None:
        """Counts only beside the log entry that revokes, and only for one's own device or in one's own thread."""
        if self.found.logs[identity].devices[device].revoked:
            limit = Limit(node, identity, device, Role.NONE, cuts)
            self.found.limit(limit)
            for kind in GOVERNANCE:
                left = node.bit
                for tip in map(self._get, limit.tips(kind, b"", device)):
                    left |= tip.closure if tip is not None else 0
                self.spared[identity, device, kind] = self.spared.get((identity, device, kind), -1) & left

    def _hand_over(self, before: Ownership, after: Ownership) -> None:
        """The acceptance that makes somebody owner ends the owner before where its cuts say."""
        assert after.since is not None
        if before.identity != after.identity:
            for action in after.since.record.actions:
                if isinstance(action, Accept):
                    self.found.limit(Limit(after.since, before.identity, None, Role.NONE, action.cuts))


@lru_cache(maxsize=8_192)  # signatures that anybody made up stay in the graph, and every fold comes by them
def _signed_by_root(root: bytes, offered: bytes, signature: bytes) -> bool:
    return keys.verify(root, "transfer", offered, signature)


def _entries_of(node: Node) -> Iterable[SignedEntry]:
    for action in node.record.actions:
        if isinstance(action, Devices):
            yield from action.entries
