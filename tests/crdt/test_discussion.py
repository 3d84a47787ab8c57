"""Conversations about a thread among several people, and what those attempt who want the last word in them."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pycrdt
import pytest

from crdt import comment_edits, comments, discussion, errors
from crdt.anchors import Anchor
from crdt.comments import Comment, Mark, Reference, Request
from crdt.discussion import Changes, Discussion
from crdt.entries import root as root_of
from crdt.order import AHEAD_MS
from crdt.permissions import Lane, LaneKind, Role
from crdt.replica import Replica
from crdt.thread import Thread
from tests.crdt.people import Desk, Person
from tests.crdt.world import forged, gather, invite, pass_round, rebuilt, restrict, settled, shuffled

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")
CARL.add("phone")
FAR = 2**53 - 1
Doc = pycrdt.Doc[Any]


def together(role: Role = Role.COMMENTER) -> list[Desk]:
    """Ana's thread, with Ben and Carl in it."""
    return gather(ANA, BEN, CARL, role=role)


def lane(desk: Desk) -> Lane:
    assert desk.replica.author
    return Lane(LaneKind.COMMENTS, desk.replica.author.device.id)


def change(desk: Desk, edit: Callable[[Doc], None]) -> bytes:
    return desk.kept(desk.replica.commit(lane(desk), edit))


def say(desk: Desk, name: str, key: int = 1, to: Reference | None = None, **more: Any) -> Reference:
    """Comment with a text that is the id."""
    comment = Comment(name, lane(desk).owner, key, key, name, reply_to=to, **more)
    change(desk, lambda doc: comment_edits.put_comment(doc, comment))
    return comment.reference


def mark(desk: Desk, on: Reference, resolved: bool, name: str, now_ms: int = 1) -> Mark:
    """Mark as honest software does, after everything that is here."""
    made = Discussion(desk.replica).next_mark(on, resolved, lane(desk).owner, name, now_ms)
    change(desk, lambda doc: comment_edits.put_mark(doc, made))
    return made


def forge(desk: Desk, on: Reference, resolved: bool, name: str, key: int, *after: str) -> None:
    """Mark as one likes."""
    change(desk, lambda doc: comment_edits.put_mark(doc, Mark(on, lane(desk).owner, resolved, 0, key, name, after)))


def react(desk: Desk, on: Reference, sign: str, now_ms: int = 1) -> None:
    change(desk, lambda doc: comment_edits.react(doc, on, sign, now_ms))


def texts(replica: Replica) -> list[list[str]]:
    return [[each.text for each in (found.first, *found.replies)] for found in Discussion(replica).conversations()]


def shown(view: Discussion) -> Any:
    """Everything that a reader can see."""
    everything = view.comments()
    return (
        everything,
        view.conversations(),
        view.unresolved,
        [(view.mark(each.reference), view.reactions(each.reference)) for each in everything],
        view.next_key(1),
    )


# ---- what it is for


def test_people_comment_answer_and_settle() -> None:
    ana, ben, carl = together()
    ana.say("m")
    why = say(ben, "why", 10, anchor=Anchor("message", message="m", lines=(1, 1), quote="m"))
    pass_round(ana, ben, carl)
    because = say(ana, "because", 11, why)
    say(carl, "elsewhere", 5)
    pass_round(ana, ben, carl)
    say(carl, "indeed", 12, because)
    pass_round(ana, ben, carl)
    for desk in (ana, ben, carl):
        view = Discussion(desk.replica)
        assert texts(desk.replica) == [["elsewhere"], ["why", "because", "indeed"]]
        assert view.unresolved == 2 and [each.first.text for each in view.conversations("m")] == ["why"]
        found = view.conversation(because)
        assert found and found.first.reference == why
    mark(carl, why, True, "x1")
    pass_round(ana, ben, carl)
    assert [Discussion(desk.replica).unresolved for desk in (ana, ben, carl)] == [1, 1, 1]
    mark(ben, why, False, "x2")
    pass_round(ana, ben, carl)
    found = Discussion(ana.replica).conversation(why)
    assert found and not found.is_resolved and found.mark and found.mark.device == lane(ben).owner


