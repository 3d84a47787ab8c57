"""Content by holders of a key without a right: what is kept of it is bounded, and what counts is none the worse."""

import msgspec
import pytest

from crdt import budget
from crdt.permissions import Role
from crdt.records import Restrict
from crdt.replica import Replica, Status
from tests.crdt import test_random_histories as random_histories
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    at_two_devices,
    draft,
    envelope_of,
    forged,
    gather,
    invite,
    pass_round,
    rebuilt,
    restrict,
    settle,
    shuffled,
    state,
    type_text,
)

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")
ROOM = 8


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for few envelopes, so that everything happens early."""
    monkeypatch.setattr(budget, "MAX_IDLE", ROOM)


def together() -> list[Desk]:
    return gather(ANA, BEN, CARL)


def size(desk: Desk) -> int:
    return len(desk.replica.chains)


def aside(replica: Replica) -> int:
    return len(replica._content.budget)


def settled_anyhow(desk: Desk) -> Replica:
    return rebuilt(desk.replica, desk.frames)


def assert_all_orders_agree(desk: Desk) -> None:
    expected = state(settled_anyhow(desk))
    for seed in range(6):
        order = shuffled(desk.frames, seed)
        replica = Replica(desk.replica.thread, desk.replica.own_keys)
        for frame in order:
            replica.receive(frame)
        assert state(rebuilt(replica, order) if replica.stale else replica) == expected


def test_a_removed_editor_who_writes_without_end_fills_a_small_part_of_memory() -> None:
    ana, ben, _ = together()
    ben.say("kept")
    pass_round(ana, ben)
    restrict(ana, BEN)
    before = size(ana)
    flood = [ben.say(f"{number}") for number in range(5 * ROOM)]
    assert all(ana.replica.receive(frame).status is Status.NEW for frame in flood)  # to be stored, as ever
    assert size(ana) == before + ROOM and aside(ana.replica) == 4 * ROOM
    assert not ana.replica.stale and ana.shown() == {"kept"}


def test_a_flood_in_ever_new_sessions_is_bounded_the_same() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    before = size(ana)
    for session in range(1, 4 * ROOM):
        fresh = BEN.desk(ana.replica.thread, session=session)
        fresh.read(ben.frames)
        ana.read([fresh.say(f"{session}")])
    assert size(ana) == before + ROOM


def test_bytes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_IDLE_BYTES", 5_000)
    monkeypatch.setattr(budget, "MAX_IDLE", 1_000)
    ana, ben, _ = together()
    restrict(ana, BEN)
    before = size(ana)
    for number in range(20):
        ana.read([ben.say(f"{number} " + "x" * 1_000)])
    assert 2 <= size(ana) - before <= 4


def test_devices_without_end_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a content key can make up any number of devices; none of them is anybody's."""
    monkeypatch.setattr(budget, "MAX_IDLE_ALL", 3 * ROOM)
    ana, ben, _ = together()
    before = size(ana)
    for number in range(6 * ROOM):
        nobody = Person(f"nobody {number}").desk(ana.replica.thread)
        for epoch in ben.replica.keyring:
            nobody.replica.learn_key(epoch.key)
        nobody.read(ben.frames)
        ana.read([forged(nobody, nobody.timeline, b"\0\0")])
    assert size(ana) == before + 3 * ROOM and not ana.replica.stale


def test_whoever_writes_before_their_grant_comes_is_read_again_with_it() -> None:
    """The relay gives out content before the record that gives the right: more of it than there is room for."""
    ana, _, _ = together()
    dora_ = Person("Dora")
    grant = invite(ana, dora_)
    dora = dora_.desk(ana.replica.thread)
    dora.read(ana.frames)
    words = [dora.say(f"{number}") for number in range(3 * ROOM)]
    reader = Replica(ana.replica.thread, [ANA.identity_key])
    for frame in [*(f for f in ana.frames if f != grant), *words]:
        reader.receive(frame)
    for epoch in dora.replica.keyring:
        reader.learn_key(epoch.key)
    assert aside(reader) > 0
    reader.receive(grant)
    assert reader.stale
    assert len(Desk(rebuilt(reader, dora.frames)).shown()) == 3 * ROOM


