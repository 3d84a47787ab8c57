"""What the second part of a review has found and nothing mends yet: each of these is how it should be, and is not.

A test that passes here by a change elsewhere fails, so that it is moved to where it belongs: see
docs/security-review.md.
"""

import pytest

from crdt.heartbeat import Marks, Watch
from crdt.presence import CLOCK_SLACK_MS
from tests.crdt.test_heartbeat import says
from tests.crdt.test_presence import NOW, ears, epoch, together, voice

LATE = NOW + CLOCK_SLACK_MS - 1_000


@pytest.mark.xfail(strict=True, reason="T-12: a heartbeat counts as of when it is heard, not of when it was said")
def test_a_heartbeat_that_a_relay_held_back_says_nothing_of_the_time_since() -> None:
    ana, _, carl = together()
    said = ears(carl).take(voice(ana).say(epoch(ana.replica), "heartbeat", says(ana), NOW), LATE)
    assert said is not None
    watching = Watch(carl.replica.thread, Marks())
    watching.hear(said.device, said.payload, carl.replica, LATE)
    assert watching.marks.as_of <= NOW
