"""Shared terminals."""

from datetime import datetime
from typing import Any

import msgspec

from client.api.results.common import Author, Result


class TerminalName(Result, frozen=True, kw_only=True):
    """A terminal by its id, and its thread."""

    terminal: str
    thread: str


class Terminal(Result, frozen=True, kw_only=True):
    """A shared terminal: `state` is running or ended; then `code` is the exit code, or `reason` why there is none."""

    terminal: str
    command: list[str]
    state: str
    code: int | None
    reason: str
    columns: int
    rows: int
    started_at: datetime
    author: Author
    here: bool


class TerminalLine(Result, frozen=True, kw_only=True):
    """A line of a screen; `spans` are [characters, foreground, background, attributes] where it is not plain."""

    text: str
    spans: list[list[Any]] = msgspec.field(default_factory=list)
    row: int | None = None


class TerminalEvent(Result, frozen=True, kw_only=True):
    """What a watcher of a terminal is told, by `type`: terminal.screen, terminal.changed, terminal.ended.

    Of a change, the screen first moves up by `moved` rows, then `lines` are replaced by their `row`.
    """

    type: str
    terminal: str
    thread: str
    command: list[str] | None = None
    columns: int | None = None
    rows: int | None = None
    cursor: dict[str, Any] | None = None
    title: str | None = None
    modes: dict[str, bool] | None = None
    alternate: bool | None = None
    begins: bool | None = None
    history: list[TerminalLine] = msgspec.field(default_factory=list)
    lines: list[TerminalLine] = msgspec.field(default_factory=list)
    scrolled: list[TerminalLine] = msgspec.field(default_factory=list)
    moved: int = 0
    code: int | None = None
    reason: str | None = None
