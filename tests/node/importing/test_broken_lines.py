"""Lines that are broken, hostile or absurd: each costs itself, and nothing raises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.importing.lines import LineSplitter, Unreadable, parse_object
from node.importing.reader import import_bytes
from node.importing.records import MessageUpsert, SkippedLine
from tests.node.importing.watching import said, words_of

KINDS = """
type user assistant system progress attachment summary message content text thinking tool_use tool_result
image source data id uuid sessionId timestamp input name model isSidechain agentId parentUuid toolUseResult
is_error session_meta response_item event_msg turn_context compacted payload role output call_id function_call
function_call_output reasoning local_shell_call action item_completed item image_url url subtype customTitle
"""
NAMES = [name for line in KINDS.splitlines() for name in line.split()]

words = st.one_of(st.sampled_from(NAMES), st.text(max_size=8))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=5)),
    max_leaves=20,
)
records = st.dictionaries(words, values, max_size=6)
claude_like = st.builds(
    lambda kind, content, more: {"type": kind, "sessionId": "s", "message": {"id": "m", "content": content}} | more,
    st.sampled_from(["user", "assistant", "progress", "attachment", "system"]),
    values,
    records,
)
codex_like = st.builds(
    lambda kind, inner, payload: {"type": kind, "payload": {"type": inner} | payload},
    st.sampled_from(["response_item", "event_msg", "session_meta", "turn_context", "compacted"]),
    st.sampled_from(NAMES),
    records,
)


@given(found=st.lists(st.one_of(claude_like, codex_like, records), max_size=6))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("first", [{"type": "user", "sessionId": "s"}, {"type": "event_msg", "payload": {}}])
def test_any_objects_at_all_are_read_without_raising(first: dict[str, Any], found: list[dict[str, Any]]) -> None:
    data = b"".join(json.dumps(record).encode() + b"\n" for record in [first, *found])
    events, counts = import_bytes(data)
    keys = {event.message.key for event in events if isinstance(event, MessageUpsert)}
    assert len(keys) == counts.messages
    assert json.dumps([event.message.parts for event in events if isinstance(event, MessageUpsert)], default=str)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"type": "user", "half', "broken JSON"),
        (b"[1, 2]", "not an object"),
        (b'"words"', "not an object"),
        (b"\xff\xfe\x00", "broken JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b'{"a": "' + b"[" * 100_000, "broken JSON"),
    ],
)
def test_a_line_that_is_no_object_is_skipped_with_its_reason(line: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        parse_object(line)
    events, counts = import_bytes(said("before", 1) + line + b"\n" + said("after", 2))
    assert words_of(events) == ["before", "after"] and counts.skipped_lines == 1
    [note] = [event for event in events if isinstance(event, SkippedLine)]
    assert (note.offset, note.size_bytes, note.reason) == (len(said("before", 1)), len(line) + 1, reason)


def test_brackets_within_strings_are_no_depth() -> None:
    assert parse_object(json.dumps({"a": "[{" * 5000 + '"'}).encode())["a"].startswith("[{")


def test_broken_characters_cost_themselves_alone() -> None:
    assert parse_object(b'{"a": "x\xffy"}') == {"a": "x\ufffdy"}
    assert parse_object(b'{"\\ud800": ["\\ud83e\\udd50", "\\udc00"]}') == {"\ufffd": ["🥐", "\ufffd"]}
    assert parse_object(b'{"a": NaN, "b": -Infinity}') == {"a": "NaN", "b": "-Infinity"}


def test_a_huge_number_is_broken_and_nothing_worse() -> None:
    with pytest.raises(Unreadable):
        parse_object(b'{"a": ' + b"9" * 5000 + b"}")


def test_lines_are_cut_at_their_ends_of_either_kind_and_longer_ones_are_only_measured() -> None:
    splitter = LineSplitter(limit_bytes=10)
    found = splitter.feed(b"one\r\n\ntwo") + splitter.feed(b"\n" + b"x" * 50) + splitter.feed(b"y\nthree")
    assert [(line.data, line.offset, line.size_bytes) for line in found] == [
        (b"one", 0, 5),
        (b"", 5, 1),
        (b"two", 6, 4),
        (None, 10, 52),
    ]
    assert splitter.line_start == 62 and splitter.fed_bytes == 67
    last = splitter.finish()
    assert last is not None and last.data == b"three"
