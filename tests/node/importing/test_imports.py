"""Whole transcripts as threads: what stands in them, and that importing again adds nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from crdt.content import Message
from crdt.errors import OpenSeshError
from crdt.thread import SHARED, set_shared
from crdt.update import MAX_UPDATE_BYTES
from node.importing.reader import CHUNK_BYTES, import_bytes
from tests.node.importing.installation import Installation, thread_id
from tests.node.importing.watching import said

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.jsonl"))
COUNTS = {path: import_bytes(path.read_bytes())[1] for path in SAMPLES}
SESSION = "0f0f0f0f-0000-4000-8000-000000000001"


def line(kind: str, number: int, content: Any, **more: Any) -> bytes:
    message: dict[str, Any] = {"role": kind, "content": content}
    if kind == "assistant":
        message |= {"id": more.pop("id", f"msg-{number}"), "model": more.pop("model", "m-1")}
    record = {"type": kind, "uuid": f"u-{number}", "sessionId": SESSION, "cwd": "/home/ana/shop", "message": message}
    record["timestamp"] = more.pop("timestamp", f"2026-03-01T09:00:{number:02d}.000Z")
    return json.dumps(record | more).encode() + b"\n"


def call(number: int, given: str = "ls") -> bytes:
    block = {"type": "tool_use", "id": f"call-{number}", "name": "Bash", "input": {"command": given}}
    return line("assistant", number, [block])


def result(number: int, of: int, words: str, **more: Any) -> bytes:
    return line("user", number, [{"type": "tool_result", "tool_use_id": f"call-{of}", "content": words}], **more)


async def imported(here: Installation, path: Path) -> dict[str, Any]:
    [row] = await here.importer.import_file(path)
    return row


def file(tmp_path: Path, *lines: bytes, name: str = "session.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
async def test_a_transcript_becomes_a_thread_with_all_that_is_in_it(here: Installation, path: Path) -> None:
    counts = COUNTS[path]
    row = await imported(here, path)
    shown = await here.messages(row["id"])
    calls = [part for message in shown for part in message.parts if part.type == "tool_call"]
    placeholders = [part for message in shown for part in message.parts if part.type == "placeholder"]
    assert row["new"] is True and row["messages"] == len(shown) == counts.messages
    assert len([call for call in calls if not call.agent]) == row["tool_calls"] == counts.tool_calls
    assert len([call for call in calls if call.agent]) == row["agent_tool_calls"] == counts.agent_tool_calls
    assert len(placeholders) == row["placeholders"] == counts.placeholders
    assert row["skipped_lines"] == counts.skipped_lines


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
async def test_importing_again_adds_nothing(here: Installation, path: Path) -> None:
    first = await imported(here, path)
    before, frames = await here.messages(first["id"]), await here.frames(first["id"])
    again = await imported(here, path)
    assert again == {**first, "new": False}
    assert await here.messages(first["id"]) == before and await here.frames(first["id"]) == frames
    assert await here.ids() == [first["id"]]


async def test_after_a_restart_importing_again_adds_nothing(tmp_path: Path) -> None:
    first = await Installation.start(tmp_path)
    row = await imported(first, SAMPLES[0])
    before = await first.messages(row["id"])
    await first.stop()
    second = await Installation.start(tmp_path)
    again = await imported(second, SAMPLES[0])
    assert again == {**row, "new": False} and await second.messages(row["id"]) == before
    await second.stop()


async def test_a_transcript_that_has_grown_brings_only_what_is_new(here: Installation, tmp_path: Path) -> None:
    path = file(tmp_path, said("one", 1), call(2))
    row = await imported(here, path)
    file(tmp_path, said("one", 1), call(2), result(3, 2, "a.py"), said("two", 4))
    again = await imported(here, path)
    shown = await here.messages(row["id"])
    assert again["id"] == row["id"] and again["new"] is False
    assert [message.text for message in shown] == ["one", "", "two"]
    [part] = shown[1].parts
    assert (part.name, part.input, part.result, part.status) == ("Bash", '{"command": "ls"}', "a.py", "ok")


async def test_a_file_that_holds_less_than_before_takes_nothing_away(here: Installation, tmp_path: Path) -> None:
    blocks = [line("assistant", n, [{"type": "text", "text": f"part {n}"}], id="msg") for n in (1, 2)]
    path = file(tmp_path, *blocks)
    row = await imported(here, path)
    before = await here.messages(row["id"])
    file(tmp_path, blocks[1])
    await imported(here, path)
    assert await here.messages(row["id"]) == before


async def test_times_models_reasoning_and_sub_agents_are_kept(here: Installation, tmp_path: Path) -> None:
    thought = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "so be it"}]
    inner = {"isSidechain": True, "agentId": "scout"}
    path = file(
        tmp_path,
        said("one", 1),
        line("assistant", 2, thought, model="opus"),
        line("user", 3, "look around", **inner),
        line("assistant", 4, [{"type": "tool_use", "id": "call-4", "name": "Glob", "input": {}}], **inner),
    )
    row = await imported(here, path)
    one, answer, told, looked = await here.messages(row["id"])
    assert (answer.role, answer.model, answer.at) == ("assistant", "opus", 1772355602000)
    assert [(part.type, part.text) for part in answer.parts] == [("reasoning", "hm"), ("text", "so be it")]
    assert (told.role, told.agent, looked.role, looked.agent) == ("system", "scout", "tool", "scout")
    assert looked.parts[0].agent == "scout" and one.source == f"claude-code:{SESSION}"


async def test_messages_of_one_time_keep_the_order_of_the_file(here: Installation, tmp_path: Path) -> None:
    same = "2026-03-01T09:00:00.000Z"
    lines = [line("user", n, f"{n}", timestamp=same) for n in range(40)]
    row = await imported(here, file(tmp_path, *lines))
    assert [message.text for message in await here.messages(row["id"])] == [str(n) for n in range(40)]


async def test_a_time_far_ahead_does_not_drag_what_is_written_here_behind_it(
    here: Installation, tmp_path: Path
) -> None:
    path = file(tmp_path, line("user", 1, "from the future", timestamp="2199-01-01T00:00:00Z"), said("later", 2))
    row = await imported(here, path)
    opened = await here.threads.open(thread_id(row["id"]))
    assert all(message.key <= here.threads.now_ms() + 1 for message in opened.view.messages())
    assert [message.text for message in await here.messages(row["id"])] == ["from the future", "later"]


async def test_a_sub_agents_own_file_joins_the_session_by_time(here: Installation, tmp_path: Path) -> None:
    inner = {"isSidechain": True, "agentId": "scout"}
    main = file(tmp_path, line("user", 1, "first"), line("user", 5, "last"))
    own = file(tmp_path, line("user", 3, "between", **inner), name="agent-scout.jsonl")
    row = await imported(here, main)
    assert (await imported(here, own))["id"] == row["id"]
    assert [message.text for message in await here.messages(row["id"])] == ["first", "between", "last"]


async def test_texts_longer_than_an_envelope_come_whole_in_frames_that_fit(
    here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, wide = "x" * 700_000, "ö🥐" * 100_000
    path = file(
        tmp_path,
        line("user", 1, wide),
        call(2, long),
        result(3, 2, wide + long),
        line("assistant", 4, [{"type": "thinking", "thinking": long}, {"type": "text", "text": wide}]),
    )
    assert path.stat().st_size > 2 * CHUNK_BYTES
    row = await imported(here, path)
    asked, called, answered = await here.messages(row["id"])
    assert asked.text == wide and answered.text == wide and answered.parts[0].text == long
    assert json.loads(called.parts[0].input) == {"command": long} and called.parts[0].result == wide + long
    sizes = [len(each.frame) async for each in here.store.stream_frames(thread_id(row["id"]))]
    assert max(sizes) <= MAX_UPDATE_BYTES
    before = len(sizes)
    await imported(here, path)
    assert await here.frames(row["id"]) == before


async def test_a_result_that_comes_later_does_not_write_its_long_call_again(here: Installation, tmp_path: Path) -> None:
    path = file(tmp_path, call(2, "x" * 500_000))
    row = await imported(here, path)
    before = await here.frames(row["id"])
    with path.open("ab") as appended:
        appended.write(result(3, 2, "done"))
    await imported(here, path)
    [message] = await here.messages(row["id"])
    assert message.parts[0].result == "done" and len(message.parts[0].input) > 500_000
    assert await here.frames(row["id"]) == before + 1


async def test_absurd_names_are_cut_and_nothing_fails(here: Installation, tmp_path: Path) -> None:
    block = {"type": "tool_use", "id": "call-1", "name": "N" * 400_000, "input": {}}
    odd = line("assistant", 1, [block], model="M" * 400_000, cwd="/" + "d" * 400_000, isSidechain=True, agentId="A" * 9)
    row = await imported(here, file(tmp_path, odd, line("user", 2, [{"type": "U" * 400_000}])))
    shown = await here.messages(row["id"])
    assert max(len(shown[0].parts[0].name), len(shown[0].model or "")) <= 256 and len(shown) == 2


async def test_many_small_messages_share_envelopes(here: Installation, tmp_path: Path) -> None:
    row = await imported(here, file(tmp_path, *[said(f"{n}", n) for n in range(500)]))
    assert len(await here.messages(row["id"])) == 500
    assert await here.frames(row["id"]) < 40


# ---- titles


async def test_the_title_follows_the_session_until_a_person_gives_one(here: Installation, tmp_path: Path) -> None:
    path = file(tmp_path, said("fix the mill", 1))
    row = await imported(here, path)
    assert row["title"] == "fix the mill"
    summary = {"type": "summary", "summary": "Mill repaired", "leafUuid": "u"}
    file(tmp_path, said("fix the mill", 1), json.dumps(summary).encode() + b"\n")
    assert (await imported(here, path))["title"] == "Mill repaired"
    async with here.threads.change(thread_id(row["id"])) as draft:
        draft.commit(SHARED, lambda doc: set_shared(doc, "meta", {"title": "My mill"}))
    summary["summary"] = "Mill repaired twice"
    file(tmp_path, said("fix the mill", 1), json.dumps(summary).encode() + b"\n")
    assert (await imported(here, path))["title"] == "My mill"


# ---- other ways a thread may stand


async def test_what_another_device_brought_in_is_left_as_it_is(here: Installation, tmp_path: Path) -> None:
    path = file(tmp_path, said("one", 1))
    row = await imported(here, path)
    opened = await here.threads.open(thread_id(row["id"]))
    [mine] = opened.view.messages()
    theirs = {key: value for key, value in _fields(mine).items() if key != "device"} | {"device": b"t" * 32}
    opened.view._known = {(b"t" * 32, mine.id): Message(**theirs)}
    opened.view._devices = {mine.id: {b"t" * 32}}
    opened.view._order = [Message(**theirs).place]
    frames = await here.frames(row["id"])
    await imported(here, path)
    assert await here.frames(row["id"]) == frames


def _fields(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


async def test_a_deleted_thread_comes_back_when_a_person_asks_for_it(here: Installation, tmp_path: Path) -> None:
    path = file(tmp_path, said("one", 1))
    row = await imported(here, path)
    await here.account.set_state(thread_id(row["id"]), "deleted")
    await here.handlers.forget_deleted()
    again = await imported(here, path)
    assert again["new"] is True and again["id"] != row["id"]
    assert [message.text for message in await here.messages(again["id"])] == ["one"]


async def test_a_thread_in_the_trash_is_still_the_sessions_thread(here: Installation, tmp_path: Path) -> None:
    path = file(tmp_path, said("one", 1))
    row = await imported(here, path)
    await here.account.set_state(thread_id(row["id"]), "trashed")
    assert (await imported(here, path))["id"] == row["id"]


# ---- what is no transcript


@pytest.mark.parametrize(
    "content", [b"", b"just notes\n" * 500, b'{"a": 1}\n' * 500, b"\x00\xff" * 5000, b"[1]\n", b"x" * 3_000_000]
)
async def test_what_is_no_transcript_is_refused_by_code_and_leaves_nothing(
    here: Installation, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(OpenSeshError) as refusal:
        await here.importer.import_file(file(tmp_path, content))
    assert refusal.value.kind.name == "IMPORT_UNRECOGNISED"
    assert await here.ids() == []


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "loop", "null"])
async def test_what_cannot_be_read_as_a_file_is_refused_by_code(here: Installation, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.jsonl"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "null":
        path = tmp_path / "a\0b"
    with pytest.raises(OpenSeshError) as refusal:
        await here.importer.import_file(path)
    assert refusal.value.kind.name == "FILE_UNREADABLE"


async def test_a_session_without_a_message_makes_no_thread(here: Installation, tmp_path: Path) -> None:
    summary = {"type": "summary", "summary": "Nothing", "leafUuid": "u", "sessionId": SESSION}
    path = file(tmp_path, json.dumps(summary).encode() + b"\n")
    assert await here.importer.import_file(path) == []
    assert await here.ids() == []
