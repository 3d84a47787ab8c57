"""Messages into a timeline, cut into changes that each fit an envelope (pure).

An envelope holds at most 256 KiB and 4,096 blocks of the document. What is longer is begun in one change
and grown in those that follow.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from crdt.content import Message, Part
from crdt.edits import add_parts, grow_field, put_call, put_message

PIECE_BYTES: Final = 48 * 1024  # of one field in one change
CHANGE_BYTES: Final = 96 * 1024  # of text in one change
CHANGE_PARTS: Final = 64
FIELDS: Final = ("text", "input", "result")

Change = Callable[[Any], None]


def changes(message: Message, before: Message | None) -> Iterator[tuple[int, Change]]:
    """The changes that make a timeline show `message`, each with its size in bytes, in order."""
    kept = _kept_parts(message, before) if before else 0
    if before is None or kept < 0:
        head = replace(message, parts=())
        yield 256, lambda doc: put_message(doc, head)
        kept = 0
    elif kept:
        yield from _updates(message, before, kept)
    for index in range(kept, len(message.parts)):
        yield from _part(message.id, index, message.parts[index])


def _kept_parts(message: Message, before: Message) -> int:
    """How many of the parts stand already, up to their calls' results; -1 if the message must be written anew."""
    if replace(message, parts=()) != replace(before, parts=()) or len(message.parts) < len(before.parts):
        return -1
    for now, then in zip(message.parts, before.parts, strict=False):
        if now != then and (now.type != "tool_call" or replace(then, result=now.result, status=now.status) != now):
            return -1
    return len(before.parts)


def _updates(message: Message, before: Message, kept: int) -> Iterator[tuple[int, Change]]:
    for index in range(kept):
        now, then = message.parts[index], before.parts[index]
        if now != then:
            yield from _call(message.id, index, now)


def _call(identifier: str, index: int, call: Part) -> Iterator[tuple[int, Change]]:
    """A call that has ended: a short result at once, a long one piece by piece after its first."""
    pieces = split(call.result)
    first = replace(call, result=pieces[0] if pieces else "")
    yield _size(first), lambda doc: put_call(doc, identifier, first)
    yield from _grown(identifier, index, "result", pieces[1:])


def _part(identifier: str, index: int, part: Part) -> Iterator[tuple[int, Change]]:
    pieces = {name: split(getattr(part, name)) for name in FIELDS}
    first = replace(part, **{name: cut[0] if cut else "" for name, cut in pieces.items()})
    yield _size(first), lambda doc: add_parts(doc, identifier, [first])
    for name, cut in pieces.items():
        yield from _grown(identifier, index, name, cut[1:])


def _grown(identifier: str, index: int, name: str, pieces: list[str]) -> Iterator[tuple[int, Change]]:
    for piece in pieces:
        yield len(piece.encode()), _grow(identifier, index, name, piece)


def _grow(identifier: str, index: int, name: str, piece: str) -> Change:
    return lambda doc: grow_field(doc, identifier, index, name, piece)


def split(text: str) -> list[str]:
    """A text in pieces of at most `PIECE_BYTES`, cut between characters."""
    if len(text) * 4 <= PIECE_BYTES or len(text.encode()) <= PIECE_BYTES:
        return [text] if text else []
    step = PIECE_BYTES // 4
    return [text[at : at + step] for at in range(0, len(text), step)]


def _size(part: Part) -> int:
    return 200 + sum(len(getattr(part, name).encode()) for name in FIELDS)


def grouped(each: Iterator[tuple[int, Change]]) -> Iterator[list[Change]]:
    """Small changes together, as many as fit an envelope."""
    group: list[Change] = []
    size = 0
    for size_bytes, change in each:
        if group and (size + size_bytes > CHANGE_BYTES or len(group) >= CHANGE_PARTS):
            yield group
            group, size = [], 0
        group.append(change)
        size += size_bytes
    if group:
        yield group


def together(group: list[Change]) -> Change:
    """Several changes as one."""

    def change(doc: Any) -> None:
        for each in group:
            each(doc)

    return change
