"""What the screen tells the others: which thread it looks at, which message, where in the draft, and that it leaves."""

import pytest

from client.api.node import Node
from client.screen.looking import AWAY_S, Look, Looking
from client.screen.people import gathered
from client.screen.state import State
from tests.client.screen.live_node import LiveNode
from tests.client.screen.seat import seated
from tests.client.screen.team import member, present
from tests.client.screen.told import conversation, message
from tests.waiting import until

CONTROL = {"driver": {"identity": "id-Me", "name": "Me", "me": True}, "requests": []}


def looks(node: LiveNode) -> list[dict[str, object]]:
    """All that was told, oldest first."""
    return [call.parameters for call in node.calls if call.operation == "presence.set"]


def told(thread: str, **more: object) -> dict[str, object]:
    """What `presence.set` is given."""
    return {"thread": thread, "state": "active", "place": None, "id": None, "cursor": None, "writing": False, **more}


async def test_the_thread_the_message_and_the_place_in_the_draft_are_told(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first", "second")
    node.team.members.append(member("Ben"))
    async with seated(client) as seat:
        await seat.shows("2 members")
        await until(lambda: told("t1") in looks(node))
        seat.press("Alt-c", "Up")
        await until(lambda: told("t1", place="message", id="t1-0") in looks(node))
        seat.press("Esc", "Alt-d")
        await seat.shows("draft› ")
        seat.type("abc")
        await until(lambda: told("t1", place="draft", cursor=3, writing=True) in looks(node))


async def test_another_thread_and_the_end_are_told_to_those_who_stay(client: Node, node: LiveNode) -> None:
    node.begin("t1", "First", "one")
    node.begin("t2", "Second", "two")
    node.team.members.append(member("Ben"))
    async with seated(client) as seat:
        await seat.shows("▸ Second", "2 members")
        await until(lambda: told("t2") in looks(node))
        seat.press("Ctrl-T")
        await until(lambda: told("t1") in looks(node))
        assert told("t2", state="leaving") in looks(node)
        seat.press("Ctrl-Q")
        await seat.leaves()
    assert looks(node)[-1] == told("t1", state="leaving")


async def test_when_another_screen_of_this_device_leaves_this_one_says_that_it_stays(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Parser", "first")
    node.team.members.append(member("Ben"))
    async with seated(client) as seat:
        await seat.shows("2 members")
        await until(lambda: looks(node) == [told("t1")])
        node.team.go("Me", "t1")
        await until(lambda: looks(node) == [told("t1"), told("t1")])


async def test_where_nobody_else_can_hear_it_nothing_is_told(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await seat.shows("first")
        seat.press("Alt-w")
        await seat.shows("Only you are in this thread")
        seat.press("Esc", "Ctrl-Q")
        await seat.leaves()
    assert looks(node) == []


def test_after_five_minutes_without_a_key_nobody_sits_here(client: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("client.screen.looking.time.monotonic", lambda: now[0])
    state = shared()
    looking = Looking(client, lambda: state, lambda: 0)
    assert looking.now() == Look("t1")
    looking.typed()
    assert looking.now() == Look("t1", writing=True)
    now[0] += 10
    assert looking.now() == Look("t1"), "who has paused no longer writes"
    now[0] += AWAY_S
    assert looking.now() == Look("t1", "away")
    looking.pressed()
    assert looking.now() == Look("t1")


def shared() -> State:
    """A thread with somebody else in it."""
    known = gathered(State().known, "t1", [member("Me", "owner"), member("Ben")], [present("Me")], CONTROL)
    state = conversation(message("m1"))
    return State(**{**{name: getattr(state, name) for name in State.__slots__}, "known": known})
