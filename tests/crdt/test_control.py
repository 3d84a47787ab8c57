"""Who drives: exactly one, whatever anybody writes and in whatever order it comes."""

import hashlib
import itertools
import random
from typing import Any

import pycrdt
import pytest

from crdt import comment_edits, control
from crdt.comments import Request
from crdt.control import Helm, State
from crdt.control_words import (
    MAX_AFTER,
    MAX_HANDOVERS,
    HandOver,
    Typing,
    Word,
    forget_handovers,
    put_handover,
    put_typing,
    put_word,
)
from crdt.entries import root
from crdt.ids import IdentityId, to_text
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import Grant
from crdt.stewardship import restriction, revocation
from tests.crdt.people import Desk, Person
from tests.crdt.world import gather, invite, pass_round, rebuilt, restrict, settled, shuffled

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")
ANA.add("phone")
BEN.add("phone")
NAMES = (f"w{number}" for number in itertools.count())
Doc = pycrdt.Doc[Any]


def together(role: Role = Role.EDITOR) -> list[Desk]:
    """Ana's thread, with Ben and Carl in it."""
    return gather(ANA, BEN, CARL, role=role)


def me(desk: Desk) -> bytes:
    assert desk.replica.author
    return desk.replica.author.device.id


def decide(desk: Desk, change: Any) -> None:
    desk.kept(desk.replica.commit(Lane(LaneKind.DECISIONS, me(desk)), change))


def give(desk: Desk, to: Person | None, target: str = "", now_ms: int = 1) -> Word:
    """The word of somebody who runs the target, as honest software says it."""
    word = Helm(desk.replica).next_word(target, to.id if to else None, me(desk), next(NAMES), now_ms)
    decide(desk, lambda doc: put_word(doc, word))
    return word


def hand(desk: Desk, to: Person, target: str = "", host: Person | None = None) -> HandOver:
    """Pass on what one drives, as honest software does."""
    helm = Helm(desk.replica)
    state = helm.state(target, host.id if host else None)
    handover = helm.next_handover(state, to.id, me(desk), next(NAMES), 2)
    decide(desk, lambda doc: put_handover(doc, handover))
    return handover


def forge(desk: Desk, to: Person, under: str, name: str = "", key: int = 1) -> None:
    """Pass on what one may not have."""
    made = HandOver(name or next(NAMES), me(desk), "", to.id, 1, key, under)
    decide(desk, lambda doc: put_handover(doc, made))


def let_type(desk: Desk, who: Person, allowed: bool = True) -> None:
    word = Helm(desk.replica).next_typing(who.id, allowed, me(desk), next(NAMES), 3)
    decide(desk, lambda doc: put_typing(doc, word))


def ask(desk: Desk, key: int = 1, target: str = "") -> None:
    request = Request(next(NAMES), me(desk), key, key, target)
    desk.kept(
        desk.replica.commit(
            Lane(LaneKind.COMMENTS, me(desk)), lambda doc: comment_edits.put_request(doc, request)
        )
    )  # fmt: skip


def state(desk: Desk, target: str = "", host: Person | None = None) -> State:
    replica = desk.replica if not desk.replica.stale else rebuilt(desk.replica, desk.frames)
    return Helm(replica).state(target, host.id if host else None)


def drives(*desks: Desk, target: str = "", host: Person | None = None) -> IdentityId:
    """Whom all of them see at the wheel."""
    pass_round(*desks)
    (found,) = {state(desk, target, host).driver for desk in desks}
    return found


# ---- what it is for


def test_the_owner_drives_at_first() -> None:
    ana, ben, carl = together()
    assert drives(ana, ben, carl) == ANA.id
    assert state(ben).since is None


def test_two_ask_at_once_and_one_drives() -> None:
    ana, ben, carl = together()
    ask(ben, 5)
    ask(carl, 5)
    assert drives(ana, ben, carl) == ANA.id
    asked = [each.identity for each in state(ana).asked]
    assert sorted(asked) == sorted([BEN.id, CARL.id]) and asked == [each.identity for each in state(carl).asked]
    give(ana, CARL)
    assert drives(ana, ben, carl) == CARL.id
    assert [each.identity for each in state(ana).asked] == [BEN.id]


