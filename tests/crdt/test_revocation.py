"""One device of somebody's ends: what it still says, what it can still open, and how the others go on."""

import pytest

from crdt import keys, stewardship
from crdt.identity import ADD, KEY, REVOKE, consent_bytes
from crdt.ids import DeviceId
from crdt.lane import client_id
from crdt.permissions import LaneKind, Role
from crdt.records import Grant, RevokeDevice
from crdt.replica import Status
from tests.crdt.fuzz_updates import TYPE, block, update
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    assert_order_plays_no_part,
    draft,
    envelope_of,
    forged,
    invite,
    pass_round,
    rebuilt,
    restrict,
    type_text,
)

ANA, BEN = Person("Ana"), Person("Ben")


def owner_with(*devices: str) -> tuple[Person, list[Desk]]:
    """An owner on several devices, the laptop first, and Ben as an editor."""
    owner = Person("Owner")
    for device in devices:
        owner.add(device)
    laptop = owner.found()
    invite(laptop, BEN)
    desks = [laptop, *(owner.desk(laptop.replica.thread, device) for device in devices)]
    pass_round(*desks)
    return owner, desks


def end(desk: Desk, owner: Person, device: str, by: str = "laptop") -> bytes:
    """Revoke a device in the log and end it in the thread, with a fresh content key."""
    replica = desk.replica
    assert replica.author
    owner.revoke(device, by)
    actions = stewardship.revocation(replica, DeviceId(owner.devices[device].id), owner.entries)
    readers = stewardship.readers(replica.membership)
    return desk.kept(stewardship.rotate(replica, replica.author, readers, actions))


def test_what_a_stolen_device_says_with_old_heads_after_weeks_offline_counts_nowhere() -> None:
    owner, (laptop, phone, tablet) = owner_with("phone", "tablet")
    phone.say("before")
    pass_round(laptop, phone, tablet)
    end(laptop, owner, "phone")
    phone.say("by the thief")
    type_text(phone, lambda text: text.insert(0, "by the thief"))
    fresh_session = owner.desk(laptop.replica.thread, "phone", 9)
    fresh_session.read(phone.frames[:-2])
    fresh_session.say("by the thief, in another session")
    phone.kept(phone.replica.commit_record(LaneKind.CONTROL, [Grant(Person("Thief").id, Role.EDITOR, "Thief")]))
    pass_round(laptop, phone, tablet, fresh_session)
    assert laptop.shown() == tablet.shown() == {"before"}
    assert Person("Thief").id not in laptop.replica.membership.members()
    assert_order_plays_no_part(laptop)


def test_the_siblings_of_a_revoked_device_go_on_without_a_new_session() -> None:
    owner, (laptop, phone, tablet) = owner_with("phone", "tablet")
    tablet.say("by the tablet")
    pass_round(laptop, phone, tablet)
    end(laptop, owner, "phone")
    pass_round(laptop, tablet)
    assert not tablet.replica.stale and not laptop.replica.stale
    tablet.say("and on")
    laptop.say("and the laptop")
    pass_round(laptop, tablet)
    assert tablet.shown() == {"by the tablet", "and on", "and the laptop"}


def test_nobody_writes_with_a_key_the_revoked_device_had() -> None:
    owner, (laptop, phone) = owner_with("phone")
    had = {epoch.id for epoch in phone.replica.keyring}
    owner.revoke("phone")
    actions = stewardship.revocation(laptop.replica, DeviceId(owner.devices["phone"].id), owner.entries)
    laptop.kept(laptop.replica.commit_record(LaneKind.CONTROL, actions))
    assert {epoch.id for epoch in laptop.replica.membership.epochs} == had
    assert not list(laptop.replica.membership.writing_epochs())


def test_the_revoked_device_opens_nothing_that_is_written_from_then_on() -> None:
    """The content key is wrapped to a new identity key, whose private half it was never told."""
    owner, (laptop, phone, tablet) = owner_with("phone", "tablet")
    fresh = keys.AgreementKey.from_secret(b"the next generation of this key.")
    owner.revoke("phone")
    owner.log(KEY, owner.devices["laptop"].signing, agreement=fresh.public, generation=2)
    for desk in (laptop, tablet):
        desk.replica.own_keys.append(fresh)
    assert laptop.replica.author
    actions = stewardship.revocation(laptop.replica, DeviceId(owner.devices["phone"].id), owner.entries)
    recipients = [fresh.public, BEN.identity_key.public]
    laptop.kept(stewardship.rotate(laptop.replica, laptop.replica.author, recipients, actions))
    secret = laptop.say("secret")
    pass_round(laptop, phone, tablet)
    assert phone.replica.receive(secret).status is Status.UNOPENED and phone.shown() == set()
    assert tablet.shown() == {"secret"}
    invite(laptop, Person("Carl"))  # what follows is wrapped to the new identity key by itself
    assert laptop.replica.membership.logs[owner.id].identity_key == (2, fresh.public)
    later = laptop.say("later")
    pass_round(laptop, phone, tablet)
    assert phone.replica.receive(later).status is Status.UNOPENED and tablet.shown() == {"secret", "later"}


