"""Comments by the API: where they are put down, who may, what others see of it and are told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crdt.comments import MAX_TEXT_CHARACTERS
from crdt.content import Message, Part
from crdt.edits import append_text, put_message
from crdt.errors import OpenSeshError
from crdt.permissions import Role
from tests.node.two_people import Shared, shared, two_devices

TEXT = "one\ntwo\nthree\nfour"


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Shared]:
    async with shared(tmp_path, Role.COMMENTER) as made:
        yield made


async def written(both: Shared) -> str:
    """A message of Ana's that both have: its id."""
    said = await both.ana.call("message.say", thread=both.thread, text=TEXT)
    await both.sync()
    return str(said["message_id"])


async def listed(both: Shared, **only: Any) -> list[dict[str, Any]]:
    """The conversations, which both see alike."""
    await both.sync()
    shown = [await person.call("comment.list", thread=both.thread, **only) for person in (both.ana, both.ben)]
    assert shown[0] == shown[1]
    found: list[dict[str, Any]] = shown[0]["comments"]
    return found


async def refused(call: Any) -> OpenSeshError:
    with pytest.raises(OpenSeshError) as caught:
        await call
    return caught.value


async def test_a_comment_on_lines_of_a_message_is_seen_by_the_other_with_what_stands_there(both: Shared) -> None:
    message = await written(both)
    made = await both.ben.call("comment.add", thread=both.thread, message=message[:6], lines="2-3", text="Why?")
    assert made["anchor"] == {"kind": "message", "message": message, "lines": [2, 3], "quote": "two\nthree"}
    (found,) = await listed(both)
    assert (found["id"], found["text"], found["message"], found["stands"]) == (made["id"], "Why?", message, True)
    assert found["now"] == {"lines": [2, 3], "characters": [4, 13], "text": "two\nthree"}
    assert found["author"]["identity"] != (await both.ana.open(both.thread)).replica.membership.owner


async def test_a_place_is_found_again_when_the_text_has_moved_and_known_lost_when_it_is_gone(both: Shared) -> None:
    async with both.ana.machine.threads.change(both.id) as draft:
        growing = Message("growing", draft.timeline.owner, "assistant", 1, 1, "streaming", (Part("text", "a\nb\nc"),))
        draft.commit(draft.timeline, lambda doc: put_message(doc, growing))
    await both.sync()
    for lines, text in (("2", "moves"), ("3", "goes")):
        await both.ben.call("comment.add", thread=both.thread, message="growing", lines=lines, text=text)
    async with both.ana.machine.threads.change(both.id) as draft:
        changed = Message("growing", draft.timeline.owner, "assistant", 1, 1, "final", (Part("text", "new\na\nb"),))
        draft.commit(draft.timeline, lambda doc: put_message(doc, changed))
        draft.commit(draft.timeline, lambda doc: append_text(doc, "growing", "text", "!"))
    found = {each["text"]: each for each in await listed(both)}
    assert found["goes"]["stands"] is False and found["goes"]["now"] is None
    assert found["moves"]["stands"] is False, "the line says more by now"
    async with both.ana.machine.threads.change(both.id) as draft:
        changed = Message("growing", draft.timeline.owner, "assistant", 1, 1, "final", (Part("text", "new\na\nb\nd"),))
        draft.commit(draft.timeline, lambda doc: put_message(doc, changed))
    found = {each["text"]: each for each in await listed(both)}
    assert found["moves"]["now"]["lines"] == [3, 3]


async def test_lines_are_those_of_the_output_where_a_message_is_one_tool_call(both: Shared) -> None:
    call = Part("tool_call", id="t1", name="bash", input="{}", result="ok\nfailed: 1\nok", status="ok")
    async with both.ana.machine.threads.change(both.id) as draft:
        ran = Message("ran", draft.timeline.owner, "assistant", 1, 1, "final", (Part("reasoning", "hm"), call))
        draft.commit(draft.timeline, lambda doc: put_message(doc, ran))
    await both.sync()
    made = await both.ben.call("comment.add", thread=both.thread, message="ran", lines="2", text="This one.")
    assert (made["anchor"]["part"], made["anchor"]["quote"]) == (1, "failed: 1")
    quoted = await both.ana.call("comment.quote", thread=both.thread, comment=(await listed(both))[0]["id"])
    assert quoted["text"].startswith("ben commented on line 2 of the output of bash:\n\n> failed: 1\n\nben: This one.")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ({"lines": "4-5"}, "PLACE_NOT_FOUND"),
        ({"characters": "3-99"}, "PLACE_NOT_FOUND"),
        ({"part": 7}, "PLACE_NOT_FOUND"),
        ({"message": "nosuchmessage"}, "PLACE_NOT_FOUND"),
        ({"lines": "0-2"}, "REQUEST_INVALID"),
        ({"lines": "3-2"}, "REQUEST_INVALID"),
        ({"lines": "1-2", "characters": "0-2"}, "REQUEST_INVALID"),
        ({"characters": "2-2"}, "REQUEST_INVALID"),
        ({"lines": "two"}, "REQUEST_INVALID"),
        ({"message": None, "lines": "1"}, "REQUEST_INVALID"),
        ({"text": "  \n"}, "REQUEST_INVALID"),
        ({"message": None, "path": "a.py", "lines": "3-1"}, "REQUEST_INVALID"),
    ],
)
async def test_what_is_no_place_takes_no_comment(both: Shared, place: dict[str, Any], name: str) -> None:
    message = await written(both)
    before = await both.ben.frames(both.id)
    error = await refused(
        both.ben.call("comment.add", **{"thread": both.thread, "message": message, "text": "x", **place})
    )
    assert error.kind.name == name
    assert await both.ben.frames(both.id) == before


