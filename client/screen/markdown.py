"""A little of Markdown as styled lines (pure): code blocks, headings, lists, quotes, rules, `code` and **bold**.

What is not understood is shown as it was written. Code is indented, never framed, so that a terminal's own
selection copies it as it is.
"""

import re
from functools import lru_cache

from client.screen.text import fit, wrap

Line = tuple[tuple[str, str], ...]  # (style class, text) pieces

_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$")
_HEADING = re.compile(r"#{1,6}\s+(.*?)(?:\s+#+)?\s*$")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$")
_QUOTE = re.compile(r"\s{0,3}>\s?(.*)$")
_RULE = re.compile(r"\s{0,3}([-*_])(?:\s*\1){2,}\s*$")
_INLINE = re.compile(r"(`[^`]+`|\*\*[^*\s](?:[^*]*[^*\s])?\*\*)")


def lines_of(text: str, columns: int) -> list[Line]:
    """A settled text in lines that fit."""
    lines: list[Line] = []
    fence = ""
    for raw in text.split("\n") if text else []:
        mark = _FENCE.match(raw)
        if mark and not fence:
            fence = mark[1]
            if mark[2]:
                lines.append((("class:fence", fit("  " + mark[2], columns)),))
        elif fence and mark and mark[1].startswith(fence) and not mark[2]:
            fence = ""
        elif fence:
            lines += _code(raw, columns)
        else:
            lines += _prose(raw, columns)
    return lines


# A growing message is laid out anew at each drawing; all of its lines but the last are found here.
@lru_cache(maxsize=8192)
def _code(raw: str, columns: int) -> tuple[Line, ...]:
    return tuple((("class:code", "  " + piece),) for piece in wrap(raw, max(1, columns - 2)))


@lru_cache(maxsize=8192)
def _prose(raw: str, columns: int) -> tuple[Line, ...]:
    if heading := _HEADING.match(raw):
        return tuple((("class:title", piece),) for piece in wrap(heading[1], columns))
    if _RULE.match(raw):
        return ((("class:dim", "─" * columns),),)
    if (item := _ITEM.match(raw)) and len(item[1]) < columns // 2:
        mark = "•" if item[2] in "-*+" else item[2]
        return _hanging(f"{item[1]}{mark} ", "class:mark", item[3], columns)
    if quote := _QUOTE.match(raw):
        return _hanging("▌ ", "class:dim", quote[1], columns, again=True)
    return tuple(_inline(piece) for piece in wrap(raw, columns))


def _hanging(mark: str, style: str, text: str, columns: int, again: bool = False) -> tuple[Line, ...]:
    """Text behind a mark, its further lines indented as far (or marked `again`)."""
    if len(mark) > columns // 2:
        return tuple(_inline(piece) for piece in wrap(mark + text, columns))
    pieces = wrap(text, columns - len(mark))
    rest = mark if again else " " * len(mark)
    return tuple(((style, rest if number else mark), *_inline(piece)) for number, piece in enumerate(pieces))


def _inline(piece: str) -> Line:
    """Marks that begin and end in one line; an odd one stays as it is. Code keeps its marks: colour is not all."""
    found = []
    for word in _INLINE.split(piece):
        if word.startswith("**") and len(word) > 4 and word.endswith("**"):
            found.append(("class:bold", word[2:-2]))
        elif word.startswith("`") and len(word) > 2 and word.endswith("`"):
            found.append(("class:code", word))
        elif word:
            found.append(("", word))
    return tuple(found)
