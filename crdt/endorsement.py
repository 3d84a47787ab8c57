"""Work in `shared` beyond a cut that others went on from, unknowing: it is carried along, and they answer for it.

Without this the removal of one person would take the text of everybody who had typed into theirs before
they heard of it. Who carries is somebody whom the restriction doesn't concern, by an envelope that counts
by its own right and all cuts, and in whose past the restriction is not. What is carried is the `shared`
past of that envelope and nothing else. Whether it has been applied here plays no part: it may be waiting
for the very work that it carries. The owner's settlement ends all this, see `settlement`.
"""

from collections.abc import Callable, Iterator

from crdt.chains import Chains, Link
from crdt.envelope import ChainKey
from crdt.ids import IdentityId
from crdt.permissions import LaneKind


class Carried:
    """What one restriction cuts off in `shared`, what was built on that, and who keeps what of it.

    `is_ignorant` tells whether the restriction is not in a link's past, `is_beyond` whether it cuts a link off,
    `voice` whose word a link is, if it is one that can keep others.
    """

    def __init__(
        self,
        chains: Chains,
        is_ignorant: Callable[[Link], bool],
        is_beyond: Callable[[Link], bool],
        voice: Callable[[Link], IdentityId | None],
    ) -> None:
        self._chains = chains
        self._is_ignorant = is_ignorant
        self._is_beyond = is_beyond
        self._voice = voice
        self._keepers: dict[bytes, set[IdentityId]] = {}  # of all that is beyond the cut, or built on that

    def keepers(self, link: Link) -> frozenset[IdentityId]:
        """Who went on from it."""
        return frozenset(self._keepers.get(link.id, ()))

    def holds(self, link: Link) -> bool:
        """Whether somebody keeps it."""
        return bool(self._keepers.get(link.id))

    def joined(self, link: Link) -> set[ChainKey]:
        """A link has joined its chain. Returns the chains of what is kept now and wasn't.

        Each link comes in once, and every person's word goes back over each link once, however many come.
        """
        changed: set[ChainKey] = set()
        todo = [link]
        while todo:
            each = todo.pop()
            if each.id in self._keepers or not self._is_concerned(each):
                continue
            voice = self._voice(each)
            words = {voice} if voice is not None else set()
            self._keepers[each.id] = set()
            for later in self._later(each):
                words |= self._keepers.get(later.id, set())
                todo.append(later)
            changed |= self._credit(each, words)
        return changed

    def _is_concerned(self, link: Link) -> bool:
        if not self._is_ignorant(link):
            return False
        return any(earlier.id in self._keepers for earlier in self._earlier(link)) or self._is_beyond(link)

    def _credit(self, link: Link, words: set[IdentityId]) -> set[ChainKey]:
        """Note who speaks for a link, and so for everything before it."""
        changed: set[ChainKey] = set()
        todo = [link]
        while todo:
            each = todo.pop()
            known = self._keepers[each.id]
            if words <= known:
                continue
            if not known:
                changed.add(each.chain)
            known |= words
            todo += [earlier for earlier in self._earlier(each) if earlier.id in self._keepers]
        return changed

    def _earlier(self, link: Link) -> Iterator[Link]:
        if link.parent is not None:
            yield link.parent
        for identifier in link.header.seen:
            named = self._chains.get(identifier)
            if named is not None and named.header.kind == LaneKind.SHARED:
                yield named

    def _later(self, link: Link) -> Iterator[Link]:
        yield from link.children
        for naming in self._chains.naming(link.id):
            if naming.header.kind == LaneKind.SHARED:
                yield naming
