"""Numbers that devices count up together by writing them as names: of leases, of logins.

The greatest one holds, so whoever may write could end the counting with a number that has no next one. Honest
numbers lie close together. One that is far beyond all others was made up, and is passed over.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

MAX_DIGITS: Final = 15  # every such number is exact wherever JSON is read
MAX_AHEAD: Final = 1024  # of the number before it; a row of such steps to the end would fill many documents
T = TypeVar("T")


def parse_number(name: str) -> int | None:
    """The number that a name spells: ASCII digits, no leading zero, at most `MAX_DIGITS`."""
    if not name.isascii() or not name.isdecimal() or len(name) > MAX_DIGITS or (name[0] == "0" and name != "0"):
        return None
    return int(name)


def in_reach(numbered: Mapping[int, T]) -> dict[int, T]:
    """Without those that are more than `MAX_AHEAD` beyond the next lower one (the lowest: beyond 0), in their order."""
    found: dict[int, T] = {}
    last = 0
    for number in sorted(numbered):
        if number - last > MAX_AHEAD:
            break
        found[number] = numbered[number]
        last = number
    return found
