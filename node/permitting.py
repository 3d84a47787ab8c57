"""Whether one may do what a command asks for, said before anything is changed: the role that it takes, by name."""

from crdt.permissions import WRITES, LaneKind, Role, denied
from crdt.replica import Replica


def require(replica: Replica, kind: LaneKind) -> None:
    """Raise PERMISSION_DENIED, naming the role that writing such a lane takes, if ours is less."""
    needed, ours = WRITES[kind], _role(replica)
    if ours < needed:
        raise denied(needed, ours)


def _role(replica: Replica) -> Role:
    """Ours; a device that has not shown whose it is does so with what it writes first."""
    if replica.author is not None and not replica.is_introduced:
        return replica.membership.role(replica.author.identity)
    return replica.role()
