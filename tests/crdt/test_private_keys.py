"""A key that somebody gives to some members alone: what is sealed under it counts for nobody, not for these either.

Else they would build on what the others can't open, and theirs would wait there for ever.
"""

from dataclasses import dataclass

import msgspec
import pycrdt
import pytest

from crdt import codec, stewardship
from crdt.epochs import Epoch
from crdt.frames import make_outside
from crdt.ids import EnvelopeId
from crdt.left_out import Reason
from crdt.permissions import LaneKind, Role
from crdt.records import Grant, NewEpoch, Record, Restrict
from crdt.replica import Replica, Status
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    assert_order_plays_no_part,
    at_two_devices,
    draft,
    envelope_of,
    forged,
    frame_of,
    gather,
    invite,
    pass_round,
    settled,
    state,
    type_text,
)

ANA, BEN, CARL, MALLORY = Person("Ana"), Person("Ben"), Person("Carl"), Person("Mallory")
KEY = b"known to Mallory and Ben alone.."


@dataclass
class Table:
    """Ana's thread, with Ben and Mallory as editors, who has made a key of her own and shown it to Ben."""

    ana: Desk
    ben: Desk
    mallory: Desk
    private: Epoch

    @classmethod
    def laid(cls) -> "Table":
        ana, ben, mallory = gather(ANA, BEN, MALLORY)
        for desk in (ben, mallory):
            desk.replica.learn_key(KEY)
        return cls(ana, ben, mallory, Epoch.from_key(KEY, ana.replica.thread))

    def wrapped(self) -> bytes:
        return make_outside(self.private, [BEN.identity_key.public, MALLORY.identity_key.public], [], [])

    def record(self, kind: LaneKind, record: Record, epoch: Epoch, outside: bytes = b"") -> bytes:
        """A record of Mallory's patched software."""
        writing = self.mallory.replica._writing
        assert writing
        frame = frame_of(self.mallory, writing.record(kind, epoch, outside), codec.encode(record), outside)
        self.mallory.read([frame])
        return frame

    def typed(self, text: str, **changes: object) -> bytes:
        """Mallory types; the header is changed as given."""
        update = self.mallory.replica.document(SHARED).record(
            lambda doc: doc.get("draft", type=pycrdt.Text).insert(0, text)
        )
        header = self.mallory.replica.next_header(SHARED)
        return frame_of(self.mallory, msgspec.structs.replace(header, **changes), update)

    def ben_goes_on(self, *hidden: bytes) -> None:
        """Ben has all of it, Ana what she can open, and neither is kept from the other."""
        for desk in (self.ana, self.ben):
            desk.read(list(hidden))
        type_text(self.ben, lambda text: text.insert(0, "Ben's work. "))
        pass_round(self.ana, self.ben)
        assert draft(settled(self.ana)) == draft(settled(self.ben)) == "Ben's work. "
        assert state(self.ana.replica)["accepted"] == state(self.ben.replica)["accepted"]


def test_a_key_that_an_editor_gives_to_some_alone_does_not_split_the_others() -> None:
    table = Table.laid()
    private = table.private
    handed_out = Record((NewEpoch(private.id, 1, ()),))
    epoch = table.mallory.replica.writing_epoch()
    announced = table.record(LaneKind.IDENTITY, handed_out, epoch, table.wrapped())
    hidden = table.typed("For Ben.", epoch=private.id)
    table.ben_goes_on(announced, hidden)
    assert table.ben.replica.left_out() == {envelope_of(table.ben, hidden).id: Reason.CUT}


def test_an_identity_lane_teaches_no_key() -> None:
    table = Table.laid()
    frame = table.record(
        LaneKind.IDENTITY,
        Record((NewEpoch(table.private.id, 1, ()),)),
        table.mallory.replica.writing_epoch(),
        table.wrapped(),
    )
    fresh = BEN.desk(table.ana.replica.thread)
    fresh.read([*table.ana.frames, frame])
    assert fresh.replica.keyring.get(table.private.id) is None and fresh.replica.has(envelope_of(table.ben, frame).id)


@pytest.mark.parametrize("kind", [LaneKind.IDENTITY, LaneKind.CONTROL])
def test_a_record_under_a_key_for_some_alone_is_named_by_nobody(kind: LaneKind) -> None:
    """Ana can't open it: whoever named it would write what waits at hers for ever."""
    table = Table.laid()
    sealed = table.record(kind, Record((NewEpoch(table.private.id, 1, ()),)), table.private, table.wrapped())
    assert table.ana.replica.receive(sealed).status is Status.UNOPENED
    table.ben_goes_on(sealed)
    hidden = envelope_of(table.ben, sealed).id
    assert hidden in table.ben.replica.graph and hidden not in table.ana.replica.graph
    mine = table.ben.kept(table.ben.replica.commit_record(LaneKind.IDENTITY, [Restrict(BEN.id, Role.COMMENTER, ())]))
    assert table.ana.replica.receive(mine).status is Status.NEW
    assert table.ana.replica.membership.role(BEN.id) is Role.COMMENTER


