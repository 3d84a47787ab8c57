"""A simulated disk under one device's thread: transactions that are safe once synced, and backups of it.

A crash keeps what was synced and any first part of what was not, as a database with a log does.
"""

import random
from dataclasses import dataclass, field

from crdt.reconcile import Inventory
from crdt.wire import frame_hash


@dataclass(frozen=True)
class Mark:
    """How far a device has read the relay's log, and what the relay told of that cursor."""

    cursor: int = 0
    check: bytes = b""


@dataclass(frozen=True)
class Transaction:
    """Frames and, if they came from the relay, the mark that moved with them: all of it is kept or nothing."""

    frames: tuple[bytes, ...]
    mark: Mark | None = None
    listed: tuple[bytes, ...] = ()  # hashes that the relay was seen to have


@dataclass
class Disk:
    """What one device has stored, in order."""

    synced: list[Transaction] = field(default_factory=list)
    unsynced: list[Transaction] = field(default_factory=list)
    frames: dict[bytes, bytes] = field(default_factory=dict)  # hash → frame, the unsynced ones included
    safe: set[bytes] = field(default_factory=set)  # hashes of the synced ones
    mark: Mark = field(default_factory=Mark)
    listed: set[bytes] = field(default_factory=set)
    inventory: Inventory = field(default_factory=Inventory)

    def write(self, frames: tuple[bytes, ...], mark: Mark | None = None, listed: tuple[bytes, ...] = ()) -> None:
        """One transaction, not safe yet."""
        transaction = Transaction(frames, mark, listed)
        self.unsynced.append(transaction)
        self._show(transaction)

    def sync(self) -> list[Transaction]:
        """Make everything written so far safe. Returns what became so."""
        done, self.unsynced = self.unsynced, []
        self.synced += done
        for transaction in done:
            self.safe.update(map(frame_hash, transaction.frames))
        return done

    def crash(self, rng: random.Random) -> int:
        """Lose power. Returns how many transactions were lost."""
        kept = rng.randint(0, len(self.unsynced))
        lost = len(self.unsynced) - kept
        self.restore(self.synced + self.unsynced[:kept])
        return lost

    def backup(self) -> list[Transaction]:
        """A copy of what is safe."""
        return list(self.synced)

    def restore(self, transactions: list[Transaction]) -> None:
        """Hold these transactions, all of them safe, and nothing else."""
        self.__init__(synced=list(transactions))  # type: ignore[misc]
        for transaction in transactions:
            self._show(transaction)
        self.safe = set(self.frames)

    def _show(self, transaction: Transaction) -> None:
        for frame in transaction.frames:
            frame_id = frame_hash(frame)
            self.frames[frame_id] = frame
            self.inventory.add(frame_id)
        if transaction.mark is not None:
            self.mark = transaction.mark
            if not self.mark.cursor:
                self.listed.clear()  # the relay is another one, or an older self
            self.listed.update(transaction.listed)
