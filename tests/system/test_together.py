"""Two people in one thread over a relay, as processes: comments and co-editing as scripts meet them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from client.api.calls import Calls
from client.api.node import Node
from tests.system.machines import Device, failing
from tests.system.team import Team
from tests.waiting import until

LENGTH = 1_000


@pytest.fixture
def team(lasting_team: Team) -> Iterator[Team]:
    """A thread in which nothing has been said yet."""
    yield lasting_team.again()
    lasting_team.rest()


async def type_letters(device: Device, thread: str, letters: str) -> None:
    """A script that types letter by letter behind its own last one, by what its node answers."""
    node = Node(Calls(device.environment))
    version, cursor = (await node.draft(thread)).version, 0
    for letter in letters:
        made = await node.edit_draft(thread, cursor, insert=letter, version=version)
        version, cursor = made.version, made.cursor or 0


@pytest.mark.deep
async def test_two_scripts_type_a_thousand_characters_each_into_one_draft_and_none_is_lost(team: Team) -> None:
    await asyncio.to_thread(team.join, "editor")
    ana, ben, thread = team.ana, team.ben, team.thread
    own = ["abcdefghi\n" * (LENGTH // 10), "0123456é8😀" * (LENGTH // 10)]
    await asyncio.gather(type_letters(ana, thread, own[0]), type_letters(ben, thread, own[1]))
    texts: list[str] = []

    async def alike() -> bool:
        texts[:] = [(await Node(Calls(each.environment)).draft(thread)).text for each in (ana, ben)]
        return texts[0] == texts[1] and len(texts[0]) >= 2 * LENGTH

    await until(alike, "both have all that was typed")
    assert len(texts[0]) == 2 * LENGTH
    for letters in own:
        assert "".join(each for each in texts[0] if each in set(letters)) == letters


@pytest.mark.deep
def test_two_shells_that_set_what_each_typed_keep_what_the_other_did(team: Team) -> None:
    team.join("editor")
    ana, ben, thread = team.ana, team.ben, team.thread
    for count in range(1, 6):
        ana.run("draft", thread, "--set", "a" * count)
        ben.run("draft", thread, "--stdin", stdin="b" * count)
    for device in (ana, ben, ana, ben):
        device.run("sync", "wait", "--incoming")
    shown = [device.run("draft", thread) for device in (ana, ben)]
    assert shown[0]["text"] == shown[1]["text"]
    assert sorted(shown[0]["text"]) == ["a"] * 5 + ["b"] * 5
    ben.run("draft", thread, "--set", "Look at the lexer, please.")
    said = ben.run("draft", thread, "--send", "--say")
    assert said["type"] == "draft.said"
    ana.run("sync", "wait", "--incoming")
    assert [message["text"] for message in ana.run("show", thread)["messages"]] == ["Look at the lexer, please."]
    assert ana.run("draft", thread)["text"] == ""


def test_a_commenter_comments_and_is_told_what_a_prompt_takes(team: Team) -> None:
    team.join("commenter")
    ana, ben, thread = team.ana, team.ben, team.thread
    message = ana.run("say", thread, "one\ntwo\nthree")["message_id"]
    watching = ben.stream("watch", thread, "--since", "0")
    watching.until("message.added")
    made = ben.run("comment", thread, "--message", message, "--lines", "2-3", "Why two?")
    assert made["anchor"]["quote"] == "two\nthree"
    ana.run("sync", "wait", "--incoming")
    (found,) = ana.run("comments", thread, "--unresolved")["comments"]
    assert (found["text"], found["stands"]) == ("Why two?", True)
    ana.run("reply", thread, found["id"], "Because.")
    ana.run("resolve", thread, found["id"])
    told = watching.until("comment.resolved")
    assert told["unresolved"] == 0
    assert ben.run("comments", thread)["comments"][0]["replies"][0]["text"] == "Because."
    assert ben.run("comments", thread, "--unresolved")["comments"] == []
    refusals: dict[str, tuple[str, ...]] = {
        "prompt": ("prompt", thread, found["id"]),
        "draft": ("draft", thread, "--set", "x"),
        "notes": ("notes", thread, "--set", "x"),
        "tag": ("tag", thread, "+x"),
    }
    for name, words in refusals.items():
        error: dict[str, Any] = failing(ben, *words)
        assert (error["code"], error["details"]["role"]) == ("E006", "editor"), name


@pytest.mark.parametrize("words", [("comment", "{}", "x"), ("draft", "{}", "--set", "x"), ("draft", "{}", "--send")])
def test_a_viewer_is_told_the_role_and_sends_nothing(team: Team, words: tuple[str, ...]) -> None:
    team.join("viewer")
    ana, ben, thread = team.ana, team.ben, team.thread
    ana.run("draft", thread, "--set", "Mine.")
    ben.run("sync", "wait", "--incoming")
    error = failing(ben, *(word.format(thread) for word in words))
    assert error["code"] == "E006"
    assert error["details"]["role"] == ("commenter" if words[0] == "comment" else "editor")
    assert error["details"]["role"] in error["message"]
    ana.run("sync", "wait", "--incoming")
    assert ana.run("comments", thread)["comments"] == []
