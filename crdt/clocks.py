"""How far each client had come, as an envelope's author had applied it: what an update may build on.

Every envelope keeps such a map for ever, for any later one may name it. Kept whole, the maps of sessions that
follow one another would take the square of their number. So a map is a small layer of what is new above an older
map, which it shares; layers of one size become one, as in a binary counter, so that there are few to look through.
"""

from collections.abc import Iterable, Iterator, Mapping


class Clocks(Mapping[int, int]):
    """Client → clock below which its blocks are applied. Never changed; `joined` makes a new one."""

    __slots__ = ("_older", "_own", "_size")

    def __init__(self, own: dict[int, int] | None = None, older: "Clocks | None" = None) -> None:
        self._own = own or {}
        self._older = older
        # A client in two layers counts twice: it says only which of two maps is to be built upon.
        self._size: int = len(self._own) + (older._size if older is not None else 0)

    def __getitem__(self, client: int) -> int:
        for layer in self._layers():
            if client in layer._own:
                return layer._own[client]
        raise KeyError(client)

    def __iter__(self) -> Iterator[int]:
        return iter({client: None for layer in self._layers() for client in layer._own})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _layers(self) -> "Iterator[Clocks]":
        layer: Clocks | None = self
        while layer is not None:
            yield layer
            layer = layer._older

    @staticmethod
    def joined(maps: "Iterable[Clocks]", more: Iterable[tuple[int, int]]) -> "Clocks":
        """The greatest clock of each client in any of the maps, or in `more`. What all share is not looked at."""
        trunk, *others = sorted(maps, key=lambda each: -each._size)
        shared = {id(layer) for layer in trunk._layers()}
        found: dict[int, int] = {}
        for other in others:
            for layer in other._layers():
                if id(layer) in shared:
                    break  # and all that is below it is the same, too
                _raise(found, trunk, layer._own.items())
        _raise(found, trunk, more)
        return trunk._above(found)

    def _above(self, own: dict[int, int]) -> "Clocks":
        if not own:
            return self
        older: Clocks | None = self
        while older is not None and len(older._own) <= len(own):
            own = {**older._own, **own}
            older = older._older
        return Clocks(own, older)


def _raise(found: dict[int, int], trunk: Clocks, clocks: Iterable[tuple[int, int]]) -> None:
    for client, clock in clocks:
        known = found.get(client, trunk.get(client))
        if known is None or clock > known:
            found[client] = clock