def test_requests_stand_in_their_order_until_they_are_withdrawn() -> None:
    ana, ben, carl = together()
    ask(ben, 2, "t1")
    ask(carl, 1, "t1")
    pass_round(ana, ben, carl)
    helm = Helm(ana.replica)
    assert [each.identity for each in helm.state("t1").asked] == [CARL.id, BEN.id]
    (request,) = helm.own_requests(me(carl), "t1")
    lane = Lane(LaneKind.COMMENTS, me(carl))
    carl.kept(carl.replica.commit(lane, lambda doc: comment_edits.withdraw_request(doc, request.id, 9)))
    pass_round(ana, carl)
    assert helm.refresh([lane])
    assert [each.identity for each in helm.state("t1").asked] == [BEN.id]
    assert helm.own_requests(me(carl), "t1") == [] and helm.answered_requests(me(carl)) == [request.id]


def test_who_asks_without_end_fills_their_own_room_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MAX_REQUESTS", 2)
    ana, ben, carl = together()
    helm = Helm(ana.replica)
    for number in reversed(range(20)):
        ask(ben, number)
        pass_round(ana, ben)
        helm.refresh([Lane(LaneKind.COMMENTS, me(ben))])
    ask(carl, 99)
    pass_round(ana, carl)
    helm.refresh([Lane(LaneKind.COMMENTS, me(carl))])
    assert sorted(each.key for each in helm.own_requests(me(ben), "")) == [0, 1]
    assert [each.identity for each in helm.state().asked] == [BEN.id, CARL.id]
    assert helm.state() == Helm(ana.replica).state()


def test_who_drives_hands_on_and_the_next_one_too_until_the_owner_takes_it_back() -> None:
    ana, ben, carl = together()
    give(ana, BEN)
    pass_round(ana, ben, carl)
    hand(ben, CARL)
    assert drives(ana, ben, carl) == CARL.id
    hand(carl, BEN)
    assert drives(ana, ben, carl) == BEN.id
    hand(ben, CARL)
    assert drives(ana, ben, carl) == CARL.id
    give(ana, None)
    assert drives(ana, ben, carl) == ANA.id


def test_terminals_have_drivers_of_their_own_and_their_hosts_say_who() -> None:
    ana, ben, carl = together()
    assert drives(ana, ben, carl, target="t1", host=BEN) == BEN.id
    give(ben, CARL, "t1")
    assert drives(ana, ben, carl, target="t1", host=BEN) == CARL.id
    assert drives(ana, ben, carl) == ANA.id == drives(ana, ben, carl, target="t2")
    give(ana, None, "t1")  # the owner takes it away: back it goes to the machine's person
    assert drives(ana, ben, carl, target="t1", host=BEN) == BEN.id
    give(ana, ANA, "t1")  # but no owner commands somebody's machine by their own word
    assert drives(ana, ben, carl, target="t1", host=BEN) == BEN.id
    give(ben, ANA, "t1")
    assert drives(ana, ben, carl, target="t1", host=BEN) == ANA.id
    hand(ana, CARL, "t1", BEN)
    assert drives(ana, ben, carl, target="t1", host=BEN) == CARL.id


def test_a_guest_types_while_the_owner_presses_enter() -> None:
    ana, ben, carl = together()
    let_type(ana, BEN)
    pass_round(ana, ben, carl)
    assert state(carl).typing == (BEN.id,) and state(carl).driver == ANA.id
    give(ana, BEN)  # who only types can't drive, until that is said otherwise
    assert drives(ana, ben, carl) == ANA.id
    let_type(ana, BEN, False)
    assert drives(ana, ben, carl) == BEN.id and state(carl).typing == ()


def test_a_driver_who_may_only_type_from_now_on_drives_no_more() -> None:
    ana, ben, carl = together()
    give(ana, BEN)
    let_type(ana, BEN)
    assert drives(ana, ben, carl) == ANA.id


# ---- rights that end


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER, Role.COMMENTER])
def test_a_driver_who_loses_the_right_to_edit_loses_control(role: Role) -> None:
    ana, ben, carl = together()
    give(ana, BEN)
    assert drives(ana, ben, carl) == BEN.id
    restrict(ana, BEN, role)
    assert drives(ana, carl) == ANA.id


def test_who_gets_the_right_back_does_not_get_control_back_with_it() -> None:
    ana, _, carl = together()
    give(ana, BEN)
    restrict(ana, BEN, Role.VIEWER)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Grant(BEN.id, Role.EDITOR, "Ben")]))
    assert drives(ana, carl) == ANA.id
    give(ana, BEN)
    assert drives(ana, carl) == BEN.id


