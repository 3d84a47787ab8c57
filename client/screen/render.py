"""From state to styled lines (pure). Only what is visible is laid out; a message's lines are kept by its version.

Everything that comes from a thread passes through `clean`: no escape sequence, direction mark or invisible
character of anybody's reaches the terminal.
"""

from dataclasses import replace
from functools import lru_cache

from client.cli.text import clean, local_time, one_line, shorten, width
from client.screen.state import Row, Shown, State

Line = tuple[tuple[str, str], ...]  # (style class, text) pieces
SIDEBAR = 28
NARROW = 80
TEXT_COLUMNS = 100
REASONING_LINES = 2  # of reasoning that is shown folded
_ROLES = {"user": "you", "assistant": "answer", "system": "system", "tool": "agent"}


@lru_cache(maxsize=4096)
def block(message: Shown, columns: int) -> tuple[Line, ...]:
    """One message: a heading, reasoning folded, text with its code marked, tools in a line each."""
    columns = min(columns, TEXT_COLUMNS)
    lines: list[Line] = [_heading(message, columns)]
    if message.reasoning:
        folded = wrap(clean(message.reasoning).strip(), max(10, columns - 2))
        lines += [(("class:reasoning", f"│ {line}"),) for line in folded[:REASONING_LINES]]
        if len(folded) > REASONING_LINES:
            lines.append((("class:reasoning", f"│ … {len(folded) - REASONING_LINES} more lines of reasoning"),))
    lines += _text(clean(message.text).strip("\n"), columns)
    lines += [(("class:tool", shorten(f"⚙ {one_line(name)} · {status}", columns)),) for name, status in message.tools]
    if message.state == "streaming":
        lines.append((("class:streaming", "▍"),))
    elif message.state == "interrupted":
        lines.append((("class:warning", "interrupted"),))
    return (*lines, ())


def _heading(message: Shown, columns: int) -> Line:
    who = one_line(message.author) if message.role == "user" else _ROLES.get(message.role, message.role)
    said = " · ".join(filter(None, (who, one_line(message.model), local_time(message.created_at))))
    return ((f"class:role.{message.role}", shorten(said, columns)),)


def _text(text: str, columns: int) -> list[Line]:
    lines: list[Line] = []
    in_code = False
    for raw in text.split("\n") if text else []:
        if raw.lstrip().startswith("```"):
            in_code = not in_code
            lines.append((("class:fence", shorten(raw, columns)),))
        elif in_code:
            lines += [(("class:code", piece),) for piece in wrap(raw, columns)]
        elif raw.startswith("#"):
            lines += [(("class:title", piece),) for piece in wrap(raw, columns)]
        else:
            lines += [_inline(piece) for piece in wrap(raw, columns)]
    return lines


def _inline(line: str) -> Line:
    """`code` in a line, marked; an odd mark stays as it is."""
    pieces = line.split("`")
    if len(pieces) < 3 or len(pieces) % 2 == 0:
        return (("", line),)
    return tuple(("class:code" if number % 2 else "", piece) for number, piece in enumerate(pieces) if piece)


def wrap(text: str, columns: int) -> list[str]:
    """A text in lines that fit, broken at spaces where there are some; wide characters count double."""
    lines: list[str] = []
    for line in text.expandtabs(4).split("\n"):
        while width(line) > columns:
            cut = _cut(line, columns)
            space = line.rfind(" ", 1, cut + 1)
            at = space if space > columns // 3 else cut
            lines.append(line[:at].rstrip())
            line = line[at:].lstrip(" ") if space == at else line[at:]
        lines.append(line)
    return lines


def _cut(line: str, columns: int) -> int:
    """How many characters fit, at least one."""
    taken = 0
    for index, character in enumerate(line):
        taken += width(character)
        if taken > columns:
            return max(1, index)
    return len(line)


