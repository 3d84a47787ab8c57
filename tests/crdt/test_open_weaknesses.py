"""What a review has found and nothing mends yet: each of these is how it should be, and is not.

A test that passes here by a change elsewhere fails, so that it is moved to where it belongs: see
docs/security-review.md.
"""

from collections.abc import Sequence

import msgspec
import pytest

from crdt.replica import Status
from tests.crdt.people import Desk, Person
from tests.crdt.steps import function_calls
from tests.crdt.world import draft, envelope_of, frame_of, invite, pass_round, settled, type_text

ANA, BEN, CARL, MALLORY = Person("Ana"), Person("Ben"), Person("Carl"), Person("Mallory")


@pytest.mark.xfail(strict=True, reason="S-11: of two versions in the draft one goes, with all that was built on it")
def test_a_forked_session_in_the_draft_takes_nothing_from_those_who_built_on_either_branch() -> None:
    ana = ANA.found()
    invite(ana, BEN, MALLORY)
    ben, left, right = (person.desk(ana.replica.thread) for person in (BEN, MALLORY, MALLORY))
    pass_round(ana, ben, left, right)
    type_text(left, lambda text: text.insert(0, "left "))
    type_text(right, lambda text: text.insert(0, "right "))
    pass_round(ana, left)
    pass_round(ben, right)
    type_text(ana, lambda text: text.insert(5, "Ana"))
    type_text(ben, lambda text: text.insert(6, "Ben"))
    pass_round(ana, ben)
    assert "Ana" in draft(settled(ana)) and "Ben" in draft(settled(ana))


@pytest.mark.xfail(strict=True, reason="S-12: a branch is weighed anew with every witness")
def test_witnesses_of_many_branches_cost_no_look_at_all_of_them_for_each() -> None:
    mallory = Person("Mallory with a phone")
    mallory.add("phone")

    def calls(branches: int) -> int:
        ana = ANA.found()
        invite(ana, mallory)
        laptop, phone = mallory.desk(ana.replica.thread), mallory.desk(ana.replica.thread, "phone")
        pass_round(ana, laptop, phone)
        header = laptop.replica.next_header(laptop.timeline)
        versions = [frame_of(laptop, header, b"\0\0") for _ in range(branches)]
        header = phone.replica.next_header(phone.timeline)
        witnesses = [frame_of(phone, header, b"\0\0")]
        for version in versions:
            before, seen = envelope_of(phone, witnesses[-1]), (envelope_of(laptop, version).id,)
            header = msgspec.structs.replace(header, sequence=before.header.sequence + 1, previous=before.id, seen=seen)
            witnesses.append(frame_of(phone, header, b"\0\0"))
        for frame in versions:
            ana.replica.receive(frame)
        return function_calls(lambda: received(ana, witnesses))

    calls(2)
    assert calls(40) < 3 * calls(20)


def received(desk: Desk, frames: Sequence[bytes]) -> None:
    for frame in frames:
        assert desk.replica.receive(frame).status is Status.NEW
