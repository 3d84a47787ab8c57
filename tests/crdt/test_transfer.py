"""A thread changes hands: root-signed offer, acceptance, and what thieves and former owners make of it."""

import pytest

from crdt import stewardship
from crdt.ids import IdentityId
from crdt.permissions import LaneKind, Role
from crdt.records import Accept, Grant, Restrict, RevokeDevice
from tests.crdt.people import Desk, Person
from tests.crdt.world import assert_order_plays_no_part, invite, of, pass_round, rebuilt, restrict

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")


def together() -> tuple[Desk, Desk]:
    ana = ANA.found()
    invite(ana, BEN, CARL)
    ben = BEN.desk(ana.replica.thread)
    pass_round(ana, ben)
    return ana, ben


def offer(owner: Desk, of_whom: Person, to: Person) -> bytes:
    """The owner's root offers the thread; the offer's id."""
    action = stewardship.offer(owner.replica, of_whom.root.signing, to.id)
    commit = owner.replica.commit_record(LaneKind.CONTROL, [action])
    owner.kept(commit)
    return of(commit).id


def accept(desk: Desk, offer_id: bytes, before: Person, recipients: list[Person]) -> bytes:
    replica = desk.replica
    assert replica.author
    actions = stewardship.acceptance(replica, offer_id, before.id)
    readers = [person.identity_key.public for person in recipients]
    return desk.kept(stewardship.rotate(replica, replica.author, readers, actions))


def test_an_accepted_thread_is_the_new_owners_and_keeps_what_stood() -> None:
    ana, ben = together()
    ana.say("before")
    pass_round(ana, ben)
    accept(ben, offer_of(ana, ben), ANA, [BEN, CARL])
    ana.say("behind the new owner's back")
    pass_round(ana, ben)
    assert ben.replica.membership.owner == BEN.id and ben.replica.role() is Role.OWNER
    assert ben.shown() == {"before"}
    assert ana.replica.stale and ana.replica.role() is Role.NONE
    assert_order_plays_no_part(ben)


def offer_of(ana: Desk, ben: Desk) -> bytes:
    offered = offer(ana, ANA, BEN)
    pass_round(ana, ben)
    return offered


def test_the_former_owners_records_are_void_whatever_heads_they_name() -> None:
    ana, ben = together()
    offered = offer_of(ana, ben)
    accept(ben, offered, ANA, [BEN, CARL])
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Grant(IdentityId(bytes(32)), Role.EDITOR, "nobody")]))
    restrict(ana, BEN)
    pass_round(ana, ben)
    assert ben.replica.membership.role(BEN.id) is Role.OWNER
    assert ben.replica.membership.role(IdentityId(bytes(32))) is Role.NONE
    assert_order_plays_no_part(ben)


def test_a_thread_that_comes_back_can_be_written_by_its_owner_again() -> None:
    """The cut of the first handing over must not hold the owner for ever."""
    ana, ben = together()
    ana.say("first tenure")
    pass_round(ana, ben)
    accept(ben, offer_of(ana, ben), ANA, [ANA, BEN, CARL])
    ben.say("Ben's tenure")
    back = offer(ben, BEN, ANA)
    returned = ANA.desk(ana.replica.thread, session=3)
    returned.read([*ana.frames, *(frame for frame in ben.frames if frame not in ana.frames)])
    accept(returned, back, BEN, [ANA, CARL])
    returned.say("second tenure")
    invite(returned, BEN, role=Role.VIEWER)
    assert returned.replica.membership.owner == ANA.id
    assert returned.shown() == {"first tenure", "Ben's tenure", "second tenure"}
    assert returned.replica.membership.role(BEN.id) is Role.VIEWER
    assert_order_plays_no_part(returned)


def test_an_offer_of_the_first_tenure_is_void_in_the_second() -> None:
    ana, ben = together()
    stale_offer = offer(ana, ANA, CARL)
    accept(ben, offer_of(ana, ben), ANA, [ANA, BEN, CARL])
    back = offer(ben, BEN, ANA)
    returned = ANA.desk(ana.replica.thread, session=3)
    returned.read([*ana.frames, *(frame for frame in ben.frames if frame not in ana.frames)])
    accept(returned, back, BEN, [ANA, CARL])
    carl = CARL.desk(ana.replica.thread)
    pass_round(returned, carl)
    accept(carl, stale_offer, ANA, [CARL])
    pass_round(returned, carl)
    assert returned.replica.membership.owner == ANA.id
    assert_order_plays_no_part(returned)


