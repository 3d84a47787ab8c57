"""What stands in a `comments/<device>` lane: comments, reactions, marks, requests for control, as plain values.

A document of this lane has four root maps. `comments` maps an id to a map of `at` (Unix ms), `key` (see
`order`), `text`, and optionally `anchor`, `reply_to`, `edited`, `deleted`. `reactions` maps
"<comment>/<sign>" to a map of `at`. `marks` maps a comment to a map of `resolved`, `at`, `key`, `id`, `after`.
`requests` maps an id to a map of `at`, `key`, `target`, `text`, `withdrawn`.

What one device says of another's comment stands in its own lane and names the comment by device and id,
so that nobody can change or take back what somebody else wrote, nor speak in place of it by using its id.
Whatever has not this form is passed over, and never a reason to refuse.
"""

from typing import Any, Final, NamedTuple

import pycrdt
from msgspec import Struct

from crdt.anchors import Anchor, read_anchor
from crdt.entries import entry
from crdt.errors import PeerFault
from crdt.ids import from_text, to_text
from crdt.last_words import read_after
from crdt.plain import identifier, number, text

MAX_TEXT_CHARACTERS: Final = 16_384  # of a comment
MAX_SIGN_CHARACTERS: Final = 32  # of a reaction: the longest emoji are joined of a dozen
MAX_AFTER: Final = 128  # marks that one mark names
MAX_COMMENTS: Final = 4_096  # of one lane, as for the next two: those that come first are shown
MAX_REACTIONS: Final = 4_096
MAX_MARKS: Final = 4_096
MAX_REQUESTS: Final = 64
MAX_SIGNS_EACH: Final = 8  # reactions of one identity to one comment
_DEVICE_BYTES: Final = 32


class Reference(NamedTuple):
    """A comment: whose device wrote it, and its id there. Spelled "<device>/<id>"."""

    device: bytes
    id: str

    def __str__(self) -> str:
        return f"{to_text(self.device)}/{self.id}"


class Comment(Struct, frozen=True):
    """One comment, or an answer to one. Times in Unix ms."""

    id: str
    device: bytes
    at: int
    key: int
    text: str
    anchor: Anchor | None = None  # None: about the thread, or what it answers
    reply_to: Reference | None = None
    edited: int | None = None
    deleted: int | None = None  # its author took it back: what is left is its place

    @property
    def reference(self) -> Reference:
        """What others call it by."""
        return Reference(self.device, self.id)

    @property
    def place(self) -> tuple[int, bytes, str]:
        """Where it stands among all."""
        return (self.key, self.device, self.id)


class Reaction(Struct, frozen=True):
    """A sign (an emoji, as a rule) at a comment."""

    on: Reference
    sign: str
    device: bytes
    at: int

    @property
    def name(self) -> str:
        """What it is called in its lane: one device reacts to a comment with one sign once."""
        return f"{self.on}/{self.sign}"


class Mark(Struct, frozen=True):
    """A device's word on whether what a comment is about is settled. Each device has one for a comment.

    It names, by their ids, the marks it comes `after`: see `last_words`.
    """

    on: Reference
    device: bytes
    resolved: bool
    at: int
    key: int
    id: str
    after: tuple[str, ...] = ()


class Request(Struct, frozen=True):
    """Somebody asks for control, of one terminal (`target`) or of the thread ("")."""

    id: str
    device: bytes
    at: int
    key: int
    target: str = ""
    text: str = ""
    withdrawn: int | None = None

    @property
    def place(self) -> tuple[int, bytes, str]:
        """Where it stands among all."""
        return (self.key, self.device, self.id)


def read_reference(value: Any) -> Reference | None:
    """A reference as it is spelled; None for anything else."""
    if not isinstance(value, str) or len(value) > 128:
        return None
    spelled, _, name = value.partition("/")
    try:
        device = from_text(spelled)
    except PeerFault:
        return None
    found = identifier(name)
    return Reference(device, found) if found is not None and len(device) == _DEVICE_BYTES else None


def read_comment(doc: "pycrdt.Doc[Any]", device: bytes, name: str) -> Comment | None:
    """One comment of a lane; None if there is none in the form it should have."""
    found = entry(doc, "comments", name)
    if found is None or identifier(name) is None:
        return None
    at, key, said = number(found, "at"), number(found, "key"), text(found, "text", MAX_TEXT_CHARACTERS)
    deleted = number(found, "deleted")
    if at is None or key is None or said is None or not (said or deleted is not None):
        return None
    return Comment(
        id=name,
        device=device,
        at=at,
        key=key,
        text=said if deleted is None else "",
        anchor=read_anchor(found.get("anchor")),
        reply_to=read_reference(found.get("reply_to")),
        edited=number(found, "edited"),
        deleted=deleted,
    )


def read_reaction(doc: "pycrdt.Doc[Any]", device: bytes, name: str) -> Reaction | None:
    """One reaction of a lane; None if there is none in the form it should have."""
    found = entry(doc, "reactions", name)
    spelled, _, rest = name.partition("/")
    comment, _, sign = rest.partition("/")
    on = read_reference(f"{spelled}/{comment}")
    at = number(found, "at") if found is not None else None
    return Reaction(on, sign, device, at) if on is not None and at is not None and is_sign(sign) else None


def read_mark(doc: "pycrdt.Doc[Any]", device: bytes, name: str) -> Mark | None:
    """One mark of a lane; None if there is none in the form it should have."""
    found, on = entry(doc, "marks", name), read_reference(name)
    if found is None or on is None:
        return None
    at, key, named, resolved = number(found, "at"), number(found, "key"), found.get("id"), found.get("resolved")
    after = read_after(found, MAX_AFTER)
    if at is None or key is None or after is None or identifier(named) is None or not isinstance(resolved, bool):
        return None
    return Mark(on, device, resolved, at, key, str(named), after)


def read_request(doc: "pycrdt.Doc[Any]", device: bytes, name: str) -> Request | None:
    """One request for control of a lane; None if there is none in the form it should have."""
    found = entry(doc, "requests", name)
    if found is None or identifier(name) is None:
        return None
    at, key = number(found, "at"), number(found, "key")
    target, said = identifier(found.get("target")), text(found, "text", MAX_TEXT_CHARACTERS)
    if at is None or key is None:
        return None
    return Request(name, device, at, key, target or "", said or "", number(found, "withdrawn"))


def is_sign(value: str) -> bool:
    """Whether it can be a reaction: short, without spaces, slashes and control characters."""
    return 0 < len(value) <= MAX_SIGN_CHARACTERS and not any(
        each <= " " or each == "/" or "\x7f" <= each <= "\xa0" for each in value
    )
