"""Content keys: who writes with which, who can open what, and what strangers can make of the keys a frame brings."""

import random

import msgspec
import pytest

from crdt import errors, frames, keys, opening, stewardship
from crdt.epochs import Epoch, Keyring
from crdt.ids import ThreadId
from crdt.permissions import LaneKind, Role
from crdt.records import NewEpoch, Restrict
from crdt.replica import Replica, Status
from crdt.unopened import MAX_UNOPENED, MAX_WITH_KEYS, Unopened
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    assert_order_plays_no_part,
    at_two_devices,
    envelope_of,
    frame_of,
    gather,
    invite,
    pass_round,
    restrict,
    settled,
    state,
)

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")


def together() -> list[Desk]:
    return gather(ANA, BEN)


def opens(desk: Desk, frame: bytes) -> bool:
    return bool(desk.replica.keyring.tagged(frames.parse_frame(frame).epoch_tag))


# ---- who can open what


def test_what_is_written_after_a_removal_cannot_be_opened_by_the_removed() -> None:
    ana, ben = together()
    restrict(ana, BEN)
    secret = ana.say("secret")
    assert ben.replica.receive(ana.frames[-2]).status is Status.NEW  # the removal itself: they may know
    assert ben.replica.receive(secret).status is Status.UNOPENED
    assert not opens(ben, secret)


def test_whoever_joins_reads_the_history() -> None:
    ana, ben = together()
    ben.say("long ago")
    pass_round(ana, ben)
    restrict(ana, BEN)
    ana.say("yesterday")
    invite(ana, CARL)
    carl = CARL.desk(ana.replica.thread)
    carl.read(ana.frames[::-1])
    assert carl.shown() == {"long ago", "yesterday"} and not carl.replica.unopened


def test_a_record_whose_earlier_keys_wait_for_its_own_key_gives_them_when_that_one_comes() -> None:
    """Carl is put out and let in again: the key handed out when he went brings one that he needs, and he can read it
    only through the key that brings him back."""
    owner, (laptop, phone) = at_two_devices()
    invite(laptop, CARL)
    assert phone.replica.author
    phone.kept(stewardship.rotate(phone.replica, phone.replica.author, [owner.identity_key.public]))  # not knowing
    phone.say("meanwhile")
    pass_round(laptop, phone)
    before = list(laptop.frames)
    put_out = restrict(laptop, CARL)
    let_in = invite(laptop, CARL)
    carl = CARL.desk(laptop.replica.thread)
    carl.read(before)
    assert carl.replica.unopened == 1
    assert carl.replica.receive(put_out).status is Status.NEW  # opens under the key he had; its own isn't for him
    assert carl.replica.unopened == 1 and not carl.shown()
    assert carl.replica.receive(let_in).learned
    assert not carl.replica.unopened and carl.shown() == {"meanwhile"}
    assert_order_plays_no_part(laptop)


def test_an_earlier_key_is_as_unsafe_as_the_later_one_it_is_sealed_under() -> None:
    """Whoever comes in reads the history. So the key of the time before them is theirs too, and when they go it must
    not be written with again."""
    ana, ben = together()
    founding = next(e for e in ana.replica.membership.epochs if not e.depth)
    assert ben.replica.keyring.get(founding.id)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(BEN.id, Role.NONE, ())]))
    assert not list(ana.replica.membership.writing_epochs())


def test_whoever_was_put_out_silences_nobody_by_leaving_again() -> None:
    ana, ben = together()
    restrict(ana, BEN)
    safe = ana.replica.writing_epoch()
    ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [Restrict(BEN.id, Role.NONE, ())]))
    pass_round(ana, ben)
    assert ana.replica.writing_epoch() == safe


@pytest.mark.parametrize("seed", range(3))
def test_keys_come_out_alike_in_any_order_of_frames(seed: int) -> None:
    ana, _ = together()
    for number in range(4):
        restrict(ana, BEN)
        invite(ana, BEN)
        ana.say(f"{number}")
    order = list(ana.frames)
    random.Random(seed).shuffle(order)
    carl = Replica(ana.replica.thread, [BEN.identity_key])
    for frame in order:
        carl.receive(frame)
    assert not carl.unopened
    assert state(carl) == state(settled(ana))


def test_writers_wait_for_a_key_that_the_removed_do_not_have() -> None:
    """A removal without a fresh key: nobody writes with the old one, the owner hands out another."""
    ana, ben = together()
    invite(ana, CARL)
    carl = CARL.desk(ana.replica.thread)
    cuts = ana.replica.cuts([BEN.devices["laptop"].id], stewardship.CONTENT)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(BEN.id, Role.NONE, cuts)]))
    pass_round(ana, carl)
    with pytest.raises(errors.OpenSeshError) as raised:
        carl.say("waits")
    assert raised.value.kind is errors.WAITING_FOR_KEY and not carl.replica.stale
    assert ana.replica.author
    ana.kept(stewardship.rotate(ana.replica, ana.replica.author, stewardship.readers(ana.replica.membership)))
    pass_round(ana, carl)
    carl.say("goes on")
    assert not opens(ben, carl.frames[-1])