def test_a_removed_person_who_was_offered_the_thread_may_still_take_it_and_then_owns_it_wholly() -> None:
    """The root's offer outranks a device's removal; an owner whose records are cut off would be nobody's thread."""
    ana, ben = together()
    offered = offer_of(ana, ben)
    restrict(ana, BEN)
    accept(ben, offered, ANA, [BEN, CARL])
    pass_round(ana, ben)
    final = rebuilt(ben.replica, ben.frames)
    assert final.membership.owner == BEN.id and final.membership.role(BEN.id) is Role.OWNER
    ben.say("mine now")
    pass_round(ana, ben)
    assert_order_plays_no_part(ben)


def test_who_knew_of_the_removal_and_accepts_all_the_same_can_govern_the_thread() -> None:
    ana, ben = together()
    offered = offer_of(ana, ben)
    restrict(ana, BEN)
    pass_round(ana, ben)
    accept(ben, offered, ANA, [BEN, CARL])
    invite(ben, Person("Dora"))
    pass_round(ana, ben)
    assert ben.replica.membership.role(Person("Dora").id) is Role.EDITOR
    assert_order_plays_no_part(ben)


def test_nobody_but_the_one_it_was_offered_to_accepts() -> None:
    ana, ben = together()
    offered = offer_of(ana, ben)
    carl = CARL.desk(ana.replica.thread)
    pass_round(ana, carl)
    accept(carl, offered, ANA, [CARL])
    pass_round(ana, carl)
    assert ana.replica.membership.owner == ANA.id


def test_an_offer_that_the_root_did_not_sign_is_none() -> None:
    """A thief with one of the owner's devices can't give the thread away."""
    ana, ben = together()
    offered = offer(ana, BEN, BEN)  # signed by a root that isn't the owner's
    pass_round(ana, ben)
    accept(ben, offered, ANA, [BEN])
    pass_round(ana, ben)
    assert ana.replica.membership.owner == ANA.id


@pytest.mark.parametrize("phone_first", [True, False])
def test_a_revoked_device_does_not_accept_in_place_of_a_standing_one(phone_first: bool) -> None:
    """A thief backdates an acceptance whose cuts leave nothing of the former owner's work."""
    heir = Person("Heir")
    heir.add("phone")
    ana = ANA.found()
    invite(ana, heir)
    ana.say("kept")
    laptop, thief = heir.desk(ana.replica.thread), heir.desk(ana.replica.thread, "phone")
    offered = offer(ana, ANA, heir)
    pass_round(ana, laptop, thief)
    heir.revoke("phone")
    erased = thief.replica.commit_record(LaneKind.CONTROL, [Accept(offered, ())])
    first, second = thief.kept(erased), laptop.introduce(heir)
    taken = accept(laptop, offered, ANA, [heir])
    order = [first, second, taken] if phone_first else [second, taken, first]
    ana.read(order)
    final = rebuilt(ana.replica, ana.frames)
    assert final.membership.owner == heir.id
    assert Desk(final).shown() == {"kept"}
    assert_order_plays_no_part(ana)


@pytest.mark.parametrize("laptop_first", [True, False])
def test_an_owner_is_not_held_by_what_another_device_of_theirs_gave_up_in_ignorance(laptop_first: bool) -> None:
    """Ben's phone leaves the thread while his laptop accepts it: else its owner could write nothing in it, for ever."""
    ben_ = Person("Ben with a phone")
    ben_.add("phone")
    ana = ANA.found()
    invite(ana, ben_)
    laptop, phone = ben_.desk(ana.replica.thread), ben_.desk(ana.replica.thread, "phone")
    offered = offer(ana, ANA, ben_)
    pass_round(ana, laptop, phone)
    accept(laptop, offered, ANA, [ben_])
    phone.kept(phone.replica.commit_record(LaneKind.IDENTITY, [Restrict(ben_.id, Role.NONE, ())]))
    pass_round(*([laptop, phone] if laptop_first else [phone, laptop]))
    owner = ben_.desk(ana.replica.thread, session=2)
    with owner.replica.loading():
        owner.read(laptop.frames)
    assert owner.replica.role() is Role.OWNER
    invite(owner, CARL)
    owner.say("mine")
    assert owner.shown() == {"mine"} and CARL.id in owner.replica.membership.members()
    assert_order_plays_no_part(owner)


