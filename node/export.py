"""A thread as text: equal byte for byte on every device that holds the same changes.

Everything in it comes from the thread itself: no local clock, path, zone or name of this device.
"""

import json
from typing import Any

from crdt.content import Message, Part
from crdt.ids import to_text
from node import shapes
from node.open_thread import OpenThread

_ROLES = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def as_json(opened: OpenThread) -> str:
    """The messages in the API's shape, pretty-printed with sorted keys."""
    meta = opened.view.meta()
    value: dict[str, Any] = {
        "id": to_text(opened.id),
        "title": meta.get("title") or "",
        "project": meta.get("project"),
        "source": meta.get("source"),
        "messages": [shapes.message(m, opened.author_of(m.device)) for m in opened.view.messages()],
    }
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def as_markdown(opened: OpenThread) -> str:
    """Headings by author, tool calls as fenced blocks, reasoning as a quote."""
    meta = opened.view.meta()
    blocks = [f"# {_line(meta.get('title') or 'Untitled')}"]
    for message in opened.view.messages():
        blocks.append(_heading(message, opened.author_of(message.device)["name"]))
        blocks += [block for part in message.parts if (block := _block(part))]
    return "\n\n".join(blocks) + "\n"


def _heading(message: Message, author: str) -> str:
    who = [_ROLES[message.role]]
    if message.role == "user" and message.source is None:
        who.append(_line(author))
    who += [_line(each) for each in (message.model, message.agent) if each]
    state = "" if message.state == "final" else f" ({message.state})"
    return f"## {' · '.join(who)}{state}\n\n<sub>{shapes.time(message.at)}</sub>"


def _block(part: Part) -> str:
    if part.type == "text":
        return part.text.strip("\n")
    if part.type == "reasoning":
        return "\n".join(f"> {line}".rstrip() for line in part.text.strip("\n").split("\n"))
    if part.type == "tool_call":
        called = f"**{_line(part.name)}** ({part.status or 'running'})"
        return "\n\n".join([called, fenced(part.input, "json"), *([fenced(part.result)] if part.result else [])])
    return f"*{_line(part.type)}: {_line(part.name or part.text)}*"


def fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in _runs(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _runs(text: str) -> list[str]:
    """The runs of backticks in a text."""
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]


def _line(text: str) -> str:
    return " ".join(text.split())
