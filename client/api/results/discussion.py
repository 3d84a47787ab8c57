"""Comments, drafts, notes and tags."""

from datetime import datetime
from typing import Any

from client.api.results.common import Author, Result
from client.api.results.threads import RunEvent


class Reaction(Result, frozen=True, kw_only=True):
    """A sign, and the identities of those who reacted with it."""

    sign: str
    count: int
    by: list[str]


class Comment(Result, frozen=True, kw_only=True):
    """A comment or an answer to one. One that was deleted has no text, and keeps its place."""

    id: str
    reference: str
    author: Author
    text: str
    created_at: datetime
    deleted: bool
    reactions: list[Reaction]
    edited_at: datetime | None = None
    reply_to: str | None = None


class Place(Result, frozen=True, kw_only=True):
    """How an anchored place reads now: lines from 1, both included; characters from 0, the end not included."""

    lines: tuple[int, int]
    characters: tuple[int, int]
    text: str


class Conversation(Comment, frozen=True, kw_only=True):
    """A comment that answers none, with all answers. `stands` is None where the node can't know."""

    resolved: bool
    replies: list[Comment]
    resolved_by: Author | None = None
    message: str | None = None
    anchor: dict[str, Any] | None = None
    stands: bool | None = None
    now: Place | None = None


class Comments(Result, frozen=True, kw_only=True):
    """A thread's conversations in order; `unresolved` counts all that are not settled, whichever were asked for."""

    thread: str
    unresolved: int
    comments: list[Conversation]


class Commented(Comment, frozen=True, kw_only=True):
    """A comment after something was done to it, and how its conversation stands."""

    thread: str
    conversation: str
    resolved: bool
    unresolved: int
    message: str | None = None
    anchor: dict[str, Any] | None = None


class Prompt(Result, frozen=True, kw_only=True):
    """A conversation as the text of a prompt."""

    thread: str
    text: str


class SharedText(Result, frozen=True, kw_only=True):
    """A text that several people write; `version` names what it says now."""

    thread: str
    text: str
    version: str


class SharedTextSet(SharedText, frozen=True, kw_only=True):
    """The same after it was written. `unseen` leads from the text that was given to what it says now: a number keeps so
    many characters, one below 0 drops them, a text is put in. `cursor`: the place behind what was typed."""

    unseen: list[int | str]
    cursor: int | None = None


class DraftEvent(RunEvent, frozen=True, kw_only=True):
    """A step of the run that a draft began; or, of type draft.said, the message it has become."""

    run: str = ""


class Tags(Result, frozen=True, kw_only=True):
    """A thread's tags."""

    thread: str
    tags: list[str]
