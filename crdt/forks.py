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

    def renew(self) -> None:
        """The membership has changed, and with it who may vouch."""
        self._kept.clear()

    def linked(self, link: Link) -> set[ChainKey]:
        """A link has joined its chain. Returns the forked chains about which it may change the answer."""
        if not self._chains.forked:
            return set()
        changed = {link.chain} if link.chain in self._chains.forked and self._matters(link) else set()
        for identifier in link.header.seen:
            named = self._chains.get(identifier)
            if named is not None and named.chain in self._chains.forked and named.header.device != link.header.device:
                changed.add(named.chain)
        for chain in changed:
            self._kept.pop(chain, None)
        return changed

    def _matters(self, link: Link) -> bool:
        """Whether it makes a fork where there was none, or is vouched for."""
        siblings = link.parent.children if link.parent else self._chains.openers[link.chain]
        forks = len(siblings) > 1 and self._stands(link) and self._forks_here(link, siblings)
        return forks or bool(self._chains.naming(link.id))

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
            backing = self._backing(standing)
            while choice := [child for child in standing if child.id in backing]:
                best = max(choice, key=lambda child: self._weight(child, backing[child.id]))
                found.append(best)
                standing = [child for child in best.children if self._stands(child)]
        return found

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
        voices = set()
        for other in self._chains.naming(link.id):
            if other.header.device != link.header.device and self._acceptance.accepts(other, 0) is not None:
                identity = self._acceptance.author_of(other)
                if identity is not None:
                    voices.add(identity)
        return voices

    def _weight(self, branch: Link, voices: set[IdentityId]) -> tuple[bool, int, bytes]:
        others = voices - {self._acceptance.author_of(branch)}
        return self._acceptance.membership.owner in others, len(others), bytes(255 - byte for byte in branch.id)
