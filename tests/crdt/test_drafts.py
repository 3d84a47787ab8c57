"""What a cut leaves out is there for its author to read and to write once more; nobody else is shown any of it."""

import dataclasses

import pycrdt
import pytest

from crdt import comment_edits, edits
from crdt.comments import Comment
from crdt.content import Message, Part
from crdt.drafts import Draft, drafts
from crdt.ids import SessionId
from crdt.left_out import Reason
from crdt.permissions import Lane, LaneKind, Role
from crdt.replica import Replica
from crdt.thread import set_shared
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    draft,
    envelope_of,
    gather,
    invite,
    pass_round,
    rebuilt,
    restrict,
    settle,
    state,
    type_text,
)

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")


def together() -> list[Desk]:
    desks = gather(ANA, BEN, CARL)
    type_text(desks[0], lambda text: text.insert(0, "plan:"))
    pass_round(*desks)
    return desks


def fresh(desk: Desk) -> Replica:
    """What the desk's device makes of its frames when it starts anew."""
    assert desk.replica.author
    author = dataclasses.replace(desk.replica.author, session=SessionId(b"a later session."))
    again = Replica(desk.replica.thread, desk.replica.own_keys, author)
    with again.loading():
        for frame in desk.frames:
            again.receive(frame)
    return again


def told(desk: Desk) -> list[tuple[str, str, str]]:
    return [(each.form, each.name, each.text) for each in drafts(fresh(desk))]


def test_nothing_is_left_out_of_what_counts() -> None:
    ana, ben, _ = together()
    ben.say("one")
    pass_round(ana, ben)
    assert told(ben) == told(ana) == []


def test_messages_beyond_the_cut_are_their_authors_drafts() -> None:
    ana, ben, _ = together()
    ben.say("kept")
    pass_round(ana, ben)
    restrict(ana, BEN)
    ben.say("b, offline")
    ben.say("a, offline too")
    pass_round(ana, ben)
    assert told(ben) == [("message", "a, offline too", "a, offline too"), ("message", "b, offline", "b, offline")]
    assert told(ana) == []
    found = drafts(fresh(ben))
    assert {each.reason for each in found} == {Reason.CUT}
    assert all(isinstance(each.content, Message) for each in found)


def test_anybody_may_be_asked_about() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    ben.say("lost")
    pass_round(ana, ben)
    reader = rebuilt(ana.replica, ana.frames)
    assert [each.text for each in drafts(reader, [BEN.devices["laptop"].id])] == ["lost"]
    assert drafts(reader) == []


def test_what_was_added_to_a_message_that_counts_is_a_draft_of_all_of_it() -> None:
    ana, ben, _ = together()
    ben.say("begun")
    pass_round(ana, ben)
    restrict(ana, BEN)
    ben.kept(ben.replica.commit(ben.timeline, lambda doc: edits.append_text(doc, "begun", "text", " and ended")))
    pass_round(ana, ben)
    assert told(ben) == [("message", "begun", "begun and ended")]
    assert ana.shown() == {"begun"}


def test_a_cut_off_session_on_top_of_another_is_told_as_well() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    ben.say("first session")
    second = BEN.desk(ana.replica.thread, session=1)
    second.read(ben.frames)
    second.say("second session")
    pass_round(ana, second)
    assert {text for _, _, text in told(second)} == {"first session", "second session"}


def test_comments_of_somebody_whose_right_to_comment_is_withdrawn_are_drafts() -> None:
    ana, ben, _ = together()
    lane = Lane(LaneKind.COMMENTS, BEN.devices["laptop"].id)
    restrict(ana, BEN, Role.VIEWER)
    comment = Comment("c1", lane.owner, 5, 5, "I disagree")
    ben.kept(ben.replica.commit(lane, lambda doc: comment_edits.put_comment(doc, comment)))
    pass_round(ana, ben)
    (found,) = drafts(fresh(ben))
    assert (found.form, found.text, found.content) == ("comment", "I disagree", comment)


def test_of_the_shared_text_only_the_authors_own_words_are_told() -> None:
    ana, ben, carl = together()
    restrict(ana, BEN)
    type_text(carl, lambda text: text.insert(0, "Carl's, "))
    ben.read(carl.frames[-1:])
    type_text(ben, lambda text: text.insert(len(str(text)), " löst 😀"))
    type_text(ben, lambda text: text.insert(0, "first "))
    type_text(ben, lambda text: text.insert(6, "and "))
    ben.kept(ben.replica.commit(SHARED, lambda doc: set_shared(doc, "meta", {"title": "Ben's title"})))
    pass_round(ana, ben, carl)
    assert told(ben) == [("text", "draft", "first and \n löst 😀"), ("value", "meta/title", "Ben's title")]
    assert draft(fresh(ana)) == "Carl's, plan:"


