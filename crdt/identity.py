"""A person: a root key, and the signed log of their devices.

The root is a 32-byte seed that is shown once as 24 words and then erased. It signs the first device,
and whatever must outrank every device: recovery, and handing a thread over. All else is signed by
devices. The log is a hash-linked graph of entries; `fold_log` decides which of them count, as a pure
function of the set.

Authority, in one rule: a device is outranked by the root and by every device that stands before it
in log order. Log order is the depth in the graph (adding needs the adder in one's past, so nobody
can place an accomplice above themselves), then the entry's hash.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from crdt import codec, keys
from crdt.errors import PeerFault
from crdt.ids import DeviceId, IdentityId

ADD: Final = 1
REVOKE: Final = 2
RENAME: Final = 3
KEY: Final = 4  # a new identity key: what thread epochs are wrapped to
RECOVERY: Final = 0  # the generation of the KEY by which the root names the recovery key
MAX_PARENTS: Final = 8

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[bytes, Meta(min_length=64, max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Place = tuple[int, bytes]  # depth in the graph, then the entry's hash: log order


class Entry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One line of a device log. `subject` is the device concerned; `agreement` the X25519 key it brings."""

    version: Annotated[int, Meta(ge=1, le=1)]
    identity: Bytes32
    kind: Annotated[int, Meta(ge=ADD, le=KEY)]
    subject: Annotated[bytes, Meta(max_length=32)]
    agreement: Annotated[bytes, Meta(max_length=32)]
    generation: Count
    name: Annotated[str, Meta(max_length=64)]
    platform: Annotated[str, Meta(max_length=32)]
    at_ms: Count
    parents: Annotated[tuple[Bytes32, ...], Meta(max_length=MAX_PARENTS)]
    signer: Bytes32


class SignedEntry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An entry's bytes, its signer's signature, and for `ADD` the new device's own consent."""

    entry: Annotated[bytes, Meta(max_length=1024)]
    signature: Bytes64
    consent: Annotated[bytes, Meta(max_length=64)] = b""

    @property
    def hash(self) -> bytes:
        return keys.digest("device-entry", self.entry)


@dataclass(frozen=True, slots=True)
class Root:
    """Everything that follows from the 32-byte seed behind the 24 words."""

    signing: keys.SigningKey
    recovery: keys.AgreementKey
    account_room: keys.SigningKey
    login: keys.SigningKey

    @classmethod
    def from_seed(cls, seed: bytes) -> "Root":
        """Each key by its own label, so that none of them tells anything of another."""
        return cls(
            keys.SigningKey.from_seed(keys.derive(seed, "root-signing")),
            keys.AgreementKey.from_secret(keys.derive(seed, "root-recovery")),
            keys.SigningKey.from_seed(keys.derive(seed, "root-account-room")),
            keys.SigningKey.from_seed(keys.derive(seed, "root-login")),
        )

    @property
    def identity(self) -> IdentityId:
        return IdentityId(self.signing.public)


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """A device's own two key pairs, which never leave it."""

    signing: keys.SigningKey
    agreement: keys.AgreementKey

    @classmethod
    def from_seed(cls, seed: bytes) -> "DeviceKeys":
        return cls(
            keys.SigningKey.from_seed(keys.derive(seed, "device-signing")),
            keys.AgreementKey.from_secret(keys.derive(seed, "device-agreement")),
        )

    @property
    def id(self) -> DeviceId:
        return DeviceId(self.signing.public)


@dataclass(slots=True)
class Device:
    """A device as its identity's log shows it. `rank` counts from 0, the most senior."""

    id: DeviceId
    agreement: bytes
    name: str
    platform: str
    added_at_ms: int
    rank: int
    revoked: bool = False


@dataclass(slots=True)
class DeviceLog:
    """What a set of entries amounts to. `tips` are the entries that nothing links to yet."""

    identity: IdentityId
    devices: dict[DeviceId, Device] = field(default_factory=dict)
    identity_keys: dict[int, bytes] = field(default_factory=dict)
    ended_keys: dict[int, bytes] = field(default_factory=dict)  # by devices that were revoked
    recovery: bytes | None = None  # the X25519 key that follows from the words; the root alone can name it
    tips: tuple[bytes, ...] = ()

    def live(self) -> list[Device]:
        """Devices that stand, most senior first."""
        return sorted((d for d in self.devices.values() if not d.revoked), key=lambda d: d.rank)

    @property
    def next_generation(self) -> int:
        """The generation of an identity key entered now: no number serves twice, each key may be needed yet."""
        return 1 + max([*self.identity_keys, *self.ended_keys], default=0)

    @property
    def identity_key(self) -> tuple[int, bytes] | None:
        """The newest identity key as (generation, X25519 public key)."""
        if not self.identity_keys:
            return None
        generation = max(self.identity_keys)
        return generation, self.identity_keys[generation]