async def test_files_diffs_and_terminals_are_places_of_which_only_the_author_knows(both: Shared) -> None:
    add = {"thread": both.thread, "text": "x"}
    await both.ben.call("comment.add", **add, path="a.py", lines="3", quote="x = 1")
    await both.ben.call("comment.add", **add, path="a.py", side="old", lines="3-4")
    await both.ben.call("comment.add", **add, terminal="t1", lines="100-120", quote="Error")
    await both.ben.call("comment.add", **add)
    found = await listed(both)
    assert [(each["anchor"] or {}).get("kind") for each in found] == ["file", "diff", "terminal", None]
    assert [each["stands"] for each in found] == [None, None, None, True]
    assert found[0]["anchor"]["quote"] == "x = 1"


async def test_answers_marks_and_reactions_of_both_make_one_conversation(both: Shared) -> None:
    message = await written(both)
    first = await both.ben.call("comment.add", thread=both.thread, message=message, text="Why?")
    await both.sync()
    answer = await both.ana.call("comment.reply", thread=both.thread, comment=first["id"][:5], text="Because.")
    assert answer["conversation"] == first["id"] and answer["reply_to"] == first["id"]
    for person in (both.ana, both.ben):
        await person.call("comment.react", thread=both.thread, comment=first["id"], sign="👍")
    await both.sync()
    settled = await both.ben.call("comment.resolve", thread=both.thread, comment=answer["id"])
    assert settled["resolved"] and settled["unresolved"] == 0
    (found,) = await listed(both)
    assert [each["text"] for each in found["replies"]] == ["Because."]
    assert found["reactions"][0]["count"] == 2
    assert found["resolved_by"]["name"] == "ben"
    assert await listed(both, unresolved=True) == []
    await both.ana.call("comment.reopen", thread=both.thread, comment=first["id"])
    await both.ana.call("comment.react", thread=both.thread, comment=first["id"], sign="👍", back=True)
    (found,) = await listed(both, unresolved=True, message=message[:8])
    assert not found["resolved"] and found["resolved_by"] is None and found["reactions"][0]["count"] == 1
    rows = (await both.ben.call("thread.list"))["threads"]
    assert [row["unresolved"] for row in rows] == [1]


async def test_only_its_author_changes_or_takes_back_a_comment(both: Shared) -> None:
    first = await both.ben.call("comment.add", thread=both.thread, text="First.")
    await both.sync()
    for operation, more in (("comment.edit", {"text": "Mine."}), ("comment.delete", {})):
        error = await refused(both.ana.call(operation, thread=both.thread, comment=first["id"], **more))
        assert error.kind.name == "PERMISSION_DENIED" and "ben" in error.message
    edited = await both.ben.call("comment.edit", thread=both.thread, comment=first["id"], text="Second.")
    assert edited["text"] == "Second." and edited["edited_at"]
    await both.sync()
    await both.ana.call("comment.reply", thread=both.thread, comment=first["id"], text="So?")
    await both.sync()
    await both.ben.call("comment.delete", thread=both.thread, comment=first["id"])
    (found,) = await listed(both)
    assert found["deleted"] and found["text"] == "" and found["replies"][0]["text"] == "So?"
    error = await refused(both.ana.call("comment.reply", thread=both.thread, comment=first["id"], text="But"))
    assert error.kind.name == "COMMENT_NOT_FOUND"


async def test_one_of_ones_own_devices_says_on_which_a_comment_can_be_changed(tmp_path: Path) -> None:
    async with two_devices(tmp_path) as both:
        first = await both.ana.call("comment.add", thread=both.thread, text="First.")
        await both.sync()
        error = await refused(both.ben.call("comment.delete", thread=both.thread, comment=first["id"]))
        assert error.kind.name == "PERMISSION_DENIED"
        assert "laptop" in error.message and "laptop" in error.to_json()["next"]


