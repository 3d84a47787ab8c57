"""What a frame, or a change made here, brought about."""

from dataclasses import dataclass, field
from enum import Enum

from crdt.envelope import Envelope
from crdt.ids import EnvelopeId
from crdt.permissions import Lane


class Status(Enum):
    """What became of a received frame."""

    NEW = "new"
    KNOWN = "known"
    UNOPENED = "unopened"  # its key isn't here (yet)


@dataclass(slots=True)
class Receipt:
    """What a frame, or a local commit, brought about."""

    status: Status
    envelope: Envelope | None = None
    lanes: set[Lane] = field(default_factory=set)  # whose documents changed, or that have a record more
    governed: bool = False  # the membership may have changed
    learned: bool = False  # a content key was learned
    refused: list[tuple[EnvelopeId, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Commit:
    """A local change as a frame to store and send, after those of `before`, on which it stands."""

    frame: bytes
    receipt: Receipt
    before: "tuple[Commit, ...]" = ()
