"""Who wishes a thread ill: a client with real keys that signs whatever it likes, and a relay that lies.

And who must not be fooled by either: three honest members, of whom one was there before an attack and hears
it as it happens, one was offline and hears of everything later, and one joins after it. All three have to
come to the same, and an attack comes to nothing if that is what it would be without the attack.
"""

import hashlib
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from crdt import codec
from crdt import frames as sealing
from crdt.envelope import Envelope, Header, seal_envelope
from crdt.epochs import Epoch
from crdt.errors import PeerFault
from crdt.lane import client_id
from crdt.permissions import Lane, LaneKind, Role, lane_of
from crdt.records import Action, Record
from crdt.replica import Replica
from tests.crdt.fuzz_updates import ANY, STRING, TYPE, block, string, update
from tests.crdt.people import Desk, Person
from tests.crdt.world import SHARED, invite, rebuilt, state
from tests.simulating.state import spelled

DOCUMENT = ("accepted", "documents", "members", "owners", "limits", "settled", "carried")  # what a thread comes to


def digest(replica: Replica) -> str:
    """All on which peers with the same envelopes have to agree, in a few letters."""
    return hashlib.blake2b(spelled(state(replica)).encode(), digest_size=16).hexdigest()


class Mallory:
    """Patched software on a real device: a person's keys, what a desk has read, and no rule at all."""

    def __init__(self, person: Person, desk: Desk, device: str = "laptop") -> None:
        self.person, self.desk = person, desk
        self.keys = person.devices[device]
        self._numbers = itertools.count()

    def chance(self, size: int) -> bytes:
        """Bytes that look random and are the same in every run."""
        return hashlib.shake_256(f"{self.person.name}/mallory/{next(self._numbers)}".encode()).digest(size)

    def epoch(self, identifier: bytes | None = None) -> Epoch:
        """A key that was once handed to her: the named one, or the newest that she has."""
        keyring = self.desk.replica.keyring
        found = keyring.get(identifier) if identifier else list(keyring)[-1]
        assert found is not None
        return found

    def header(self, kind: int, **changes: Any) -> Header:
        """Any header: what isn't given is what honest software would write in a fresh session."""
        tips = tuple(node.id for node in self.desk.replica.graph.tips())[:8]
        given: dict[str, Any] = {
            "version": 1,
            "thread": self.desk.replica.thread,
            "kind": int(kind),
            "scope": b"",
            "device": self.keys.id,
            "session": self.chance(16),
            "sequence": 0,
            "previous": b"",
            "heads": tips,
            "epoch": self.epoch().id,
            "seen": (),
            "outside": b"",
            "body_hash": b"",
        }
        return Header(**(given | changes))

    def sign(self, header: Header, plaintext: bytes, outside: bytes = b"") -> bytes:
        """Seal and sign it with her own key, whoever's device the header names."""
        epoch = self.epoch(header.epoch)
        envelope = seal_envelope(header, epoch.body_key, plaintext, self.chance(24), self.keys.signing)
        return sealing.seal_frame(envelope, epoch, outside)

    def write(self, kind: int, body: bytes | Callable[[int], bytes] | None = None, **changes: Any) -> bytes:
        """An envelope of content: a well-formed update; or `body`, or what that makes of its client id."""
        header = self.header(kind, **changes)
        lane = lane_of(header.kind, header.device, header.scope)
        client = client_id(self.desk.replica.thread, lane, header.device, header.session)
        body = body if body is not None else (lambda of: forged_words(of, 0, lane))
        return self.sign(header, body(client) if callable(body) else body)

    def record(self, kind: int, *actions: Action, **changes: Any) -> bytes:
        """A governance record."""
        return self.sign(self.header(kind, **changes), codec.encode(Record(tuple(actions))))

    def read(self, frame: bytes) -> Envelope:
        """Open a frame."""
        outer = sealing.parse_frame(frame)
        (epoch,) = self.desk.replica.keyring.tagged(outer.epoch_tag)
        return sealing.open_frame(outer, epoch, self.desk.replica.thread)


