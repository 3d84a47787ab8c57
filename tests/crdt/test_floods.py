"""A member, or a thief, who sends without end: what they fill is bounded, and leaves room for everybody else."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import msgspec
import pytest

from crdt import chains, codec, errors, governance, keys, opening, record_room
from crdt.fold import fold
from crdt.frames import Outside, Sealed
from crdt.permissions import LaneKind
from crdt.records import Accept, Devices, Grant, Offer, Record, Relays, Restrict, RevokeDevice
from crdt.replica import Status
from tests.crdt.people import Desk, Person
from tests.crdt.steps import function_calls
from tests.crdt.world import at_two_devices, envelope_of, frame_of, gather, invite, pass_round, restrict

Boundless = Callable[[], AbstractContextManager[None]]
ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")


def together() -> list[Desk]:
    return gather(ANA, BEN)


def bounds(monkeypatch: pytest.MonkeyPatch, foreign: int, ended: int, records: int) -> None:
    """The same rules with other figures."""
    for module in (governance, record_room):
        monkeypatch.setattr(module, "MAX_FOREIGN", foreign)
        monkeypatch.setattr(module, "MAX_ENDED", ended)
    monkeypatch.setattr(governance, "MAX_RECORDS", records)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Boundless]:
    """Room for few records; but within the block that it gives, software knows no bounds."""

    @contextmanager
    def boundless() -> Iterator[None]:
        bounds(monkeypatch, 1_000, 1_000, 1_000)
        yield
        bounds(monkeypatch, 10, 30, 60)

    bounds(monkeypatch, 10, 30, 60)
    yield boundless


def records(desk: Desk, count: int) -> list[bytes]:
    """Governance records without end, each well-formed and signed."""
    made = [Relays((f"wss://{number}.example",)) for number in range(count)]
    return [desk.kept(desk.replica.commit_record(LaneKind.CONTROL, [each])) for each in made]


def refusals(desk: Desk, frames: list[bytes]) -> list[str]:
    return [why for frame in frames for _, why in desk.replica.receive(frame).refused]


def test_a_member_cannot_fill_the_graph_against_its_owner(small: Boundless) -> None:
    ana, ben = together()
    with small():
        flood = records(ben, 40)
    refused = refusals(ana, flood)
    assert len(refused) == 1 and "too large" in refused[0]  # the rest waits for the one that was refused
    assert ana.replica.graph.weight_without([ANA.devices["laptop"].id]) == 10
    restrict(ana, BEN)
    invite(ana, CARL)
    assert CARL.id in ana.replica.membership.members()


def test_device_log_entries_weigh_so_that_few_records_cannot_bring_them_without_end(small: Boundless) -> None:
    ana, ben = together()
    entries = tuple(BEN.entries * 20)[:40]
    with small():
        frame, another = (
            ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [Devices(each)])) for each in (entries, entries[:3])
        )
    assert not refusals(ana, [frame])
    assert refusals(ana, [another])


def test_a_stolen_device_of_the_owner_cannot_fill_the_graph_against_the_others(small: Boundless) -> None:
    owner, (laptop, thief) = at_two_devices()
    owner.revoke("phone")
    laptop.introduce(owner)
    with small():
        flood = records(thief, 80)
    assert any("too large" in why for why in refusals(laptop, flood))
    assert laptop.replica.graph.weight < 40
    laptop.kept(laptop.replica.commit_record(LaneKind.CONTROL, [Grant(BEN.id, 3, "Ben")]))
    assert BEN.id in laptop.replica.membership.members()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("whose, room", [("owner", 60), ("member", 10)])
def test_nobody_signs_a_record_for_which_there_is_no_room(whose: str, room: int) -> None:
    """It would be stored and sent, and never linked."""
    ana, ben = together()
    desk = ana if whose == "owner" else ben
    with pytest.raises(errors.OpenSeshError) as raised:
        records(desk, 100)
    assert raised.value.kind is errors.TOO_LARGE
    others = () if whose == "owner" else [ANA.devices["laptop"].id]
    assert desk.replica.graph.weight_without(others) == room
    assert len(desk.frames) == len(desk.replica.graph)


def test_records_that_wait_for_what_never_comes_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governance, "MAX_HELD", 20)
    ana, ben = together()
    lost = records(ben, 1)
    flood = records(ben, 50)
    for frame in flood:
        ana.replica.receive(frame)
    assert len(ana.replica._held) == 20
    ana.read(lost)
    assert len(ana.replica._held) == 20  # the first ones were dropped: they are fetched again
    for frame in flood:
        ana.replica.receive(frame)
    assert len(ana.replica._held) == 0 and ana.replica.has(envelope_of(ana, flood[-1]).id)


def test_held_records_are_bounded_by_their_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governance, "MAX_HELD_BYTES", 2_000)
    ana, ben = together()
    records(ben, 1)
    for frame in records(ben, 50):
        ana.replica.receive(frame)
    assert 0 < len(ana.replica._held) < 50


def test_envelopes_that_wait_for_what_never_comes_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "MAX_WAITING", 20)
    ana, ben = together()
    first = ben.say("first")
    rest = [ben.say(f"{number}") for number in range(50)]
    for frame in rest:
        ana.replica.receive(frame)
    assert ana.replica.chains.waiting == 20
    ana.read([first])
    assert ana.shown() == {"first"}
    ana.read(rest)
    assert len(ana.shown()) == 51


def test_envelopes_that_wait_are_bounded_by_their_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "MAX_WAITING_BYTES", 5_000)
    ana, ben = together()
    ben.say("first")
    for number in range(40):
        ana.replica.receive(ben.say(f"{number} " + "x" * 400))
    assert 0 < ana.replica.chains.waiting < 15


def test_records_whose_own_key_waits_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each brings keys under a key that isn't ours; only the newest of them are kept for when it comes."""
    monkeypatch.setattr(opening, "MAX_SEALED", 5)
    ana, ben = together()
    for _ in range(12):
        restrict(ana, CARL)  # a rotation each
        ben.read(ana.frames[-1:])
    restrict(ana, BEN)
    for _ in range(12):
        restrict(ana, CARL)
    for frame in ana.frames[-13:]:
        assert ben.replica.receive(frame).status in (Status.NEW, Status.UNOPENED)
    assert len(ben.replica._opening._sealed) <= 5


