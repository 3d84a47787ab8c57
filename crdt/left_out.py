"""Which envelopes are left out for good, as far as is known here: cut off, without a right, or built on such.

What only waits for something that is missing is not among them: it may count as soon as that comes.
"""

from collections.abc import Iterator
from enum import StrEnum

from crdt.acceptance import Acceptance
from crdt.chains import Chains, Link
from crdt.forks import Forks
from crdt.ids import EnvelopeId
from crdt.permissions import SINGLE_WRITER


class Reason(StrEnum):
    """Why an envelope doesn't count."""

    CUT = "cut off"  # by a restriction, or its author had no right in the first place
    FORKED = "said twice"  # on a branch of a forked chain that isn't the one kept
    BUILT = "built on what was left out"


def left_out(chains: Chains, acceptance: Acceptance, forks: Forks) -> dict[EnvelopeId, Reason]:
    """All that is left out, with the reason. Costs a look at every chain with something that isn't applied."""
    found: dict[EnvelopeId, Reason] = {}
    todo: list[Link] = []
    for link, reason in _judged(chains, acceptance, forks):
        found[link.id] = reason
        todo.append(link)
    while todo:
        link = todo.pop()
        for later in _built_on(chains, link):
            if later.id not in found and later.state == Link.WAITING:
                found[later.id] = found[link.id] if later.parent is link else Reason.BUILT
                todo.append(later)
    return found


def _judged(chains: Chains, acceptance: Acceptance, forks: Forks) -> Iterator[tuple[Link, Reason]]:
    """The first link of each branch that doesn't count by itself."""
    for chain, openers in chains.openers.items():
        kept = {link.id for link in forks.kept(chain)} if chain in chains.forked else None
        todo = [(opener, 0) for opener in openers]
        while todo:
            link, before = todo.pop()
            closure = acceptance.accepts(link, before)
            if closure is not None and (kept is None or link.id in kept):
                todo += [(child, closure) for child in link.children]
            elif link.state == Link.WAITING and closure is not None:
                yield link, Reason.FORKED
            elif link.state == Link.WAITING and acceptance.refuses(link, before):
                yield link, Reason.CUT


def _built_on(chains: Chains, link: Link) -> Iterator[Link]:
    """What can't count without it."""
    yield from link.children
    for naming in chains.naming(link.id):
        if naming.lane == link.lane and (naming.parent is None or link.lane.kind not in SINGLE_WRITER):
            yield naming
