"""What a new envelope says it knows, when there is more to know of than fits its header."""

import itertools

import pytest

from crdt.envelope import MAX_HEADS, MAX_SEEN
from crdt.permissions import LaneKind, Role
from crdt.records import Relays, Restrict
from tests.crdt.people import Desk, Person
from tests.crdt.world import assert_order_plays_no_part, envelope_of, forged, invite, of, pass_round, restrict

ANA, BEN = Person("Ana"), Person("Ben")


def crowd(count: int) -> tuple[Desk, Desk, list[Desk]]:
    """Ana's thread with Ben, and a crowd each of whom has just written a record that nobody has seen."""
    ana = ANA.found()
    people = [Person(f"Guest {number}") for number in range(count)]
    invite(ana, BEN)
    invite(ana, *people, role=Role.VIEWER)
    ben = BEN.desk(ana.replica.thread)
    pass_round(ana, ben)
    desks = []
    for person in people:
        desk = person.desk(ana.replica.thread)
        desk.read(ana.frames)
        desks.append(desk)
    for desk, person in zip(desks, people, strict=True):
        desk.kept(desk.replica.commit_record(LaneKind.IDENTITY, [Restrict(person.id, Role.VIEWER, ())]))
    return ana, ben, desks


def test_content_written_before_many_tips_counts() -> None:
    """Its heads bring what gives its author the right, whatever else there is."""
    ana, ben, guests = crowd(20)
    ben.say("before")
    for guest in guests:
        ben.read(guest.frames[-1:])
    assert len(ben.replica.graph.tips()) > MAX_HEADS
    ben.say("before twenty tips")
    header = envelope_of(ben, ben.frames[-1]).header
    assert len(header.heads) == MAX_HEADS
    pass_round(ana, ben)
    assert ana.shown() == {"before", "before twenty tips"}
    assert_order_plays_no_part(ana)


def test_heads_never_go_back_within_a_chain_however_many_tips_come_in_between() -> None:
    ana, ben, guests = crowd(20)
    for number, guest in enumerate(guests):
        ben.read(guest.frames[-1:])
        ben.say(f"{number}")
    pass_round(ana, ben)
    assert ana.shown() == {f"{number}" for number in range(20)}
    graph = ana.replica.graph
    closures = [graph.closure(envelope_of(ana, frame).header.heads) for frame in ben.frames[-39::2]]
    assert all(a is not None and b is not None and not a & ~b for a, b in itertools.pairwise(closures))


def test_one_record_of_the_owners_ends_the_disarray() -> None:
    ana, _, guests = crowd(30)
    for guest in guests:
        ana.read(guest.frames[-1:])
    restrict(ana, BEN)
    assert len(ana.replica.graph.tips()) == 1
    header = envelope_of(ana, ana.frames[-1]).header
    assert len(header.heads) == MAX_HEADS and len(header.seen) == 30 - MAX_HEADS <= MAX_SEEN
    assert BEN.id not in ana.replica.membership.members()


def test_a_restriction_among_many_tips_is_among_what_is_named() -> None:
    """Whoever knows of a removal says so, or their work would look as if it had been written in ignorance."""
    ana, ben, guests = crowd(20)
    put_out = restrict(ana, Person("Guest 0"))
    ben.read([put_out])
    for guest in guests[1:]:
        ben.read(guest.frames[-1:])
    ben.say("knowing")
    header = envelope_of(ben, ben.frames[-1]).header
    (limit,) = [limit for limit in ben.replica.membership.limits if limit.cap is Role.NONE]
    closure = ben.replica.graph.closure(header.heads)
    assert closure is not None and closure & limit.node.bit