def test_an_envelope_that_names_as_its_predecessor_what_is_none_is_never_linked() -> None:
    ana, ben = together()
    ben.say("one")
    header = ben.replica.next_header(ben.timeline)
    skipping = frame_of(ben, msgspec.structs.replace(header, sequence=7), b"\0\0")
    pass_round(ana, ben)
    size = len(ana.replica.chains)
    ana.replica.receive(skipping)
    assert len(ana.replica.chains) == size


def test_a_record_that_does_not_follow_its_chain_is_refused() -> None:
    ana, ben = together()
    ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [Restrict(CARL.id, 0, ())]))
    pass_round(ana, ben)
    header = ben.replica._writer().record(LaneKind.IDENTITY, ben.replica.writing_epoch(), b"")
    body = codec.encode(Record((Restrict(CARL.id, 0, ()),)))
    for changed in ({"sequence": 9}, {"kind": LaneKind.CONTROL}):
        frame = frame_of(ben, msgspec.structs.replace(header, **changed), body)
        assert "not the next of its chain" in refusals(ana, [frame])[0]


def test_actions_weigh_so_that_few_records_cannot_bring_them_without_end(small: Boundless) -> None:
    ana, ben = together()
    leaving = [Restrict(BEN.id, 0, ())]
    with small():
        frame, another = (ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, leaving * count)) for count in (40, 2))
    assert not refusals(ana, [frame])
    assert refusals(ana, [another])


def test_leaving_again_and_again_costs_no_look_at_each_for_each_record() -> None:
    def calls(records: int) -> int:
        ana, ben = together()
        for _ in range(records):
            ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [Restrict(BEN.id, 0, ())] * 4))
        pass_round(ana, ben)
        return function_calls(lambda: fold(ana.replica.graph))

    calls(1)
    assert calls(40) < 3 * calls(20)