def test_the_revoked_device_is_told_and_may_write_nothing_any_more() -> None:
    owner, (laptop, phone) = owner_with("phone")
    end(laptop, owner, "phone")
    pass_round(laptop, phone)
    assert phone.replica.role() is Role.NONE and laptop.replica.role() is Role.OWNER
    assert not phone.replica.stale  # nothing of it fell, and no new session would help


@pytest.mark.parametrize("first", ["laptop", "phone"])
def test_of_two_owner_devices_that_end_each_other_the_senior_stays(first: str) -> None:
    owner, (laptop, phone) = owner_with("phone")
    known = list(owner.entries)
    end(laptop, owner, "phone")
    by_laptop = owner.entries
    owner.entries = known
    end(phone, owner, "laptop", by="phone")
    owner.entries = by_laptop
    order = [laptop, phone] if first == "laptop" else [phone, laptop]
    pass_round(*order)
    laptop.say("still here")
    for desk in (laptop, phone):
        membership = desk.replica.membership
        assert membership.is_revoked(DeviceId(owner.devices["phone"].id))
        assert not membership.is_revoked(DeviceId(owner.devices["laptop"].id))
    assert "still here" in laptop.shown()
    assert_order_plays_no_part(laptop)


def test_a_junior_thief_ends_no_senior_device() -> None:
    owner, (laptop, phone) = owner_with("phone")
    end(phone, owner, "laptop", by="phone")
    pass_round(laptop, phone)
    laptop.say("still here")
    assert not laptop.replica.stale and "still here" in laptop.shown()
    assert not laptop.replica.membership.limits


def test_a_senior_thief_falls_to_the_words() -> None:
    owner, (laptop, phone) = owner_with("phone")
    laptop.say("kept")
    pass_round(laptop, phone)
    owner.log(REVOKE, owner.root.signing, owner.devices["laptop"].id)
    thief = DeviceId(owner.devices["laptop"].id)
    actions = stewardship.revocation(phone.replica, thief, owner.entries)
    assert phone.replica.author
    readers = stewardship.readers(phone.replica.membership)
    phone.kept(stewardship.rotate(phone.replica, phone.replica.author, readers, actions))
    laptop.say("by the thief")
    accomplice = Person("Accomplice")
    laptop.kept(laptop.replica.commit_record(LaneKind.CONTROL, [Grant(accomplice.id, Role.EDITOR, "a friend")]))
    restrict(laptop, BEN)
    pass_round(laptop, phone)
    membership = rebuilt(phone.replica, phone.frames).membership
    assert membership.is_revoked(thief)
    assert membership.members() == {owner.id: Role.OWNER, BEN.id: Role.EDITOR}
    assert phone.shown() == {"kept"}
    assert_order_plays_no_part(phone)


def test_a_member_ends_an_own_device_without_being_the_owner() -> None:
    ben = Person("Two devices")
    ben.add("phone")
    ana = ANA.found()
    invite(ana, ben)
    laptop, phone = ben.desk(ana.replica.thread), ben.desk(ana.replica.thread, "phone")
    pass_round(ana, laptop, phone)
    phone.say("before")
    pass_round(ana, laptop, phone)
    ben.revoke("phone")
    actions = stewardship.revocation(laptop.replica, DeviceId(ben.devices["phone"].id), ben.entries)
    laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, actions))
    phone.say("by the thief")
    pass_round(ana, laptop, phone)
    assert ana.shown() == {"before"} and ana.replica.role() is Role.OWNER
    assert_order_plays_no_part(ana)


def test_a_key_that_a_thief_handed_out_is_not_written_with_after_the_revocation() -> None:
    """Made before the end came, deeper than the owner's: it would be the one in force."""
    owner, (laptop, phone) = owner_with("phone")
    before = {epoch.id for epoch in phone.replica.keyring}
    for _ in range(3):
        assert phone.replica.author
        phone.kept(stewardship.rotate(phone.replica, phone.replica.author, [owner.identity_key.public]))
    thieves = {epoch.id for epoch in phone.replica.keyring} - before
    end(laptop, owner, "phone")
    pass_round(laptop, phone)
    assert len(thieves) == 3
    assert laptop.replica.writing_epoch().id not in thieves | before
    assert_order_plays_no_part(laptop)


