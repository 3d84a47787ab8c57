"""The content envelopes of a thread, each linked to the one before it, whether accepted or not.

Envelopes of one device, lane and session form a chain, normally a plain one. A device that says two
different things at one position makes it fork: see `forks`.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from crdt.clocks import Clocks
from crdt.envelope import ChainKey, Envelope, Header
from crdt.ids import EnvelopeId
from crdt.permissions import Lane

MAX_WAITING: Final = 20_000  # envelopes held back for a missing predecessor; beyond, the oldest are dropped
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024

NO_CLOCKS: Final = Clocks()
Place = tuple[int, bytes, bytes]  # kind, scope, device: where sessions follow one another


class Link:
    """One content envelope in its chain. `update` is its plaintext until it has been applied."""

    __slots__ = ("base", "children", "clock", "header", "id", "is_idle", "opener", "parent", "state", "update")

    WAITING, APPLIED, REFUSED = range(3)

    def __init__(self, envelope: Envelope, update: bytes, parent: "Link | None") -> None:
        self.id: EnvelopeId = envelope.id
        self.header: Header = envelope.header
        self.update: bytes | None = update
        self.parent = parent
        self.opener: Link = parent.opener if parent else self
        self.children: list[Link] = []
        self.state = Link.WAITING
        self.is_idle = False  # it counts for nothing, by the records that are here: see `budget`
        self.base = NO_CLOCKS  # clocks of other clients that this envelope's author had applied
        self.clock = 0  # of its own client, after it

    @property
    def lane(self) -> Lane:
        return self.header.lane

    @property
    def chain(self) -> ChainKey:
        return self.header.chain

    @property
    def place(self) -> Place:
        return self.header.chain[:3]

    def onward(self) -> "Iterator[Link]":
        """The link and everything after it, on all branches."""
        todo = [self]
        while todo:
            link = todo.pop()
            yield link
            todo += link.children


class Chains:
    """All content envelopes whose chain is here from its beginning, and those that wait for it."""

    def __init__(self) -> None:
        self.openers: dict[ChainKey, list[Link]] = {}
        self.forked: set[ChainKey] = set()  # chains whose device said two things at one position
        self._by_id: dict[bytes, Link] = {}
        self._waiting: OrderedDict[bytes, tuple[Envelope, bytes]] = OrderedDict()
        self._waiting_bytes = 0
        self._naming: dict[bytes, list[Link]] | None = None  # id → links that name it as seen
        self._after: dict[bytes, list[bytes]] = {}  # missing predecessor → the envelopes that wait for it

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Link]:
        return iter(self._by_id.values())

    def __contains__(self, identifier: bytes) -> bool:
        return identifier in self._by_id or identifier in self._waiting

    def get(self, identifier: bytes) -> Link | None:
        return self._by_id.get(identifier)

    def naming(self, identifier: bytes) -> Sequence[Link]:
        """What names an envelope as seen. Noted from the first question on: that one costs a look at all links."""
        if self._naming is None:
            self._naming = {}
            for link in self:
                self._note_names(link, self._naming)
        return self._naming.get(identifier, ())

    @staticmethod
    def _note_names(link: Link, naming: "dict[bytes, list[Link]]") -> None:
        for identifier in link.header.seen:
            naming.setdefault(identifier, []).append(link)

    @property
    def waiting(self) -> int:
        """How many envelopes are held back for a missing predecessor."""
        return len(self._waiting)

    def add(self, envelope: Envelope, update: bytes) -> list[Link]:
        """Take an envelope in. Returns what is linked by it: nothing, itself, and whatever waited for it."""
        linked: list[Link] = []
        ready = [(envelope, update)]
        while ready:
            each, body = ready.pop()
            if each.header.sequence and each.header.previous not in self._by_id:
                self._hold(each, body)
                continue
            link = self._link(each, body)
            if link is None:
                continue
            linked.append(link)
            for identifier in self._after.pop(link.id, ()):
                if held := self._waiting.pop(identifier, None):
                    self._waiting_bytes -= len(held[1])
                    ready.append(held)
        return linked

    def _link(self, envelope: Envelope, update: bytes) -> Link | None:
        header = envelope.header
        parent = self._by_id.get(header.previous) if header.sequence else None
        if parent and (parent.chain != header.chain or parent.header.sequence + 1 != header.sequence):
            return None  # names as its predecessor what is none: no honest author does, and nobody will read on
        link = Link(envelope, update, parent)
        self._by_id[link.id] = link
        if self._naming is not None:
            self._note_names(link, self._naming)
        siblings = parent.children if parent else self.openers.setdefault(header.chain, [])
        siblings.append(link)
        if len(siblings) > 1:
            self.forked.add(link.chain)
        return link

    def remove(self, link: Link) -> None:
        """Let go of a link and all that follows it: none of it is applied."""
        siblings = link.parent.children if link.parent else self.openers[link.chain]
        siblings.remove(link)
        if not siblings and link.parent is None:
            del self.openers[link.chain]
        for each in link.onward():
            del self._by_id[each.id]
            if self._naming is not None:
                for identifier in each.header.seen:
                    self._naming[identifier].remove(each)
        forks = (len(each.children) > 1 for each in self._all_of(link.chain))
        if link.chain in self.forked and len(self.openers.get(link.chain, ())) < 2 and not any(forks):
            self.forked.discard(link.chain)

    def _all_of(self, chain: ChainKey) -> "Iterator[Link]":
        for opener in self.openers.get(chain, ()):
            yield from opener.onward()

    def _hold(self, envelope: Envelope, update: bytes) -> None:
        self._waiting[envelope.id] = (envelope, update)
        self._waiting_bytes += len(update)
        self._after.setdefault(envelope.header.previous, []).append(envelope.id)
        while len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            identifier, (dropped, body) = self._waiting.popitem(last=False)
            self._waiting_bytes -= len(body)
            beside = self._after[dropped.header.previous]
            beside.remove(identifier)
            if not beside:
                del self._after[dropped.header.previous]

    def drop_waiting(self, predecessor: bytes) -> list[bytes]:
        """Let go of everything that waits for this one, and for that in turn. Returns their ids."""
        dropped: list[bytes] = []
        todo = [predecessor]
        while todo:
            for identifier in self._after.pop(todo.pop(), ()):
                if held := self._waiting.pop(identifier, None):
                    self._waiting_bytes -= len(held[1])
                    dropped.append(identifier)
                    todo.append(identifier)
        return dropped

    def after(self, chain: ChainKey, link: Link | None) -> Link | None:
        """What follows a link of a chain (None: its opener), if that is one envelope and no more."""
        links = link.children if link else self.openers.get(chain, [])
        return links[0] if len(links) == 1 else None
