"""What stands in a timeline: messages with their parts, and runs, as plain values.

A timeline document has four root maps. `messages` maps an id to a map of `role`, `at` (Unix ms), `key`
(see `order`), `state`, optionally `model`, `run`, `agent`, `source`, `by`, and `parts`, an array of maps whose
`text` is a shared text so that it can grow. `runs` maps an id to a map of plain values. `leases` has
the numbers under which the device took to running the thread, `stops` the runs that somebody there wants
ended, wherever they run. Whatever does not have this form is not shown, and never a reason to refuse: a
later version may write more.
"""

from typing import Any

import msgspec
import pycrdt
from msgspec import Struct
from pycrdt._base import BaseType

from crdt.entries import root
from crdt.numbers import parse_number
from crdt.plain import whole

ROLES = frozenset({"user", "assistant", "system", "tool"})


class Part(Struct, frozen=True, omit_defaults=True):
    """One piece of a message. `type` is text, reasoning, placeholder, tool_call, file or image."""

    type: str
    text: str = ""
    id: str = ""  # of a tool call, from here on
    name: str = ""
    input: str = ""
    result: str = ""
    status: str = ""
    agent: str = ""
    media: str = ""


_PART_FIELDS = Part.__struct_fields__
_values = msgspec.json.Decoder(dict[str, Any])


class Message(Struct, frozen=True):
    """One message. `device` wrote it; `state` is final, streaming or interrupted; times in Unix ms."""

    id: str
    device: bytes
    role: str
    at: int
    key: int
    state: str
    parts: tuple[Part, ...]
    model: str | None = None
    run: str | None = None
    agent: str | None = None
    source: str | None = None  # where an imported message comes from
    by: str | None = None  # whose words they are, as whoever copied them into a fork saw it: nothing proves it

    @property
    def text(self) -> str:
        """What is said, without reasoning and tool calls."""
        return "".join(part.text for part in self.parts if part.type == "text")

    @property
    def place(self) -> tuple[int, bytes, str]:
        """Where it is shown."""
        return (self.key, self.device, self.id)


def read_message(doc: "pycrdt.Doc[Any]", device: bytes, identifier: str) -> Message | None:
    """One message of a timeline; None if there is none in the form it should have."""
    found = messages(doc).get(identifier)
    shown = _plain(found) if isinstance(found, pycrdt.Map) else None
    if shown is None:
        return None
    at, key, role, parts = whole(shown.get("at")), whole(shown.get("key")), shown.get("role"), shown.get("parts")
    if at is None or key is None or not isinstance(role, str) or role not in ROLES or not isinstance(parts, list):
        return None
    return Message(
        id=identifier,
        device=device,
        role=role,
        at=at,
        key=key,
        state=_text(shown, "state") or "final",
        parts=tuple(part for part in map(_read_part, parts) if part is not None),
        model=_text(shown, "model"),
        run=_text(shown, "run"),
        agent=_text(shown, "agent"),
        source=_text(shown, "source"),
        by=_text(shown, "by"),
    )


def read_run(doc: "pycrdt.Doc[Any]", identifier: str) -> dict[str, Any] | None:
    """One run of a timeline, its plain values; None if there is none."""
    with doc.transaction():
        run = runs(doc).get(identifier)
        if not isinstance(run, pycrdt.Map):
            return None
        return {name: value for name, value in run.items() if not isinstance(value, BaseType)}


def read_leases(doc: "pycrdt.Doc[Any]") -> list[int]:
    """The numbers of the leases this timeline's device has taken."""
    return [number for name in dict(leases(doc).items()) if (number := parse_number(name)) is not None]


def read_stops(doc: "pycrdt.Doc[Any]") -> set[str]:
    """The ids of the runs that this timeline's device asked to be ended."""
    return set(stops(doc).keys())


def messages(doc: "pycrdt.Doc[Any]") -> "pycrdt.Map[Any]":
    """The root map of messages."""
    return root(doc, "messages")


def runs(doc: "pycrdt.Doc[Any]") -> "pycrdt.Map[Any]":
    """The root map of runs."""
    return root(doc, "runs")


def leases(doc: "pycrdt.Doc[Any]") -> "pycrdt.Map[Any]":
    """The root map of leases: number → what is shown of it."""
    return root(doc, "leases")


def stops(doc: "pycrdt.Doc[Any]") -> "pycrdt.Map[Any]":
    """The root map of wishes to end a run: its id → Unix ms."""
    return root(doc, "stops")


def _plain(shown: "pycrdt.Map[Any]") -> dict[str, Any] | None:
    """Everything in a map as plain values. By way of JSON: one call of the native library, and not one for each."""
    try:
        found: dict[str, Any] = _values.decode(str(shown))
    except (msgspec.DecodeError, RecursionError):  # a value that JSON has no form for
        return None
    return found


def _read_part(part: Any) -> Part | None:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return None
    return Part(**{name: text for name in _PART_FIELDS if (text := _text(part, name)) is not None})


def _text(values: dict[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) else None
