"""The events of threads: what is told to whoever watches, once it is stored.

Each has its place in this device's order of events (`cursor`) and is kept, so that a watcher that was
away reads what it missed. A growing message is told by what was added, never whole again.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from crdt.content import Message
from crdt.ids import IdentityId, ThreadId, to_text
from crdt.output import Output
from crdt.permissions import Role
from crdt.thread import Change
from node import shapes
from node.bus import Event


class Happening(Event, frozen=True, kw_only=True):
    """One event, its particulars as plain JSON values."""

    type: str = ""
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    passing: bool = False  # not kept: a step of something under way, with the cursor of what was kept before it

    def to_json(self) -> dict[str, Any]:
        """`cursor`, `type`, `thread` and the particulars, side by side."""
        return {"cursor": self.cursor, "type": self.type, "thread": self.thread, **self.data}


class _Stored(msgspec.Struct, array_like=True):
    type: str
    data: dict[str, Any]


_decoder = msgspec.msgpack.Decoder(_Stored)


def pack(type: str, data: dict[str, Any]) -> bytes:
    """An event's payload as it is stored."""
    return msgspec.msgpack.encode(_Stored(type, data))


def unpack(cursor: int, thread: bytes, payload: bytes) -> Happening:
    """A stored event back."""
    stored = _decoder.decode(payload)
    name = to_text(ThreadId(thread)) if thread else None
    return Happening(cursor=cursor, type=stored.type, thread=name, data=stored.data)


def of_message(change: Change, author: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """How a new or changed message is told: whole, or by the text that was added at its end.

    `at` is how many characters stood before it, for a reader who may have seen the addition already."""
    before, now = change
    if before is not None and (added := _growth(before, now)) is not None:
        told = {"message_id": now.id, "part": now.parts[-1].type, "at": len(now.parts[-1].text) - len(added)}
        return "message.delta", {**told, "text": added}
    kind = "message.added" if before is None else "message.changed"
    return kind, {"message": shapes.message(now, author)}


def of_run(run: str, shown: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """How a run is told whose account has changed, here or on another device."""
    told: dict[str, Any] = {"run": run}
    for name in ("state", "runner", "model"):
        value = shown.get(name)
        told[name] = value if isinstance(value, str) else None
    return "run.state", told


def of_members(roles: Mapping[IdentityId, Role], own: Role) -> dict[str, Any]:
    """Who is in a thread, after somebody came, went, or was given another right; `permission` is our own."""
    members = [{"identity": to_text(identity), "permission": role.name.lower()} for identity, role in roles.items()]
    return {"permission": own.name.lower(), "members": members}


def of_terminal(output: Output, author: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """How it is told that a shared terminal has begun, or ended."""
    return "terminal.state", shapes.terminal(output, author)


def _growth(before: Message, now: Message) -> str | None:
    """What was added to the last part, if nothing else changed."""
    if not before.parts or len(before.parts) != len(now.parts) or now.parts[-1].type not in ("text", "reasoning"):
        return None
    old, new = before.parts[-1], now.parts[-1]
    if not new.text.startswith(old.text) or msgspec.structs.replace(old, text=new.text) != new:
        return None
    if msgspec.structs.replace(before, parts=(*before.parts[:-1], new)) != now:
        return None
    return new.text[len(old.text) :]