def test_who_was_a_commenter_for_a_while_does_not_drive_again_by_the_old_word() -> None:
    ana, _, carl = together()
    give(ana, BEN)
    restrict(ana, BEN, Role.COMMENTER)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Grant(BEN.id, Role.EDITOR, "Ben")]))
    assert drives(ana, carl) == ANA.id


def test_who_ends_a_lost_device_of_theirs_goes_on_driving() -> None:
    ana, dora = ANA.found(), Person("Dora")
    dora.add("phone")
    invite(ana, dora)
    laptop = dora.desk(ana.replica.thread)
    give(ana, dora)
    pass_round(ana, laptop)
    ended = revocation(laptop.replica, dora.devices["phone"].id, [dora.revoke("phone")])
    laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, ended))
    pass_round(ana, laptop)
    assert ana.replica.membership.is_revoked(dora.devices["phone"].id)
    assert drives(ana, laptop) == dora.id


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER, Role.COMMENTER])
def test_a_terminal_of_somebody_who_lost_the_right_is_the_owners_to_drive(role: Role) -> None:
    ana, ben, carl = together()
    assert drives(ana, ben, carl, target="t1", host=BEN) == BEN.id
    restrict(ana, BEN, role)
    assert drives(ana, carl, target="t1", host=BEN) == ANA.id


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER, Role.COMMENTER])
def test_who_may_type_does_so_no_more_once_the_right_to_edit_is_lost(role: Role) -> None:
    ana, ben, carl = together()
    let_type(ana, BEN)
    pass_round(ana, ben, carl)
    assert state(carl).typing == (BEN.id,)
    restrict(ana, BEN, role)
    pass_round(ana, carl)
    assert state(carl).typing == () == state(ana).typing


def test_a_request_of_somebody_who_may_not_comment_any_more_stands_no_longer() -> None:
    ana, ben, carl = together(Role.COMMENTER)
    ask(ben)
    pass_round(ana, ben, carl)
    assert [each.identity for each in state(carl).asked] == [BEN.id]
    restrict(ana, BEN, Role.VIEWER)
    pass_round(ana, carl)
    assert state(carl).asked == () == state(ana).asked


def test_a_request_that_was_taken_back_stands_no_longer() -> None:
    ana, ben, carl = together()
    ask(ben)
    (mine,) = Helm(ben.replica).own_requests(me(ben), "")
    lane = Lane(LaneKind.COMMENTS, me(ben))
    ben.kept(ben.replica.commit(lane, lambda doc: comment_edits.withdraw_request(doc, mine.id, 9)))
    pass_round(ana, ben, carl)
    assert state(carl).asked == () and not Helm(carl.replica).own_requests(me(ben), "")


def test_a_restriction_concurrent_with_the_word_wins() -> None:
    ana, _, carl = together()
    phone = ANA.desk(ana.replica.thread, "phone")
    pass_round(ana, phone, carl)
    give(phone, BEN)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, restriction(ana.replica, BEN.id, Role.VIEWER)))
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Grant(BEN.id, Role.EDITOR, "Ben")]))
    assert drives(ana, phone, carl) == ANA.id


def test_what_came_through_somebody_who_was_put_out_goes_back_to_the_owner() -> None:
    ana, ben, carl = together()
    give(ana, BEN)
    pass_round(ana, ben, carl)
    hand(ben, CARL)
    assert drives(ana, ben, carl) == CARL.id
    restrict(ana, BEN)
    assert drives(ana, carl) == ANA.id


# ---- what others try


def test_nobody_hands_on_what_they_do_not_drive() -> None:
    ana, ben, carl = together()
    word = give(ana, BEN)
    pass_round(ana, ben, carl)
    forge(carl, CARL, word.id)
    forge(carl, CARL, "")
    forge(carl, CARL, "nothing")
    decide(carl, lambda doc: put_word(doc, Word("", me(carl), next(NAMES), 1, 2**52, CARL.id, (word.id,))))
    assert drives(ana, ben, carl) == BEN.id


def test_only_the_owner_says_who_types() -> None:
    """Or any editor could bring a driver down to typing, and put themselves beside every driver."""
    ana, ben, carl = together()
    give(ana, BEN)
    let_type(carl, BEN)
    let_type(carl, CARL)
    assert drives(ana, ben, carl) == BEN.id
    assert state(ana).typing == () == state(carl).typing


