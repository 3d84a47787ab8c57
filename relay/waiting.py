"""Who waits for a letter in which room. In memory: a node asks again whenever it comes back.

Invariant: a pair of connection and room stands in both tables or in none, so that what an ended
connection waited for is forgotten with it.
"""

from typing import Protocol

from crdt import wire
from relay.grants import Refusal
from relay.limits import Limits


class Waiter(Protocol):
    """A connection that can be called."""

    def call(self, message: wire.Called | wire.Rung) -> None: ...


class Waiting:
    """All connections that wait for what may be left for their login."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rooms: dict[Waiter, dict[bytes, bytes]] = {}  # each one's rooms, and the login it waits with
        self._waiters: dict[tuple[bytes, bytes], set[Waiter]] = {}  # by room and login

    def note(self, waiter: Waiter, room: bytes, login: bytes) -> None:
        """From now on it is called. Raises `Refusal("busy")` when it waits in too many rooms already."""
        rooms = self._rooms.get(waiter, {})
        if room in rooms:
            return
        if len(rooms) >= self._limits.waits_per_connection:
            raise Refusal("busy", "one connection waits in too many rooms")
        self._rooms.setdefault(waiter, rooms)[room] = login
        self._waiters.setdefault((room, login), set()).add(waiter)

    def call(self, room: bytes, login: bytes) -> None:
        """Something was left there for that login, or taken away."""
        for waiter in self._waiters.get((room, login), ()):
            waiter.call(wire.Called(room))

    def forget(self, waiter: Waiter, room: bytes) -> None:
        rooms = self._rooms.get(waiter, {})
        login = rooms.pop(room, None)
        if login is None:
            return
        if not rooms:
            del self._rooms[waiter]
        waiters = self._waiters[room, login]
        waiters.remove(waiter)
        if not waiters:
            del self._waiters[room, login]

    def leave(self, waiter: Waiter) -> None:
        """The connection is gone."""
        for room in list(self._rooms.get(waiter, ())):
            self.forget(waiter, room)

    def __len__(self) -> int:
        """In how many rooms somebody waits, each login counted for itself."""
        return len(self._waiters)
