"""What an account thread says, read out: devices, keys, rooms, relays.

Its `shared` document holds maps of plain values, flat so that two devices' changes merge key by key. What
has not the form it should have is passed over: a later version may write more.
"""

import base64
import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from crdt import errors, keys
from crdt.identity import DeviceLog, SignedEntry
from crdt.ids import IdentityId, RoomId, ThreadId, from_text
from crdt.invite_link import InviteLink, parse_invite
from crdt.invites import InviteKeys
from crdt.numbers import in_reach, parse_number
from crdt.replica import Replica
from crdt.thread import shared_values

K = TypeVar("K", ThreadId, IdentityId)


@dataclass(frozen=True, slots=True)
class Room:
    """Where a thread syncs. The owner's devices have its `key`; a member has the `link` by which they came.

    `generation` is that of the members' certificates. A thread is `joining` until its admission was seen.
    """

    thread: ThreadId
    public: RoomId
    state: str  # active | trashed | deleted | joining
    key: keys.SigningKey | None = None
    generation: int = 0
    link: InviteLink | None = None

    @property
    def own_key(self) -> keys.SigningKey:
        """The key of a room that is ours."""
        assert self.key is not None, "a room of somebody else's"
        return self.key


def own_room(
    thread: ThreadId, key: keys.SigningKey, generation: int, state: str = "active", link: InviteLink | None = None
) -> Room:
    """A room of a thread that the identity owns; one that was handed over to it came by a link."""
    return Room(thread, RoomId(key.public), state, key, generation, link)


@dataclass(slots=True)
class Affairs:
    """What the account thread says, read out after each of its changes."""

    entries: list[SignedEntry] = field(default_factory=list)
    log: DeviceLog = field(default_factory=lambda: DeviceLog(IdentityId(b"")))
    identity_keys: dict[int, keys.AgreementKey] = field(default_factory=dict)
    logins: dict[int, keys.SigningKey] = field(default_factory=dict)
    recovery: bytes = b""  # empty: nobody knows it for sure, until somebody gives the words
    rooms: dict[ThreadId, Room] = field(default_factory=dict)
    relays: dict[str, str] = field(default_factory=dict)  # URL → access key, or ""
    offers: dict[bytes, InviteLink] = field(default_factory=dict)  # by invite: every link we made, open or not
    logins_of: dict[ThreadId, dict[IdentityId, bytes]] = field(default_factory=dict)  # members of our threads
    asking: dict[bytes, bytes] = field(default_factory=dict)  # by their id: redemptions that a person has to agree to
    verified: set[IdentityId] = field(default_factory=set)  # people whose words were compared
    met: dict[IdentityId, str] = field(default_factory=dict)  # people we share threads with, as they called themselves


def read_affairs(replica: Replica, identity: IdentityId, before: dict[ThreadId, Room]) -> Affairs:
    """Everything, as far as it has come; `before` are the rooms known so far."""
    membership = replica.membership
    shared = shared_values(replica, "keys")
    log = membership.logs.get(identity, DeviceLog(identity))
    affairs = Affairs(
        entries=membership.entries.get(identity, []),
        log=log,
        identity_keys={n: keys.AgreementKey.from_secret(s) for n, s in _numbered(shared, "identity/")},
        logins={n: keys.SigningKey.from_seed(s) for n, s in in_reach(dict(_numbered(shared, "login/"))).items()},
        recovery=recovery_key(log, shared),
        relays={url: key for url, key in shared_values(replica, "relays").items() if isinstance(key, str)},
    )
    room_seed = _secret(shared.get("room"))
    if room_seed:
        generation = _count(shared.get("room_generation"))
        affairs.rooms[replica.thread] = own_room(replica.thread, keys.SigningKey.from_seed(room_seed), generation)
    _read_index(shared_values(replica, "index"), affairs, before)
    _read_sharing(replica, affairs)
    return affairs


def recovery_key(log: DeviceLog, shared: dict[str, object]) -> bytes:
    """The key that the root has entered. Accounts of the first days have it as a plain value alone, which every device
    may write: it serves while no device was ended, for it may be what a thief left behind. Empty without one."""
    plain = b"" if any(device.revoked for device in log.devices.values()) else _secret(shared.get("recovery"))
    return log.recovery or plain or b""


def _read_index(index: dict[str, object], affairs: Affairs, before: dict[ThreadId, Room]) -> None:
    """The rooms in the index. A key pair that was made before is kept: making one costs 50 µs, and they are many."""
    for name, value in index.items():
        text, _, what = name.partition("/")
        thread = _id(text, ThreadId)
        if thread is None:
            continue
        state = index.get(f"{text}/state")
        known = state if isinstance(state, str) else "active"
        if what == "room" and (seed := _secret(value)):
            generation = _count(index.get(f"{text}/generation"))
            former = before.get(thread)
            key = former.key if former and former.key and former.key.seed == seed else keys.SigningKey.from_seed(seed)
            link = _link(index.get(f"{text}/link"))
            affairs.rooms[thread] = own_room(thread, key, generation, known, link)
        elif what == "link" and f"{text}/room" not in index and (link := _link(value)) and link.thread == thread:
            joining = known == "active" and not index.get(f"{text}/admitted")
            affairs.rooms[thread] = Room(thread, link.room, "joining" if joining else known, link=link)


def _read_sharing(replica: Replica, affairs: Affairs) -> None:
    """The links we made, who came by them, and whom we know."""
    for value in shared_values(replica, "invites").values():
        if link := _link(value):
            affairs.offers[InviteKeys.from_secret(link.secret).id] = link
    for name, value in shared_values(replica, "logins").items():
        text, _, person = name.partition("/")
        thread, identity, login = _id(text, ThreadId), _id(person, IdentityId), _secret(value)
        if thread and identity and login:
            affairs.logins_of.setdefault(thread, {})[identity] = login
    for name, value in shared_values(replica, "asking").items():
        with contextlib.suppress(ValueError):
            affairs.asking[bytes.fromhex(name)] = base64.b64decode(value if isinstance(value, str) else "")
    for name, value in shared_values(replica, "people").items():
        text, _, what = name.partition("/")
        if person_id := _id(text, IdentityId):
            if what == "verified" and value:
                affairs.verified.add(person_id)
            elif what == "name" and isinstance(value, str):
                affairs.met[person_id] = value


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> InviteLink | None:
    try:
        return parse_invite(text)
    except errors.OpenSeshError:
        return None


def _link(value: object) -> InviteLink | None:
    return _parsed(value) if isinstance(value, str) else None


def _id(text: str, kind: Callable[[bytes], K]) -> K | None:
    try:
        return kind(from_text(text))
    except errors.PeerFault:
        return None


def _numbered(values: dict[str, object], prefix: str) -> list[tuple[int, bytes]]:
    found = []
    for name, value in values.items():
        secret = _secret(value)
        number = parse_number(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if number is not None and secret:
            found.append((number, secret))
    return sorted(found)


def _secret(value: object) -> bytes | None:
    """32 bytes in hex, or None for anything else."""
    if not isinstance(value, str) or len(value) != 2 * keys.KEY_BYTES:
        return None
    try:
        return bytes.fromhex(value)
    except ValueError:
        return None


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**31 else 0
