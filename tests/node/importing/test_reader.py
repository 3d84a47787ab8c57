"""Transcripts of other tools: what they become, whatever is broken in them."""

import json
from typing import Any

import pytest

from crdt.errors import OpenSeshError
from node.importing.reader import Reader
from node.importing.records import Event, ImportedMessage, MessageUpsert, SessionFound, SkippedLine, ToolResult


def claude(kind: str, uuid: str, message: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"type": kind, "uuid": uuid, "sessionId": "s-1", "cwd": "/home/ana/shop", "isSidechain": False}
    return base | {"timestamp": "2026-02-10T21:11:56.846Z", "message": message} | more


def block(text: str, identifier: str = "msg-1") -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"id": identifier, "role": "assistant", "model": "m-1", "content": content}


CALL = {
    "id": "msg-1",
    "role": "assistant",
    "model": "m-1",
    "content": [{"type": "tool_use", "id": "call-1", "name": "Read", "input": {"path": "a.py"}}],
}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call-1", "content": "print(1)"}]}
SESSION = [
    claude("user", "u-1", {"role": "user", "content": "why does the shop not start"}),
    claude("assistant", "a-1", block("Let me look.")),
    claude("assistant", "a-2", CALL),
    claude("user", "u-2", RESULT),
]


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def read(data: bytes, step: int = 1 << 20) -> list[Event]:
    reader = Reader()
    events = [event for at in range(0, len(data), step) for event in reader.feed(data[at : at + step])]
    return events + list(reader.finish())


def messages(events: list[Event]) -> dict[str, ImportedMessage]:
    return {event.message.key: event.message for event in events if isinstance(event, MessageUpsert)}


def test_lines_of_one_assistant_message_become_one_message_with_its_call() -> None:
    found = messages(read(lines(*SESSION)))
    assistant = [message for message in found.values() if message.role == "assistant"]
    assert len(assistant) == 1
    assert [part.type for part in assistant[0].parts] == ["text", "tool_call"]
    assert assistant[0].model == "m-1"


def test_a_result_finds_its_call() -> None:
    results = [event for event in read(lines(*SESSION)) if isinstance(event, ToolResult)]
    assert [(result.tool_id, result.result) for result in results] == [("call-1", "print(1)")]


def test_the_session_has_a_stable_source_and_its_project() -> None:
    sessions = [event.session for event in read(lines(*SESSION)) if isinstance(event, SessionFound)]
    assert sessions[-1].source == "claude-code:s-1" and sessions[-1].project_root == "/home/ana/shop"


def test_reading_again_gives_the_same_keys() -> None:
    assert messages(read(lines(*SESSION))).keys() == messages(read(lines(*SESSION) * 2)).keys()


def test_byte_by_byte_is_the_same_as_whole() -> None:
    data = lines(*SESSION)
    assert messages(read(data, 1)) == messages(read(data))


def test_a_broken_line_is_counted_and_the_rest_is_read() -> None:
    data = lines(*SESSION[:2]) + b'{"broken": \xff\n' + lines(*SESSION[2:])
    events = read(data)
    assert len([event for event in events if isinstance(event, SkippedLine)]) == 1
    assert messages(events) == messages(read(lines(*SESSION)))


def test_an_unfinished_last_line_waits_for_its_end() -> None:
    data = lines(*SESSION)
    reader = Reader()
    first = list(reader.feed(data[:-5]))
    rest = list(reader.feed(data[-5:]))
    assert messages(first + rest) == messages(read(data))
    assert not [event for event in first if isinstance(event, ToolResult)]


def test_what_is_no_transcript_is_refused_by_code() -> None:
    with pytest.raises(OpenSeshError) as refusal:
        read(b"just some notes\n" * 200)
    assert refusal.value.kind.code == "E029"
