"""A device that says two different things at one position harms nobody's work but its own."""

import random

import pytest

from crdt import frames as wire
from crdt.envelope import Envelope
from crdt.errors import PeerFault
from crdt.forks import Forks
from crdt.permissions import LaneKind, Role
from crdt.records import Relays
from crdt.replica import Replica
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    assert_order_plays_no_part,
    draft,
    envelope_of,
    forged,
    gather,
    invite,
    pass_round,
    rebuilt,
    settled,
    shuffled,
    state,
    type_text,
)

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")


def together() -> list[Desk]:
    return gather(ANA, BEN, CARL)


def twin(desk: Desk, person: Person) -> Desk:
    """The same device and session once more, as after restoring an old backup and never telling."""
    other = person.desk(desk.replica.thread)
    other.read(desk.frames)
    return other


def test_without_a_witness_what_stands_before_the_fork_stays() -> None:
    ana, ben, _ = together()
    common = envelope_of(ben, ben.say("common"))
    other = twin(ben, BEN)
    ben.say("left")
    other.say("right")
    pass_round(ana, ben, other)
    assert list(settled(ana).accepted(ben.timeline)) == [common.id]
    assert_order_plays_no_part(ana)


def test_what_nobody_is_known_to_have_signed_by_the_heads_it_names_is_no_second_branch() -> None:
    """The thread's first record introduces nobody but its founder: what names no other is of no author's."""
    ana, ben, _ = together()
    common = envelope_of(ben, ben.say("common"))
    other = twin(ben, BEN)
    left = envelope_of(ben, ben.say("left"))
    first = envelope_of(ana, ana.frames[0])
    stray = forged(other, other.timeline, b"\0\0", heads=(first.id,), epoch=first.header.epoch)
    pass_round(ana, ben)
    ana.read([stray])
    reader = settled(ana)
    link = reader.chains.get(envelope_of(ana, stray).id)
    assert link is not None and link.header.previous == common.id
    assert list(reader.accepted(ben.timeline)) == [common.id, left.id]
    assert_order_plays_no_part(ana)


def test_a_fork_at_the_very_first_envelope_leaves_nothing_without_a_witness() -> None:
    ana, ben, _ = together()
    other = twin(ben, BEN)
    ben.say("left")
    other.say("right")
    pass_round(ana, ben, other)
    assert not list(settled(ana).accepted(ben.timeline))
    assert_order_plays_no_part(ana)


def test_a_second_branch_signed_months_later_erases_nothing_that_somebody_has_seen() -> None:
    ana, ben, _ = together()
    ana.say("opening")
    ben.say("common")
    other = twin(ben, BEN)
    ben.say("what Ana answers")
    pass_round(ana, ben)
    ana.say("the answer")  # names Ben's tip as seen
    other.say("months later")
    pass_round(ana, ben, other)
    assert not ana.replica.stale
    assert ana.shown() == {"opening", "common", "what Ana answers", "the answer"}
    assert_order_plays_no_part(ana)


def test_in_the_shared_draft_a_fork_takes_nothing_from_those_who_built_on_it() -> None:
    """The witness waits for the branch, the branch for its witness: whether it is applied must play no part."""
    ana, ben, _ = together()
    type_text(ben, lambda text: text.insert(0, "ben "))
    other = twin(ben, BEN)
    type_text(ben, lambda text: text.insert(4, "left "))
    pass_round(ana, ben)
    type_text(ana, lambda text: text.insert(9, "and ana"))
    type_text(other, lambda text: text.insert(4, "right "))
    pass_round(ana, ben, other)
    expected = assert_order_plays_no_part(ana, range(30))
    assert expected["documents"][SHARED][1] == "ben left and ana"


def test_the_owners_word_decides_between_two_branches_with_witnesses() -> None:
    ana, ben, carl = together()
    for desk in (ana, carl):
        desk.say(f"{desk.replica.author.identity[:2].hex()} opens")
    ben.say("common")
    other = twin(ben, BEN)
    ben.say("seen by Ana")
    other.say("seen by Carl")
    pass_round(ana, ben)
    pass_round(carl, other)
    ana.say("Ana's answer")
    carl.say("Carl's answer")
    pass_round(ana, ben, carl, other)
    assert "seen by Ana" in _messages(settled(ana))
    assert "seen by Carl" not in _messages(settled(ana))
    assert_order_plays_no_part(ana)


