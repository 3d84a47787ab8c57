"""A budget that is used up: what is taken in all the same, what is let go of, and what makes all be read again."""

from typing import Any

import pytest

from crdt import budget
from crdt.permissions import LaneKind, Role
from crdt.records import Cut, Grant, Restrict
from crdt.replica import Replica
from tests.crdt.people import Desk, Person
from tests.crdt.test_budget import ANA, BEN, ROOM, aside, assert_all_orders_agree, settled_anyhow, together
from tests.crdt.world import SHARED, draft, envelope_of, forged, pass_round, rebuilt, restrict, type_text


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for few envelopes, so that everything happens early."""
    monkeypatch.setattr(budget, "MAX_IDLE", ROOM)


def strays(desk: Desk, **changes: Any) -> list[bytes]:
    """More openers of sessions, each another one, than there is room for, all with these changes."""
    lane, opener = desk.timeline, {"sequence": 0, "previous": b"", **changes}
    return [forged(desk, lane, b"\0\0", session=bytes([n]) * 16, **opener) for n in range(2 * ROOM)]


def fill(reader: Desk, ben: Desk) -> None:
    """Ben, who is out, fills the room there is for what counts for nothing."""
    reader.read(strays(ben))
    assert aside(reader.replica) == ROOM and not reader.replica.stale


def reader_of(desk: Desk, *without: bytes) -> Desk:
    """A new reader of what the desk has, but for some frames."""
    reader = Desk(Replica(desk.replica.thread, desk.replica.own_keys))
    reader.read([frame for frame in desk.frames if frame not in without])
    return reader


def test_what_somebody_waits_for_is_taken_in_at_once_though_there_is_no_room() -> None:
    ana, ben, carl = together()
    first = type_text(ben, lambda text: text.insert(0, "beer"))
    carl.read([first])
    second = type_text(carl, lambda text: text.insert(4, " and wine"))
    restrict(ana, BEN)
    fill(ana, ben)
    ana.read([second, first])
    assert draft(ana.replica) == "beer and wine", "and nothing had to be read again"
    assert_all_orders_agree(ana)


def test_what_a_cut_names_is_taken_in_at_once_though_there_is_no_room() -> None:
    ana, ben, _ = together()
    kept = ben.say("kept")
    pass_round(ana, ben)
    restrict(ana, BEN)
    reader, first = reader_of(ana, kept), envelope_of(ana, ana.frames[0])
    reader.read(strays(ben, heads=(first.id,), epoch=first.header.epoch))  # which nothing could make count
    assert aside(reader.replica) == ROOM
    reader.read([kept])
    assert not reader.replica.stale and reader.shown() == {"kept"}
    assert_all_orders_agree(reader)


def test_what_a_cut_leaves_is_read_again_when_what_it_names_has_no_right_itself() -> None:
    """The named one opens a session that rests on what was set aside, by heads from before Ben was introduced."""
    ana, ben, kept, named = named_without_a_right()
    reader = reader_of(ana)
    fill(reader, ben)
    reader.read([kept])
    assert aside(reader.replica) == ROOM + 1 and not reader.replica.stale
    reader.read([named])
    assert reader.shown() == {"kept"}
    assert_all_orders_agree(reader)


def test_what_was_set_aside_is_carried_by_who_waits_for_something_else_first() -> None:
    """Carl's work rests on two: one never comes, and his word for the other counts all the same."""
    ana, ben, carl = together()
    beer = type_text(ben, lambda text: text.insert(0, "beer"))
    restrict(ana, BEN)
    fill(ana, ben)
    ana.read([beer])
    assert aside(ana.replica) == ROOM + 1 and not ana.replica.stale
    ana.read([forged(carl, SHARED, b"\0\0", seen=(bytes(32), envelope_of(ana, beer).id))])
    assert draft(settled_anyhow(ana)) == "beer"
    assert ana.replica.stale, "so that it is shown"
    assert_all_orders_agree(ana)


