"""The screen from key to drawing, with a node in memory and a terminal that only draws."""

import asyncio
import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest

from client.api.node import Node
from client.screen.app import Screen
from client.screen.commands import COMMANDS
from crdt.errors import DAEMON_NOT_RUNNING, PERMISSION_DENIED
from tests.client.handlers import FOLLOW
from tests.client.screen.live_node import LiveNode
from tests.client.screen.seat import seated
from tests.client.screen.test_screen_text import ATTACKS
from tests.client.screen.told import WHEN, answer


async def test_every_command_of_the_table_can_be_done(client: Node) -> None:
    assert set(Screen(client).actions.table) == {command.name for command in COMMANDS}


async def test_the_first_text_begins_a_thread_with_its_first_line_as_title(client: Node, node: LiveNode) -> None:
    async with seated(client) as seat:
        await seat.shows("No threads yet.")
        seat.enter("Fix the parser\\")
        seat.enter("it loses tabs")
        await seat.shows("▸ Fix the parser", "You said: Fix the parser", "it loses tabs", "Ask something")
    assert node.last("run.ask")["text"] == "Fix the parser\nit loses tabs"


async def test_a_thread_belongs_to_the_project_that_the_screen_was_opened_in(
    client: Node, node: LiveNode, tmp_path: Path
) -> None:
    async with seated(client, project=tmp_path) as seat:
        await seat.shows("No threads yet.")
        seat.enter("hello")
        await seat.shows("You said: hello")
    assert node.last("thread.create")["project"] == str(tmp_path)


