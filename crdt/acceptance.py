"""Whether a content envelope counts: its author's right at the heads it names, and every cut over it.

Order plays no part: each answer depends on the linked governance records, the envelope, what stands
before it in its chain, and the tips that cuts name. An answer may turn from yes to no only when a
governance record comes in; `renew` says so. It may turn from no to yes besides when a tip that a cut
leaves comes in; `is_awaited` says so.
"""

from crdt.chains import Chains, Link
from crdt.envelope import ChainKey
from crdt.governance import Graph
from crdt.ids import DeviceId, IdentityId
from crdt.membership import Limit, Membership, fold
from crdt.permissions import LaneKind, may_write


class Acceptance:
    """The verdicts over one thread's content, for the membership as it is."""

    def __init__(self, graph: Graph, chains: Chains) -> None:
        self.membership = Membership()
        self._graph = graph
        self._chains = chains
        self._closures: dict[tuple[bytes, ...], int] = {}
        self._rights: dict[tuple[bytes, int, LaneKind], bool] = {}
        self._awaited: set[bytes] = set()  # tips that a cut leaves, by themselves or through others, not here yet

    def renew(self) -> None:
        """Fold the governance records anew; every chain has to be asked about again."""
        self.membership = fold(self._graph)
        self._rights.clear()
        self._awaited.clear()

    def is_awaited(self, link: Link) -> bool:
        """Whether a link that just came in may show other links of its device's to be within a cut."""
        return link.id in self._awaited

    def accepts(self, link: Link, before: int) -> int | None:
        """The closure of the link's heads if it counts, given its predecessor's closure (0 for an opener); else None.

        The predecessors are accepted, and none of them is followed by a second envelope.
        """
        closure = self._closure(link.header.heads)
        if closure is None or before & ~closure or not self._may(link, closure):
            return None
        return closure if self._is_within_cuts(link) else None

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

    def is_ended(self, link: Link) -> bool:
        """Whether a restriction ends the session of an accepted link: nothing after it counts, whatever is granted."""
        return bool(self._cuts_over(link))

    def _is_within_cuts(self, link: Link) -> bool:
        return all(self._is_kept(link, limit) for limit in self._cuts_over(link))

    def _cuts_over(self, link: Link) -> list[Limit]:
        """The restrictions that concern a link, and that nothing its session knew when it opened lifts."""
        kind, _scope, device, _ = link.chain
        identity = self.membership.identity_of[DeviceId(device)]
        concerned = [limit for limit in self.membership.limits if limit.concerns(identity, device, LaneKind(kind))]
        if not concerned:
            return []
        opener_closure = self._closure(link.opener.header.heads) or 0
        return [
            limit for limit in concerned if not self.membership.is_exempt(limit, IdentityId(identity), opener_closure)
        ]

    def _is_kept(self, link: Link, limit: Limit) -> bool:
        """Whether the link is at or before a tip that the restriction leaves, through chains and openers' `seen`."""
        tips = list(limit.tips(*link.chain[:3]))
        visited: set[ChainKey] = set()
        while tips:
            identifier = tips.pop()
            tip = self._chains.get(identifier)
            if tip is None:
                self._awaited.add(identifier)
            if tip is None or tip.chain[:3] != link.chain[:3]:
                continue
            if tip.chain == link.chain and self._is_at_or_before(link, tip):
                return True
            if tip.chain not in visited:
                visited.add(tip.chain)
                tips += tip.opener.header.seen
        return False

    def _is_at_or_before(self, link: Link, tip: Link) -> bool:
        if link.chain not in self._chains.forked:
            return link.header.sequence <= tip.header.sequence
        at: Link | None = tip
        while at is not None and at is not link:
            at = at.parent
        return at is link
