"""The people are read again where an answer may be older than what was told while it was under way."""

import asyncio

from client.api.node import Node
from client.screen.gathering import Gatherer
from client.screen.state import State
from tests.client.screen.live_node import LiveNode
from tests.client.screen.team import member, present
from tests.client.screen.told import conversation, event, message
from tests.waiting import until


class Desk:
    """A state, and whoever keeps its people."""

    def __init__(self, client: Node) -> None:
        self.state = conversation(message("m1"))
        self.gatherer = Gatherer(client, lambda: self.state, self.put)

    def put(self, state: State) -> None:
        self.state = state

    @property
    def devices(self) -> list[str]:
        return [each.device for each in self.state.known.present]


async def test_who_comes_while_the_list_is_under_way_is_not_lost(client: Node, node: LiveNode) -> None:
    desk = Desk(client)
    node.team.members.append(member("Ben"))

    def answered_early(p: object) -> dict[str, object]:
        """The list as it was before Ben came, of which is told before it arrives."""
        node.answers["presence.show"] = lambda p: {"thread": "t1", "people": [present("Me"), present("Ben")]}
        desk.gatherer.heard(event("presence.changed", people=[present("Ben")], gone=[]))
        return {"thread": "t1", "people": [present("Me")]}

    node.answers["presence.show"] = answered_early
    keeping = asyncio.create_task(desk.gatherer.keep())
    desk.gatherer.opened()
    await until(lambda: desk.devices == ["Me-device", "Ben-device"])
    keeping.cancel()


async def test_a_storm_of_events_is_one_reading(client: Node, node: LiveNode) -> None:
    desk = Desk(client)
    keeping = asyncio.create_task(desk.gatherer.keep())
    desk.gatherer.opened()
    await until(lambda: desk.devices == ["Me-device"])
    before = len(node.calls)
    for _ in range(300):
        desk.gatherer.heard(event("presence.changed", people=[present("Ben")], gone=[]))
    rows = [{"identity": "id-Me", "permission": "owner"}]
    for _ in range(300):
        desk.gatherer.heard(event("members.changed", permission="owner", members=rows))
    await until(lambda: len(node.calls) >= before + 4)
    keeping.cancel()
    assert len(node.calls) <= before + 8, "members, presence, control and links, and perhaps once more"
