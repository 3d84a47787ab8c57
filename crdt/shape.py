"""Where every block of one document belongs, so that a well-formed update cannot tie the native library in knots.

A block takes its place from its neighbours, and the native library believes it: a list item hung
beside a map entry, or beside an item of another list, gives rings that it walks for ever; a parent
that is no shared type makes it stop half-way; types nested without end overflow its stack when the
outermost is deleted. No honest client writes such blocks, and one update alone does not show them.
So we keep, by client and clock, the parent of each run of blocks, and refuse what does not fit.

Whether a block fits depends on nothing but the blocks it names, so that the answer is the same on
every peer in whatever order independent updates arrive. Blocks that were collected belong nowhere,
as in the native library, and what builds on nothing else belongs nowhere too.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Final

from crdt.errors import PeerFault
from crdt.update import (
    ANY,
    ARRAY,
    BINARY,
    CLOCK_LIMIT,
    COLLECTED,
    DELETED,
    EMBED,
    FORMAT,
    MAP,
    STRING,
    TEXT,
    TYPE,
    Block,
    Reference,
    Update,
)

MAX_TYPE_DEPTH: Final = 32  # shared types within shared types
_NOWHERE: Final = -1
_KEYED: Final = 2  # a place is four times the number of the parent, plus these
_EMPTIED: Final = 1
_FITTING: Final = {  # what honest clients put into each shared type
    ARRAY: frozenset({DELETED, BINARY, TYPE, ANY}),
    MAP: frozenset({DELETED, BINARY, TYPE, ANY}),
    TEXT: frozenset({DELETED, STRING, EMBED, FORMAT, TYPE}),
}


class Shape:
    """The places of one document's blocks. Feed it every accepted update, each once its references are here.

    An update does not tell the types of roots: they are maps, except those that `roots` declares.
    """

    __slots__ = ("_clients", "_declared", "_depths", "_roots", "_types")

    def __init__(self, roots: Mapping[str, int] = MappingProxyType({})) -> None:
        self._declared = roots
        self._clients: dict[int, _Blocks] = {}
        self._roots: dict[str, int] = {}  # name → number
        self._types = bytearray()  # by number: ARRAY, MAP or TEXT
        self._depths = bytearray()  # by number: how many types it is within

    def copy(self) -> "Shape":
        """The same places once more: what is admitted to one is not to the other."""
        other = Shape(self._declared)
        other._clients = deepcopy(self._clients)
        other._roots = dict(self._roots)
        other._types, other._depths = self._types[:], self._depths[:]
        return other

    def admit(self, update: Update) -> None:
        """Add an update's blocks; `check_single_writer` or `check_shared` has passed it. All or nothing.

        Raises `PeerFault("bad shape")`, or "unknown reference" for a block that was never admitted.
        """
        _check_entries(update)
        marks = {run.client: self._clients.setdefault(run.client, _Blocks()).mark() for run in update.inserted}
        branches = len(self._depths)
        try:
            for block in update.blocks:
                self._add(block)
            for client, clock, length in update.deleted:
                self._check_cut(client, clock)
                self._check_cut(client, clock + length)
        except PeerFault:
            for client, mark in marks.items():
                self._clients[client].back_to(mark)
            del self._depths[branches:], self._types[branches:]
            self._roots = {name: number for name, number in self._roots.items() if number < branches}
            raise

    def _add(self, block: Block) -> None:
        blocks = self._clients[block.client]
        if block.clock != blocks.end:
            raise PeerFault("bad shape", f"a block at clock {block.clock}, not {blocks.end}")
        place = _NOWHERE if block.kind == COLLECTED else self._place(block)
        if place != _NOWHERE:
            holder = self._types[place >> 2]
            if block.kind not in _FITTING[holder] or (holder == MAP) != block.keyed:
                raise PeerFault("bad shape", "a content that does not belong into that type")
            if block.kind == TYPE:
                blocks.types[block.clock] = self._new_type(block.makes, self._depths[place >> 2] + 1)
            elif block.kind == DELETED:
                place |= _EMPTIED
        blocks.append(block, place)

    def _new_type(self, kind: int, depth: int) -> int:
        if depth > MAX_TYPE_DEPTH:
            raise PeerFault("bad shape", f"shared types nested more than {MAX_TYPE_DEPTH} deep")
        self._types.append(kind)
        self._depths.append(depth)
        return len(self._types) - 1

    def _check_cut(self, client: int, clock: int) -> None:
        """The native library can't split a character: its halves would count differently on the next device."""
        blocks = self._clients.get(client)
        if blocks is not None and blocks.is_half(clock):
            raise PeerFault("bad shape", "a cut through a character")

    def _place(self, block: Block) -> int:
        """The place a block takes: its neighbours', which have to agree, or the parent that it names."""
        keyed = _KEYED if block.keyed else 0
        if block.parent is not None:
            number = self._number(block.parent)
            return number if number == _NOWHERE else number << 2 | keyed
        place = _NOWHERE
        for origin in (block.left, block.right):
            if origin is not None:
                beside = self._place_of(origin)
                if beside == _NOWHERE:
                    continue
                beside &= ~_EMPTIED
                if beside & _KEYED != keyed or (place != _NOWHERE and place != beside):
                    raise PeerFault("bad shape", "neighbours that do not belong together")
                place = beside
        if keyed and block.right is not None:
            raise PeerFault("bad shape", "a map entry in front of another")
        if block.left is not None:
            self._check_cut(block.left[0], block.left[1] + 1)
        if block.right is not None:
            self._check_cut(*block.right)
        return place

    def _number(self, parent: Reference | str) -> int:
        if isinstance(parent, str):
            if parent not in self._roots:
                self._roots[parent] = self._new_type(self._declared.get(parent, MAP), 0)
            return self._roots[parent]
        place = self._place_of(parent)
        number = self._clients[parent[0]].types.get(parent[1])
        if number is not None:
            return number
        if place == _NOWHERE or place & _EMPTIED:
            return _NOWHERE
        raise PeerFault("bad shape", "a parent that is no shared type")

    def _place_of(self, reference: Reference) -> int:
        client, clock = reference
        blocks = self._clients.get(client)
        if blocks is None or clock >= blocks.end:
            raise PeerFault("unknown reference", f"to clock {clock} of {client}")
        return blocks.place(clock)


