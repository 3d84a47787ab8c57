"""The conversation and the lines around it, from the state (pure). Only what is visible is laid out."""

from dataclasses import replace

from client.screen.blocks import block, day, numbered
from client.screen.choosing import MODES, chooser
from client.screen.commands import BY_NAME, page
from client.screen.project import name_of
from client.screen.state import State
from client.screen.styled import Line
from client.screen.talk import ELSEWHERE, Spot, Talk, drawn, marker
from client.screen.text import filled, fit, settled_line, width, wrap

NARROW = 80  # columns below which there is only the conversation
NOTICE_LINES = 3


def conversation(state: State, columns: int, height: int) -> list[Line]:
    """The lines that fit, the newest (or the anchored) at the bottom; a short thread stands at the top."""
    if state.helping:
        return _keys(columns, height)
    if state.mode in MODES:
        return chooser(state, columns, height)
    if state.thread is None or not state.messages:
        return [line for text in _empty(state) for line in _wrapped(text, columns)]
    index, line = _position(state, columns)
    lines = list(_block(state, index, columns)[:line])
    above = index
    while above > 0 and len(lines) < height:
        above -= 1
        lines = [*_block(state, above, columns), *lines]
    if len(lines) >= height:
        return lines[-height:]
    lines += _block(state, index, columns)[line:]  # the window grew past the first line
    while index + 1 < len(state.messages) and len(lines) < height:
        index += 1
        lines += _block(state, index, columns)
    return lines[:height]


def scrolled(state: State, lines: int, columns: int, height: int) -> State:
    """The state after scrolling that many lines up (down, if negative), never past the first screenful."""
    if not state.messages:
        return state
    moved = _moved(state, lines, columns)
    missing = height - _above(moved, columns, height) if lines > 0 else 0
    return _moved(moved, -missing, columns) if missing > 0 else moved


def is_near_top(state: State, columns: int, height: int) -> bool:
    """Whether less than a screenful is left above: time to ask for what came earlier."""
    return _above(state, columns, 3 * height) < 3 * height


def _block(state: State, index: int, columns: int) -> tuple[Line, ...]:
    """A message, and below it what is said about it."""
    message = state.messages[index]
    is_choosing = state.mode == "comment"
    if is_choosing and state.spot == Spot(message.id):
        lines = numbered(message, columns, _begins_day(state, index))
    else:
        lines = block(message, columns, state.unfolded, _begins_day(state, index))
    found = _talks(state, index)
    if not found:
        return lines
    if not is_choosing and not state.unfolded:
        return (*lines[:-1], marker(found, columns), ())
    below = [drawn(talk, columns, is_choosing and state.spot == Spot(message.id, talk.id)) for talk in found]
    return (*lines[:-1], *(line for talk in below for line in talk), ())


def _begins_day(state: State, index: int) -> bool:
    before = state.messages[index - 1] if index else None
    return state.is_whole if before is None else day(before) != day(state.messages[index])


def _heading(state: State, index: int) -> int:
    """Which of a message's lines says whose it is."""
    return 2 if _begins_day(state, index) else 0


def _talks(state: State, index: int) -> tuple[Talk, ...]:
    """What stands below a message; below the last one also what is about none."""
    found = state.placed.get(state.messages[index].id, ())
    return (*found, *state.placed.get(ELSEWHERE, ())) if index == len(state.messages) - 1 else found