def test_words_deleted_again_by_their_author_are_not_told() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    type_text(ben, lambda text: text.insert(0, "one two "))

    def cut(text: pycrdt.Text) -> None:
        del text[0:4]

    type_text(ben, cut)
    pass_round(ana, ben)
    assert told(ben) == [("text", "draft", "two ")]


def test_what_is_carried_along_is_no_draft_and_becomes_one_when_the_settlement_leaves_it_out() -> None:
    """Carl built on it without knowing: while that is open his words stand, and then they are his draft."""
    ana, ben, carl = together()
    type_text(ben, lambda text: text.insert(5, " beer"))
    pass_round(ben, carl)
    type_text(carl, lambda text: text.insert(10, " and wine"))
    restrict(ana, BEN)
    carl.read(ana.frames[-1:])
    assert told(carl) == []
    carl.read([settle(ana)])
    (found,) = drafts(fresh(carl))
    assert (found.text, found.reason) == (" and wine", Reason.BUILT)
    assert [each.text for each in drafts(fresh(carl), [BEN.devices["laptop"].id])] == [" beer"]


def test_what_waits_for_something_missing_is_no_draft_yet() -> None:
    ana, ben, _ = together()
    record = invite(ana, Person("Dora"))
    ben.read([record])
    lost, later = ben.say("lost on the way"), ben.say("later")
    for missing in ([record], [lost]):
        reader = BEN.desk(ana.replica.thread, session=1).replica
        for frame in ben.frames:
            if frame not in missing:
                reader.receive(frame)
        assert not drafts(reader)
    assert later in ben.frames


def test_patched_software_without_a_right_has_drafts_too_and_the_thread_stays_as_it_is() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    ben.say("lost")
    type_text(ben, lambda text: text.insert(0, "lost "))
    pass_round(ana, ben)
    replica = fresh(ben)
    before = state(replica)
    assert drafts(replica) == drafts(replica) != []
    assert state(replica) == before
    for link in map(replica.chains.get, replica.left_out()):
        assert link is not None and link.update is not None


def test_a_stale_replica_is_not_asked() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    ben.say("lost")
    pass_round(ana, ben)
    assert ben.replica.stale
    with pytest.raises(RuntimeError, match="stale"):
        drafts(ben.replica)


def test_written_once_more_after_coming_back_it_is_said_under_the_new_session() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    ben.say("lost")
    invite(ana, BEN)
    pass_round(ana, ben)
    back = BEN.desk(ana.replica.thread, session=1)
    with back.replica.loading():
        back.read(ben.frames)
    (lost,) = drafts(back.replica)
    again = Message("again", back.timeline.owner, "user", 0, 0, "final", (Part("text", lost.text),))
    sent = back.kept(back.replica.commit(back.timeline, lambda doc: edits.put_message(doc, again)))
    pass_round(ana, back)
    assert ana.shown() == {"again"} and envelope_of(ana, sent).header.sequence == 0
    assert [each.text for each in drafts(back.replica)] == ["lost"]
    assert isinstance(lost, Draft)


def test_what_was_said_on_the_branch_that_is_not_kept_is_left_out_for_that_reason() -> None:
    ana, ben, _ = together()
    ana.say("Ana opens")
    ben.say("common")
    other = BEN.desk(ana.replica.thread)
    other.read(ben.frames)
    ben.say("left")
    pass_round(ana, ben)
    ana.say("Ana's answer")
    right = envelope_of(other, other.say("right")).id
    pass_round(ana, other)
    assert rebuilt(ana.replica, ana.frames).left_out() == {right: Reason.FORKED}


def test_of_values_only_the_authors_own_are_told() -> None:
    ana, ben, carl = together()

    def value(desk: Desk, name: str, text: str) -> None:
        desk.kept(desk.replica.commit(SHARED, lambda doc: set_shared(doc, "meta", {name: text})))

    value(ben, "title", "Ben's")
    pass_round(ben, carl)
    value(carl, "colour", "Carl's")
    carl.read([restrict(ana, BEN)])
    carl.read([settle(ana)])
    found = drafts(fresh(carl))
    assert [(each.form, each.name, each.text) for each in found] == [("value", "meta/colour", "Carl's")]
