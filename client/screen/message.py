"""A message as it is drawn: its parts in order, each change a new version (pure)."""

from dataclasses import dataclass, replace
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """One part: `kind` is text, reasoning, tool_call, or anything else, which is named and told by its text."""

    kind: str
    text: str = ""  # of a tool call: its name
    status: str = ""
    input: str = ""
    result: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One message. Equal ones look equal, so that drawings can be kept; `version` tells changes apart quickly."""

    id: str
    version: int
    role: str
    author: str
    created_at: str
    state: str
    model: str = ""
    pieces: tuple[Piece, ...] = ()

    @property
    def text(self) -> str:
        """What it says, without reasoning and tools."""
        return "\n\n".join(piece.text for piece in self.pieces if piece.kind == "text")


def shown(message: JSON) -> Shown:
    """A message of the API."""
    calls = {call["id"]: call for call in message["tool_calls"]}
    return Shown(
        id=message["id"],
        version=0,
        role=message["role"],
        author=message["author"]["name"],
        created_at=message["created_at"],
        state=message["state"],
        model=message.get("model") or "",
        pieces=tuple(_piece(part, calls) for part in message["parts"]),
    )


def _piece(part: JSON, calls: dict[str, JSON]) -> Piece:
    if part["type"] != "tool_call":
        return Piece(part["type"], part.get("text") or part.get("name") or "")
    call = calls.get(part.get("id", ""), {})
    return Piece(
        "tool_call",
        call.get("name") or "tool",
        call.get("status") or "",
        call.get("input") or "",
        call.get("result") or "",
        call.get("agent") or "",
    )


def grown(message: Shown, kind: str, text: str, at: int) -> Shown:
    """The message with text added at its end, after `at` characters. What it has already is not added again: it was
    read while the text came."""
    *others, last = message.pieces or (Piece(kind),)
    if last.kind != kind:
        others, last = [*others, last], Piece(kind)
    fresh = text[max(0, len(last.text) - at) :]
    if not fresh:
        return message
    grown_last = replace(last, text=last.text + fresh)
    return replace(message, version=message.version + 1, pieces=(*others, grown_last))
