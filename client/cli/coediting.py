"""What several people write at once: the draft, the notes, the tags."""

import os
from typing import Any

from client.cli.asking import stream
from client.cli.inputs import stdin_text
from client.cli.parse import Arguments
from client.cli.session import Session
from client.cli.text import clean, one_line
from client.wire import MAX_REQUEST_BYTES
from crdt.errors import USAGE


def draft(session: Session, arguments: Arguments) -> int:
    """`draft`: shown, set, typed into, or sent."""
    given = [flag for flag, value in _ways(arguments).items() if value]
    if len(given) > 1:
        raise USAGE(f"{given[0]} and {given[1]} don't go together.", next="See: opensesh draft --help")
    if arguments.at is None and (arguments.delete is not None or arguments.insert is not None):
        raise USAGE("Where? --delete and --insert need --at.", next="See: opensesh draft --help")
    if arguments.send:
        return stream(session, "draft.send", _only(arguments, "say", "version", "model", "take_over", "request_id"))
    if arguments.at is None:
        return _text(session, arguments, "draft")
    return _show(session, session.call("draft.edit", **_only(arguments, "at", "delete", "insert", "version")))


def _ways(arguments: Arguments) -> dict[str, bool]:
    return {
        "--send": arguments.send,
        "--set": arguments.text is not None,
        "--stdin": arguments.stdin,
        "--at": arguments.at is not None,
    }


def _only(arguments: Arguments, *names: str) -> dict[str, Any]:
    return {name: arguments.values[name] for name in ("thread", *names)}


def notes(session: Session, arguments: Arguments) -> int:
    """`notes`: shown or set."""
    if arguments.stdin and arguments.text is not None:
        raise USAGE("--set and --stdin don't go together.", next="See: opensesh notes --help")
    return _text(session, arguments, "notes")


def _text(session: Session, arguments: Arguments, name: str) -> int:
    """Show a text, or set it. Whoever runs one command after another in a terminal, or a script, is one reader."""
    text = arguments.text
    if arguments.stdin:
        text = stdin_text(MAX_REQUEST_BYTES).removesuffix("\n").removesuffix("\r")
    values: dict[str, Any] = {"thread": arguments.thread, "reader": f"shell {os.getppid()}"}
    if text is None:
        return _show(session, session.call(f"{name}.show", **values))
    return _show(session, session.call(f"{name}.set", text=text, version=arguments.version, **values))


def _show(session: Session, result: dict[str, Any]) -> int:
    if not result["text"]:
        session.out.note("It is empty.")
    session.out.answer(result, lambda: clean(result["text"]))
    return 0


def tag(session: Session, arguments: Arguments) -> int:
    """`tag`: shown or changed."""
    words = arguments.tags or []
    values: dict[str, Any] = {
        "add": [word.removeprefix("+") for word in words if not word.startswith("-")],
        "remove": [word.removeprefix("-") for word in words if word.startswith("-")],
    }
    name = "tags.change" if words else "tags.show"
    result = session.call(name, thread=arguments.thread, **(values if words else {}))
    if not result["tags"]:
        session.out.note("No tags.")
    session.out.answer(result, lambda: " ".join(f"+{one_line(each)}" for each in result["tags"]))
    return 0
