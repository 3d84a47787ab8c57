"""Messages into a timeline, cut into changes that each fit an envelope (pure).

An envelope holds at most 256 KiB and 4,096 blocks of the document. What is longer is begun in one change
and grown in those that follow.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from crdt.content import Message, Part
from crdt.edits import add_parts, grow_field, put_call, put_message, set_fields

PIECE_BYTES: Final = 48 * 1024  # of one field in one change: a part that has all three long still fits
CHANGE_BYTES: Final = 128 * 1024  # of text in one change, unless one part alone has more
CHANGE_PARTS: Final = 64
FIELDS: Final = ("text", "input", "result")
_OVERHEAD = 200  # of a part or a message: its names and its place in the document

Change = Callable[[Any], None]
Sized = tuple[int, Change]


def changes(message: Message, before: Message | None) -> Iterator[Sized]:
    """The changes that make a timeline show `message`, each with its size in bytes, in order.

    `before` is the message as the timeline shows it: the same parts, except that calls have ended and parts
    were added, or None.
    """
    kept = len(before.parts) if before else 0
    if before is None:
        yield _OVERHEAD, _begun(replace(message, parts=()))
    else:
        if message.model != before.model:
            yield _OVERHEAD, _modelled(message)
        for index, (now, then) in enumerate(zip(message.parts, before.parts, strict=False)):
            if now != then:
                yield from _ended(message.id, index, now)
    for index in range(kept, len(message.parts)):
        yield from _added(message.id, index, message.parts[index])


def _begun(head: Message) -> Change:
    return lambda doc: put_message(doc, head)


def _modelled(message: Message) -> Change:
    return lambda doc: set_fields(doc, message.id, {"model": message.model})


def _ended(identifier: str, index: int, call: Part) -> Iterator[Sized]:
    """A call that has ended: a short result at once, a long one piece by piece after its first."""
    pieces = split(call.result)
    ending = Part(call.type, id=call.id, result=pieces[0] if pieces else "", status=call.status)
    yield _size(ending), lambda doc: put_call(doc, identifier, ending)
    yield from _grown(identifier, index, "result", pieces[1:])


def _added(identifier: str, index: int, part: Part) -> Iterator[Sized]:
    pieces = {name: split(getattr(part, name)) for name in FIELDS}
    first = replace(part, **{name: cut[0] if cut else "" for name, cut in pieces.items()})
    yield _size(first), lambda doc: add_parts(doc, identifier, [first])
    for name, cut in pieces.items():
        yield from _grown(identifier, index, name, cut[1:])


def _grown(identifier: str, index: int, name: str, pieces: list[str]) -> Iterator[Sized]:
    for number, piece in enumerate(pieces):
        # What was begun as a plain value is written once more when it becomes a text that grows.
        yield len(piece.encode()) + (0 if number else PIECE_BYTES), _grow(identifier, index, name, piece)


def _grow(identifier: str, index: int, name: str, piece: str) -> Change:
    return lambda doc: grow_field(doc, identifier, index, name, piece)


def split(text: str) -> list[str]:
    """A text in pieces of at most `PIECE_BYTES`, cut between characters."""
    if len(text) * 4 <= PIECE_BYTES or len(text.encode()) <= PIECE_BYTES:
        return [text] if text else []
    step = PIECE_BYTES if text.isascii() else PIECE_BYTES // 4
    return [text[at : at + step] for at in range(0, len(text), step)]


def _size(part: Part) -> int:
    return _OVERHEAD + sum(len(getattr(part, name).encode()) for name in FIELDS)


def grouped(each: Iterable[Sized]) -> Iterator[Change]:
    """Small changes together, as many as fit an envelope."""
    group: list[Change] = []
    size = 0
    for size_bytes, change in each:
        if group and (size + size_bytes > CHANGE_BYTES or len(group) >= CHANGE_PARTS):
            yield _together(group)
            group, size = [], 0
        group.append(change)
        size += size_bytes
    if group:
        yield _together(group)


def _together(group: list[Change]) -> Change:
    def change(doc: Any) -> None:
        for each in group:
            each(doc)

    return change
