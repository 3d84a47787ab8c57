"""Warnings about a relay that withholds or rolls back: only of what is proven, and not before it had time to come."""

import os
import random

import msgspec
import pytest

from crdt import codec, heartbeat
from crdt.envelope import Envelope
from crdt.errors import PeerFault
from crdt.governance import Node
from crdt.heartbeat import MAX_CLAIMS, MAX_OWN, PATIENCE_MS, Heartbeat, Marks, Proof, Warning, Watch, beat
from crdt.ids import DeviceId, EnvelopeId
from crdt.permissions import LaneKind
from crdt.presence import MAX_PAYLOAD_BYTES
from crdt.replica import Replica
from tests.crdt.people import Desk, Person
from tests.crdt.world import envelope_of, gather, invite, pass_round, restrict

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")
ANA.add("phone")
NOW = 1_700_000_000_000
LATER = NOW + PATIENCE_MS


def together() -> list[Desk]:
    return gather(ANA, BEN, CARL)


def device(desk: Desk) -> DeviceId:
    assert desk.replica.author
    return desk.replica.author.device.id


def found(desk: Desk, node: Node) -> Envelope | None:
    """A record in what the desk has stored."""
    for frame in desk.frames:
        envelope = envelope_of(desk, frame)
        if envelope.id == node.id:
            return envelope
    return None


def says(desk: Desk) -> bytes:
    return beat(desk.replica, device(desk), lambda node: found(desk, node))


def watch(desk: Desk, marks: Marks | None = None) -> Watch:
    return Watch(desk.replica.thread, marks or Marks())


def hear(watching: Watch, at: Desk, source: Desk, payload: bytes | None = None, now_ms: int = NOW) -> bool:
    return watching.hear(device(source), says(source) if payload is None else payload, at.replica, now_ms)


def whys(watching: Watch, desk: Desk, now_ms: int = LATER) -> list[tuple[str, DeviceId | None]]:
    return [(each.why, each.device) for each in watching.warnings(desk.replica, now_ms)]


# ---- what it is for


def test_nothing_is_said_where_nothing_is_missing_and_it_is_known_as_of_when() -> None:
    ana, ben, carl = together()
    ben.say("hello")
    pass_round(ana, ben, carl)
    watching = watch(carl)
    assert hear(watching, carl, ben, now_ms=NOW)
    assert watching.marks.as_of == 0, "only the owner's devices know all of the membership"
    assert hear(watching, carl, ana, now_ms=NOW + 5)
    assert watching.marks.as_of == NOW + 5
    assert whys(watching, carl, NOW + 10 * PATIENCE_MS) == []


def test_a_removal_that_the_relay_withholds_is_warned_of_after_a_minute_and_no_more_once_it_came() -> None:
    ana, _, carl = together()
    removal = restrict(ana, BEN)
    watching = watch(carl)
    hear(watching, carl, ana)
    hear(watching, carl, ana, now_ms=NOW + 20_000)
    assert whys(watching, carl, LATER - 1) == []
    assert watching.warnings(carl.replica, LATER) == [Warning("control withheld", None, NOW)]
    assert watching.marks.as_of == 0, "what is known to be missing is not known as of now"
    carl.read([removal])
    assert whys(watching, carl) == []
    hear(watching, carl, ana, now_ms=LATER)
    assert watching.marks.as_of == LATER


def test_any_member_can_pass_on_the_proof_that_the_owner_signed() -> None:
    ana, ben, carl = together()
    dora = Person("Dora")
    invite(ana, dora)
    pass_round(ana, ben)
    watching = watch(carl)
    hear(watching, carl, ben)
    assert ("control withheld", None) in whys(watching, carl)


def test_work_that_the_relay_withholds_is_warned_of_by_its_authors_word_alone() -> None:
    ana, ben, carl = together()
    ben.say("withheld from Carl")
    pass_round(ana, ben)
    watching = watch(carl)
    hear(watching, carl, ana)
    assert whys(watching, carl) == [], "others say nothing of Ben's work"
    hear(watching, carl, ben)
    assert whys(watching, carl) == [("work withheld", device(ben))]


def test_an_author_who_goes_on_writing_does_not_put_the_warning_off() -> None:
    _, ben, carl = together()
    watching = watch(carl)
    for second in range(0, PATIENCE_MS, 10_000):
        ben.say(f"m{second}")
        hear(watching, carl, ben, now_ms=NOW + second)
    assert [each.since for each in watching.warnings(carl.replica, LATER)] == [NOW]


