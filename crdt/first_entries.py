"""The entries of one root map of one lane that are shown: the first so many, by the key that each has.

A lane may hold any number of entries, for its owner writes them alone. Which are shown depends on what is
in the lane and nothing else; of those beyond the limit only the place is kept.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

Value = TypeVar("Value")


class Shown(NamedTuple, Generic[Value]):
    """An entry that is new (`before` is None), different, or gone (`now` is None)."""

    name: str
    before: Value | None
    now: Value | None

    @property
    def entry(self) -> Value:
        """What is shown now, or what was."""
        either = self.now if self.now is not None else self.before
        assert either is not None
        return either


class FirstEntries(Generic[Value]):
    """Entries by name, each read by `read` (None: not in the form it should have) and put in order by `key`."""

    def __init__(self, limit: int, read: Callable[[str], Value | None], key: Callable[[Value], int]) -> None:
        self.shown: dict[str, Value] = {}
        self._limit, self._read, self._key = limit, read, key
        self._keys: dict[str, int] = {}  # of all entries
        self._places: list[tuple[int, str]] = []  # in order

    def refresh(self, touched: Iterable[str]) -> list[Shown[Value]]:
        """Read these entries again. Returns what is shown otherwise now, by name."""
        names = set(touched)
        if not names:
            return []
        added = [(self._key(value), name) for name in names if (value := self._read(name)) is not None]
        self._replace(names, added)
        candidates = names
        if len(self._places) > self._limit or len(self.shown) >= self._limit:
            candidates = names | ({name for _, name in self._places[: self._limit]} ^ self.shown.keys())
        found = []
        for name in sorted(candidates):
            before, now = self.shown.pop(name, None), self._read(name) if self._is_first(name) else None
            if now is not None:
                self.shown[name] = now
            if now != before:
                found.append(Shown(name, before, now))
        return found

    def _replace(self, names: set[str], added: list[tuple[int, str]]) -> None:
        """Sorting what is nearly in order takes linear time, however many are added at once."""
        if any(name in self._keys for name in names):
            self._places = [place for place in self._places if place[1] not in names]
        for name in names:
            self._keys.pop(name, None)
        self._keys.update({name: key for key, name in added})
        self._places.extend(added)
        self._places.sort()

    def _is_first(self, name: str) -> bool:
        key = self._keys.get(name)
        return key is not None and bisect_left(self._places, (key, name)) < self._limit
