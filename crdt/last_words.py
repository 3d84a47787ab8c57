"""Words on one matter that each name those they come after: which is the last, whatever their authors' clocks say.

The ids are random, so that nobody can come after what isn't written yet: a forged key wins against what it is
concurrent with, and not for longer.
"""

from collections.abc import Collection, Iterable
from typing import Any, Protocol, TypeVar

from crdt.plain import Fields, identifier


class Said(Protocol):
    """One device's word."""

    @property
    def id(self) -> str: ...
    @property
    def device(self) -> bytes: ...
    @property
    def key(self) -> int: ...
    @property
    def after(self) -> tuple[str, ...]: ...


Word = TypeVar("Word", bound=Said)


def last(said: Collection[Word]) -> list[Word]:
    """Those after which there is none; all, if each comes after another."""
    passed = {name for each in said for name in each.after}
    return [each for each in said if each.id not in passed] or list(said)


def after(said: Iterable[Said], most: int) -> tuple[str, ...]:
    """What a word names that is said after these: `most` ids, those of the greatest keys first."""
    ordered = sorted(said, key=lambda each: (-each.key, each.device))
    return tuple(each.id for each in ordered[:most])


def read_after(values: Fields, most: int) -> tuple[str, ...] | None:
    """The field `after` of a word as it stands in a lane, of at most so many ids; None if it has not that form."""
    found: Any = values.get("after")
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > most or any(identifier(each) is None for each in found):
        return None
    return tuple(found)