def test_the_owners_word_outweighs_more_people() -> None:
    ana = ANA.found()
    others = [Person(name) for name in ("Carl", "Dora", "Emil")]
    invite(ana, BEN, *others)
    ben, *desks = (person.desk(ana.replica.thread) for person in (BEN, *others))
    pass_round(ana, ben, *desks)
    for desk in (ana, *desks):
        desk.say(f"{desk.timeline.owner[:4].hex()} opens")
    ben.say("common")
    other = twin(ben, BEN)
    ben.say("seen by Ana")
    other.say("seen by three")
    pass_round(ana, ben)
    pass_round(*desks, other)
    ana.say("Ana's answer")
    for desk in desks:
        desk.say(f"{desk.timeline.owner[:4].hex()} answers")
    pass_round(ana, ben, *desks, other)
    assert "seen by Ana" in ana.shown() and "seen by three" not in ana.shown()
    assert_order_plays_no_part(ana, range(6))


def test_more_people_outweigh_fewer_where_the_owner_has_said_nothing() -> None:
    ana = ANA.found()
    others = [Person(name) for name in ("Carl", "Dora", "Emil")]
    invite(ana, BEN, *others)
    ben, *desks = (person.desk(ana.replica.thread) for person in (BEN, *others))
    pass_round(ana, ben, *desks)
    for desk in desks:
        desk.say(f"{desk.timeline.owner[:4].hex()} opens")
    ben.say("common")
    other = twin(ben, BEN)
    ben.say("seen by one")
    other.say("seen by two")
    pass_round(desks[0], ben)
    pass_round(desks[1], other)
    desks[2].read([frame for frame in other.frames if frame not in desks[2].frames])
    for desk in desks:
        desk.say(f"{desk.timeline.owner[:4].hex()} answers")
    pass_round(ana, ben, *desks, other)
    assert "seen by two" in ana.shown() and "seen by one" not in ana.shown()
    assert_order_plays_no_part(ana, range(6))


def test_a_witness_that_waits_for_a_record_decides_when_that_comes() -> None:
    """The record changes nobody's right; it only makes the owner's word count, against what was applied meanwhile."""
    ana, ben, carl = together()
    ana.say("Ana opens")
    carl.say("Carl opens")
    ben.say("common")
    other = twin(ben, BEN)
    left, right = ben.say("seen by Ana"), other.say("seen by Carl")
    ana.read([*ben.frames[-2:]])
    record = ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Relays(("wss://relay.example",))]))
    word = ana.say("Ana's answer")
    carl.read([*ben.frames[-2:-1], right])
    carl.say("Carl's answer")
    everything = list(dict.fromkeys([*ana.frames, *ben.frames, *carl.frames, right]))
    order = [*(frame for frame in everything if frame not in (record, word)), word, record]
    reader = rebuilt(ana.replica, order[:-1])
    assert "seen by Carl" in Desk(reader).shown()
    reader.receive(record)
    assert reader.stale
    assert "seen by Ana" in Desk(reader, order).shown() and left in order
    assert state(rebuilt(reader, order)) == state(settled(ana, everything)) == state(settled(ana, order))


def test_nobody_vouches_for_a_branch_of_their_own_device() -> None:
    """Its next session names the branch it would like to keep."""
    ana, ben, _ = together()
    ben.say("common")
    other = twin(ben, BEN)
    ben.say("left")
    liked = BEN.desk(ana.replica.thread, session=5)
    liked.read(ben.frames)
    liked.say("on top of left")
    other.say("right")
    pass_round(ana, liked, other)
    assert ana.shown() == {"common"}
    assert_order_plays_no_part(ana)