def conversation(state: State, columns: int, height: int) -> list[Line]:
    """The lines that fit, the newest (or the anchored) at the bottom."""
    if state.thread is None:
        return _empty(state)
    if not state.messages:
        return [(("class:dim", "Nothing here yet. Write below: Enter asks the model, Alt-S only says it."),)]
    lines: list[Line] = []
    index = _bottom(state)
    skip = state.lines_up
    while index >= 0 and len(lines) < height:
        drawn = block(state.messages[index], columns)
        lines = [*drawn[: max(0, len(drawn) - skip)], *lines]
        skip = 0
        index -= 1
    return lines[-height:]


def _empty(state: State) -> list[Line]:
    if state.rows:
        return [(("class:dim", "Choose a thread with Ctrl-Down, or begin one with Ctrl-N."),)]
    told = [
        "No threads yet.",
        "",
        "Ctrl-N begins one.",
        "opensesh import FILE brings in a session of Claude Code or Codex.",
        "opensesh pair CODE joins a device that has some.",
    ]
    return [(("class:dim", line),) for line in told]


def _bottom(state: State) -> int:
    if state.anchor is None:
        return len(state.messages) - 1
    return next((i for i, m in enumerate(state.messages) if m.id == state.anchor), len(state.messages) - 1)


def scrolled(state: State, lines: int, columns: int, height: int) -> State:
    """The state after scrolling that many lines up (down, if negative), never past the first screenful."""
    moved = _moved(state, lines, columns)
    missing = height - len(conversation(moved, columns, height))
    return _moved(moved, -missing, columns) if lines > 0 and missing > 0 else moved


def _moved(state: State, lines: int, columns: int) -> State:
    index, up = _bottom(state), state.lines_up + lines
    while up >= (size := len(block(state.messages[index], columns))):
        if index == 0:
            up = size - 1
            break
        up -= size
        index -= 1
    while up < 0 and index + 1 < len(state.messages):
        index += 1
        up += len(block(state.messages[index], columns))
    if index >= len(state.messages) - 1 and up <= 0:
        return replace(state, anchor=None, lines_up=0, unseen=0)
    return replace(state, anchor=state.messages[index].id, lines_up=max(0, up))


def sidebar(state: State, height: int) -> list[Line]:
    """One line per thread, the open one marked."""
    lines: list[Line] = [(("class:heading", "Threads".ljust(SIDEBAR - 1)),)]
    at = next((i for i, row in enumerate(state.rows) if row.id == state.thread), 0)
    first = max(0, min(at - height // 2, len(state.rows) - (height - 1)))
    return lines + [_row(row, row.id == state.thread) for row in state.rows[first : first + height - 1]]


def _row(row: Row, is_open: bool) -> Line:
    mark = "▸" if is_open else "●" if row.is_new else " "
    title = shorten(one_line(row.title) or "untitled", SIDEBAR - 4)
    padded = title + " " * (SIDEBAR - 4 - width(title))
    return (("class:row.open" if is_open else "class:row.new" if row.is_new else "class:row", f"{mark} {padded}"),)


def header(state: State, columns: int) -> Line:
    """The thread's title."""
    title = one_line(state.title) if state.thread else "OpenSesh"
    return (("class:header", " " + shorten(title or "untitled", columns - 2).ljust(columns - 1)),)


def status(state: State, columns: int) -> Line:
    """What is new below, what goes on, where things are stored; the most urgent first."""
    parts: list[tuple[str, str]] = []
    if state.notice:
        parts.append(("class:warning", one_line(state.notice)))
    if state.unseen:
        parts.append(("class:new", f"↓ {state.unseen} new"))
    if state.is_streaming:
        parts.append(("class:streaming", "answering …"))
    row = state.row
    parts.append(
        ("class:status", "the node is away, coming back …" if state.offline else row.sync if row else state.sync)
    )
    line: list[tuple[str, str]] = []
    left = columns - 1
    for style, text in parts:
        text = shorten(text, max(4, left - 3))
        line += [("class:status", " " if not line else " · "), (style, text)]
        left -= width(text) + 3
    return tuple(line)