def test_nobody_goes_by_a_record_under_a_key_for_some_alone() -> None:
    table = Table.laid()
    left = Record((Restrict(MALLORY.id, Role.VIEWER, ()),))
    before = table.typed("Seen by all. ")
    for desk in (table.ana, table.ben, table.mallory):
        desk.read([before])
    table.ben.read([table.record(LaneKind.IDENTITY, left, table.private, table.wrapped())])
    assert table.ben.replica.membership.role(MALLORY.id) is Role.EDITOR and not table.ben.replica.membership.limits
    assert draft(table.ben.replica) == draft(table.ana.replica) == "Seen by all. "


def test_what_names_a_record_under_a_key_for_some_alone_counts_for_nobody() -> None:
    table = Table.laid()
    sealed = table.record(LaneKind.IDENTITY, Record((Restrict(BEN.id, Role.VIEWER, ()),)), table.private, b"")
    known = table.mallory.replica.next_header(SHARED).heads
    hidden = table.typed("For Ben.", heads=(*known, EnvelopeId(envelope_of(table.mallory, sealed).id)))
    table.ben_goes_on(sealed, hidden)


def test_a_record_that_all_can_open_counts_for_nobody_if_it_names_one_that_some_can_not() -> None:
    """It waits for ever where that one is missing: who has both would go by another membership."""
    table = Table.laid()
    sealed = table.record(LaneKind.IDENTITY, Record((Restrict(BEN.id, Role.VIEWER, ()),)), table.private, b"")
    writing = table.mallory.replica._writing
    assert writing
    header = writing.record(LaneKind.IDENTITY, table.mallory.replica.writing_epoch(), b"")
    named = msgspec.structs.replace(header, heads=(*header.heads, envelope_of(table.mallory, sealed).id))
    left = frame_of(table.mallory, named, codec.encode(Record((Restrict(MALLORY.id, Role.VIEWER, ()),))))
    table.ben.read([sealed, left])
    table.ana.read([left])
    assert envelope_of(table.ben, left).id in table.ben.replica.graph
    assert table.ben.replica.membership.members() == table.ana.replica.membership.members()
    assert table.ben.replica.membership.role(MALLORY.id) is Role.EDITOR
    table.ben_goes_on(sealed, left)


def test_a_second_version_under_a_key_for_some_alone_is_no_fork() -> None:
    table = Table.laid()
    header = table.mallory.replica.next_header(SHARED)
    shown = table.typed("Seen by all. ")
    hidden = frame_of(table.mallory, msgspec.structs.replace(header, epoch=table.private.id), b"\0\0")
    for desk in (table.ana, table.ben):
        desk.read([shown, hidden])
    assert table.ben.replica.has(envelope_of(table.ben, hidden).id)
    assert draft(table.ana.replica) == draft(table.ben.replica) == "Seen by all. "


def test_a_key_counts_only_for_who_knows_the_record_that_hands_it_out() -> None:
    ana = ANA.found()
    invite(ana, BEN)
    ben = BEN.desk(ana.replica.thread)
    pass_round(ana, ben)
    old = ben.replica.next_header(ben.timeline).heads
    assert ana.replica.author
    ana.kept(stewardship.rotate(ana.replica, ana.replica.author, stewardship.readers(ana.replica.membership)))
    pass_round(ana, ben)
    backdated = forged(ben, ben.timeline, b"\0\0", heads=old)
    ana.read([backdated])
    assert not list(ana.replica.accepted(ben.timeline))
    ben.say("with the heads that go with the key")
    pass_round(ana, ben)
    assert ana.shown() == {"with the heads that go with the key"}


def test_what_was_written_under_the_key_of_an_owners_device_that_falls_later_stays() -> None:
    """Two devices of the owner hand out keys at once, and one of them is ended: nobody else is to blame."""
    owner, (laptop, phone, ben) = at_two_devices(BEN)
    assert phone.replica.author and laptop.replica.author
    readers = stewardship.readers(phone.replica.membership)
    phone.kept(stewardship.rotate(phone.replica, phone.replica.author, readers))
    pass_round(phone, ben)
    ben.say("under the phone's key")
    owner.revoke("phone")
    actions = stewardship.revocation(laptop.replica, phone.replica.author.device.id, owner.entries)
    laptop.kept(stewardship.rotate(laptop.replica, laptop.replica.author, readers, actions))
    pass_round(laptop, phone, ben)
    assert laptop.shown() == ben.shown() == {"under the phone's key"}
    ben.say("and under the laptop's")
    pass_round(laptop, ben)
    assert laptop.shown() == {"under the phone's key", "and under the laptop's"}
    assert_order_plays_no_part(laptop)


