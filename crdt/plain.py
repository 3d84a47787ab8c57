"""Plain values out of what anybody may have written: each in the form and size it should have, or None.

Nothing here asks a library what a character is: its tables change with its version, and every peer has
to come to the same answer.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

NUMBER_LIMIT: Final = 2**53  # above this a double tells no integers apart
_NAME: Final = re.compile(r"[a-z0-9]{1,32}")


class Fields(Protocol):
    """A shared map, or a dict."""

    def get(self, name: str, /) -> Any:
        """The value of that name; None if there is none."""


def number(values: Fields | Mapping[str, Any], name: str, below: int = NUMBER_LIMIT) -> int | None:
    """A whole number from 0 up to `below`, which is no part of it. Documents hold every number as a double."""
    value = values.get(name)
    found = whole(value)
    return found if found is not None and found == value and 0 <= found < below else None


def whole(value: object) -> int | None:
    """A number as an integer of at most 53 bits, its fraction cut off; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) <= NUMBER_LIMIT else None


def text(values: Fields | Mapping[str, Any], name: str, longest: int) -> str | None:
    """A text of at most `longest` characters (Unicode code points)."""
    value = values.get(name)
    return value if isinstance(value, str) and len(value) <= longest else None


def identifier(value: Any) -> str | None:
    """An id as this project makes them: up to 32 of a–z and 0–9."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None
