"""One message as lines (pure), kept by what it says, its width, and whether it is unfolded."""

import json
from dataclasses import replace
from functools import lru_cache

from client.cli.text import local_time
from client.screen.markdown import lines_of
from client.screen.message import Piece, Shown
from client.screen.styled import Line
from client.screen.text import fit, settled, settled_line, width, wrap

TEXT_COLUMNS = 100
REASONING_LINES = 2  # of reasoning that is shown folded
UNFOLDED_LINES = 200  # of a tool's result that are shown unfolded
_STATUS = {"ok": "done", "error": "failed", "running": "running …", "interrupted": "interrupted"}
_ROLES = frozenset({"user", "assistant", "system", "tool"})
_UNFINISHED = {
    "streaming": (("class:streaming", "▍"),),
    "interrupted": (("class:warning", "(interrupted)"),),
}


def block(message: Shown, columns: int, unfolded: bool = False, is_new_day: bool = False) -> tuple[Line, ...]:
    """The lines of a message. Those of a growing one are kept apart: each of its many versions is soon the last."""
    drawn = growing if message.state == "streaming" else finished
    return drawn(message, columns, unfolded, is_new_day)


def _drawn(message: Shown, columns: int, unfolded: bool, is_new_day: bool) -> tuple[Line, ...]:
    """A heading, the parts in order, a mark if it isn't finished, an empty line; above them the day, if it is new."""
    columns = min(columns, TEXT_COLUMNS)
    lines: list[Line] = [_heading(message, columns)]
    if is_new_day:
        lines = [(("class:dim", fit(f"── {day(message)} ──", columns)),), (), *lines]
    before = ""
    for piece in message.pieces:
        if before and before != piece.kind:
            lines.append(())  # text and tools breathe; tools among themselves don't
        lines += _piece(piece, columns, unfolded)
        before = piece.kind
    if message.state in _UNFINISHED:
        lines.append(_UNFINISHED[message.state])
    return (*lines, ())


@lru_cache(maxsize=64)
def numbered(message: Shown, columns: int, is_new_day: bool) -> tuple[Line, ...]:
    """The message that is chosen: its text as it was written, line by line with their numbers; where it has none but
    called one tool, the output. So one knows what "3-5: …" is about."""
    columns = min(columns, TEXT_COLUMNS)
    head = _drawn(replace(message, pieces=(), state="final"), columns, False, is_new_day)[:-1]
    chosen = (("class:row.open", "".join(text for _, text in head[-1])),)
    texts = [piece.text for piece in message.pieces if piece.kind == "text"]
    outputs = [piece.result for piece in message.pieces if piece.kind == "tool_call"]
    raw = "".join(texts) or (outputs[0] if len(outputs) == 1 else "")
    rows = settled(raw).split("\n") if raw else []
    digits = max(2, len(str(len(rows))))
    lines: list[Line] = [*head[:-1], chosen]
    for number, row in enumerate(rows, 1):
        pieces = wrap(row, max(1, columns - digits - 1))
        marks = [f"{number:>{digits}} ", *[" " * (digits + 1)] * len(pieces)]
        lines += [(("class:dim", fit(mark, columns)), ("", piece)) for mark, piece in zip(marks, pieces, strict=False)]
    return (*lines, ())


finished = lru_cache(maxsize=4096)(_drawn)
growing = lru_cache(maxsize=8)(_drawn)


def day(message: Shown) -> str:
    """The local day on which it was written."""
    return local_time(message.created_at).partition(" ")[0]


def _heading(message: Shown, columns: int) -> Line:
    """Who, as what, when."""
    author = settled_line(message.author) or "somebody"
    if message.role == "user":
        who, what = author, ""
    elif message.role == "assistant":
        who, what = settled_line(message.model) or "assistant", f" · assistant on {author}"
    else:
        who, what = settled_line(message.role), f" on {author}"
    who = fit(who, columns)
    time = local_time(message.created_at).partition(" ")[2]
    rest = fit(f"{what} · {time}" if time else what, columns - width(who))
    style = f"class:role.{message.role}" if message.role in _ROLES else "class:heading"
    return ((style, who), ("class:dim", rest))


def _piece(piece: Piece, columns: int, unfolded: bool) -> list[Line]:
    if piece.kind == "text":
        return lines_of(settled(piece.text).strip("\n"), columns)
    if piece.kind == "reasoning":
        return _reasoning(settled(piece.text).strip(), columns, unfolded)
    if piece.kind == "tool_call":
        return _tool(piece, columns, unfolded)
    return _wrapped(f"[{settled_line(piece.kind)}] {settled(piece.text)}", columns, "class:dim")


def _reasoning(text: str, columns: int, unfolded: bool) -> list[Line]:
    lines = _wrapped(text, columns, "class:reasoning", "│ ")
    if unfolded or len(lines) <= REASONING_LINES + 1:
        return lines
    more = fit(f"│ … {len(lines) - REASONING_LINES} more lines of reasoning (Ctrl-O)", columns)
    return [*lines[:REASONING_LINES], (("class:dim", more),)]


def _tool(piece: Piece, columns: int, unfolded: bool) -> list[Line]:
    status = fit(" · " + _STATUS.get(piece.status, settled_line(piece.status)), columns // 2)
    agent = f" ({settled_line(piece.agent)})" if piece.agent else ""
    mark = "▾" if unfolded else "▸"
    name, about = f"{mark} {settled_line(piece.text)}{agent}", _gist(piece.input)
    told = "class:warning" if piece.status == "error" else "class:dim"
    call = fit(f"{name}  {about}" if about else name, columns - width(status))
    lines: list[Line] = [(("class:tool", call), (told, status))]
    if unfolded:
        for text in filter(None, (piece.input, piece.result)):
            drawn = _wrapped(settled(text).strip("\n"), columns, "class:code", "  ")
            lines += drawn[:UNFOLDED_LINES]
            if len(drawn) > UNFOLDED_LINES:
                lines.append((("class:dim", fit(f"  … {len(drawn) - UNFOLDED_LINES} more lines", columns)),))
    return lines


def _gist(arguments: str) -> str:
    """What a call is about, from its arguments: the first short text in them."""
    try:
        values = json.loads(arguments)
    except (ValueError, RecursionError):
        return settled_line(arguments[:200])
    if isinstance(values, dict):
        return next((settled_line(each[:200]) for each in values.values() if isinstance(each, str) and each), "")
    return ""


def _wrapped(text: str, columns: int, style: str, mark: str = "") -> list[Line]:
    space = max(1, columns - len(mark))
    return [((style, mark + piece),) for line in text.split("\n") for piece in wrap(line, space)]
