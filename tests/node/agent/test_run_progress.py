"""What is told of a run elsewhere, made of a thread's events: all of its text, once, in order."""

from typing import Any

import pytest

from node.agent.ports import RunRecord
from node.agent.steps import State
from node.happenings import Happening
from node.run_progress import Progress

RECORD = RunRecord("run", "thread", "request", "prompt", "", "m", "them", 1, State.QUEUED, 0)


def event(kind: str, **data: Any) -> Happening:
    return Happening(cursor=1, type=kind, thread="thread", data=data)


def whole(kind: str, text: str, identifier: str = "answer") -> Happening:
    return event(kind, message={"id": identifier, "text": text, "model": "m"})


def delta(text: str, part: str = "text", identifier: str = "answer") -> Happening:
    return event("message.delta", message_id=identifier, part=part, text=text)


def told(*events: Happening) -> tuple[Progress, list[tuple[str, str]]]:
    """Type and text of every line."""
    progress = Progress(RECORD, "answer")
    return progress, [shape(line) for each in events for line in progress.told(each)]


def shape(line: dict[str, Any]) -> tuple[str, str]:
    return line["type"], line.get("text", "")


def test_an_answer_that_began_empty_is_told_from_its_first_word() -> None:
    _, lines = told(whole("message.added", ""), whole("message.changed", "Hel"), delta("lo"))
    assert lines == [("run.started", ""), ("run.delta", "Hel"), ("run.delta", "lo")]


def test_an_answer_that_is_told_whole_again_is_not_repeated() -> None:
    _, lines = told(whole("message.added", "Hel"), delta("lo"), whole("message.changed", "Hello"))
    assert lines == [("run.started", ""), ("run.delta", "Hel"), ("run.delta", "lo")]


def test_reasoning_is_told_and_is_not_counted_as_text() -> None:
    _, lines = told(whole("message.added", ""), delta("hm", "reasoning"), whole("message.changed", "So"))
    assert lines[1:] == [("run.delta", "hm"), ("run.delta", "So")]


def test_what_happens_to_other_messages_is_not_told() -> None:
    others = whole("message.added", "x", "other"), delta("x", identifier="other"), event("thread.changed", title="T")
    assert told(*others)[1] == []


def test_text_whose_event_was_missed_is_told_before_the_end() -> None:
    progress, _ = told(whole("message.added", "Hel"))
    end = progress.end({"state": "completed"}, "Hello")
    assert [shape(line) for line in end] == [("run.delta", "lo"), ("run.completed", "Hello")]


def test_text_that_changed_under_the_reader_is_given_whole_at_the_end_alone() -> None:
    progress, _ = told(whole("message.added", "Other"))
    assert [shape(line) for line in progress.end({"state": "completed"}, "Hello")] == [("run.completed", "Hello")]


@pytest.mark.parametrize(
    ("shown", "kind", "name"),
    [
        ({"state": "cancelled"}, "run.cancelled", None),
        ({"state": "failed", "error": '{"name": "TIMEOUT"}'}, "run.failed", "TIMEOUT"),
        ({"state": "interrupted"}, "run.failed", "INTERNAL"),
        ({"state": "of a newer version"}, "run.failed", "INTERNAL"),
    ],
)
def test_an_end_is_told_as_the_thread_has_it(shown: dict[str, Any], kind: str, name: str | None) -> None:
    (last,) = Progress(RECORD, "answer").end(shown, "")
    assert (last["type"], last.get("error", {}).get("name")) == (kind, name)
    assert (last["run"], last["thread"], last["message_id"]) == ("run", "thread", "answer")
