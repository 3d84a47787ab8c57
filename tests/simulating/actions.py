"""What a person, an owner, or somebody with bad intent does on a device, drawn by chance."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pycrdt

from crdt import edits, errors, keys
from crdt.chains import Link
from crdt.content import Message, Part, messages
from crdt.envelope import Header
from crdt.errors import OpenSeshError
from crdt.frames import seal_frame
from crdt.identity import KEY
from crdt.lane import client_id
from crdt.permissions import Lane, LaneKind, Role, may_write
from crdt.records import Action, Grant
from crdt.replica import Commit
from crdt.settlement import open_matters, settlement
from crdt.stewardship import introduction, is_key_due, restriction, revocation, rotate
from crdt.thread import SHARED, set_shared
from tests.crdt.people import Person
from tests.simulating.device import Device
from tests.simulating.ledger import Ledger
from tests.simulating.links import Links, identity_keys
from tests.simulating.malice import Malice
from tests.simulating.world import MINUTE, World

LOCAL_ANSWERS = (
    errors.PERMISSION_DENIED,
    errors.WAITING_FOR_KEY,
)  # an action may end in one of these, and nothing is changed


@dataclass
class Actions:
    """All that is done in one simulated thread. `people[0]` owns it; everybody's senior device is the laptop."""

    world: World
    ledger: Ledger
    people: list[Person]
    devices: list[Device]
    commits: Callable[[Device], None]  # told of every commit
    links: Links | None = None
    malice: Malice | None = None  # of the last of the people
    revoked: dict[str, set[str]] = field(default_factory=dict)  # person → keys of devices that their log revokes
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def step(self, device: Device) -> None:
        """Do one thing, if the device is on."""
        if not device.is_up:
            return
        try:
            if self.malice is not None and device.person is self.malice.person and self.world.rng.random() < 0.15:
                self.malice.step(device)
            elif not self.keep_house(device):
                names = ("say", "edit", "take_back", "title", "set", "notes", "forge", "govern")
                does = self.world.rng.choices(names, (50, 6, 5, 8, 10, 14, 2, 5))[0]
                self.world.totals[f"action {does}"] += 1
                getattr(self, f"_{does}")(device)
        except OpenSeshError as error:
            if error.kind not in LOCAL_ANSWERS:
                raise
            self.world.totals["actions refused on the spot"] += 1

    def tidy(self, device: Device) -> bool:
        """Keep house, if a key for it is here. Whether anything was done."""
        try:
            return self.keep_house(device)
        except OpenSeshError as error:
            if error.kind not in LOCAL_ANSWERS:
                raise
            return False

    # ---- documents

    def _change(
        self,
        device: Device,
        lane: Lane,
        change: Callable[["pycrdt.Doc[Any]"], None],
        name: str = "",
        deletes: str = "",
    ) -> None:
        commit = device.replica.commit(lane, change)
        if commit is not None:
            self.ledger.changed(device.replica, commit, name, deletes)
            self._done(device, commit)

    def _done(self, device: Device, commit: Commit) -> None:
        device.commit(commit)
        self.commits(device)
        if device.replica.stale:
            device.start()

    def _timeline(self, device: Device) -> Lane:
        return Lane(LaneKind.TIMELINE, device.id)

    def _say(self, device: Device) -> None:
        name = f"m{next(self.numbers)}"
        key = device.view.next_key(device.clock_ms)
        message = Message(name, device.id, "user", device.clock_ms, key, "final", (Part("text", name),))
        self._change(device, self._timeline(device), lambda doc: edits.put_message(doc, message), name)

    def _own_message(self, device: Device) -> str | None:
        names = sorted(messages(device.replica.document(self._timeline(device)).doc).keys())
        return self.world.rng.choice(names) if names else None

    def _edit(self, device: Device) -> None:
        if name := self._own_message(device):
            more = f" +{next(self.numbers)}"
            self._change(device, self._timeline(device), lambda doc: edits.append_text(doc, name, "text", more))

    def _take_back(self, device: Device) -> None:
        if name := self._own_message(device):
            self._change(device, self._timeline(device), lambda doc: messages(doc).pop(name), deletes=name)

    def _title(self, device: Device) -> None:
        title = f"title {next(self.numbers)}"
        self._change(device, SHARED, lambda doc: set_shared(doc, "meta", {"title": title}))

    def _set(self, device: Device) -> None:
        name = f"e{next(self.numbers)}"
        self._change(device, SHARED, lambda doc: set_shared(doc, "meta", {name: device.name}), name)

    def _notes(self, device: Device) -> None:
        rng, word = self.world.rng, f"<{next(self.numbers)}>"

        def type_or_delete(doc: "pycrdt.Doc[Any]") -> None:
            notes: pycrdt.Text = doc.get("notes", type=pycrdt.Text)
            size = len(str(notes))
            at = rng.randint(0, size)
            if size > 20 and rng.random() < 0.4:
                del notes[at // 2 : at // 2 + rng.randint(1, 8)]
            else:
                notes.insert(at, word)

        self._change(device, SHARED, type_or_delete)

    # ---- rights

    def _govern(self, device: Device) -> None:
        owner = device.person is self.people[0]
        others = self.people[1:] if owner else []
        choices: list[Callable[[Device], None]] = [self._introduce, self._revoke]
        if owner:
            choices += [self._rotate, *([self._give_or_take] * 3 if others else []), self._settle, self._settle]
            choices += [self._offer, self._admit, self._admit, self._admit, self._withdraw] if self.links else []
        self.world.rng.choice(choices)(device)

    def keep_house(self, device: Device) -> bool:
        """What a node does by itself: be introduced, end revoked devices here, have one safe epoch."""
        replica, person = device.replica, device.person
        if not replica.is_introduced:
            self._introduce(device)
            return True
        if device.key != "laptop":
            return False
        for key in sorted(self.revoked.get(person.name, ())):
            if not any(limit.device == person.devices[key].id for limit in replica.membership.limits):
                self._end(device, key)
                return True
        if person is self.people[0] and is_key_due(replica):
            self._rotate(device)
            return True
        return False

    def _record(self, device: Device, commit: Callable[[], Commit]) -> None:
        kept = self.ledger.applied_in(device.replica)
        made = commit()
        self.ledger.governed(device.replica, made, kept)
        self._done(device, made)

    def _introduce(self, device: Device) -> None:
        actions = introduction(device.person.entries)
        self._record(device, lambda: device.replica.commit_record(LaneKind.IDENTITY, actions))

    def _rotate(self, device: Device, because: Sequence[Action] = (), role: tuple[Person, Role] | None = None) -> None:
        replica = device.replica
        roles = {person.name: replica.membership.role(person.id) for person in self.people}
        if role is not None:
            roles[role[0].name] = role[1]
        recipients = [p.identity_key.public for p in self.people if roles[p.name] >= Role.VIEWER]
        recipients += identity_keys(self.links.joiners, replica) if self.links else []
        assert replica.author is not None
        author = replica.author
        self._record(device, lambda: rotate(replica, author, recipients, because))

    def _give_or_take(self, device: Device) -> None:
        rng, person = self.world.rng, self.world.rng.choice(self.people[1:])
        now = device.replica.membership.role(person.id)
        if now is Role.NONE or (now < Role.EDITOR and rng.random() < 0.7):
            role = rng.choices((Role.EDITOR, Role.COMMENTER, Role.VIEWER), (8, 1, 1))[0]
            because: list[Action] = [*introduction(person.entries), Grant(person.id, role, person.name)]
            self._rotate(device, because, (person, max(now, role)))
        else:
            role = rng.choice([role for role in Role if role < now])
            self._rotate(device, restriction(device.replica, person.id, role), (person, role))

    def _settle(self, device: Device) -> None:
        """Settle the matters that are open, heard from everybody or not: well or ill."""
        if actions := [settlement(device.replica, each) for each in open_matters(device.replica)]:
            self._record(device, lambda: device.replica.commit_record(LaneKind.CONTROL, actions[:16]))
            self.world.totals["matters settled"] += len(actions[:16])

    def _offer(self, device: Device) -> None:
        assert self.links is not None
        offer = self.links.offer
        self._record(device, lambda: offer(device))
        for each in (
            *self.links.owners,
            *self.links.owners,
        ):  # whoever has the link uses it at once, before each of them
            self.world.after(self.world.rng.randrange(4 * MINUTE), lambda at=each: self._asked(at))  # type: ignore[misc]

    def _asked(self, device: Device) -> None:
        if device.is_up and not device.deaf:
            try:
                self._admit(device)
            except OpenSeshError as error:
                if error.kind not in LOCAL_ANSWERS:
                    raise

    def _admit(self, device: Device) -> None:
        assert self.links is not None
        kept = self.ledger.applied_in(device.replica)
        if commit := self.links.admit(device):
            self.ledger.governed(device.replica, commit, kept)
            self._done(device, commit)

    def _withdraw(self, device: Device) -> None:
        assert self.links is not None
        kept = self.ledger.applied_in(device.replica)
        if commit := self.links.withdraw(device):
            self.ledger.governed(device.replica, commit, kept)
            self._done(device, commit)

    def welcome(self, device: Device, person: Person, role: Role) -> None:
        """Give somebody their first role."""
        because = [*introduction(person.entries), Grant(person.id, role, person.name)]
        self._rotate(device, because, (person, role))

    def _revoke(self, device: Device) -> None:
        """Revoke another device of one's own, on the laptop: in the log, with a new identity key; then here."""
        person, ended = device.person, self.revoked.setdefault(device.person.name, set())
        mine = sorted({d.key for d in self.devices if d.person is person} - {"laptop"} - ended)
        if device.key != "laptop" or not mine or ended:
            return
        key = self.world.rng.choice(mine)
        ended.add(key)
        person.revoke(key)
        secret = hashlib.sha256(f"second key of {person.name}".encode()).digest()
        person.identity_key = keys.AgreementKey.from_secret(secret)
        person.log(KEY, person.devices["laptop"].signing, agreement=person.identity_key.public, generation=2)
        for each in self.devices:
            if each.person is person and each.key == key:
                each.deaf = self.world.rng.random() < 0.6
            elif each.person is person:
                delay = self.world.rng.randint(0, 8) * MINUTE
                self.world.after(delay, lambda to=each, of=person: to.learn_identity_key(of.identity_key))  # type: ignore[misc]
        self._end(device, key)

    def _end(self, device: Device, key: str) -> None:
        replica, person = device.replica, device.person
        actions = revocation(replica, person.devices[key].id, person.entries)
        if person is self.people[0]:
            self._rotate(device, actions)
        else:
            self._record(device, lambda: replica.commit_record(LaneKind.IDENTITY, actions))
        self.world.totals["devices revoked"] += 1

    # ---- attacks

    def _forge(self, device: Device) -> None:
        """Write an update in the name of another session: its client id, at the clock it goes on with."""
        replica, rng = device.replica, self.world.rng
        openers = (link for links in replica.chains.openers.values() for link in links)
        lanes = (SHARED, self._timeline(device))
        victims = [link for link in openers if link.state == Link.APPLIED and link.lane in lanes]
        if not victims or replica.author is None or not may_write(replica.role(), LaneKind.SHARED):
            return
        victim = rng.choice(victims[-6:]).header
        session = hashlib.md5(f"{self.world.seed}/{next(self.numbers)}".encode()).digest()
        epoch = replica.writing_epoch()
        header = msgspec.structs.replace(
            replica.next_header(victim.lane),
            session=session,
            sequence=0,
            previous=b"",
            seen=replica.tips.seen_by_next(victim.lane, (victim.kind, victim.scope, device.id, session)),
        )
        envelope = replica._writer().seal(header, epoch, self._in_name_of(device, victim))
        frame = seal_frame(envelope, epoch)
        self.ledger.cheated(replica, envelope, frame)
        self.world.totals["forgeries"] += 1
        device.take((frame,))

    def _in_name_of(self, device: Device, victim: Header) -> bytes:
        """An update on top of all that is here, with the victim's client id."""
        replica = device.replica
        client = client_id(replica.thread, victim.lane, victim.device, victim.session)
        doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=client)
        doc.apply_update(replica.document(victim.lane).doc.get_update())
        made: list[bytes] = []
        watch = doc.observe(lambda event: made.append(event.update))
        with doc.transaction():
            doc.get("meta", type=pycrdt.Map)[f"forged {next(self.numbers)}"] = device.name
        doc.unobserve(watch)
        return made[0]