async def test_a_viewer_is_told_the_role_that_a_comment_takes_and_nothing_is_written(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.VIEWER) as both:
        first = await both.ana.call("comment.add", thread=both.thread, text="First.")
        await both.sync()
        before = await both.ben.frames(both.id)
        on = {"thread": both.thread, "comment": first["id"]}
        calls = {
            "comment.add": {"thread": both.thread, "text": "x"},
            "comment.reply": {**on, "text": "x"},
            "comment.edit": {**on, "text": "x"},
            "comment.react": {**on, "sign": "x"},
            **{f"comment.{name}": on for name in ("delete", "resolve", "reopen")},
        }
        for operation, values in calls.items():
            error = await refused(both.ben.call(operation, **values))
            assert error.kind.name == "PERMISSION_DENIED", operation
            assert error.details["role"] == "commenter" and "commenter" in error.message
        with pytest.raises(OpenSeshError) as caught:
            await both.ben.lines("comment.prompt", **on)
        assert (caught.value.kind.name, caught.value.details["role"]) == ("PERMISSION_DENIED", "editor")
        assert both.ben.asked.texts == []
        assert await both.ben.frames(both.id) == before
        assert (await both.ben.call("comment.list", thread=both.thread))["comments"][0]["text"] == "First."


async def test_a_conversation_becomes_a_prompt_that_names_who_said_what(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        message = await written(both)
        first = await both.ben.call("comment.add", thread=both.thread, message=message, lines="2", text="Why?")
        await both.sync()
        await both.ana.call("comment.reply", thread=both.thread, comment=first["id"], text="No idea.")
        lines = await both.ana.lines("comment.prompt", thread=both.thread, comment=first["id"], text="Explain.")
        assert lines[-1]["type"] == "run.completed"
        expected = "ben commented on line 2 of the message:\n\n> two\n\nben: Why?\n\nana: No idea.\n\nExplain."
        assert both.ana.asked.texts == [expected]


async def test_the_same_request_comments_once(both: Shared) -> None:
    made = [await both.ben.call("comment.add", "r 1", thread=both.thread, text="Once.") for _ in range(2)]
    assert made[0] == made[1]
    other = await both.ben.call("comment.add", "r 2", thread=both.thread, text="Once.")
    assert other["id"] != made[0]["id"]
    assert len(await listed(both)) == 2


async def test_two_comments_of_one_name_are_told_apart_by_whose_they_are(both: Shared) -> None:
    """An id follows from the request, and two people's scripts may number theirs alike."""
    mine, his = [
        await each.call("comment.add", "r 1", thread=both.thread, text="Once.") for each in (both.ana, both.ben)
    ]
    await both.sync()
    assert mine["id"] == his["id"]
    error = await refused(both.ana.call("comment.resolve", thread=both.thread, comment=mine["id"]))
    assert error.kind.name == "COMMENT_NOT_FOUND" and len(error.details["matches"]) == 2
    assert len(await listed(both, unresolved=True)) == 2


async def test_a_comment_has_a_bound_and_beyond_it_nothing_is_written(both: Shared) -> None:
    before = await both.ana.frames(both.id)
    for text in ("x" * (MAX_TEXT_CHARACTERS + 1), " \n"):
        error = await refused(both.ana.call("comment.add", thread=both.thread, text=text))
        assert error.kind.name == "REQUEST_INVALID"
    assert await both.ana.frames(both.id) == before


async def test_both_are_told_what_happens_to_a_comment(both: Shared) -> None:
    first = await both.ben.call("comment.add", thread=both.thread, text="First.")
    await both.ben.call("comment.edit", thread=both.thread, comment=first["id"], text="Second.")
    await both.sync()
    await both.ana.call("comment.reply", thread=both.thread, comment=first["id"], text="Answer.")
    await both.ana.call("comment.resolve", thread=both.thread, comment=first["id"])
    await both.ana.call("comment.resolve", thread=both.thread, comment=first["id"])
    await both.ana.call("comment.reopen", thread=both.thread, comment=first["id"])
    await both.sync()
    told = await both.ana.events(both.id, "comment.")
    kinds = ["comment.added", "comment.added", "comment.resolved", "comment.reopened"]
    assert [each["type"] for each in told] == kinds, "what came at once is told as it is then"
    assert told[0]["comment"]["text"] == "Second."
    assert {each["conversation"] for each in told} == {first["id"]}
    assert [each["unresolved"] for each in told] == [1, 1, 0, 1]
    assert told[2]["by"]["name"] == "ana"
    kinds = [each["type"] for each in await both.ben.events(both.id, "comment.")]
    assert kinds == ["comment.added", "comment.changed", "comment.added"], "what was undone at once is not told"


async def test_a_reaction_is_told_as_a_change_of_its_comment(both: Shared) -> None:
    first = await both.ben.call("comment.add", thread=both.thread, text="First.")
    await both.sync()
    await both.ben.call("comment.react", thread=both.thread, comment=first["id"], sign="👍")
    await both.sync()
    for person in (both.ana, both.ben):
        *_, told = await person.events(both.id, "comment.")
        assert told["type"] == "comment.changed" and told["comment"]["reactions"][0]["sign"] == "👍"


async def test_comments_are_there_again_after_the_thread_was_read_anew(both: Shared) -> None:
    message = await written(both)
    await both.ben.call("comment.add", thread=both.thread, message=message, lines="1-2", text="Why?")
    before = await listed(both)
    for person in (both.ana, both.ben):
        person.machine.threads.forget(both.id)
    assert await listed(both) == before
