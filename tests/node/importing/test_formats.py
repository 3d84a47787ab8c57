"""What the records of Claude Code and Codex become, kind by kind."""

import json
from pathlib import Path
from typing import Any

import pytest

from node.importing.detect import Format, format_of
from node.importing.reader import import_bytes
from node.importing.records import (
    Event,
    ImportCounts,
    ImportedMessage,
    ImportedPart,
    ImportedSession,
    MessageUpsert,
    SessionFound,
    ToolResult,
)

SAMPLES = Path(__file__).parent / "samples"
NOW = "2026-03-01T09:00:00.000Z"


def read(*records: dict[str, Any]) -> list[Event]:
    return import_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))[0]


def messages(events: list[Event]) -> list[ImportedMessage]:
    found = {event.message.key: event.message for event in events if isinstance(event, MessageUpsert)}
    return list(found.values())


def session(events: list[Event]) -> ImportedSession:
    return [event.session for event in events if isinstance(event, SessionFound)][-1]


def results(events: list[Event]) -> dict[str, tuple[str, str]]:
    return {event.tool_id: (event.result, event.status) for event in events if isinstance(event, ToolResult)}


# ---- the samples, counted by hand


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("claude", ImportCounts(14, 3, 3, 3, 2, 0)),
        ("codex", ImportCounts(11, 3, 4, 0, 2, 0)),
        ("codex_flat", ImportCounts(4, 2, 1, 0, 0, 0)),
    ],
)
def test_a_sample_holds_what_was_counted_in_it(name: str, counts: ImportCounts) -> None:
    assert import_bytes((SAMPLES / f"{name}.jsonl").read_bytes())[1] == counts


# ---- whose transcript it is


@pytest.mark.parametrize(
    ("record", "tool"),
    [
        ({"type": "user", "sessionId": "s"}, Format.CLAUDE),
        ({"type": "file-history-snapshot", "messageId": "m"}, Format.CLAUDE),
        ({"type": "summary", "leafUuid": "l"}, Format.CLAUDE),
        ({"type": "session_meta", "payload": {}}, Format.CODEX),
        ({"id": "x", "timestamp": "t", "instructions": None}, Format.CODEX),
        ({"record_type": "state"}, Format.CODEX),
        ({"type": "summary"}, None),
        ({"type": "session_meta"}, None),
        ({"type": 1, "sessionId": 2}, None),
        ({"id": "x", "timestamp": "t"}, None),
        ({"level": "info", "message": "a log"}, None),
        ({}, None),
    ],
)
def test_a_records_shape_tells_the_tool(record: dict[str, Any], tool: Format | None) -> None:
    assert format_of(record) is tool


def test_what_came_before_the_first_sure_sign_is_read_too() -> None:
    unsure = {"type": "summary", "summary": "Early"}
    assert session(read(unsure, asks("late"))).title == "Early"


# ---- Claude Code


def claude(kind: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": kind, "uuid": f"u{number}", "sessionId": "s", "cwd": "/w", "timestamp": NOW} | more


def asks(words: Any, number: int = 1, **more: Any) -> dict[str, Any]:
    return claude("user", number, message={"role": "user", "content": words}, **more)


def answers(*blocks: dict[str, Any], number: int = 2, model: str = "m", **more: Any) -> dict[str, Any]:
    message = {"id": f"msg{number}", "role": "assistant", "model": model, "content": list(blocks)}
    return claude("assistant", number, message=message, **more)


def test_titles_a_chosen_one_beats_a_summary_and_that_the_first_words() -> None:
    first, summary = asks("fix it"), {"type": "summary", "summary": "Fixed", "leafUuid": "x"}
    chosen = {"type": "custom-title", "customTitle": "Mine", "sessionId": "s"}
    assert session(read(first, asks("and that", 2))).title == "fix it"
    assert session(read(first, summary)).title == "Fixed"
    assert session(read(chosen, first, summary)).title == "Mine"


def test_a_slash_command_gives_a_title_by_its_name() -> None:
    words = "<command-message>x</command-message><command-name>/review</command-name><command-args>a b</command-args>"
    assert session(read(asks(words))).title == "/review a b"


@pytest.mark.parametrize(
    "record",
    [
        asks("<system-reminder>be good</system-reminder>"),
        asks("made by the tool", isMeta=True),
        asks("what was before", isCompactSummary=True),
        claude("system", subtype="compact_boundary", content="compacted"),
    ],
)
def test_what_the_tool_put_in_is_system(record: dict[str, Any]) -> None:
    assert [message.role for message in messages(read(record))] == ["system"]


def test_a_queued_command_of_a_person_is_theirs_and_one_of_the_tool_is_not() -> None:
    queued = {"type": "queued_command", "prompt": "faster", "commandMode": "prompt"}
    other = queued | {"commandMode": "task-notification"}
    found = messages(read(claude("attachment", 1, attachment=queued), claude("attachment", 2, attachment=other)))
    assert [(message.role, message.parts[0].text) for message in found] == [("user", "faster"), ("system", "faster")]


def test_files_that_were_attached_keep_name_and_text() -> None:
    content = {"type": "text", "file": {"filePath": "/w/a.py", "content": "print(1)"}}
    attached = {"type": "file", "filename": "/w/a.py", "content": content}
    document = {"type": "document", "title": "d", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}}
    found = messages(read(claude("attachment", 1, attachment=attached), asks([document], 2)))
    assert found[0].parts == (ImportedPart("file", text="print(1)", name="/w/a.py"),)
    assert found[1].parts == (ImportedPart("file", text="hi", name="d", media="text/plain"),)


