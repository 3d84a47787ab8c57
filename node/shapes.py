"""Values of the core in the shapes the API answers with (see `node/api/operations`)."""

from datetime import UTC, datetime
from typing import Any

from crdt.content import Message, Part
from crdt.ids import to_text
from crdt.output import Output, terminal_id


def time(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds. What lies outside the years 1 to 9999 is shown as the nearest bound."""
    clamped = min(max(at_ms, -62_135_596_800_000), 253_402_300_799_999)
    moment = datetime.fromtimestamp(clamped // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{clamped % 1000:03d}Z".rjust(24, "0")


def message(shown: Message, author: dict[str, Any]) -> dict[str, Any]:
    """A message whole."""
    return {
        "id": shown.id,
        "role": shown.role,
        "text": shown.text,
        "created_at": time(shown.at),
        "author": author,
        "state": shown.state,
        "model": shown.model,
        "run": shown.run,
        "agent": shown.agent,
        "by": shown.by,
        "parts": [_part(part) for part in shown.parts],
        "tool_calls": [_call(part) for part in shown.parts if part.type == "tool_call"],
    }


def _part(part: Part) -> dict[str, Any]:
    if part.type == "tool_call":
        return {"type": part.type, "id": part.id}
    return {"type": part.type, "text": part.text, **({"name": part.name} if part.name else {})}


def _call(part: Part) -> dict[str, Any]:
    return {
        "id": part.id,
        "name": part.name,
        "input": part.input,
        "result": part.result if part.result or part.status in ("ok", "error") else None,
        "status": part.status or "running",
        "agent": part.agent or None,
    }


def terminal(output: Output, author: dict[str, Any]) -> dict[str, Any]:
    """A shared terminal, as lists and events have it."""
    opened, ended, size = output.opened, output.ended, output.size
    return {
        "terminal": to_text(terminal_id(output.lane)),
        "command": list(opened.command) if opened else [],
        "state": "running" if ended is None else "ended",
        "code": ended.code if ended else None,
        "reason": ended.reason if ended else "",
        "columns": size[0] if size else None,
        "rows": size[1] if size else None,
        "started_at": time(opened.at_ms) if opened else None,
        "author": author,
    }
