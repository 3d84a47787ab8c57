"""People with devices, for tests of the core: deterministic keys, device logs, threads they share."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from crdt import edits, keys
from crdt.author import Author
from crdt.content import Message, Part, messages
from crdt.frames import make_outside
from crdt.identity import ADD, KEY, REVOKE, DeviceKeys, Entry, Root, SignedEntry, consent_bytes, fold_log, sign_entry
from crdt.ids import IdentityId, SessionId, ThreadId
from crdt.permissions import Lane, LaneKind
from crdt.replica import Commit, Replica
from crdt.stewardship import Birth, found, introduction


def randomness(seed: str) -> Callable[[int], bytes]:
    """Bytes that look random and are the same in every run."""
    counter = itertools.count()
    return lambda size: hashlib.shake_256(f"{seed}/{next(counter)}".encode()).digest(size)


@dataclass
class Person:
    """An identity with its log, and the secret half of its identity key."""

    name: str
    root: Root = field(init=False)
    identity_key: keys.AgreementKey = field(init=False)
    entries: list[SignedEntry] = field(init=False, default_factory=list)
    devices: dict[str, DeviceKeys] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.root = Root.from_seed(hashlib.sha256(self.name.encode()).digest())
        self.identity_key = keys.AgreementKey.from_secret(hashlib.sha256(b"key" + self.name.encode()).digest())
        self.add("laptop", self.root.signing)
        self.log(KEY, self.root.signing, agreement=self.identity_key.public, generation=1)

    @property
    def id(self) -> IdentityId:
        return self.root.identity

    def log(
        self,
        kind: int,
        signer: keys.SigningKey,
        subject: bytes = b"",
        agreement: bytes = b"",
        generation: int = 0,
        name: str = "",
        consent: bytes = b"",
    ) -> SignedEntry:
        parents = fold_log(self.id, self.entries).tips
        entry = Entry(1, self.id, kind, subject, agreement, generation, name, "test", 0, parents, signer.public)
        signed = sign_entry(entry, signer, consent)
        self.entries.append(signed)
        return signed

    def add(self, device: str, signer: keys.SigningKey | None = None) -> DeviceKeys:
        made = DeviceKeys.from_seed(hashlib.sha256(f"{self.name}/{device}".encode()).digest())
        self.devices[device] = made
        consent = made.signing.sign("device-consent", consent_bytes(self.id, made.agreement.public))
        by = signer or self.devices["laptop"].signing
        self.log(ADD, by, made.id, made.agreement.public, name=device, consent=consent)
        return made

    def revoke(self, device: str, by: str = "laptop") -> SignedEntry:
        return self.log(REVOKE, self.devices[by].signing, self.devices[device].id)

    def author(self, device: str = "laptop", session: int = 0) -> Author:
        seed = f"{self.name}/{device}/{session}"
        return Author(self.devices[device], self.id, SessionId(hashlib.md5(seed.encode()).digest()), randomness(seed))

    def found(self, session: int = 0) -> "Desk":
        """A new thread of this person's, on their laptop."""
        birth = Birth("thread", bytes(32), (), self.entries, [self.identity_key.public], 0, bytes(32))
        replica, commit = found(self.author("laptop", session), [self.identity_key], birth)
        return Desk(replica, [commit.frame])

    def desk(self, thread: ThreadId, device: str = "laptop", session: int = 0) -> "Desk":
        """An empty replica of a thread on one of the devices."""
        return Desk(Replica(thread, [self.identity_key], self.author(device, session)))


@dataclass
class Desk:
    """A replica and the frames it has made or stored, in order."""

    replica: Replica
    frames: list[bytes] = field(default_factory=list)

    @property
    def timeline(self) -> Lane:
        assert self.replica.author
        return Lane(LaneKind.TIMELINE, self.replica.author.device.id)

    def kept(self, commit: Commit | None) -> bytes:
        assert commit is not None
        self.frames += [each.frame for each in (*commit.before, commit)]
        return commit.frame

    def say(self, text: str) -> bytes:
        """Write a message whose id is its text."""
        assert self.replica.author
        message = Message(text, self.replica.author.device.id, "user", 0, 0, "final", (Part("text", text),))
        return self.kept(self.replica.commit(self.timeline, lambda doc: edits.put_message(doc, message)))

    def introduce(self, person: Person) -> bytes:
        return self.kept(self.replica.commit_record(LaneKind.IDENTITY, introduction(person.entries)))

    def read(self, frames: list[bytes]) -> None:
        for frame in frames:
            self.replica.receive(frame)
            self.frames.append(frame)

    def shown(self) -> set[str]:
        """The ids of all messages in all timelines, as a node shows them: it makes anew what is stale."""
        replica = self.replica
        if replica.stale:
            replica = Replica(replica.thread, replica.own_keys)
            with replica.loading():
                for frame in self.frames:
                    replica.receive(frame)
        lanes = [lane for lane in replica.lanes if lane.kind is LaneKind.TIMELINE]
        return {name for lane in lanes for name in messages(replica.document(lane).doc)}


def wraps_for(person: Person) -> Callable[..., bytes]:
    """`make_outside` for one reader."""
    return lambda epoch: make_outside(epoch, [person.identity_key.public], [], [])
