"""Changes to the own `comments` lane, as functions of its document for `Replica.commit` to run.

What is written is what readers show: anything that they would pass over raises ValueError, and nothing is
written then.
"""

from typing import Any

import pycrdt

from crdt.anchors import anchor_values, read_anchor
from crdt.comments import (
    MAX_AFTER,
    MAX_TEXT_CHARACTERS,
    Comment,
    Mark,
    Reaction,
    Reference,
    Request,
    is_sign,
    read_reference,
)
from crdt.entries import root
from crdt.plain import NUMBER_LIMIT, identifier


def put_comment(doc: "pycrdt.Doc[Any]", comment: Comment) -> None:
    """Write a comment or a reply. Raises ValueError if there is one of that id, or it is nothing to show."""
    _check(identifier(comment.id) and comment.id not in root(doc, "comments"), "id")
    _check_text(comment.text, least=1)
    values: dict[str, Any] = {"text": comment.text, **_times(at=comment.at, key=comment.key)}
    if comment.reply_to is not None:
        values["reply_to"] = _spelled(comment.reply_to)
    if comment.anchor is not None:
        values["anchor"] = anchor_values(comment.anchor)
        _check(read_anchor(values["anchor"]) == comment.anchor, "anchor")
        for each in (comment.anchor.quote, comment.anchor.path, comment.anchor.message):
            each.encode()  # as in `_check_text`
    root(doc, "comments")[comment.id] = pycrdt.Map(values)


def edit_text(doc: "pycrdt.Doc[Any]", identifier: str, text: str, now_ms: int) -> None:
    """Change what an own comment says; nothing if there is none, or it is deleted, or says so already."""
    _check_text(text, least=1)
    times = _times(edited=now_ms)
    found = root(doc, "comments").get(identifier)
    if isinstance(found, pycrdt.Map) and found.get("deleted") is None and found.get("text") != text:
        found.update({"text": text, **times})


def delete_comment(doc: "pycrdt.Doc[Any]", identifier: str, now_ms: int) -> None:
    """Take back an own comment: what it said goes, its place stays, for others may have answered."""
    times = _times(deleted=now_ms)
    found = root(doc, "comments").get(identifier)
    if isinstance(found, pycrdt.Map) and found.get("deleted") is None:
        found.update({"text": "", **times})


def react(doc: "pycrdt.Doc[Any]", on: Reference, sign: str, now_ms: int) -> None:
    """React to a comment; nothing if this device has done so with that sign."""
    _check(is_sign(sign), "sign")
    _check_text(sign)
    name = Reaction(on, sign, b"", now_ms).name
    _spelled(on)
    if name not in root(doc, "reactions"):
        root(doc, "reactions")[name] = pycrdt.Map(_times(at=now_ms))


def take_back_reaction(doc: "pycrdt.Doc[Any]", on: Reference, sign: str) -> None:
    """Take back an own reaction, if there is one."""
    root(doc, "reactions").pop(Reaction(on, sign, b"", 0).name, None)


def put_mark(doc: "pycrdt.Doc[Any]", mark: Mark) -> None:
    """Say that what a comment is about is settled, or is not. It replaces what this device said of it before."""
    _check(identifier(mark.id) and len(mark.after) <= MAX_AFTER and all(map(identifier, mark.after)), "id")
    values: dict[str, Any] = {"resolved": mark.resolved, "id": mark.id, **_times(at=mark.at, key=mark.key)}
    if mark.after:
        values["after"] = list(mark.after)
    root(doc, "marks")[_spelled(mark.on)] = pycrdt.Map(values)


def put_request(doc: "pycrdt.Doc[Any]", request: Request) -> None:
    """Ask for control. Raises ValueError if there is a request of that id."""
    _check(identifier(request.id) and request.id not in root(doc, "requests"), "id")
    _check(not request.target or identifier(request.target), "target")
    _check_text(request.text)
    values: dict[str, Any] = {"target": request.target, "text": request.text}
    values |= _times(at=request.at, key=request.key)
    root(doc, "requests")[request.id] = pycrdt.Map({name: each for name, each in values.items() if each != ""})


def withdraw_request(doc: "pycrdt.Doc[Any]", identifier: str, now_ms: int) -> None:
    """Ask no more, whether it was granted or not. Nothing if there is no such request."""
    times = _times(withdrawn=now_ms)
    found = root(doc, "requests").get(identifier)
    if isinstance(found, pycrdt.Map) and found.get("withdrawn") is None:
        found.update(times)


def forget_request(doc: "pycrdt.Doc[Any]", identifier: str) -> None:
    """Remove an own request, so that there is room for others: see `MAX_REQUESTS`."""
    root(doc, "requests").pop(identifier, None)


def _check(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(f"no {what} of a comment")


def _check_text(text: str, least: int = 0) -> None:
    _check(least <= len(text) <= MAX_TEXT_CHARACTERS, "text")
    text.encode()  # half a character is a ValueError here; in the native library it would be a panic


def _times(**times: int) -> dict[str, int]:
    for name, each in times.items():
        _check(0 <= each < NUMBER_LIMIT, name)
    return times


def _spelled(reference: Reference) -> str:
    _check(read_reference(str(reference)) == reference, "reference")
    return str(reference)
