"""A thread's messages as text for a person."""

from typing import Any

from client.cli.out import Out
from client.cli.text import clean, count, local_time, one_line, shorten

TOOL_COLUMNS = 100
_MARKS = {"ok": "✓", "error": "✗ failed", "running": "… running", "interrupted": "! interrupted"}


def shown(result: dict[str, Any], out: Out) -> str:
    """`show`."""
    facts = [result["id"], one_line(result.get("project") or ""), count(len(result["messages"]), "message")]
    lines = [out.style("bold", one_line(result["title"])), out.style("dim", " · ".join(fact for fact in facts if fact))]
    for warning in result.get("warnings") or ():
        out.note(one_line(warning["message"]))
    for message in result["messages"]:
        lines += ["", *_message(message, out)]
    return "\n".join(lines)


def _message(message: dict[str, Any], out: Out) -> list[str]:
    author = message.get("author") or {}
    who = [message["role"], author.get("name"), message.get("model"), local_time(message["created_at"])]
    if message.get("state") not in (None, "final"):
        who.append(message["state"])
    lines = [out.style("cyan", " · ".join(one_line(word) for word in who if word))]
    if message["text"]:
        lines.append(clean(message["text"]).rstrip("\n"))
    lines += [_placeholder(part, out) for part in message.get("parts") or () if part.get("type") in _UNSHOWN]
    lines += [_tool_call(call, out) for call in message.get("tool_calls") or ()]
    return lines


# Parts that are neither in the message's text nor among its tool calls.
_UNSHOWN = ("file", "image", "placeholder")


def _placeholder(part: dict[str, Any], out: Out) -> str:
    return out.style("dim", shorten(f"[{part['type']}] {one_line(part.get('text') or '')}".rstrip(), TOOL_COLUMNS))


def _tool_call(call: dict[str, Any], out: Out) -> str:
    agent = f" ({one_line(call['agent'])})" if call.get("agent") else ""
    text = f"⚙ {one_line(call['name'])}{agent} {one_line(call.get('input') or '')}"
    status = str(call.get("status") or "")
    return out.style("dim", f"{shorten(text, TOOL_COLUMNS)} {_MARKS.get(status, one_line(status))}".rstrip())


def said(result: dict[str, Any], out: Out) -> str:
    """`say`."""
    return f"{out.style('green', 'said')} {result['message_id']}"


def cancelled(result: dict[str, Any], out: Out) -> str:
    """`cancel`."""
    return f"Cancelled {count(len(result['cancelled']), 'run')}." if result["cancelled"] else "Nothing was running."
