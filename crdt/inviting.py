"""What an owner does with links, and what a joiner makes of theirs: offer, withdraw, admit, and where one stands.

Clocks come in here and nowhere else: whoever admits judges the expiry once, by their own.
"""

from collections.abc import Sequence
from enum import StrEnum

from crdt import errors
from crdt.author import Author
from crdt.errors import OpenSeshError
from crdt.identity import SignedEntry, fold_log
from crdt.ids import DeviceId, IdentityId, RoomId
from crdt.invite_link import SECRET_BYTES, InviteLink
from crdt.invites import Asking, InviteKeys
from crdt.membership import Membership
from crdt.permissions import LaneKind, Role
from crdt.records import Action, Admit, Invite, Withdraw
from crdt.replica import Commit, Replica
from crdt.stewardship import introduction, readers, rotate


class State(StrEnum):
    """Where somebody with a link stands."""

    ADMITTED = "admitted"
    WAITING = "waiting"
    EXPIRED = "expired"
    USED_UP = "used up"
    WITHDRAWN = "withdrawn"
    REMOVED = "removed"


REFUSALS = {
    State.EXPIRED: errors.INVITE_EXPIRED,
    State.USED_UP: errors.INVITE_USED_UP,
    State.WITHDRAWN: errors.INVITE_WITHDRAWN,
    State.REMOVED: errors.INVITE_WITHDRAWN,
}


def offer_invite(
    replica: Replica,
    author: Author,
    role: Role,
    *,
    uses: int = 1,
    expires_ms: int = 0,
    approve: bool = False,
    name: str = "",
    relay: str | None = None,
) -> tuple[Commit, InviteLink]:
    """Open a link. `expires_ms` is Unix time, 0 for never; `uses` 1 to MAX_USES. Raises PERMISSION_DENIED."""
    genesis, owner = replica.membership.genesis, replica.membership.owner
    if genesis is None or owner is None or replica.role() is not Role.OWNER:
        raise errors.PERMISSION_DENIED(role="owner")
    secret = author.random(SECRET_BYTES)
    invite = Invite(InviteKeys.from_secret(secret).id, int(role), expires_ms, uses, approve, name)
    commit = replica.commit_record(LaneKind.CONTROL, [invite])
    assert commit.receipt.envelope is not None
    tip = commit.receipt.envelope.id
    return commit, InviteLink(relay, RoomId(genesis.room), role, secret, replica.thread, owner, tip)


def withdraw_invite(replica: Replica, invite: bytes) -> Commit:
    """Close a link for ever; who came by it stays."""
    return replica.commit_record(LaneKind.CONTROL, [Withdraw(invite)])


def admit(replica: Replica, author: Author, asking: Asking, now_ms: int) -> Commit | None:
    """Let somebody in: use, grant and a fresh content key wrapped to them too, in one record. None if they are in.

    Raises PERMISSION_DENIED, INVITE_EXPIRED, INVITE_USED_UP or INVITE_WITHDRAWN; AUTH_FAILED if the joiner's log as
    it is known here has ended the device that asks, or the key that it names. Whether a person has to agree
    first (`approve`) is the caller's to ask.
    """
    membership, invite = replica.membership, asking.statement.invite
    if replica.role() is not Role.OWNER or asking.identity == membership.owner:
        raise errors.PERMISSION_DENIED(role="owner")
    state = state_of(membership, invite, asking.identity, now_ms)
    if state is State.ADMITTED:
        return None
    if state in REFUSALS:
        raise REFUSALS[state]()
    if knows_better(membership, asking):
        raise errors.AUTH_FAILED("A device that was ended, or doesn't know its identity's newest key, asks to join.")
    name = asking.statement.name
    admission = Admit(invite, asking.id, asking.identity, asking.statement.login, name)
    shown: Sequence[SignedEntry] = asking.statement.entries
    actions: list[Action] = [admission, *introduction(shown)]
    recipients = [*readers(membership, [asking.identity]), asking.statement.key]
    return rotate(replica, author, recipients, actions)


def knows_better(membership: Membership, asking: Asking) -> bool:
    """Whether the joiner's log as it is known here has ended the device that asks, or the key that it names: a thief
    shows a log without the revocation."""
    said = asking.statement
    log = fold_log(asking.identity, {*membership.entries.get(asking.identity, ()), *said.entries})
    device = log.devices.get(DeviceId(said.device))
    return device is None or device.revoked or log.identity_key is None or log.identity_key[1] != said.key


def state_of(membership: Membership, invite: bytes, identity: IdentityId, now_ms: int) -> State:
    """Where an identity stands with an invite, by all records here. WAITING: it may be, or come to be, admitted."""
    everything = membership.everything
    mine = [a for a in membership.invites.admissions(invite) if a.identity == identity]
    if any(membership.invites.stands(a, everything) for a in mine):
        return State.ADMITTED if membership.role(identity) > Role.NONE else State.REMOVED
    return state_of_invite(membership, invite, now_ms) or State.WAITING


def state_of_invite(membership: Membership, invite: bytes, now_ms: int) -> State | None:
    """Why an invite lets nobody in any more, by all records here: WITHDRAWN, USED_UP or EXPIRED. None: it is open."""
    invites, everything = membership.invites, membership.everything
    offered = invites.offered.get(invite)
    if offered is None or invites.is_withdrawn(invite, everything):
        return State.WITHDRAWN
    if len(invites.standing(invite, everything)) >= offered.action.uses:
        return State.USED_UP
    return State.EXPIRED if 0 < offered.action.expires_ms < now_ms else None


def joined(replica: Replica, link: InviteLink, identity: IdentityId, now_ms: int) -> State:
    """What the joiner may believe: genesis, then the pinned record under the pinned owner, then the own admission.

    Nothing is to be shown unless it is ADMITTED. While the pinned record is not here it is WAITING. Raises
    AUTH_FAILED if what is here is another thread, or another person's than the link says.
    """
    if replica.thread != link.thread:
        raise _another()
    membership, pinned = replica.membership, replica.graph.get(link.tip)
    if pinned is None or membership.genesis is None:
        return State.WAITING
    invite = InviteKeys.from_secret(link.secret).id
    is_offer = any(isinstance(each, Invite) and each.key == invite for each in pinned.record.actions)
    if membership.owner_at(pinned.closure) != link.owner or membership.genesis.room != link.room or not is_offer:
        raise _another()
    return state_of(membership, invite, identity, now_ms)


def _another() -> OpenSeshError:
    return errors.AUTH_FAILED("What came is not the thread that the link was made for.")
