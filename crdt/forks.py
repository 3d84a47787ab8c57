"""What stays of a chain whose device said two different things at one position.

Kept is what stands before the fork; beyond it the one branch that somebody else vouches for, up to the
last envelope they name as seen. So a second branch, signed months later, erases nothing. Who vouches is
any envelope of another device that counts by its author's right and the cuts alone: whether it has been
applied here plays no part, for it may be waiting for the very branch it vouches for. Of two branches that
are vouched for, the owner's word decides, then that of more people, then the lower hash.

What a restriction cuts off is no branch: a revoked device signs second versions in vain.
"""

from itertools import islice

from crdt.acceptance import Acceptance
from crdt.chains import Chains, Link
from crdt.envelope import ChainKey
from crdt.ids import IdentityId


class Forks:
    """The forked chains of one thread. Costs nothing before the first one."""

    def __init__(self, chains: Chains, acceptance: Acceptance) -> None:
        self._chains = chains
        self._acceptance = acceptance
        self._kept: dict[ChainKey, list[Link]] = {}
        self._stem: dict[ChainKey, int] = {}  # how much of that is before the fork
        self._vouchers: dict[ChainKey, dict[bytes, set[IdentityId]]] = {}  # link beyond it → who vouches for it

    def renew(self) -> None:
        """The membership has changed, and with it who may vouch."""
        self._kept.clear()

    def linked(self, link: Link) -> set[ChainKey]:
        """A link has joined its chain. Returns the forked chains about which it changes the answer."""
        forked = self._chains.forked
        if not forked:
            return set()
        changed = {link.chain} if link.chain in forked and self._joined(link) else set()
        named = [self._chains.get(identifier) for identifier in link.header.seen]
        others = [e for e in named if e is not None and e.chain in forked and e.header.device != link.header.device]
        voices = self._voice_of(link) if others else set()
        changed.update(each.chain for each in others if self._vouched(each, voices))
        return changed

    def _joined(self, link: Link) -> bool:
        """Whether what is kept of its chain changes by a link that may be a branch, and vouched for already."""
        siblings = link.parent.children if link.parent else self._chains.openers[link.chain]
        if len(siblings) > 1 and self._stands(link) and self._forks_here(link, siblings):
            self._kept.pop(link.chain, None)
            return True
        kept = self._kept.get(link.chain)
        if kept is not None and len(siblings) == 1 and self._goes_on(kept, link) and self._stands(link):
            kept.append(link)
            self._stem[link.chain] += 1
        return bool(self._chains.naming(link.id)) and self._vouched(link, self._voices(link))

    def _goes_on(self, kept: list[Link], link: Link) -> bool:
        """Whether it follows all there is. Twins that count for nothing make no fork: it goes on without them."""
        is_next = len(kept) == self._stem[link.chain] == link.header.sequence
        return is_next and link.parent is (kept[-1] if kept else None)

    def _vouched(self, link: Link, voices: set[IdentityId]) -> bool:
        """Whether what is kept of its chain changes, now that they vouch for a link. Costs a look at what they had not
        vouched for before, and at what is kept instead: there may be thousands of branches."""
        kept = self._kept.get(link.chain)
        if kept is None or not voices:
            return bool(voices)
        stem, backing = self._stem[link.chain], self._vouchers[link.chain]
        path: list[Link] = []
        at: Link | None = link
        while at is not None and at.header.sequence >= stem and not voices <= backing.setdefault(at.id, set()):
            backing[at.id] |= voices
            path.append(at)
            at = at.parent
        if at is not None and at.header.sequence >= stem and self._at(kept, at) is not at:
            return False
        for each in reversed(path):
            instead = self._at(kept, each)
            if instead is each:
                continue
            if not self._stands(each) or (instead is not None and self._outweighs(instead, each, backing)):
                return False
            del kept[each.header.sequence :]
            self._choose(kept, [each], backing)
            return True
        return False

    @staticmethod
    def _at(kept: list[Link], link: Link) -> Link | None:
        """What is kept at a link's position: sequence numbers count from 0."""
        return kept[link.header.sequence] if link.header.sequence < len(kept) else None

    def _outweighs(self, one: Link, other: Link, backing: dict[bytes, set[IdentityId]]) -> bool:
        return self._weight(one, backing[one.id]) > self._weight(other, backing[other.id])

    def _stands(self, link: Link) -> bool:
        return self._acceptance.leaves(link)

    def _forks_here(self, link: Link, siblings: list[Link]) -> bool:
        """Whether fewer than two others stand beside it: where two do, it makes no fork that there wasn't."""
        return len(list(islice((each for each in siblings if each is not link and self._stands(each)), 2))) < 2

    def kept(self, chain: ChainKey) -> list[Link]:
        """What stays of a forked chain, in order."""
        found = self._kept.get(chain)
        if found is None:
            found = self._kept[chain] = []
            children = self._chains.openers[chain]
            while len(standing := [c for c in children if self._stands(c)] if len(children) > 1 else children) == 1:
                found += standing
                children = standing[0].children
            self._stem[chain] = len(found)
            backing = self._vouchers[chain] = self._backing(standing)
            self._choose(found, standing, backing)
        return found

    def _choose(self, found: list[Link], standing: list[Link], backing: dict[bytes, set[IdentityId]]) -> None:
        """Add the branch of greatest weight, as far as it is vouched for."""
        while choice := [child for child in standing if child.id in backing]:
            best = max(choice, key=lambda child: self._weight(child, backing[child.id]))
            found.append(best)
            standing = [child for child in best.children if self._stands(child)]

    def _backing(self, branches: list[Link]) -> dict[bytes, set[IdentityId]]:
        """For each link beyond the fork, who vouches for it or for what follows it."""
        backing: dict[bytes, set[IdentityId]] = {}
        begun = {branch.parent for branch in branches}
        todo = list(branches)
        while todo:
            link = todo.pop()
            todo += link.children
            voices = self._voices(link)
            at: Link | None = link
            while voices and at not in begun:
                assert at is not None
                known = backing.setdefault(at.id, set())
                if voices <= known:
                    break
                known |= voices
                at = at.parent
        return backing

    def _voices(self, link: Link) -> set[IdentityId]:
        voices: set[IdentityId] = set()
        for other in self._chains.naming(link.id):
            if other.header.device != link.header.device:
                voices |= self._voice_of(other)
        return voices

    def _voice_of(self, witness: Link) -> set[IdentityId]:
        identity = self._acceptance.author_of(witness) if self._acceptance.accepts(witness, 0) is not None else None
        return set() if identity is None else {identity}

    def _weight(self, branch: Link, voices: set[IdentityId]) -> tuple[bool, int, bytes]:
        others = voices - {self._acceptance.author_of(branch)}
        return self._acceptance.membership.owner in others, len(others), bytes(255 - byte for byte in branch.id)
