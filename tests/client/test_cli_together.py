"""What the commands of working together do besides passing on: tags, drafts, comments as people type and read them."""

import pytest

from tests.client.discussing import COMMENT, CONVERSATION, THREAD
from tests.client.handlers import FakeNode, thread_row
from tests.client.inside import Inside


async def test_a_tag_with_a_dash_is_taken_away_and_options_stay_options(served: FakeNode, cli: Inside) -> None:
    assert (await cli("tag", "k3v9", "-urgent", "--json", "+bug", "two words", "-x")).code == 0
    assert served.last("tags.change") == {"thread": "k3v9", "add": ["bug", "two words"], "remove": ["urgent", "x"]}
    finished = await cli("tag", "k3v9", "--urgent")
    assert (finished.code, "no option --urgent" in finished.err) == (2, True)
    assert (await cli("tag", "--help")).code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["draft", "k3v9", "--set", "x", "--send"], "--send and --set don't go together"),
        (["draft", "k3v9", "--set", "x", "--stdin"], "--set and --stdin don't go together"),
        (["draft", "k3v9", "--insert", "x"], "--delete and --insert need --at"),
        (["notes", "k3v9", "--set", "x", "--stdin"], "--set and --stdin don't go together"),
        (["comment", "k3v9", "--edit", "c1", "--lines", "3", "x"], "not where it stands"),
    ],
)
async def test_what_can_not_be_meant_together_is_said_so(
    served: FakeNode, cli: Inside, words: list[str], told: str
) -> None:
    finished = await cli(*words)
    assert (finished.code, told in finished.err) == (2, True)
    assert not [call for call in served.calls if call.operation != "status"]


async def test_a_draft_can_be_emptied_and_an_empty_one_is_said_to_be_so(served: FakeNode, cli: Inside) -> None:
    served.answers["draft.set"] = {"thread": THREAD, "text": "", "version": "a-2", "unseen": []}
    finished = await cli("draft", "k3v9", "--set", "")
    assert (finished.code, finished.out, finished.err) == (0, "", "It is empty.\n")
    assert served.last("draft.set")["text"] == ""
    assert (await cli("draft", "k3v9", "--stdin", stdin=b"line one\nline two\n")).code == 0
    assert served.last("draft.set")["text"] == "line one\nline two"


async def test_conversations_read_from_their_place_to_the_last_answer(served: FakeNode, cli: Inside) -> None:
    author = {**COMMENT["author"], "name": "Ben"}
    answer = {**COMMENT, "id": "r" * 26, "author": author, "text": "So.", "reactions": []}
    found = {
        **{**CONVERSATION, "author": {**author, "name": "Ana"}, "text": "Why?", "replies": [answer]},
        "anchor": {"kind": "message", "message": "m" * 26, "lines": [3, 5], "quote": "was"},
        "now": {"lines": [4, 6], "characters": [1, 9], "text": "a\nb\nc\nd"},
    }
    gone = {**found, "resolved": True, "stands": False, "now": None, "replies": [], "deleted": True, "text": ""}
    served.answers["comment.list"] = {"thread": THREAD, "unresolved": 1, "comments": [found, gone]}
    finished = await cli("comments", "k3v9")
    lines = [line.rstrip() for line in finished.out.splitlines()]
    assert lines[:4] == ["● open  message mmmmmmmm, lines 4-6", "  > a", "  > b", "  > c"]
    assert lines[5] == "  Why?" and lines[6].startswith("    Ben · ") and lines[7] == "    So."
    assert lines[9] == "✓ settled  message mmmmmmmm, lines 3-5 · the place is gone" and "  (taken back)" in lines
    assert lines[-1] == "1 conversation unresolved"
    served.answers["comment.list"] = {"thread": THREAD, "unresolved": 0, "comments": []}
    assert (await cli("comments", "k3v9")).err == "No comments here. Write one with: opensesh comment THREAD TEXT\n"


async def test_the_list_counts_what_is_open_and_names_tags(served: FakeNode, cli: Inside) -> None:
    rows = {"threads": [{**thread_row(0, "Parser"), "unresolved": 2, "tags": ["bug"]}, thread_row(1, "Other")]}
    served.answers["thread.list"] = rows
    finished = await cli("list")
    assert "Parser +bug" in finished.out and "2 messages, 2 open" in finished.out
    assert finished.out.count("open") == 1