def test_a_cut_whose_tip_comes_last_loses_nothing() -> None:
    ana, ben, _ = together()
    words = [ben.say(f"{number}") for number in range(3 * ROOM)]
    pass_round(ana, ben)
    restrict(ana, BEN)
    reader = Replica(ana.replica.thread, [ANA.identity_key])
    records = [frame for frame in ana.frames if frame not in words]
    for frame in [*records, *words[:-1]]:
        reader.receive(frame)
    assert aside(reader) > 0 and not reader.stale
    reader.receive(words[-1])
    assert reader.stale
    assert len(Desk(rebuilt(reader, ana.frames)).shown()) == 3 * ROOM
    assert_all_orders_agree(ana)


def test_what_was_set_aside_is_carried_when_somebody_turns_out_to_have_built_on_it() -> None:
    ana, ben, carl = together()
    for number in range(2 * ROOM):
        ben.say(f"idle {number}")
    type_text(ben, lambda text: text.insert(0, "beer"))
    carl.read(ben.frames[-1:])
    type_text(carl, lambda text: text.insert(4, " and wine"))
    restrict(ana, BEN)
    ana.read(ben.frames[-2 * ROOM - 1 :])
    assert aside(ana.replica) > 0 and draft(ana.replica) == ""
    ana.read(carl.frames[-1:])
    assert ana.replica.stale
    assert draft(settled_anyhow(ana)) == "beer and wine"
    assert_all_orders_agree(ana)


def test_what_follows_something_set_aside_is_not_passed_over_if_somebody_waits_for_it() -> None:
    """It can't be linked, for what it follows is gone: all is read again."""
    ana, ben, carl = together()
    first = type_text(ben, lambda text: text.insert(0, "beer"))
    second = type_text(ben, lambda text: text.insert(4, " again"))
    carl.read([first, second])
    type_text(carl, lambda text: text.insert(10, " and wine"))
    idle = [ben.say(f"idle {number}") for number in range(ROOM)]
    restrict(ana, BEN)
    ana.read([*idle, first])
    assert aside(ana.replica) == 1
    ana.read(carl.frames[-1:])
    assert not ana.replica.stale  # what it names may not exist
    ana.read([second])
    assert ana.replica.stale
    assert draft(settled_anyhow(ana)) == "beer again and wine"
    assert_all_orders_agree(ana)


def test_what_a_higher_cut_names_is_not_set_aside_for_it_tells_what_that_cut_leaves() -> None:
    """One owner's device has removed Ben before what another names as his last; both are asked."""
    _, (laptop, phone, ben) = at_two_devices(BEN)
    kept = ben.say("kept")
    pass_round(laptop, phone, ben)
    restrict(laptop, BEN)
    late = [ben.say(f"{number}") for number in range(3 * ROOM)]
    phone.read(late)
    restrict(phone, BEN)
    laptop.read(late[:-1])
    assert aside(laptop.replica) > 0
    pass_round(laptop, phone)
    assert Desk(settled_anyhow(laptop)).shown() == {"kept"} and kept in laptop.frames
    assert_all_orders_agree(laptop)


def test_what_was_set_aside_stays_when_a_settlement_names_it() -> None:
    _, (laptop, phone, ben, carl) = at_two_devices(BEN, CARL)
    for number in range(2 * ROOM):
        ben.say(f"idle {number}")
    type_text(ben, lambda text: text.insert(0, "beer"))
    carl.read(ben.frames[-1:])
    type_text(carl, lambda text: text.insert(4, " and wine"))
    phone.read([restrict(laptop, BEN)])
    phone.read([ben.frames[-1], carl.frames[-1]])
    assert not phone.replica.stale
    settlement = settle(phone)
    laptop.read(ben.frames[-2 * ROOM - 1 :])
    assert aside(laptop.replica) > 0
    laptop.read([settlement])
    assert laptop.replica.stale
    laptop.read(carl.frames[-1:])
    assert draft(settled_anyhow(laptop)) == "beer and wine"
    assert_all_orders_agree(laptop)


