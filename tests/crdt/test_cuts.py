"""What a removal leaves standing, and what gets nobody past it: old parents, unknown sessions, new devices."""

import itertools

import msgspec
import pycrdt
import pytest

from crdt import stewardship
from crdt.acceptance import Kept
from crdt.left_out import Reason
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import Restrict
from crdt.replica import Replica
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    assert_order_plays_no_part,
    draft,
    envelope_of,
    forged,
    invite,
    pass_round,
    rebuilt,
    restrict,
    settled,
    state,
    type_text,
)

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")


def together() -> tuple[Desk, Desk]:
    ana = ANA.found()
    invite(ana, BEN, CARL)
    ben = BEN.desk(ana.replica.thread)
    pass_round(ana, ben)
    return ana, ben


def again(desk: Desk, person: Person, session: int, device: str = "laptop") -> Desk:
    """The same device after a restart: all its frames, a new session."""
    other = person.desk(desk.replica.thread, device, session)
    other.read(desk.frames)
    return other


# ---- what stays


def test_nothing_counts_as_left_out_for_good_while_what_the_cut_names_is_not_here() -> None:
    """What the last word leaves is known once it is there: until then nobody is told that theirs is lost."""
    ana, ben = together()
    one, two = ben.say("one"), ben.say("two")
    pass_round(ana, ben)
    restrict(ana, BEN)
    reader = Replica(ana.replica.thread, ana.replica.own_keys)
    for frame in [*(each for each in ana.frames if each not in (one, two)), one]:
        reader.receive(frame)
    assert not list(reader.accepted(ben.timeline)) and reader.left_out() == {}
    late = ben.say("late")
    for frame in (two, late):
        reader.receive(frame)
    assert reader.left_out() == {envelope_of(ana, late).id: Reason.CUT}


def test_what_a_cut_leaves_is_not_followed_through_another_device() -> None:
    """The phone's last session is named, and rests on the laptop's, which rested on the phone's of before."""
    ben_ = Person("Ben with a phone")
    phone_ = ben_.add("phone")
    ana = ANA.found()
    invite(ana, ben_)
    laptop, early = ben_.desk(ana.replica.thread), ben_.desk(ana.replica.thread, "phone")
    pass_round(ana, laptop, early)
    first = forged(early, SHARED, b"\0\0")
    middle = forged(laptop, SHARED, b"\0\0", seen=(envelope_of(ana, first).id,))
    last = forged(early, SHARED, b"\0\0", session=b"another session!", seen=(envelope_of(ana, middle).id,))
    ana.read([first, middle, last])
    links = [ana.replica.chains.get(envelope_of(ana, frame).id) for frame in (first, middle, last)]
    kept = Kept(ana.replica.chains, (LaneKind.SHARED, b"", phone_.id), [envelope_of(ana, last).id])
    assert [link is not None and kept.holds(link) for link in links] == [False, False, True]


def test_what_was_said_before_the_removal_stays_whenever_it_comes() -> None:
    """A node reads the membership first when it starts: the cut is there before what it leaves."""
    ana, ben = together()
    for word in ("one", "two", "three"):
        ben.say(word)
    pass_round(ana, ben)
    restrict(ana, BEN)
    expected = assert_order_plays_no_part(ana, range(4))
    records = [frame for frame in ana.frames if envelope_of(ana, frame).header.kind == LaneKind.CONTROL]
    words = [frame for frame in ana.frames if frame not in records]
    for order in itertools.permutations(words):
        replica = settled(ana, [*records, *order])
        assert state(replica) == expected
    assert ana.shown() == {"one", "two", "three"}


def test_what_a_removed_editor_writes_with_an_old_head_counts_nowhere() -> None:
    ana, ben = together()
    ben.say("before")
    pass_round(ana, ben)
    restrict(ana, BEN)
    ben.say("after, and he doesn't know")  # old head, old parents, old key
    pass_round(ana, ben)
    assert ana.shown() == {"before"}
    assert ben.replica.stale
    assert_order_plays_no_part(ana)


def test_a_cut_that_names_no_chain_admits_nothing_of_it() -> None:
    """A fresh session, a fresh lane and a fresh device of the removed, all with heads from before the removal."""
    ana, ben = together()
    ben.say("before")
    new_session = again(ben, BEN, 7)
    new_lane = Lane(LaneKind.COMMENTS, BEN.devices["laptop"].id)
    pass_round(ana, ben)
    restrict(ana, BEN)
    new_session.say("in another session")
    new_session.kept(new_session.replica.commit(new_lane, lambda d: d.get("c", type=pycrdt.Map).__setitem__("1", "x")))
    type_text(new_session, lambda text: text.insert(0, "x"))
    older = Person("Ben")
    older.add("phone")
    phone = older.desk(ana.replica.thread, "phone")
    phone.read(ben.frames)
    phone.introduce(older)
    phone.say("from a fresh device")
    pass_round(ana, ben, new_session, phone)
    assert ana.shown() == {"before"} and draft(ana.replica) == ""
    assert not list(ana.replica.accepted(new_lane))
    assert_order_plays_no_part(ana)