def _check_entries(update: Update) -> None:
    """A map entry is one value, or several that are gone at once, as one transaction wrote them over each other.

    Of several that live under one key a part could be deleted. When their map is, the native library
    reaches but the last of them: the others would go on naming the map, whose memory is freed.
    """
    several = [block for block in update.blocks if block.keyed and block.length > 1 and block.kind != DELETED]
    deleted = sorted(update.deleted) if several else []
    for block in several:
        at = bisect_right(deleted, (block.client, block.clock, CLOCK_LIMIT)) - 1
        client, clock, length = deleted[at] if at >= 0 else (block.client, 0, 0)
        if client != block.client or clock + length < block.clock + block.length:
            raise PeerFault("bad shape", "a map entry of several values")


class _Blocks:
    """One client's blocks: runs of equal place, and which of them are shared types."""

    __slots__ = ("end", "halves", "places", "starts", "types")

    def __init__(self) -> None:
        self.end = 0
        self.starts = array("I")
        self.places = array("i")
        self.halves = array("I")
        self.types: dict[int, int] = {}  # clock → number

    def append(self, block: Block, place: int) -> None:
        if not self.places or self.places[-1] != place:
            self.starts.append(block.clock)
            self.places.append(place)
        self.halves.extend(block.halves)
        self.end = block.clock + block.length

    def place(self, clock: int) -> int:
        if clock >= self.starts[-1]:
            return self.places[-1]
        return self.places[bisect_right(self.starts, clock) - 1]

    def is_half(self, clock: int) -> bool:
        at = bisect_left(self.halves, clock)
        return at < len(self.halves) and self.halves[at] == clock

    def mark(self) -> tuple[int, int, int]:
        return len(self.starts), len(self.halves), self.end

    def back_to(self, mark: tuple[int, int, int]) -> None:
        runs, halves, self.end = mark
        del self.starts[runs:], self.places[runs:], self.halves[halves:]
        self.types = {clock: number for clock, number in self.types.items() if clock < self.end}
