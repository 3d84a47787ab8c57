"""Leases as a thread's readers count them: whoever writes one may mean no good, or may have left."""

import pycrdt

from crdt.content import leases
from crdt.thread import Thread
from tests.crdt.people import Desk, Person
from tests.crdt.test_revocation import end, owner_with
from tests.crdt.world import invite, pass_round, restrict

ANA, BEN, MALLORY = Person("Ana"), Person("Ben"), Person("Mallory")


def take(desk: Desk, *numbers: int) -> None:
    def change(doc: "pycrdt.Doc[object]") -> None:
        leases(doc).update({str(number): pycrdt.Map({"taken_from": "", "at": 0}) for number in numbers})

    desk.kept(desk.replica.commit(desk.timeline, change))


def counted(desk: Desk) -> dict[int, bytes]:
    assert not desk.replica.stale
    return dict(Thread(desk.replica).leases())


def of(desk: Desk) -> bytes:
    return desk.timeline.owner


def at_work() -> tuple[Desk, Desk, Desk]:
    ana = ANA.found()
    invite(ana, BEN, MALLORY)
    ben, mallory = BEN.desk(ana.replica.thread), MALLORY.desk(ana.replica.thread)
    pass_round(ana, ben, mallory)
    return ana, ben, mallory


def test_a_lease_that_somebody_forged_does_not_keep_everybody_else_from_the_next() -> None:
    ana, ben, mallory = at_work()
    take(ana, 1)
    pass_round(ana, ben, mallory)
    take(mallory, 10**15 - 1, 10**15 - 2, 2**53)
    pass_round(ana, ben, mallory)
    assert counted(ben) == {1: of(ana)}
    take(ben, 1 + max(counted(ben)))
    pass_round(ana, ben, mallory)
    assert counted(ana) == counted(mallory) == {1: of(ana), 2: of(ben)}


def test_the_lease_of_somebody_who_was_removed_holds_nothing() -> None:
    ana, ben, mallory = at_work()
    take(ana, 1)
    take(mallory, 2)
    pass_round(ana, ben, mallory)
    take(ben, 3)
    pass_round(ana, ben, mallory)
    assert counted(ana) == {1: of(ana), 2: of(mallory), 3: of(ben)}
    restrict(ana, MALLORY)
    pass_round(ana, ben)
    assert counted(ana) == counted(ben) == {1: of(ana), 3: of(ben)}


def test_what_was_taken_beyond_a_row_of_forged_numbers_still_holds_once_their_author_is_gone() -> None:
    ana, ben, mallory = at_work()
    take(mallory, *range(1000, 10_001, 1000))
    pass_round(ana, ben, mallory)
    take(ben, 1 + max(counted(ben)))
    pass_round(ana, ben, mallory)
    restrict(ana, MALLORY)
    pass_round(ana, ben)
    assert counted(ana) == {10_001: of(ben)}


def test_the_lease_of_a_device_that_was_ended_holds_nothing() -> None:
    owner, (laptop, phone) = owner_with("phone")
    take(phone, 1)
    pass_round(laptop, phone)
    end(laptop, owner, "phone")
    assert counted(laptop) == {}
