"""Choosing from a list by typing a part of a name (pure): a thread to open, a model to ask, somebody."""

from dataclasses import replace
from typing import NamedTuple

from client.screen.pages import choices
from client.screen.project import name_of
from client.screen.state import State
from client.screen.styled import Line
from client.screen.text import filled, fit, settled_line, width

MODES = {"find": "thread› ", "model": "model› ", "people": "people› "}


class Item(NamedTuple):
    """Something that can be chosen."""

    id: str
    name: str
    about: str
    message: str = ""  # where in the thread, if not at its end


def items(state: State) -> list[Item]:
    """What there is to choose, and holds every word that is written; behind the threads, messages that do."""
    if state.mode == "people":
        return [Item(each.do, each.label, each.about) for each in choices(state)]
    words = state.query.casefold().split()
    every = _threads(state) if state.mode == "find" else _models(state)
    named = [item for item in every if all(word in f"{item.name} {item.about}".casefold() for word in words)]
    hits = [Item(hit.thread, settled_line(hit.snippet), settled_line(hit.title), hit.message) for hit in state.hits]
    return named + hits


def picked(state: State) -> Item | None:
    """What Enter would choose."""
    found = items(state)
    return found[min(state.picked, len(found) - 1)] if found else None


def queried(state: State, query: str) -> State:
    """Another query; the first that fits is picked."""
    return state if query == state.query else replace(state, query=query, picked=0, hits=())


def moved(state: State, step: int) -> State:
    """Another one picked, that many further down, around the ends."""
    count = len(items(state))
    return replace(state, picked=(min(state.picked, count - 1) + step) % count if count else 0)


def chooser(state: State, columns: int, height: int) -> list[Line]:
    """The list, the picked one in it."""
    found = items(state)
    heading = _count(state, found) if state.mode == "find" else "Models that can be asked"
    lines: list[Line] = [(("class:heading", fit(heading, columns)),), ()]
    if not found:
        lines.append((("class:dim", fit("Nothing is called like that, or says it.", columns)),))
    fitting = max(1, height - len(lines))
    at = min(state.picked, len(found) - 1)
    first = max(0, min(at - fitting // 2, len(found) - fitting))
    for number, item in enumerate(found[first : first + fitting], first):
        lines.append(_row(item, columns, is_picked=number == at))
    return lines[:height]


def _count(state: State, found: list[Item]) -> str:
    messages = len(state.hits)
    told = f"{len(found) - messages} of {len(state.rows)} threads"
    return f"{told}, and {messages} message{'' if messages == 1 else 's'}" if messages else told


def _row(item: Item, columns: int, is_picked: bool) -> Line:
    about = fit(item.about, columns // 3)
    name = filled(f"{'▸' if is_picked else ' '} {item.name}", columns - width(about) - 1)
    if is_picked:
        return (("class:row.open", f"{name} {about}"),)
    return (("", f"{name} "), ("class:dim", about))


def _threads(state: State) -> list[Item]:
    return [
        Item(row.id, settled_line(row.title) or "untitled", settled_line(name_of(row.project))) for row in state.rows
    ]


def _models(state: State) -> list[Item]:
    default = state.default_model
    return [Item(name, settled_line(name), "the default" if name == default else "") for name in state.models]