@pytest.mark.parametrize("forbids", ["laptop", "phone"])
def test_of_two_devices_of_the_owner_forbidding_to_type_beats_allowing_it(forbids: str) -> None:
    ana, ben, carl = together()
    phone = ANA.desk(ana.replica.thread, "phone")
    pass_round(ana, phone, ben, carl)
    let_type(ana, BEN, forbids != "laptop")
    let_type(phone, BEN, forbids != "phone")
    pass_round(ana, phone, ben, carl)
    assert {state(desk).typing for desk in (ana, phone, ben, carl)} == {()}


def test_words_that_each_come_after_the_other_are_judged_as_if_neither_did() -> None:
    """A patched device of the owner's can name a word that is yet to come; nobody's software stops at that."""
    ana, ben, carl = together()
    phone = ANA.desk(ana.replica.thread, "phone")
    pass_round(ana, phone, ben, carl)
    decide(ana, lambda doc: put_typing(doc, Typing(BEN.id, me(ana), True, "one", 1, 9, ("other",))))
    decide(phone, lambda doc: put_typing(doc, Typing(BEN.id, me(phone), False, "other", 1, 1, ("one",))))
    decide(ana, lambda doc: put_word(doc, Word("", me(ana), "give", 1, 9, CARL.id, ("back",))))
    decide(phone, lambda doc: put_word(doc, Word("", me(phone), "back", 1, 1, None, ("give",))))
    assert drives(ana, phone, ben, carl) == ANA.id
    assert state(carl).typing == () and state(carl).under == "back"


def test_nobody_hands_on_what_was_taken_back_however_it_is_dated() -> None:
    ana, ben, carl = together()
    word = give(ana, BEN)
    pass_round(ana, ben, carl)
    give(ana, None)
    forge(ben, CARL, word.id, key=0)
    forge(ben, CARL, word.id, key=2**52)
    assert drives(ana, ben, carl) == ANA.id


def test_nobody_takes_back_what_they_handed_on_by_handing_it_to_somebody_else() -> None:
    ana, ben, carl = together()
    word = give(ana, BEN)
    pass_round(ana, ben, carl)
    hand(ben, CARL)
    assert drives(ana, ben, carl) == CARL.id
    forge(ben, BEN, word.id, key=0)
    assert drives(ana, ben, carl) == ANA.id, "handed to two, it is with neither"


def test_a_viewer_and_a_commenter_have_no_word_on_it() -> None:
    ana, ben, carl = together(Role.COMMENTER)
    ask(ben)
    give(ana, BEN)  # whom the owner may name, but who may not edit
    assert drives(ana, ben, carl) == ANA.id
    assert [each.identity for each in state(ana).asked] == [BEN.id]


def test_hand_overs_in_a_circle_end() -> None:
    ana, ben, carl = together()
    word = give(ana, BEN)
    pass_round(ana, ben, carl)
    forge(ben, BEN, word.id, "a1")
    forge(ben, BEN, "a1", "a2")
    made = HandOver("a1", me(carl), "", BEN.id, 1, 1, "a2")
    decide(carl, lambda doc: put_handover(doc, made))
    forge(ben, CARL, "a2", "a3")
    assert drives(ana, ben, carl) in (ANA.id, CARL.id)


def test_of_two_devices_of_the_owner_taking_back_beats_giving_and_what_comes_after_beats_both() -> None:
    ana, ben, carl = together()
    phone = ANA.desk(ana.replica.thread, "phone")
    pass_round(ana, phone, ben, carl)
    give(ana, BEN)
    pass_round(ana, phone)
    give(ana, CARL, now_ms=50)
    give(phone, None, now_ms=2)
    assert drives(ana, phone, ben, carl) == ANA.id
    give(phone, BEN, now_ms=1)
    assert drives(ana, phone, ben, carl) == BEN.id


