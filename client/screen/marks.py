"""The sign of a person (pure): a shape, a colour and initials, the same on every member's screen.

A shape and a colour alone say nothing: the initials stand beside them. Filled: they look; hollow: they are away.
"""

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from client.screen.styled import Line
from client.screen.text import fit

SHAPES = ("●○", "■□", "▲△", "◆◇", "▼▽", "★☆")
COLOURS = 5  # styles person.0 to person.4


class Sign(NamedTuple):
    """How somebody is drawn."""

    filled: str
    hollow: str
    style: str


@lru_cache(maxsize=64)
def signs(identities: frozenset[str]) -> dict[str, Sign]:
    """A sign for each: of two whose identities ask for the same shape, one takes the next that is free."""
    found: dict[str, Sign] = {}
    free = set(range(len(SHAPES)))
    for identity in sorted(identities):
        number = zlib.crc32(identity.encode())
        wanted = number % len(SHAPES)
        shape = next(
            (at % len(SHAPES) for at in range(wanted, wanted + len(SHAPES)) if at % len(SHAPES) in free), wanted
        )
        free.discard(shape)
        found[identity] = Sign(SHAPES[shape][0], SHAPES[shape][1], f"class:person.{number // len(SHAPES) % COLOURS}")
    return found


def sign(identity: str, among: Iterable[str], name: str, is_away: bool) -> Line:
    """Somebody's sign and initials."""
    drawn = signs(frozenset((*among, identity)))[identity]
    return ((drawn.style, f"{drawn.hollow if is_away else drawn.filled} {initials(name)}"),)


def initials(name: str) -> str:
    """Two letters at most: of the first two words, or how the only one begins."""
    words = [word for word in name.replace("-", " ").split() if word[0].isalnum()]
    if not words:
        return "?"
    letters = "".join(word[0] for word in words[:2]) if len(words) > 1 else words[0][:2]
    return fit(letters.upper(), 4)
