"""The identity, its devices, and sync."""

from datetime import datetime
from typing import Any

import msgspec

from client.api.results.common import DeviceName, Result, SyncWarning


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
    warnings: list[SyncWarning] = msgspec.field(default_factory=list)


class Switched(Result, frozen=True, kw_only=True):
    """The threads whose sync was turned on or off."""

    enabled: bool
    threads: list[str]
