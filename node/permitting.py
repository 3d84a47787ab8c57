"""What we may do in a thread, and the refusal that names the role it takes, said before anything is changed."""

from crdt.permissions import WRITES, LaneKind, Role, denied
from crdt.replica import Replica


def require(replica: Replica, kind: LaneKind) -> None:
    """Raise PERMISSION_DENIED, naming the role that writing such a lane takes, if ours is less."""
    needed, ours = WRITES[kind], our_role(replica)
    if ours < needed:
        raise denied(needed, ours)


def our_role(replica: Replica) -> Role:
    """What this device may do. One that the thread does not know yet may what its identity may: with what it writes
    first it shows whose it is."""
    if replica.author is not None and not replica.is_introduced:
        return replica.membership.role(replica.author.identity)
    return replica.role()
