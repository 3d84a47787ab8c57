"""How long to wait before trying again: longer each time, never for ever, and never all at once."""

import random

FIRST_S = 0.5
MOST_S = 60.0
PROVEN_S = 30.0  # a line that stood for so long was a good one


class Backoff:
    """Doubles from `FIRST_S` to `MOST_S`, each wait a random half to whole of it: after an outage nobody
    comes back in step with the others."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def next_s(self, at_least_s: float = 0.0) -> float:
        """The wait before the next try."""
        wait_s = max(at_least_s, self._next_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, hides nothing
        self._next_s = min(MOST_S, self._next_s * 2)
        return wait_s

    def stood(self, seconds: float) -> None:
        """A line was there for so long. One that is cut at once each time is no reason to hurry."""
        if seconds >= PROVEN_S:
            self._next_s = FIRST_S
