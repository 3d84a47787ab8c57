"""What an owner does to a thread: found it, hand out a key, give and take rights, end a device, pass it on.

Each function returns the actions of one record, or commits it; a new content key travels with the very
record that makes it necessary, wrapped to everybody who may read from then on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crdt import keys
from crdt.author import Author, Randomness
from crdt.epochs import Epoch
from crdt.frames import MAX_BACK, make_outside
from crdt.identity import Root, SignedEntry
from crdt.ids import DeviceId, IdentityId, ThreadId
from crdt.membership import Membership
from crdt.permissions import GOVERNANCE, LaneKind, Role, may_write
from crdt.records import (
    Accept,
    Action,
    Devices,
    Genesis,
    NewEpoch,
    Offer,
    Relays,
    Restrict,
    RevokeDevice,
    offer_bytes,
    thread_id,
)
from crdt.replica import Commit, Replica

ENTRIES_PER_ACTION = 64
CONTENT = tuple(kind for kind in LaneKind if kind not in GOVERNANCE)


@dataclass(frozen=True, slots=True)
class Birth:
    """What a new thread starts with. `recipients` are the X25519 keys its first content key is wrapped to.

    Owner, room, time and `salt` make the thread's id: random for a thread; for an account all of them
    follow from the root, so that the recovery words alone lead back to it.
    """

    purpose: str  # "thread" or "account"
    room: bytes
    relays: tuple[str, ...]
    entries: Sequence[SignedEntry]
    recipients: list[bytes]
    created_ms: int
    salt: bytes


def genesis_of(owner: IdentityId, birth: Birth) -> Genesis:
    """The record whose hash is the thread's id."""
    return Genesis(owner, birth.purpose, birth.room, birth.salt, birth.created_ms)


def account_birth(root: Root, entries: Sequence[SignedEntry], recipients: list[bytes]) -> Birth:
    """An identity's account thread."""
    return Birth("account", root.account_room.public, (), entries, recipients, 0, bytes(32))


def found(author: Author, own_keys: Iterable[keys.AgreementKey], birth: Birth) -> tuple[Replica, Commit]:
    """A new thread owned by the author's identity, and the frame of its first record."""
    genesis = genesis_of(author.identity, birth)
    thread = thread_id(genesis)
    replica = Replica(thread, own_keys, author)
    key = author.random(keys.KEY_BYTES)
    epoch = Epoch.from_key(key, thread)
    outside = make_outside(epoch, birth.recipients, [], [])
    actions = [genesis, *introduction(birth.entries), NewEpoch(epoch.id, 0, ()), Relays(birth.relays)]
    return replica, replica.found(actions, key, outside)


def introduction(entries: Sequence[SignedEntry]) -> list[Action]:
    """Device log entries as actions."""
    chunks = (entries[i : i + ENTRIES_PER_ACTION] for i in range(0, len(entries), ENTRIES_PER_ACTION))
    return [Devices(tuple(chunk)) for chunk in chunks]


def readers(membership: Membership, without: Iterable[IdentityId] = ()) -> list[bytes]:
    """The identity keys of everybody with a role: what an ordinary thread's content key is wrapped to."""
    left_out = set(without)
    logs = [membership.logs.get(identity) for identity in membership.members() if identity not in left_out]
    return [log.identity_key[1] for log in logs if log and log.identity_key]  # some may have shown no device yet


def new_epoch(replica: Replica, recipients: list[bytes], random: Randomness) -> tuple[NewEpoch, bytes]:
    """A fresh content key as an action, and what travels outside the seal with it. Earlier keys are sealed under it."""
    epoch = Epoch.from_key(random(keys.KEY_BYTES), ThreadId(replica.thread))
    earlier = _loose_epochs(replica)[:MAX_BACK]
    nonces = [random(keys.NONCE_BYTES) for _ in earlier]
    depth = 1 + max((opened.depth for opened in replica.membership.epochs), default=-1)
    action = NewEpoch(epoch.id, depth, tuple(e.id for e in earlier))
    return action, make_outside(epoch, recipients, earlier, nonces)


def is_key_due(replica: Replica) -> bool:
    """Whether an owner's device has to hand out a fresh key: there is none to write under, or some lack one to read by.

    Whoever came with one of two keys that were handed out at once can't open what is sealed under the other, and a
    record among that would keep from them all that goes on from it.
    """
    writable = any(replica.keyring.get(opened.id) for opened in replica.membership.writing_epochs())
    return not writable or len(_loose_epochs(replica)) > 1


def _loose_epochs(replica: Replica) -> list[Epoch]:
    """The epochs here whose keys a new one must carry: the open ends, and those that do not count, their author having
    been cut off, but under which others wrote in good faith."""
    membership = replica.membership
    counted = {opened.id for opened in membership.epochs}
    named = {parent for opened in membership.epochs for parent in opened.parents}
    used = [each for each in replica.epochs_used if each in membership.openings]
    void = [each for each in used if each not in counted and each not in named]
    loose = [*(opened.id for opened in membership.epoch_tips()), *void]
    return [held for each in loose if (held := replica.keyring.get(each))]


def rotate(replica: Replica, author: Author, recipients: list[bytes], because: Sequence[Action] = ()) -> Commit:
    """Hand out a fresh content key, in the same record as whatever makes it necessary."""
    action, outside = new_epoch(replica, recipients, author.random)
    return replica.commit_record(LaneKind.CONTROL, [*because, action], outside)


def revocation(replica: Replica, device: DeviceId, entries: Sequence[SignedEntry]) -> list[Action]:
    """End a device where it stands now in this thread; `entries` hold the log entry that revokes it."""
    return [*introduction(entries), RevokeDevice(device, replica.cuts([device], LaneKind))]


def restriction(replica: Replica, identity: IdentityId, role: Role) -> list[Action]:
    """Leave an identity at most `role`, and what it has written until now."""
    devices = [device for device, homes in replica.membership.homes.items() if identity in homes]
    lost = [kind for kind in CONTENT if not may_write(role, kind)]
    return [Restrict(identity, role, replica.cuts(devices, lost))]


def offer(
    replica: Replica,
    root: keys.SigningKey,
    to: IdentityId,
    room: bytes = b"",
    generation: int = 0,
    login: bytes = b"",
) -> Action:
    """Hand the thread over; only the owner's root can. `room` is the room's key, wrapped to the heir."""
    owners = replica.membership.owners
    since = owners[-1].since.id if owners and owners[-1].since else b""
    signature = root.sign("transfer", offer_bytes(replica.thread, to, since))
    return Offer(to, signature, room, generation, login)


def acceptance(replica: Replica, offer_id: bytes, before: IdentityId) -> list[Action]:
    """The new owner's first record: the owner before keeps what stands of theirs."""
    devices = [device for device, homes in replica.membership.homes.items() if before in homes]
    return [Accept(offer_id, replica.cuts(devices, LaneKind))]