def consent_bytes(identity: bytes, agreement: bytes) -> bytes:
    """What a new device signs, label "device-consent", so that nobody can enter a key they don't hold."""
    return identity + agreement


def sign_entry(entry: Entry, signer: keys.SigningKey, consent: bytes = b"") -> SignedEntry:
    """Sign an entry with the root or a device; the signer's public key must stand in the entry."""
    encoded = codec.encode(entry)
    return SignedEntry(encoded, signer.sign("device-entry", encoded), consent)


_entry_decoder = msgspec.msgpack.Decoder(Entry)


def open_entry(signed: SignedEntry) -> Entry:
    """The entry, if it is well formed and signed by whom it names. Raises `PeerFault`."""
    opened = _opened(signed)
    if isinstance(opened, tuple):
        raise PeerFault(*opened)
    return opened


@lru_cache(
    maxsize=32_768
)  # more than a thread holds: else every fold would check all signatures again, the bad ones too
def _opened(signed: SignedEntry) -> Entry | tuple[str, str]:
    """The entry, or why it is none."""
    try:
        entry = codec.decode(_entry_decoder, signed.entry, "device entry")
    except PeerFault as fault:
        return fault.reason, "not in its form"
    if not keys.verify(entry.signer, "device-entry", signed.entry, signed.signature):
        return "bad signature", "device entry"
    if entry.kind == ADD:
        agreed = consent_bytes(entry.identity, entry.agreement)
        if not keys.verify(entry.subject, "device-consent", agreed, signed.consent):
            return "bad device entry", "the device did not consent"
    # A key that nothing can be wrapped to would keep an owner from handing out any new one.
    if entry.kind in (ADD, KEY) and not keys.is_agreement_key(entry.agreement):
        return "bad device entry", "no key in it"
    return entry


def fold_log(identity: IdentityId, signed: Iterable[SignedEntry]) -> DeviceLog:
    """Decide which entries count. Independent of their order; entries with unknown parents wait."""
    return _LogFold(identity, signed).result()


