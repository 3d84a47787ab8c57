"""What one connection, address or room may cost the relay: the figures, and the arithmetic on them.

Pure: the time comes in as seconds of a monotonic clock. The relay can't read what it carries, so
counting is all it has against a flood; who may read or change a thread never depends on it.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

from crdt import wire


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of one relay. Sizes in bytes, times in seconds, rates per second."""

    max_frame_bytes: int = wire.MAX_FRAME_BYTES
    frames_per_second: int = 20_000
    burst_frames: int = 40_000
    whispers_per_second: int = 100
    drops_per_minute: int = 30  # per address: anyone who knows a room may drop mail into it
    meets_per_minute: int = 30  # per address: each one is a guess at a pairing code's nameplate
    connections: int = 20_000
    connections_per_address: int = 512
    subscriptions_per_connection: int = 20_000
    room_bytes: int | None = None
    rooms: int = 4_000_000
    letters: int = 1024  # of one room: as many logins as something is kept for
    waits_per_connection: int = 1024  # rooms in which one connection waits for a letter
    mailbox_items: int = 64
    mailbox_bytes: int = 512 * 1024
    mail_age_s: int = 30 * 24 * 3600
    rendezvous: int = 1_000
    rendezvous_s: float = 600.0
    login_s: float = 10.0
    stall_s: float = 60.0
    heartbeat_s: float = 30.0
    in_flight_bytes: int = 2 * 1024 * 1024  # per connection: received, not yet stored
    pending_bytes: int = 64 * 1024 * 1024  # all connections together
    outbox_bytes: int = 1024 * 1024  # answers a connection has not read: its next request waits
    heard_bytes: int = 16 * 1024  # presence a connection has not read, answers counted: several keys typed at once
    deliver_bytes: int = 256 * 1024  # aimed at, in one Deliver; a single larger frame goes alone
    tail_bytes: int = 1024 * 1024  # recent frames of one room kept for readers nearly caught up
    tails_bytes: int = 32 * 1024 * 1024  # of all rooms together


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second, at most `burst` saved up."""

    rate: float
    burst: float
    tokens: float
    at: float

    @classmethod
    def full(cls, rate: float, burst: float, now: float) -> "Bucket":
        return cls(rate, burst, burst, now)

    def take(self, count: float, now: float) -> float:
        """Take `count` tokens and return 0, or take nothing and return the seconds to wait.

        More than `burst` at once is granted from a full bucket and leaves it in debt, so that a
        batch larger than the bucket is slowed down and not refused for ever.
        """
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
        needed = min(count, self.burst)
        if self.tokens < needed:
            return (needed - self.tokens) / self.rate
        self.tokens -= count
        return 0.0

    def is_full(self, now: float) -> bool:
        return self.tokens + max(0.0, now - self.at) * self.rate >= self.burst


@dataclass(slots=True)
class Buckets:
    """One bucket per key (an address), forgotten once it is full again: memory follows recent use."""

    rate: float
    burst: float
    capacity: int = 100_000
    _buckets: dict[Hashable, Bucket] = field(default_factory=dict)

    def take(self, key: Hashable, now: float) -> float:
        """As `Bucket.take` of one token. When too many keys are active at once, new ones must wait."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self.capacity:
                return 1 / self.rate
            bucket = self._buckets[key] = Bucket.full(self.rate, self.burst, now)
        return bucket.take(1, now)

    def forget_full(self, now: float) -> None:
        for key in [key for key, bucket in self._buckets.items() if bucket.is_full(now)]:
            del self._buckets[key]

    def __len__(self) -> int:
        return len(self._buckets)


@dataclass(slots=True)
class Census:
    """How many connections there are, in all and from each address."""

    limits: Limits
    total: int = 0
    by_address: dict[str, int] = field(default_factory=dict)

    def enter(self, address: str) -> bool:
        """Count one in. False, and nothing counted, when the relay or that address has enough."""
        here = self.by_address.get(address, 0)
        if self.total >= self.limits.connections or here >= self.limits.connections_per_address:
            return False
        self.by_address[address] = here + 1
        self.total += 1
        return True

    def leave(self, address: str) -> None:
        self.total -= 1
        self.by_address[address] -= 1
        if not self.by_address[address]:
            del self.by_address[address]


def milliseconds(seconds: float) -> int:
    """A wait as the wire carries it: rounded up, so that whoever waits that long need not ask twice."""
    return math.ceil(seconds * 1000)
