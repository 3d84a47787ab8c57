"""Somebody has a device that was revoked, and all its old keys: what it signs from then on takes nothing away.

It can still sign a second version of anything that it ever signed, with heads of that time.
"""

import hashlib
import random
from collections.abc import Sequence

import msgspec
import pytest

from crdt import codec, stewardship
from crdt.identity import ADD, REVOKE, DeviceKeys, Entry, Root, SignedEntry, consent_bytes, sign_entry
from crdt.ids import DeviceId
from crdt.permissions import LaneKind, Role
from crdt.records import Action, Devices, Grant, Record, Relays
from tests.crdt.people import Desk, Person
from tests.crdt.test_revocation import end, owner_with
from tests.crdt.world import (
    assert_order_plays_no_part,
    draft,
    envelope_of,
    frame_of,
    invite,
    pass_round,
    restrict,
    settled,
    type_text,
)

BEN, CARL = Person("Ben"), Person("Carl")


def founder_revoked() -> tuple[Person, Desk, Desk]:
    """Ben has written something, and the root has ended the laptop that founded the thread; laptop, phone."""
    owner, (laptop, phone) = owner_with("phone")
    ben = BEN.desk(laptop.replica.thread)
    pass_round(laptop, phone, ben)
    ben.say("by Ben")
    pass_round(laptop, phone, ben)
    owner.log(REVOKE, owner.root.signing, owner.devices["laptop"].id)
    replica = phone.replica
    assert replica.author
    actions = stewardship.revocation(replica, DeviceId(owner.devices["laptop"].id), owner.entries)
    phone.kept(stewardship.rotate(replica, replica.author, stewardship.readers(replica.membership), actions))
    pass_round(laptop, phone)
    assert phone.shown() == {"by Ben"}
    return owner, laptop, phone


def record_at(desk: Desk, kind: LaneKind, actions: Sequence[Action], session: bytes, heads: tuple[bytes, ...]) -> bytes:
    """A record that opens this session of the device's, once more perhaps."""
    writing = desk.replica._writer()
    header = writing.record(kind, writing.epoch_for_records(), b"")
    changed = msgspec.structs.replace(header, heads=heads, seen=(), session=session, sequence=0, previous=b"")
    return frame_of(desk, changed, codec.encode(Record(tuple(actions))))


def test_a_second_version_of_the_first_record_signed_after_the_revocation_takes_no_grant_back() -> None:
    """Two records at one position void the grants of their device: not if one of them is cut off."""
    _, laptop, phone = founder_revoked()
    genesis = laptop.replica.graph.nodes[0]
    twin = record_at(laptop, LaneKind.CONTROL, [Relays(("wss://thief",))], genesis.position[0], (genesis.id,))
    phone.read([twin])
    assert BEN.id in phone.replica.membership.members() and phone.shown() == {"by Ben"}
    assert phone.replica.writing_epoch()
    assert_order_plays_no_part(phone)


def test_a_second_version_of_a_junior_devices_record_takes_no_grant_back_either() -> None:
    owner, (laptop, phone) = owner_with("phone")
    invite(phone, CARL)
    carl = CARL.desk(laptop.replica.thread)
    pass_round(laptop, phone, carl)
    carl.say("by Carl")
    pass_round(laptop, phone, carl)
    end(laptop, owner, "phone")
    pass_round(laptop, phone)
    first = next(node for node in phone.replica.graph.nodes if node.device == owner.devices["phone"].id)
    genesis = phone.replica.graph.nodes[0]
    laptop.read([record_at(phone, LaneKind.CONTROL, [Relays(())], first.position[0], (genesis.id,))])
    assert CARL.id in laptop.replica.membership.members() and laptop.shown() == {"by Carl"}
    assert_order_plays_no_part(laptop)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_second_version_of_a_message_signed_after_the_revocation_erases_nothing(position: int) -> None:
    """Nobody has answered and so vouched for it: that the cut names it is enough."""
    owner, (laptop, phone) = owner_with("phone")
    for text in ("one", "two", "three"):
        phone.say(text)
    pass_round(laptop, phone)
    end(laptop, owner, "phone")
    link = next(each for each in phone.replica.chains if each.header.sequence == position)
    header = msgspec.structs.replace(link.header, body_hash=b"")
    laptop.read([frame_of(phone, header, b"\0\0"), frame_of(phone, header, b"\0\0")])
    assert laptop.shown() == {"one", "two", "three"}
    assert_order_plays_no_part(laptop)


@pytest.mark.parametrize("seed", range(6))
def test_branches_before_and_after_a_revocation_come_out_alike_in_any_order(seed: int) -> None:
    """Of a chain that forked before, the cut names what stood; a branch more from then on changes nothing."""
    source = random.Random(seed)
    owner, (laptop, phone) = owner_with("phone")
    phone.say("common")
    pass_round(laptop, phone)
    laptop.say("opens")
    link = next(each for each in phone.replica.chains if each.header.device == owner.devices["phone"].id)
    versions = [frame_of(phone, msgspec.structs.replace(link.header, body_hash=b""), b"\0\0") for _ in range(4)]
    early = source.sample(versions, source.randrange(3))
    if source.random() < 0.5:
        laptop.read(early)
        laptop.say("answers") if not laptop.replica.stale else None
    if laptop.replica.stale:
        frames, laptop = laptop.frames, owner.desk(laptop.replica.thread, session=3)
        with laptop.replica.loading():
            laptop.read(frames)
    end(laptop, owner, "phone")
    before = laptop.shown()
    laptop.read([frame for frame in versions if frame not in laptop.frames])
    assert laptop.shown() == before
    assert_order_plays_no_part(laptop)


