"""Which entries of a document's root map updates have touched: what spares a reader reading everything again."""

from typing import Any

import pycrdt

from crdt.permissions import Lane


class Touched:
    """Watches one root map in each lane's document."""

    def __init__(self) -> None:
        self._watched: dict[Lane, tuple[object, set[str], object]] = {}  # an observer lives as long as its map

    def of(self, lane: Lane, root: "pycrdt.Map[Any]") -> list[str]:
        """The names that an update has touched since the last time; all of them the first time."""
        if lane not in self._watched:
            noted: set[str] = set()
            # What the native library holds is out of the garbage collector's sight: it must not lead back to us.
            self._watched[lane] = root, noted, root.observe_deep(lambda events: _note(noted, events))
            return list(root.keys())
        noted = self._watched[lane][1]
        touched = list(noted)
        noted.clear()
        return touched


def _note(noted: set[str], events: list[Any]) -> None:
    for event in events:
        noted.update([event.path[0]] if event.path else event.keys)