def test_a_device_that_speaks_of_less_than_before_was_rolled_back_also_if_we_started_again_meanwhile() -> None:
    ana, ben, carl = together()
    before = says(ben)
    invite(ana, Person("Dora"))
    pass_round(ana, ben, carl)
    watching = watch(carl)
    assert hear(watching, carl, ben)
    again = watch(carl, msgspec.msgpack.decode(msgspec.msgpack.encode(watching.marks), type=Marks))
    assert not hear(again, carl, ben, before)
    assert whys(again, carl, LATER - 1) == []
    assert whys(again, carl) == [("rolled back", device(ben))]
    hear(again, carl, ben, now_ms=LATER)
    assert whys(again, carl, LATER + PATIENCE_MS) == []


def test_a_device_that_was_put_back_itself_says_so_until_it_has_caught_up() -> None:
    ana, ben, carl = together()
    old = list(carl.frames)
    invite(ana, Person("Dora"))
    pass_round(ana, ben, carl)
    watching = watch(carl)
    hear(watching, carl, ben)
    put_back = CARL.desk(carl.replica.thread, session=1)
    put_back.read(old)
    again = watch(put_back, watching.marks)
    assert whys(again, put_back, NOW) == []
    assert whys(again, put_back) == [("control withheld", None)]
    pass_round(ana, put_back)
    assert whys(again, put_back) == []


def test_a_minute_is_how_long_the_relay_has() -> None:
    ana, _, carl = together()
    restrict(ana, BEN)
    watching = watch(carl)
    hear(watching, carl, ana)
    assert whys(watching, carl, NOW + 59_999) == []
    assert whys(watching, carl, NOW + 60_000) == [("control withheld", None)]


def test_a_device_that_goes_on_speaking_of_less_does_not_put_the_warning_off() -> None:
    ana, ben, carl = together()
    before = says(ben)
    invite(ana, Person("Dora"))
    pass_round(ana, ben, carl)
    watching = watch(carl)
    hear(watching, carl, ben)
    for second in range(0, PATIENCE_MS, 10_000):
        hear(watching, carl, ben, before, now_ms=NOW + second)
    assert watching.warnings(carl.replica, LATER) == [Warning("rolled back", device(ben), NOW)]


def test_the_membership_is_known_as_of_no_beat_while_a_proven_record_is_missing() -> None:
    """Not even of the owner's own device, should the relay have put that one back."""
    ana, ben, carl = together()
    before = says(ana)
    restrict(ana, Person("Dora"))
    pass_round(ana, ben)
    watching = watch(carl)
    hear(watching, carl, ben)
    hear(watching, carl, ana, before, now_ms=NOW + 5)
    assert watching.marks.as_of == 0


# ---- what others try


def test_of_so_many_devices_at_most_a_mark_is_kept_the_latest_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, carl = together()
    monkeypatch.setattr(heartbeat, "MAX_MARKED", 1)
    watching = watch(carl)
    hear(watching, carl, ana)
    hear(watching, carl, ben)
    assert list(watching.marks.heads) == [device(ben)]


def test_who_speaks_of_something_else_instead_is_not_said_to_be_rolled_back() -> None:
    """A beat names a few heads of many, so that alone proves nothing."""
    ana, ben, carl = together()
    phone = ANA.desk(ana.replica.thread, "phone")
    pass_round(ana, phone)
    one, other = [
        envelope_of(desk, desk.introduce(person)).id for desk, person in ((ana, Person("Dora")), (phone, Person("Eve")))
    ]
    pass_round(ana, phone, ben, carl)
    watching = watch(carl)
    assert hear(watching, carl, ben, lying(ben, heads=(one,)))
    assert hear(watching, carl, ben, lying(ben, heads=(other,)))
    assert whys(watching, carl) == []


def test_proofs_that_do_not_fit_beside_each_other_are_left_out() -> None:
    ana, ben, _ = together()
    phone = ANA.desk(ana.replica.thread, "phone")
    pass_round(ana, phone)
    ana.introduce(Person("Dora"))
    phone.introduce(Person("Eve"))
    invite(ana, Person("Dora"))
    invite(phone, Person("Eve"))
    pass_round(ana, phone, ben)
    real = found(ana, heartbeat.newest_control(ana.replica)[0])
    assert real is not None and len(heartbeat.newest_control(ana.replica)) == 2
    long = msgspec.structs.replace(real.header, seen=tuple(os.urandom(32) for _ in range(40)))
    envelope = Envelope(EnvelopeId(real.id), long, codec.encode(long), real.signature, real.body)
    made = beat(ana.replica, device(ana), lambda node: envelope)
    assert len(made) <= MAX_PAYLOAD_BYTES and len(heartbeat.decode_heartbeat(made).proofs) == 1