def test_a_former_owner_who_names_heads_of_their_own_time_is_cut_all_the_same() -> None:
    ana, ben = together()
    accept(ben, offer_of(ana, ben), ANA, [ANA, BEN, CARL])
    back = offer(ben, BEN, CARL)
    carl = CARL.desk(ana.replica.thread)
    pass_round(ben, carl)
    late = BEN.desk(ana.replica.thread, session=7)
    late.read(ben.frames)
    accept(carl, back, BEN, [BEN, CARL])
    late.say("with heads of when I owned it")
    pass_round(carl, late)
    assert carl.shown() == set() and carl.replica.membership.owner == CARL.id
    assert_order_plays_no_part(carl)


def test_a_signature_of_an_earlier_tenure_is_shown_again_in_vain() -> None:
    """Ben had the thread, gave it back, was removed, and puts the old offer into a record of his own."""
    ana, ben = together()
    action = stewardship.offer(ana.replica, ANA.root.signing, BEN.id)
    offered = ana.replica.commit_record(LaneKind.CONTROL, [action])
    ana.kept(offered)
    pass_round(ana, ben)
    accept(ben, of(offered).id, ANA, [ANA, BEN, CARL])
    back = offer(ben, BEN, ANA)
    returned = ANA.desk(ana.replica.thread, session=3)
    returned.read([*ana.frames, *(frame for frame in ben.frames if frame not in ana.frames)])
    accept(returned, back, BEN, [ANA, CARL])
    restrict(returned, BEN)
    former = BEN.desk(ana.replica.thread, session=5)
    former.read(returned.frames)
    again = former.replica.commit_record(LaneKind.IDENTITY, [action])
    former.kept(again)
    former.kept(former.replica.commit_record(LaneKind.CONTROL, [Accept(of(again).id, ())]))
    pass_round(returned, former)
    assert returned.replica.membership.owner == ANA.id
    assert_order_plays_no_part(returned)


def test_a_device_that_its_person_ended_accepts_no_thread_for_them() -> None:
    heir = Person("Heir")
    phone = heir.add("phone")
    ana = ANA.found()
    invite(ana, heir)
    ana.say("kept")
    laptop, thief = heir.desk(ana.replica.thread), heir.desk(ana.replica.thread, "phone")
    commit = ana.replica.commit_record(LaneKind.CONTROL, [stewardship.offer(ana.replica, ANA.root.signing, heir.id)])
    ana.kept(commit)
    pass_round(ana, laptop, thief)
    heir.revoke("phone")
    ended = [*stewardship.introduction(heir.entries), RevokeDevice(phone.id, ())]
    laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, ended))
    thief.kept(thief.replica.commit_record(LaneKind.CONTROL, [Accept(of(commit).id, ())]))
    pass_round(ana, laptop, thief)
    assert ana.replica.membership.owner == ANA.id and ana.shown() == {"kept"}


def test_what_a_device_accepted_before_it_was_ended_stays() -> None:
    heir = Person("Heir")
    phone = heir.add("phone")
    ana = ANA.found()
    invite(ana, heir)
    laptop, taking = heir.desk(ana.replica.thread), heir.desk(ana.replica.thread, "phone")
    offered = offer(ana, ANA, heir)
    pass_round(ana, laptop, taking)
    accept(taking, offered, ANA, [heir])
    pass_round(ana, laptop, taking)
    heir.revoke("phone")
    ended = [
        *stewardship.introduction(heir.entries),
        RevokeDevice(phone.id, laptop.replica.cuts([phone.id], LaneKind)),
    ]
    laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, ended))
    pass_round(ana, laptop, taking)
    assert laptop.replica.membership.owner == heir.id
    assert_order_plays_no_part(laptop)
