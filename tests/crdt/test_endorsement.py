"""What others built on somebody's cut-off text is carried along with theirs, until the owner settles the matter."""

import itertools

import msgspec
import pytest

from crdt import stewardship
from crdt.ids import DeviceId
from crdt.permissions import LaneKind, Role
from crdt.records import Cut, Restrict, Settle
from crdt.replica import Replica
from crdt.settlement import open_matters, settlement
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    assert_order_plays_no_part,
    at_two_devices,
    draft,
    envelope_of,
    forged,
    frame_of,
    gather,
    invite,
    pass_round,
    rebuilt,
    restrict,
    settle,
    settled,
    type_text,
)

ANA, BEN, CARL, DORA = Person("Ana"), Person("Ben"), Person("Carl"), Person("Dora")


def together() -> list[Desk]:
    desks = gather(ANA, BEN, CARL, DORA)
    type_text(desks[0], lambda text: text.insert(0, "plan:"))
    pass_round(*desks)
    return desks


def append(desk: Desk, words: str) -> bytes:
    return type_text(desk, lambda text: text.insert(len(str(text)), words))


def again(desk: Desk, person: Person, session: int) -> Desk:
    other = person.desk(desk.replica.thread, session=session)
    with other.replica.loading():
        other.read(desk.frames)
    return other


def names(desk: Desk, frame: bytes) -> bytes:
    return envelope_of(desk, frame).id


def test_an_edit_made_in_ignorance_of_a_removal_carries_along_what_it_was_built_on() -> None:
    ana, ben, carl, dora = together()
    bens = append(ben, " beer")
    pass_round(ben, carl)
    append(carl, " and wine")
    restrict(ana, BEN)
    pass_round(ana, ben, carl, dora)
    for desk in (ana, carl, dora):
        assert draft(settled(desk)) == "plan: beer and wine"
        assert settled(desk).carried() == {names(ana, bens): {CARL.id}}
    assert not carl.replica.stale  # its author goes on where they were
    append(carl, " for all")
    pass_round(ana, carl)
    assert draft(ana.replica) == "plan: beer and wine for all"
    assert_order_plays_no_part(ana)


def test_only_what_somebody_built_on_is_carried_and_nothing_of_other_lanes() -> None:
    ana, ben, carl, _ = together()
    append(ben, " beer")
    ben.say("said")
    pass_round(ben, carl)
    append(carl, " and wine")
    append(ben, " and gin")
    restrict(ana, BEN)
    pass_round(ana, ben, carl)
    assert draft(settled(ana)) == "plan: beer and wine"
    assert Desk(settled(ana)).shown() == set()
    assert_order_plays_no_part(ana)


def test_nobody_carries_who_has_heard_of_the_removal() -> None:
    """The patched software of a member who knows names what was cut off all the same."""
    ana, ben, carl, _ = together()
    bens = append(ben, " beer")
    restrict(ana, BEN)
    pass_round(ana, carl)
    header = msgspec.structs.replace(carl.replica.next_header(SHARED), seen=(names(ana, bens),))
    assert carl.replica.graph.tips()[0].id in header.heads
    accomplices = frame_of(carl, header, b"\0\0")
    ana.read([bens, accomplices])
    assert draft(settled(ana)) == "plan:" and not settled(ana).carried()
    assert_order_plays_no_part(ana)


def test_a_chain_does_not_go_back_to_before_the_removal_to_carry() -> None:
    ana, ben, carl, _ = together()
    old = carl.replica.next_header(SHARED).heads
    bens = append(ben, " beer")
    restrict(ana, BEN)
    pass_round(ana, carl)
    append(carl, " wine")
    accomplices = forged(carl, SHARED, b"\0\0", heads=old, seen=(names(ana, bens),))
    ana.read([bens, *carl.frames[-1:], accomplices])
    assert draft(settled(ana)) == "plan: wine"
    assert_order_plays_no_part(ana)


def test_the_removed_do_not_carry_each_other_nor_themselves() -> None:
    ana, ben, carl, _ = together()
    second = again(ben, BEN, 5)
    append(ben, " beer")
    second.read(ben.frames[-1:])
    append(second, " more")
    pass_round(carl, ben, second)
    append(carl, " wine")
    restrict(ana, BEN)
    restrict(ana, CARL)
    pass_round(ana, ben, carl, second)
    assert draft(settled(ana)) == "plan:" and not settled(ana).carried()
    assert_order_plays_no_part(ana)


