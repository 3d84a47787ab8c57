"""The simulated world's time, chance and record: one queue of events, one seeded source, one running hash.

Nothing in a simulation asks the machine for the time or for randomness, so a seed leads to the same
run on every machine: the hash over everything that happened says whether two runs were the same.
"""

import hashlib
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import nacl.bindings as sodium

from crdt import keys

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class Violation(AssertionError):
    """Something that must never happen has happened. `rule` names the invariant."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(rule, what)  # both, so that it comes whole out of another process
        self.rule = rule

    def __str__(self) -> str:
        return ": ".join(self.args)


class World:
    """Events in the order of their time; `now` in simulated milliseconds since the start."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = 0
        self.rng = random.Random(seed)
        self.totals: Counter[str] = Counter()
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._history = hashlib.blake2b(digest_size=16)

    def after(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Have something done that much later."""
        heapq.heappush(self._queue, (self.now + delay_ms, next(self._numbers), act))

    def run(self, until_ms: int) -> None:
        """Let everything happen that is due until then."""
        while self._queue and self._queue[0][0] <= until_ms:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = until_ms

    def note(self, what: str, *parts: bytes) -> None:
        """Put something on the record."""
        self._history.update(f"{self.now} {what} ".encode() + b"".join(parts))

    @property
    def history(self) -> str:
        """The hash over the whole record until now."""
        return self._history.hexdigest()


@contextmanager
def seeded_wraps(seed: int) -> Iterator[None]:
    """Sealed boxes whose ephemeral key follows from the seed: the one draw that the core leaves to libsodium.

    The cipher is the real one, step for step, so what is wrapped here is unwrapped by the code under test.
    """
    numbers = itertools.count()

    def wrap(public: bytes, key: bytes) -> bytes:
        secret = hashlib.sha256(f"ephemeral/{seed}/{next(numbers)}".encode()).digest()
        ephemeral = sodium.crypto_scalarmult_base(secret)
        nonce = hashlib.blake2b(ephemeral + public, digest_size=keys.NONCE_BYTES).digest()
        return ephemeral + sodium.crypto_box(key, nonce, public, secret)

    with patch.object(keys, "wrap", wrap):
        yield