def test_changes_are_told_once_and_nothing_else_is() -> None:
    ana, ben, _ = together()
    kept, edited, gone = say(ben, "kept", 1), say(ben, "edited", 2), say(ben, "gone", 3)
    pass_round(ana, ben)
    view = Discussion(ana.replica)
    change(ben, lambda doc: comment_edits.edit_text(doc, edited.id, "better", 9))
    change(ben, lambda doc: comment_edits.delete_comment(doc, gone.id, 9))
    say(ben, "first", 0)
    react(ben, kept, "+")
    mark(ben, kept, True, "x1")
    pass_round(ana, ben)
    changes = view.refresh([lane(ben), ben.timeline])
    assert [(each.before and each.before.text, each.entry.text) for each in changes.comments] == [
        (None, "first"),
        ("edited", "better"),
        ("gone", ""),
    ]
    assert [(each.entry.on, each.entry.sign) for each in changes.reactions] == [(kept, "+")]
    assert [(each.on, each.before, each.now and each.now.resolved) for each in changes.marks] == [(kept, None, True)]
    assert view.refresh(list(ana.replica.lanes)) == Changes([], [], []) and not view.refresh([])
    assert shown(view) == shown(Discussion(ana.replica))


def test_what_was_read_before_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, _ = together()
    for number in range(20):
        say(ben, f"c{number}")
    pass_round(ana, ben)
    view = Discussion(ana.replica)
    read: list[str] = []
    real = view._lanes[lane(ben)].comments._read
    monkeypatch.setattr(view._lanes[lane(ben)].comments, "_read", lambda name: (read.append(name), real(name))[1])
    say(ben, "onemore")
    pass_round(ana, ben)
    view.refresh([lane(ben)])
    assert set(read) == {"onemore"} and len(view.comments()) == 21


def test_a_person_reacts_once_on_however_many_devices() -> None:
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    phone = CARL.desk(ana.replica.thread, "phone")
    pass_round(ana, phone)
    for desk in (ben, carl, phone):
        react(desk, on, "👍")
    react(carl, on, "🎉")
    pass_round(ana, ben, carl, phone)
    view = Discussion(ben.replica)
    assert view.reactions(on) == {"👍": sorted([BEN.id, CARL.id]), "🎉": [CARL.id]}
    assert list(view.reactions(on)) == ["👍", "🎉"]
    change(carl, lambda doc: comment_edits.take_back_reaction(doc, on, "👍"))
    change(carl, lambda doc: comment_edits.take_back_reaction(doc, on, "🎉"))
    pass_round(ana, ben, carl, phone)
    view.refresh([lane(carl)])
    assert view.reactions(on) == {"👍": sorted([BEN.id, CARL.id])}


def test_a_comment_that_was_taken_back_stays_as_a_place_while_answers_stand() -> None:
    ana, ben, carl = together()
    asked, lonely = say(ben, "asked", 1), say(ben, "lonely", 2)
    pass_round(ana, ben, carl)
    say(carl, "answered", 3, asked)
    react(carl, asked, "+")
    for each in (asked, lonely):
        change(ben, lambda doc, name=each.id: comment_edits.delete_comment(doc, name, 9))
    pass_round(ana, ben, carl)
    view = Discussion(ana.replica)
    assert texts(ana.replica) == [["", "answered"]] and view.unresolved == 1
    assert view.reactions(asked) == {} and view.comment(lonely) is not None


def test_a_request_for_control_is_none_of_its_business() -> None:
    ana, ben, _ = together()
    view = Discussion(ana.replica)
    change(ben, lambda doc: comment_edits.put_request(doc, Request("q", lane(ben).owner, 1, 1)))
    pass_round(ana, ben)
    assert not view.refresh([lane(ben)]) and view.comments() == []


def test_an_answer_stands_below_what_it_answers_whatever_the_clocks_say() -> None:
    ana, ben, carl = together()
    early = say(carl, "early", 5)
    ahead = say(ben, "ahead", FAR, early)
    pass_round(ana, ben, carl)
    key = Discussion(ana.replica).next_key(100)
    assert key == 100
    say(ana, "answer", key, ahead)
    say(carl, "later", 200, early)
    pass_round(ana, ben, carl)
    assert texts(ana.replica) == [["early", "later", "ahead", "answer"]]