def lying(desk: Desk, **changes: object) -> bytes:
    made: Heartbeat = heartbeat.decode_heartbeat(says(desk))
    return codec.encode(msgspec.structs.replace(made, **changes))


def test_a_member_who_names_records_that_nobody_signed_makes_no_warning_of_the_owners() -> None:
    _, ben, carl = together()
    watching = watch(carl)
    hear(watching, carl, ben, lying(ben, heads=tuple(os.urandom(32) for _ in range(8))))
    assert whys(watching, carl) == []


@pytest.mark.parametrize("how", ["own header", "broken signature", "another thread", "not control", "revoked device"])
def test_a_proof_that_proves_nothing_is_passed_over(how: str) -> None:
    ana, ben, carl = together()
    real = found(ana, heartbeat.newest_control(ana.replica)[0])
    assert real is not None
    header, signing = msgspec.structs.replace(real.header, sequence=99), ANA.devices["laptop"].signing
    match how:
        case "own header":
            header, signing = msgspec.structs.replace(header, device=device(ben)), BEN.devices["laptop"].signing
        case "broken signature":
            signing = BEN.devices["laptop"].signing
        case "another thread":
            header = msgspec.structs.replace(header, thread=bytes(32))
        case "not control":
            header = msgspec.structs.replace(header, kind=int(LaneKind.IDENTITY))
        case "revoked device":
            owner = Person("Ana")
            owner.add("phone")
            owner.revoke("phone")
            ana.introduce(owner)
            pass_round(ana, carl)
            phone = owner.devices["phone"]
            header, signing = msgspec.structs.replace(header, device=phone.id), phone.signing
    data = codec.encode(header)
    watching = watch(carl)
    hear(watching, carl, ben, lying(ben, proofs=(Proof(data, signing.sign("envelope", data)),)))
    assert whys(watching, carl) == []
    good = codec.encode(msgspec.structs.replace(real.header, sequence=99))
    signed = Proof(good, ANA.devices["laptop"].signing.sign("envelope", good))
    hear(watching, carl, ben, lying(ben, proofs=(signed,)))
    assert whys(watching, carl) == [("control withheld", None)], "the same, properly signed, does"


def test_a_member_who_claims_without_end_what_there_is_not_is_warned_of_by_name_in_bounded_memory() -> None:
    ana, ben, carl = together()
    watching = watch(carl)
    for _ in range(1_000):
        own = tuple(os.urandom(32) for _ in range(MAX_OWN))
        hear(watching, carl, ben, lying(ben, own=own))
    assert whys(watching, carl) == [("work withheld", device(ben))]
    assert len(watching._claims[device(ben)]) == MAX_CLAIMS
    restrict(ana, BEN)
    pass_round(ana, carl)
    assert whys(watching, carl) == [] and not watching._claims, "what somebody wrote who was put out, nobody misses"


def test_ten_thousand_malformed_heartbeats_are_refused_by_name() -> None:
    ana, _, carl = together()
    watching, source, good = watch(carl), random.Random(3), says(ana)
    for number in range(10_000):
        bad = bytearray(good if number % 2 else source.randbytes(source.randrange(3_000)))
        for _ in range(number % 2):
            bad[source.randrange(len(bad))] ^= 1 << source.randrange(8)
        try:
            hear(watching, carl, ana, bytes(bad))
        except PeerFault as fault:
            assert fault.reason == "bad heartbeat"
    assert all(why == "work withheld" or who is None for why, who in whys(watching, carl))
    assert sum(map(len, watching._claims.values())) <= MAX_CLAIMS


def test_a_heartbeat_fits_into_a_message_however_long_the_headers_that_it_could_prove_with() -> None:
    ana, _, _ = together()
    real = found(ana, heartbeat.newest_control(ana.replica)[0])
    assert real is not None
    long = msgspec.structs.replace(real.header, seen=tuple(os.urandom(32) for _ in range(64)))
    envelope = Envelope(EnvelopeId(real.id), long, codec.encode(long), real.signature, real.body)
    made = beat(ana.replica, device(ana), lambda node: envelope)
    assert len(made) <= MAX_PAYLOAD_BYTES and len(heartbeat.decode_heartbeat(made).proofs) <= 1
    assert heartbeat.decode_heartbeat(beat(ana.replica, device(ana), lambda node: None)).proofs == ()
    assert beat(Replica(ana.replica.thread, []), device(ana), lambda node: None)