async def test_a_message_written_elsewhere_and_a_stream_come_up_by_themselves(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("▸ Parser", "hello")
        node.add("t1", "from the desktop")
        await seat.shows("from the desktop")
        streaming = answer("t1-2")
        node.happen("message.added", "t1", message=streaming)
        await seat.shows("answering …", "Esc stop")
        for at, piece in ((0, "To be"), (5, " gin"), (9, " with")):
            node.happen("message.delta", "t1", message_id="t1-2", part="text", at=at, text=piece)
        await seat.shows("To be gin with")
        node.happen("message.changed", "t1", message=answer("t1-2", "To begin with", state="final"))
        await seat.shows("To begin with", until=lambda s: "answering" not in s.lines[-3])


async def test_nothing_from_others_reaches_the_terminal_as_they_wrote_it(client: Node, node: LiveNode) -> None:
    node.begin("t1", ATTACKS + "title", ATTACKS * 3, "```\n" + ATTACKS + "\n```", "# " + ATTACKS)
    async with seated(client) as seat:
        await seat.shows("␛]0;owned␇")
        seat.press("Ctrl-K")
        await seat.shows("thread›")
        seat.press("Esc")
        seat.paste(ATTACKS)
        await seat.shows("› ␛[2J")
        assert seat.obeyed == []


@pytest.mark.parametrize(("columns", "rows"), [(60, 15), (80, 24), (100, 30), (200, 60)])
async def test_every_size_shows_the_newest_the_composer_and_how_to_leave(
    client: Node, node: LiveNode, columns: int, rows: int
) -> None:
    node.begin(
        "t1", "日本語の題名 " * 9, *(f"message {n} 🎉 日本語 e\u0301 {'long ' * 90}" for n in range(40)), "the end"
    )
    async with seated(client, columns, rows) as seat:
        lines = await seat.shows("the end", "local-only", "› Ask something", "Ctrl-Q quit")
        assert len(lines) == rows and lines[-1].endswith("Ctrl-Q quit")
        assert ("│" in lines[5]) == (columns >= 80), "the sidebar needs 80 columns"


async def test_another_size_while_an_answer_streams_keeps_everything_in_its_place(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        node.happen("message.added", "t1", message=answer("a"))
        for number, (columns, rows) in enumerate([(60, 15), (200, 60), (79, 20), (120, 16), (100, 30)]):
            text = f"word{number} " * 30
            node.happen("message.delta", "t1", message_id="a", part="text", at=number * len(text), text=text)
            seat.resize(columns, rows)
            lines = await seat.shows(f"word{number}", "Ask something", until=lambda s: "quit" in s.lines[-1])
            assert len(lines) == rows


async def test_many_pasted_lines_stay_one_text_and_leave_room_for_the_conversation(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Parser", "hello")
    text = "\n".join(f"line {n}" for n in range(3000))
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.paste(text)
        lines = await seat.shows("line 2999")
        assert sum("  line" in line for line in lines) == 10 and any("hello" in line for line in lines)
        seat.press("Enter")
        await seat.shows("3 messages", "Ask something")
    assert node.last("run.ask")["text"] == text


async def test_each_thread_has_a_draft_of_its_own(client: Node, node: LiveNode) -> None:
    node.begin("t1", "First", "one")
    node.begin("t2", "Second", "two")
    async with seated(client) as seat:
        await seat.shows("▸ Second", "two")
        seat.type("for the second")
        await seat.shows("› for the second")
        seat.press("Ctrl-T")
        await seat.shows("▸ First", "Ask something")
        seat.type("for the first")
        seat.press("Ctrl-T")
        await seat.shows("▸ Second", "› for the second")
        seat.press("Alt-t")
        await seat.shows("▸ First", "› for the first")


async def test_keys_pressed_before_a_slow_thread_has_come_go_to_that_thread(client: Node, node: LiveNode) -> None:
    node.begin("t1", "First", "one")
    node.begin("t2", "Second", "two")
    async with seated(client) as seat:
        await seat.shows("▸ Second")
        node.opened["t1"] = asyncio.Event()
        seat.press("Ctrl-T")
        await seat.shows("▸ First")
        seat.type("quick")
        seat.press("Alt-s")
        await seat.shows("Ask something")
        node.opened["t1"].set()
        await seat.shows("quick")
    assert node.last("message.say") == {"thread": "t1", "text": "quick"}


async def test_a_thread_is_found_by_a_part_of_its_title(client: Node, node: LiveNode) -> None:
    for number in range(60):
        node.begin(f"t{number}", f"thread {number}", f"inside {number}")
    async with seated(client) as seat:
        await seat.shows("inside 59")
        seat.press("Ctrl-K")
        await seat.shows("60 of 60 threads")
        node.answers["search"] = {"results": []}
        seat.type("THREAD 4")
        await seat.shows("15 of 60 threads")
        seat.press("Down", "Down", "Up", "Enter")
        await seat.shows("inside 49", "Ask something")


async def test_a_message_is_found_by_its_words_and_opened_where_it_stands(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Long", *(f"message {n}." for n in range(5000)))
    node.begin("t2", "Other", "hello")
    hit = {"thread": "t1", "title": "Long", "message_id": "t1-1234", "role": "user", "created_at": WHEN}
    node.answers["search"] = {"results": [{**hit, "snippet": "… message 1234. …"}]}
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.press("Ctrl-K")
        await seat.shows("2 of 2 threads")
        seat.type("1234")
        await seat.shows("0 of 2 threads, and 1 message", "▸ … message 1234. …")
        assert [call.parameters["text"] for call in node.calls if call.operation == "search"] == ["1234"], "one search"
        seat.press("Enter")
        lines = await seat.shows("▸ Long", "message 1234.", "↓ more")
        assert lines[2].endswith("message 1234.")


async def test_the_model_that_is_chosen_is_the_one_that_is_asked(client: Node, node: LiveNode) -> None:
    models = [
        {"id": "guide", "provider": "guide", "default": True},
        {"id": "l/qwen", "provider": "l", "default": False},
    ]
    node.answers["model.list"] = {"models": models}
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("asks guide")
        seat.enter("/model")
        await seat.shows("Models that can be asked", "the default")
        seat.press("Down", "Enter")
        await seat.shows("asks l/qwen")
        seat.enter("well?")
        await seat.shows("You said: well?")
    assert node.last("run.ask")["model"] == "l/qwen"


async def test_the_newest_answer_is_given_to_the_clipboard_without_what_would_end_a_paste(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.press("Ctrl-Y")
        await seat.shows("no answer to copy yet")
        node.add("t1", "ls\n\x1b[201~rm -rf x", role="assistant")
        node.add("t1", "thanks")
        await seat.shows("thanks")
        seat.press("Ctrl-Y")
        await seat.shows("given to the terminal's clipboard")
        (copied,) = re.findall("\x1b]52;c;([^\x07]*)\x07", seat.wire.raw)
        assert base64.b64decode(copied).decode() == "ls\n␛[201~rm -rf x"
        seat.press("Esc")
        await seat.shows("thanks", until=lambda s: "clipboard" not in "".join(s.lines))


async def test_the_sidebar_can_be_put_away_to_select_text(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("▸ Parser", "hello")
        seat.press("Ctrl-B")
        await seat.shows("1 of 1", until=lambda s: s.lines[3].startswith(" laptop ·"))
        seat.press("Ctrl-B")
        await seat.shows("▸ Parser")


async def test_earlier_prompts_come_back_and_so_does_what_was_being_written(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first", "second")
    async with seated(client) as seat:
        await seat.shows("second")
        seat.type("draft")
        seat.press("Ctrl-P")
        await seat.shows("› second")
        seat.press("Ctrl-P", "Ctrl-P")
        await seat.shows("› first")
        seat.press("Alt-n", "Alt-n")
        await seat.shows("› draft")


async def test_a_rename_begins_with_the_title_there_is(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("▸ Parser")
        seat.press("Ctrl-R")
        await seat.shows("title› Parser")
        seat.enter(" and lexer")
        await seat.shows("▸ Parser and lexer")


async def test_a_text_that_is_refused_comes_back_with_the_reason_and_goes_again_as_the_same(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Parser", "hello")
    node.errors["run.ask"] = PERMISSION_DENIED("You may only read here.")
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.enter("let me in")
        await seat.shows("You may only read here.", "› let me in")
        del node.errors["run.ask"]
        seat.press("Enter")
        await seat.shows("You said: let me in", until=lambda s: "only read" not in "".join(s.lines))
    first, second = (call.request_id for call in node.calls if call.operation == "run.ask")
    assert first is not None and first == second


async def test_a_node_that_is_not_there_gives_the_text_back_and_says_what_to_do(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.screen.put(replace(seat.screen.state, offline=True))
        node.errors["status"] = DAEMON_NOT_RUNNING(path="node.sock")
        seat.enter("let me in")
        await seat.shows("E001", "› let me in")


async def test_a_run_that_fails_says_why_and_what_to_do(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    node.failure = {"code": "E020", "message": "The provider said no.", "next": "Check its key."}
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.enter("well?")
        await seat.shows("! E020", "The provider said no.", "Check its key.", "Ask something")
        seat.press("Esc")
        await seat.shows("well?", until=lambda s: "E020" not in "".join(s.lines))


async def test_escape_stops_the_answer_that_is_being_written(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        node.happen("run.state", "t1", state="queued")
        await seat.shows("waiting for its turn")
        seat.press("Esc")
        await seat.shows("hello", until=lambda _: any(call.operation == "run.cancel" for call in node.calls))


async def test_ten_thousand_messages_open_at_once_and_are_read_as_far_as_one_scrolls(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Long", *(f"message {n}." for n in range(10_000)))
    async with seated(client) as seat:
        await seat.shows("message 9999.")
        assert node.last("thread.show")["limit"] == 300 == len(seat.screen.state.messages)
        for _ in range(40):
            seat.press("PgUp")
        await seat.shows("↓ more", until=lambda s: len(s.screen.state.messages) > 300)
        seat.press("Alt-<")
        await seat.shows("message 0.")
        node.add("t1", "one more")
        await seat.shows("↓ 1 new", "message 0.")
        seat.press("Alt->")
        await seat.shows("one more")


async def test_leaving_with_something_unsent_takes_two_presses(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.type("half a thou")
        seat.press("Ctrl-Q")
        await seat.shows("not sent yet", "› half a thou")
        seat.press("Ctrl-Q")
        assert await seat.leaves() == 0


async def test_ctrl_c_clears_what_is_written_and_then_leaves(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.type("half a thou")
        await seat.shows("half a thou")
        seat.press("Ctrl-C")
        await seat.shows("Ask something")
        seat.press("Ctrl-C")
        assert await seat.leaves() == 0


async def test_the_page_of_keys_comes_and_goes_without_touching_what_is_written(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.type("a word")
        seat.press("F1")
        await seat.shows("Keys (F1 or Esc closes this)", "› a word")
        seat.press("Esc")
        await seat.shows("hello", "› a word")


async def test_sessions_of_other_tools_are_brought_in_by_a_word(client: Node, node: LiveNode) -> None:
    async with seated(client) as seat:
        await seat.shows("No threads yet.", "/import")
        seat.enter("/import")
        await seat.shows("Sessions come in as they are written: claude.")
        node.answers["import.follow"] = {"follows": [{**FOLLOW, "state": "missing"}]}
        seat.enter("/import")
        await seat.shows("Neither Claude Code nor Codex")
        seat.enter("/import /tmp/session.jsonl")
        await seat.shows("Brought in as 1 thread.")
    assert node.last("import.file") == {"path": "/tmp/session.jsonl"}


async def test_a_path_is_no_command(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "hello")
    async with seated(client) as seat:
        await seat.shows("hello")
        seat.enter("/etc/hosts is odd")
        await seat.shows("You said: /etc/hosts is odd")
        seat.enter("/say only to you")
        await seat.shows("only to you", until=lambda s: "/say" not in "".join(s.lines))
    assert node.last("message.say")["text"] == "only to you"
