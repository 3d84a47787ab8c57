"""Where a comment stands: a message or a range in it, lines of a file, a diff or a terminal; and finding that again.

A place is written down as positions and, because texts move, with a quote of what stood there. An anchor
is only what its author said: there need not be such a message or file.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from crdt.plain import number, text

MAX_QUOTE_CHARACTERS: Final = 2_048
MAX_PATH_CHARACTERS: Final = 1_024  # of a path, and of the ids of messages, changes, terminals
POSITION_LIMIT: Final = 2**31  # parts, lines and characters are counted below

KINDS: Final = {"message": ("message",), "file": ("path",), "diff": ("path", "side"), "terminal": ("terminal",)}
SIDES: Final = frozenset({"", "old", "new"})
Span = tuple[int, int]


class Anchor(Struct, frozen=True, omit_defaults=True):
    """A place. `kind` is message, file, diff or terminal, and says which fields there have to be: see `KINDS`.

    `lines` are first and last, from 1, both included; `characters` are start and end, from 0, the end not
    included, in Unicode code points; at most one of the two. Both count within `part` of a message (a tool
    call's part is its result), else within the whole.
    """

    kind: str
    message: str = ""  # its id; with other kinds, the message that shows the diff or the terminal
    part: int | None = None
    path: str = ""
    side: str = ""  # of a diff: old or new
    change: str = ""  # which version of the file, or which proposed change
    terminal: str = ""
    lines: Span | None = None
    characters: Span | None = None
    quote: str = ""  # what stood there, or its first `MAX_QUOTE_CHARACTERS`


def read_anchor(value: Any) -> Anchor | None:
    """An anchor out of a plain value; None if it has not the form of one."""
    if not isinstance(value, Mapping):
        return None
    names = {each: text(value, each, MAX_PATH_CHARACTERS) or "" for each in ("message", "path", "change", "terminal")}
    side, kind = text(value, "side", 8) or "", text(value, "kind", 16) or ""
    lines, characters = _span(value.get("lines")), _span(value.get("characters"))
    needed = {**names, "side": side}
    if side not in SIDES or kind not in KINDS or not all(needed[each] for each in KINDS[kind]):
        return None
    if (lines and characters) or (lines and not lines[0]) or (characters and characters[0] == characters[1]):
        return None
    part, quote = number(value, "part", POSITION_LIMIT), text(value, "quote", MAX_QUOTE_CHARACTERS)
    return Anchor(kind, part=part, side=side, lines=lines, characters=characters, quote=quote or "", **names)


def anchor_values(anchor: Anchor) -> dict[str, Any]:
    """The plain value that `read_anchor` reads."""
    values = {name: getattr(anchor, name) for name in Anchor.__struct_fields__}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None and value != ""
    }


def quote_of(content: str, lines: Span | None = None, characters: Span | None = None) -> str:
    """What to put down as the quote of a place in a text; "" if the place is not within the text."""
    span = _place_of_lines(content, lines) if lines else characters
    return content[span[0] : span[1]][:MAX_QUOTE_CHARACTERS] if span and span[1] <= len(content) else ""


def find(anchor: Anchor, content: str) -> Span | None:
    """Where in `content` the anchored place is now, as start and end in characters, the end not included.

    It is where the anchor says if that still reads as quoted, else at the nearest place that does; None if
    there is none. An anchor without a range means all of the content. Takes time linear in the content.
    """
    if anchor.lines is None and anchor.characters is None:
        return (0, len(content))
    named = _place_of_lines(content, anchor.lines) if anchor.lines else anchor.characters
    if not anchor.quote:
        return named if named and named[1] <= len(content) else None
    start = named[0] if named else len(content)
    found = _nearest(content, anchor.quote, start, whole_lines=anchor.lines is not None)
    if found is None:
        return None
    if len(anchor.quote) < MAX_QUOTE_CHARACTERS:
        return (found, found + len(anchor.quote))
    if anchor.lines:  # the quote is only how it begins
        first = content.count("\n", 0, found) + 1
        return _place_of_lines(content, (first, first + anchor.lines[1] - anchor.lines[0]))
    assert anchor.characters is not None
    end = found + anchor.characters[1] - anchor.characters[0]
    return (found, end) if end <= len(content) else None


def lines_of(content: str, span: Span) -> Span:
    """The first and the last line that a span of characters touches, from 1."""
    first = content.count("\n", 0, span[0]) + 1
    return (first, first + content.count("\n", span[0], max(span[0], span[1])))


def _nearest(content: str, quote: str, start: int, *, whole_lines: bool) -> int | None:
    """The place of the quote that is nearest to `start`; of two as near, the earlier."""
    if whole_lines:
        content = f"\n{content}\n"
        quote = f"\n{quote}" if len(quote) >= MAX_QUOTE_CHARACTERS else f"\n{quote}\n"
    before = content.rfind(quote, 0, start + len(quote))  # that begins at `start` or earlier
    after = content.find(quote, start)
    found = [each for each in (before, after) if each >= 0]
    return min(found, key=lambda each: abs(each - start), default=None)


def _place_of_lines(content: str, lines: Span) -> Span | None:
    """Start and end, in characters, of lines from 1; None if the content has not that many."""
    start = 0
    first, last = lines
    rows = content.split("\n")
    if last > len(rows):
        return None
    start = sum(len(row) + 1 for row in rows[: first - 1])
    return (start, start + sum(len(row) + 1 for row in rows[first - 1 : last]) - 1)


def _span(value: Any) -> Span | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    ends = dict(zip(("first", "last"), value, strict=True))
    first, last = number(ends, "first", POSITION_LIMIT), number(ends, "last", POSITION_LIMIT)
    return (first, last) if first is not None and last is not None and first <= last else None
