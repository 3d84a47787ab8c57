"""Who is here, and what those try who would be somebody else, or drown everybody."""

import os
import random

import msgspec
import pytest

from crdt import codec, keys, wire
from crdt.epochs import Epoch
from crdt.frames import pad
from crdt.identity import fold_log
from crdt.ids import ThreadId
from crdt.permissions import Role
from crdt.presence import (
    BURST_REFILL_MS,
    CLOCK_SLACK_MS,
    KEYS_SLACK_MS,
    MAX_BURST,
    MAX_PAYLOAD_BYTES,
    SILENCE_MS,
    Here,
    Presences,
    Statement,
    Voice,
    encode_here,
    presence_key,
    seal_statement,
    standing,
)
from crdt.replica import Replica
from tests.crdt.people import Desk, Person, randomness
from tests.crdt.world import gather, invite, pass_round, restrict

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")
NOW = 1_700_000_000_000
HERE = encode_here(Here("active", "draft", "", 7, True))


def together(role: Role = Role.EDITOR) -> list[Desk]:
    """Ana's thread, with Ben and Carl in it, all introduced."""
    return gather(ANA, BEN, CARL, role=role)


def voice(desk: Desk, seed: str = "") -> Voice:
    assert desk.replica.author
    return Voice(
        desk.replica.author.device, desk.replica.thread, randomness(f"{desk.replica.author.device.id!r}{seed}")
    )


def ears(desk: Desk) -> Presences:
    assert desk.replica.author
    made = Presences(desk.replica.thread, desk.replica.author.device.id)
    renew(made, desk)
    return made


def renew(listening: Presences, desk: Desk) -> None:
    listening.renew(standing(desk.replica.membership, desk.replica.keyring))


def epoch(replica: Replica) -> Epoch:
    return replica.writing_epoch()


def statement(desk: Desk, **changes: object) -> Statement:
    """What an honest device would sign, with these fields changed."""
    assert desk.replica.author
    device = desk.replica.author.device.id
    made = Statement(1, desk.replica.thread, epoch(desk.replica).id, device, bytes(16), 1, NOW, "here", HERE)
    return msgspec.structs.replace(made, **changes)


def forged(desk: Desk, signer: Person | None = None, sealed_for: ThreadId | None = None, **changes: object) -> bytes:
    assert desk.replica.author
    signing = (signer.devices["laptop"] if signer else desk.replica.author.device).signing
    under = epoch(desk.replica)
    if sealed_for is not None:
        under = Epoch.from_key(under.key, sealed_for)
    return seal_statement(statement(desk, **changes), under, signing, os.urandom(24))


def dropped(listening: Presences, message: bytes, reason: str, now_ms: int = NOW) -> None:
    before = listening.dropped[reason]
    assert listening.take(message, now_ms) is None
    assert listening.dropped[reason] == before + 1, dict(listening.dropped)


# ---- what it is for


def test_a_member_is_seen_with_what_they_look_at_until_they_fall_silent() -> None:
    ana, ben, _ = together()
    listening = ears(ana)
    said = listening.take(voice(ben).say(epoch(ben.replica), "here", HERE, NOW), NOW)
    assert said and (said.identity, said.kind, said.role) == (BEN.id, "here", Role.EDITOR)
    (seen,) = listening.present(NOW + SILENCE_MS - 1)
    assert (seen.identity, seen.device) == (BEN.id, BEN.devices["laptop"].id)
    assert seen.here == Here("active", "draft", "", 7, True) and seen.heard_ms == NOW
    assert listening.present(NOW + SILENCE_MS) == []


def test_who_leaves_is_gone_at_once() -> None:
    ana, ben, _ = together()
    listening, speaking = ears(ana), voice(ben)
    assert listening.take(speaking.say(epoch(ben.replica), "here", HERE, NOW), NOW)
    assert listening.take(speaking.say(epoch(ben.replica), "here", encode_here(Here("leaving")), NOW), NOW)
    assert listening.present(NOW) == []
    assert listening.take(speaking.say(epoch(ben.replica), "heartbeat", b"", NOW), NOW)
    assert [each.here for each in listening.present(NOW)] == [None]


def test_a_process_that_started_again_is_believed_and_its_former_self_no_more() -> None:
    ana, ben, _ = together()
    listening, first, second = ears(ana), voice(ben, "first"), voice(ben, "second")
    late = [first.say(epoch(ben.replica), "here", HERE, NOW + n) for n in range(3)]
    assert listening.take(late[0], NOW)
    assert listening.take(second.say(epoch(ben.replica), "here", HERE, NOW + 10), NOW)
    for message in late:
        dropped(listening, message, "replayed")


