"""The open ends of a thread's content: what a new envelope names as seen, and what a cut leaves standing.

A tip is open until the same device opens a later session that names it. In `shared`, where one builds
on all others, there are besides the heads of the whole lane: what no applied envelope has named yet.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from typing import Final

from crdt.chains import Link, Place
from crdt.envelope import MAX_SEEN, ChainKey
from crdt.ids import DeviceId, EnvelopeId
from crdt.permissions import SINGLE_WRITER, Lane, LaneKind
from crdt.records import MAX_TIPS, Cut

MAX_WITNESSED: Final = 16  # of other devices' tips that one envelope vouches to have seen
MAX_NEWS: Final = 256


class Tips:
    """Kept up to date by `applied`, link by link."""

    def __init__(self, device: DeviceId | None) -> None:
        self._device = device
        self._open: dict[Place, dict[ChainKey, Link]] = defaultdict(dict)
        self._heads: dict[Lane, dict[ChainKey, Link]] = defaultdict(dict)
        self._news: OrderedDict[ChainKey, EnvelopeId] = OrderedDict()

    def applied(self, link: Link) -> None:
        """Take note of a link that was just applied."""
        header = link.header
        own = self._open[link.place]
        if link.parent is None:
            for chain in [c for c, tip in own.items() if tip.id in header.seen]:
                del own[chain]
        own[link.chain] = link
        if link.lane.kind not in SINGLE_WRITER:
            heads = self._heads[link.lane]
            for chain in [c for c, tip in heads.items() if tip.id in header.seen]:
                del heads[chain]
            heads[link.chain] = link
        if header.device != self._device:
            self._news[link.chain] = link.id
            self._news.move_to_end(link.chain)
            if len(self._news) > MAX_NEWS:
                self._news.popitem(last=False)

    def seen_by_next(self, lane: Lane, chain: ChainKey) -> tuple[EnvelopeId, ...]:
        """What this device's next envelope in a chain names. An opener names the device's own open tips;
        in `shared` everything that is new; elsewhere it vouches for what it has seen of others."""
        tip = self._open[chain[:3]].get(chain)
        shared = lane.kind not in SINGLE_WRITER
        named: dict[EnvelopeId, None] = {}
        if tip is None:
            named.update(dict.fromkeys(link.id for link in self._open[chain[:3]].values()))
        if shared:
            named.update(dict.fromkeys(link.id for c, link in self._heads[lane].items() if c != chain))
        if tip is not None and not shared:
            named.update(dict.fromkeys([*self._news.values()][-MAX_WITNESSED:]))
        return tuple(named)[:MAX_SEEN]

    def is_too_much(self, lane: Lane, chain: ChainKey) -> bool:
        """Whether more is new in `shared` than the chain's next envelope can name: anybody can open many sessions, and
        a change may touch what each of them wrote."""
        others = self._heads[lane].keys() - {chain} if lane.kind not in SINGLE_WRITER else ()
        return len(others) > MAX_SEEN

    def vouched(self, seen: Iterable[bytes]) -> None:
        """An own envelope named these: others need not be told again."""
        told = set(seen)
        for chain in [c for c, identifier in self._news.items() if identifier in told]:
            del self._news[chain]

    def last(self, chain: ChainKey) -> Link | None:
        """The newest applied link of a chain that is open."""
        return self._open[chain[:3]].get(chain)

    def cuts(self, devices: Iterable[bytes], kinds: Iterable[LaneKind]) -> list[Cut]:
        """What stands of these devices in lanes of these kinds, as a restriction names it."""
        of, lanes = set(devices), set(kinds)
        return [
            Cut(kind, scope, device, tuple(link.id for link in tips.values())[-MAX_TIPS:])
            for (kind, scope, device), tips in sorted(self._open.items(), key=lambda each: each[0])
            if device in of and kind in lanes and tips
        ]
