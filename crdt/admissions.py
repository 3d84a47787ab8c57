"""Who was let in by links: which invites are open, and which admissions stand when several raced for one use.

Part of the fold, and like it a function of the set of records. An admission is keyed by invite and
joiner. It is void if the invite was withdrawn by a record that did not know of it, or if others have
used the invite up. Nobody's clock plays a part: expiry was judged by whoever let the joiner in.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crdt.governance import Node
from crdt.ids import IdentityId
from crdt.permissions import LaneKind, Role
from crdt.records import Admit, Invite

if TYPE_CHECKING:
    from crdt.membership import Limit, Ownership

Rank = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Offered:
    """An invite by a record that counts. `identity` is the owner who made it."""

    node: Node
    identity: IdentityId
    action: Invite
    rank: Rank


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admission by a record that counts, whether it stands or not. `rank` is its author's."""

    node: Node
    invite: bytes
    identity: IdentityId
    action: Admit
    rank: Rank


@dataclass(slots=True)
class Invites:
    """All invites of a thread. Filled while the fold counts the owners' records, then settled."""

    offered: dict[bytes, Offered] = field(default_factory=dict)
    _withdrawn: dict[bytes, list[Node]] = field(default_factory=lambda: defaultdict(list))
    _admitted: dict[bytes, list[Admitted]] = field(default_factory=lambda: defaultdict(list))
    _standing: dict[tuple[bytes, int], frozenset[IdentityId]] = field(default_factory=dict)

    def offer(self, offered: Offered) -> None:
        """One key is one invite: of several, that of the senior author, then the first."""
        key = offered.action.key
        both = [offered, *([self.offered[key]] if key in self.offered else [])]
        self.offered[key] = min(both, key=lambda each: (each.rank, each.node.depth, each.node.id))

    def withdraw(self, key: bytes, node: Node) -> None:
        """A record that counts withdraws the invite of that key."""
        self._withdrawn[key].append(node)

    def admit(self, admitted: Admitted) -> None:
        """A record that counts admits somebody."""
        self._admitted[admitted.invite].append(admitted)

    def settle(self, limits: "Sequence[Limit]", owners: "Sequence[Ownership]") -> None:
        """Everything that owners say has been counted: leave admissions of open invites, and find what closes one."""
        for key in list(self._admitted):
            offered = self.offered.get(key)
            self._admitted[key] = [a for a in self._admitted[key] if offered and a.node.knew(offered.node.index)]
        for key, offered in self.offered.items():
            self._withdrawn[key] += self._closing(offered, limits, owners)

    def _closing(self, offered: Offered, limits: "Iterable[Limit]", owners: "Iterable[Ownership]") -> Iterator[Node]:
        """What withdraws an invite without naming it: a removal of somebody who came by it, the revocation of any of
        its maker's devices (each knows the secret of every link), a new owner."""
        limits = list(limits)
        past = {limit.device for limit in limits if limit.device and offered.node.knew(limit.node.index)}
        for limit in limits:
            if limit.device is not None:
                if limit.identity == offered.identity and limit.device not in past:
                    yield limit.node
            elif limit.cap is Role.NONE and limit.node.kind is LaneKind.CONTROL:
                came = [a for a in self._admitted[offered.action.key] if a.identity == limit.identity]
                if any(not a.node.knew(limit.node.index) for a in came):
                    yield limit.node
        for owner in owners:
            since = owner.since
            if since is not None and owner.identity != offered.identity and not offered.node.knew(since.index):
                yield since

    # ---- what it comes to

    def resolve(self, closure: int) -> Iterator[tuple[Admitted, Role]]:
        """Each admission of a closed set of records with the role it gives: none if it is void."""
        for key in sorted(self._admitted):
            for admitted in self._admitted[key]:
                if closure & admitted.node.bit:
                    stands = self.stands(admitted, closure)
                    yield admitted, Role(self.offered[key].action.role) if stands else Role.NONE

    def stands(self, admitted: Admitted, closure: int) -> bool:
        """Whether an admission is good to whoever knows these records and no others."""
        return not self._is_void(admitted, closure) and admitted.identity in self.standing(admitted.invite, closure)

    def is_withdrawn(self, key: bytes, closure: int) -> bool:
        """Whether the invite of that key lets nobody in any more, by these records."""
        return any(closure & node.bit for node in self._withdrawn.get(key, ()))

    def admissions(self, key: bytes) -> list[Admitted]:
        """Whoever was admitted by that invite, those whose admission is void too."""
        return self._admitted.get(key, [])

    def standing(self, key: bytes, closure: int) -> frozenset[IdentityId]:
        """The joiners whom the invite of that key let in, by these records: never more than its uses.

        Who was admitted by somebody that saw no use left is out. Of others who raced, the first by the
        admitter's rank and the redemption's id stay.
        """
        found = self._standing.get((key, closure))
        if found is None:
            uses = self.offered[key].action.uses if key in self.offered else 0
            live = [a for a in self._admitted.get(key, ()) if closure & a.node.bit and not self._is_void(a, closure)]
            places: dict[IdentityId, tuple[Rank, bytes]] = {}
            race = _Race(live, uses)
            for each in live:
                place = (each.rank, each.action.redemption)
                if race.saw_room(each):
                    places[each.identity] = min(place, places.get(each.identity, place))
            first = sorted(places, key=lambda identity: (places[identity], identity))[:uses]
            found = self._standing[key, closure] = frozenset(first)
        return found

    def _is_void(self, admitted: Admitted, closure: int) -> bool:
        """Whether the invite was withdrawn by a record that did not know of this admission."""
        closing = self._withdrawn.get(admitted.invite, ())
        return any(closure & node.bit and not node.closure & admitted.node.bit for node in closing)


class _Race:
    """Who was let in by one invite, so that "whom did this record know of" takes few steps however many there are."""

    def __init__(self, live: Sequence[Admitted], uses: int) -> None:
        self._uses = uses
        self._of_record: dict[int, set[IdentityId]] = defaultdict(set)  # index → whom it admits, hardly ever several
        for each in live:
            self._of_record[each.node.index].add(each.identity)
        self._everything = sum(1 << index for index in self._of_record)
        self._alone: dict[IdentityId, int] = defaultdict(int)  # bit sets of the records that admit one joiner alone
        for index, joiners in self._of_record.items():
            if len(joiners) == 1:
                self._alone[next(iter(joiners))] |= 1 << index

    def saw_room(self, admitted: Admitted) -> bool:
        """Whether whoever let somebody in knew of fewer others than the invite has uses."""
        others: set[IdentityId] = set()
        known = admitted.node.past & self._everything
        while known:
            index = (known & -known).bit_length() - 1
            known &= known - 1
            for joiner in self._of_record[index]:
                known &= ~self._alone[joiner]
                if joiner != admitted.identity:
                    others.add(joiner)
            if len(others) >= self._uses:
                return False
        return True