def test_a_thread_view_does_not_show_comments_as_messages() -> None:
    ana, ben, _ = together()
    say(ben, "c")
    pass_round(ana, ben)
    assert len(Thread(ana.replica)) == 0


def test_a_discussion_that_nobody_holds_any_more_is_freed() -> None:
    """The native library's observers are out of the collector's sight."""
    ana, *_ = together()
    on = say(ana, "c")
    view = Discussion(ana.replica)
    react(ana, on, "+")
    view.refresh([lane(ana)])
    replica = weakref.ref(ana.replica)
    del ana, view, _
    gc.collect()
    assert replica() is None


# ---- one outcome on all peers


def busy() -> tuple[Desk, Desk, Desk]:
    """Everything at once, some of it without knowing of the rest."""
    ana, ben, carl = together()
    first = say(ben, "first", 3)
    pass_round(ana, ben, carl)
    for number, desk in enumerate((ana, ben, carl)):
        answer = say(desk, f"answer{number}", 5 - number, first)
        say(desk, "same", number, answer)
        say(desk, "lost", number, Reference(answer.device, "nowhere"))
        react(desk, first, "+")
        mark(desk, first, number != 1, f"x{number}", 10 + number)
    change(ben, lambda doc: comment_edits.edit_text(doc, "first", "edited", 9))
    pass_round(ana, ben)
    mark(ana, first, False, "x4")
    change(ana, lambda doc: comment_edits.delete_comment(doc, "same", 9))
    pass_round(ana, ben, carl)
    return ana, ben, carl


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_envelopes_plays_no_part_nor_when_one_looks(seed: int) -> None:
    ana, *_ = busy()
    expected = shown(Discussion(rebuilt(ana.replica, ana.frames)))
    replica = Replica(ana.replica.thread, ana.replica.own_keys)
    view = Discussion(replica)
    for frame in shuffled(ana.frames, seed):
        receipt = replica.receive(frame)
        if seed % 2:
            view.refresh(receipt.lanes)
            assert shown(view) == shown(Discussion(replica))
    view.refresh(replica.lanes)
    assert shown(view) == expected and not replica.stale
    assert len(expected[0]) == 10


def test_the_changes_told_lead_from_one_view_to_the_next() -> None:
    ana, *_ = busy()
    replica = Replica(ana.replica.thread, ana.replica.own_keys)
    view, told = Discussion(replica), dict[Any, Any]()
    for frame in shuffled(ana.frames, 3):
        changes = view.refresh(replica.receive(frame).lanes)
        for each in changes.comments:
            assert told.get(each.entry.reference) == each.before
            told[each.entry.reference] = each.now
        for settled_now in changes.marks:
            assert told.get(("mark", settled_now.on)) == settled_now.before
            told["mark", settled_now.on] = settled_now.now
    assert {name: each for name, each in told.items() if isinstance(name, Reference)} == {
        each.reference: each for each in view.comments()
    }
    (first,) = [each for each in view.comments() if each.id == "first"]
    assert told["mark", first.reference] == view.mark(first.reference)


# ---- rights


def test_a_viewer_writes_no_comment() -> None:
    ana, ben, carl = together(Role.VIEWER)
    with pytest.raises(errors.OpenSeshError, match=r"takes the role commenter"):
        say(ben, "c")
    invite(ana, CARL, role=Role.COMMENTER)
    pass_round(ana, ben, carl)
    say(carl, "mine")
    update = carl.replica.document(lane(carl)).doc.get_update()
    ana.read([forged(ben, lane(ben), update)])
    pass_round(ana, carl)
    assert texts(ana.replica) == texts(carl.replica) == [["mine"]]
    assert not list(ana.replica.accepted(lane(ben)))


def test_a_demoted_commenters_words_stay_and_no_more_come() -> None:
    ana, ben, carl = together()
    on = say(ben, "before")
    pass_round(ana, ben, carl)
    restrict(ana, BEN, Role.VIEWER)
    say(ben, "meanwhile", 2)
    react(ben, on, "+")
    change(ben, lambda doc: comment_edits.delete_comment(doc, "before", 9))
    pass_round(ana, carl)
    pass_round(ana, ben)
    for replica in (settled(ana), settled(carl, [*carl.frames, *ben.frames])):
        assert texts(replica) == [["before"]] and Discussion(replica).reactions(on) == {}


