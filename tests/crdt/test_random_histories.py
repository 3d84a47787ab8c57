"""Histories at random: owners on several devices, members, cheats and a thief, who hear of each other late or never.

Whatever happened, everybody who has the same frames shows the same thread, in whichever order they came.
"""

import contextlib
import random

import pytest

from crdt import errors, stewardship
from crdt.ids import DeviceId
from crdt.permissions import LaneKind, Role
from crdt.records import Relays, Restrict
from crdt.replica import Replica
from crdt.settlement import open_matters
from tests.crdt.people import Desk, Person
from tests.crdt.world import invite, pass_round, rebuilt, restrict, settle, shuffled, state, type_text
from tests.vectors.fixed import without_chance


class History:
    """A thread with an owner on three devices and three members, one of whom also has a phone."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.owner = Person("Owner")
        self.owner.add("phone")
        self.owner.add("tablet")
        self.members = [Person(name) for name in ("Ben", "Carl", "Dora")]
        self.members[0].add("phone")
        laptop = self.owner.found()
        invite(laptop, *self.members)
        self.thread = laptop.replica.thread
        self.sessions = 1
        self.desks: list[tuple[Person, str, Desk]] = [(self.owner, "laptop", laptop)]
        for person in (self.owner, *self.members):
            for device in person.devices:
                if (person, device) != (self.owner, "laptop"):
                    self.desks.append((person, device, person.desk(self.thread, device)))
        pass_round(*(desk for _, _, desk in self.desks))

    def run(self, steps: int) -> list[bytes]:
        """Let things happen; every frame there is."""
        for _ in range(steps):
            index = self.source.randrange(len(self.desks))
            if self.desks[index][2].replica.stale:
                self.restart(index)
            with contextlib.suppress(errors.OpenSeshError):  # no right, or no key: honest software stays silent then
                self.act(*self.desks[index])
            if self.source.random() < 0.6:
                self.meet()
        return list(dict.fromkeys(frame for _, _, desk in self.desks for frame in desk.frames))

    def restart(self, index: int) -> None:
        person, device, desk = self.desks[index]
        fresh = person.desk(self.thread, device, self.sessions)
        self.sessions += 1
        with fresh.replica.loading():
            fresh.read(desk.frames)
        self.desks[index] = (person, device, fresh)

    def meet(self) -> None:
        """Two hear from each other, perhaps not of everything."""
        (_, _, one), (_, _, other) = self.source.sample(self.desks, 2)
        for reader, teller in ((one, other), (other, one)):
            missing = [frame for frame in teller.frames if frame not in reader.frames]
            if self.source.random() < 0.3:
                missing = self.source.sample(missing, len(missing) // 2)
            reader.read(missing)

    def act(self, person: Person, device: str, desk: Desk) -> None:
        choice = self.source.random()
        words = f"{person.name} {device} {len(desk.frames)} {choice:.6f}"
        if choice < 0.35:
            desk.say(words)
        elif choice < 0.55:
            type_text(desk, lambda text: text.insert(self.source.randint(0, len(str(text))), words[:3]))
        elif choice < 0.62:
            self.desks.append((person, device, self.twin(person, device, desk)))
        elif choice < 0.66:
            role = self.source.choice([Role.NONE, Role.VIEWER, Role.COMMENTER])
            cuts = desk.replica.cuts([d.id for d in person.devices.values()], stewardship.CONTENT)
            desk.kept(desk.replica.commit_record(LaneKind.IDENTITY, [Restrict(person.id, role, cuts)]))
        elif choice < 0.70:
            self.end_a_device(person, desk)
        elif choice < 0.73:
            self.hand_over(person, desk)
        elif person is self.owner or choice < 0.76:
            self.govern(desk)

    def twin(self, person: Person, device: str, desk: Desk) -> Desk:
        """The same session once more, as from a copied disk."""
        assert desk.replica.author
        other = Desk(Replica(self.thread, [person.identity_key], desk.replica.author))
        with other.replica.loading():
            other.read(desk.frames)
        return other

    def govern(self, desk: Desk) -> None:
        """What an owner does; others try it all the same."""
        member = self.source.choice(self.members)
        kind = self.source.randrange(5)
        if kind == 0:
            restrict(desk, member, self.source.choice([Role.NONE, Role.NONE, Role.VIEWER, Role.COMMENTER]))
        elif kind == 1:
            invite(desk, member, role=self.source.choice([Role.EDITOR, Role.COMMENTER]))
        elif kind == 4 and open_matters(desk.replica):
            settle(desk)
        elif kind == 2:
            desk.kept(desk.replica.commit_record(LaneKind.CONTROL, [Relays((f"wss://{len(desk.frames)}.example",))]))
        else:
            assert desk.replica.author
            readers = stewardship.readers(desk.replica.membership)
            desk.kept(stewardship.rotate(desk.replica, desk.replica.author, readers))

    def hand_over(self, person: Person, desk: Desk) -> None:
        """Offer the thread, whether one owns it or not; or accept an offer, once more perhaps."""
        replica = desk.replica
        offered = [node.id for node, offer in replica.membership.offers if offer.to == person.id]
        if not offered:
            action = stewardship.offer(replica, person.root.signing, self.source.choice(self.members).id)
            desk.kept(replica.commit_record(LaneKind.CONTROL, [action]))
        elif replica.membership.owner is not None and replica.author:
            before = replica.membership.owner
            actions = stewardship.acceptance(replica, self.source.choice(offered), before)
            readers = [*stewardship.readers(replica.membership, [before]), person.identity_key.public]
            desk.kept(stewardship.rotate(replica, replica.author, readers, actions))

    def end_a_device(self, person: Person, desk: Desk) -> None:
        if self.source.random() < 0.7 or "phone" not in person.devices:
            return
        person.revoke("phone")
        actions = stewardship.revocation(desk.replica, DeviceId(person.devices["phone"].id), person.entries)
        if person is self.owner and desk.replica.author:
            readers = stewardship.readers(desk.replica.membership)
            desk.kept(stewardship.rotate(desk.replica, desk.replica.author, readers, actions))
        else:
            desk.kept(desk.replica.commit_record(LaneKind.IDENTITY, actions))


def compare(seed: int, steps: int, orders: int) -> None:
    with without_chance():
        history = History(seed)
        frames = history.run(steps)
    reader = Replica(history.thread, [history.owner.identity_key])
    expected = state(rebuilt(reader, frames))
    assert expected["records"]
    for number in range(orders):
        order = shuffled(frames, seed * 1000 + number)
        replica = Replica(history.thread, [history.owner.identity_key])
        for frame in order:
            replica.receive(frame)
        found = state(rebuilt(replica, order) if replica.stale else replica)
        assert found == expected, f"seed {seed}, order {number}: {[k for k in found if found[k] != expected[k]]}"
        assert not replica.quarantined


@pytest.mark.parametrize("seed", range(6))
def test_the_same_frames_are_the_same_thread_whatever_happened(seed: int) -> None:
    compare(seed, steps=60, orders=4)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 300))
def test_deep_the_same_frames_are_the_same_thread_whatever_happened(seed: int) -> None:
    compare(seed, steps=150, orders=6)