def test_a_device_of_ours_that_the_thread_does_not_know_yet_is_believed_by_our_own_log() -> None:
    ana, _, _ = together()
    owner = Person("Ana")
    phone = owner.add("phone")
    listening = ears(ana)
    message = Voice(phone, ana.replica.thread, randomness("phone")).say(epoch(ana.replica), "here", HERE, NOW)
    dropped(listening, message, "no member")
    listening.renew(standing(ana.replica.membership, ana.replica.keyring, fold_log(owner.id, owner.entries)))
    said = listening.take(message, NOW)
    assert said and said.role is Role.OWNER
    owner.revoke("phone")
    listening.renew(standing(ana.replica.membership, ana.replica.keyring, fold_log(owner.id, owner.entries)))
    assert listening.present(NOW) == []


def test_the_largest_payload_fits_what_a_relay_passes_on_and_a_larger_one_is_refused_here() -> None:
    _, ben, _ = together()
    message = voice(ben).say(epoch(ben.replica), "keys", bytes(MAX_PAYLOAD_BYTES), 2**53)
    assert len(message) <= wire.MAX_PRESENCE_BYTES
    with pytest.raises(ValueError, match="at most"):
        voice(ben).say(epoch(ben.replica), "keys", bytes(MAX_PAYLOAD_BYTES + 1), NOW)
    with pytest.raises(ValueError, match="bad presence"):
        encode_here(Here("active", "message", "../../etc"))


# ---- what others try


def test_presence_that_is_replayed_comes_in_once() -> None:
    ana, ben, _ = together()
    listening, speaking = ears(ana), voice(ben)
    messages = [speaking.say(epoch(ben.replica), "keys", bytes([n]), NOW) for n in range(5)]
    heard = [said.payload for message in [*messages, *messages] if (said := listening.take(message, NOW))]
    assert heard == [bytes([n]) for n in range(5)]
    assert listening.dropped["replayed"] == 5


def test_presence_played_to_somebody_who_just_started_is_believed_for_as_long_as_clocks_may_differ() -> None:
    ana, ben, _ = together()
    message = voice(ben).say(epoch(ben.replica), "here", HERE, NOW)
    assert ears(ana).take(message, NOW + CLOCK_SLACK_MS)
    dropped(ears(ana), message, "wrong time", NOW + CLOCK_SLACK_MS + 1)
    dropped(ears(ana), message, "wrong time", NOW - CLOCK_SLACK_MS - 1)


def test_keys_are_believed_for_a_minute_so_that_a_relay_cannot_hold_them_back_for_long() -> None:
    ana, ben, _ = together()
    message = voice(ben).say(epoch(ben.replica), "keys", b"rm -r", NOW)
    assert ears(ana).take(message, NOW + KEYS_SLACK_MS)
    dropped(ears(ana), message, "wrong time", NOW + KEYS_SLACK_MS + 1)


def test_what_was_believed_is_not_forgotten_while_it_could_be_believed_again() -> None:
    ana, ben, _ = together()
    listening = ears(ana)
    dropped(listening, forged(ben, signer=CARL), "bad signature")
    assert listening.may_be_forgotten(NOW), "a forgery keeps nothing in memory"
    assert listening.take(voice(ben).say(epoch(ben.replica), "keys", b"x", NOW), NOW)
    assert not listening.may_be_forgotten(NOW + CLOCK_SLACK_MS)
    assert listening.may_be_forgotten(NOW + CLOCK_SLACK_MS + 1)


def test_a_clock_set_back_within_a_stream_opens_no_door_for_the_stream_before() -> None:
    ana, ben, _ = together()
    listening, old, new = ears(ana), voice(ben, "old"), voice(ben, "new")
    recorded = [old.say(epoch(ben.replica), "here", HERE, NOW + n) for n in (0, 50)]
    assert listening.take(recorded[0], NOW)
    assert listening.take(new.say(epoch(ben.replica), "here", HERE, NOW + 100), NOW)
    assert listening.take(new.say(epoch(ben.replica), "here", HERE, NOW + 20), NOW)
    dropped(listening, recorded[1], "replayed")


def test_presence_in_anothers_name_is_not_believed() -> None:
    ana, ben, _ = together()
    listening = ears(ana)
    dropped(listening, forged(ben, signer=CARL), "bad signature")
    assert listening.present(NOW) == []


def test_presence_of_a_device_that_nobody_has_is_not_believed() -> None:
    ana, ben, _ = together()
    stranger = Person("Mallory")
    dropped(ears(ana), forged(ben, signer=stranger, device=stranger.devices["laptop"].id), "no member")


def test_our_own_words_do_not_come_back_to_us() -> None:
    ana, _, _ = together()
    dropped(ears(ana), forged(ana), "no member")