def test_offline_edits_concurrent_with_the_removal_fall_in_every_order() -> None:
    ana, ben = together()
    type_text(ben, lambda text: text.insert(0, "kept "))
    pass_round(ana, ben)
    restrict(ana, BEN)
    type_text(ben, lambda text: text.insert(0, "lost "))
    pass_round(ana, ben)
    assert draft(settled(ana)) == "kept "
    assert_order_plays_no_part(ana)


def test_a_cut_goes_through_the_sessions_that_each_opener_names() -> None:
    ana, ben = together()
    ben.say("first session")
    second = again(ben, BEN, 1)
    second.say("second session")
    third = again(second, BEN, 2)
    third.say("third session")
    pass_round(ana, third)
    restrict(ana, BEN)
    second.say("second session, later")
    pass_round(ana, second, third)
    assert ana.shown() == {"first session", "second session", "third session"}
    assert_order_plays_no_part(ana)


def test_of_several_cuts_the_lowest_counts() -> None:
    ana, ben = together()
    first = envelope_of(ben, ben.say("one"))
    ben.say("two")
    pass_round(ana, ben)
    low = stewardship.Restrict(BEN.id, Role.NONE, ana.replica.cuts([first.header.device], stewardship.CONTENT))
    (cut,) = low.cuts
    lower = msgspec.structs.replace(low, cuts=(msgspec.structs.replace(cut, tips=(first.id,)),))
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [low]))
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [lower]))
    assert ana.replica.stale
    assert {*rebuilt(ana.replica, ana.frames).accepted(ben.timeline)} == {first.id}


def test_a_cut_names_one_branch_of_a_forked_chain_and_the_other_falls() -> None:
    """The number in the chain does not tell on which branch an envelope stands."""
    ana, ben = together()
    ana.say("opening")
    ben.say("common")
    other = again(ben, BEN, 0)
    ben.say("left")
    pass_round(ana, ben)
    ana.say("I saw left")
    restrict(ana, BEN)
    ben.say("left, after the cut")
    other.say("right")
    other.say("right again")
    pass_round(ana, ben, other)
    final = rebuilt(ana.replica, ana.frames)
    assert Desk(final).shown() == {"opening", "common", "left", "I saw left"}
    assert_order_plays_no_part(ana, range(20))


def test_a_cut_on_a_branch_that_nobody_vouches_for_keeps_it_against_another_one() -> None:
    """The restriction's word is enough: else whoever is put out could erase what was to stay, by a second version."""
    ana, ben = together()
    ben.say("common")
    other = again(ben, BEN, 0)
    ben.say("left")
    pass_round(ana, ben)
    restrict(ana, BEN)
    other.say("right")
    pass_round(ana, other)
    assert Desk(rebuilt(ana.replica, ana.frames)).shown() == {"common", "left"}
    assert_order_plays_no_part(ana)


def test_a_cut_of_one_branch_stands_although_somebody_vouches_for_the_other() -> None:
    """Both branches count equally far in numbers; the cut names what stands on one of them."""
    ana, ben = together()
    carl = CARL.desk(ana.replica.thread)
    carl.read(ana.frames)
    carl.say("Carl opens")
    ben.say("common")
    other = again(ben, BEN, 0)
    other.say("right")
    carl.read([frame for frame in other.frames if frame not in carl.frames])
    carl.say("I saw right")
    ben.say("left")
    ana.read([frame for frame in ben.frames if frame not in ana.frames])
    restrict(ana, BEN)
    pass_round(ana, ben, other, carl)
    assert ana.shown() == {"Carl opens", "I saw right", "common", "left"}
    assert_order_plays_no_part(ana, range(20))


def test_a_cut_that_names_a_tip_of_another_lane_leaves_nothing() -> None:
    """A careless or hostile record: what it names is no tip of the lane that it cuts."""
    ana, ben = together()
    ben.say("said")
    type_text(ben, lambda text: text.insert(0, "typed"))
    pass_round(ana, ben)
    cuts = ana.replica.cuts([BEN.devices["laptop"].id], stewardship.CONTENT)
    swapped = tuple(
        msgspec.structs.replace(cut, tips=other.tips) for cut, other in zip(cuts, reversed(cuts), strict=True)
    )
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(BEN.id, Role.NONE, swapped)]))
    final = rebuilt(ana.replica, ana.frames)
    assert Desk(final).shown() == set() and draft(final) == ""


