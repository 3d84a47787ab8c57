"""Who runs a thread: one device at a time, by a numbered lease that everybody can see (pure).

Leases are records in the thread; every device holds some set of them and asks the same questions:

L1  The highest number holds. Among equal numbers an owner's device beats an editor's, then the lower
    device id wins: the holder is a function of the set, so devices that know the same leases agree.
L2  A lease is taken by writing a higher number. It says from whom it was taken, so the thread shows it.
L3  A lease lapses when nothing was heard of its device for `LAPSE_AFTER_MS`. Silence is measured with
    our own clock from when we last heard (or, at the earliest, from when we began to listen): another
    device's clock decides nothing.
L4  A new lease ends the old one's work on the device that lost it, what waits there included, because
    two runners on one session is how sessions are lost. A run that was queued from here to a device that
    fell silent before it began has touched nothing: here it runs, under the new lease.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LAPSE_AFTER_MS = 60_000


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim to run a thread. `taken_from` names the device that lost it; `taken_at_ms` is for display."""

    number: int
    device: bytes
    taken_from: bytes | None = None
    taken_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """What one device knows when it decides. All times in ms of this device's own clock."""

    me: bytes
    leases: tuple[Lease, ...]
    owner_devices: frozenset[bytes]
    heard_ms: Mapping[bytes, int]  # device → when something of it last arrived here
    listening_since_ms: int
    now_ms: int
    lapse_after_ms: int = LAPSE_AFTER_MS


@dataclass(frozen=True, slots=True)
class RunHere:
    """We run. `lease` is to be written first if it is new; `took_from` makes a take-over visible."""

    lease: Lease
    new: bool
    took_from: bytes | None = None
    lapsed: bool = False


@dataclass(frozen=True, slots=True)
class QueueTo:
    """Leave it to the runner; look again at `lapses_at_ms` if nothing was heard of it until then."""

    device: bytes
    lapses_at_ms: int


Decision = RunHere | QueueTo


def holder(leases: Iterable[Lease], owner_devices: frozenset[bytes]) -> Lease | None:
    """The lease in force (L1), or None when nobody has taken one."""
    return min(leases, key=lambda lease: (-lease.number, lease.device not in owner_devices, lease.device), default=None)


def lapses_at_ms(view: View, lease: Lease) -> int:
    """When the lease lapses if nothing more is heard of its device (L3), in our clock."""
    heard = max(view.heard_ms.get(lease.device, view.listening_since_ms), view.listening_since_ms)
    # A time in the future means that our clock was set back: count from now rather than wait for it.
    return min(heard, view.now_ms) + view.lapse_after_ms


def decide(view: View, *, take_over: bool = False) -> Decision:
    """Where an `ask` made on this device is to run: here, here by taking over, or queued to the runner."""
    current = holder(view.leases, view.owner_devices)
    if current is None:
        return RunHere(Lease(1, view.me, None, view.now_ms), new=True)
    if current.device == view.me:
        return RunHere(current, new=False)
    lapse = lapses_at_ms(view, current)
    lapsed = view.now_ms >= lapse
    if not (take_over or lapsed):
        return QueueTo(current.device, lapse)
    return RunHere(
        Lease(current.number + 1, view.me, current.device, view.now_ms),
        new=True,
        took_from=current.device,
        lapsed=lapsed and not take_over,
    )


def must_stop(view: View, working_under: int) -> bool:
    """Whether work begun here under lease number `working_under` is void now (L4)."""
    current = holder(view.leases, view.owner_devices)
    return current is None or current.device != view.me or current.number != working_under
