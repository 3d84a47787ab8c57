"""From linked envelopes to documents: each chain goes on as far as what counts, and what it builds on, is here.

Every event names the chains about which the answer may be another one now; they stand in a queue and
are gone on with one after the other. No step calls the next one: the sessions of years may wait for
one another in one long row.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from crdt.acceptance import Acceptance
from crdt.author import Author
from crdt.budget import Budget
from crdt.chains import Chains, Link
from crdt.envelope import ChainKey, Envelope
from crdt.errors import PeerFault
from crdt.forks import Forks
from crdt.governance import Graph, Node
from crdt.ids import DeviceId, EnvelopeId, IdentityId, ThreadId
from crdt.lane import LaneDocument, Quarantined, client_id
from crdt.left_out import Reason, left_out
from crdt.membership import Membership
from crdt.output import Output
from crdt.permissions import GOVERNANCE, SINGLE_WRITER, Lane, LaneKind, Role, may_write
from crdt.receipt import Receipt
from crdt.tips import Tips


class Applying:
    """The content of one thread: its chains, what is applied of each, and the documents."""

    def __init__(self, thread: ThreadId, graph: Graph, author: Author | None) -> None:
        self.chains = Chains()
        self.acceptance = Acceptance(graph, self.chains)
        self.tips = Tips(author.device.id if author else None)
        self.documents: dict[Lane, LaneDocument] = {}
        self.outputs: dict[Lane, Output] = {}
        self.quarantined: set[Lane] = set()
        self.stale = False  # something applied is no longer accepted, or the own session can't go on
        self.paused = False
        self.made_here: EnvelopeId | None = None  # an own change is in the document already
        self._thread = thread
        self._author = author
        self._forks = Forks(self.chains, self.acceptance)
        self._applied: dict[ChainKey, list[tuple[Link, int]]] = {}  # links, each with the closure of its heads
        self._awaited: dict[bytes, dict[ChainKey, None]] = {}  # a missing link's id → chains whose next link names it
        self._queue: deque[ChainKey] = deque()
        own = author.device.id if author else None
        self.budget = Budget(self.chains, self.acceptance, own, self._awaited.__contains__)

    # ---- what is there

    def document(self, lane: Lane) -> LaneDocument:
        """The lane's document, empty at first."""
        if lane not in self.documents:
            self.documents[lane] = LaneDocument(self._thread, lane, self._own_client(lane))
        return self.documents[lane]

    def output(self, lane: Lane) -> Output:
        """The terminal of that lane, nothing said at first."""
        if lane not in self.outputs:
            self.outputs[lane] = Output(lane)
        return self.outputs[lane]

    def last(self, chain: ChainKey) -> tuple[Link | None, int]:
        """The newest applied link of a chain, and the closure of its heads."""
        applied = self._applied.get(chain)
        return applied[-1] if applied else (None, 0)

    def accepted(self, lane: Lane) -> Iterator[EnvelopeId]:
        """The ids of what is applied of a lane, chain by chain."""
        for applied in self._applied.values():
            if applied and applied[0][0].lane == lane:
                yield from (link.id for link, _ in applied)

    def carried(self) -> Iterator[tuple[Link, frozenset[IdentityId]]]:
        """What is applied in `shared` though it is beyond a cut, with those by whom it is kept."""
        for chain, applied in self._applied.items():
            if chain[0] == LaneKind.SHARED:
                for link, _ in applied:
                    if keepers := self.acceptance.kept_by(link):
                        yield link, keepers

    def left_out(self) -> dict[EnvelopeId, Reason]:
        """What is here and doesn't count, with the reason; not what waits for something missing."""
        return left_out(self.chains, self.acceptance, self._forks)

    def knowing(self, record: int) -> set[DeviceId]:
        """The devices that have written something in knowledge of the governance record of that index."""
        return {
            DeviceId(chain[2]) for chain, applied in self._applied.items() if applied and applied[-1][1] >> record & 1
        }

    def _own_client(self, lane: Lane) -> int | None:
        if self._author is None or (lane.owner and lane.owner != self._author.device.id):
            return None
        return client_id(self._thread, lane, self._author.device.id, self._author.session)

    # ---- events

    def take(self, envelope: Envelope, update: bytes, receipt: Receipt) -> None:
        """A content envelope has come: link it, and go on where that makes a difference. If it counts for nothing, and
        its author has filled their share of memory with such, it is set aside."""
        if self.paused:
            self.chains.add(envelope, update)
            return
        if self.budget.admits(envelope, update):
            links = self.chains.add(envelope, update)
            self._linked(links, receipt)
            self.budget.linked(links)
        self.stale |= self.budget.is_outdated

    def _linked(self, links: Iterable[Link], receipt: Receipt) -> None:
        for link in links:
            reached = self.acceptance.arrived(link)
            self.budget.reached(reached)
            self._queue.extend(sorted(reached))
            changed = self._forks.linked(link)
            if reached and self.chains.forked:  # what counts now may vouch for a branch
                self._forks.renew()
                changed = self.chains.forked
            for chain in sorted(changed):
                self._check_again(chain)
                self._queue.append(chain)
            if link.parent is self.last(link.chain)[0]:
                self._queue.append(link.chain)
        self._go_on_all(receipt)
        self.stale |= self._is_own_session_shared()

    def governed(self, joined: Sequence[Node], receipt: Receipt) -> None:
        """Governance records have joined: a right may have been given, or withdrawn."""
        has_content = bool(self.chains.openers) or len(self.budget) > 0
        before = self.acceptance.membership if has_content and not self.paused else None
        self.acceptance.renew()
        receipt.governed = True
        if before is None:
            return
        self._forks.renew()
        after = self.acceptance.membership
        # Though no right has changed, a witness may have waited for this record, and another branch be the one kept.
        is_same = _same_rights(before, after)
        for chain in self.chains.forked if is_same else self._applied:
            self._check_again(chain)
        self._queue.extend(self.chains.openers)
        self._go_on_all(receipt)
        self.budget.came(node.id for node in joined)
        if is_same:
            self.budget.reached(self.chains.openers)  # heads that were missing may have come
        else:
            self.budget.governed(before, after)
        self.stale |= self.budget.is_outdated
        self.stale |= self._is_own_session_ended()

    def resume(self, receipt: Receipt) -> None:
        """Decide about everything that came in during a pause."""
        self.paused = False
        self._forks.renew()
        self.acceptance.renew()
        for chain in self._applied:
            self._check_again(chain)
        self._queue.extend(self.chains.openers)
        self._go_on_all(receipt)
        self.budget.renew()
        self.stale |= self._is_own_session_shared()

    # ---- deciding

    def _check_again(self, chain: ChainKey) -> None:
        """`stale` if something that was applied of the chain no longer counts."""
        before = 0
        kept = {link.id for link in self._forks.kept(chain)} if chain in self.chains.forked else None
        for link, _ in self._applied.get(chain, ()):
            closure = self.acceptance.accepts(link, before)
            if closure is None or (kept is not None and link.id not in kept):
                self.stale = True
                return
            before = closure

    def _go_on_all(self, receipt: Receipt) -> None:
        while self._queue:
            chain = self._queue.popleft()
            if not self.stale:
                self._go_on(chain, receipt)

    def _go_on(self, chain: ChainKey, receipt: Receipt) -> None:
        """Apply whatever of a chain is accepted and stands next."""
        while (link := self._next(chain)) is not None:
            closure = self.acceptance.accepts(link, self.last(chain)[1])
            if closure is None or not self._apply(link, receipt):
                return
            self._applied.setdefault(chain, []).append((link, closure))
            self._queue.extend(self._awaited.pop(link.id, ()))

    def _next(self, chain: ChainKey) -> Link | None:
        if chain in self.chains.forked:
            kept, at = self._forks.kept(chain), len(self._applied.get(chain, ()))
            link = kept[at] if at < len(kept) else None
        else:
            link = self.chains.after(chain, self.last(chain)[0])
        return link if link is not None and link.state == Link.WAITING else None

    def _apply(self, link: Link, receipt: Receipt) -> bool:
        """Check and apply one accepted link. False if it has to wait, or is refused."""
        seen = self._required(link)
        if isinstance(seen, bytes):
            self._awaited.setdefault(seen, {})[link.chain] = None  # in one order on all machines
            self.budget.named([seen])
            return False
        if link.is_idle:
            self.budget.discharge(link)
        body, link.update = link.update or b"", None
        if link.lane.kind is LaneKind.OUTPUT:
            self.output(link.lane).take(link, seen, body)
            return self._applied_now(link, receipt)
        document = self.document(link.lane)
        try:
            document.admit(link, seen, body)
        except PeerFault as fault:
            link.state = Link.REFUSED
            receipt.refused.append((link.id, str(fault)))
            return False
        if link.id != self.made_here:
            self._hand_over(document, body)
        return self._applied_now(link, receipt)

    def _applied_now(self, link: Link, receipt: Receipt) -> bool:
        link.state = Link.APPLIED
        receipt.lanes.add(link.lane)
        self.tips.applied(link)
        self.stale |= self._is_behind(link)
        return True

    def _is_behind(self, link: Link) -> bool:
        """Whether an earlier session of this device's came in (back from others, after an old backup) when the present
        one had been opened without it. What is said there can't be changed in this session: begin another."""
        author, header = self._author, link.header
        if author is None or link.lane.kind not in SINGLE_WRITER or header.device != author.device.id:
            return False
        return header.session != author.session and (*link.chain[:3], bytes(author.session)) in self._applied

    def _is_own_session_shared(self) -> bool:
        """Whether somebody else writes in this session (from a copied disk): what follows here would count nowhere."""
        if self._author is None:
            return False
        own = (bytes(self._author.device.id), bytes(self._author.session))
        chains: list[ChainKey] = [(int(kind), b"", *own) for kind in LaneKind if kind not in GOVERNANCE]
        return any(c in self.chains.forked or self.chains.after(c, self.last(c)[0]) is not None for c in chains)

    def _is_own_session_ended(self) -> bool:
        """Whether a restriction ended a chain of this session that its author may write in (again): that takes a
        new session."""
        author, membership = self._author, self.acceptance.membership
        if author is None or membership.is_revoked(author.device.id):
            return False
        identity = membership.identity_of.get(author.device.id)
        role = membership.role(identity) if identity is not None else Role.NONE
        own = (bytes(author.device.id), bytes(author.session))
        ends = [applied[-1][0] for chain, applied in self._applied.items() if chain[2:] == own and applied]
        return any(may_write(role, link.lane.kind) and self.acceptance.is_ended(link) for link in ends)

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


def _same_rights(before: Membership, after: Membership) -> bool:
    """Whether every right that counted still does, and nothing more is cut."""
    return (
        before.owners == after.owners
        and before.limits == after.limits
        and before.settlements == after.settlements
        and before.grants == after.grants
        and before.homes == after.homes
        and before.private == after.private
        and all(not each & ~after.openings.get(epoch, 0) for epoch, each in before.openings.items())
    )