def test_a_viewer_carries_nothing() -> None:
    ana, ben, carl, _ = together()
    append(ben, " beer")
    pass_round(ben, carl)
    carl.read([restrict(ana, CARL, Role.VIEWER)])
    restrict(ana, BEN)
    seen = (names(carl, ben.frames[-1]),)
    ana.read([ben.frames[-1], forged(carl, SHARED, b"\0\0", seen=seen)])
    assert draft(settled(ana)) == "plan:"


def test_what_is_carried_goes_on_being_carried_when_who_carries_is_removed_themselves() -> None:
    """The owner's cut names what they had accepted; that it rests on somebody else's stays true."""
    ana, ben, carl, dora = together()
    append(ben, " beer")
    pass_round(ben, carl)
    append(carl, " and wine")
    restrict(ana, BEN)
    pass_round(ana, ben, carl, dora)
    restrict(ana, CARL)
    pass_round(ana, dora)
    assert draft(settled(ana)) == "plan: beer and wine"
    assert_order_plays_no_part(ana)


def test_two_steps_of_ignorance_are_carried_by_both() -> None:
    ana, ben, carl, dora = together()
    bens = append(ben, " beer")
    pass_round(ben, carl)
    append(carl, " wine")
    pass_round(carl, dora)
    append(dora, " gin")
    restrict(ana, BEN)
    pass_round(ana, ben, carl, dora)
    assert draft(settled(ana)) == "plan: beer wine gin"
    assert settled(ana).carried() == {names(ana, bens): {CARL.id, DORA.id}}
    assert_order_plays_no_part(ana)


def test_an_own_device_that_did_not_know_carries_what_the_stolen_one_had_typed() -> None:
    owner, (laptop, phone, carl) = at_two_devices(CARL)
    append(phone, "by the phone")
    pass_round(phone, carl)
    append(carl, ", and more")
    owner.revoke("phone")
    actions = stewardship.revocation(laptop.replica, DeviceId(owner.devices["phone"].id), owner.entries)
    assert laptop.replica.author
    laptop.kept(
        stewardship.rotate(
            laptop.replica, laptop.replica.author, stewardship.readers(laptop.replica.membership), actions
        )
    )
    pass_round(laptop, phone, carl)
    assert draft(settled(laptop)) == "by the phone, and more"
    assert_order_plays_no_part(laptop)


def read_as_given(desk: Desk, *late: bytes) -> Replica:
    """A reader that has all the desk's frames but the late ones first, and then these, in this order; never anew."""
    replica = Replica(desk.replica.thread, desk.replica.own_keys)
    for frame in [*(each for each in desk.frames if each not in late), *late]:
        replica.receive(frame)
    assert not replica.stale
    return replica


def test_what_names_it_from_another_lane_carries_nothing_whichever_comes_first() -> None:
    """Else one message of an accomplice brings back what the removed typed, for those alone who read it first."""
    ana, ben, carl, _ = together()
    bens = append(ben, " beer")
    naming = forged(carl, carl.timeline, b"\0\0", seen=(names(ben, bens),))
    restrict(ana, BEN)
    ana.read([bens, naming])
    for order in ((bens, naming), (naming, bens)):
        reader = read_as_given(ana, *order)
        assert draft(reader) == "plan:" and not reader.carried()
    assert_order_plays_no_part(ana)


def test_what_somebody_built_on_is_carried_too_if_it_comes_after_them() -> None:
    ana, ben, carl, _ = together()
    other = again(ben, BEN, 5)
    first, second = append(ben, " beer"), append(other, " ale")
    carl.read([first, second])
    carls = append(carl, " and wine")
    restrict(ana, BEN)
    ana.read([first, second, carls])
    readers = [read_as_given(ana, *order) for order in itertools.permutations((first, carls, second))]
    assert {draft(each) for each in readers} == {draft(carl.replica)}
    assert all(each.carried() == {names(ana, f): {CARL.id} for f in (first, second)} for each in readers)