def test_a_demotion_makes_nobody_wait() -> None:
    ana, ben = together()
    cuts = ana.replica.cuts([BEN.devices["laptop"].id], [LaneKind.TIMELINE])
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(BEN.id, Role.COMMENTER, cuts)]))
    ana.say("goes on")
    pass_round(ana, ben)
    assert opens(ben, ana.frames[-1])


def test_two_removals_at_once_leave_no_key_until_one_record_knows_both() -> None:
    """Two of the owner's devices fork: epoch against epoch."""
    owner = Person("Owner")
    owner.add("phone")
    laptop = owner.found()
    invite(laptop, BEN, CARL)
    phone = owner.desk(laptop.replica.thread, "phone")
    pass_round(laptop, phone)
    restrict(laptop, BEN)
    restrict(phone, CARL)
    pass_round(laptop, phone)
    assert laptop.replica.author
    for desk in (laptop, phone):
        with pytest.raises(errors.OpenSeshError):
            desk.replica.writing_epoch()
    readers = stewardship.readers(laptop.replica.membership)
    assert readers == [owner.identity_key.public]
    laptop.kept(stewardship.rotate(laptop.replica, laptop.replica.author, readers))
    pass_round(laptop, phone)
    assert laptop.replica.writing_epoch() == phone.replica.writing_epoch()
    assert_order_plays_no_part(laptop)


def test_of_two_epochs_at_one_depth_the_senior_devices_counts() -> None:
    owner, (laptop, phone) = at_two_devices()
    for desk in (phone, laptop):
        assert desk.replica.author
        desk.kept(stewardship.rotate(desk.replica, desk.replica.author, [owner.identity_key.public]))
    seniors = laptop.replica.writing_epoch()
    pass_round(laptop, phone)
    assert laptop.replica.writing_epoch() == phone.replica.writing_epoch() == seniors
    assert_order_plays_no_part(laptop)


def test_what_others_wrote_under_a_key_that_became_void_can_be_read_by_those_who_come_later() -> None:
    """The device that handed it out was ended before; they wrote in good faith, and their work counts."""
    owner, (laptop, phone, ben) = at_two_devices(BEN)
    owner.revoke("phone")
    actions = stewardship.revocation(laptop.replica, owner.devices["phone"].id, owner.entries)
    assert phone.replica.author and laptop.replica.author
    readers = stewardship.readers(phone.replica.membership)
    phone.kept(stewardship.rotate(phone.replica, phone.replica.author, readers))
    void = phone.replica.writing_epoch().id
    ben.read(phone.frames[-1:])
    ben.say("in good faith")
    laptop.kept(stewardship.rotate(laptop.replica, laptop.replica.author, readers, actions))
    pass_round(laptop, phone, ben)
    assert void not in {epoch.id for epoch in laptop.replica.membership.epochs}
    invite(laptop, CARL)
    carl = CARL.desk(laptop.replica.thread)
    carl.read(laptop.frames)
    assert carl.shown() == laptop.shown() == {"in good faith"} and not carl.replica.unopened


def hand_out_key(owner: Desk) -> None:
    assert owner.replica.author
    owner.kept(stewardship.rotate(owner.replica, owner.replica.author, stewardship.readers(owner.replica.membership)))


def test_a_key_is_due_when_two_were_handed_out_at_once() -> None:
    """Two devices of the owner let somebody in, not knowing of each other: neither could read what the other writes."""
    _, (laptop, phone) = at_two_devices()
    assert not stewardship.is_key_due(laptop.replica)
    invite(laptop, BEN)
    invite(phone, CARL)
    ben, carl = BEN.desk(laptop.replica.thread), CARL.desk(laptop.replica.thread)
    ben.read(laptop.frames)
    carl.read([*laptop.frames[:1], *phone.frames])
    ben.say("of Ben")
    carl.say("of Carl")
    desks = (laptop, phone, ben, carl)
    pass_round(*desks)
    assert ben.shown() == {"of Ben"} and carl.shown() == {"of Carl"}
    assert stewardship.is_key_due(laptop.replica) and stewardship.is_key_due(phone.replica)
    hand_out_key(laptop)
    pass_round(*desks)
    assert all(desk.shown() == {"of Ben", "of Carl"} for desk in desks)
    assert not stewardship.is_key_due(laptop.replica)