def test_ones_own_second_device_is_the_weaker_witness() -> None:
    """An equivocator can't outvote another person with a device of their own."""
    owner, cheat, carl = Person("Ana"), Person("Cheat"), Person("Carl")
    cheat.add("phone")
    ana = owner.found()
    invite(ana, cheat, carl)
    laptop, phone = cheat.desk(ana.replica.thread), cheat.desk(ana.replica.thread, "phone")
    reader = carl.desk(ana.replica.thread)
    pass_round(ana, laptop, phone, reader)
    phone.say("phone opens")
    reader.say("carl opens")
    laptop.say("common")
    other = twin(laptop, cheat)
    laptop.say("seen by Carl")
    pass_round(reader, laptop)
    reader.say("carl answers")
    for attempt in range(4):  # whichever hash is lower
        another = twin(other, cheat)
        another.say(f"seen by my phone {attempt}")
        pass_round(phone, another)
        phone.say(f"I saw {attempt}") if not phone.replica.stale else None
        ana.read([frame for frame in (*another.frames, *phone.frames) if frame not in ana.frames])
    pass_round(ana, reader)
    assert "seen by Carl" in _messages(settled(ana))


@pytest.mark.parametrize("lower", [True, False])
def test_ones_own_second_device_does_not_outweigh_anybody_by_the_choice_of_a_hash(lower: bool) -> None:
    """Who says two things can make as many of them as it takes, until one has the hash they like."""
    owner, cheat, carl = Person("Ana"), Person("Cheat"), Person("Carl")
    cheat.add("phone")
    ana = owner.found()
    invite(ana, cheat, carl)
    laptop, phone = cheat.desk(ana.replica.thread), cheat.desk(ana.replica.thread, "phone")
    reader = carl.desk(ana.replica.thread)
    pass_round(ana, laptop, phone, reader)
    for desk, word in ((phone, "phone opens"), (reader, "carl opens"), (laptop, "common")):
        desk.say(word)
    base = list(laptop.frames)
    seen = laptop.say("seen by Carl")
    pass_round(reader, laptop)
    reader.say("carl answers")
    liked = _branch(cheat, ana, base, envelope_of(laptop, seen).id, lower)
    pass_round(phone, liked)
    phone.say("I saw that")
    pass_round(ana, reader)
    pass_round(ana, phone)
    assert ana.shown() >= {"common", "seen by Carl"} and not any(text.startswith("try ") for text in ana.shown())
    assert_order_plays_no_part(ana, range(4))


@pytest.mark.parametrize("lower", [True, False])
def test_of_two_branches_with_as_many_witnesses_the_lower_hash_is_kept(lower: bool) -> None:
    ana = ANA.found()
    dora_ = Person("Dora")
    invite(ana, BEN, CARL, dora_)
    ben, carl, dora = (person.desk(ana.replica.thread) for person in (BEN, CARL, dora_))
    pass_round(ana, ben, carl, dora)
    for desk, word in ((carl, "Carl opens"), (dora, "Dora opens"), (ben, "common")):
        desk.say(word)
    base = list(ben.frames)
    left = ben.say("left")
    right = _branch(BEN, ana, base, envelope_of(ben, left).id, lower)
    pass_round(carl, ben)
    pass_round(dora, right)
    carl.say("Carl answers")
    dora.say("Dora answers")
    pass_round(ana, carl)
    pass_round(ana, dora)
    assert ("left" in ana.shown()) is not lower
    assert any(text.startswith("try ") for text in ana.shown()) is lower


def _branch(person: Person, reader: Desk, base: list[bytes], than: bytes, lower: bool) -> Desk:
    """Another version of what that device said next, with a lower hash than that one, or a higher one."""
    for number in range(100):
        other = person.desk(reader.replica.thread)
        other.read(base)
        made = other.say(f"try {number}")
        if (envelope_of(other, made).id < than) is lower:
            return other
    raise AssertionError("no such hash among a hundred")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER])
def test_nobody_vouches_by_what_they_have_no_right_to_write(role: Role) -> None:
    ana, ben, _ = together()
    guest_ = Person("Guest")
    invite(ana, guest_, role=role)
    guest = guest_.desk(ana.replica.thread)
    pass_round(ana, ben, guest)
    ben.say("common")
    other = twin(ben, BEN)
    left = envelope_of(ben, ben.say("left")).id
    other.say("right")
    pass_round(ana, ben, other)
    ana.read([forged(guest, guest.timeline, b"\0\0", seen=(left,))])
    assert ana.shown() == {"common"}
    assert_order_plays_no_part(ana)


