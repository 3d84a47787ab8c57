"""Whether a content envelope counts: its author's right at the heads it names, and every cut over it.

Order plays no part: each answer depends on the linked governance records, the envelope, what stands
before it in its chain, the tips that cuts name and, in `shared`, who went on from it. An answer may turn
from yes to no only when a governance record comes in (`renew`); from no to yes also when a tip that a cut
names comes in, or an envelope that went on from it (`arrived`).
"""

from collections.abc import Iterable
from typing import NamedTuple

from crdt.chains import Chains, Link, Place
from crdt.endorsement import Carried
from crdt.envelope import ChainKey
from crdt.fold import fold
from crdt.governance import Graph
from crdt.ids import DeviceId, IdentityId
from crdt.membership import Limit, Membership, Settled, named_tips
from crdt.permissions import LaneKind, may_write


class Acceptance:
    """The verdicts over one thread's content, for the membership as it is."""

    def __init__(self, graph: Graph, chains: Chains) -> None:
        self._graph = graph
        self._chains = chains
        self._membership = Membership()
        self._outdated = False
        self._closures: dict[tuple[bytes, ...], int] = {}
        self._rights: dict[tuple[bytes, int, LaneKind], bool] = {}
        self._open: dict[tuple[bytes, int], bool] = {}  # by epoch and closure
        self._cuts: dict[Place, list[CutOff]] = {}
        self._binding: dict[bytes, list[CutOff]] = {}  # opener → the restrictions that bind its session
        self._carried: dict[int, Carried] = {}  # by the `id` of the restriction, which the membership keeps alive
        self._standing: dict[bytes, int | None] = {}  # what `_stands` has found

    @property
    def membership(self) -> Membership:
        """Who may do what. Folded when it is asked for: many records may have come in since."""
        if self._outdated:
            self._membership, self._outdated = fold(self._graph), False
        return self._membership

    def renew(self) -> None:
        """A governance record has joined the graph: every chain has to be asked about again."""
        self._outdated = True
        self._rights.clear()
        self._open.clear()
        self._cuts.clear()
        self._binding.clear()
        self._carried.clear()
        self._standing.clear()

    def arrived(self, link: Link) -> set[ChainKey]:
        """A link has joined its chain. Returns the chains that it brings within a cut, or carries across one."""
        reached: set[ChainKey] = set()
        for cut in self._cuts.get(link.place, ()):
            for kept in cut.leaving:
                if link.id in kept.missing:
                    reached |= kept.extend([link.id])
        if link.header.kind == LaneKind.SHARED:
            if reached and self._carried:  # whoever stands within the cut now may keep what others wrote
                self._carried.clear()
                self._standing.clear()
                reached |= {chain for chain in self._chains.openers if chain[0] == LaneKind.SHARED}
            for carried in self._carried.values():
                reached |= carried.joined(link)
        return reached

    def accepts(self, link: Link, before: int) -> int | None:
        """The closure of the link's heads if it counts, given its predecessor's closure (0 for an opener); else None.

        The predecessors are accepted, and none of them is followed by a second envelope.
        """
        closure = self._right(link, before)
        return (
            closure if closure is not None and all(self._leaves(cut, link) for cut in self._binding_on(link)) else None
        )

    def refuses(self, link: Link, before: int) -> bool:
        """Whether a link doesn't count, and nothing is known to be missing that would decide it otherwise."""
        closure = self._closure(link.header.heads)
        if closure is None:
            return False
        if self._right(link, before) is None:
            return True
        cuts = [cut for cut in self._binding_on(link) if not self._leaves(cut, link)]
        return any(not any(kept.missing for kept in cut.leaving) for cut in cuts)

    def missing(self, link: Link) -> list[bytes]:
        """What an answer about a link may still depend on: heads that aren't here, tips that a cut of it names."""
        heads = [each for each in link.header.heads if each not in self._graph]
        if heads or not self.membership.homes.get(DeviceId(link.header.device)):
            return heads
        return [tip for cut in self._cuts_of(link.place) for kept in cut.leaving for tip in kept.missing]

    def is_marked(self, link: Link) -> bool:
        """Whether a cut of the link's device in its lane names it, or leaves it standing, whatever other cuts do."""
        cuts = self._cuts_of(link.place)
        return any(link.id in kept.missing or kept.holds(link) for cut in cuts for kept in cut.leaving)

    def awaits(self, place: Place, identifier: bytes) -> bool:
        """Whether a cut of that device in that lane names an envelope that isn't here."""
        return any(identifier in kept.missing for cut in self._cuts_of(place) for kept in cut.leaving)

    def closure_of(self, link: Link) -> int:
        """The closure of a link's heads; of none if one of them isn't here."""
        return self._closure(link.header.heads) or 0

    def kept_by(self, link: Link) -> frozenset[IdentityId]:
        """By whom an accepted link is kept, though it is beyond a cut: by those who went on from it unknowing, or by
        the owner who settled the matter. Empty for everything else."""
        found: set[IdentityId] = set()
        for cut in self._binding_on(link):
            if not cut.kept.holds(link):
                found |= self._carried_on(cut).keepers(link) if not cut.settled else {s.identity for s in cut.settled}
        return frozenset(found)

    def leaves(self, link: Link) -> bool:
        """Whether the author is known, and the restrictions that bind the session leave a link, rights aside."""
        return (
            self._is_open(link)
            and self.author_of(link) is not None
            and all(self._leaves(cut, link) for cut in self._binding_on(link))
        )

    def is_ended(self, link: Link) -> bool:
        """Whether a restriction ends the session of an accepted link: nothing after it counts, whatever is granted."""
        return bool(self._binding_on(link))

    def author_of(self, link: Link) -> IdentityId | None:
        """Whose device wrote the link, by the heads that it names."""
        closure = self._closure(link.header.heads)
        return None if closure is None else self.membership.author_at(DeviceId(link.header.device), closure)

    def _closure(self, heads: tuple[bytes, ...]) -> int | None:
        known = self._closures.get(heads)
        if known is None:
            known = self._graph.closure(heads)
            if known is not None:
                self._closures[heads] = known
        return known

    def _may(self, link: Link, closure: int) -> bool:
        header = link.header
        asked = (header.device, closure, LaneKind(header.kind))
        if asked not in self._rights:
            identity = self.membership.author_at(DeviceId(header.device), closure)
            role = self.membership.role_at(identity, closure) if identity is not None else None
            self._rights[asked] = role is not None and may_write(role, LaneKind(header.kind))
        return self._rights[asked]

    def _is_open(self, link: Link) -> bool:
        """Whether it is sealed under a key that an owner handed out, by the heads that it names."""
        closure = self._closure(link.header.heads)
        if closure is None:
            return False
        asked = (link.header.epoch, closure)
        if asked not in self._open:
            self._open[asked] = self.membership.is_open(*asked)
        return self._open[asked]

    def _right(self, link: Link, before: int) -> int | None:
        """The closure of its heads if its author had the right there, whatever was cut off later."""
        closure = self._closure(link.header.heads)
        if closure is None or before & ~closure or not self._may(link, closure) or not self._is_open(link):
            return None
        # A chain has one author: what binds its opener binds all of it.
        return closure if self.author_of(link) == self.author_of(link.opener) else None

    def _binding_on(self, link: Link) -> "list[CutOff]":
        """The restrictions that the link's session has to keep to."""
        opener = link.opener
        binding = self._binding.get(opener.id)
        if binding is None:
            concerned = self._cuts_of(link.place)
            closure = self._closure(opener.header.heads) or 0 if concerned else 0
            author = self.author_of(opener)
            binding = self._binding[opener.id] = [
                cut
                for cut in concerned
                if cut.limit.identity == author and not self.membership.is_exempt(cut.limit, author, closure)
            ]
        return binding

    def _cuts_of(self, place: Place) -> "list[CutOff]":
        found = self._cuts.get(place)
        if found is None:
            kind, _, device = place
            homes = self.membership.homes.get(DeviceId(device), ())
            limits = [each for home in homes for each in self.membership.limits_on(home, device, LaneKind(kind))]
            found = self._cuts[place] = [self._cut_off(limit, place) for limit in limits]
        return found

    def _cut_off(self, limit: Limit, place: Place) -> "CutOff":
        settled = self.membership.settled(limit) if place[0] == LaneKind.SHARED else []
        tips = (limit.tips(*place), *(named_tips(each.cuts, *place) for each in settled))
        kept, *raised = (Kept(self._chains, place, each) for each in tips)
        return CutOff(limit, kept, raised, settled)

    # ---- what others carry across a cut

    def _leaves(self, cut: "CutOff", link: Link) -> bool:
        """Whether a restriction leaves the link: by the tips it names, its settlement, or until then by who went on."""
        if any(kept.holds(link) for kept in cut.leaving):
            return True
        return not cut.settled and link.header.kind == LaneKind.SHARED and self._carried_on(cut).holds(link)

    def _carried_on(self, cut: "CutOff") -> Carried:
        limit = cut.limit
        found = self._carried.get(id(limit))
        if found is None:
            found = self._carried[id(limit)] = Carried(
                self._chains,
                lambda link: not (self._closure(link.header.heads) or -1) & limit.node.bit and self._is_open(link),
                lambda link: any(c.limit is limit and not c.kept.holds(link) for c in self._concerned(link)),
                lambda link: self._voice(limit, link),
            )
            for chain, openers in list(self._chains.openers.items()):
                if chain[0] == LaneKind.SHARED and self._is_of(limit, chain[2]):
                    for opener in openers:
                        for each in opener.onward():
                            found.joined(each)
        return found

    def _is_of(self, limit: Limit, device: bytes) -> bool:
        """Whether a restriction that cuts `shared` is about that device."""
        homes = self.membership.homes.get(DeviceId(device), ())
        return limit.identity in homes and limit.concerns(limit.identity, device, LaneKind.SHARED)

    def _concerned(self, link: Link) -> "list[CutOff]":
        return self._binding_on(link) if self.membership.homes.get(DeviceId(link.header.device)) else []

    def _voice(self, limit: Limit, link: Link) -> IdentityId | None:
        """Whose word it is, if its author may keep what that restriction cuts off."""
        if self._is_of(limit, link.header.device) or self._stands(link) is None:
            return None
        return self.author_of(link)

    def _stands(self, link: Link) -> int | None:
        """The closure of its heads, if it and all before it in its chain count without being carried by anybody."""
        path: list[Link] = []
        at: Link | None = link
        while at is not None and at.id not in self._standing:
            path.append(at)
            at = at.parent
        before = self._standing[at.id] if at is not None else 0
        for each in reversed(path):
            closure = self._right(each, before) if before is not None else None
            if closure is not None and not all(any(k.holds(each) for k in c.leaving) for c in self._binding_on(each)):
                closure = None
            before = self._standing[each.id] = closure
        return before