# ---- demotion and coming back


def test_a_demotion_in_mid_stream_cuts_only_what_the_new_role_lacks() -> None:
    ana, ben = together()
    comments = Lane(LaneKind.COMMENTS, BEN.devices["laptop"].id)
    ben.say("said")
    pass_round(ana, ben)
    restrict(ana, BEN, Role.COMMENTER)
    ben.say("said without knowing")
    ben.kept(ben.replica.commit(comments, lambda doc: doc.get("c", type=pycrdt.Map).__setitem__("1", "noted")))
    pass_round(ana, ben)
    assert ana.shown() == {"said"}
    assert len(list(ana.replica.accepted(comments))) == 1
    assert_order_plays_no_part(ana)


def test_whoever_gets_the_role_back_goes_on_in_a_new_session_only() -> None:
    ana, ben = together()
    ben.say("before")
    pass_round(ana, ben)
    restrict(ana, BEN)
    invite(ana, BEN)
    ben.say("offline meanwhile")
    pass_round(ana, ben)
    back = Desk(Replica(ana.replica.thread, [BEN.identity_key], BEN.author("laptop", 5)), list(ben.frames))
    with back.replica.loading():
        for frame in ben.frames:
            back.replica.receive(frame)
    assert back.shown() == {"before"}
    back.say("back again")
    pass_round(ana, back)
    assert ana.shown() == {"before", "back again"}
    assert_order_plays_no_part(ana)


def test_an_old_session_does_not_come_back_to_life_with_the_role() -> None:
    """The session that the cut ended names the new grant all at once."""
    ana, ben = together()
    ben.say("before")
    pass_round(ana, ben)
    restrict(ana, BEN)
    ben.say("beyond the cut")
    invite(ana, BEN)
    old = again(ben, BEN, 0)
    old.read([frame for frame in ana.frames if frame not in old.frames])
    assert old.replica.stale or old.shown() == {"before"}
    pass_round(ana, ben)
    assert ana.shown() == {"before"}


# ---- endurance


@pytest.mark.parametrize("late", [200])
def test_the_late_flood_of_a_removed_device_costs_one_look_each(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of sessions; each envelope is judged without walking through all of them again."""
    ana, ben = together()
    desk = ben
    for session in range(1, 40):
        desk = again(desk, BEN, session)
        desk.say(f"in session {session}")
    pass_round(ana, desk)
    steps = 0
    really_extend = Kept.extend

    def counted(kept: Kept, tips: object) -> set[object]:
        nonlocal steps
        given = list(tips)
        steps += len(given)
        return really_extend(kept, given)

    restrict(ana, BEN)
    monkeypatch.setattr(Kept, "extend", counted)
    for number in range(late):
        desk.say(f"late {number}")
    ana.read(desk.frames[-late:])
    assert len(ana.shown()) == 39
    assert steps == 0


def test_a_restriction_of_somebody_else_leaves_everybodys_work() -> None:
    ana, ben = together()
    carl = CARL.desk(ana.replica.thread)
    pass_round(ana, ben, carl)
    ben.say("ben's")
    carl.say("carl's")
    pass_round(ana, ben, carl)
    restrict(ana, CARL)
    pass_round(ana, ben, carl)
    assert not ben.replica.stale and ben.shown() == {"ben's", "carl's"}
    ben.say("more")
    pass_round(ana, ben)
    assert ana.shown() == {"ben's", "carl's", "more"}
    assert_order_plays_no_part(ana)


def test_a_removed_person_who_leaves_again_and_again_silences_nobody() -> None:
    ana, ben = together()
    carl = CARL.desk(ana.replica.thread)
    restrict(ana, BEN)
    pass_round(ana, carl)
    for _ in range(3):
        ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [Restrict(BEN.id, Role.NONE, ())]))
    pass_round(carl, ben)
    carl.say("still here")
    assert "still here" in carl.shown()


def test_shared_text_of_the_remaining_people_goes_on_after_a_removal() -> None:
    ana, ben = together()
    type_text(ana, lambda text: text.insert(0, "plan: "))
    pass_round(ana, ben)
    type_text(ben, lambda text: text.insert(len(str(text)), "beer"))
    pass_round(ana, ben)
    restrict(ana, BEN)
    type_text(ana, lambda text: text.insert(len(str(text)), " and wine"))
    assert draft(ana.replica) == "plan: beer and wine"
    expected = assert_order_plays_no_part(ana)
    assert expected["documents"][SHARED][1] == "plan: beer and wine"