def test_a_copy_with_a_broken_signature_neither_kills_nor_forks_a_chain() -> None:
    ana, ben, _ = together()
    good = ben.say("one")
    envelope = envelope_of(ben, good)
    epoch = ben.replica.keyring.get(envelope.header.epoch)
    assert epoch
    broken = Envelope(envelope.id, envelope.header, envelope.header_bytes, bytes(64), envelope.body)
    with pytest.raises(PeerFault, match="bad signature"):
        ana.replica.receive(wire.seal_frame(broken, epoch))
    assert not ana.replica.has(envelope.id)
    ana.read([good])
    assert ana.shown() == {"one"} and not ana.replica.chains.forked


def test_the_device_goes_on_in_a_new_session() -> None:
    ana, ben, _ = together()
    ben.say("common")
    other = twin(ben, BEN)
    ben.say("left")
    other.say("right")
    pass_round(ana, ben, other)
    fresh = Desk(Replica(ana.replica.thread, [BEN.identity_key], BEN.author("laptop", 9)), list(ana.frames))
    with fresh.replica.loading():
        for frame in ana.frames:
            fresh.replica.receive(frame)
    fresh.say("anew")
    pass_round(ana, fresh)
    assert "anew" in _messages(settled(ana))
    assert_order_plays_no_part(ana)


@pytest.mark.parametrize("common", [0, 1])
def test_a_device_whose_session_was_copied_is_told_to_begin_another(common: int) -> None:
    """Even if nothing it said has fallen: what it says next would stand behind the fork."""
    ana, ben, _ = together()
    for number in range(common):
        ben.say(f"common {number}")
    other, third = twin(ben, BEN), twin(ben, BEN)
    left, right = other.say("left"), third.say("right")
    ben.read([left])
    assert not ben.replica.stale
    ben.read([right])
    assert ben.replica.stale
    fresh = BEN.desk(ana.replica.thread, session=9)
    with fresh.replica.loading():
        fresh.read(ben.frames)
    assert not fresh.replica.stale
    fresh.say("anew")
    pass_round(ana, fresh)
    assert "anew" in ana.shown()


def test_a_device_in_whose_session_something_waits_that_it_did_not_write_begins_another() -> None:
    """It can't be shown yet; what the device says next would be its twin."""
    ana, ben, _ = together()
    other = twin(ben, BEN)
    record = ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Relays(("wss://relay.example",))]))
    other.read([record])
    elsewhere = other.say("by the copy, knowing of a record")
    ben.read([elsewhere])
    assert ben.replica.stale and not ben.shown()


def test_a_thousand_branches_at_one_position_cost_one_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, _ = together()
    ben.say("common")
    base = list(ben.frames)
    branches = []
    for number in range(60):
        other = BEN.desk(ana.replica.thread)
        other.read(base)
        branches.append(other.say(f"branch {number}"))
    ana.read(base[-1:])
    decided = 0
    really = Forks._backing

    def counted(*given: object) -> object:
        nonlocal decided
        decided += 1
        return really(*given)

    monkeypatch.setattr(Forks, "_backing", counted)
    replica = Replica(ana.replica.thread, ana.replica.own_keys)
    for frame in [*ana.frames, *branches]:
        replica.receive(frame)
    assert decided <= 2


@pytest.mark.parametrize("seed", range(6))
def test_forks_and_witnesses_at_random_come_out_alike_everywhere(seed: int) -> None:
    source = random.Random(seed)
    ana, ben, carl = together()
    cheats = [ben]
    for step in range(24):
        if source.random() < 0.25:
            cheats.append(twin(source.choice(cheats), BEN))
        desk = source.choice([ana, carl, *cheats])
        if desk.replica.stale:
            continue
        if source.random() < 0.5:
            desk.say(f"{step}")
        else:
            type_text(desk, lambda text, step=step: text.insert(0, f"{step} "))
        pair = source.sample([ana, carl, *cheats], 2)
        pass_round(*pair)
    pass_round(ana, carl, *cheats)
    expected = state(rebuilt(ana.replica, ana.frames))
    for order in (shuffled(ana.frames, each) for each in range(8)):
        assert state(settled(ana, order)) == expected
    assert draft(settled(ana)) == expected["documents"].get(SHARED, ({}, ""))[1]


def _messages(replica: Replica) -> set[str]:
    return Desk(replica).shown()
