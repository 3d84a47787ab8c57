"""Pairing's meeting place: two seats, one use, bounded in number and time."""

import itertools

import pytest

from crdt import wire
from relay.grants import Refusal
from relay.limits import Limits
from relay.rendezvous import MAX_WAITING, Rendezvous


class Seat:
    def __init__(self) -> None:
        self.heard: list[wire.Told | wire.Parted] = []

    def answer(self, message: wire.Told | wire.Parted) -> None:
        self.heard.append(message)


def rendezvous(**limits: float) -> Rendezvous:
    numbers = itertools.count()
    return Rendezvous(Limits(**limits), lambda bound: next(numbers) % bound)  # type: ignore[arg-type]


def test_two_meet_under_a_number_and_hear_each_other() -> None:
    meeting, ana, ben = rendezvous(), Seat(), Seat()
    nameplate, peer = meeting.meet(ana, "", 0)
    assert nameplate.isdecimal() and not peer
    assert meeting.meet(ben, nameplate, 0) == (nameplate, True)
    meeting.tell(ana, b"hello")
    meeting.tell(ben, b"welcome")
    assert ben.heard == [wire.Told(b"hello")]
    assert ana.heard == [wire.Told(b"welcome")]


def test_what_was_said_before_the_other_came_is_kept_for_it_in_order() -> None:
    meeting, ana, ben = rendezvous(), Seat(), Seat()
    nameplate, _ = meeting.meet(ana, "", 0)
    meeting.deliver_waiting(ana)
    meeting.tell(ana, b"one")
    meeting.tell(ana, b"two")
    meeting.meet(ben, nameplate, 0)
    meeting.deliver_waiting(ben)
    assert ben.heard == [wire.Told(b"one"), wire.Told(b"two")]


def test_what_waits_for_the_other_is_bounded() -> None:
    meeting, ana = rendezvous(), Seat()
    meeting.meet(ana, "", 0)
    for _ in range(MAX_WAITING):
        meeting.tell(ana, b"x")
    with pytest.raises(Refusal, match="rate"):
        meeting.tell(ana, b"x")


def test_a_third_finds_both_seats_taken() -> None:
    meeting = rendezvous()
    nameplate, _ = meeting.meet(Seat(), "", 0)
    meeting.meet(Seat(), nameplate, 0)
    with pytest.raises(Refusal, match="busy"):
        meeting.meet(Seat(), nameplate, 0)


def test_a_number_nobody_waits_under_is_refused() -> None:
    with pytest.raises(Refusal, match="no-nameplate"):
        rendezvous().meet(Seat(), "77", 0)


def test_leaving_ends_the_nameplate_and_tells_the_other() -> None:
    meeting, ana, ben = rendezvous(), Seat(), Seat()
    nameplate, _ = meeting.meet(ana, "", 0)
    meeting.meet(ben, nameplate, 0)
    meeting.part(ben, "left")
    assert ana.heard == [wire.Parted("left")] and ben.heard == []
    with pytest.raises(Refusal, match="no-nameplate"):
        meeting.meet(ben, nameplate, 0)
    with pytest.raises(Refusal, match="no-nameplate"):
        meeting.tell(ana, b"still there?")


def test_a_rendezvous_ends_after_its_time() -> None:
    meeting, ana = rendezvous(rendezvous_s=600), Seat()
    meeting.meet(ana, "", 0)
    meeting.expire(599)
    assert meeting.seats(ana)
    meeting.expire(600)
    assert ana.heard == [wire.Parted("timed out")]
    assert not meeting.seats(ana) and len(meeting) == 0


def test_asking_again_gives_up_the_earlier_number() -> None:
    meeting, ana = rendezvous(), Seat()
    meeting.meet(ana, "", 0)
    meeting.meet(ana, "", 0)
    assert len(meeting) == 1


def test_the_number_of_rendezvous_is_bounded() -> None:
    meeting = rendezvous(rendezvous=30)
    nameplates = {meeting.meet(Seat(), "", 0)[0] for _ in range(30)}
    assert len(nameplates) == 30
    with pytest.raises(Refusal, match="busy"):
        meeting.meet(Seat(), "", 0)
