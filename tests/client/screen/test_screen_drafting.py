"""The composer as the draft of all: what one types goes out, what others type comes in, and nothing is lost."""

import asyncio

from client.api.node import Node
from crdt.errors import DRAFT_MOVED_ON, PERMISSION_DENIED
from tests.client.screen.live_node import LiveNode
from tests.client.screen.seat import Seat, seated


async def opened(seat: Seat, node: LiveNode) -> None:
    await seat.shows("first")
    seat.press("Alt-d")
    await seat.shows("draft›", "Everybody's draft")


async def agreed(seat: Seat, node: LiveNode, text: str) -> None:
    """Both the node and the composer have this text."""
    await seat.shows(until=lambda s: s.screen._composer.text == node.draft.text == text)


async def test_what_is_typed_goes_out_and_what_others_type_comes_in_around_the_cursor(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Parser", "first")
    node.draft.text = node.draft.texts[0] = "Please"
    async with seated(client) as seat:
        await opened(seat, node)
        await seat.shows("draft› Please")
        seat.type(" look")
        await agreed(seat, node, "Please look")
        node.type_in("t1", 0, "[Ben] ")
        await agreed(seat, node, "[Ben] Please look")
        node.type_in("t1", 17, " (or not)")
        await agreed(seat, node, "[Ben] Please look (or not)")
        seat.type(" here")
        await agreed(seat, node, "[Ben] Please look here (or not)")


async def test_letters_typed_while_others_type_are_all_there(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await opened(seat, node)
        for number in range(30):
            seat.type("a")
            node.type_in("t1", number % (len(node.draft.text) + 1), "B")
            if number % 5 == 0:
                await seat.shows(until=lambda s: s.screen._composer.text.count("B") > 0)
        both = ["B"] * 30 + ["a"] * 30
        await seat.shows(until=lambda s: sorted(s.screen._composer.text) == both == sorted(node.draft.text))
        assert seat.screen._composer.text == node.draft.text


async def test_ones_own_text_waits_in_the_composer_meanwhile(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await seat.shows("first")
        seat.type("my own")
        await opened(seat, node)
        seat.type("for all")
        await agreed(seat, node, "for all")
        seat.press("Esc")
        await seat.shows("› my own")
        assert node.draft.text == "for all"


async def test_the_draft_is_sent_with_the_last_letter_and_gone_for_all(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await opened(seat, node)
        seat.type("Look at it")
        seat.press("Alt-s")
        await seat.shows("Look at it", "draft› all who may edit")
    assert node.threads["t1"][-1]["text"] == "Look at it" and node.draft.text == ""
    assert node.last("draft.send")["say"] is True


async def test_who_may_not_edit_is_told_so_and_finds_the_words_in_the_own_composer(
    client: Node, node: LiveNode, often: None
) -> None:
    node.begin("t1", "Parser", "first")
    node.draft.text = node.draft.texts[0] = "Ana's"
    node.errors["draft.set"] = PERMISSION_DENIED("You are viewer; that takes the role editor.", role="editor")
    async with seated(client) as seat:
        await opened(seat, node)
        await seat.shows("draft› Ana's")
        seat.type(" and mine")
        await seat.shows("that takes the role editor", until=lambda s: s.screen._composer.text == "Ana's")
        node.type_in("t1", 0, "Still ")
        await agreed(seat, node, "Still Ana's")
        seat.press("Esc")
        await seat.shows("›  and mine")


async def test_a_node_that_was_started_anew_is_read_before_anything_is_written(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await opened(seat, node)
        seat.type("one")
        await agreed(seat, node, "one")
        node.errors["draft.set"] = DRAFT_MOVED_ON()
        seat.type(" two")
        while not any(call.operation == "draft.set" and call.parameters["text"] == "one two" for call in node.calls):
            await asyncio.wait_for(seat.wire.changed.wait(), 20)
            seat.wire.changed.clear()
        node.type_in("t1", 0, "zero ")
        del node.errors["draft.set"]
        await agreed(seat, node, "zero one two")


async def test_undoing_takes_back_nothing_that_others_typed(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await opened(seat, node)
        seat.type("mine")
        await agreed(seat, node, "mine")
        node.type_in("t1", 4, " and theirs")
        await agreed(seat, node, "mine and theirs")
        seat.type("\x1f")
        seat.type("!")
        await agreed(seat, node, "mine! and theirs")