def focused(state: State, columns: int, height: int) -> State:
    """The state with what is chosen in sight: where it begins stands in the upper part of the window."""
    index = next((i for i, message in enumerate(state.messages) if state.spot and message.id == state.spot.message), -1)
    if index < 0 or state.spot is None:
        return state
    found = _talks(state, index)
    line = _heading(state, index)
    if state.spot.talk:
        line = len(_block(state, index, columns)) - 1
        for talk in reversed(found):
            line -= len(drawn(talk, columns, talk.id == state.spot.talk))
            if talk.id == state.spot.talk:
                break
    at = replace(state, anchor=state.spot.message, line=line + 1)
    return scrolled(_moved(at, -(2 * height) // 3, columns), 0, columns, height)


def _position(state: State, columns: int) -> tuple[int, int]:
    """The message at the bottom edge, and how many of its lines are above that."""
    last = len(state.messages) - 1
    if state.anchor is not None:
        for index in range(last, -1, -1):
            if state.messages[index].id == state.anchor:
                return index, min(state.line, len(_block(state, index, columns)))
    return last, len(_block(state, last, columns))


def _above(state: State, columns: int, most: int) -> int:
    """How many lines are above the bottom edge, counted up to `most`."""
    if not state.messages:
        return 0
    index, count = _position(state, columns)
    while index > 0 and count < most:
        index -= 1
        count += len(_block(state, index, columns))
    return count


def _moved(state: State, lines: int, columns: int) -> State:
    index, line = _position(state, columns)
    line -= lines
    while line <= 0 and index > 0:
        index -= 1
        line += len(_block(state, index, columns))
    while index + 1 < len(state.messages) and line > (size := len(_block(state, index, columns))):
        index += 1
        line -= size
    if index == len(state.messages) - 1 and line >= len(_block(state, index, columns)):
        return replace(state, anchor=None, line=0, unseen=0)
    return replace(state, anchor=state.messages[index].id, line=max(1, line))


def _empty(state: State) -> list[str]:
    """What to do next, where there is nothing yet."""
    if state.thread is not None:
        return [
            "Nothing here yet.",
            "",
            f"Write below. {_key('ask')} asks the model, {_key('say')} only says it, to people.",
        ]
    if not state.is_listed:
        return ["The node is away. What you write stays here." if state.offline else "Looking for your threads …"]
    if state.opening is not None:
        return ["Opening …"]
    if state.rows:
        return [
            "A new thread.",
            "",
            f"Write below and press {_key('ask')}: that begins it. {_key('next')} goes back to the others.",
        ]
    return [
        "No threads yet.",
        "",
        f"Write below and press {_key('ask')}: that begins one.",
        "",
        "Or write",
        "  /import    to bring in your sessions of Claude Code and Codex",
        "",
        "and in another terminal",
        "  opensesh pair    to go on here with what you have on your other device",
    ]


def _key(name: str) -> str:
    return BY_NAME[name].shown


def _keys(columns: int, height: int) -> list[Line]:
    """The page of all keys, as much of it as fits."""
    told = page()
    fitting = len(told) if len(told) < height else max(0, height - 2)
    heading = f"Keys ({_key('keys')} or {_key('escape')} closes this)"
    lines: list[Line] = [(("class:heading", fit(heading, columns)),)]
    for keys, about in told[:fitting]:
        lines.append((("class:bold", fit(f"{keys:<14}", columns)), ("", fit(about, max(0, columns - 14)))))
    if fitting < len(told):
        lines.append((("class:dim", fit(f"… {len(told) - fitting} more in a taller window", columns)),))
    return lines


def header(state: State, columns: int) -> Line:
    """The thread's title; its project, and in a narrow window which of how many it is."""
    title = settled_line(state.title) or "untitled" if state.thread else "New thread" if state.rows else "OpenSesh"
    at = next((number for number, row in enumerate(state.rows, 1) if row.id == state.thread), 0)
    place = f" · {at} of {len(state.rows)}" if at and (columns < NARROW or state.alone) else ""
    project = fit(settled_line(name_of(state.row.project)), columns // 3) if state.row else ""
    known = f" {project}{place}".replace("  · ", "  ") + " "
    return (("class:header", filled(" " + title, columns - width(known)) + known),)


def notice(state: State, columns: int) -> list[Line]:
    """What went wrong, and what to do about it, in a few lines; or what a command has done."""
    text, style = ("! " + state.notice, "class:warning") if state.notice else (state.told, "class:status")
    if not text:
        return []
    pieces = wrap(settled_line(text), max(4, columns - 2))
    return [((style, " " + piece),) for piece in pieces[:NOTICE_LINES]]


def _wrapped(text: str, columns: int) -> list[Line]:
    return [(("class:dim", piece),) for piece in wrap(text, columns)]
