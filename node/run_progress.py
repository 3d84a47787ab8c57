"""What is told of a run that goes on on another device: the lines of `run.ask`, made of a thread's events (pure)."""

import json
from typing import Any

from crdt import errors
from node.agent.ports import RunRecord
from node.agent.steps import State
from node.happenings import Happening
from node.run_thread import state_of


class Progress:
    """What a thread's events say of one run that goes on elsewhere, as lines of `run.ask`."""

    def __init__(self, record: RunRecord, answer: str) -> None:
        self.answer = answer
        self._shown = {"run": record.id, "thread": record.thread, "message_id": answer}
        self._begun = False
        self._text = ""  # of the answer, as far as it was told

    def told(self, event: Happening) -> list[dict[str, Any]]:
        """The lines that follow from one event."""
        if event.type in ("message.added", "message.changed") and event.data["message"]["id"] == self.answer:
            message = event.data["message"]
            begun, self._begun = self._begun, True
            lines = [] if begun else [{"type": "run.started", **self._shown, "model": message["model"]}]
            return lines + self._rest(message["text"])
        if event.type == "message.delta" and event.data["message_id"] == self.answer:
            if event.data["part"] == "text":
                self._text += event.data["text"]
            return [self._delta(event.data["text"], event.data["part"])]
        return []

    def _rest(self, text: str) -> list[dict[str, Any]]:
        """What was not told of the answer's text; events may have been missed, or have told it whole."""
        if not text.startswith(self._text) or text == self._text:
            return []
        rest, self._text = text[len(self._text) :], text
        return [self._delta(rest, "text")]

    def _delta(self, text: str, part: str) -> dict[str, Any]:
        return {"type": "run.delta", **self._shown, "text": text, "part": part}

    def end(self, shown: dict[str, Any], text: str) -> list[dict[str, Any]]:
        """What is left to be told, and the last line."""
        state, rest = state_of(shown), self._rest(text)
        if state is State.COMPLETED:
            return [*rest, {"type": "run.completed", **self._shown, "text": text}]
        if state is State.CANCELLED:
            return [*rest, {"type": "run.cancelled", **self._shown}]
        error = shown.get("error")
        told = json.loads(error) if isinstance(error, str) else errors.INTERNAL().to_json()
        return [*rest, self._failed(told)]

    def left(self) -> dict[str, Any]:
        """The last line if it is this node that ends."""
        stopped = errors.INTERNAL("This node was stopped; the other device goes on.", next="See: opensesh show")
        return self._failed(stopped.to_json())

    def _failed(self, error: dict[str, Any]) -> dict[str, Any]:
        return {"type": "run.failed", **self._shown, "error": error}
