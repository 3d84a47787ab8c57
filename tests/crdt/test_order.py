"""The order shown: an answer stands below what it answers, and a forged date moves only its author's own words."""

from crdt import edits
from crdt.content import Message, Part
from crdt.order import AHEAD_MS, next_key
from crdt.thread import Thread
from tests.crdt.people import Desk, Person
from tests.crdt.world import invite, pass_round

ANA, BEN = Person("Ana"), Person("Ben")
NOW = 1_700_000_000_000


def say(desk: Desk, text: str, at: int, key: int) -> None:
    assert desk.replica.author
    message = Message(text, desk.replica.author.device.id, "user", at, key, "final", (Part("text", text),))
    desk.kept(desk.replica.commit(desk.timeline, lambda doc: edits.put_message(doc, message)))


def shown(desk: Desk) -> list[str]:
    return [message.id for message in Thread(desk.replica).messages()]


def test_a_key_is_the_clock_or_one_more_than_what_was_seen() -> None:
    assert next_key(NOW, []) == NOW
    assert next_key(NOW, [NOW - 5]) == NOW
    assert next_key(NOW, [NOW]) == NOW + 1
    assert next_key(NOW, [NOW + AHEAD_MS]) == NOW + AHEAD_MS + 1


def test_a_key_far_ahead_of_the_own_clock_is_not_followed() -> None:
    assert next_key(NOW, [NOW + AHEAD_MS + 1]) == NOW
    assert next_key(NOW, [NOW + 5, NOW + AHEAD_MS + 1]) == NOW + 6, "it hides no nearer one"


def test_an_answer_stands_below_although_its_clock_is_behind() -> None:
    ana = ANA.found()
    invite(ana, BEN)
    ben = BEN.desk(ana.replica.thread)
    say(ana, "question", NOW, next_key(NOW, []))
    pass_round(ana, ben)
    say(ben, "answer", NOW - 60_000, Thread(ben.replica).next_key(NOW - 60_000))
    pass_round(ana, ben)
    assert shown(ana) == shown(ben) == ["question", "answer"]


def test_a_forged_date_moves_only_its_authors_own_words() -> None:
    ana = ANA.found()
    invite(ana, BEN)
    ben = BEN.desk(ana.replica.thread)
    say(ana, "first", NOW, NOW)
    pass_round(ana, ben)
    say(ben, "from the year 5000", 95_617_584_000_000, 95_617_584_000_000)
    say(ben, "from 1970", 0, 0)
    pass_round(ana, ben)
    say(ana, "second", NOW + 1, Thread(ana.replica).next_key(NOW + 1))
    pass_round(ana, ben)
    assert shown(ana) == shown(ben) == ["from 1970", "first", "second", "from the year 5000"]
