"""What somebody may have meant by a thread's name that is nobody's."""

import difflib
from collections.abc import Sequence

MOST = 5
LIKE = 0.6  # difflib's ratio, 0 to 1: one wrong letter in four is still meant, another word is not
FEWEST_OF_ID = 4  # characters at the beginning that an id has to share


def nearest(name: str, titles: Sequence[str], ids: Sequence[str]) -> list[int]:
    """Positions in `titles` (and `ids`, as long) of what comes nearest, the nearest first; at most `MOST`."""
    wanted = name.casefold().strip()
    if not wanted:
        return []
    folded = [title.casefold() for title in titles]
    found = [number for number, title in enumerate(folded) if wanted == title.strip()]
    found += [number for number, each in enumerate(ids) if each.startswith(wanted[:FEWEST_OF_ID])]
    found += [number for number, title in enumerate(folded) if wanted in title or (title.strip() and title in wanted)]
    for close in difflib.get_close_matches(wanted, set(folded), MOST, LIKE):
        found += [number for number, title in enumerate(folded) if title == close]
    return list(dict.fromkeys(found))[:MOST]