class _LogFold:
    """The steps of `fold_log`, in the order in which authority flows: root, then devices by rank.

    When a device's turn comes, everybody who may revoke it has had theirs, so what counts of it is
    settled there and then: each step depends on earlier ones alone.
    """

    def __init__(self, identity: IdentityId, signed: Iterable[SignedEntry]) -> None:
        opened = {s.hash: open_entry(s) for s in signed}
        self.entries = {h: e for h, e in opened.items() if e.identity == identity}
        self.log = DeviceLog(identity)
        self.index: dict[bytes, int] = {}  # of the entries whose whole past is here, in the order of linking
        self.past: dict[bytes, int] = {}  # bit sets of these indices
        self.place: dict[bytes, Place] = {}
        self.added: dict[bytes, bytes] = {}  # device → the counted entry that added it
        self.spared: dict[
            bytes, int
        ] = {}  # revoked device → what every counted revocation of it has in its past, or is
        self.turns: list[tuple[Place, bytes]] = []  # devices whose turn is yet to come
        self.counted: list[bytes] = []  # in the order in which authority flows
        self.by_signer: dict[bytes, list[bytes]] = {}
        self._link()
        for hash_ in self.index:
            self.by_signer.setdefault(self.entries[hash_].signer, []).append(hash_)

    def _link(self) -> None:
        """Ancestors and place in log order of each entry whose whole past is here."""
        lacking = {h: set(e.parents) for h, e in self.entries.items()}
        after: dict[bytes, list[bytes]] = {}
        for hash_, entry in self.entries.items():
            for parent in set(entry.parents):
                after.setdefault(parent, []).append(hash_)
        ready = [hash_ for hash_, parents in lacking.items() if not parents]
        while ready:
            hash_ = ready.pop()
            parents = self.entries[hash_].parents
            past = 0
            for parent in parents:
                past |= self.past[parent] | 1 << self.index[parent]
            self.index[hash_], self.past[hash_] = len(self.index), past
            self.place[hash_] = (1 + max((self.place[p][0] for p in parents), default=-1), hash_)
            for waiting in after.get(hash_, ()):
                lacking[waiting].discard(hash_)
                if not lacking[waiting]:
                    ready.append(waiting)

    def _knew(self, hash_: bytes, earlier: bytes | None) -> bool:
        """Whether the earlier entry is in the other's past."""
        return earlier in self.index and bool(self.past[hash_] >> self.index[earlier] & 1)

    def result(self) -> DeviceLog:
        self._count_all_of(self.log.identity)
        rank = 0
        while self.turns:
            _, device = heapq.heappop(self.turns)
            self.log.devices[DeviceId(device)].rank = rank
            rank += 1
            self._count_all_of(device)
        for device in self.spared:
            if device in self.log.devices:
                self.log.devices[DeviceId(device)].revoked = True
        self.log.identity_keys = self.log.identity_keys or self.log.ended_keys
        self.log.tips = tuple(self._tips())
        return self.log

    def _tips(self) -> list[bytes]:
        """What a new entry names as its parents: if there is more than it can name, first what brings all that counts,
        the senior's first. Anybody can make up entries without end; they must not come between us and our own."""
        linked = {parent for h in self.past for parent in self.entries[h].parents}
        tips = sorted(h for h in self.past if h not in linked)
        chosen: list[bytes] = []
        for hash_ in self.counted if len(tips) > MAX_PARENTS else ():
            if not any(hash_ == tip or self._knew(tip, hash_) for tip in chosen):
                chosen.append(next(tip for tip in tips if hash_ == tip or self._knew(tip, hash_)))
            if len(chosen) == MAX_PARENTS:
                break
        return [*chosen, *(tip for tip in tips if tip not in chosen)][:MAX_PARENTS]

    def _count_all_of(self, signer: bytes) -> None:
        """Restrictions first: a device that revokes itself ends its own concurrent entries too."""
        own = sorted((self.place[h], h) for h in self.by_signer.get(signer, ()))
        for restricting in (True, False):
            for _, hash_ in own:
                entry = self.entries[hash_]
                if (entry.kind == REVOKE) is restricting and self._has_authority(hash_, entry):
                    self._apply(hash_, entry)

    def _has_authority(self, hash_: bytes, entry: Entry) -> bool:
        if entry.signer == self.log.identity:
            return True
        if not self._knew(hash_, self.added.get(entry.signer)):
            return False
        if not self.spared.get(entry.signer, -1) >> self.index[hash_] & 1:
            return False
        return entry.kind != REVOKE or self._outranks(entry.signer, entry.subject)

    def _outranks(self, signer: bytes, subject: bytes) -> bool:
        """Whether `subject` is the signer itself, or does not stand before it. Whoever does has been entered by now:
        that takes an entry below the signer's own, by somebody who had their turn."""
        entered = self.added.get(subject)
        return signer == subject or entered is None or self.place[entered] > self.place[self.added[signer]]

    def _apply(self, hash_: bytes, entry: Entry) -> None:
        subject = DeviceId(entry.subject)
        self.counted.append(hash_)
        if entry.kind == ADD:
            if subject not in self.log.devices:
                self.added[subject] = hash_
                heapq.heappush(self.turns, (self.place[hash_], subject))
                self.log.devices[subject] = Device(
                    subject, entry.agreement, entry.name, entry.platform, entry.at_ms, rank=-1
                )
        elif entry.kind == REVOKE:
            self.spared[subject] = self.spared.get(subject, -1) & (self.past[hash_] | 1 << self.index[hash_])
        elif entry.kind == RENAME and subject in self.log.devices:
            self.log.devices[subject].name = entry.name
        elif entry.kind == KEY and entry.generation == RECOVERY:
            if entry.signer == self.log.identity:
                self.log.recovery = min(self.log.recovery or entry.agreement, entry.agreement)
        # Each key adds to the depth, so that an honest one is never newer than deep: a made-up number outdoes nothing.
        elif entry.kind == KEY and entry.generation <= self.place[hash_][0]:
            # A thief's is of no use for what comes after the revocation, however great a generation it claims to be.
            minted = self.log.ended_keys if entry.signer in self.spared else self.log.identity_keys
            # Two devices may mint a generation at once; all peers keep the smaller key.
            known = minted.get(entry.generation)
            minted[entry.generation] = min(known or entry.agreement, entry.agreement)
