"""Conversations in comments as they are drawn below the messages they are about (pure), and which of them is chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from client.cli.discussion import place
from client.cli.text import count, local_time
from client.screen.styled import Line, wrapped
from client.screen.text import fit, settled, settled_line, width

JSON = dict[str, Any]
TEXT_COLUMNS = 100
QUOTED_LINES = 3
ELSEWHERE = ""  # in place of a message's id: the thread as a whole, a file, a terminal
_BAR, _CHOSEN = "┃ ", "▌ "


class Said(NamedTuple):
    """One comment of a conversation."""

    author: str
    when: str
    text: str
    signs: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation. Equal ones look equal, so that drawings can be kept."""

    id: str
    message: str
    place: str
    quote: str
    is_settled: bool
    said: tuple[Said, ...]


def talks(conversations: Iterable[JSON]) -> dict[str, tuple[Talk, ...]]:
    """The conversations of the API by the message they are about."""
    found: dict[str, tuple[Talk, ...]] = {}
    for each in conversations:
        talk = _talk(each)
        found[talk.message] = (*found.get(talk.message, ()), talk)
    return found


def _talk(shown: JSON) -> Talk:
    anchor, now = shown.get("anchor") or {}, shown.get("now") or {}
    is_range = bool(anchor.get("lines") or anchor.get("characters"))
    where = place(shown)
    if anchor.get("kind") == "message":  # it stands below that message
        where = where.partition(", ")[2] or ("" if shown.get("stands") else where.rpartition(" · ")[2])
    return Talk(
        id=shown["id"],
        message=shown.get("message") or ELSEWHERE,
        place=settled_line(where),
        quote=str(now.get("text") or anchor.get("quote") or "") if is_range else "",
        is_settled=bool(shown["resolved"]),
        said=tuple(_said(each) for each in (shown, *shown["replies"]) if not each["deleted"]),
    )


def _said(shown: JSON) -> Said:
    when = local_time(shown["created_at"]).partition(" ")[2]
    edited = " · edited" if shown.get("edited_at") else ""
    signs = "  ".join(f"{settled_line(each['sign'])} {each['count']}" for each in shown["reactions"])
    return Said(settled_line(shown["author"]["name"]) or "somebody", when + edited, settled(shown["text"]), signs)


# ---- drawing


def marker(found: tuple[Talk, ...], columns: int) -> Line:
    """The one line that stands for the conversations about a message."""
    comments, unsettled = sum(len(talk.said) for talk in found), sum(not talk.is_settled for talk in found)
    told = f"▸ {count(comments, 'comment')}"
    if not unsettled:
        return (("class:dim", fit(f"{told} · settled", columns)),)
    which = "open" if unsettled == len(found) else f"{unsettled} open"
    return (("class:comment", fit(f"{told} · {which}", columns)),)


@lru_cache(maxsize=1024)
def drawn(talk: Talk, columns: int, is_chosen: bool) -> tuple[Line, ...]:
    """A conversation whole; one that is settled in one line, unless it is chosen."""
    columns = max(3, min(columns, TEXT_COLUMNS))
    bar = (("class:comment", _CHOSEN if is_chosen else _BAR),)
    style, mark = ("class:dim", "✓ settled") if talk.is_settled else ("class:comment", "● open")
    mark = fit(mark, columns - 2)
    first = talk.said[0] if talk.said else Said("", "", "")
    if talk.is_settled and not is_chosen:
        gist = settled_line(first.text)
        return ((*bar, ("class:dim", fit(f"✓ settled · {first.author}: {gist}", columns - 2))),)
    where = f" · {talk.place}" if talk.place else ""
    head: Line = ((style, mark), ("class:dim", fit(where, columns - 2 - width(mark))))
    if is_chosen:
        head = (("class:row.open", "".join(text for _, text in head)),)
    lines: list[Line] = [(*bar, *head)]
    quoted = settled(talk.quote).strip("\n").split("\n") if talk.quote else []
    lines += [(*bar, ("class:dim", fit(f"> {line}", columns - 2))) for line in quoted[:QUOTED_LINES]]
    if len(quoted) > QUOTED_LINES:
        lines.append((*bar, ("class:dim", fit(f"> … {len(quoted) - QUOTED_LINES} more", columns - 2))))
    for said in talk.said:
        lines += [(*bar, *line) for line in _comment(said, columns - 2)]
    return tuple(lines)


def _comment(said: Said, columns: int) -> list[Line]:
    first, *rest = said.text.strip("\n").split("\n")
    head: Line = (("class:role.user", said.author), ("class:dim", f" {said.when}  "), ("", first))
    lines = wrapped(head, columns)
    lines += [each for line in rest for each in wrapped((("", line),), columns)]
    return [*lines, (("class:dim", fit(said.signs, columns)),)] if said.signs else lines


# ---- choosing


class Spot(NamedTuple):
    """What a comment can be written on: a message, or a conversation about it (`talk`)."""

    message: str
    talk: str = ""


def spots(messages: Iterable[str], found: Mapping[str, tuple[Talk, ...]]) -> list[Spot]:
    """Everything that can be chosen, in the order in which it is drawn."""
    every: list[Spot] = []
    for message in messages:
        every += [Spot(message), *(Spot(message, talk.id) for talk in found.get(message, ()))]
    if every:
        last = every[-1].message
        every += [Spot(last, talk.id) for talk in found.get(ELSEWHERE, ())]
    return every


def stepped(every: list[Spot], spot: Spot | None, step: int) -> Spot | None:
    """The spot that many further down; the ends are ends."""
    if not every:
        return None
    if spot not in every:
        return every[-1]
    return every[max(0, min(len(every) - 1, every.index(spot) + step))]


def next_open(every: list[Spot], found: Mapping[str, tuple[Talk, ...]], spot: Spot | None) -> Spot | None:
    """The next conversation that is not settled, around the end; None if there is none."""
    unsettled = {talk.id for group in found.values() for talk in group if not talk.is_settled}
    at = every.index(spot) + 1 if spot in every else 0
    return next((each for each in every[at:] + every[:at] if each.talk in unsettled), None)