def test_what_was_written_under_the_key_of_an_heir_who_turns_out_to_be_second_stays() -> None:
    ana = ANA.found()
    invite(ana, BEN, CARL, MALLORY)
    ben, carl, dora = (person.desk(ana.replica.thread) for person in (BEN, CARL, MALLORY))
    for heir in (BEN, CARL):
        ana.kept(
            ana.replica.commit_record(LaneKind.CONTROL, [stewardship.offer(ana.replica, ANA.root.signing, heir.id)])
        )
    pass_round(ana, ben, carl, dora)
    for desk in (ben, carl):
        replica = desk.replica
        assert replica.author
        identity = replica.author.identity
        (offered,) = (node.id for node, offer in replica.membership.offers if offer.to == identity)
        readers = stewardship.readers(replica.membership)
        actions = stewardship.acceptance(replica, offered, ANA.id)
        desk.kept(stewardship.rotate(replica, replica.author, readers, actions))
    both = (Desk(dora.replica), MALLORY.desk(ana.replica.thread, session=1))
    both[1].read(ana.frames)
    for desk, heir_desk, text in ((both[0], ben, "under Ben's"), (both[1], carl, "under Carl's")):
        desk.read([heir_desk.frames[-1]])
        desk.say(text)
    pass_round(ana, ben, carl, *both)
    assert ana.shown() == {"under Ben's", "under Carl's"}
    assert_order_plays_no_part(ana)


def test_a_grant_and_a_key_of_an_owner_who_handed_over_and_knows_it_open_nothing() -> None:
    ana = ANA.found()
    invite(ana, BEN)
    ben = BEN.desk(ana.replica.thread)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [stewardship.offer(ana.replica, ANA.root.signing, BEN.id)]))
    pass_round(ana, ben)
    (offered,) = (node.id for node, _ in ben.replica.membership.offers)
    assert ben.replica.author and ana.replica.author
    readers = stewardship.readers(ben.replica.membership)
    actions = stewardship.acceptance(ben.replica, offered, ANA.id)
    actions.append(Grant(ANA.id, Role.EDITOR, "Ana"))
    ben.kept(stewardship.rotate(ben.replica, ben.replica.author, readers, actions))
    pass_round(ana, ben)
    private = Epoch.from_key(KEY, ana.replica.thread)
    ana.replica.learn_key(KEY)
    depth = max(node.depth for node in ana.replica.graph.nodes)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [NewEpoch(private.id, depth, ())]))
    hidden = forged(ana, ana.timeline, b"\0\0", epoch=private.id)
    ben.replica.learn_key(KEY)
    pass_round(ana, ben)
    ben.read([hidden])
    assert private.id not in ben.replica.membership.openings and not list(ben.replica.accepted(ana.timeline))


def test_a_chain_with_a_second_version_under_a_key_for_some_alone_goes_on_for_all() -> None:
    table = Table.laid()
    header = table.mallory.replica.next_header(table.mallory.timeline)
    table.mallory.say("first")
    hidden = frame_of(table.mallory, msgspec.structs.replace(header, epoch=table.private.id), b"\0\0")
    table.ben.read([table.mallory.frames[-1], hidden])
    assert table.ben.shown() == {"first"}
    for text in ("second", "third"):
        table.mallory.say(text)
        table.ben.read(table.mallory.frames[-1:])
    pass_round(table.ana, table.mallory)
    assert table.ben.shown() == table.ana.shown() == {"first", "second", "third"}
    assert not table.ben.replica.stale


def test_who_went_on_from_a_thing_under_a_key_for_some_alone_keeps_nothing_that_this_was_built_on() -> None:
    """A bridge that the others can't see: what is carried over it would be there for some and not for others."""
    table = Table.laid()
    ana, ben, mallory = table.ana, table.ben, table.mallory
    beyond = type_text(mallory, lambda text: text.insert(0, "Beyond."))
    hidden = table.typed("For Ben.", epoch=table.private.id)
    assert envelope_of(mallory, hidden).header.previous == envelope_of(mallory, beyond).id
    accomplices = forged(ben, SHARED, b"\0\0", seen=(envelope_of(ben, hidden).id,))
    out = stewardship.restriction(ana.replica, MALLORY.id, Role.NONE)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, out))
    for desk in (ana, ben):
        desk.read([frame for frame in (*ana.frames, beyond, hidden, accomplices) if frame not in desk.frames])
    knowing = Replica(ana.replica.thread, ben.replica.own_keys)
    knowing.learn_key(KEY)
    for frame in ana.frames:
        knowing.receive(frame)
    assert knowing.left_out()[envelope_of(ben, hidden).id] is Reason.CUT, "it is seen, and counts for nothing"
    assert draft(knowing) == draft(settled(ana)) == "" and not knowing.carried() and not settled(ana).carried()
