"""How the screen keeps up with a node that goes away, forgets, or tells that everything is different now."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from client.api.node import Node
from crdt.errors import INTERNAL
from node.api.endpoint import places
from node.api.server import Server
from tests.client.screen.live_node import LiveNode
from tests.client.screen.seat import Seat, seated
from tests.client.screen.told import message


@pytest.fixture
async def served(home: Path, node: LiveNode) -> AsyncIterator["Switch"]:
    """The node, which can be stopped and started again."""
    switch = Switch(node)
    await switch.on()
    yield switch
    await switch.off()


class Switch:
    """A node in memory behind its socket."""

    def __init__(self, node: LiveNode) -> None:
        self._node = node
        self._server: Server | None = None

    async def on(self) -> None:
        socket = Path(places().socket)
        socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._server = Server(self._node.handlers, socket)
        await self._server.start()

    async def off(self) -> None:
        if self._server is not None:
            await self._server.stop(grace_s=0.1)
            self._server = None


def is_away(seat: Seat) -> bool:
    return "the node is away" in seat.lines[-3]


async def test_what_happened_while_the_node_was_away_is_there_when_it_is_back(
    client: Node, node: LiveNode, served: Switch
) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("▸ Parser", "hello")
        await served.off()
        await seat.shows("the node is away, coming back …")
        seat.type("typed meanwhile")
        await seat.shows("› typed meanwhile")
        node.add("t1", "written meanwhile")
        await served.on()
        await seat.shows("written meanwhile", "› typed meanwhile", until=lambda s: not is_away(s))
        assert [len(call.parameters) for call in node.calls if call.operation == "thread.show"] == [3], "no second read"


async def test_a_node_that_no_longer_has_the_events_is_read_anew(client: Node, node: LiveNode, served: Switch) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("▸ Parser", "hello")
        await served.off()
        await seat.shows("the node is away")
        node.add("t1", "pruned")
        node.forgotten = 1
        await served.on()
        await seat.shows("pruned", until=lambda s: not is_away(s))


async def test_a_thread_that_was_rebuilt_is_read_anew(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello", "taken back")
    async with seated(client) as seat:
        await seat.shows("hello", "taken back")
        node.threads["t1"].pop()
        node.happen("thread.rebuilt", "t1")
        await seat.shows("hello", until=lambda s: "taken back" not in "".join(s.lines))


async def test_a_node_that_fails_is_asked_again_and_says_why_meanwhile(
    client: Node, node: LiveNode, served: Switch, often: None
) -> None:
    node.begin("t1", "Parser", "hello")
    node.errors["thread.list"] = INTERNAL("The database is busy.")
    async with seated(client) as seat:
        await seat.shows("The database is busy.")
        del node.errors["thread.list"]
        await seat.shows("▸ Parser", "hello", until=lambda s: "busy" not in "".join(s.lines))


async def test_a_thread_deleted_elsewhere_closes_with_a_word(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        del node.threads["t1"]
        node.happen("thread.deleted", "t1")
        await seat.shows("This thread was deleted.", "No threads yet.")


async def test_a_message_between_the_list_and_the_watch_is_not_missed(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    late: list[dict[str, Any]] = [message("late", "said in between")]

    def add_once() -> None:
        if late:
            node.threads["t1"].append(late[0])
            node.log.append({"type": "message.added", "thread": "t1", "cursor": 1, "message": late.pop()})

    node.before_watch = add_once
    async with seated(client) as seat:
        await seat.shows("hello", "said in between")
