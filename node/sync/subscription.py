"""How far this device and a relay are with one room, and how a mark may move."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crdt import wire
from crdt.ids import ThreadId
from node.store import RoomProgress

BATCH_BYTES: Final = (
    1024 * 1024
)  # of frames in one upload: small beside the protocol's bound, large beside a round trip


@dataclass(slots=True)
class Subscription:
    """`heard` is the newest cursor delivered to us, `last` the newest we have heard of."""

    thread: ThreadId
    room: bytes
    progress: RoomProgress
    is_own: bool = True  # attached with the room's own key, not by a member's certificate
    heard: int = 0
    last: int = 0

    @property
    def is_current(self) -> bool:
        """Whether everything the relay was known to have is here."""
        return self.heard >= self.last

    def moved(self, deliver: wire.Deliver) -> RoomProgress:
        """The mark after a delivery: what it left out of the log we published, and so have."""
        before = self.progress
        return RoomProgress(before.origin, before.room, deliver.upto, deliver.check, before.uploaded_row)

    def keep(self, cursor: int, check: bytes) -> None:
        """What was read up to that cursor is stored. How far the uploads came meanwhile stays."""
        before = self.progress
        self.progress = RoomProgress(before.origin, before.room, cursor, check, before.uploaded_row)

    def hear(self, upto: int) -> None:
        """A delivery up to that cursor has been taken in."""
        self.heard = max(self.heard, upto)
        self.last = max(self.last, upto)

    def stored(self, last: int) -> None:
        """The relay has something of ours on its disk, and `last` was its newest cursor then."""
        self.last = max(self.last, last)

    def uploaded(self, row: int) -> None:
        """The relay has everything of ours up to that row of the store."""
        before = self.progress
        self.progress = RoomProgress(before.origin, before.room, before.cursor, before.check, row)


def batches(frames: Sequence[bytes]) -> list[list[bytes]]:
    """Frames in order, cut where a message would grow too large."""
    cut: list[list[bytes]] = []
    size = 0
    for frame in frames:
        if not cut or size + len(frame) > BATCH_BYTES or len(cut[-1]) >= wire.MAX_BATCH_FRAMES:
            cut.append([])
            size = 0
        cut[-1].append(frame)
        size += len(frame)
    return cut
