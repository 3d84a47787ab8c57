"""What the Python API gives back: one frozen type per shape of `docs/api.md`.

A newer node may send more than these types know; that is ignored. Times are aware, in UTC.
"""

from datetime import datetime
from typing import Any

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all of them: immutable, compared by value."""


class DeviceName(Result, frozen=True, kw_only=True):
    """A device by id and name; the id is missing of one that has not joined yet."""

    name: str
    id: str | None = None
    platform: str | None = None


class Status(Result, frozen=True, kw_only=True):
    """The node: `state` is starting, ready or stopping; `sync` says in words what is stored where."""

    state: str
    version: str
    pid: int
    started_at: datetime
    home: str | None
    identity: str | None
    device: DeviceName
    threads: int
    sync: str
    keys: str


class Check(Result, frozen=True, kw_only=True):
    """One check of `doctor`; `state` is ok, warning or failed."""

    name: str
    state: str
    message: str
    next: str | None = None


class Diagnosis(Result, frozen=True, kw_only=True):
    """All checks; `ok` if none failed."""

    ok: bool
    checks: list[Check]


class Config(Result, frozen=True, kw_only=True):
    """The settings in force, by dotted key, and the file they are kept in."""

    config: dict[str, Any]
    path: str


class Setting(Result, frozen=True, kw_only=True):
    """A setting as it is now; `restart` if the node has to be restarted for it."""

    key: str
    value: Any
    restart: bool


class Backup(Result, frozen=True, kw_only=True):
    """A backup that was written."""

    path: str
    size_bytes: int
    threads: int


class Restored(Result, frozen=True, kw_only=True):
    """What a backup gave back: `restored` counts the changes that were not here."""

    path: str
    threads: int
    restored: int


class PurgeItem(Result, frozen=True, kw_only=True):
    """One kind of thing that goes, or went."""

    what: str
    count: int
    size_bytes: int


class Purge(Result, frozen=True, kw_only=True):
    """What a purge frees, or with `dry_run` would free."""

    dry_run: bool
    items: list[PurgeItem]
    size_bytes: int


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
    tags: list[str] = []


class ThreadState(Result, frozen=True, kw_only=True):
    """A thread that was moved: `state` is active, trashed or deleted."""

    id: str
    state: str


class Author(Result, frozen=True, kw_only=True):
    """Who wrote a message, on which device."""

    identity: str
    device: str
    name: str


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


class SyncWarning(Result, frozen=True, kw_only=True):
    """What a relay withholds, or who was rolled back; `kind` is control-withheld, work-withheld or rolled-back."""

    thread: str
    kind: str
    since: datetime
    by: Author | None = None
    message: str


class Thread(Result, frozen=True, kw_only=True):
    """A thread with its messages, oldest first. Events after `cursor` are not in it."""

    id: str
    title: str
    project: str | None
    updated_at: datetime
    cursor: int
    messages: list[Message]
    membership_as_of: datetime | None = None
    warnings: list[SyncWarning] = []


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
    spans: list[list[Any]] = []
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
    history: list[TerminalLine] = []
    lines: list[TerminalLine] = []
    scrolled: list[TerminalLine] = []
    moved: int = 0
    code: int | None = None
    reason: str | None = None


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


class Paired(Result, frozen=True, kw_only=True):
    """Two devices that have become one identity."""

    device: DeviceName
    identity: str
    threads: int


class PairingStep(Result, frozen=True, kw_only=True):
    """One step of pairing, by `type`: pair.code (`code`, `link`, `expires_at`), pair.joining (`device`), and at
    the end pair.done (`paired`)."""

    type: str
    code: str | None = None
    link: str | None = None
    expires_at: datetime | None = None
    device: DeviceName | None = None
    paired: Paired | None = None


class Device(Result, frozen=True, kw_only=True):
    """A device of this identity; `this` is the one asked. `state` is active or revoked."""

    id: str
    name: str
    this: bool
    state: str
    online: bool
    added_at: datetime
    platform: str | None = None


class Revoked(Result, frozen=True, kw_only=True):
    """A device that was cut off, and how many threads have new keys."""

    device: Device
    threads: int


class Identity(Result, frozen=True, kw_only=True):
    """Who this installation is; there is no identity before the first thread."""

    identity: str | None
    name: str
    device: DeviceName
    recovery_confirmed: bool


class RecoveryStep(Result, frozen=True, kw_only=True):
    """How far a recovery is, by `type`: recovery.progress (`threads` of `total`) or recovery.done (`identity`,
    `device`)."""

    type: str
    threads: int
    total: int | None = None
    identity: str | None = None
    device: str | None = None


class Relay(Result, frozen=True, kw_only=True):
    """A relay: `pending` counts the local changes that it has not stored; `ready` and the time only if asked."""

    url: str
    state: str
    pending: int
    error: dict[str, Any] | None = None
    ready: bool | None = None
    round_trip_ms: float | None = None


class Peer(Result, frozen=True, kw_only=True):
    """Another device that is connected directly."""

    device: str
    name: str
    state: str
    pending: int


class SyncStatus(Result, frozen=True, kw_only=True):
    """How sync stands; `pending` counts the changes that are stored nowhere but here."""

    state: str
    enabled: bool
    pending: int
    relays: list[Relay]
    peers: list[Peer]
    membership_as_of: datetime | None = None
    warnings: list[SyncWarning] = []


class Switched(Result, frozen=True, kw_only=True):
    """The threads whose sync was turned on or off."""

    enabled: bool
    threads: list[str]


class Event(Result, frozen=True, kw_only=True):
    """Something that happened. `data` is the whole event, with the keys of its type."""

    cursor: int
    type: str
    thread: str | None
    data: dict[str, Any]


class Finding(Result, frozen=True, kw_only=True):
    """What looks like a secret: of which kind, where, and how it begins."""

    kind: str
    message: str
    part: int
    field: str
    line: int
    excerpt: str
    why: str


class SharePreview(Result, frozen=True, kw_only=True):
    """What somebody would be able to read."""

    title: str
    project: str | None
    messages: int
    tool_results: int
    characters: int
    people: int
    first: str
    last: str
    secrets: int
    findings: list[Finding]


class Share(Result, frozen=True, kw_only=True):
    """A link that was just made."""

    link: str
    id: str
    thread: str
    permission: str
    expires_at: datetime | None
    uses: int


class ShareRow(Result, frozen=True, kw_only=True):
    """A link and what became of it; `state` is open, used up, expired, withdrawn or gone."""

    id: str
    thread: str
    title: str
    permission: str
    link: str | None
    uses: int
    used: int
    expires_at: datetime | None
    approve: bool
    state: str
    people: list[str]


class ShareRequest(Result, frozen=True, kw_only=True):
    """Somebody who waits to be let in."""

    request: str
    thread: str
    identity: str
    name: str


class Shares(Result, frozen=True, kw_only=True):
    """All links, and who waits."""

    shares: list[ShareRow]
    requests: list[ShareRequest]


class Joined(Result, frozen=True, kw_only=True):
    """Where a joiner stands: `state` is admitted or waiting."""

    thread: str
    permission: str
    state: str
    waiting_for: str | None = None


class Member(Result, frozen=True, kw_only=True):
    """Somebody in a thread. `warning` says what is wrong with them, if anything is."""

    identity: str
    name: str
    permission: str
    devices: list[DeviceName]
    verified: bool
    present: bool
    me: bool
    warning: str | None = None


class Permitted(Result, frozen=True, kw_only=True):
    """A member and the right they have now."""

    thread: str
    identity: str
    name: str
    permission: str


class Verified(Result, frozen=True, kw_only=True):
    """A member's words and ours."""

    identity: str
    name: str
    words: str
    own_words: str
    verified: bool


class Leftover(Result, frozen=True, kw_only=True):
    """Something that was written here and does not count: `form` is message, comment, text or value."""

    form: str
    name: str
    text: str
    why: str


class LookedAt(Result, frozen=True, kw_only=True):
    """What somebody looks at; `kind` is message, terminal or draft."""

    kind: str
    id: str | None = None


class Person(Result, frozen=True, kw_only=True):
    """Somebody who is in a thread right now, on one device; `state` is active or away."""

    identity: str
    name: str
    role: str
    device: DeviceName
    this: bool
    state: str
    looking_at: LookedAt | None = None
    cursor: int | None = None
    writing: bool
    last_seen: datetime


class Driver(Result, frozen=True, kw_only=True):
    """Somebody who drives, may type, or asks for control."""

    identity: str
    name: str
    me: bool


class ControlRequest(Driver, frozen=True, kw_only=True):
    """Somebody who asks for control."""

    at: datetime
    text: str


class Control(Result, frozen=True, kw_only=True):
    """Who drives a thread, or the terminal named; `since` is None from the beginning."""

    thread: str
    terminal: str | None
    driver: Driver
    since: datetime | None
    typing: list[Driver]
    requests: list[ControlRequest]