def test_a_right_that_somebody_lacks_is_not_lent_by_presence() -> None:
    ana, ben, _ = together(Role.VIEWER)
    listening = ears(ana)
    dropped(listening, forged(ben, kind="keys", payload=b"x"), "no right")
    dropped(listening, forged(ben, kind="control", payload=b"x"), "no right")
    assert listening.take(forged(ben), NOW)


def test_who_was_put_out_is_gone_at_once_and_not_believed_under_any_key_they_hold() -> None:
    ana, ben, carl = together()
    listening, before = ears(ana), epoch(ben.replica)
    assert listening.take(voice(ben).say(before, "here", HERE, NOW), NOW)
    restrict(ana, BEN)
    renew(listening, ana)
    assert listening.present(NOW) == []
    dropped(listening, voice(ben, "again").say(before, "here", HERE, NOW + 1), "wrong epoch")
    # And nobody believes those who stay, under a key that the removed can open, or could have made things up with.
    dropped(listening, voice(carl).say(before, "here", HERE, NOW + 1), "wrong epoch")
    pass_round(ana, carl)
    assert listening.take(voice(carl).say(epoch(carl.replica), "here", HERE, NOW + 2), NOW)


def test_a_revoked_device_is_gone() -> None:
    owner = Person("Olga")
    owner.add("phone")
    desk = owner.found()
    listening = ears(desk)
    phone = Voice(owner.devices["phone"], desk.replica.thread, randomness("phone"))
    assert listening.take(phone.say(epoch(desk.replica), "here", HERE, NOW), NOW)
    owner.revoke("phone")
    desk.introduce(owner)
    renew(listening, desk)
    assert listening.present(NOW) == []
    dropped(listening, phone.say(epoch(desk.replica), "here", HERE, NOW), "no member")


def test_presence_of_another_thread_is_not_believed() -> None:
    ana, ben, _ = together()
    other = ThreadId(bytes(32))
    listening = ears(ana)
    dropped(listening, forged(ben, thread=other), "wrong epoch")  # its key is another one
    # Sealed by a member for this thread, but signed for the other.
    under = epoch(ben.replica)
    said = statement(ben, thread=other)
    foreign = Epoch.from_key(under.key, ben.replica.thread)
    text = pad(codec.encode((codec.encode(said), bytes(64))))
    head = bytes([1]) + foreign.tag
    sealed = keys.seal(presence_key(foreign, ben.replica.thread), bytes(24), text, head)
    dropped(listening, head + bytes(24) + sealed, "wrong thread")


def test_words_of_somebody_under_an_earlier_key_cannot_be_sealed_anew_under_the_present_one() -> None:
    ana, ben, carl = together()
    recorded = statement(ben)
    invite(ana, Person("Dora"))
    pass_round(ana, carl)
    listening = ears(ana)
    assert recorded.epoch != epoch(carl.replica).id
    again = seal_statement(recorded, epoch(carl.replica), BEN.devices["laptop"].signing, bytes(24))
    dropped(listening, again, "wrong epoch")


def test_a_flood_by_a_member_costs_a_bounded_number_of_signatures_and_hides_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ana, ben, carl = together()
    listening, checked = ears(ana), 0
    verify = keys.verify

    def counted(public: bytes, label: str, message: bytes, signature: bytes) -> bool:
        nonlocal checked
        checked += 1
        return verify(public, label, message, signature)

    speaking = voice(ben)
    messages = [speaking.say(epoch(ben.replica), "keys", b"x", NOW) for _ in range(MAX_BURST * 5)]
    monkeypatch.setattr(keys, "verify", counted)
    assert sum(listening.take(message, NOW) is not None for message in messages) == MAX_BURST == checked
    assert listening.dropped["rate"] == MAX_BURST * 4
    assert listening.take(voice(carl).say(epoch(carl.replica), "here", HERE, NOW), NOW)
    later = speaking.say(epoch(ben.replica), "keys", b"y", NOW)
    assert listening.take(later, NOW + BURST_REFILL_MS)


def test_a_flood_by_strangers_costs_no_signature_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, _ = together()
    listening = ears(ana)
    good = voice(ben).say(epoch(ben.replica), "here", HERE, NOW)
    monkeypatch.setattr(keys, "verify", lambda *_: pytest.fail("a stranger's signature was checked"))
    for number in range(10_000):
        listening.take(good[:9] + number.to_bytes(24, "big") + good[33:], NOW)
    assert dict(listening.dropped) == {"wrong epoch": 10_000}
    assert not listening._tracks


def test_a_commenter_asks_for_control_and_types_nothing() -> None:
    ana, ben, _ = together(Role.COMMENTER)
    listening = ears(ana)
    dropped(listening, forged(ben, kind="keys", payload=b"x"), "no right")
    assert listening.take(forged(ben, kind="control", payload=b"x"), NOW)