def test_what_has_not_the_form_is_passed_over_and_what_is_beyond_the_limit_too() -> None:
    ana, ben, carl = together()
    word = give(ana, BEN)
    pass_round(ana, ben, carl)

    def mess(doc: Doc) -> None:
        for name, values in {
            "/": {"id": "x", "at": 1, "key": 1, "to": "nobody"},
            "": {"id": "x", "at": 1, "key": 1},
            "/UP": {"id": "x", "at": 1, "key": 1},
            "/t": {"id": 7, "at": 1, "key": 1},
        }.items():
            root(doc, "control")[name] = pycrdt.Map(values)
        root(doc, "handovers")["h"] = pycrdt.Map({"target": "/", "to": 5, "at": 1, "key": 1, "under": word.id})
        root(doc, "typing")["me"] = "typing"

    decide(ben, mess)
    assert drives(ana, ben, carl) == BEN.id and Helm(carl.replica).targets() == [""]

    def flood(doc: Doc) -> None:
        for number in range(MAX_HANDOVERS + 50):
            put_handover(doc, HandOver(f"f{number}", me(ben), "", CARL.id, 1, 5 + number, f"no{number}"))

    decide(ben, flood)
    hand(ben, CARL)  # too many before it: it is not read, and so not believed
    assert drives(ana, ben, carl) == BEN.id
    spent = Helm(ben.replica).spent(me(ben))
    assert len(spent) == MAX_HANDOVERS
    decide(ben, lambda doc: forget_handovers(doc, spent))
    assert drives(ana, ben, carl) == CARL.id


def test_hand_overs_that_two_devices_lay_in_a_circle_end() -> None:
    ana, ben, carl = together()
    phone = BEN.desk(ana.replica.thread, "phone")
    word = give(ana, BEN)
    pass_round(ana, ben, phone, carl)
    forge(ben, BEN, word.id, "a1")
    forge(ben, BEN, "a1", "a2")
    forge(phone, BEN, "a2", "a1")
    assert drives(ana, ben, phone, carl) == ANA.id


@pytest.mark.parametrize(
    "values",
    [
        {"to": to_text(bytes(20))},
        {"to": to_text(bytes(40))},
        {"after": [f"n{number}" for number in range(MAX_AFTER + 1)]},
        {"after": "w1"},
        {"after": ["NO"]},
        {"restricted": -1},
        {"key": -1},
    ],
)
def test_a_word_of_the_owners_in_no_known_form_changes_nothing(values: dict[str, Any]) -> None:
    ana, ben, carl = together()
    phone = ANA.desk(ana.replica.thread, "phone")
    give(ana, BEN)
    pass_round(ana, phone, ben, carl)
    known = {"id": "x", "at": 2**40, "key": 2**40, **values}
    decide(phone, lambda doc: root(doc, "control").update({"/": pycrdt.Map(known)}))
    assert drives(ana, phone, ben, carl) == BEN.id


def test_who_may_type_is_said_by_yes_or_no_and_nothing_else() -> None:
    ana, ben, carl = together()
    values = {"id": "x", "at": 1, "key": 1, "allowed": 1}
    decide(ana, lambda doc: root(doc, "typing").update({to_text(BEN.id): pycrdt.Map(values)}))
    pass_round(ana, ben, carl)
    assert state(carl).typing == ()


def test_of_a_lane_so_many_words_are_read_and_no_more() -> None:
    ana, ben, carl = together()
    people = [hashlib.sha256(b"%d" % number).digest() for number in range(257)]

    def flood(doc: Doc) -> None:
        for number, person in enumerate(people):
            put_word(doc, Word(f"t{number}", me(ana), f"w{number}", 1, number))
            put_typing(doc, Typing(IdentityId(person), me(ana), True, f"y{number}", 1, number))

    decide(ana, flood)
    give(ana, BEN)
    let_type(ana, BEN)
    pass_round(ana, ben, carl)
    helm = Helm(carl.replica)
    assert helm.targets() == sorted(["", *(f"t{number}" for number in range(256))])
    assert helm.state().driver == ANA.id and helm.state().typing == ()


def test_nobody_removes_hand_overs_of_another_device() -> None:
    ana, ben, carl = together()
    give(ana, BEN)
    pass_round(ana, ben, carl)
    forge(ben, BEN, "nothing", "mine")
    forge(carl, BEN, "nothing", "his")
    pass_round(ana, ben, carl)
    assert Helm(ben.replica).spent(me(ben)) == ["mine"] and Helm(ben.replica).spent(me(carl)) == ["his"]


