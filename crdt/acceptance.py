"""Whether a content envelope counts: its author's right at the heads it names, and every cut over it.

Order plays no part: each answer depends on the linked governance records, the envelope, what stands
before it in its chain, and the tips that cuts name. An answer may turn from yes to no only when a
governance record comes in (`renew`), and from no to yes also when a tip that a cut names comes in (`arrived`).
"""

from collections.abc import Iterable

from crdt.chains import Chains, Link, Place
from crdt.envelope import ChainKey
from crdt.fold import fold
from crdt.governance import Graph
from crdt.ids import DeviceId, IdentityId
from crdt.membership import Limit, Membership
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
        self._kept: dict[Place, list[tuple[Limit, Kept]]] = {}
        self._binding: dict[bytes, list[Kept]] = {}  # opener → what the restrictions that bind its session leave

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
        self._kept.clear()
        self._binding.clear()

    def arrived(self, link: Link) -> set[ChainKey]:
        """A link has joined its chain. If cuts leave it standing, the chains that stand with it."""
        reached: set[ChainKey] = set()
        for _, kept in self._kept.get(link.place, ()):
            if link.id in kept.missing:
                reached |= kept.extend([link.id])
        return reached

    def accepts(self, link: Link, before: int) -> int | None:
        """The closure of the link's heads if it counts, given its predecessor's closure (0 for an opener); else None.

        The predecessors are accepted, and none of them is followed by a second envelope.
        """
        closure = self._closure(link.header.heads)
        if closure is None or before & ~closure or not self._may(link, closure):
            return None
        if self.author_of(link) != self.author_of(link.opener):
            return None  # a chain has one author: what binds its opener binds all of it
        return closure if all(kept.holds(link) for kept in self._binding_on(link)) else None

    def leaves(self, link: Link) -> bool:
        """Whether the author is known, and the restrictions that bind the session leave a link, rights aside."""
        return self.author_of(link) is not None and all(kept.holds(link) for kept in self._binding_on(link))

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

    def _binding_on(self, link: Link) -> "list[Kept]":
        """What is left by each restriction that the link's session has to keep to."""
        opener = link.opener
        binding = self._binding.get(opener.id)
        if binding is None:
            concerned = self._kept_in(link.place)
            closure = self._closure(opener.header.heads) or 0 if concerned else 0
            author = self.author_of(opener)
            binding = self._binding[opener.id] = [
                kept
                for limit, kept in concerned
                if limit.identity == author and not self.membership.is_exempt(limit, author, closure)
            ]
        return binding

    def _kept_in(self, place: Place) -> "list[tuple[Limit, Kept]]":
        found = self._kept.get(place)
        if found is None:
            kind, _, device = place
            homes = self.membership.homes.get(DeviceId(device), ())
            limits = [each for home in homes for each in self.membership.limits_on(home, device, LaneKind(kind))]
            found = self._kept[place] = [(limit, Kept(self._chains, place, limit.tips(*place))) for limit in limits]
        return found


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
