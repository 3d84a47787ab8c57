"""The screen's state as conversations: what the node tells, and what is known afterwards."""

from dataclasses import replace
from typing import Any

from client.screen.state import State, listed, next_thread, opened, update

AUTHOR = {"identity": "i", "device": "d", "name": "laptop"}


def message(identifier: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "role": "user",
        "text": text,
        "created_at": "2026-01-05T09:30:00.000Z",
        "author": AUTHOR,
        "state": "final",
        "parts": [{"type": "text", "text": text}],
        "tool_calls": [],
        **more,
    }


def row(identifier: str, title: str = "A thread") -> dict[str, Any]:
    return {
        "id": identifier,
        "title": title,
        "updated_at": "2026-01-05T09:30:00.000Z",
        "messages": 1,
        "sync": "local-only",
    }


def conversation(*messages: dict[str, Any]) -> State:
    state = listed(State(), [row("t1", "First"), row("t2", "Second")], "local-only")
    return opened(state, {"id": "t1", "title": "First", "messages": list(messages)})


def event(kind: str, thread: str = "t1", **more: Any) -> dict[str, Any]:
    return {"type": kind, "thread": thread, "cursor": 1, **more}


def test_a_new_message_stands_last_and_the_same_one_again_is_no_second() -> None:
    state = conversation(message("a"))
    for _ in range(2):
        state = update(state, event("message.added", message=message("b", "second")))
    assert [shown.text for shown in state.messages] == ["hello", "second"]


def test_a_stream_grows_its_message_and_changes_its_version() -> None:
    state = conversation(message("a", "", state="streaming", role="assistant"))
    for piece in ("One", " two", " three"):
        state = update(state, event("message.delta", message_id="a", part="text", text=piece))
    assert state.messages[0].text == "One two three" and state.is_streaming
    versions = state.messages[0].version
    state = update(state, event("message.changed", message=message("a", "One two three", role="assistant")))
    assert not state.is_streaming and state.messages[0].version > versions


def test_reasoning_grows_apart_from_the_text() -> None:
    state = conversation(message("a", "", state="streaming", role="assistant"))
    state = update(state, event("message.delta", message_id="a", part="reasoning", text="hm"))
    assert (state.messages[0].reasoning, state.messages[0].text) == ("hm", "")


def test_what_comes_in_another_thread_marks_its_row_until_it_is_opened() -> None:
    state = update(conversation(), event("message.added", "t2", message=message("x")))
    assert [r.is_new for r in state.rows] == [False, True] and state.messages == ()
    state = listed(state, [row("t2"), row("t1")], "on the relay")
    assert [r.is_new for r in state.rows] == [True, False]
    state = opened(state, {"id": "t2", "title": "Second", "messages": []})
    assert not any(r.is_new for r in state.rows)


def test_what_comes_while_one_reads_further_up_is_counted_and_moves_nothing() -> None:
    state = replace(conversation(message("a"), message("b")), anchor="a")
    state = update(state, event("message.added", message=message("c")))
    assert (state.anchor, state.unseen) == ("a", 1)


def test_a_deleted_thread_closes_and_says_so() -> None:
    state = update(conversation(message("a")), event("thread.deleted"))
    assert state.thread is None and state.messages == () and "deleted" in state.notice


def test_a_rename_shows_at_once() -> None:
    assert update(conversation(), event("thread.changed", title="Renamed")).title == "Renamed"


def test_the_node_coming_back_ends_what_was_said_while_it_was_away() -> None:
    away = replace(conversation(), offline=True, notice="The node isn't running.")
    back = listed(away, [row("t1")], "on the relay")
    assert (back.offline, back.notice, back.sync) == (False, "", "on the relay")


def test_an_unknown_event_changes_nothing() -> None:
    state = conversation(message("a"))
    assert update(state, event("something.new")) == state


def test_stepping_through_threads_goes_around() -> None:
    state = conversation()
    assert next_thread(state, 1) == "t2" and next_thread(state, -1) == "t2" and next_thread(State(), 1) is None
