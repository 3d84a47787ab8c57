"""Threads, messages, runs, models, and what is brought in from other tools."""

from datetime import datetime
from typing import Any

import msgspec

from client.api.results.common import Author, Result, SyncWarning


class NewThread(Result, frozen=True, kw_only=True):
    """A thread just begun."""

    id: str
    title: str
    project: str | None = None


class ThreadRow(Result, frozen=True, kw_only=True):
    """A thread in a list. `sync` says in words where its changes are stored; `unresolved` counts conversations."""

    id: str
    title: str
    project: str | None
    updated_at: datetime
    messages: int
    state: str
    sync: str
    unresolved: int = 0
    tags: list[str] = msgspec.field(default_factory=list)


class ThreadState(Result, frozen=True, kw_only=True):
    """A thread that was moved: `state` is active, trashed or deleted."""

    id: str
    state: str


class ToolCall(Result, frozen=True, kw_only=True):
    """A tool that was called: `input` is JSON text; `status` is running, ok, error or interrupted."""

    id: str
    name: str
    input: str
    result: str | None
    status: str
    agent: str | None


class Message(Result, frozen=True, kw_only=True):
    """A message: `role` is user, assistant, system or tool; `state` is final, streaming or interrupted."""

    id: str
    role: str
    text: str
    created_at: datetime
    author: Author
    state: str
    parts: list[dict[str, Any]]
    tool_calls: list[ToolCall]
    model: str | None = None
    run: str | None = None


class Thread(Result, frozen=True, kw_only=True):
    """A thread with its messages, oldest first. Events after `cursor` are not in it."""

    id: str
    title: str
    project: str | None
    updated_at: datetime
    cursor: int
    messages: list[Message]
    membership_as_of: datetime | None = None
    warnings: list[SyncWarning] = msgspec.field(default_factory=list)


class Export(Result, frozen=True, kw_only=True):
    """A thread as text."""

    id: str
    format: str
    text: str


class Hit(Result, frozen=True, kw_only=True):
    """A message that was found, or, with no `message_id`, a title."""

    thread: str
    title: str
    message_id: str | None
    role: str | None
    created_at: datetime
    snippet: str


class Said(Result, frozen=True, kw_only=True):
    """A message that is stored."""

    message_id: str
    thread: str


class RunEvent(Result, frozen=True, kw_only=True):
    """One step of a run, by `type`: run.queued, run.started, run.delta, and one of run.completed,
    run.failed, run.cancelled at the end. `text` is what a delta adds, or the whole answer at the end;
    `part` of a delta is text or reasoning."""

    type: str
    run: str
    thread: str
    prompt: str | None = None
    runner: str | None = None
    message_id: str | None = None
    model: str | None = None
    text: str | None = None
    part: str | None = None
    error: dict[str, Any] | None = None


class Provider(Result, frozen=True, kw_only=True):
    """A provider of models on this device."""

    name: str
    base_url: str | None
    models: list[str]
    has_key: bool


class ProviderTest(Result, frozen=True, kw_only=True):
    """How a provider answered."""

    name: str
    model: str
    first_token_ms: int


class Model(Result, frozen=True, kw_only=True):
    """A model that `ask` takes."""

    id: str
    provider: str
    default: bool


class Imported(Result, frozen=True, kw_only=True):
    """A thread that a transcript became; the counts are the transcript's."""

    id: str
    title: str
    new: bool
    messages: int
    tool_calls: int
    placeholders: int
    skipped_lines: int


class Follow(Result, frozen=True, kw_only=True):
    """A folder or file that is watched; `state` is watching or missing."""

    id: str
    source: str
    path: str
    sessions: int
    state: str