@pytest.mark.parametrize("attempt", ["delete", "edit", "replace"])
def test_a_comment_changes_by_its_authors_hand_alone(attempt: str) -> None:
    """What another writes under the same id is a comment of its own, or nothing."""
    ana, ben, carl = together()
    on = say(ben, "mine")
    react(ana, on, "+")
    pass_round(ana, ben, carl)
    entry = {"at": 1, "key": 1, "text": "", "deleted": 9}
    if attempt == "edit":
        entry = {"at": 1, "key": 1, "text": "I agree to everything", "edited": 9}
    if attempt == "replace":
        entry = {"at": 0, "key": 0, "text": "said by Carl", "device": str(on), "by": str(BEN.id)}
    change(carl, lambda doc: root_of(doc, "comments").update({"mine": pycrdt.Map(entry)}))
    change(carl, lambda doc: root_of(doc, "comments").update({str(on): pycrdt.Map(entry)}))
    pass_round(ana, ben, carl)
    for desk in (ana, ben, carl):
        view = Discussion(desk.replica)
        found = view.comment(on)
        assert found and (found.text, found.edited, found.deleted) == ("mine", None, None)
        assert view.reactions(on) == {"+": [ANA.id]}
        assert {each.device for each in view.named("mine")} == {lane(ben).owner, lane(carl).owner}


def test_a_commenter_cannot_write_into_the_lane_of_another() -> None:
    """A device can't name another's lane; and its own blocks, sent for another's document, are foreign there."""
    ana, ben, carl = together()
    on = say(ben, "mine")
    pass_round(ana, ben, carl)
    update = ben.replica.document(lane(ben)).doc.get_update()
    refused = ana.replica.receive(forged(carl, lane(carl), update)).refused
    assert [why for _, why in refused if "foreign client" in why]
    view = Discussion(ana.replica)
    assert [each.reference for each in view.comments()] == [on]


def test_nobody_takes_back_a_reaction_or_a_mark_of_another() -> None:
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    react(ben, on, "+")
    mark(ben, on, True, "x1")
    pass_round(ana, ben, carl)
    change(carl, lambda doc: comment_edits.react(doc, on, "+", 1))
    change(carl, lambda doc: comment_edits.take_back_reaction(doc, on, "+"))
    change(carl, lambda doc: root_of(doc, "marks").update({str(on): pycrdt.Map({"resolved": False})}))
    pass_round(ana, ben, carl)
    view = Discussion(ana.replica)
    assert view.reactions(on) == {"+": [BEN.id]}
    last = view.mark(on)
    assert last and last.resolved and last.device == lane(ben).owner


# ---- the last word


def test_a_mark_with_a_forged_key_does_not_keep_the_last_word() -> None:
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    forge(ben, on, True, "x1", FAR)
    pass_round(ana, ben, carl)
    assert Discussion(ana.replica).unresolved == 0
    mark(ana, on, False, "x2")
    pass_round(ana, ben, carl)
    assert [Discussion(desk.replica).unresolved for desk in (ana, ben, carl)] == [1, 1, 1]


def test_a_forged_key_wins_against_what_it_is_concurrent_with_on_every_peer() -> None:
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    forge(ben, on, True, "x1", FAR)
    mark(carl, on, False, "x2", 100)
    pass_round(ana, ben, carl)
    assert [Discussion(desk.replica).unresolved for desk in (ana, ben, carl)] == [0, 0, 0]


def test_of_marks_at_once_with_one_key_all_peers_take_the_same() -> None:
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    forge(ben, on, True, "x1", 7)
    forge(carl, on, False, "x2", 7)
    pass_round(ana, ben, carl)
    last = {Discussion(desk.replica).mark(on) for desk in (ana, ben, carl)}
    assert {each and each.device for each in last} == {max(lane(ben).owner, lane(carl).owner)}