def test_who_carries_is_heard_once_it_is_known_that_a_cut_leaves_their_word() -> None:
    """Carl is removed too, by a cut that names what he typed last: until that comes his first words are nobody's."""
    ana, ben, carl, _ = together()
    bens = append(ben, " beer")
    pass_round(ben, carl)
    carls = [append(carl, " and wine"), append(carl, " for all")]
    restrict(ana, BEN)
    pass_round(ana, carl)
    restrict(ana, CARL)
    reader = read_as_given(ana, bens, *carls)
    assert draft(reader) == draft(settled(ana)) == "plan: beer and wine for all"
    assert reader.carried()[envelope_of(ana, bens).id] == {CARL.id}


def test_what_a_cut_leaves_of_the_removed_keeps_nothing_else_of_theirs() -> None:
    """An owner may name as the last of one device what went on from work of the other that they had not seen."""
    ben_ = Person("Ben with a phone")
    ben_.add("phone")
    ana, laptop = gather(ANA, ben_)
    phone = ben_.desk(ana.replica.thread, "phone")
    pass_round(ana, phone)
    beyond = append(laptop, "beer")
    phone.read([beyond])
    last = append(phone, " again")
    cut = Cut(LaneKind.SHARED, b"", ben_.devices["phone"].id, (names(phone, last),))
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(ben_.id, int(Role.NONE), (cut,))]))
    ana.read([beyond, last])
    assert draft(settled(ana)) == "" and not settled(ana).carried()
    assert_order_plays_no_part(ana)


# ---- the settlement


def test_what_is_settled_stays_and_is_kept_by_the_owner_then() -> None:
    ana, ben, carl, _ = together()
    bens = append(ben, " beer")
    pass_round(ben, carl)
    append(carl, " wine")
    restrict(ana, BEN)
    pass_round(ana, ben, carl)
    settle(ana)
    pass_round(ana, carl)
    assert not ana.replica.stale and not carl.replica.stale
    assert draft(ana.replica) == draft(carl.replica) == "plan: beer wine"
    assert ana.replica.carried() == {names(ana, bens): {ANA.id}}
    assert not open_matters(ana.replica)
    assert_order_plays_no_part(ana)


def test_an_accomplice_endorses_after_the_settlement_in_vain() -> None:
    """With heads from before the removal, in a fresh session: but for its coming late it looks like honest work."""
    ana, ben, carl, _ = together()
    fresh = again(carl, CARL, 7)
    restrict(ana, BEN)
    settle(ana)
    append(ben, " beer")
    fresh.read(ben.frames[-1:])
    append(fresh, " wine")
    pass_round(ana, fresh, ben)
    assert draft(settled(ana)) == "plan:" and not settled(ana).carried()
    assert_order_plays_no_part(ana)


def test_a_settlement_takes_back_what_it_does_not_name() -> None:
    ana, ben, carl, dora = together()
    append(ben, " beer")
    pass_round(ben, carl)
    append(carl, " wine")
    restrict(ana, BEN)
    settle(ana)  # in ignorance of both
    pass_round(ana, ben, carl, dora)
    assert draft(settled(ana)) == "plan:"
    assert_order_plays_no_part(ana)


def test_two_settlements_at_once_leave_what_either_names() -> None:
    _, (laptop, phone, ben, carl) = at_two_devices(BEN, CARL)
    append(ben, "beer")
    pass_round(ben, carl)
    append(carl, " wine")
    restrict(laptop, BEN)
    pass_round(laptop, phone)
    settle(laptop)
    phone.read([frame for frame in carl.frames if frame not in phone.frames])
    settle(phone)
    pass_round(laptop, phone, ben, carl)
    assert draft(settled(laptop)) == "beer wine"
    assert_order_plays_no_part(laptop)


@pytest.mark.parametrize("by", ["Ben", "Carl"])
def test_nobody_but_an_owner_settles(by: str) -> None:
    ana, ben, carl, _ = together()
    bens = append(ben, " beer")
    restriction = restrict(ana, BEN)
    pass_round(ana, ben, carl)
    desk = ben if by == "Ben" else carl
    raised = (Cut(LaneKind.SHARED, b"", BEN.devices["laptop"].id, (names(ana, bens),)),)
    for kind in (LaneKind.CONTROL, LaneKind.IDENTITY):
        epoch = desk.replica.keyring.get(envelope_of(ana, ana.frames[0]).header.epoch)
        assert epoch is not None
        action = Settle(names(ana, restriction), raised)
        desk.kept(desk.replica._commit_record(kind, [action], epoch, b""))
    pass_round(ana, desk)
    assert not ana.replica.membership.settlements
    assert draft(settled(ana)) == "plan:"


