"""A little of Markdown as styled lines (pure): code, headings, lists, quotes, rules, tables, `code`, bold, italic.

What is not understood is shown as it was written. Code is indented, never framed, so that a terminal's own
selection copies it as it is.
"""

import re
from functools import lru_cache

from client.screen.code import coloured
from client.screen.styled import Line, wrapped
from client.screen.table import is_table, table
from client.screen.text import fit

# Each takes time linear in its line, whoever wrote that.
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"#{1,6}\s")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$")
_QUOTE = re.compile(r"\s{0,3}>\s?(.*)$")
_RULE = re.compile(r"\s{0,3}([-*_])(?:\s*\1){2,}\s*$")
_INLINE = re.compile(r"(`[^`]+`|\*\*[^*\s](?:[^*]*[^*\s])?\*\*|(?<![\w*])\*[^*\s](?:[^*]*[^*\s])?\*(?![\w*]))")


def lines_of(text: str, columns: int) -> list[Line]:
    """A settled text in lines that fit."""
    raw = text.split("\n") if text else []
    lines: list[Line] = []
    at = 0
    while at < len(raw):
        if fence := _fence(raw[at]):
            mark, language = fence
            end = _end_of_code(raw, at + 1, mark)
            lines += _code("\n".join(raw[at + 1 : end]), language, columns) if end > at + 1 else ()
            at = end + 1
        elif "|" in raw[at] and is_table(raw[at : at + 2]):
            end = next((i for i in range(at, len(raw)) if "|" not in raw[i]), len(raw))
            rows = raw[at:end]
            lines += table(rows, columns) or [line for row in rows for line in _prose(row, columns)]
            at = end
        else:
            lines += _prose(raw[at], columns)
            at += 1
    return lines


def _fence(line: str) -> tuple[str, str] | None:
    """The mark that begins or ends a block of code, and its language."""
    found = _FENCE.match(line)
    if not found or "`" in (rest := line[found.end() :]):
        return None
    return found[1], next(iter(rest.split(maxsplit=1)), "")


def _end_of_code(raw: list[str], at: int, mark: str) -> int:
    """Where the fence that ends the block stands; of one that has not ended yet, behind the last line."""
    for number in range(at, len(raw)):
        fence = _fence(raw[number])
        if fence and fence[0].startswith(mark) and not fence[1]:
            return number
    return len(raw)


def _heading(line: str) -> str:
    """A heading without its marks."""
    text = line.lstrip("#").strip()
    shorter = text.rstrip("#")
    return shorter.rstrip() if not shorter or shorter[-1].isspace() else text


# A growing message is laid out anew at each drawing; all of it but the last line or block is found here.
@lru_cache(maxsize=256)
def _code(code: str, language: str, columns: int) -> tuple[Line, ...]:
    lines: list[Line] = [(("class:fence", fit(f"  [{language}]", columns)),)] if language else []
    for line in coloured(code, language):
        lines += [(("", "  "), *piece) for piece in wrapped(line, columns - 2, at_spaces=False)]
    return tuple(lines)


@lru_cache(maxsize=8192)
def _prose(raw: str, columns: int) -> tuple[Line, ...]:
    if _HEADING.match(raw):
        return tuple(wrapped((("class:title", _heading(raw)),), columns))
    if _RULE.match(raw):
        return ((("class:dim", "─" * columns),),)
    if (item := _ITEM.match(raw)) and len(item[1]) < columns // 2:
        mark = "•" if item[2] in "-*+" else item[2]
        return _hanging(f"{item[1]}{mark} ", "class:mark", item[3], columns)
    if quote := _QUOTE.match(raw):
        return _hanging("▌ ", "class:dim", quote[1], columns, again=True)
    return tuple(wrapped(_inline(raw), columns))


def _hanging(mark: str, style: str, text: str, columns: int, again: bool = False) -> tuple[Line, ...]:
    """Text behind a mark, its further lines indented as far (or marked `again`)."""
    if len(mark) > columns // 2:
        return tuple(wrapped(_inline(mark + text), columns))
    rest = mark if again else " " * len(mark)
    pieces = wrapped(_inline(text), columns - len(mark))
    return tuple(((style, rest if number else mark), *piece) for number, piece in enumerate(pieces))


def _inline(text: str) -> Line:
    """Marks that have their counterpart; an odd one stays as it is. Code keeps its marks: colour is not all."""
    found = []
    for word in _INLINE.split(text):
        if word.startswith("**") and len(word) > 4 and word.endswith("**"):
            found.append(("class:bold", word[2:-2]))
        elif word.startswith("*") and len(word) > 2 and word.endswith("*") and word[1] not in "* ":
            found.append(("class:italic", word[1:-1]))
        elif word.startswith("`") and len(word) > 2 and word.endswith("`"):
            found.append(("class:code", word))
        elif word:
            found.append(("", word))
    return tuple(found)