def test_marks_that_claim_to_come_after_each_other_leave_the_next_honest_one_the_last_word() -> None:
    """Ben writes his mark again after each of Ana's, under its old id, which hers names."""
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    forge(ben, on, True, "x1", FAR)
    pass_round(ana, ben, carl)
    for number in range(3):
        honest = mark(ana, on, False, f"y{number}")
        pass_round(ana, ben, carl)
        assert [Discussion(desk.replica).mark(on) for desk in (ana, ben, carl)] == [honest] * 3
        forge(ben, on, True, "x1", FAR, honest.id)
        pass_round(ana, ben, carl)
        circle = {Discussion(desk.replica).mark(on) for desk in (ana, ben, carl)}
        assert {each and each.id for each in circle} == {"x1"} and len(circle) == 1


def test_a_mark_that_names_itself_or_borrows_an_id_puts_down_nobodys_but_its_own() -> None:
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    honest = mark(carl, on, True, "x1")
    pass_round(ana, ben, carl)
    forge(ben, on, False, honest.id, 0, honest.id)
    pass_round(ana, ben, carl)
    assert Discussion(ana.replica).mark(on) == honest
    again = mark(carl, on, True, "x2")
    pass_round(ana, ben, carl)
    assert [Discussion(desk.replica).mark(on) for desk in (ana, ben, carl)] == [again] * 3


def test_who_takes_back_a_mark_takes_back_no_other_that_came_after_it() -> None:
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    forge(carl, on, False, "w1", FAR)
    pass_round(ana, ben, carl)
    forge(ben, on, False, "x1", FAR, "w1")
    pass_round(ana, ben, carl)
    honest = mark(ana, on, True, "y1")
    change(ben, lambda doc: root_of(doc, "marks").clear())
    pass_round(ana, ben, carl)
    assert [Discussion(desk.replica).mark(on) for desk in (ana, ben, carl)] == [honest] * 3


def test_a_key_far_ahead_is_not_followed_and_hides_no_nearer_one() -> None:
    ana, ben, carl = together()
    say(ben, "far", FAR)
    say(carl, "near", 1_000 + AHEAD_MS)
    pass_round(ana, ben, carl)
    view = Discussion(ana.replica)
    assert view.next_key(1_000) == 1_001 + AHEAD_MS
    assert view.next_key(5) == 5
    assert [each.text for each in view.comments()] == ["near", "far"]


# ---- answers without end


def test_answers_in_a_circle_are_one_conversation() -> None:
    ana, ben, carl = together()
    names = [Reference(lane(desk).owner, name) for desk, name in ((ben, "b"), (carl, "c"), (ana, "a"))]
    say(ben, "b", 1, names[1])
    say(carl, "c", 2, names[2])
    say(ana, "a", 3, names[0])
    say(ana, "hanging", 0, names[2])
    say(ana, "self", 4, Reference(lane(ana).owner, "self"))
    pass_round(ana, ben, carl)
    for desk in (ana, ben, carl):
        assert texts(desk.replica) == [["b", "a", "hanging", "c"], ["self"]]
    view = Discussion(ana.replica)
    assert view.unresolved == 2 and view.conversation(names[2])


def test_a_row_of_thousands_of_answers_is_shown() -> None:
    ana, ben, _ = together()
    count, device = 3_000, lane(ben).owner

    def put(doc: Doc, start: int) -> None:
        for number in range(start, start + 500):
            to = Reference(device, f"c{number - 1}") if number else None
            comment_edits.put_comment(doc, Comment(f"c{number}", device, 0, count - number, "x", reply_to=to))

    for start in range(0, count, 500):
        change(ben, lambda doc, start=start: put(doc, start))
    pass_round(ana, ben)
    (found,) = Discussion(ana.replica).conversations()
    assert [each.id for each in found.replies] == [f"c{number}" for number in range(1, count)]


def test_an_answer_whose_question_comes_later_finds_its_place_then() -> None:
    ana, ben, carl = together()
    asked = say(ben, "asked", 1)
    pass_round(ben, carl)
    say(carl, "answered", 2, asked)
    ana.read(carl.frames[-1:])
    view = Discussion(ana.replica)
    assert texts(ana.replica) == [["answered"]]
    pass_round(ana, ben)
    view.refresh([lane(ben)])
    assert [[each.first.text, *(reply.text for reply in each.replies)] for each in view.conversations()] == [
        ["asked", "answered"]
    ]


