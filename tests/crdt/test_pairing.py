"""Pairing, as conversations: two honest sides, then everybody who might sit between or beside them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from crdt import keys, pairing
from crdt import pairing_messages as messages
from crdt.errors import OpenSeshError
from crdt.pairing import Joiner, Offer, Shower
from crdt.pairing_messages import (
    Abort,
    Answer,
    CodeVerified,
    ConfirmNeeded,
    Event,
    Failed,
    Finished,
    Hello,
    Joined,
    NewDevice,
    Part,
    Received,
    Send,
    Verified,
    encode,
)

DEVICE = keys.SigningKey.from_seed(b"D" * 32)
AGREEMENT = keys.AgreementKey.from_secret(b"A" * 32)
PASSWORD = b"code:marble-violin"
VENUE = "relay/0011"
Alter = Callable[[str, int, bytes], list[bytes]]


def entropy(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def new_offer(password: bytes = PASSWORD, seed: int = 1) -> Offer:
    return Offer(password, "7", entropy(seed))


def new_joiner(
    password: bytes = PASSWORD, *, nameplate: str = "7", venue: str = VENUE, seed: int = 2, **more: Any
) -> Joiner:
    about: dict[str, Any] = {"device": DEVICE, "agreement": AGREEMENT, "name": "desktop", "platform": "linux"} | more
    return Joiner(password, nameplate, venue, entropy(seed), **about)


def straight(_: str, __: int, frame: bytes) -> list[bytes]:
    return [frame]


@dataclass
class Talk:
    """Carries frames between a shower and a joiner until nothing moves, and answers for both persons."""

    shower: Shower
    joiner: Joiner
    alter: Alter = straight
    says_yes: bool = True
    bundle: bytes = b"identity and relays"
    handed: bytes = b"transfer offers"
    told: dict[str, list[Event]] = field(default_factory=lambda: {"shower": [], "joiner": []})
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def run(self) -> "Talk":
        waiting = [("joiner", event) for event in self.joiner.start()]
        while waiting:
            side, event = waiting.pop(0)
            if isinstance(event, Send):
                assert len(event.frame) <= messages.MAX_FRAME_BYTES
                self.sent.append((side, event.frame))
                other, machine = ("shower", self.shower) if side == "joiner" else ("joiner", self.joiner)
                for frame in self.alter(side, len(self.sent) - 1, event.frame):
                    waiting += [(other, more) for more in machine.receive(frame)]
            else:
                self.told[side].append(event)
                waiting += [(side, more) for more in self._answer(event)]
        return self

    def _answer(self, event: Event) -> list[Event]:
        if isinstance(event, ConfirmNeeded):
            return self.shower.confirm(self.bundle) if self.says_yes else self.shower.decline()
        if isinstance(event, Received):
            return self.joiner.accept(self.handed)
        return self.shower.finish() if isinstance(event, Joined) else []

    def failure(self, side: str) -> str:
        """The name of the error that side ended with, or "" if it did not fail."""
        failed = [event for event in self.told[side] if isinstance(event, Failed)]
        assert len(failed) <= 1
        return failed[0].error.kind.name if failed else ""

    def names(self, side: str) -> list[str]:
        return [type(event).__name__ for event in self.told[side]]


def talk(**more: Any) -> Talk:
    more.setdefault("shower", new_offer().shower(VENUE))
    more.setdefault("joiner", new_joiner())
    return Talk(**more).run()


# ---- two honest sides


def test_the_right_code_brings_the_device_in_and_the_bundle_over() -> None:
    done = talk(joiner=new_joiner(owns_threads=True, payload=b"three threads"))
    assert done.names("shower") == ["CodeVerified", "ConfirmNeeded", "Joined", "Finished"]
    assert done.names("joiner") == ["CodeVerified", "Received", "Finished"]
    joined = done.told["shower"][2]
    assert isinstance(joined, Joined)
    assert joined.payload == b"transfer offers"
    assert joined.device == messages.NewDevice(
        DEVICE.public, AGREEMENT.public, "desktop", "linux", True, b"three threads"
    )
    assert done.told["joiner"][1] == Received(b"identity and relays")


def test_a_link_runs_through_the_same_machine() -> None:
    secret = b"link:" + b"\x5a" * 32
    done = talk(shower=new_offer(secret).shower("lan/ab"), joiner=new_joiner(secret, venue="lan/ab"))
    assert done.names("joiner")[-1] == done.names("shower")[-1] == "Finished"


def test_the_same_entropy_makes_the_same_frames_up_to_the_wrapped_key() -> None:
    first, second = talk().sent, talk().sent
    assert [frame for _, frame in first[:5]] == [frame for _, frame in second[:5]]
    assert talk(joiner=new_joiner(seed=9)).sent[0] != first[0]


def test_the_largest_payloads_cross_in_bounded_frames() -> None:
    most = bytes(messages.MAX_PAYLOAD_BYTES)
    done = talk(joiner=new_joiner(payload=most), bundle=most, handed=most)
    assert done.names("shower")[-1] == "Finished"
    assert done.told["joiner"][1] == Received(most)
    assert len(done.sent) > 3 * (len(most) // messages.MAX_FRAME_BYTES)


def test_more_than_the_bound_is_our_own_error_and_nothing_is_sent() -> None:
    too_much = bytes(messages.MAX_PAYLOAD_BYTES + 1)
    with pytest.raises(OpenSeshError, match="at most"):
        new_joiner(payload=too_much)
    talking = Talk(new_offer().shower(VENUE), new_joiner(), bundle=too_much)
    with pytest.raises(OpenSeshError, match="at most"):
        talking.run()


def test_what_passes_in_between_holds_neither_name_nor_payload() -> None:
    passed = b"".join(frame for _, frame in talk().sent)
    for secret in (b"marble", b"desktop", b"linux", b"identity and relays", b"transfer offers", DEVICE.public):
        assert secret not in passed


def test_names_are_made_fit_to_print() -> None:
    hostile = "desk\x1b[31mtop\u202e\x9b\n" + "x" * 200

    class Rude(Joiner):
        pass

    rude = Rude(PASSWORD, "7", VENUE, entropy(2), device=DEVICE, agreement=AGREEMENT, name="n", platform="p")
    rude._unsigned = msgspec.structs.replace(rude._unsigned, name=hostile[:64], platform="\x07\u200b")
    asked = talk(joiner=rude).told["shower"][1]
    assert isinstance(asked, ConfirmNeeded)
    assert asked.device.name == "desk[31mtop" + "x" * (64 - len("desk\x1b[31mtop\u202e\x9b\n"))
    assert asked.device.platform == ""


def test_a_name_without_a_letter_is_shown_as_unnamed() -> None:
    asked = talk(joiner=new_joiner(name="\u200b\x00")).told["shower"][1]
    assert isinstance(asked, ConfirmNeeded)
    assert asked.device.name == "unnamed device"


# ---- the code


def test_a_wrong_code_fails_on_both_sides_and_hands_nothing_over() -> None:
    done = talk(joiner=new_joiner(b"code:marble-viola"))
    assert done.failure("shower") == done.failure("joiner") == "PAIRING_CODE_WRONG"
    assert done.names("shower") == done.names("joiner") == ["Failed"]
    assert "Verified" not in [type(messages.frames.decode(frame)).__name__ for _, frame in done.sent]


def test_a_wrong_code_burns_the_offer_for_the_right_one() -> None:
    offer = new_offer()
    talk(shower=offer.shower(VENUE), joiner=new_joiner(b"code:zoo-zoo"))
    assert offer.burned
    again = talk(shower=offer.shower(VENUE))
    assert again.failure("shower") == again.failure("joiner") == "PAIRING_EXPIRED"


@pytest.mark.parametrize("first", [b"", b"\xff" * 50, bytes(messages.MAX_FRAME_BYTES + 1), encode(Abort("broken"))])
def test_the_first_message_burns_the_code_whatever_it_is(first: bytes) -> None:
    offer = new_offer()
    events = offer.shower(VENUE).receive(first)
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind.name == "PAIRING_CODE_WRONG"
    assert offer.burned


def test_one_offer_in_two_venues_is_spent_by_the_first_that_receives() -> None:
    offer = new_offer()
    over_relay, over_lan = offer.shower(VENUE), offer.shower("lan/ff")
    talk(shower=over_relay)
    late = talk(shower=over_lan, joiner=new_joiner(venue="lan/ff"))
    assert late.failure("shower") == late.failure("joiner") == "PAIRING_EXPIRED"


def test_time_running_out_burns_the_code_and_tells_the_joiner() -> None:
    offer = new_offer()
    shower = offer.shower(VENUE)
    events = shower.expire()
    assert offer.burned
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind.name == "PAIRING_EXPIRED"
    late = talk(shower=shower)
    assert late.failure("joiner") == ""  # the machine is over and silent …
    told = late.joiner.receive(events[0].frame if isinstance(events[0], Send) else b"")
    assert isinstance(told[0], Failed)  # … the frame it sent is what tells the joiner
    assert told[0].error.kind.name == "PAIRING_EXPIRED"
    assert shower.expire() == []


def test_another_nameplate_is_a_wrong_code() -> None:
    done = talk(joiner=new_joiner(nameplate="8"))
    assert done.failure("shower") == done.failure("joiner") == "PAIRING_CODE_WRONG"


def test_a_swapped_venue_is_a_wrong_code() -> None:
    done = talk(joiner=new_joiner(venue="relay/0012"))
    assert done.failure("shower") == done.failure("joiner") == "PAIRING_CODE_WRONG"


def test_tls_ended_in_between_makes_another_venue() -> None:
    seen_by_shower, seen_by_joiner = pairing.lan_venue(b"1" * 32), pairing.lan_venue(b"2" * 32)
    done = talk(shower=new_offer().shower(seen_by_shower), joiner=new_joiner(venue=seen_by_joiner))
    assert done.failure("joiner") == "PAIRING_CODE_WRONG"


def test_a_spoken_code_and_a_link_never_share_a_password() -> None:
    done = talk(shower=new_offer(b"link:marble-violin").shower(VENUE))
    assert done.failure("shower") == "PAIRING_CODE_WRONG"


# ---- the person


def test_a_declined_device_gets_nothing_and_learns_why() -> None:
    done = talk(says_yes=False)
    assert done.names("shower") == ["CodeVerified", "ConfirmNeeded", "Failed"]
    assert done.names("joiner") == ["CodeVerified", "Failed"]
    failed = done.told["joiner"][-1]
    assert isinstance(failed, Failed)
    assert failed.error.kind.name == "PAIRING_DECLINED"
    assert "declined" in failed.error.message


def test_nothing_is_handed_over_before_the_person_confirms() -> None:
    shower, joiner = new_offer().shower(VENUE), new_joiner()
    frame = joiner.start()[0]
    events: list[Event] = []
    while isinstance(frame, Send):
        events = shower.receive(frame.frame)
        if not isinstance(events[0], Send):
            break
        frame = next(event for event in joiner.receive(events[0].frame) if isinstance(event, Send))
    assert [type(event) for event in events] == [ConfirmNeeded]
    with pytest.raises(RuntimeError, match="confirm"):
        shower.finish()
    assert isinstance(shower.confirm(b"bundle")[0], Send)
    with pytest.raises(RuntimeError, match="accepted"):
        shower.confirm(b"bundle")


def test_calls_out_of_turn_are_our_own_mistake() -> None:
    joiner = new_joiner()
    with pytest.raises(RuntimeError, match="start"):
        joiner.accept()
    joiner.start()
    with pytest.raises(RuntimeError, match="answer"):
        joiner.start()


# ---- in between and beside


def honest() -> list[tuple[str, bytes]]:
    return talk().sent


@pytest.mark.parametrize("index", range(8))
def test_a_relay_that_alters_any_byte_of_any_frame_breaks_it_on_both_sides(index: int) -> None:
    length = len(honest()[index][1])
    places = sorted({*range(min(12, length)), *range(0, length, 7), length - 1})
    for place in places:

        def alter(_: str, number: int, frame: bytes, place: int = place) -> list[bytes]:
            if number != index:
                return [frame]
            return [frame[:place] + bytes([frame[place] ^ 0x01]) + frame[place + 1 :]]

        done = talk(alter=alter)
        assert done.failure("shower") or (index == 7 and done.names("shower")[-1] == "Finished"), place
        assert done.failure("joiner"), place
        assert "Finished" not in done.names("joiner")
        if index < 4:  # before the bundle, nothing has been handed over either
            assert "Received" not in done.names("joiner")


@pytest.mark.parametrize("index", range(8))
def test_a_truncated_frame_is_refused(index: int) -> None:
    def alter(_: str, number: int, frame: bytes) -> list[bytes]:
        return [frame[:-1]] if number == index else [frame]

    done = talk(alter=alter)
    assert done.failure("joiner")
    assert "Finished" not in done.names("joiner")


@pytest.mark.parametrize("index", range(1, 8))
def test_a_frame_delivered_twice_is_refused(index: int) -> None:
    def alter(_: str, number: int, frame: bytes) -> list[bytes]:
        return [frame, frame] if number == index else [frame]

    done = talk(alter=alter)
    receiver = "joiner" if done.sent[index][0] == "shower" else "shower"
    assert done.failure(receiver) or done.names(receiver)[-1] == "Finished"
    if index < 7:
        assert done.failure(receiver)


def test_a_recorded_joiner_replayed_to_a_new_offer_of_the_same_code_fails() -> None:
    recorded = [frame for side, frame in honest() if side == "joiner"]
    shower = new_offer(seed=99).shower(VENUE)
    assert isinstance(shower.receive(recorded[0])[0], Send)
    events = shower.receive(recorded[1])
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind.name == "PAIRING_CODE_WRONG"


def test_a_recorded_shower_replayed_to_a_new_joiner_fails() -> None:
    recorded = [frame for side, frame in honest() if side == "shower"]
    joiner = new_joiner(seed=99)
    joiner.start()
    joiner.receive(recorded[0])
    events = joiner.receive(recorded[1])
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind.name == "PAIRING_CODE_WRONG"


def test_a_reflected_joiner_does_not_pair_with_itself() -> None:
    joiner = new_joiner()
    hello = joiner.start()[0]
    assert isinstance(hello, Send)
    own_share = messages.frames.decode(hello.frame).share
    for share in (own_share, b"B" + own_share[1:]):
        joiner = new_joiner()
        joiner.start()
        events = joiner.receive(encode(Answer(share)))
        assert isinstance(events[-1], Failed)
        assert events[-1].error.kind.name == "PAIRING_CODE_WRONG"


def test_a_joiners_own_proof_reflected_as_the_showers_is_refused() -> None:
    def alter(side: str, number: int, frame: bytes) -> list[bytes]:
        return [encode(Verified(messages.frames.decode(seen[2]).mac))] if number == 3 else [frame]

    seen = [frame for _, frame in honest()]
    done = talk(alter=alter)
    assert done.failure("joiner") == "PAIRING_CODE_WRONG"
    assert done.failure("shower")


def test_a_sealed_part_reflected_to_its_sender_is_refused() -> None:
    seen: list[bytes] = []

    def alter(side: str, number: int, frame: bytes) -> list[bytes]:
        seen.append(frame)
        return [seen[4]] if number == 5 else [frame]

    assert talk(alter=alter).failure("joiner") == "AUTH_FAILED"


def test_a_shower_that_does_not_know_the_code_learns_nothing_about_the_device() -> None:
    impostor = new_offer(b"code:abandon-zoo").shower(VENUE)
    joiner = new_joiner()
    talking = Talk(impostor, joiner).run()
    assert [type(messages.frames.decode(frame)) for side, frame in talking.sent if side == "joiner"][:2] == [
        Hello,
        messages.Proof,
    ]
    assert talking.failure("joiner") == "PAIRING_CODE_WRONG"


def test_a_message_out_of_its_turn_ends_it() -> None:
    shower = new_offer().shower(VENUE)
    events = shower.receive(encode(Verified(bytes(32))))
    assert isinstance(events[-1], Failed)
    shower = new_offer().shower(VENUE)
    hello = new_joiner().start()[0]
    assert isinstance(hello, Send)
    shower.receive(hello.frame)
    events = shower.receive(encode(Part(True, bytes(40))))
    assert isinstance(events[-1], Failed)


def test_another_version_is_named_on_both_sides() -> None:
    def alter(_: str, number: int, frame: bytes) -> list[bytes]:
        return [encode(Hello(2, messages.frames.decode(frame).share))] if number == 0 else [frame]

    done = talk(alter=alter)
    for side in ("shower", "joiner"):
        failed = done.told[side][-1]
        assert isinstance(failed, Failed)
        assert "version" in failed.error.message


def test_a_forged_abort_cannot_speak_for_the_person() -> None:
    def alter(side: str, number: int, frame: bytes) -> list[bytes]:
        return [encode(Abort("declined"))] if number == 5 else [frame]

    failed = talk(alter=alter).told["joiner"][-1]
    assert isinstance(failed, Failed)
    assert "declined" not in failed.error.message
    assert failed.error.kind.name == "AUTH_FAILED"


@pytest.mark.parametrize(
    "share", [b"A" + bytes(32), b"A" + b"\x01" + bytes(31), b"A" + b"\xff" * 32, b"S" + b"\x02" * 32]
)
def test_a_share_outside_the_group_is_a_wrong_code(share: bytes) -> None:
    events = new_offer().shower(VENUE).receive(encode(Hello(1, share)))
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind.name == "PAIRING_CODE_WRONG"


def test_a_device_key_without_its_private_half_is_refused() -> None:
    victim = keys.SigningKey.from_seed(b"V" * 32)
    thief = keys.SigningKey(seed=b"T" * 32, public=victim.public)
    done = talk(joiner=new_joiner(device=thief))
    assert "ConfirmNeeded" not in done.names("shower")
    assert done.failure("shower") == done.failure("joiner") == "AUTH_FAILED"


def test_a_possession_proof_from_another_exchange_is_refused() -> None:
    joiner = new_joiner()
    original = joiner._say
    other = talk(joiner=new_joiner(seed=5))
    asked = other.told["shower"][1]
    assert isinstance(asked, ConfirmNeeded)
    stale = DEVICE.sign("pairing-device", pairing._device_bytes(other.joiner._transcript, other.joiner._unsigned))

    def say(message: Any) -> list[Event]:
        if isinstance(message, messages.Device):
            message = msgspec.structs.replace(message, signature=stale)
        return original(message)

    joiner._say = say
    done = talk(joiner=joiner)
    assert "ConfirmNeeded" not in done.names("shower")
    assert done.failure("shower") == "AUTH_FAILED"


def test_an_agreement_key_the_joiner_does_not_hold_opens_no_bundle() -> None:
    foreign = keys.AgreementKey(secret=b"x" * 32, public=AGREEMENT.public)
    done = talk(joiner=new_joiner(agreement=foreign))
    assert "Received" not in done.names("joiner")
    assert done.failure("shower") == done.failure("joiner") == "AUTH_FAILED"


def test_an_agreement_key_of_low_order_is_refused() -> None:
    done = talk(joiner=new_joiner(agreement=keys.AgreementKey(secret=b"x" * 32, public=bytes(32))))
    assert done.failure("shower") == done.failure("joiner") == "AUTH_FAILED"


def test_parts_without_an_end_are_bounded() -> None:
    class Flooding(Joiner):
        def _say(self, message: Any) -> list[Event]:
            sent: list[Event] = []
            for number in range(messages.MAX_PAYLOAD_BYTES // messages.PART_BYTES + 4):
                nonce = number.to_bytes(keys.NONCE_BYTES, "big")
                sent.append(
                    Send(encode(Part(False, keys.seal(self._send_key, nonce, bytes(messages.PART_BYTES), b"\0"))))
                )
            return sent

    shower = new_offer().shower(VENUE)
    flooding = Flooding(PASSWORD, "7", VENUE, entropy(2), device=DEVICE, agreement=AGREEMENT, name="n", platform="p")
    done = Talk(shower, flooding).run()
    assert done.failure("shower") == "AUTH_FAILED"
    assert len(shower._inbox) == 0


@pytest.mark.parametrize("count", [600])
def test_garbage_never_raises(count: int) -> None:
    chance = random.Random(7)
    frames = [frame for _, frame in honest()]
    for _ in range(count):
        machine: Any = new_offer().shower(VENUE) if chance.random() < 0.5 else new_joiner()
        if isinstance(machine, Joiner):
            machine.start()
        frame = bytearray(chance.choice(frames)) if chance.random() < 0.7 else bytearray(chance.randbytes(40))
        for _ in range(chance.randint(1, 4)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        if frame[:7] == frames[0][:7] or frame[:8] == frames[1][:8]:
            continue  # a well-formed share costs curve arithmetic; the test above covers those
        assert isinstance(machine.receive(bytes(frame))[-1], Failed | Send | CodeVerified)


def test_after_the_end_everything_is_ignored() -> None:
    done = talk()
    for machine in (done.shower, done.joiner):
        assert machine.over
        assert machine.receive(encode(Abort("broken"))) == []
        assert machine.expire() == []
    assert done.shower.confirm(b"") == done.shower.decline() == done.shower.finish() == done.joiner.accept() == []


def test_the_end_forgets_the_password() -> None:
    done = talk(joiner=new_joiner(b"code:marble-viola"))
    for machine in (done.shower, done.joiner):
        assert machine._password == b""
        assert machine._spake is None
    assert isinstance(done.told["joiner"][-1], Failed)


def test_finished_is_said_only_after_the_other_side_acknowledged() -> None:
    def alter(side: str, number: int, frame: bytes) -> list[bytes]:
        return [] if number == 6 else [frame]  # the joiner's acknowledgement is lost

    done = talk(alter=alter)
    assert not any(isinstance(event, Joined | Finished) for event in done.told["shower"] + done.told["joiner"])


def test_what_is_handed_over_stands_in_no_printed_event() -> None:
    device = NewDevice(b"d" * 32, b"a" * 32, "laptop", "linux", False, b"secret")
    for event in (Received(b"secret"), Joined(device, b"secret"), ConfirmNeeded(device)):
        assert "secret" not in repr(event)
