"""Comments on the screen from key to node: seen as they come, written, answered, settled, made a prompt."""

from client.api.node import Node
from crdt.errors import PERMISSION_DENIED
from tests.client.screen.live_node import LiveNode
from tests.client.screen.seat import seated


async def test_a_comment_from_elsewhere_comes_up_below_its_message(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first", "second")
    node.converse("t1", "t1-0", "was there before")
    async with seated(client) as seat:
        await seat.shows("▸ 1 comment · open", "1 open comment (Ctrl-G)")
        node.converse("t1", "t1-1", "Why?", "So.")
        await seat.shows("▸ 2 comments · open", "2 open comments")
        seat.press("Ctrl-O")
        await seat.shows("was there before", "Why?", "So.")


async def test_one_comments_on_the_message_that_is_marked_and_on_lines_of_it(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first", "second")
    async with seated(client) as seat:
        await seat.shows("second")
        seat.press("Alt-c")
        await seat.shows("comment› about what is marked")
        seat.press("Up")
        seat.enter("2-3: Why so?")
        await seat.shows("● open · lines 2-3", "Why so?", "comment› about")
        assert node.last("comment.add")["message"] == "t1-0" and node.last("comment.add")["lines"] == "2-3"
        seat.enter("At 10:30 it failed.")
        await seat.shows("At 10:30 it failed.")
        assert node.last("comment.add")["lines"] is None
        seat.press("Esc")
        await seat.shows("▸ 2 comments · open", "› Ask something")


async def test_one_goes_to_what_is_open_answers_it_and_settles_it(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", *(f"message {n}" for n in range(60)))
    node.converse("t1", "t1-50", "Settled", resolved=True)
    first, second = node.converse("t1", "t1-3", "Far up"), node.converse("t1", "t1-59", "At the end")
    async with seated(client) as seat:
        await seat.shows("2 open comments")
        seat.press("Ctrl-G")
        await seat.shows("▌ ", "Far up", "answer› to what is marked")
        seat.enter("I see.")
        await seat.shows("I see.")
        assert node.last("comment.reply") == {"thread": "t1", "comment": first, "text": "I see."}
        seat.press("Alt-r")
        await seat.shows("▌ ✓ settled", "1 open comment (")
        seat.press("Ctrl-G")
        await seat.shows("At the end")
        seat.press("Alt-r")
        await seat.shows("▌ ✓ settled", until=lambda s: "open comment" not in "\n".join(s.lines))
        assert node.last("comment.resolve")["comment"] == second
        seat.press("Alt-r")
        await seat.shows("▌ ● open", "1 open comment (")
        seat.press("Ctrl-G", "Alt-r")
        await seat.shows(until=lambda s: "open comment" not in "\n".join(s.lines))
        seat.press("Ctrl-G")
        await seat.shows("No comment here is open.")


async def test_what_is_open_far_back_is_fetched_first(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", *(f"message {n}" for n in range(900)))
    node.converse("t1", "t1-5", "Long ago")
    async with seated(client) as seat:
        await seat.shows("1 open comment", "message 899")
        seat.press("Ctrl-G")
        await seat.shows("Long ago", "message 5")


async def test_a_conversation_becomes_a_prompt_to_go_on_with(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.converse("t1", "t1-0", "Why?")
    async with seated(client) as seat:
        await seat.shows("1 open comment")
        seat.press("Alt-q")
        await seat.shows("Choose a comment first: Ctrl-G")
        seat.press("Ctrl-G", "Alt-q")
        await seat.shows("Ana commented on the answer:", "Enter ask")
        seat.enter("Fix it.")
        await seat.shows("You said: Ana commented")
    assert node.last("run.ask")["text"].endswith("Ana: Why?\n\nFix it.")


async def test_who_may_not_comment_is_told_so_and_keeps_the_text(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.errors["comment.add"] = PERMISSION_DENIED("You are viewer; that takes the role commenter.", role="commenter")
    async with seated(client) as seat:
        await seat.shows("first")
        seat.press("Alt-c")
        seat.enter("Why?")
        await seat.shows("! E006: You are viewer; that takes the role commenter.", "comment› Why?")


async def test_without_a_message_there_is_nothing_to_comment_on(client: Node, node: LiveNode) -> None:
    async with seated(client) as seat:
        await seat.shows("No threads yet.")
        seat.press("Alt-c")
        await seat.shows("nothing to comment on yet")
        seat.press("Alt-d")
        await seat.shows("The draft belongs to a thread.")