def test_keys_last_a_minute_and_everything_else_ten() -> None:
    """What a relay can hold back, in figures: the constants themselves are the promise."""
    ana, ben, _ = together()
    typed = voice(ben).say(epoch(ben.replica), "keys", b"x", NOW)
    looks = voice(ben).say(epoch(ben.replica), "here", HERE, NOW)
    for early, late in ((typed, 60_001), (looks, 600_001)):
        dropped(ears(ana), early, "wrong time", NOW + late)
        dropped(ears(ana), early, "wrong time", NOW - late)
        assert ears(ana).take(early, NOW + late - 1) and ears(ana).take(early, NOW - late + 1)


def test_a_former_stream_does_not_come_back_by_a_message_of_the_same_moment() -> None:
    """A relay that held one of them back would have the newer process's words taken for old ones."""
    ana, ben, _ = together()
    listening, former, present = ears(ana), voice(ben, "former"), voice(ben, "present")
    assert listening.take(former.say(epoch(ben.replica), "keys", b"1", NOW), NOW)
    held_back = former.say(epoch(ben.replica), "keys", b"2", NOW + 10)
    assert listening.take(present.say(epoch(ben.replica), "keys", b"3", NOW + 10), NOW)
    dropped(listening, held_back, "replayed")


def test_a_device_of_ours_that_we_have_ended_is_not_believed_though_the_thread_still_does() -> None:
    owner = Person("Olga")
    phone = owner.add("phone")
    desk = owner.found()
    assert phone.id in desk.replica.membership.identity_of
    owner.revoke("phone")
    listening = ears(desk)
    listening.renew(standing(desk.replica.membership, desk.replica.keyring, fold_log(owner.id, owner.entries)))
    message = Voice(phone, desk.replica.thread, randomness("phone")).say(epoch(desk.replica), "keys", b"rm", NOW)
    dropped(listening, message, "no member")


def test_one_device_has_a_hundred_signatures_checked_at_once_and_fifty_a_second_however_long_it_was_silent() -> None:
    ana, ben, _ = together()
    listening = ears(ana)

    def checked(now_ms: int) -> int:
        """How many of a thousand forgeries of one moment had their signature looked at."""
        before = listening.dropped["bad signature"]
        for counter in range(1, 1_001):
            listening.take(forged(ben, signer=CARL, counter=counter, at=now_ms), now_ms)
        return listening.dropped["bad signature"] - before

    assert checked(NOW) == 100
    assert checked(NOW + 1_000) == 50
    assert checked(NOW + 3_600_000) == 100


def test_what_is_larger_than_a_relay_passes_on_is_dropped_before_any_key_is_tried() -> None:
    ana, ben, _ = together()
    listening, good = ears(ana), forged(ben)
    dropped(listening, good[:33] + bytes(wire.MAX_PRESENCE_BYTES), "bad presence")
    dropped(listening, good[:33] + bytes(wire.MAX_PRESENCE_BYTES - 33), "wrong epoch")


def test_ten_thousand_malformed_messages_are_dropped_by_name_and_the_next_good_one_is_heard() -> None:
    ana, ben, _ = together()
    listening, source = ears(ana), random.Random(7)
    good = forged(ben)
    under, key = epoch(ben.replica), presence_key(epoch(ben.replica), ben.replica.thread)
    inner = codec.encode(statement(ben))
    for number in range(10_000):
        match number % 4:
            case 0:
                bad = source.randbytes(source.randrange(5_000))
            case 1:
                bad = good[: source.randrange(len(good))]
            case 2:
                at = source.randrange(len(good))
                bad = good[:at] + bytes([good[at] ^ (1 << source.randrange(8))]) + good[at + 1 :]
            case _:  # of a member: properly sealed nonsense
                mangled = bytearray(inner)
                mangled[source.randrange(len(inner))] ^= 1 << source.randrange(8)
                text = pad(codec.encode((bytes(mangled), bytes(64))))
                head = bytes([1]) + under.tag
                bad = head + bytes(24) + keys.seal(key, bytes(24), text, head)
        assert listening.take(bad, NOW) is None
    assert listening.dropped.total() == 10_000
    assert set(listening.dropped) <= {
        *("bad presence", "wrong epoch", "wrong thread", "no member", "bad signature", "wrong time", "rate"),
    }
    assert listening.take(forged(ben, counter=9), NOW + MAX_BURST * BURST_REFILL_MS)


def test_memory_is_bounded_by_the_devices_of_members() -> None:
    ana, ben, _ = together()
    listening = ears(ana)
    for number in range(2_000):
        stranger = Person("Eve").devices["laptop"].id[:28] + number.to_bytes(4, "big")
        listening.take(forged(ben, device=stranger), NOW)
    assert len(listening._tracks) == 0 and listening.dropped == {"no member": 2_000}
