"""The node and its data: status, checks, settings, backups, events."""

from datetime import datetime
from typing import Any

from client.api.results.common import DeviceName, Result


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


class Event(Result, frozen=True, kw_only=True):
    """Something that happened. `data` is the whole event, with the keys of its type."""

    cursor: int
    type: str
    thread: str | None
    data: dict[str, Any]
