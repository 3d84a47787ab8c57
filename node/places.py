"""Where a comment is put down, and what stands there now: from what a caller names to an anchor, and back.

Of messages the node has the text, so it takes the quote itself and finds the place again; of files, diffs and
terminals it knows what the comment's author said of them, and no more.
"""

import re
from typing import Any, Final

from crdt import errors
from crdt.anchors import MAX_QUOTE_CHARACTERS, Anchor, Span, anchor_values, find, lines_of, quote_of, read_anchor
from crdt.content import Message, Part
from crdt.thread import Thread

MIN_PREFIX: Final = 4  # characters of a message's id that may stand for it
EXCERPT: Final = 500  # characters of a place that are shown
_RANGE: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def anchor_of(p: Any, view: Thread) -> Anchor | None:
    """The anchor that `comment.add` names; None for the thread as a whole.

    Raises PLACE_NOT_FOUND for a message or a range that is not there, REQUEST_INVALID for what is no place.
    """
    lines, characters = _range("lines", p.lines), _range("characters", p.characters)
    message = message_of(p.message, view) if p.message is not None else None
    if p.terminal is not None or p.path is not None:
        kind = "terminal" if p.terminal is not None else "diff" if p.side is not None else "file"
        named: dict[str, Any] = {"kind": kind, "terminal": p.terminal, "path": p.path, "side": p.side, "part": p.part}
        named |= {"message": message.id if message else None, "lines": lines, "characters": characters}
        quote = (p.quote or "")[:MAX_QUOTE_CHARACTERS]
        found = read_anchor({name: value for name, value in {**named, "quote": quote}.items() if value is not None})
        if found is None:
            raise errors.REQUEST_INVALID("That is no place: give either lines or characters, and lines from 1.")
        return found
    if message is not None:
        return _in_message(message, p.part, lines, characters)
    if lines or characters or p.part is not None or p.side is not None:
        raise errors.REQUEST_INVALID("Lines of what? Name a message, a file or a terminal.")
    return None


def message_of(name: str, view: Thread) -> Message:
    """The message of that id, or of the only id that begins so. Raises PLACE_NOT_FOUND."""
    if (found := view.message(name)) is not None:
        return found
    near = [each for each in view.messages() if len(name) >= MIN_PREFIX and each.id.startswith(name)]
    if len(near) != 1:
        what = "More than one message's id begins" if near else "No message's id is, or begins,"
        raise errors.PLACE_NOT_FOUND(f"{what} so: {name[:80]}", message=name[:80])
    return near[0]


def _in_message(message: Message, part: int | None, lines: Span | None, characters: Span | None) -> Anchor:
    if part is None and (lines or characters) and not message.text:
        calls = [number for number, each in enumerate(message.parts) if each.type == "tool_call"]
        part = calls[0] if len(calls) == 1 else None  # there is nothing else that can be meant
    content = _content(message, part)
    anchor = read_anchor(anchor_values(Anchor("message", message.id, part, lines=lines, characters=characters)))
    if anchor is None:
        raise errors.REQUEST_INVALID("That is no place: give either lines or characters, and lines from 1.")
    if content is None or find(anchor, content) is None:
        there = f"it has {content.count(chr(10)) + 1} lines" if content is not None else f"{len(message.parts)} parts"
        raise errors.PLACE_NOT_FOUND(f"That message has no such place: {there}.", message=message.id)
    if lines is None and characters is None:
        return anchor
    return Anchor(
        "message", message.id, part, lines=lines, characters=characters, quote=quote_of(content, lines, characters)
    )


def _content(message: Message, part: int | None) -> str | None:
    """What positions count within: the message's text, or one part's; of a tool call, its result."""
    if part is None:
        return message.text
    return _text_of(message.parts[part]) if part < len(message.parts) else None


def _text_of(part: Part) -> str:
    return part.result if part.type == "tool_call" else part.text


def shown(anchor: Anchor | None, view: Thread) -> dict[str, Any]:
    """An anchor for the API: what its author said, whether it stands, and where and what it is now."""
    if anchor is None:
        return {"anchor": None, "message": None, "stands": True, "now": None}
    values: dict[str, Any] = {"anchor": anchor_values(anchor), "message": anchor.message or None}
    if anchor.kind != "message":
        return {**values, "stands": None, "now": None}
    message = view.message(anchor.message)
    content = _content(message, anchor.part) if message is not None else None
    span = find(anchor, content) if content is not None else None
    if content is None or span is None:
        return {**values, "stands": False, "now": None}
    excerpt = content[span[0] : span[1]][:EXCERPT]
    return {
        **values,
        "stands": True,
        "now": {"lines": list(lines_of(content, span)), "characters": list(span), "text": excerpt},
    }


def words(anchor: Anchor | None, view: Thread) -> str:
    """A place in words, as part of a sentence: "lines 3 to 5 of the answer"."""
    if anchor is None:
        return "this thread"
    what = {"file": anchor.path, "diff": f"the change to {anchor.path}", "terminal": "the terminal"}.get(anchor.kind)
    if what is None:
        message = view.message(anchor.message)
        what = "the answer" if message is not None and message.role == "assistant" else "the message"
        parts = message.parts if message is not None else ()
        if anchor.part is not None and anchor.part < len(parts) and parts[anchor.part].type == "tool_call":
            what = f"the output of {parts[anchor.part].name or 'a tool'}"
    if anchor.lines is not None:
        first, last = anchor.lines
        return f"line {first} of {what}" if first == last else f"lines {first} to {last} of {what}"
    return f"a part of {what}" if anchor.characters is not None else what


def _range(name: str, spelled: str | None) -> Span | None:
    if spelled is None:
        return None
    found = _RANGE.fullmatch(spelled.strip())
    if found is None or (name == "characters" and found[2] is None):
        raise errors.REQUEST_INVALID(f"{name} are given as FIRST-LAST, not as {spelled[:40]!r}.")
    first = int(found[1])
    last = int(found[2]) if found[2] is not None else first
    if last < first:
        raise errors.REQUEST_INVALID(f"{name} are given as FIRST-LAST, not as {spelled[:40]!r}.")
    return (first, last)
