"""What stands in a `decisions/<device>` lane on control: who drives a thread or a terminal, as plain values.

Three root maps. `control` maps a target (`/` for the thread, `/<terminal>`) to this device's one word on it: a map of
`id` (random), `at` (Unix ms), `key` (see `order`), `to`?, `after`?, `restricted`?. `handovers` maps an id to a map of
`target`, `under`?, `to`, `at`, `key`, `restricted`?. `typing` maps an identity to a map of `allowed`, `id`, `at`,
`key`, `after`?. Whatever has not this form is passed over, and never a reason to refuse.
"""

from typing import Any, Final

import pycrdt
from msgspec import Struct

from crdt.entries import entry, root
from crdt.errors import PeerFault
from crdt.ids import IdentityId, from_text, to_text
from crdt.last_words import read_after
from crdt.plain import NUMBER_LIMIT, identifier, number

MAX_WORDS: Final = 256  # of one lane, as for the next two: those of the smallest key are shown
MAX_HANDOVERS: Final = 256
MAX_TYPING: Final = 256
MAX_AFTER: Final = 128  # words that one word names
ROOTS: Final = ("control", "handovers", "typing")


class Word(Struct, frozen=True):
    """A device's word on who drives a target. `to` is None for whoever runs it; the thread's owner, for the thread.

    It names, by their ids, the words it comes `after`: see `last_words`. `restricted` is how often its author
    knew the person to have been restricted: it holds only while that has not happened again.
    """

    target: str
    device: bytes
    id: str
    at: int
    key: int
    to: IdentityId | None = None
    after: tuple[str, ...] = ()
    restricted: int = 0


class HandOver(Struct, frozen=True):
    """Who drives passes it on. `under` names what gave it to them: a word or a hand-over; "" if nobody had to."""

    id: str
    device: bytes
    target: str
    to: IdentityId
    at: int
    key: int
    under: str = ""
    restricted: int = 0


class Typing(Struct, frozen=True):
    """Whether somebody may type though another drives, who then presses Enter. Else they only drive, or watch."""

    of: IdentityId
    device: bytes
    allowed: bool
    id: str
    at: int
    key: int
    after: tuple[str, ...] = ()


def read_word(doc: "pycrdt.Doc[Any]", device: bytes, name: str) -> Word | None:
    """A device's word on one target; None if there is none in the form it should have."""
    found, target = entry(doc, "control", name), _target(name)
    if found is None or target is None:
        return None
    common = _common(found)
    to, after, restricted = found.get("to"), read_after(found, MAX_AFTER), _restricted(found)
    someone = _identity(to)
    if common is None or after is None or restricted is None or (to is not None and someone is None):
        return None
    return Word(target, device, *common, someone, after, restricted)


def read_handover(doc: "pycrdt.Doc[Any]", device: bytes, name: str) -> HandOver | None:
    """One hand-over of a lane; None if there is none in the form it should have."""
    found = entry(doc, "handovers", name)
    if found is None or identifier(name) is None:
        return None
    at, key, restricted = number(found, "at"), number(found, "key"), _restricted(found)
    target, to, under = _target(found.get("target")), _identity(found.get("to")), found.get("under")
    if at is None or key is None or restricted is None or target is None or to is None:
        return None
    if under is not None and identifier(under) is None:
        return None
    return HandOver(name, device, target, to, at, key, under or "", restricted)


def read_typing(doc: "pycrdt.Doc[Any]", device: bytes, name: str) -> Typing | None:
    """A device's word on whether somebody may type; None if there is none in the form it should have."""
    found, of = entry(doc, "typing", name), _identity(name)
    if found is None or of is None:
        return None
    common, after, allowed = _common(found), read_after(found, MAX_AFTER), found.get("allowed")
    if common is None or after is None or not isinstance(allowed, bool):
        return None
    return Typing(of, device, allowed, *common, after)


# ---- changes to the own lane, for `Replica.commit` to run


def put_word(doc: "pycrdt.Doc[Any]", word: Word) -> None:
    """Say who drives; it replaces what this device said of that target. Raises ValueError for what none would read."""
    values = _values(word.id, word.at, word.key, word.after, word.restricted)
    if word.to is not None:
        values["to"] = to_text(word.to)
    _check(not word.target or identifier(word.target), "target")
    root(doc, "control")["/" + word.target] = pycrdt.Map(values)


def put_handover(doc: "pycrdt.Doc[Any]", handover: HandOver) -> None:
    """Pass control on. Raises ValueError if there is one of that id, or nobody would read it."""
    values = _values(handover.id, handover.at, handover.key, (), handover.restricted)
    del values["id"]
    _check(handover.id not in root(doc, "handovers"), "new id")
    _check(not handover.target or identifier(handover.target), "target")
    _check(not handover.under or identifier(handover.under), "under")
    values |= {"target": "/" + handover.target, "to": to_text(handover.to)}
    values |= {"under": handover.under} if handover.under else {}
    root(doc, "handovers")[handover.id] = pycrdt.Map(values)


def forget_handovers(doc: "pycrdt.Doc[Any]", identifiers: list[str]) -> None:
    """Remove own ones that lead nowhere any more, so that there is room for others."""
    for each in identifiers:
        root(doc, "handovers").pop(each, None)


def put_typing(doc: "pycrdt.Doc[Any]", typing: Typing) -> None:
    """Say whether somebody may type; it replaces what this device said of them."""
    values = _values(typing.id, typing.at, typing.key, typing.after, 0)
    root(doc, "typing")[to_text(typing.of)] = pycrdt.Map({**values, "allowed": typing.allowed})


def _values(name: str, at: int, key: int, after: tuple[str, ...], restricted: int) -> dict[str, Any]:
    _check(identifier(name), "id")
    _check(all(0 <= each < NUMBER_LIMIT for each in (at, key, restricted)), "number")
    _check(len(after) <= MAX_AFTER and all(map(identifier, after)), "after")
    values: dict[str, Any] = {"id": name, "at": at, "key": key}
    return values | ({"after": list(after)} if after else {}) | ({"restricted": restricted} if restricted else {})


def _check(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(f"no {what} of a word on control")


# ---- reading


def _target(value: Any) -> str | None:
    if value == "/":
        return ""
    return identifier(value[1:]) if isinstance(value, str) and value[:1] == "/" else None


def _identity(value: Any) -> IdentityId | None:
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        found = from_text(value)
    except PeerFault:
        return None
    return IdentityId(found) if len(found) == 32 else None


def _common(found: "pycrdt.Map[Any]") -> tuple[str, int, int] | None:
    name, at, key = identifier(found.get("id")), number(found, "at"), number(found, "key")
    return (name, at, key) if name is not None and at is not None and key is not None else None


def _restricted(found: "pycrdt.Map[Any]") -> int | None:
    return 0 if found.get("restricted") is None else number(found, "restricted")
