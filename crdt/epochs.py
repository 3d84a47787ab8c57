"""The generations of a thread's content key, and what is derived from each.

An epoch's id is a hash of its key and the thread: whoever learns a key can tell at once whether it is
the one that was meant. From the key come, each by its own label: the body key, the frame key and its
nonce key, and the tags under which the relay files frames without knowing what they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from crdt import keys
from crdt.ids import EpochId, ThreadId
from crdt.permissions import Lane

EPOCH_TAG_BYTES = 8
LANE_TAG_BYTES = 16


def epoch_id(key: bytes, thread: ThreadId) -> EpochId:
    """The commitment to an epoch's key in that thread."""
    return EpochId(keys.digest("epoch", key, thread))


def epoch_tag(epoch: bytes) -> bytes:
    """The 8 bytes by which a frame says which epoch's key opens it."""
    return keys.digest("epoch-tag", epoch, size=EPOCH_TAG_BYTES)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One content key with everything derived from it. `repr` shows the id alone."""

    id: EpochId
    key: bytes
    tag: bytes
    body_key: bytes
    frame_key: bytes
    frame_nonce_key: bytes
    lane_tag_key: bytes

    @classmethod
    def from_key(cls, key: bytes, thread: ThreadId) -> "Epoch":
        """Derive all that follows from a 32-byte key."""
        identifier = epoch_id(key, thread)
        return cls(
            identifier,
            key,
            epoch_tag(identifier),
            keys.derive(key, "epoch-body", thread),
            keys.derive(key, "epoch-frame", thread),
            keys.derive(key, "epoch-frame-nonce", thread),
            keys.derive(key, "epoch-lane-tag", thread),
        )

    def lane_tag(self, lane: Lane) -> bytes:
        """The 16 bytes under which a relay files the lane's frames in this epoch."""
        return keys.derive(self.lane_tag_key, "lane", lane.label(), size=LANE_TAG_BYTES)

    def __repr__(self) -> str:
        return f"Epoch({self.id.hex()[:16]}…)"


class Keyring:
    """The epochs of one thread whose keys this device holds."""

    def __init__(self, thread: ThreadId) -> None:
        self.thread = thread
        self._by_id: dict[bytes, Epoch] = {}
        self._by_tag: dict[bytes, list[Epoch]] = {}

    def learn(self, key: bytes) -> Epoch | None:
        """Take a key in. None if it was known already."""
        identifier = epoch_id(key, self.thread)
        if identifier in self._by_id:
            return None
        epoch = Epoch.from_key(key, self.thread)
        self._by_id[identifier] = epoch
        self._by_tag.setdefault(epoch.tag, []).append(epoch)
        return epoch

    def keep_only(self, identifiers: set[bytes]) -> None:
        """Let go of all other epochs."""
        for identifier in self._by_id.keys() - identifiers:
            epoch = self._by_id.pop(identifier)
            self._by_tag[epoch.tag].remove(epoch)
            if not self._by_tag[epoch.tag]:
                del self._by_tag[epoch.tag]

    def get(self, identifier: bytes) -> Epoch | None:
        """The epoch with that id, if we hold its key."""
        return self._by_id.get(identifier)

    def tagged(self, tag: bytes) -> list[Epoch]:
        """The epochs a frame with that tag may belong to (nearly always one or none)."""
        return self._by_tag.get(tag, [])

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self._by_id.values())

    def __reversed__(self) -> Iterator[Epoch]:
        return reversed(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)
