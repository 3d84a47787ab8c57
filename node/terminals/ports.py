"""What terminals need of others: who may type, and messages to the device that runs a program.

Both are handed in. Without them, a program is typed into by its own identity's devices, and from its own
device alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from crdt.ids import DeviceId, IdentityId, ThreadId

# (thread, identity, device, payload): a message of a device, believed, at most once, and never after a later one.
Heard = Callable[[ThreadId, IdentityId, DeviceId, bytes], None]


class Whispers(Protocol):
    """Small signed and sealed messages to whoever is in a thread; they may be lost, and nobody stores them."""

    def send(self, thread: ThreadId, kind: Literal["keys"], payload: bytes) -> None:
        """Say something, of at most `MAX_PAYLOAD_BYTES` of `crdt/presence.py`, to all who are here."""

    def on(self, kind: Literal["keys"], handler: Heard) -> None:
        """Have the handler called for each message of a kind that comes in."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """May type anything."""


@dataclass(frozen=True, slots=True)
class NeedsEnterFrom:
    """May write on the line; that person lets the program have it."""

    identity: IdentityId


@dataclass(frozen=True, slots=True)
class No:
    """May not type. `driver` is who may."""

    driver: IdentityId | None = None


Verdict = Allowed | NeedsEnterFrom | No


@dataclass(frozen=True, slots=True)
class Seat:
    """A terminal by its id, and the person and device that run its program."""

    thread: ThreadId
    terminal: str
    identity: IdentityId
    device: DeviceId


class Control(Protocol):
    """Who types into which terminal."""

    async def may_type(self, seat: Seat, identity: IdentityId, device: DeviceId) -> Verdict:
        """Whether that person, on that device, may type there now. That they are an editor is known."""


class OwnIdentity:
    """The control of who has no other: whoever runs the program, on any of their devices."""

    async def may_type(self, seat: Seat, identity: IdentityId, device: DeviceId) -> Verdict:
        """Them, and nobody else."""
        return Allowed() if identity == seat.identity else No(seat.identity)