def test_how_a_call_ended_is_told() -> None:
    calls = [{"type": "tool_use", "id": f"c{n}", "name": "Bash", "input": {}} for n in range(4)]
    ends: list[dict[str, Any]] = [
        {"content": "fine"},
        {"content": "bad", "is_error": True},
        {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    ended = [
        asks([{"type": "tool_result", "tool_use_id": f"c{n}", **end}], 10 + n, toolUseResult={})
        for n, end in enumerate(ends)
    ]
    cut = asks([{"type": "tool_result", "tool_use_id": "c3", "content": "x"}], 20, toolUseResult={"interrupted": True})
    assert results(read(answers(*calls), *ended, cut)) == {
        "c0": ("fine", "ok"),
        "c1": ("bad", "error"),
        "c2": ("a\nb", "ok"),
        "c3": ("x", "interrupted"),
    }


def test_a_picture_is_noted_by_kind_and_size_and_not_kept() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD" * 10}}
    [message] = messages(read(asks([picture])))
    assert message.parts == (ImportedPart("image", media="image/png", size_bytes=30),)


def test_sidechains_without_an_agents_id_are_told_apart_by_their_chains() -> None:
    def aside(words: str, number: int, parent: str | None) -> dict[str, Any]:
        return asks(words, number, isSidechain=True, parentUuid=parent)

    found = messages(read(aside("a", 1, None), aside("b", 2, None), aside("a2", 3, "u1"), aside("b2", 4, "u2")))
    labels = {message.parts[0].text: message.agent for message in found}
    assert labels["a"] == labels["a2"] != labels["b"] == labels["b2"] and None not in labels.values()


def test_a_model_that_is_none_is_not_named() -> None:
    assert messages(read(answers({"type": "text", "text": "hi"}, model="<synthetic>")))[0].model is None


def test_unknown_records_and_blocks_are_kept_whole() -> None:
    found = messages(read(claude("oracle", saying="rain"), answers({"type": "hologram", "shape": "loaf"})))
    kinds = [(message.parts[0].type, message.parts[0].name) for message in found]
    assert kinds == [("placeholder", "oracle"), ("placeholder", "hologram")]
    assert json.loads(found[0].parts[0].text)["saying"] == "rain"
    assert json.loads(found[1].parts[0].text) == {"type": "hologram", "shape": "loaf"}


def test_a_result_whose_call_was_never_seen_hangs_on_a_call_without_a_name() -> None:
    events = read(asks([{"type": "tool_result", "tool_use_id": "lost", "content": "x"}]))
    [message] = messages(events)
    assert message.parts[0].tool_id == "lost" and results(events) == {"lost": ("x", "ok")}


# ---- Codex


def meta(**more: Any) -> dict[str, Any]:
    return {"timestamp": NOW, "type": "session_meta", "payload": {"id": "c", "timestamp": NOW, "cwd": "/w"} | more}


def item(kind: str, second: int = 0, **payload: Any) -> dict[str, Any]:
    stamp = f"2026-03-01T09:00:{second:02d}.000Z"
    return {"timestamp": stamp, "type": "response_item", "payload": {"type": kind} | payload}


def event(kind: str, second: int = 0, **payload: Any) -> dict[str, Any]:
    return item(kind, second, **payload) | {"type": "event_msg"}


def person(words: str, second: int = 0) -> dict[str, Any]:
    return item("message", second, role="user", content=[{"type": "input_text", "text": words}])


def model(words: str, second: int = 0) -> dict[str, Any]:
    return item("message", second, role="assistant", content=[{"type": "output_text", "text": words}])


def test_what_the_model_gives_in_one_go_is_one_message() -> None:
    thought = item("reasoning", 1, summary=[{"type": "summary_text", "text": "hm"}])
    called = item("function_call", 2, name="shell", arguments="{}", call_id="1")
    output = item("function_call_output", 3, call_id="1", output="ok")
    found = messages(read(meta(), person("go"), thought, called, output, model("done", 4)))
    assert [[part.type for part in message.parts] for message in found] == [
        ["text"],
        ["reasoning", "tool_call"],
        ["text"],
    ]


def test_the_same_words_said_twice_are_two_messages_and_a_line_copied_is_one() -> None:
    assert len(messages(read(meta(), person("continue", 1), model("a", 2), person("continue", 3)))) == 3
    assert len(messages(read(meta(), person("continue", 1), person("continue", 1)))) == 1


def test_the_model_in_force_is_the_latest_context() -> None:
    contexts = [{"timestamp": NOW, "type": "turn_context", "payload": {"model": name}} for name in ("one", "two")]
    found = messages(read(meta(), contexts[0], model("a", 1), person("b", 2), contexts[1], model("c", 3)))
    assert [message.model for message in found] == ["one", None, "two"]


def test_a_sub_agents_rollout_is_read_into_its_parents_session() -> None:
    spawned = {"subagent": {"thread_spawn": {"parent_thread_id": "parent", "agent_role": "scout"}}}
    events = read(meta(id="child", source=spawned), person("look", 1), model("seen", 2))
    assert session(events).source == "codex:parent" and session(events).title == ""
    assert [(message.role, message.agent) for message in messages(events)] == [("system", "scout"), ("tool", "scout")]
    assert all(message.key.startswith("child:") for message in messages(events))


def test_call_ids_that_begin_anew_in_every_answer_are_kept_apart() -> None:
    def turn(words: str, second: int) -> list[dict[str, Any]]:
        called = item("function_call", second, name="shell", arguments=f'{{"n": {second}}}', call_id="call_0")
        return [called, item("function_call_output", second + 1, call_id="call_0", output=words)]

    events = read(meta(), *turn("first", 1), *turn("second", 3))
    assert results(events) == {"call_0": ("first", "ok"), "call_0-2": ("second", "ok")}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("Exit code: 1\nWall time: 0\nOutput:\nbad", ("Exit code: 1\nWall time: 0\nOutput:\nbad", "error")),
        ("Exit code: 0\nOutput:\nExit code: 3", ("Exit code: 0\nOutput:\nExit code: 3", "ok")),
        ('{"output":"x","metadata":{"exit_code":2}}', ("x", "error")),
        ('{"output":', ('{"output":', "ok")),
        ({"content": "no", "success": False}, ("no", "error")),
        ([{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:,QQ"}], ("a", "ok")),
        (None, ("null", "ok")),
    ],
)
def test_outputs_of_every_age_are_read(output: Any, expected: tuple[str, str]) -> None:
    called = item("function_call", 1, name="shell", arguments="{}", call_id="1")
    assert results(read(meta(), called, item("function_call_output", 2, call_id="1", output=output))) == {"1": expected}


def test_what_happened_to_a_turn_is_told() -> None:
    events = read(
        meta(),
        person("go", 1),
        event("turn_aborted", 2, reason="interrupted"),
        event("thread_rolled_back", 3, num_turns=2),
        event("error", 4, message="no more credit"),
        event("thread_name_updated", 5, thread_name="Milling"),
        event("item_completed", 6, item={"type": "Plan", "text": "grind"}),
        event("token_count", 7),
        event("moon_phase", 8),
    )
    words = [(message.role, message.parts[0].text) for message in messages(events)][1:-1]
    assert words == [
        ("system", "Turn aborted: interrupted"),
        ("system", "The last 2 turn(s) were rolled back."),
        ("system", "no more credit"),
        ("assistant", "grind"),
    ]
    assert messages(events)[-1].parts[0].name == "event_msg/moon_phase" and session(events).title == "Milling"


def test_a_forked_session_keeps_its_own_name_and_root() -> None:
    events = read(meta(id="fork", cwd="/new"), meta(id="old", cwd="/old"), person("go", 1))
    assert session(events).source == "codex:fork" and session(events).project_root == "/new"
