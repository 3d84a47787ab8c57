"""What an account thread says, read out: devices, keys, rooms, relays.

Its `shared` document holds maps of plain values, flat so that two devices' changes merge key by key. What
has not the form it should have is passed over: a later version may write more.
"""

from dataclasses import dataclass, field

from crdt import errors, keys
from crdt.identity import DeviceLog, SignedEntry
from crdt.ids import IdentityId, ThreadId, from_text
from crdt.replica import Replica
from crdt.thread import shared_values


@dataclass(frozen=True, slots=True)
class Room:
    """Where a thread syncs: the room's key, the certificates' generation, and whether it is in use."""

    thread: ThreadId
    key: keys.SigningKey
    generation: int
    state: str  # active | trashed | deleted


@dataclass(slots=True)
class Affairs:
    """What the account thread says, read out after each of its changes."""

    entries: list[SignedEntry] = field(default_factory=list)
    log: DeviceLog = field(default_factory=lambda: DeviceLog(IdentityId(b"")))
    identity_keys: dict[int, keys.AgreementKey] = field(default_factory=dict)
    logins: dict[int, keys.SigningKey] = field(default_factory=dict)
    recovery: bytes = b""
    rooms: dict[ThreadId, Room] = field(default_factory=dict)
    relays: dict[str, str] = field(default_factory=dict)  # URL → access key, or ""


def read_affairs(replica: Replica, identity: IdentityId, before: dict[ThreadId, Room]) -> Affairs:
    """Everything, as far as it has come; `before` are the rooms known so far."""
    membership = replica.membership
    shared = shared_values(replica, "keys")
    affairs = Affairs(
        entries=membership.entries.get(identity, []),
        log=membership.logs.get(identity, DeviceLog(identity)),
        identity_keys={n: keys.AgreementKey.from_secret(s) for n, s in _numbered(shared, "identity/")},
        logins={n: keys.SigningKey.from_seed(s) for n, s in _numbered(shared, "login/")},
        recovery=_secret(shared.get("recovery")) or b"",
        relays={url: key for url, key in shared_values(replica, "relays").items() if isinstance(key, str)},
    )
    room_seed = _secret(shared.get("room"))
    if room_seed:
        generation = _count(shared.get("room_generation"))
        own = Room(replica.thread, keys.SigningKey.from_seed(room_seed), generation, "active")
        affairs.rooms[replica.thread] = own
    _read_index(shared_values(replica, "index"), affairs, before)
    return affairs


def _read_index(index: dict[str, object], affairs: Affairs, before: dict[ThreadId, Room]) -> None:
    """The rooms in the index. A key pair that was made before is kept: making one costs 50 µs, and they are many."""
    for name, value in index.items():
        text, _, what = name.partition("/")
        seed = _secret(value) if what == "room" else None
        if seed is None:
            continue
        try:
            thread = ThreadId(from_text(text))
        except errors.PeerFault:
            continue
        generation = _count(index.get(f"{text}/generation"))
        state = index.get(f"{text}/state")
        known = state if isinstance(state, str) else "active"
        former = before.get(thread)
        key = former.key if former and former.key.seed == seed else keys.SigningKey.from_seed(seed)
        affairs.rooms[thread] = Room(thread, key, generation, known)


def _numbered(values: dict[str, object], prefix: str) -> list[tuple[int, bytes]]:
    found = []
    for name, value in values.items():
        secret = _secret(value)
        if name.startswith(prefix) and name[len(prefix) :].isdecimal() and secret:
            found.append((int(name[len(prefix) :]), secret))
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
