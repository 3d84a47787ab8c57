"""Who writes on this device: its keys, whose device it is, and this run's session."""

from collections.abc import Callable
from dataclasses import dataclass

from crdt.identity import DeviceKeys
from crdt.ids import IdentityId, SessionId

Randomness = Callable[[int], bytes]  # so many bytes from the operating system, or from a seed in a simulation


@dataclass(frozen=True, slots=True)
class Author:
    """The pen a replica writes with. A new `session` for every start of the node: an old one is never continued,
    because what was written in it may have been lost on this device and kept elsewhere."""

    device: DeviceKeys
    identity: IdentityId
    session: SessionId
    random: Randomness
