"""Somebody has a device that was revoked, and all its old keys: what it signs from then on takes nothing away.

It can still sign a second version of anything that it ever signed, with heads of that time.
"""

from collections.abc import Sequence

import msgspec

from crdt import codec, stewardship
from crdt.identity import REVOKE
from crdt.ids import DeviceId
from crdt.permissions import LaneKind
from crdt.records import Action, Record, Relays
from tests.crdt.people import Desk, Person
from tests.crdt.test_revocation import end, owner_with
from tests.crdt.world import assert_order_plays_no_part, frame_of, invite, pass_round

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
