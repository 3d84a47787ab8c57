"""Changes to a timeline, as functions of its document for `Replica.commit` to run."""

from collections.abc import Iterable, Mapping
from typing import Any

import pycrdt

from crdt.content import Message, Part, messages, runs

PLAIN = ("role", "at", "key", "state", "model", "run", "agent", "source", "by")
GROWING = frozenset({"text", "reasoning"})  # parts whose text may grow


def put_message(doc: "pycrdt.Doc[Any]", message: Message) -> None:
    """Write a message whole. One of that id that is there already is replaced."""
    plain = {name: value for name in PLAIN if (value := getattr(message, name)) is not None}
    messages(doc)[message.id] = pycrdt.Map({**plain, "parts": pycrdt.Array([_part(p) for p in message.parts])})


def set_fields(doc: "pycrdt.Doc[Any]", identifier: str, fields: Mapping[str, Any]) -> None:
    """Change plain fields of a message, such as its state; nothing if there is no such message."""
    shown = messages(doc).get(identifier)
    if isinstance(shown, pycrdt.Map):
        for name, value in fields.items():
            if shown.get(name) != value:
                shown[name] = value


def append_text(doc: "pycrdt.Doc[Any]", identifier: str, kind: str, text: str) -> None:
    """Append to the message's last part if that is of this kind (text, reasoning), or begin one."""
    parts = _parts(doc, identifier)
    if parts is None:
        return
    last = parts[len(parts) - 1] if len(parts) else None
    if isinstance(last, pycrdt.Map) and last.get("type") == kind and isinstance(last.get("text"), pycrdt.Text):
        growing = last["text"]
        growing += text
    else:
        parts.append(_part(Part(type=kind, text=text)))


def grow_field(doc: "pycrdt.Doc[Any]", identifier: str, index: int, name: str, text: str) -> None:
    """Append to a field of one part, for a text too long for one envelope."""
    parts = _parts(doc, identifier)
    part = parts[index] if parts is not None and index < len(parts) else None
    if not isinstance(part, pycrdt.Map):
        return
    field = part.get(name)
    if isinstance(field, pycrdt.Text):
        field += text
    else:
        part[name] = pycrdt.Text((field if isinstance(field, str) else "") + text)


def add_parts(doc: "pycrdt.Doc[Any]", identifier: str, added: Iterable[Part]) -> None:
    """Append whole parts."""
    parts = _parts(doc, identifier)
    if parts is not None:
        parts.extend([_part(part) for part in added])


def put_call(doc: "pycrdt.Doc[Any]", identifier: str, call: Part) -> None:
    """Show a tool call, or bring the one of that id up to date."""
    parts = _parts(doc, identifier)
    if parts is None:
        return
    for part in parts:
        if isinstance(part, pycrdt.Map) and part.get("type") == call.type and part.get("id") == call.id:
            for name in ("name", "input", "result", "status", "agent"):
                if value := getattr(call, name):
                    part[name] = value
            return
    parts.append(_part(call))


def put_run(doc: "pycrdt.Doc[Any]", identifier: str, values: Mapping[str, Any]) -> None:
    """Show a run, or bring it up to date; values of None are left out."""
    shown = runs(doc).get(identifier)
    plain = {name: value for name, value in values.items() if value is not None}
    if not isinstance(shown, pycrdt.Map):
        runs(doc)[identifier] = pycrdt.Map(plain)
        return
    for name, value in plain.items():
        if shown.get(name) != value:
            shown[name] = value


def _parts(doc: "pycrdt.Doc[Any]", identifier: str) -> "pycrdt.Array[Any] | None":
    shown = messages(doc).get(identifier)
    parts = shown.get("parts") if isinstance(shown, pycrdt.Map) else None
    return parts if isinstance(parts, pycrdt.Array) else None


def _part(part: Part) -> "pycrdt.Map[Any]":
    values: dict[str, Any] = {"type": part.type}
    for name in Part.__struct_fields__[1:]:
        if value := getattr(part, name):
            values[name] = value
    if part.type in GROWING:
        values["text"] = pycrdt.Text(part.text)
    return pycrdt.Map(values)
