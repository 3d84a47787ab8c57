"""How far a file was read, in a form that survives restarts and notices when the file isn't the same any more."""

import os
from dataclasses import asdict, dataclass
from typing import Any

from .fields import digest

TAIL_BYTES = 4096
"""How much before the offset is compared: more than a line's worth of ids and times, one page to read."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything up to `offset` (bytes, always the end of a line) of this very file was handed out.

    `tail` is a hash of the last bytes before the offset: if it doesn't match, the file was rewritten.
    Store it in the transaction that stores the batch it came with.
    """

    path: str
    device: int
    inode: int
    offset: int
    tail: str

    def to_json(self) -> dict[str, Any]:
        """A flat object of strings and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, shape: dict[str, Any]) -> "Checkpoint":
        """What `to_json` gave. Raises KeyError or ValueError for anything else."""
        numbers = {name: int(shape[name]) for name in ("device", "inode", "offset")}
        return cls(path=str(shape["path"]), tail=str(shape["tail"]), **numbers)

    @classmethod
    def of(cls, path: str, descriptor: int, offset: int) -> "Checkpoint":
        """The checkpoint of an open file at that offset."""
        status = os.fstat(descriptor)
        return cls(path, status.st_dev, status.st_ino, offset, digest(tail_before(descriptor, offset)))

    def fits(self, descriptor: int) -> bool:
        """Whether reading of this open file may go on at the offset."""
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (self.device, self.inode) or status.st_size < self.offset:
            return False
        return digest(tail_before(descriptor, self.offset)) == self.tail


def tail_before(descriptor: int, offset: int) -> bytes:
    """The last bytes before an offset, at most TAIL_BYTES."""
    start = max(0, offset - TAIL_BYTES)
    return os.pread(descriptor, offset - start, start)
