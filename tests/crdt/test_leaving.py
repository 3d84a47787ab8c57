"""Who leaves, or ends a device of their own, says what is kept of it; and takes nothing from those who built on it."""

from crdt import stewardship
from crdt.permissions import LaneKind
from crdt.records import Restrict, RevokeDevice
from tests.crdt.people import Desk, Person
from tests.crdt.world import assert_order_plays_no_part, draft, invite, pass_round, restrict, settled, type_text

ANA, MALLORY = Person("Ana"), Person("Mallory")


def typed_together(mallory: Person, device: str = "laptop") -> tuple[Desk, Desk]:
    """Ana has typed behind what Mallory typed, has seen no harm in it, and put Mallory out, keeping all that stands."""
    ana = ANA.found()
    invite(ana, mallory)
    typing = mallory.desk(ana.replica.thread, device)
    pass_round(ana, typing)
    type_text(typing, lambda text: text.insert(0, "Mallory "))
    pass_round(ana, typing)
    type_text(ana, lambda text: text.insert(8, "and Ana"))
    restrict(ana, mallory)
    pass_round(ana, typing)
    return ana, typing


def test_whoever_leaves_takes_nothing_from_those_who_built_on_their_work() -> None:
    ana, mallory = typed_together(MALLORY)
    mallory.kept(mallory.replica.commit_record(LaneKind.IDENTITY, [Restrict(MALLORY.id, 0, ())]))
    pass_round(ana, mallory)
    assert draft(settled(ana)) == "Mallory and Ana"
    assert_order_plays_no_part(ana)


def test_whoever_ends_their_own_device_takes_nothing_from_those_who_built_on_its_work() -> None:
    mallory = Person("Mallory with a phone")
    phone = mallory.add("phone")
    ana, typing = typed_together(mallory, "phone")
    laptop = mallory.desk(ana.replica.thread)
    laptop.read(ana.frames)
    mallory.revoke("phone")
    ended = [*stewardship.introduction(mallory.entries), RevokeDevice(phone.id, ())]
    laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, ended))
    pass_round(ana, laptop, typing)
    assert draft(settled(ana)) == "Mallory and Ana"
    assert_order_plays_no_part(ana)
