"""`ask`: a prompt, and the model's answer as it comes."""

from typing import Any

from client.cli.out import Out
from client.cli.parse import Arguments
from client.cli.session import Session
from client.cli.text import clean, one_line
from crdt.errors import PROVIDER_FAILED, from_json


def ask(session: Session, arguments: Arguments) -> int:
    """`ask`: see `stream`."""
    return stream(session, "run.ask", arguments.values)


def stream(session: Session, name: str, values: dict[str, Any]) -> int:
    """Stream what an operation runs. Exit 0 if it completed, or was only said; 1 if it failed or was cancelled.

    Leaving does not end it.
    """
    answer = _Answer(session.out)
    end: dict[str, Any] = {}
    try:
        for line in session.stream(name, **values):
            end = line
            if session.out.as_json:
                session.out.data(line)
            else:
                answer.take(line)
    except KeyboardInterrupt:
        answer.finish()
        session.out.note(f"The run goes on. Stop it with: opensesh cancel {one_line(values['thread'])}")
        raise
    finally:
        answer.finish()
    if end["type"] == "run.failed":
        error = end.get("error")
        raise from_json(error) if isinstance(error, dict) else PROVIDER_FAILED()
    if end["type"] == "run.cancelled":
        session.out.note("The run was cancelled.")
        return 1
    return 0


class _Answer:
    """The answer on stdout, piece by piece; everything else about the run on stderr."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._last = "\n"
        self._begun = False
        self._part = "text"

    def take(self, line: dict[str, Any]) -> None:
        """Print what a line adds."""
        kind = line["type"]
        if kind == "draft.said":
            self._out.line(f"{self._out.style('green', 'said')} {line['message_id']}")
        elif kind == "run.queued":
            self._out.progress("Waiting for the model …")
        elif kind == "run.delta" and line.get("part") == "reasoning":
            if self._out.terminal:  # of interest while one waits, and no part of the answer
                self._switch("reasoning")
                self._print(self._out.style("dim", clean(line["text"])))
        elif kind == "run.delta":
            self._switch("text")
            self._begun = True
            self._print(clean(line["text"]))
        elif kind == "run.completed" and not self._begun:
            self._switch("text")
            self._print(clean(line["text"]))

    def finish(self) -> None:
        """End the line. Harmless twice."""
        self._out.progress("")
        if self._last != "\n":
            self._print("\n")

    def _switch(self, part: str) -> None:
        self._out.progress("")
        if part != self._part and self._last != "\n":
            self._print("\n\n")
        self._part = part

    def _print(self, text: str) -> None:
        if text:
            self._out.piece(text)
            self._last = text[-1]