def test_a_revoked_device_does_not_come_back_when_its_person_gets_a_role_again() -> None:
    """A new session that knows everything: what lifts a removal lifts no revocation."""
    ben = Person("Two devices")
    ben.add("phone")
    ana = ANA.found()
    invite(ana, ben)
    laptop, phone = ben.desk(ana.replica.thread), ben.desk(ana.replica.thread, "phone")
    pass_round(ana, laptop, phone)
    ben.revoke("phone")
    actions = stewardship.revocation(laptop.replica, DeviceId(ben.devices["phone"].id), ben.entries)
    laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, actions))
    pass_round(ana, laptop)
    restrict(ana, ben)
    invite(ana, ben)
    pass_round(ana, laptop, phone)
    assert ana.replica.membership.role(ben.id) is Role.EDITOR
    client = client_id(ana.replica.thread, phone.timeline, phone.timeline.owner, phone.replica.author.session)
    body = update([(client, 0, [block(TYPE, b"\1", root="messages", key="by the thief")])])
    thiefs = forged(phone, phone.timeline, body)
    assert envelope_of(phone, thiefs).header.heads == tuple(node.id for node in ana.replica.graph.tips())
    ana.read([thiefs])
    assert not list(ana.replica.accepted(phone.timeline)) and ana.shown() == set()
    assert_order_plays_no_part(ana)


def bens_phone_ended() -> tuple[Desk, Desk, Person]:
    """Ben, with Mallory in Ana's thread, has ended his phone and keeps what it said."""
    ben_, mallory_ = Person("Ben with a phone"), Person("Mallory")
    phone_ = ben_.add("phone")
    ana = ANA.found()
    invite(ana, ben_, mallory_)
    laptop, phone = ben_.desk(ana.replica.thread), ben_.desk(ana.replica.thread, "phone")
    mallory = mallory_.desk(ana.replica.thread)
    pass_round(ana, laptop, phone, mallory)
    phone.say("by the phone")
    pass_round(ana, laptop, phone, mallory)
    ended = stewardship.revocation(laptop.replica, phone_.id, [ben_.revoke("phone")])
    laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, ended))
    pass_round(ana, laptop, mallory)
    assert ana.shown() == {"by the phone"}
    return ana, mallory, ben_


def test_nobody_but_its_person_and_the_owner_says_what_stays_of_an_ended_device() -> None:
    ana, mallory, ben = bens_phone_ended()
    nothing = RevokeDevice(ben.devices["phone"].id, ())
    mallory.kept(mallory.replica.commit_record(LaneKind.IDENTITY, [nothing]))
    pass_round(ana, mallory)
    assert ana.shown() == {"by the phone"}
    assert_order_plays_no_part(ana)


def test_who_ends_a_device_again_and_again_silences_nobody() -> None:
    """Each time would call for a fresh key of the owner's, and until then nobody could write."""
    ana, mallory, ben = bens_phone_ended()
    replica = ana.replica
    assert replica.author and not any(replica.membership.writing_epochs())
    ana.kept(stewardship.rotate(replica, replica.author, stewardship.readers(replica.membership)))
    laptop = ben.desk(replica.thread, session=3)
    laptop.read(ana.frames)
    again = RevokeDevice(ben.devices["phone"].id, replica.cuts([ben.devices["phone"].id], LaneKind))
    laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, [again]))
    pass_round(ana, laptop, mallory)
    assert any(ana.replica.membership.writing_epochs())
    mallory.say("and on")


def test_who_enters_a_members_device_in_their_own_log_takes_nothing_of_the_member_along_when_put_out() -> None:
    """Mallory has had Ben's laptop for an hour: it has signed that it is Mallory's, too."""
    ben_, mallory_ = Person("Ben of the laptop"), Person("Mallory")
    device = ben_.devices["laptop"]
    consent = device.signing.sign("device-consent", consent_bytes(mallory_.id, device.agreement.public))
    ana = ANA.found()
    invite(ana, ben_)
    by = mallory_.devices["laptop"].signing
    mallory_.log(ADD, by, device.id, device.agreement.public, name="mine", consent=consent)
    invite(ana, mallory_)
    ben = ben_.desk(ana.replica.thread)
    pass_round(ana, ben)
    ben.say("before")
    type_text(ben, lambda text: text.insert(0, "before"))
    pass_round(ana, ben)
    restrict(ana, mallory_)
    pass_round(ana, ben)
    ben.say("after")
    type_text(ben, lambda text: text.insert(6, " and after"))
    pass_round(ana, ben)
    assert ana.shown() == {"before", "after"} and draft(rebuilt(ana.replica, ana.frames)) == "before and after"
    assert_order_plays_no_part(ana)
