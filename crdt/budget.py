"""How much is kept of what counts for nothing by the records here: content by holders of a key without a right.

Every holder of a content key can sign without end. Beyond a budget for each device, and one for all
together, such an envelope is set aside: of it nothing stays in memory but a part of its id. The caller has
stored its frame. If it may come to count after all (its author is given a right, what it refers to comes,
somebody names it), the replica is `stale` and everything is read again, so that what counts stays a
function of what was stored. What may take part in the decision about something else is never set aside:
the twin of an applied envelope, what an envelope with a right names, what is waited for, and what a cut
names with all before it. (So who may write governance records can keep more in memory by cuts of their own:
as long as these name it.)
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from crdt.acceptance import Acceptance
from crdt.chains import Chains, Link, Place
from crdt.envelope import ChainKey, Envelope
from crdt.ids import DeviceId
from crdt.membership import Membership, Said

MAX_IDLE: Final = 1_024  # envelopes of one device that are kept though they count for nothing
MAX_IDLE_BYTES: Final = 4 * 1024 * 1024  # their updates
MAX_IDLE_ALL: Final = 16_384  # of all devices together
MAX_IDLE_ALL_BYTES: Final = 64 * 1024 * 1024


class Budget:
    """What of one thread's content is idle, by device, and what was set aside. `own` is never set aside: it is shown
    to this device's person as drafts. `is_awaited` tells whether something that counts waits for an id."""

    def __init__(
        self, chains: Chains, acceptance: Acceptance, own: bytes | None, is_awaited: Callable[[bytes], bool]
    ) -> None:
        self._chains = chains
        self._acceptance = acceptance
        self._own = own
        self._is_awaited = is_awaited
        self._counts: Counter[bytes] = Counter()  # by device
        self._bytes: Counter[bytes] = Counter()
        self._all = 0
        self._all_bytes = 0
        self._aside: set[int] = set()
        self._watched: set[int] = set()  # what comes under one of these ids may make count what was set aside
        self._devices: set[bytes] = set()  # whose envelopes were set aside
        self.is_outdated = False  # something that was set aside may count: everything is to be read again

    def __len__(self) -> int:
        """How many envelopes were set aside."""
        return len(self._aside)

    # ---- taking in

    def admits(self, envelope: Envelope, update: bytes) -> bool:
        """Whether there is room for an envelope; if not it is set aside here."""
        device, header = envelope.header.device, envelope.header
        self.came([envelope.id])
        if device == self._own:
            return True
        if self._aside and header.sequence and _short(header.previous) in self._aside:
            return self._set_aside(envelope.id, header.chain[:3])
        if not self._is_full(device):
            return True
        parent = self._chains.get(header.previous) if header.sequence else None
        if header.sequence and parent is None:
            return True  # it waits for its predecessor, which has bounds of its own
        link = Link(envelope, update, parent)
        if not self._is_idle(link) or self._takes_part(link):
            return True
        self._watch(link)
        return self._set_aside(link.id, link.place)

    def _set_aside(self, identifier: bytes, place: Place) -> bool:
        """With it goes what already waits behind it. If one of these makes a difference, everything is read again."""
        self._devices.add(place[2])
        behind = self._chains.drop_waiting(identifier)
        self.came(behind)
        for each in (identifier, *behind):
            self._aside.add(_short(each))
            self.is_outdated |= self._is_named(each) or self._acceptance.awaits(place, each)
        return False

    def _watch(self, link: Link) -> None:
        """Note what a link refers to that would make another answer possible."""
        if not self._acceptance.refuses(link, self._before(link)):
            self._watched.update(map(_short, self._acceptance.missing(link)))

    def _before(self, link: Link) -> int:
        return self._acceptance.closure_of(link.parent) if link.parent is not None else 0

    def _is_full(self, device: bytes) -> bool:
        return (
            self._counts[device] >= MAX_IDLE
            or self._bytes[device] >= MAX_IDLE_BYTES
            or self._all >= MAX_IDLE_ALL
            or self._all_bytes >= MAX_IDLE_ALL_BYTES
        )

    def _is_idle(self, link: Link) -> bool:
        parent = link.parent
        if parent is not None and parent.is_idle:
            return True
        return self._acceptance.accepts(link, self._before(link)) is None

    def _takes_part(self, link: Link) -> bool:
        """Whether something else may be decided by its being here."""
        return self._forks(link) or self._is_named(link.id) or self._acceptance.is_marked(link)

    def _forks(self, link: Link) -> bool:
        """Whether it makes a fork where without it there would be one branch; see `forks` for what is a branch."""
        siblings = link.parent.children if link.parent else self._chains.openers.get(link.chain, [])
        if not siblings or not self._acceptance.leaves(link):
            return False
        others = (each for each in siblings if each is not link and self._acceptance.leaves(each))
        return len(list(islice(others, 2))) == 1

    def _is_named(self, identifier: bytes) -> bool:
        return self._is_awaited(identifier) or any(not each.is_idle for each in self._chains.naming(identifier))

    # ---- keeping count

    def linked(self, links: Iterable[Link]) -> None:
        """Links have joined their chains, and been applied if they count."""
        for link in links:
            if link.state == Link.WAITING and self._is_idle(link):
                self._charge(link)
            else:
                self.named(link.header.seen)

    def _charge(self, link: Link) -> None:
        size = len(link.update or b"")
        link.is_idle = True
        self._counts[link.header.device] += 1
        self._bytes[link.header.device] += size
        self._all += 1
        self._all_bytes += size

    def discharge(self, link: Link) -> None:
        """An idle link isn't so any more: it counts, or is let go."""
        size = len(link.update or b"")
        link.is_idle = False
        self._counts[link.header.device] -= 1
        self._bytes[link.header.device] -= size
        self._all -= 1
        self._all_bytes -= size

    def reached(self, chains: Iterable[ChainKey]) -> None:
        """Something of these chains counts that didn't, though no right has changed."""
        for chain in chains:
            if self._counts[chain[2]]:
                for opener in self._chains.openers.get(chain, ()):
                    for each in opener.onward():
                        if each.is_idle and not self._is_idle(each):
                            self.discharge(each)

    def named(self, identifiers: Iterable[bytes]) -> None:
        """An envelope with a right names these."""
        self.is_outdated |= bool(self._aside) and any(_short(each) in self._aside for each in identifiers)

    def came(self, identifiers: Iterable[bytes]) -> None:
        """Envelopes of any kind with these ids are here."""
        self.is_outdated |= bool(self._watched) and any(_short(each) in self._watched for each in identifiers)

    def renew(self) -> None:
        """Count anew what is idle, and let go of what is beyond the bounds."""
        self._counts.clear()
        self._bytes.clear()
        self._all = self._all_bytes = 0
        for link in self._chains:
            link.is_idle = False
        beyond: list[Link] = []
        for openers in list(self._chains.openers.values()):
            todo = list(openers)
            while todo:
                link = todo.pop()
                if link.state == Link.WAITING and self._is_idle(link):
                    if self._is_full(link.header.device) and link.header.device != self._own:
                        beyond.append(link)
                    self._charge(link)
                todo += link.children
        for link in beyond:
            self._let_go(link)

    def _let_go(self, link: Link) -> None:
        """Set aside what is linked already, with all that follows it, unless something depends on it."""
        if self._chains.get(link.id) is None:
            return  # gone with what it followed
        follows = list(link.onward())
        if self._forks(link):
            return
        if any(self._is_named(each.id) or self._acceptance.is_marked(each) for each in follows):
            return
        self._chains.remove(link)
        for each in follows:
            self._watch(each)
            self._set_aside(each.id, each.place)
            if each.is_idle:
                self.discharge(each)

    # ---- rights

    def governed(self, before: Membership, after: Membership) -> None:
        """Rights have changed: if one was given, something that was set aside may count under it."""
        if self._aside:
            concerned = self._devices | {device for device, count in self._counts.items() if count}
            gains = before.owners != after.owners or any(_gains(DeviceId(each), before, after) for each in concerned)
            self.is_outdated |= gains or _opens(before, after)
            known = {limit.node.id for limit in before.limits}
            for limit in after.limits:
                if limit.node.id not in known:
                    self.named(tip for cut in limit.cuts for tip in cut.tips)
        self.renew()


def _opens(before: Membership, after: Membership) -> bool:
    """Whether an owner is known to have handed out a key, or a record is passed over no more, that wasn't so before."""
    news = (bits & ~before.openings.get(epoch, 0) for epoch, bits in after.openings.items())
    return bool(before.private & ~after.private) or any(news)


def _gains(device: DeviceId, before: Membership, after: Membership) -> bool:
    homes = after.homes.get(device, ())
    if not set(homes) <= set(before.homes.get(device, ())):
        return True
    return any(_gives(before.says_of(home), after.says_of(home)) for home in homes)


def _gives(was: Said, now: Said) -> bool:
    return bool(now.given - was.given or was.limited - now.limited or now.settled - was.settled)


def _short(identifier: bytes) -> int:
    """A part of an id, as a number: it takes a third of the room. Two ids that share it cost a reading too many."""
    return int.from_bytes(identifier[:8], "big")
