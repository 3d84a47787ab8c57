"""What is still to be said to one peer, kept as what it is about and not as finished messages.

Messages are made when the line takes them, from what is true then. So a peer that asks much and reads
little costs a few bytes for each frame that is here, never the frames themselves, and asking the same
again costs nothing; a thread that changes often is told of once, as it stands.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from crdt.ids import ThreadId


@dataclass(slots=True)
class Debt:
    """What is owed about one thread."""

    overview: bool = False
    buckets: bool = False
    listing: set[int] = field(default_factory=set)  # numbers of buckets
    frames: dict[bytes, None] = field(default_factory=dict)  # hashes, in the order they came
    holds: bool = False

    def take_frames(self, most: int) -> list[bytes]:
        """The next hashes, no longer owed."""
        taken = [each for each, _ in zip(self.frames, range(most), strict=False)]
        for each in taken:
            del self.frames[each]
        return taken


class Owed:
    """Debts by thread, paid in turn so that a large thread does not keep the others waiting."""

    def __init__(self) -> None:
        self._debts: dict[ThreadId, Debt] = {}
        self._any = asyncio.Event()

    def __len__(self) -> int:
        return len(self._debts)

    def of(self, thread: ThreadId) -> Debt:
        """What is owed of a thread, to add to: whoever asks for it adds something."""
        self._any.set()
        return self._debts.setdefault(thread, Debt())

    def frames(self, thread: ThreadId, hashes: Iterable[bytes]) -> None:
        """These are to be sent, each once."""
        self.of(thread).frames.update(dict.fromkeys(hashes))

    def drop(self, thread: ThreadId) -> None:
        """Nothing more is to be said about a thread."""
        self._debts.pop(thread, None)

    def overviews(self, most: int) -> list[ThreadId]:
        """The threads next to be told of, no longer owed."""
        taken = [thread for thread, debt in self._debts.items() if debt.overview][:most]
        for thread in taken:
            self._debts[thread].overview = False
        return taken

    async def next(self) -> tuple[ThreadId, Debt]:
        """The thread whose turn it is, taken out; whoever leaves frames unsent puts it `back`."""
        while not self._debts:
            self._any.clear()
            await self._any.wait()
        thread = next(iter(self._debts))
        return thread, self._debts.pop(thread)

    def back(self, thread: ThreadId, debt: Debt) -> None:
        """The frames that were left of it, behind the others; together with what was added meanwhile."""
        if debt.frames:
            self.frames(thread, debt.frames)