def test_a_key_is_due_when_somebody_seals_a_record_under_one_that_not_all_have() -> None:
    """Whoever lacks it would be kept from all that names that record: everything the owner says from then on."""
    owner = Person("Owner")
    owner.add("phone")
    laptop = owner.found()
    invite(laptop, BEN)
    invite(laptop, CARL)
    phone = owner.desk(laptop.replica.thread, "phone")
    ben, carl = BEN.desk(laptop.replica.thread), CARL.desk(laptop.replica.thread)
    desks = (laptop, phone, ben, carl)
    pass_round(*desks)
    owner.revoke("phone")
    actions = stewardship.revocation(laptop.replica, owner.devices["phone"].id, owner.entries)
    restrict(phone, BEN)  # not knowing that it has been ended: its key is for Carl and the owner
    assert laptop.replica.author
    readers = stewardship.readers(laptop.replica.membership)
    laptop.kept(stewardship.rotate(laptop.replica, laptop.replica.author, readers, actions))
    assert not stewardship.is_key_due(laptop.replica)
    carl.read(phone.frames)
    carl.kept(carl.replica.commit_record(LaneKind.IDENTITY, [Restrict(CARL.id, Role.COMMENTER, ())]))
    pass_round(*desks)
    assert ben.replica.membership.role(CARL.id) is Role.EDITOR, "he can't open it"
    assert stewardship.is_key_due(laptop.replica)
    hand_out_key(laptop)
    pass_round(*desks)
    for desk in (laptop, ben, carl):
        assert desk.replica.membership.role(CARL.id) is Role.COMMENTER
    assert not stewardship.is_key_due(laptop.replica)


def test_a_made_up_depth_does_not_outdo_the_epochs_to_come() -> None:
    """Else a device, before it is revoked, could take from its owners the means to replace a key for ever."""
    ana, _ = together()
    last = ana.replica.writing_epoch()
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [NewEpoch(bytes(32), 2**53, ())]))
    assert ana.replica.writing_epoch() == last
    restrict(ana, BEN)
    assert ana.replica.writing_epoch() != last


# ---- what strangers can make of it


def junk(ana: Desk, count: int, number: int = 0) -> bytes:
    """What a relay can put together that knows our public key: a frame that brings keys, and nothing else true."""
    outside = frames.make_outside(
        Epoch.from_key(keys.digest("junk", bytes([number])), ThreadId(bytes(32))), [ANA.identity_key.public], [], []
    )
    wraps = tuple(
        keys.wrap(ANA.identity_key.public, keys.digest("junk", bytes([number]), i.to_bytes(4, "big")))
        for i in range(count)
    )
    parsed = msgspec.msgpack.decode(outside, type=frames.Outside)
    outside = msgspec.msgpack.encode(msgspec.structs.replace(parsed, wraps=wraps))
    head = bytes([frames.VERSION]) + keys.digest("tag", bytes([number]), size=8) + bytes(16)
    return head + len(outside).to_bytes(4, "big") + outside + bytes(24) + bytes(64)


def test_keys_that_nobody_signed_for_are_not_learned() -> None:
    ana, _ = together()
    before = len(ana.replica.keyring)
    receipt = ana.replica.receive(junk(ana, 100))
    assert receipt.status is Status.UNOPENED and not receipt.learned
    assert len(ana.replica.keyring) == before


def test_a_key_that_comes_tries_its_own_frames_and_not_all_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = together()
    restrict(ana, BEN)
    waiting = [ana.say(f"{number}") for number in range(50)]
    for number in range(20):
        ben.replica.receive(junk(ana, 2, number))
    for frame in waiting:
        ben.replica.receive(frame)
    unwrapped = 0
    really = frames.unwrap_keys

    def counted(*given: object) -> list[bytes]:
        nonlocal unwrapped
        unwrapped += 1
        return really(*given)

    monkeypatch.setattr(frames, "unwrap_keys", counted)
    receipt = ben.replica.learn_key(ana.replica.writing_epoch().key)
    assert receipt.learned and ben.replica.unopened == 20
    assert unwrapped == 0


def test_frames_without_a_key_are_kept_within_bounds() -> None:
    unopened = Unopened()
    for number in range(MAX_UNOPENED + 100):
        wrapped = [b"k" * 32] if number % 4 == 0 else None
        unopened.add(number.to_bytes(4, "big"), bytes(4) + number.to_bytes(4, "big"), wrapped)
    assert len(unopened) == MAX_UNOPENED
    assert len(unopened.take(b"nobody's")) == MAX_WITH_KEYS
    assert len(unopened) == MAX_UNOPENED - MAX_WITH_KEYS


