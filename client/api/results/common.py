"""What several areas give back."""

from datetime import datetime

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all of them: immutable, compared by value."""


class DeviceName(Result, frozen=True, kw_only=True):
    """A device by id and name; the id is missing of one that has not joined yet."""

    name: str
    id: str | None = None
    platform: str | None = None


class Author(Result, frozen=True, kw_only=True):
    """Who wrote a message, on which device."""

    identity: str
    device: str
    name: str


class SyncWarning(Result, frozen=True, kw_only=True):
    """What a relay withholds, or who was rolled back; `kind` is control-withheld, work-withheld or rolled-back."""

    thread: str
    kind: str
    since: datetime
    by: Author | None = None
    message: str
