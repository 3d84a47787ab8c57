"""Who runs a thread: the rules L1 to L4, asked by devices that know different things at different times."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.agent.lease import LAPSE_AFTER_MS, Lease, QueueTo, RunHere, View, decide, holder, lapses_at_ms, must_stop

LAPTOP, DESKTOP, GUEST = b"laptop", b"desktop", b"a-guest"
OWNERS = frozenset([LAPTOP, DESKTOP])
NOW = 10_000_000


def view(me: bytes, *leases: Lease, heard: dict[bytes, int] | None = None, since: int = 0, now: int = NOW) -> View:
    return View(me, leases, OWNERS, heard or {}, since, now)


def test_the_first_to_ask_takes_the_first_lease() -> None:
    assert decide(view(LAPTOP)) == RunHere(Lease(1, LAPTOP, None, NOW), new=True)


def test_the_holder_goes_on_under_its_lease() -> None:
    mine = Lease(3, LAPTOP)
    assert decide(view(LAPTOP, Lease(2, DESKTOP), mine)) == RunHere(mine, new=False)
    assert decide(view(LAPTOP, mine), take_over=True) == RunHere(mine, new=False), "nothing to take over"


def test_what_another_device_runs_is_queued_to_it() -> None:
    decision = decide(view(LAPTOP, Lease(1, DESKTOP), heard={DESKTOP: NOW - 1_000}))
    assert decision == QueueTo(DESKTOP, NOW - 1_000 + LAPSE_AFTER_MS)


def test_a_take_over_writes_a_higher_number_and_names_who_lost_it() -> None:
    decision = decide(view(LAPTOP, Lease(4, DESKTOP), heard={DESKTOP: NOW}), take_over=True)
    assert decision == RunHere(Lease(5, LAPTOP, DESKTOP, NOW), new=True, took_from=DESKTOP, lapsed=False)


@pytest.mark.parametrize(("silent_ms", "lapsed"), [(LAPSE_AFTER_MS - 1, False), (LAPSE_AFTER_MS, True)])
def test_a_lease_lapses_after_exactly_a_minute_of_silence(silent_ms: int, lapsed: bool) -> None:
    decision = decide(view(LAPTOP, Lease(1, DESKTOP), heard={DESKTOP: NOW - silent_ms}))
    if lapsed:
        assert decision == RunHere(Lease(2, LAPTOP, DESKTOP, NOW), new=True, took_from=DESKTOP, lapsed=True)
    else:
        assert isinstance(decision, QueueTo)


def test_a_device_that_was_just_switched_on_listens_first_before_it_calls_another_silent() -> None:
    just_on = view(LAPTOP, Lease(1, DESKTOP), since=NOW - 5)
    assert decide(just_on) == QueueTo(DESKTOP, NOW - 5 + LAPSE_AFTER_MS)
    long_ago = view(LAPTOP, Lease(1, DESKTOP), heard={DESKTOP: 1}, since=NOW - 5)
    assert isinstance(decide(long_ago), QueueTo), "what was heard before we listened does not count against it"


def test_a_take_over_of_a_lapsed_lease_is_still_a_take_over() -> None:
    decision = decide(view(LAPTOP, Lease(1, DESKTOP)), take_over=True)
    assert isinstance(decision, RunHere) and not decision.lapsed and decision.took_from == DESKTOP


def test_a_clock_that_was_set_back_can_delay_a_lapse_by_no_more_than_the_usual_time() -> None:
    from_the_future = view(LAPTOP, Lease(1, DESKTOP), heard={DESKTOP: NOW + 10**9})
    assert lapses_at_ms(from_the_future, Lease(1, DESKTOP)) == NOW + LAPSE_AFTER_MS


@pytest.mark.parametrize("skew_ms", [-(10**10), 0, 10**10])
def test_the_clock_of_another_device_decides_nothing(skew_ms: int) -> None:
    theirs = Lease(7, DESKTOP, None, NOW + skew_ms)
    assert decide(view(LAPTOP, theirs, heard={DESKTOP: NOW})) == QueueTo(DESKTOP, NOW + LAPSE_AFTER_MS)
    assert isinstance(decide(view(LAPTOP, theirs, heard={DESKTOP: NOW - LAPSE_AFTER_MS})), RunHere)


def test_two_devices_that_take_over_at_once_agree_on_one_holder_as_soon_as_they_hear_of_each_other() -> None:
    """Their clocks are a year apart, and neither number nor time tells them apart."""
    before = Lease(1, GUEST)
    taken = []
    for me, now in ((LAPTOP, NOW), (DESKTOP, NOW + 365 * 86_400_000)):
        decision = decide(View(me, (before,), OWNERS, {}, 0, now), take_over=True)
        assert isinstance(decision, RunHere)
        taken.append(decision.lease)
    assert [lease.number for lease in taken] == [2, 2]
    views = [view(LAPTOP, before, *taken), view(DESKTOP, *reversed(taken), before)]
    assert [holder(each.leases, OWNERS) for each in views] == [taken[1], taken[1]], "the lower id"
    assert [must_stop(each, 2) for each in views] == [True, False]


def test_an_owners_device_beats_an_editors_at_the_same_number() -> None:
    assert GUEST < LAPTOP
    assert holder([Lease(2, GUEST), Lease(2, LAPTOP)], OWNERS) == Lease(2, LAPTOP)
    assert holder([Lease(3, GUEST), Lease(2, LAPTOP)], OWNERS) == Lease(3, GUEST), "a number beats a role"


def test_nobody_holds_a_thread_without_leases() -> None:
    assert holder([], OWNERS) is None


def test_work_under_a_lease_that_was_lost_or_replaced_must_stop() -> None:
    mine, theirs = Lease(1, LAPTOP), Lease(2, DESKTOP)
    assert not must_stop(view(LAPTOP, mine), 1)
    assert must_stop(view(LAPTOP, mine, theirs), 1)
    assert must_stop(view(LAPTOP, mine, theirs, Lease(3, LAPTOP)), 1), "taken back is a new lease: the old work is void"
    assert not must_stop(view(LAPTOP, mine, theirs, Lease(3, LAPTOP)), 3)
    assert must_stop(view(LAPTOP), 1)


_leases = st.lists(st.builds(Lease, st.integers(1, 3), st.sampled_from([LAPTOP, DESKTOP, GUEST])), max_size=5)


@given(_leases)
def test_devices_that_know_the_same_leases_agree_in_whatever_order_they_learned_them(leases: list[Lease]) -> None:
    found = {holder(order, OWNERS) for order in permutations(leases)}
    assert len(found) == 1


@given(_leases, st.integers(0, 2 * LAPSE_AFTER_MS), st.booleans())
def test_whoever_decides_to_run_then_holds_the_thread(leases: list[Lease], silent_ms: int, take_over: bool) -> None:
    known = view(LAPTOP, *leases, heard={DESKTOP: NOW - silent_ms, GUEST: NOW - silent_ms})
    decision = decide(known, take_over=take_over)
    if isinstance(decision, RunHere):
        after = view(LAPTOP, *leases, decision.lease)
        assert holder(after.leases, OWNERS) == decision.lease
        assert not must_stop(after, decision.lease.number)
    else:
        assert decision.device != LAPTOP and not take_over