def test_a_member_who_mints_keys_without_end_does_not_fill_our_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_EPOCHS", 20)
    ana, ben = together()
    for number in range(40):
        epoch = Epoch.from_key(number.to_bytes(32, "big"), ana.replica.thread)
        outside = frames.make_outside(epoch, [ANA.identity_key.public], [], [])
        ben.kept(ben.replica.commit_record(LaneKind.CONTROL, [NewEpoch(epoch.id, 1, ())], outside))
    ana.read([frame for frame in ben.frames if frame not in ana.frames])
    assert len(ana.replica.keyring) <= 21
    ana.say("still here")
    ben.read([ana.frames[-1]])
    assert ben.shown() == {"still here"}


def test_a_wrong_key_commitment_opens_nothing() -> None:
    thread = ThreadId(b"t" * 32)
    keyring = Keyring(thread)
    epoch = keyring.learn(b"k" * 32)
    assert epoch and keyring.learn(b"k" * 32) is None
    assert keyring.get(Epoch.from_key(b"k" * 32, ThreadId(b"u" * 32)).id) is None


def test_a_frame_names_the_epoch_it_is_sealed_under() -> None:
    ana, ben = together()
    envelope = envelope_of(ben, ben.say("x"))
    other = ana.replica.keyring.get(next(e.id for e in ana.replica.keyring if e.id != envelope.header.epoch))
    assert other
    with pytest.raises(errors.PeerFault, match="wrong epoch"):
        ana.replica.receive(frames.seal_frame(envelope, other))


def test_a_frame_that_waited_and_turns_out_broken_is_forgotten() -> None:
    ana, ben = together()
    restrict(ana, BEN)
    good, broken = ana.say("good"), bytearray(ana.say("broken"))
    broken[-1] ^= 1
    for frame in (bytes(broken), good):
        assert ben.replica.receive(frame).status is Status.UNOPENED
    assert ben.replica.learn_key(ana.replica.writing_epoch().key).learned
    assert ben.replica.unopened == 0
    assert not ben.replica.learn_key(ana.replica.writing_epoch().key).learned


def test_a_record_that_waited_and_is_none_is_refused_by_name_and_harms_nothing_else() -> None:
    ana, ben = together()
    restrict(ana, BEN)
    header = ana.replica._writer().record(LaneKind.CONTROL, ana.replica.writing_epoch(), b"")
    bad, good = frame_of(ana, header, b"no record"), ana.say("good")
    for frame in (bad, good):
        assert ben.replica.receive(frame).status is Status.UNOPENED
    receipt = ben.replica.learn_key(ana.replica.writing_epoch().key)
    assert [why for _, why in receipt.refused] == [receipt.refused[0][1]] and "bad record" in receipt.refused[0][1]
    assert ben.replica.has(envelope_of(ana, good).id)


def test_a_frame_received_twice_is_known_the_second_time_and_kept_once_while_it_waits() -> None:
    ana, ben = together()
    assert ana.replica.receive(ana.frames[0]).status is Status.KNOWN
    restrict(ana, BEN)
    frame = ana.say("later")
    for _ in range(2):
        assert ben.replica.receive(frame).status is Status.UNOPENED
    assert ben.replica.unopened == 1


def test_a_key_signed_for_by_nobody_beside_an_honest_record_is_not_learned() -> None:
    """Who signs the record decides which epochs it names; what else they wrap is of no use."""
    ana, ben = together()
    named, other = (Epoch.from_key(bytes([n]) * 32, ana.replica.thread) for n in (1, 2))
    parsed = [msgspec.msgpack.decode(frames.make_outside(e, [ANA.identity_key.public], [], [])) for e in (named, other)]
    outside = msgspec.msgpack.encode([sorted(parsed[0][0] + parsed[1][0]), []])
    ben.kept(ben.replica.commit_record(LaneKind.CONTROL, [NewEpoch(named.id, 1, ())], outside))
    ana.read(ben.frames[-1:])
    assert ana.replica.keyring.get(named.id) and not ana.replica.keyring.get(other.id)


def test_two_epochs_of_one_tag_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight bytes may collide: each key that has the tag is tried."""
    monkeypatch.setattr("crdt.epochs.epoch_tag", lambda epoch: b"one  tag")
    ana = ANA.found()
    first = ana.say("under the first")
    restrict(ana, BEN)
    second = ana.say("under the second")
    reader = Replica(ana.replica.thread, [])
    for epoch in ana.replica.keyring:
        reader.learn_key(epoch.key)
    assert [reader.receive(frame).status for frame in (second, first)] == [Status.NEW, Status.NEW]
    reader.keyring.keep_only({ana.replica.writing_epoch().id})
    assert len(reader.keyring.tagged(b"one  tag")) == len(reader.keyring) == 1
