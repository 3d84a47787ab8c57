"""What several people write at once by the API: the draft, the notes, tags and title, and who may."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crdt.errors import OpenSeshError
from crdt.permissions import Role
from crdt.text_change import applied
from tests.node.two_people import Person, Shared, shared, two_devices


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Shared]:
    async with shared(tmp_path, Role.EDITOR) as made:
        yield made


async def texts(both: Shared, name: str = "draft") -> str:
    """The text, which both see alike."""
    await both.sync()
    shown = [(await person.call(f"{name}.show", thread=both.thread))["text"] for person in (both.ana, both.ben)]
    assert shown[0] == shown[1]
    return str(shown[0])


async def refused(call: Any) -> OpenSeshError:
    with pytest.raises(OpenSeshError) as caught:
        await call
    return caught.value


class Script:
    """Types letter by letter behind its own last letter, knowing nothing but what the node answers."""

    def __init__(self, person: Person, thread: str, letters: str) -> None:
        self.person, self.thread, self.left = person, thread, list(letters)
        self.version: str | None = None
        self.cursor = 0

    async def type(self) -> None:
        if self.version is None:
            self.version = (await self.person.call("draft.show", thread=self.thread))["version"]
        made = await self.person.call(
            "draft.edit", thread=self.thread, at=self.cursor, insert=self.left.pop(0), version=self.version
        )
        self.version, self.cursor = made["version"], made["cursor"]


async def pass_on(both: Shared, seen: dict[Person, int]) -> None:
    """What is new of each to the other, as a relay does."""
    for here, there in ((both.ana, both.ben), (both.ben, both.ana)):
        frames = await here.frames(both.id)
        origin = await there.machine.store.origin_number("device", "the other")
        await there.machine.threads.receive(both.id, frames[seen.get(here, 0) :], origin)
        seen[here] = len(frames)


@pytest.mark.parametrize("seed", range(3))
async def test_two_scripts_that_type_into_one_draft_lose_nothing(both: Shared, seed: int) -> None:
    source, length = random.Random(seed), 80
    own = ["".join(source.choices(letters, k=length)) for letters in ("abcé \n", "ABC😀.")]
    scripts = [Script(person, both.thread, letters) for person, letters in zip((both.ana, both.ben), own, strict=True)]
    seen: dict[Person, int] = {}
    while busy := [script for script in scripts if script.left]:
        await source.choice(busy).type()
        if source.random() < 0.15:
            await pass_on(both, seen)
    text = await texts(both)
    assert len(text) == 2 * length
    for letters in own:
        assert "".join(each for each in text if each in set(letters)) == letters


async def test_two_scripts_on_one_node_that_type_at_the_same_time_lose_nothing(both: Shared) -> None:
    scripts = [Script(both.ana, both.thread, letter * 60) for letter in "xy"]

    async def run(script: Script) -> None:
        while script.left:
            await script.type()

    await asyncio.gather(*map(run, scripts))
    assert sorted(await texts(both)) == sorted("x" * 60 + "y" * 60)


async def test_two_scripts_that_read_and_set_the_whole_text_lose_nothing(both: Shared) -> None:
    async def run(letter: str) -> None:
        reader = f"script {letter}"
        for _ in range(30):
            shown = await both.ana.call("draft.show", thread=both.thread, reader=reader)
            await both.ana.call("draft.set", thread=both.thread, reader=reader, text=shown["text"] + letter)

    await asyncio.gather(run("x"), run("y"))
    assert sorted(await texts(both)) == sorted("x" * 30 + "y" * 30)


async def test_scripts_that_only_set_what_they_typed_keep_what_the_other_did(both: Shared) -> None:
    for count in range(1, 21):
        for person, letter in ((both.ana, "a"), (both.ben, "b")):
            await person.call("draft.set", thread=both.thread, text=letter * count)
        await both.sync()
    assert sorted(await texts(both)) == sorted("a" * 20 + "b" * 20)


async def test_what_one_has_seen_one_replaces(both: Shared) -> None:
    await both.ana.call("draft.set", thread=both.thread, text="One two three.")
    assert await texts(both) == "One two three."
    await both.ben.call("draft.set", thread=both.thread, text="Four.")
    assert await texts(both) == "Four."
    await both.ana.call("draft.set", thread=both.thread, text="")
    assert await texts(both) == ""


async def test_a_text_set_from_an_old_version_changes_what_was_there_then(both: Shared) -> None:
    first = await both.ana.call("draft.set", thread=both.thread, text="The plan.")
    await both.ana.call("draft.edit", thread=both.thread, at=9, insert=" And more.")
    made = await both.ana.call("draft.set", thread=both.thread, text="The new plan.", version=first["version"])
    assert made["text"] == "The new plan. And more." == applied("The new plan.", tuple(made["unseen"]))
    error = await refused(both.ana.call("draft.set", thread=both.thread, text="x", version="never-7"))
    assert error.kind.name == "DRAFT_MOVED_ON" and error.details["version"] == made["version"]
    error = await refused(both.ana.call("draft.edit", thread=both.thread, at=90, insert="x"))
    assert error.kind.name == "REQUEST_INVALID"


async def test_what_others_typed_is_told_as_steps_that_lead_from_one_version_to_the_next(both: Shared) -> None:
    await both.ana.call("draft.set", thread=both.thread, text="héllo")
    await both.sync()
    for at, delete, insert in ((5, 0, " 😀"), (0, 1, "H"), (3, 2, "")):
        await both.ana.call("draft.edit", thread=both.thread, at=at, delete=delete, insert=insert)
        await both.sync()
    text, version = "", None
    for event in await both.ben.events(both.id, "draft.changed"):
        assert version in (None, event["after"])
        text, version = applied(text, tuple(event["change"])), event["version"]
    shown = await both.ben.call("draft.show", thread=both.thread)
    assert (text, version) == (shown["text"], shown["version"]) == ("Hélo 😀"[:3] + " 😀", shown["version"])


async def test_typing_tells_nothing_of_the_thread_as_a_whole_and_a_tag_does(both: Shared) -> None:
    before = len(await both.ana.events(both.id, "thread.changed"))
    await both.ana.call("draft.set", thread=both.thread, text="hello")
    assert len(await both.ana.events(both.id, "thread.changed")) == before
    await both.ana.call("tags.change", thread=both.thread, add=["bug"])
    told = (await both.ana.events(both.id, "thread.changed"))[before:]
    assert [(each["title"], each["tags"]) for each in told] == [("Parser", ["bug"])]


async def test_tags_of_both_are_there_and_what_one_takes_away_is_gone(both: Shared) -> None:
    await both.ana.call("tags.change", thread=both.thread, add=["bug", " two  words "])
    await both.ben.call("tags.change", thread=both.thread, add=["lexer"])
    await both.sync()
    await both.ben.call("tags.change", thread=both.thread, remove=["bug"], add=["lexer"])
    await both.sync()
    for person in (both.ana, both.ben):
        assert (await person.call("tags.show", thread=both.thread))["tags"] == ["lexer", "two words"]
        assert (await person.call("thread.list"))["threads"][0]["tags"] == ["lexer", "two words"]
    for wrong in (["x" * 65], [""], ["-x"], 3):
        error = await refused(both.ana.call("tags.change", thread=both.thread, add=wrong))
        assert error.kind.name == "REQUEST_INVALID", wrong
    error = await refused(both.ana.call("tags.change", thread=both.thread, add=[f"t{n}" for n in range(70)]))
    assert error.kind.name == "TOO_LARGE"


async def test_a_draft_that_is_sent_becomes_a_message_and_what_came_meanwhile_stays(both: Shared) -> None:
    seen = await both.ana.call("draft.set", thread=both.thread, text="Look at the lexer.")
    await both.ana.call("draft.edit", thread=both.thread, at=18, insert=" PS: thanks")
    lines = await both.ana.lines("draft.send", thread=both.thread, say=True, version=seen["version"])
    assert [line["type"] for line in lines] == ["draft.said"]
    assert await texts(both) == " PS: thanks"
    for person in (both.ana, both.ben):
        assert await person.machine.texts(both.id) == ["Look at the lexer."]
    lines = await both.ben.lines("draft.send", thread=both.thread)
    assert lines[-1]["type"] == "run.completed" and both.ben.asked.texts == [" PS: thanks"]
    assert await texts(both) == ""
    with pytest.raises(OpenSeshError, match="empty"):
        await both.ben.lines("draft.send", thread=both.thread)


async def test_a_prompt_that_is_not_taken_leaves_the_draft(both: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    from crdt import errors

    async def ask(*_: Any, **__: Any) -> AsyncIterator[dict[str, Any]]:
        raise errors.AGENT_NOT_FOUND()
        yield {}

    monkeypatch.setattr(both.ana.asked, "ask", ask)
    await both.ana.call("draft.set", thread=both.thread, text="Why?")
    with pytest.raises(OpenSeshError):
        await both.ana.lines("draft.send", thread=both.thread)
    assert await texts(both) == "Why?"


async def test_notes_are_another_text_than_the_draft(both: Shared) -> None:
    await both.ana.call("notes.set", thread=both.thread, text="Remember.")
    await both.ben.call("draft.set", thread=both.thread, text="Ask.")
    assert (await texts(both, "notes"), await texts(both)) == ("Remember.", "Ask.")


async def test_texts_are_there_again_after_the_thread_was_read_anew(both: Shared) -> None:
    await both.ana.call("draft.set", thread=both.thread, text="Some text.")
    for person in (both.ana, both.ben):
        person.machine.threads.forget(both.id)
    assert await texts(both) == "Some text."


async def test_a_text_has_a_bound(both: Shared) -> None:
    await both.ana.call("draft.set", thread=both.thread, text="😀" * 32_768)
    assert len(await texts(both)) == 32_768
    error = await refused(both.ben.call("draft.edit", thread=both.thread, at=0, insert="x"))
    assert error.kind.name == "TOO_LARGE"
    await both.ben.call("draft.edit", thread=both.thread, at=0, delete=32_768, insert="short")
    assert await texts(both) == "short"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER])
async def test_who_may_not_edit_is_told_the_role_it_takes_and_nothing_is_written(tmp_path: Path, role: Role) -> None:
    async with shared(tmp_path, role) as both:
        await both.ana.call("draft.set", thread=both.thread, text="Mine.")
        await both.sync()
        before = await both.ben.frames(both.id)
        calls: dict[str, dict[str, Any]] = {
            "draft.set": {"text": "x"},
            "draft.edit": {"at": 0, "insert": "x"},
            "notes.set": {"text": "x"},
            "tags.change": {"add": ["x"]},
        }
        for operation, values in calls.items():
            error = await refused(both.ben.call(operation, thread=both.thread, **values))
            assert (error.kind.name, error.details["role"]) == ("PERMISSION_DENIED", "editor"), operation
            assert "editor" in error.message and role.name.lower() in error.message
        with pytest.raises(OpenSeshError, match="editor"):
            await both.ben.lines("draft.send", thread=both.thread)
        assert await both.ben.frames(both.id) == before
        assert (await both.ben.call("draft.show", thread=both.thread))["text"] == "Mine."


async def test_a_device_that_never_wrote_there_may_type_as_its_person_may(tmp_path: Path) -> None:
    async with two_devices(tmp_path) as both:
        await both.ana.call("draft.set", thread=both.thread, text="Laptop. ")
        await both.sync()
        await both.ben.call("draft.edit", thread=both.thread, at=8, insert="Desktop.")
        assert await texts(both) == "Laptop. Desktop."