def test_a_flood_of_records_does_not_come_between_an_author_and_the_right_to_write() -> None:
    """A guest lowers themselves in ever new sessions: many tips, each with more that counts than the one that lets Ben
    in again."""
    ana = ANA.found()
    guest = Person("Guest")
    invite(ana, BEN, guest)
    ben = BEN.desk(ana.replica.thread)
    pass_round(ana, ben)
    before = list(ana.frames)
    flood = []
    for session in range(12):
        desk = guest.desk(ana.replica.thread, session=session)
        desk.read(before)
        for role in (Role.EDITOR, Role.COMMENTER, Role.VIEWER):
            flood.append(desk.kept(desk.replica.commit_record(LaneKind.IDENTITY, [Restrict(guest.id, role, ())])))
    restrict(ana, BEN)
    invite(ana, BEN)
    back = BEN.desk(ana.replica.thread, session=3)
    with back.replica.loading():
        back.read([*ana.frames, *flood])
    assert len(back.replica.graph.tips()) == 13
    back.say("back")
    ana.read([*flood, *back.frames[-1:]])
    assert ana.shown() == {"back"}
    assert_order_plays_no_part(ana, range(4))


def test_a_flood_of_records_does_not_come_between_a_device_and_what_introduces_it() -> None:
    """Ben's phone is shown by a record of his own, one tip among many."""
    ben = Person("Two devices")
    ana = ANA.found()
    guest = Person("Guest")
    invite(ana, ben, guest)
    laptop = ben.desk(ana.replica.thread)
    laptop.read(ana.frames)
    flood = []
    for session in range(20):
        desk = guest.desk(ana.replica.thread, session=session)
        desk.read(ana.frames)
        flood.append(desk.kept(desk.replica.commit_record(LaneKind.IDENTITY, [Restrict(guest.id, Role.EDITOR, ())])))
    ben.add("phone")
    laptop.introduce(ben)
    phone = ben.desk(ana.replica.thread, "phone")
    with phone.replica.loading():
        phone.read([*laptop.frames, *flood])
    phone.say("from the phone")
    ana.read([*flood, *phone.frames[-1:], *laptop.frames[-1:]])
    assert ana.shown() == {"from the phone"}


@pytest.mark.parametrize("backwards", [True, False])
def test_an_envelope_whose_heads_go_back_ends_its_chain(backwards: bool) -> None:
    """Else whoever is demoted could name the head of before for one more word."""
    ana, ben, _ = crowd(1)
    first = envelope_of(ben, ben.say("first")).header.heads
    invite(ana, Person("Carl"))
    pass_round(ana, ben)
    ben.say("second")
    header = ben.replica.next_header(ben.timeline)
    frame = forged(ben, ben.timeline, b"\0\0", heads=first if backwards else header.heads)
    pass_round(ana, ben)
    ana.replica.receive(frame)
    assert len(list(ana.replica.accepted(ben.timeline))) == (2 if backwards else 3)


def test_an_envelope_whose_heads_go_back_ends_its_chain_also_if_no_key_was_replaced_meanwhile() -> None:
    ana, ben, _ = crowd(1)
    first = envelope_of(ben, ben.say("first")).header
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Relays(("wss://relay.example",))]))
    pass_round(ana, ben)
    ben.say("second")
    assert ben.replica.next_header(ben.timeline).epoch == first.epoch
    frame = forged(ben, ben.timeline, b"\0\0", heads=first.heads)
    pass_round(ana, ben)
    ana.read([frame])
    assert len(list(ana.replica.accepted(ben.timeline))) == 2
    assert_order_plays_no_part(ana)


def test_an_envelope_that_names_a_head_nobody_has_waits_for_it() -> None:
    ana, ben, (guest,) = crowd(1)
    ben.read(guest.frames[-1:])
    ben.say("knowing what Ana doesn't")
    ana.read(ben.frames[-1:])
    assert ana.shown() == set()
    ana.read(guest.frames[-1:])
    assert ana.shown() == {"knowing what Ana doesn't"}


def test_a_record_stands_behind_what_its_author_knew() -> None:
    ana, _, (guest,) = crowd(1)
    ana.read(guest.frames[-1:])
    made = of(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(BEN.id, Role.VIEWER, ())]))
    node, theirs = ana.replica.graph.get(made.id), ana.replica.graph.get(envelope_of(ana, guest.frames[-1]).id)
    assert node and theirs and node.knew(theirs.index)
