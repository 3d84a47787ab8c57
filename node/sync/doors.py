"""The doors of rooms at one relay: whoever asks to come in, and where we ask ourselves.

What is to be done there is the doorkeeper's to know (`node/sharing`); here it is only kept in order, one
door after the other, beside the sync of frames and never in its way.
"""

import asyncio
import logging
from typing import Protocol

from crdt import errors
from crdt.errors import OpenSeshError
from node.affairs import Room
from node.transports.relay import RelayConnection

log = logging.getLogger(__name__)


class Doorkeeper(Protocol):
    """Lets people into our rooms, and asks to be let into others'. Called again after a fault, so harmless twice."""

    def expects(self, room: Room) -> bool:
        """Whether anybody may stand at the door of a room of ours: else nothing is asked of the relay."""

    async def tend(self, connection: RelayConnection, room: Room) -> None:
        """Look who asks to come into a room of ours, and hand out certificates that are due."""

    async def knock(self, connection: RelayConnection, room: Room, letter: bytes) -> None:
        """Ask to be let into somebody else's room; `letter` is what was left for us there, or nothing."""


class Doors:
    """One connection's doors. `run` it beside the sync; it ends with the connection."""

    def __init__(self, connection: RelayConnection, doorkeeper: Doorkeeper) -> None:
        self._connection = connection
        self._doorkeeper = doorkeeper
        self._due: dict[bytes, tuple[Room, bytes]] = {}
        self._changed = asyncio.Event()

    def visit(self, room: Room, letter: bytes = b"") -> None:
        """Something may be to do at that door."""
        if room.key is None or self._doorkeeper.expects(room):
            self._due[room.public] = (room, letter)
            self._changed.set()

    async def run(self) -> None:
        """Go from door to door as they are due. Raises when the connection is lost."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._due:
                room, letter = self._due.pop(next(iter(self._due)))
                await self._visit(room, letter)

    async def _visit(self, room: Room, letter: bytes) -> None:
        try:
            if room.key is None:
                await self._doorkeeper.knock(self._connection, room, letter)
            else:
                await self._doorkeeper.tend(self._connection, room)
        except OpenSeshError as error:
            if error.kind is errors.RELAY_UNREACHABLE:
                raise
            log.warning("at a room's door: %s %s", error.kind.code, error.details.get("reason", ""))
        except Exception:
            log.exception("at a room's door: a fault of ours")