# ---- floods


def test_ten_thousand_reactions_of_one_person_are_few() -> None:
    ana, ben, carl = together()
    on = say(ana, "c")
    pass_round(ana, ben, carl)
    react(carl, on, "+")
    for start in range(0, 10_000, 500):
        names = [f"{on}/s{number}" for number in range(start, start + 500)]
        change(
            ben,
            lambda doc, names=names: root_of(doc, "reactions").update({n: pycrdt.Map({"at": 1}) for n in names}),
        )
    pass_round(ana, ben, carl)
    view = Discussion(ana.replica)
    found = view.reactions(on)
    assert sum(BEN.id in whose for whose in found.values()) == comments.MAX_SIGNS_EACH
    assert found["+"] == [CARL.id]
    assert len(view._reactions[on]) == comments.MAX_REACTIONS + 1


def test_who_comments_without_end_fills_their_own_room_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discussion, "MAX_COMMENTS", 5)
    ana, ben, carl = together()
    view = Discussion(ana.replica)
    for number in reversed(range(20)):
        say(ben, f"c{number:02}", number)
        pass_round(ana, ben)
        view.refresh([lane(ben)])
    say(carl, "heard", 99)
    pass_round(ana, carl)
    view.refresh([lane(carl)])
    assert [each.text for each in view.comments()] == ["c00", "c01", "c02", "c03", "c04", "heard"]
    assert shown(view) == shown(Discussion(ana.replica))


# ---- forms of which nobody has heard


def test_anchors_marks_and_reactions_to_nothing_are_harmless() -> None:
    ana, ben, carl = together()
    nothing = Reference(bytes(32), "nothing")
    say(ben, "c", anchor=Anchor("message", message="never written", lines=(1, 2**31 - 1)))
    react(ben, nothing, "+")
    mark(ben, nothing, True, "x1")
    pass_round(ana, ben, carl)
    view = Discussion(ana.replica)
    assert [each.first.text for each in view.conversations("never written")] == ["c"]
    assert view.unresolved == 1 and view.reactions(nothing) == {} and view.conversation(nothing) is None


STRANGE: list[Any] = [
    None,
    True,
    -1,
    1e300,
    "x" * 17_000,
    b"\xff" * 100,
    [[[[[]]]]],
    {"on": {"on": {}}},
    pycrdt.Map,
    pycrdt.Array,
    pycrdt.Text,
]


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_foreign_forms_in_every_field_of_every_entry_are_passed_over(number: int) -> None:
    ana, ben, carl = together()
    on = say(carl, "honest")
    fields = ("at", "key", "text", "anchor", "reply_to", "edited", "deleted", "resolved", "id", "after", "target")
    names = ("c1", str(on), f"{on}/+", "", "\x1b]0;", "/" * 1_000)

    def strange() -> Any:
        value = STRANGE[number]
        return value() if isinstance(value, type) else value

    good = {"at": 1, "key": 1, "text": "x", "resolved": True, "id": "x1"}
    for root in (*discussion.ROOTS, "messages", "more"):
        whole = {name: strange() for name in names}
        parts = {f"f{each.replace('_', '')}": pycrdt.Map({**good, each: strange()}) for each in fields}
        for entries in (whole, parts):
            change(ben, lambda doc, root=root, entries=entries: root_of(doc, root).update(entries))
    pass_round(ana, ben, carl)
    view = Discussion(ana.replica)
    assert view.comment(on) is not None
    assert shown(view) == shown(Discussion(carl.replica))
    assert view.mark(on) is None and view.reactions(on) == {}


def test_an_entry_with_fields_without_end_is_read_field_by_field() -> None:
    ana, ben, _ = together()
    on = say(ben, "c")
    for start in range(0, 20_000, 2_000):
        fields = {f"f{number}": 1 for number in range(start, start + 2_000)}
        change(ben, lambda doc, fields=fields: root_of(doc, "comments")["c"].update(fields))
    pass_round(ana, ben)
    found = Discussion(ana.replica).comment(on)
    assert found and found.text == "c"