def test_ending_a_device_again_and_again_costs_no_look_at_each_for_each_of_its_records() -> None:
    ben_ = Person("Ben with a phone")
    ben_.add("phone")

    def calls(records: int) -> int:
        ana = ANA.found()
        invite(ana, ben_)
        ben, phone = ben_.desk(ana.replica.thread), ben_.desk(ana.replica.thread, "phone")
        pass_round(ana, ben, phone)
        for _ in range(records):
            phone.kept(phone.replica.commit_record(LaneKind.IDENTITY, [Restrict(ANA.id, 0, ())]))
        pass_round(ben, phone)
        revoked = Person("Ben with a phone")
        revoked.add("phone")
        revoked.revoke("phone")
        ben.introduce(revoked)
        phone_id = ben_.devices["phone"].id
        end = RevokeDevice(phone_id, ben.replica.cuts([phone_id], LaneKind))
        for _ in range(records):
            ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [end] * 4))
        return function_calls(lambda: fold(ben.replica.graph))

    calls(1)
    assert calls(40) < 3 * calls(20)


def test_a_forged_offer_is_looked_at_once_however_often_it_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = together()
    forged = [Offer(BEN.id, BEN.root.signing.sign("transfer", bytes([number])), b"", 0, b"") for number in range(8)]
    commit = ben.replica.commit_record(LaneKind.IDENTITY, forged)
    ben.kept(commit)
    assert commit.receipt.envelope
    accepting = [Accept(commit.receipt.envelope.id, ())] * 8
    for _ in range(5):
        ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, accepting))
    pass_round(ana, ben)
    looked: list[bytes] = []
    really = keys.verify

    def verify(public: bytes, *rest: object) -> bool:
        looked.append(public)
        return bool(really(public, *rest))

    monkeypatch.setattr(keys, "verify", verify)
    assert fold(ana.replica.graph).owner == ANA.id
    assert not looked


def test_a_frame_of_junk_costs_no_look_at_every_key() -> None:
    ana = ANA.found()

    def junk(number: int) -> bytes:
        sealed = (Sealed(bytes(24), number.to_bytes(48, "big")),)
        outside = codec.encode(Outside((), sealed))
        return bytes([1]) + number.to_bytes(24, "big") + len(outside).to_bytes(4, "big") + outside + bytes(80)

    def calls(keys: int) -> int:
        while len(ana.replica.keyring) < keys:
            ana.replica.keyring.learn(hashlib.sha256(bytes([len(ana.replica.keyring)])).digest())
        return function_calls(lambda: ana.replica.receive(junk(keys)))

    few, many = calls(20), calls(200)
    assert many < 2 * few


def test_witnesses_of_many_branches_cost_no_look_at_all_of_them_for_each() -> None:
    mallory = Person("Mallory with a phone")
    mallory.add("phone")

    def calls(branches: int) -> int:
        ana = ANA.found()
        invite(ana, mallory)
        laptop, phone = mallory.desk(ana.replica.thread), mallory.desk(ana.replica.thread, "phone")
        pass_round(ana, laptop, phone)
        header = laptop.replica.next_header(laptop.timeline)
        versions = [frame_of(laptop, header, b"\0\0") for _ in range(branches)]
        header = phone.replica.next_header(phone.timeline)
        witnesses = [frame_of(phone, header, b"\0\0")]
        for version in versions:
            before, seen = envelope_of(phone, witnesses[-1]), (envelope_of(laptop, version).id,)
            header = msgspec.structs.replace(header, sequence=before.header.sequence + 1, previous=before.id, seen=seen)
            witnesses.append(frame_of(phone, header, b"\0\0"))
        for frame in versions:
            ana.replica.receive(frame)
        return function_calls(lambda: received(ana, witnesses))

    calls(2)
    assert calls(40) < 3 * calls(20)


def received(desk: Desk, frames: Sequence[bytes]) -> None:
    for frame in frames:
        assert desk.replica.receive(frame).status is Status.NEW