def test_a_second_branch_without_a_right_is_seen_though_there_is_no_room() -> None:
    """It goes back to heads that its chain was beyond, so it counts for nothing; but it tells that its device lies."""
    ana, ben, _ = together()
    before = ben.replica.next_header(ben.timeline).heads
    ana.introduce(ANA)
    pass_round(ana, ben)
    common = envelope_of(ben, ben.say("common"))
    right = forged(ben, ben.timeline, b"\0\0", heads=before)
    ben.say("left")
    pass_round(ana, ben)
    first = envelope_of(ana, ana.frames[0])
    ana.read(strays(ben, heads=(first.id,), epoch=first.header.epoch))
    assert aside(ana.replica) == ROOM and ana.shown() == {"common", "left"}
    ana.read([right])
    assert ana.shown() == {"common"} and list(settled_anyhow(ana).accepted(ben.timeline)) == [common.id]
    assert_all_orders_agree(ana)


# ---- all read at once: what is beyond the room is let go of afterwards


def named_without_a_right() -> tuple[Desk, Desk, bytes, bytes]:
    """Ana's desk, Ben's, what Ben said, and what the cut of him names: it rests on that, and counts for nothing."""
    ana, ben, _ = together()
    kept, first = ben.say("kept"), envelope_of(ana, ana.frames[0])
    fresh = BEN.desk(ana.replica.thread, session=1)
    fresh.read(ben.frames)
    seen = (envelope_of(ben, kept).id,)
    named = forged(fresh, fresh.timeline, b"\0\0", heads=(first.id,), epoch=first.header.epoch, seen=seen)
    cut = Cut(LaneKind.TIMELINE, b"", BEN.devices["laptop"].id, (envelope_of(ben, named).id,))
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(BEN.id, int(Role.NONE), (cut,))]))
    return ana, ben, kept, named


def at_once(desk: Desk, *frames: bytes) -> Desk:
    """All the desk has, and these frames first, loaded as a node loads what it has stored."""
    everything = [*frames, *(each for each in desk.frames if each not in frames)]
    return Desk(rebuilt(desk.replica, everything), everything)


def test_what_was_let_go_of_is_read_again_when_what_the_cut_names_comes() -> None:
    ana, ben, kept, named = named_without_a_right()
    reader = at_once(ana, *strays(ben), kept)
    assert aside(reader.replica) == ROOM + 1
    reader.read([named])
    assert reader.replica.stale and reader.shown() == {"kept"}


def test_what_a_cut_names_is_not_let_go_of_though_it_counts_for_nothing() -> None:
    ana, ben, kept, named = named_without_a_right()
    first = envelope_of(ana, ana.frames[0])
    reader = at_once(ana, *strays(ben, heads=(first.id,), epoch=first.header.epoch), named, kept)
    assert aside(reader.replica) == ROOM
    dora = Grant(Person("Dora").id, int(Role.VIEWER), "Dora")
    reader.read([ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [dora]))])  # every cut is looked at anew
    assert not reader.replica.stale and reader.shown() == {"kept"}


def test_what_somebody_waits_for_is_not_let_go_of_so_that_reading_again_ends() -> None:
    """Carl knows that Ben is out, and names what he typed all the same: it counts for nothing, and is waited for."""
    ana, ben, carl = together()
    beer = type_text(ben, lambda text: text.insert(0, "beer"))
    restrict(ana, BEN)
    pass_round(ana, carl)
    naming = forged(carl, SHARED, b"\0\0", seen=(envelope_of(ben, beer).id,))
    reader = at_once(ana, *strays(ben), beer, naming)
    assert aside(reader.replica) == ROOM and draft(reader.replica) == ""


def test_a_second_branch_without_a_right_is_not_let_go_of() -> None:
    ana, ben, _ = together()
    before, first = ben.replica.next_header(ben.timeline).heads, envelope_of(ana, ana.frames[0])
    ana.introduce(ANA)
    pass_round(ana, ben)
    common = envelope_of(ben, ben.say("common"))
    right = forged(ben, ben.timeline, b"\0\0", heads=before)
    ben.say("left")
    reader = at_once(ben, *strays(ben, heads=(first.id,), epoch=first.header.epoch), right)
    assert aside(reader.replica) == ROOM
    assert list(reader.replica.accepted(ben.timeline)) == [common.id]