def moved(device: DeviceKeys, before: bytes) -> tuple[Root, SignedEntry]:
    """An identity that stands before another, made for it, with its log's entry of a device that consents."""
    roots = (Root.from_seed(hashlib.sha256(bytes([number])).digest()) for number in range(256))
    root = next(each for each in roots if each.identity < before)
    agreement = device.agreement.public
    consent = device.signing.sign("device-consent", consent_bytes(root.identity, agreement))
    entry = Entry(1, root.identity, ADD, device.id, agreement, 0, "moved", "", 0, (), root.identity)
    return root, sign_entry(entry, root.signing, consent)


def test_a_revoked_device_entered_in_another_log_takes_nothing_with_it() -> None:
    """Every grant of the thread is by the laptop. Whose it is can't be changed by whoever stole it."""
    owner, laptop, phone = founder_revoked()
    root, entry = moved(owner.devices["laptop"], owner.id)
    phone.read([laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, [Devices((entry,))]))])
    assert phone.shown() == {"by Ben"}
    membership = phone.replica.membership
    assert set(membership.members()) == {owner.id, BEN.id} and root.identity in membership.logs
    assert membership.identity_of[owner.devices["laptop"].id] == owner.id
    assert membership.is_revoked(owner.devices["laptop"].id)
    assert_order_plays_no_part(phone)


@pytest.mark.parametrize("role", [Role.NONE, Role.EDITOR])
def test_a_removed_person_who_moves_their_device_takes_nothing_from_those_who_built_on_it(role: Role) -> None:
    """Whether or not the other identity is a member: what was said as the one's stays the one's."""
    mallory = Person("Mallory")
    root, entry = moved(mallory.devices["laptop"], mallory.id)
    ana = BEN.found()
    invite(ana, mallory)
    mal = mallory.desk(ana.replica.thread)
    pass_round(ana, mal)
    type_text(mal, lambda text: text.insert(0, "one "))
    pass_round(ana, mal)
    type_text(ana, lambda text: text.insert(4, "two"))
    pass_round(ana, mal)
    restrict(ana, mallory)
    if role:
        ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Grant(root.identity, role, "accomplice")]))
        mal.read(ana.frames[-1:])
    mal.kept(mal.replica.commit_record(LaneKind.IDENTITY, [Devices((entry,))]))
    pass_round(ana, mal)
    assert draft(settled(ana)) == "one two"
    assert_order_plays_no_part(ana)


def test_a_device_of_two_identities_is_bound_by_the_restrictions_of_the_one_it_speaks_as() -> None:
    """A chain has one author: it can't begin as a member's and go on as somebody else's who was put out."""
    mallory = Person("Mallory")
    root, entry = moved(mallory.devices["laptop"], mallory.id)
    ana = BEN.found()
    invite(ana, mallory)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Grant(root.identity, Role.EDITOR, "other")]))
    mal = mallory.desk(ana.replica.thread)
    pass_round(ana, mal)
    mal.say("as Mallory")
    moving = mal.kept(mal.replica.commit_record(LaneKind.IDENTITY, [Devices((entry,))]))
    pass_round(ana, mal)
    header = msgspec.structs.replace(mal.replica.next_header(mal.timeline), heads=(envelope_of(mal, moving).id,))
    going_on = frame_of(mal, header, b"\0\0")
    ana.read([going_on])
    assert ana.shown() == {"as Mallory"}
    assert envelope_of(mal, going_on).id not in set(ana.replica.accepted(mal.timeline))
    assert_order_plays_no_part(ana)


@pytest.mark.parametrize("how", ["another device's", "another kind's", "not the last"])
def test_a_record_that_does_not_follow_the_one_it_names_as_before_it_joins_nothing(how: str) -> None:
    """Else two records could stand at one position without being two versions of it."""
    _, (laptop, phone) = owner_with("phone")
    mine = [laptop.kept(laptop.replica.commit_record(LaneKind.CONTROL, [Relays((f"wss://{n}",))])) for n in range(2)]
    of_a_kind = laptop.kept(laptop.replica.commit_record(LaneKind.IDENTITY, [Devices(())]))
    theirs = phone.kept(phone.replica.commit_record(LaneKind.CONTROL, [Relays(("wss://phone",))]))
    pass_round(laptop, phone)
    named = {"another device's": theirs, "another kind's": of_a_kind, "not the last": mine[0]}[how]
    before, last = envelope_of(laptop, named), envelope_of(laptop, mine[1])
    writing = laptop.replica._writer()
    header = writing.record(LaneKind.CONTROL, writing.epoch_for_records(), b"")
    sequence = last.header.sequence + 1 if how != "another kind's" else before.header.sequence + 1
    changed = msgspec.structs.replace(header, previous=before.id, sequence=sequence)
    frame = frame_of(laptop, changed, codec.encode(Record((Relays(("wss://thief",)),))))
    receipt = phone.replica.receive(frame)
    assert [why for _, why in receipt.refused] == ["bad header: not the next of its chain"]
    assert envelope_of(laptop, frame).id not in phone.replica.graph
    assert phone.replica.membership.relays != ("wss://thief",)
