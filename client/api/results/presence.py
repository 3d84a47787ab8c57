"""Who is in a thread right now."""

from datetime import datetime

from client.api.results.common import DeviceName, Result


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