class CutOff(NamedTuple):
    """What one restriction leaves of a device in a lane: the tips it names, and those that its settlements name."""

    limit: Limit
    kept: "Kept"
    raised: "list[Kept]"
    settled: list[Settled]

    @property
    def leaving(self) -> "list[Kept]":
        return [self.kept, *self.raised]


class Kept:
    """What one restriction leaves of a device in a lane: the named tips and all before them.

    "Before" goes through chains, and from a session to those that its opener names. Each session is walked
    to once, so that the sessions of years cost no more than one look at each.
    """

    def __init__(self, chains: Chains, place: Place, tips: Iterable[bytes]) -> None:
        self.missing: set[bytes] = set()  # named, and not here yet
        self._chains = chains
        self._place = place
        self._tips: dict[ChainKey, list[Link]] = {}
        self._openers: set[bytes] = set()
        self._pasts: dict[bytes, set[bytes]] = {}
        self.extend(tips)

    def extend(self, tips: Iterable[bytes]) -> set[ChainKey]:
        """Walk back from these tips. Returns the chains that were reached."""
        reached: set[ChainKey] = set()
        todo = list(tips)
        while todo:
            identifier = todo.pop()
            tip = self._chains.get(identifier)
            if tip is None:
                self.missing.add(identifier)
                continue
            self.missing.discard(identifier)
            if tip.place != self._place:
                continue
            self._tips.setdefault(tip.chain, []).append(tip)
            reached.add(tip.chain)
            if tip.opener.id not in self._openers:
                self._openers.add(tip.opener.id)
                todo += tip.opener.header.seen
        return reached

    def holds(self, link: Link) -> bool:
        """Whether the link is one of the tips, or before one."""
        tips = self._tips.get(link.chain, ())
        if link.chain not in self._chains.forked:
            return any(link.header.sequence <= tip.header.sequence for tip in tips)
        return any(link.id in self._past(tip) for tip in tips)

    def _past(self, tip: Link) -> set[bytes]:
        """A tip and what is before it in its chain, for chains of which the number alone does not tell."""
        past = self._pasts.get(tip.id)
        if past is None:
            past = self._pasts[tip.id] = set()
            at: Link | None = tip
            while at is not None:
                past.add(at.id)
                at = at.parent
        return past
