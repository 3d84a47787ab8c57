"""A device begins a session with every start: what an old backup, a removal and a return mean to the one it is in."""

import pytest

from crdt import edits, errors
from crdt.content import Message, Part, read_message
from crdt.permissions import Role
from crdt.stewardship import CONTENT
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    assert_order_plays_no_part,
    draft,
    envelope_of,
    gather,
    invite,
    pass_round,
    restrict,
    type_text,
)

ANA, BEN, MALLORY = Person("Ana"), Person("Ben"), Person("Mallory")


def together() -> list[Desk]:
    return gather(ANA, BEN)


def started(desk: Desk, session: int) -> Desk:
    """Ben's device after a start, with what the desk has."""
    fresh = BEN.desk(desk.replica.thread, session=session)
    with fresh.replica.loading():
        fresh.read(desk.frames)
    return fresh


def words(desk: Desk, identifier: str) -> str:
    message = read_message(desk.replica.document(desk.timeline).doc, b"", identifier)
    assert message is not None
    return message.text


def reword(desk: Desk, identifier: str, text: str) -> None:
    message = Message(identifier, b"", "user", 0, 0, "final", (Part("text", text),))
    desk.kept(desk.replica.commit(desk.timeline, lambda doc: edits.put_message(doc, message)))


def test_a_session_opened_from_an_old_backup_gives_way_to_one_that_knows_what_came_back() -> None:
    """What the device said before the loss comes back from others. Only a session that follows it can change it."""
    ana, ben = together()
    backup = list(ben.frames)
    ben.say("lost with the disk")
    pass_round(ana, ben)
    restored = BEN.desk(ana.replica.thread, session=1)
    restored.read(backup)
    restored.say("said before the rest came back")
    assert not restored.replica.stale
    pass_round(ana, restored)
    assert restored.replica.stale
    again = started(restored, 2)
    reword(again, "lost with the disk", "found")
    pass_round(ana, again)
    assert not again.replica.stale and ana.shown() == {"lost with the disk", "said before the rest came back"}
    assert words(again, "lost with the disk") == "found"
    assert_order_plays_no_part(ana)


def test_a_session_not_yet_begun_takes_in_what_comes_back_and_follows_it() -> None:
    ana, ben = together()
    backup = list(ben.frames)
    ben.say("lost with the disk")
    pass_round(ana, ben)
    restored = BEN.desk(ana.replica.thread, session=1)
    restored.read(backup)
    pass_round(ana, restored)
    assert not restored.replica.stale
    reword(restored, "lost with the disk", "found")
    assert words(restored, "lost with the disk") == "found"


def test_whoever_is_put_out_and_let_in_again_is_told_to_begin_a_session() -> None:
    """The cut ended the one they are in, although nothing they said fell by it: what follows would count nowhere."""
    ana, ben = together()
    ben.say("before")
    pass_round(ana, ben)
    restrict(ana, BEN)
    pass_round(ana, ben)
    assert not ben.replica.stale and ben.replica.role() is Role.NONE
    with pytest.raises(errors.OpenSeshError):
        ben.say("while out")
    invite(ana, BEN)
    pass_round(ana, ben)
    assert ben.replica.stale and ben.replica.role() is Role.EDITOR
    back = started(ben, 1)
    assert not back.replica.stale
    back.say("back")
    pass_round(ana, back)
    assert ana.shown() == {"before", "back"}


def test_whoever_is_demoted_goes_on_in_the_lanes_that_are_left_without_a_new_session() -> None:
    ana, ben = together()
    ben.say("before")
    pass_round(ana, ben)
    restrict(ana, BEN, Role.COMMENTER)
    pass_round(ana, ben)
    assert not ben.replica.stale


def test_many_restarts_leave_one_open_tip_and_headers_of_one_size() -> None:
    """What openers and cuts name is what is open, never all that has been."""
    ana, desk = together()
    sizes = set()
    for session in range(1, 80):
        desk = started(desk, session)
        sizes.add(len(desk.say(f"{session}")))
        assert len(envelope_of(desk, desk.frames[-1]).header.seen) == (session > 1)
    pass_round(ana, desk)
    (cut,) = ana.replica.cuts([BEN.devices["laptop"].id], CONTENT)
    assert len(cut.tips) == 1 and len(sizes) <= 2
    restrict(ana, BEN)
    assert len(ana.shown()) == 79
    assert_order_plays_no_part(ana, range(2))


def test_whoever_opens_many_sessions_in_the_draft_keeps_nobody_from_typing() -> None:
    """An envelope names 64 tips: others go before it that change nothing, and name the rest."""
    ana = ANA.found()
    invite(ana, BEN, MALLORY)
    ben = BEN.desk(ana.replica.thread)
    known = list(ana.frames)
    ben.read(known)
    for session in range(200):
        mallory = MALLORY.desk(ana.replica.thread, session=session)
        mallory.read(known)
        ana.read([type_text(mallory, lambda text: text.insert(0, "x"))])
    there = len(ana.frames)
    for place in range(0, 200, 50):
        type_text(ana, lambda text, place=place: text.insert(place, "Ana"))
    assert len(ana.frames) - there == 4 + 3, "only the first change needs others before it"
    pass_round(ana, ben)
    assert draft(ben.replica) == draft(ana.replica) and draft(ben.replica).count("Ana") == 4
    assert_order_plays_no_part(ana, range(3))


def test_a_change_that_changes_nothing_writes_nothing_however_much_there_is_to_name() -> None:
    ana = ANA.found()
    invite(ana, MALLORY)
    known = list(ana.frames)
    for session in range(70):
        mallory = MALLORY.desk(ana.replica.thread, session=session)
        mallory.read(known)
        ana.read([type_text(mallory, lambda text: text.insert(0, "x"))])
    assert ana.replica.commit(SHARED, lambda doc: None) is None
    assert not ana.replica.stale