def forged_words(client: int, clock: int, lane: Lane, text: str = "forged") -> bytes:
    """A well-formed update that shows in its lane: a text, a message or an entry of that name."""
    if lane.kind is LaneKind.SHARED:
        return update([(client, clock, [block(STRING, string(text), root="draft")])])
    if lane.kind is LaneKind.TIMELINE:
        return update([(client, clock, [block(TYPE, b"\1", root="messages", key=text)])])
    return update([(client, clock, [block(ANY, b"\1\x77" + string(text), root="comments", key=text)])])


@dataclass
class LyingRelay:
    """It keeps frames it can't read, and gives them out as it pleases. Every lie is told by chance of the seed."""

    seed: int
    log: list[bytes] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)  # frames of other rooms

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def publish(self, frames: Iterable[bytes]) -> None:
        """Take frames in; it can't tell whose they are."""
        known = set(self.log)
        self.log += [frame for frame in dict.fromkeys(frames) if frame not in known]

    def lies(self, lie: str) -> list[bytes]:
        """What it gives out in answer to "what is there?"."""
        log, chance = self.log, self.chance
        match lie:
            case "drop":
                return [frame for frame in log if chance.random() < 0.6]
            case "delay":
                return log[: chance.randrange(len(log) + 1)]
            case "reorder":
                return chance.sample(log, len(log))
            case "duplicate":
                return [frame for frame in log for _ in range(chance.randint(1, 3))]
            case "truncate":
                return [frame[: chance.randrange(len(frame))] for frame in log] + log[::2]
            case "alter":
                return [self._altered(frame) for frame in log] + log[1::2]
            case "replay":
                return [*chance.choices(log, k=len(log)), *log[: len(log) // 2]]
            case "swap rooms":
                return [*self.others, *log[::2], *self.others]
            case "roll back":
                return log[: len(log) // 2]
            case _:
                assert lie == "fork views"  # each who asks is shown another half
                return chance.sample(log, len(log) // 2)

    def _altered(self, frame: bytes) -> bytes:
        at = self.chance.randrange(len(frame))
        return frame[:at] + bytes([frame[at] ^ 1 << self.chance.randrange(8)]) + frame[at + 1 :]


LIES = (
    "drop",
    "delay",
    "reorder",
    "duplicate",
    "truncate",
    "alter",
    "replay",
    "swap rooms",
    "roll back",
    "fork views",
)


def hear(desk: Desk, frames: Iterable[bytes]) -> list[str]:
    """Take in what comes, as a node does: what is refused is left out. Returns what was refused, and why."""
    refused: list[str] = []
    for frame in frames:
        try:
            receipt = desk.replica.receive(frame)
        except PeerFault as fault:
            refused.append(fault.reason)
            continue
        refused += [reason for _, reason in receipt.refused]
        desk.frames.append(frame)
    return refused


class Scene:
    """A thread of several people, and the three witnesses of whatever is done to it.

    Ana owns it on two devices; Ben and Carl edit, Cora comments, Vera views. Of the witnesses, all viewers,
    `before` reads along, `offline` has read until the scene began, and `after` is let in at the end.
    """

    def __init__(self) -> None:
        self.people = {name: Person(name) for name in ("Ana", "Ben", "Carl", "Cora", "Vera", "Dora", "Emil", "Frida")}
        owner = self.people["Ana"]
        owner.add("phone")
        self.ana = owner.found()
        for role, names in (
            (Role.EDITOR, ("Ben", "Carl")),
            (Role.COMMENTER, ("Cora",)),
            (Role.VIEWER, ("Vera", "Dora", "Emil")),
        ):
            invite(self.ana, *(self.people[name] for name in names), role=role)
        self.thread = self.ana.replica.thread
        self.phone = owner.desk(self.thread, "phone")
        self.ben, self.carl, self.cora, self.vera, self.before, self.offline = (
            self.people[name].desk(self.thread) for name in ("Ben", "Carl", "Cora", "Vera", "Dora", "Emil")
        )
        self.hostile: list[bytes] = []
        self.meet()
        self.ana.say("said by Ana")
        self.ben.say("said by Ben")
        self.meet()
        hear(self.offline, self.before.frames)

    @property
    def honest(self) -> Iterator[Desk]:
        yield from (self.ana, self.phone, self.ben, self.carl, self.cora, self.vera)

    def meet(self, *desks: Desk) -> None:
        """These (or all but the one who is offline) tell one another everything; `before` listens."""
        told = desks or tuple(self.honest)
        everything = list(dict.fromkeys(frame for desk in told for frame in desk.frames))
        for desk in (*told, self.before):
            have = set(desk.frames)
            hear(desk, [frame for frame in everything if frame not in have])

    def mallory(self, name: str, device: str = "laptop", desk: Desk | None = None) -> Mallory:
        """Somebody turns out to have patched software; a copy of their desk goes on reading by itself."""
        person = self.people[name]
        read = person.desk(self.thread, device, session=99)
        hear(read, (desk or self.before).frames)
        return Mallory(person, read, device)

    def attack(self, *frames: bytes) -> None:
        """Everybody who is there is sent these."""
        self.hostile += frames
        for desk in (*self.honest, self.before):
            hear(desk, frames)

    # ---- what comes of it

    def verdict(self) -> dict[str, Any]:
        """Let `after` in, tell `offline` everything, and compare the three; what they agree on."""
        newcomer = self.people["Frida"]
        self.ana = self._fresh("Ana", self.ana)
        welcome = invite(self.ana, newcomer, role=Role.VIEWER)
        everything = list(dict.fromkeys([*self.before.frames, *self.ana.frames, *self.hostile]))
        hear(self.before, [frame for frame in everything if frame not in self.before.frames])
        late = [frame for frame in everything if frame not in self.offline.frames]
        hear(self.offline, reversed(late))
        after = newcomer.desk(self.thread)
        hear(after, [welcome, *random.Random(len(everything)).sample(everything, len(everything))])
        found = [state(self._settled(desk, everything)) for desk in (self.before, self.offline, after)]
        for who, each in zip(("offline", "after"), found[1:], strict=True):
            differing = [part for part in each if spelled(each[part]) != spelled(found[0][part])]
            assert not differing, f"the witness {who} differs in {differing} from the one who was there before"
        return found[0]

    def comes_to_nothing(self) -> None:
        """The three agree, and on what there would be without the attack."""
        frames = [frame for frame in self.ana.frames if frame not in self.hostile]
        expected = state(rebuilt(self.ana.replica, frames))
        expected["members"][self.people["Frida"].id] = Role.VIEWER
        found = self.verdict()
        for part in DOCUMENT:
            assert found[part] == expected[part], part

    def _fresh(self, name: str, desk: Desk) -> Desk:
        """The same device in a new session, if what it has read calls for one."""
        if not desk.replica.stale:
            return desk
        again = self.people[name].desk(self.thread, session=50)
        with again.replica.loading():
            hear(again, desk.frames)
        return again

    def _settled(self, desk: Desk, frames: Sequence[bytes]) -> Replica:
        replica = desk.replica
        return rebuilt(replica, [frame for frame in frames if frame in set(desk.frames)]) if replica.stale else replica

    def shown(self, found: dict[str, Any]) -> set[str]:
        """The ids of the messages in a verdict."""
        return {name for lane, each in found["documents"].items() if lane.kind is LaneKind.TIMELINE for name in each[0]}

    def draft(self, found: dict[str, Any]) -> str:
        """The shared text in a verdict."""
        text: str = found["documents"].get(SHARED, ({}, ""))[1]
        return text
