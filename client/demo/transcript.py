"""A short session as Claude Code writes it, with a word in it that must be found nowhere it shouldn't."""

import json
from typing import Any

TITLE = "Why does the parser fail on empty input?"
_BASE = {"sessionId": "0f4d8f3e-demo-4c1e-9f7a-6b1d2c3e4f50", "cwd": "/home/ana/parser", "version": "2.0.0"}


def lines(canary: str) -> str:
    """The session's JSONL. `canary` stands in a question, an answer, and a tool's result."""
    call = {"type": "tool_use", "id": "toolu_demo", "name": "Read", "input": {"file_path": "parser.py"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_demo",
        "content": f"def parse(text):\n    return tokens(text)[0]  # {canary}",
    }
    answer = f"`tokens('')` is empty, so `[0]` raises. Return None first. ({canary})"
    records = [
        _record("u1", "user", {"role": "user", "content": f"{TITLE} ({canary})"}, 0),
        _record("a1", "assistant", _said("msg_demo_1", [{"type": "text", "text": "I look at it."}, call]), 2),
        _record("u2", "user", {"role": "user", "content": [result]}, 3),
        _record("a2", "assistant", _said("msg_demo_2", [{"type": "text", "text": answer}]), 5),
    ]
    return "".join(json.dumps(record) + "\n" for record in records)


def _said(identifier: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": identifier, "role": "assistant", "model": "demo-model", "content": content}


def _record(uuid: str, kind: str, message: dict[str, Any], second: int) -> dict[str, Any]:
    return {
        **_BASE,
        "type": kind,
        "uuid": uuid,
        "timestamp": f"2026-01-05T09:30:{second:02d}.000Z",
        "message": message,
    }