def test_a_second_branch_that_a_cut_takes_away_decides_nothing_and_may_be_set_aside() -> None:
    ana, ben, _ = together()
    ben.say("common")
    twin = BEN.desk(ana.replica.thread)
    twin.read(ben.frames)
    ben.say("left")
    pass_round(ana, ben)
    restrict(ana, BEN)
    ana.read([ben.say(f"idle {number}") for number in range(2 * ROOM)])
    assert aside(ana.replica) > 0
    ana.read([twin.say("right")])
    assert not ana.replica.stale
    assert ana.shown() == {"common", "left"}
    assert_all_orders_agree(ana)


def test_everything_read_at_once_leaves_no_more_behind() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    before = size(ana)
    for number in range(5 * ROOM):
        ben.say(f"{number}")
    pass_round(ana, ben)
    replica = rebuilt(ana.replica, ana.frames)
    assert len(replica.chains) <= before + ROOM and aside(replica) >= 4 * ROOM


def test_the_own_cut_off_work_is_never_set_aside() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    for number in range(3 * ROOM):
        ben.say(f"{number}")
    pass_round(ana, ben)
    again = BEN.desk(ana.replica.thread, session=1)
    with again.replica.loading():
        again.read(ben.frames)
    assert len(again.replica.left_out()) == 3 * ROOM


def test_the_own_cut_off_work_is_not_set_aside_either_when_it_comes_back_from_others_bit_by_bit() -> None:
    ana, ben, _ = together()
    restrict(ana, BEN)
    for number in range(3 * ROOM):
        ben.say(f"{number}")
    again = BEN.desk(ana.replica.thread, session=1)
    again.read(ana.frames)
    again.read([frame for frame in ben.frames if frame not in ana.frames])
    assert aside(again.replica) == 0 and len(again.replica.left_out()) == 3 * ROOM


def test_the_bytes_of_devices_without_end_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_IDLE_ALL_BYTES", 3_000)
    ana, ben, _ = together()
    before = size(ana)
    for number in range(10):
        nobody = Person(f"nobody {number}").desk(ana.replica.thread)
        for epoch in ben.replica.keyring:
            nobody.replica.learn_key(epoch.key)
        nobody.read(ben.frames)
        ana.read([forged(nobody, nobody.timeline, bytes(1_000))])
    assert size(ana) == before + 3 and not ana.replica.stale


def test_leaving_again_and_again_makes_nobody_read_everything_again() -> None:
    """Only what gives a right does. The flooder's own records give none."""
    ana, ben, _ = together()
    restrict(ana, BEN)
    ana.read([forged(ben, ben.timeline, b"\0\0", session=bytes([n]) * 16) for n in range(2 * ROOM)])
    pass_round(ana, ben)
    assert aside(ana.replica) > 0
    for _ in range(3):
        record = ben.replica._commit_record(1, [Restrict(BEN.id, Role.NONE, ())], next(iter(ben.replica.keyring)), b"")
        ana.read([ben.kept(record)])
    assert not ana.replica.stale


def test_names_given_by_somebody_without_a_right_make_nobody_read_everything_again() -> None:
    ana, ben, carl = together()
    restrict(ana, BEN)
    restrict(ana, CARL)
    flood = [ben.say(f"{number}") for number in range(2 * ROOM)]
    for frame in flood:
        ana.read([frame])
    aside_id = envelope_of(ana, flood[-1]).id
    carl.read(flood[-1:])
    header = carl.replica.next_header(SHARED)
    named = msgspec.structs.replace(header, seen=(aside_id,))
    ana.read([forged(carl, SHARED, b"\0\0", seen=named.seen)])
    assert not ana.replica.stale


@pytest.mark.parametrize("seed", range(20, 28))
@pytest.mark.parametrize("room", [0, 2])
def test_however_small_the_room_the_same_frames_are_the_same_thread(
    seed: int, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MAX_IDLE", room)
    random_histories.compare(seed, steps=60, orders=3)
