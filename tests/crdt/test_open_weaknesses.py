"""What a review has found and nothing mends yet: each of these is how it should be, and is not.

A test that passes here by a change elsewhere fails, so that it is moved to where it belongs: see
docs/security-review.md.
"""

import pytest

from tests.crdt.people import Person
from tests.crdt.world import draft, invite, pass_round, settled, type_text

ANA, BEN, CARL, MALLORY = Person("Ana"), Person("Ben"), Person("Carl"), Person("Mallory")


@pytest.mark.xfail(strict=True, reason="S-11: of two versions in the draft one goes, with all that was built on it")
def test_a_forked_session_in_the_draft_takes_nothing_from_those_who_built_on_either_branch() -> None:
    ana = ANA.found()
    invite(ana, BEN, MALLORY)
    ben, left, right = (person.desk(ana.replica.thread) for person in (BEN, MALLORY, MALLORY))
    pass_round(ana, ben, left, right)
    type_text(left, lambda text: text.insert(0, "left "))
    type_text(right, lambda text: text.insert(0, "right "))
    pass_round(ana, left)
    pass_round(ben, right)
    type_text(ana, lambda text: text.insert(5, "Ana"))
    type_text(ben, lambda text: text.insert(6, "Ben"))
    pass_round(ana, ben)
    assert "Ana" in draft(settled(ana)) and "Ben" in draft(settled(ana))
