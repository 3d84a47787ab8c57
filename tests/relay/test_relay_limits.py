"""The relay's arithmetic of limits, on a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from relay.limits import Bucket, Buckets, Census, Limits, milliseconds


def test_a_full_bucket_grants_its_burst_at_once_and_then_makes_wait() -> None:
    bucket = Bucket.full(rate=10, burst=5, now=0)
    assert [bucket.take(1, 0) for _ in range(5)] == [0] * 5
    assert bucket.take(1, 0) == 0.1
    assert bucket.take(1, 0.1) == 0


def test_a_batch_larger_than_the_bucket_is_granted_once_and_paid_off_afterwards() -> None:
    bucket = Bucket.full(rate=10, burst=5, now=0)
    assert bucket.take(25, 0) == 0
    assert bucket.take(1, 0) > 2
    assert bucket.take(1, 2.11) == 0


def test_a_clock_that_steps_back_grants_nothing() -> None:
    bucket = Bucket.full(rate=1, burst=1, now=100)
    assert bucket.take(1, 100) == 0
    assert bucket.take(1, 50) == 1
    assert bucket.take(1, 50.5) == 0.5


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 8)), max_size=60))
def test_no_sequence_of_requests_gets_more_than_burst_plus_rate_times_time(steps: list[tuple[float, int]]) -> None:
    bucket, now, granted, largest = Bucket.full(rate=4, burst=8, now=0), 0.0, 0, 0
    for pause_s, count in steps:
        now += pause_s
        if not bucket.take(count, now):
            granted += count
            largest = max(largest, count)
    assert granted <= 8 + 4 * now + 1e-6


def test_each_address_has_a_bucket_and_full_ones_are_forgotten() -> None:
    buckets = Buckets(rate=1, burst=1)
    assert buckets.take("a", 0) == 0
    assert buckets.take("a", 0) == 1
    assert buckets.take("b", 0.5) == 0
    buckets.forget_full(1.2)
    assert len(buckets) == 1
    assert buckets.take("b", 1.2) > 0


def test_more_addresses_at_once_than_there_is_room_for_must_wait() -> None:
    buckets = Buckets(rate=2, burst=1, capacity=1)
    assert buckets.take("a", 0) == 0
    assert buckets.take("b", 0) == 0.5
    assert len(buckets) == 1


def test_the_census_bounds_one_address_and_all_together() -> None:
    census = Census(Limits(connections=3, connections_per_address=2))
    assert [census.enter("a"), census.enter("a"), census.enter("a")] == [True, True, False]
    assert census.enter("b")
    assert not census.enter("c")
    census.leave("a")
    census.leave("a")
    assert (census.total, census.by_address) == (1, {"b": 1})


def test_a_wait_is_rounded_up_to_milliseconds() -> None:
    assert milliseconds(0.0001) == 1