def test_a_settlement_in_ignorance_of_the_restriction_counts_for_nothing() -> None:
    """An owner's stolen device can't open the door for a removal to come."""
    _, (laptop, phone, ben) = at_two_devices(BEN)
    restriction = names(laptop, restrict(laptop, BEN))
    append(ben, "beer")
    phone.read(ben.frames[-1:])
    cuts = phone.replica.cuts([BEN.devices["laptop"].id], [LaneKind.SHARED])
    phone.kept(phone.replica.commit_record(LaneKind.CONTROL, [Settle(restriction, cuts)]))
    pass_round(laptop, phone, ben)
    assert draft(settled(laptop)) == "" and open_matters(laptop.replica)
    assert_order_plays_no_part(laptop)


def test_a_matter_is_open_until_every_editors_device_has_written_knowing_of_it() -> None:
    ana, _, carl, dora = together()
    restrict(ana, BEN)
    (matter,) = open_matters(ana.replica)
    assert matter.unheard == {CARL.devices["laptop"].id, DORA.devices["laptop"].id}
    pass_round(ana, carl)
    carl.say("I know")
    pass_round(ana, carl)
    (matter,) = open_matters(ana.replica)
    assert matter.unheard == {DORA.devices["laptop"].id}
    pass_round(ana, dora)
    dora.introduce(DORA)
    pass_round(ana, dora)
    (matter,) = open_matters(ana.replica)
    assert not matter.unheard
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [settlement(ana.replica, matter)]))
    assert not open_matters(ana.replica)


def test_a_device_that_was_ended_is_not_waited_for() -> None:
    ana, dora_ = ANA.found(), Person("Dora with a phone")
    dora_.add("phone")
    invite(ana, BEN, dora_)
    restrict(ana, BEN)
    (matter,) = open_matters(ana.replica)
    assert matter.unheard == {device.id for device in dora_.devices.values()}
    dora_.revoke("phone")
    ana.introduce(dora_)
    (matter,) = open_matters(ana.replica)
    assert matter.unheard == {dora_.devices["laptop"].id}


def test_who_is_only_told_what_they_may_do_already_makes_no_matter_to_settle() -> None:
    ana, *_ = together()
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(BEN.id, int(Role.EDITOR), ())]))
    assert ana.replica.membership.role(BEN.id) is Role.EDITOR
    assert open_matters(ana.replica) == []


def test_the_settlement_of_one_devices_end_names_nothing_of_the_others() -> None:
    ana, dora_ = ANA.found(), Person("Dora with a phone")
    phone_ = dora_.add("phone")
    invite(ana, dora_)
    laptop, phone = dora_.desk(ana.replica.thread), dora_.desk(ana.replica.thread, "phone")
    pass_round(ana, laptop, phone)
    append(laptop, "tea")
    pass_round(laptop, phone)
    append(phone, " and milk")
    pass_round(ana, laptop, phone)
    ended = stewardship.revocation(ana.replica, phone_.id, [dora_.revoke("phone")])
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, ended))
    (matter,) = open_matters(ana.replica)
    made = settlement(ana.replica, matter)
    assert isinstance(made, Settle) and {cut.device for cut in made.cuts} == {phone_.id}


def test_whoever_comes_back_after_a_settlement_goes_on_in_a_new_session() -> None:
    ana, ben, carl, _ = together()
    append(ben, " beer")
    pass_round(ben, carl)
    append(carl, " wine")
    restrict(ana, BEN)
    pass_round(ana, ben, carl)
    settle(ana)
    invite(ana, BEN)
    pass_round(ana, ben)
    back = again(ben, BEN, 9)
    append(back, " and gin")
    pass_round(ana, back, carl)
    assert draft(rebuilt(ana.replica, ana.frames)) == "plan: beer wine and gin"
    assert_order_plays_no_part(ana)