def test_what_is_refused_to_be_written_is_what_nobody_would_read() -> None:
    doc: Doc = pycrdt.Doc()
    with pytest.raises(ValueError, match="id"):
        put_word(doc, Word("", b"", "NO", 1, 1))
    with pytest.raises(ValueError, match="target"):
        put_word(doc, Word("a b", b"", "w", 1, 1))
    with pytest.raises(ValueError, match="number"):
        put_handover(doc, HandOver("h", b"", "", ANA.id, -1, 1))
    put_handover(doc, HandOver("h", b"", "", ANA.id, 1, 1))
    with pytest.raises(ValueError, match="new id"):
        put_handover(doc, HandOver("h", b"", "", ANA.id, 1, 1))


@pytest.mark.parametrize("seed", range(6))
def test_every_order_of_the_same_envelopes_has_one_and_the_same_driver(seed: int) -> None:
    """Three people and an owner's second device do and forge what they like, and hear of it when they do."""
    source = random.Random(seed)
    ana, ben, carl = together()
    phone = ANA.desk(ana.replica.thread, "phone")
    pass_round(ana, phone, ben, carl)
    desks = [ana, phone, ben, carl]
    for step in range(25):
        desk, whom = source.choice(desks), source.choice([ANA, BEN, CARL])
        match source.randrange(6):
            case 0 | 1 if desk in (ana, phone):
                give(desk, source.choice([whom, None]), now_ms=step)
            case 2 if desk in (ana, phone):
                let_type(desk, whom, source.random() < 0.4)
            case 3:
                hand(desk, whom)
            case 4:
                ids = [state(each).under for each in desks]
                forge(desk, whom, source.choice(ids), key=source.randrange(30))
            case 5 if desk in (ben, carl):
                ask(desk, step)
        if source.random() < 0.5:
            pass_round(*source.sample(desks, 2))
    pass_round(*desks)
    expected = state(ana)
    assert expected.driver in (ANA.id, BEN.id, CARL.id)
    for order in range(4):
        replica = settled(ana, shuffled(ana.frames, order))
        assert Helm(replica).state() == expected
    incremental = Helm(replica)
    assert not incremental.refresh(list(replica.lanes))
    assert to_text(incremental.state().driver) == to_text(expected.driver)


class Counted(dict[str, Any]):
    """What is shown of a lane; counts how often somebody goes through all of it."""

    def __init__(self, shown: dict[str, Any], walks: "itertools.count[int]") -> None:
        super().__init__(shown)
        self._walks = walks

    def values(self) -> Any:
        next(self._walks)
        return super().values()


def walked(helm: Helm) -> "itertools.count[int]":
    """Counts from now on the walks through hand-overs and requests."""
    walks = itertools.count()
    for lane in helm._lanes.values():
        lane.handovers.shown = Counted(lane.handovers.shown, walks)
    for requests in helm._requests.values():
        requests.shown = Counted(requests.shown, walks)
    return walks


def test_a_long_row_of_hand_overs_costs_no_look_at_all_of_them_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, _ = together()
    laptop, names = me(ben), [f"h{number}" for number in range(MAX_HANDOVERS)]

    def write(doc: Doc) -> None:  # Ben's to himself, each under the one before
        for number, (name, under) in enumerate(zip(names, ["", *names], strict=False)):
            put_handover(doc, HandOver(name, laptop, "t1", BEN.id, 1, number, under))

    decide(ben, write)
    pass_round(ana, ben)
    helm, limits = Helm(ana.replica), itertools.count()
    walks, restrictions = walked(helm), Helm.restrictions
    monkeypatch.setattr(Helm, "restrictions", lambda self, person: (next(limits), restrictions(self, person))[1])
    assert helm.state("t1", BEN.id).under == names[-1]
    assert next(walks) < 5 and next(limits) < 3


def test_what_is_said_of_one_target_is_not_looked_at_for_the_others() -> None:
    ana, ben, _ = together()
    laptop = me(ben)

    def write(doc: Doc) -> None:
        for number in range(MAX_HANDOVERS):
            put_handover(doc, HandOver(f"h{number}", laptop, f"t{number}", BEN.id, 1, number))

    decide(ben, write)
    ask(ben, 1, "t1")
    pass_round(ana, ben)
    helm = Helm(ana.replica)
    targets, walks = helm.targets(), walked(helm)
    for target in targets:
        helm.state(target, BEN.id)
    assert len(targets) == MAX_HANDOVERS + 1 and next(walks) < 10
