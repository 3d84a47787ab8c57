"""Roles, lanes, and the one table of which role writes which lane.

A lane is a part of a thread with exactly one writer rule. `SINGLE_WRITER` lanes belong to one device
each, so "who may change this" is answered by the lane's owner alone; `SHARED` is the only document
that several people type into.
"""

from enum import IntEnum
from typing import NamedTuple

from crdt import errors


class Role(IntEnum):
    """What an identity may do in a thread; each role includes those below it."""

    NONE = 0
    VIEWER = 1
    COMMENTER = 2
    EDITOR = 3
    OWNER = 4


class LaneKind(IntEnum):
    """The kinds of lane. Their numbers are part of the protocol and never reused."""

    CONTROL = 0
    IDENTITY = 1
    TIMELINE = 2
    DECISIONS = 3
    COMMENTS = 4
    SHARED = 5
    OUTPUT = 6


GOVERNANCE = frozenset({LaneKind.CONTROL, LaneKind.IDENTITY})
SINGLE_WRITER = frozenset({LaneKind.TIMELINE, LaneKind.DECISIONS, LaneKind.COMMENTS, LaneKind.OUTPUT})

# The table. The lowest role that may write a lane; an identity lane is written by its identity alone,
# whatever its role, because leaving and revoking one's own device must always be possible.
WRITES: dict[LaneKind, Role] = {
    LaneKind.CONTROL: Role.OWNER,
    LaneKind.IDENTITY: Role.NONE,
    LaneKind.TIMELINE: Role.EDITOR,
    LaneKind.DECISIONS: Role.EDITOR,
    LaneKind.COMMENTS: Role.COMMENTER,
    LaneKind.SHARED: Role.EDITOR,
    LaneKind.OUTPUT: Role.EDITOR,
}


def may_write(role: Role, kind: LaneKind) -> bool:
    """Whether `role` is enough to write a lane of that kind."""
    return role >= WRITES[kind]


def denied(needed: Role, has: Role) -> errors.OpenSeshError:
    """PERMISSION_DENIED, naming the role it takes and the one there is."""
    mine = f"You are {has.name.lower()} of this thread" if has else "You have no role in this thread"
    return errors.PERMISSION_DENIED(
        f"{mine}; that takes the role {needed.name.lower()}.",
        role=needed.name.lower(),
        have=has.name.lower(),
        next=f"Ask the thread's owner: opensesh permit THREAD YOU {needed.name.lower()}"
        if needed < Role.OWNER
        else "Only the thread's owner can do that.",
    )


class Lane(NamedTuple):
    """One lane of a thread. `owner` is the device (or, for identity lanes, the identity) it belongs to,
    empty for `control` and `shared`; `scope` tells the terminals of one device apart."""

    kind: LaneKind
    owner: bytes = b""
    scope: bytes = b""

    def label(self) -> bytes:
        """The bytes that name this lane in a keyed tag."""
        return bytes([self.kind]) + self.owner + self.scope


def lane_of(kind: int, device: bytes, scope: bytes) -> Lane:
    """The lane that an envelope of `device` belongs to: a device can't even name a lane of another."""
    lane_kind = LaneKind(kind)
    if lane_kind in SINGLE_WRITER or lane_kind is LaneKind.IDENTITY:
        return Lane(lane_kind, device, scope)
    return Lane(lane_kind, b"", scope)
