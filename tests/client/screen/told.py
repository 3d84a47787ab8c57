"""What a node tells, in the shapes of its API, for the tests of the screen."""

from typing import Any

from client.screen.state import State, listed, opened, opening

AUTHOR = {"identity": "i", "device": "d", "name": "laptop"}
WHEN = "2026-01-05T09:30:00.000Z"


def message(identifier: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    """A message with one text part; `more` replaces what differs."""
    return {
        "id": identifier,
        "role": "user",
        "text": text,
        "created_at": WHEN,
        "author": AUTHOR,
        "state": "final",
        "parts": [{"type": "text", "text": text}] if text else [],
        "tool_calls": [],
        **more,
    }


def answer(identifier: str, text: str = "", **more: Any) -> dict[str, Any]:
    """A model's message, still being written."""
    return message(identifier, text, **{"role": "assistant", "state": "streaming", "model": "guide", **more})


def row(identifier: str, title: str = "A thread", **more: Any) -> dict[str, Any]:
    """A thread of the list."""
    about = {"project": None, "updated_at": WHEN, "messages": 1, "sync": "local-only"}
    return {"id": identifier, "title": title, **about, **more}


def thread(identifier: str, *messages: dict[str, Any], cursor: int = 0, title: str = "First") -> dict[str, Any]:
    """A thread with its messages, as it stands after the event `cursor`."""
    return {"id": identifier, "title": title, "cursor": cursor, "messages": list(messages)}


def event(kind: str, where: str = "t1", cursor: int = 1, **more: Any) -> dict[str, Any]:
    """Something that happened."""
    return {"type": kind, "thread": where, "cursor": cursor, **more}


def conversation(*messages: dict[str, Any]) -> State:
    """A screen with two threads, the first of them open."""
    state = listed(State(), [row("t1", "First"), row("t2", "Second")], "local-only")
    return opened(opening(state, "t1"), thread("t1", *messages))


def comment(identifier: str, text: str = "Why?", **more: Any) -> dict[str, Any]:
    """A comment, or an answer to one."""
    return {
        **{"id": identifier, "reference": f"d/{identifier}", "author": {**AUTHOR, "name": "Ana"}, "text": text},
        **{"created_at": WHEN, "edited_at": None, "deleted": False, "reply_to": None, "reactions": []},
        **more,
    }


def talk(identifier: str, about: str | None, *texts: str, **more: Any) -> dict[str, Any]:
    """A conversation about a message: what began it, and the answers."""
    first, *answers = texts or ("Why?",)
    anchor = {"kind": "message", "message": about} if about is not None else None
    return {
        **comment(identifier, first),
        **{"message": about, "anchor": anchor, "stands": True, "now": None, "resolved": False, "resolved_by": None},
        "replies": [comment(f"{identifier}{number}", text) for number, text in enumerate(answers)],
        **more,
    }
