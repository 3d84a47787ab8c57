"""Where two devices that pair meet: a numeric nameplate with two seats. In memory, short-lived, bounded.

The relay passes bytes between the seats and understands none of them. A nameplate is easily guessed
on purpose (it is spoken aloud); what protects a pairing is its code, which one wrong guess burns.
Pure: time and the choice of a number come in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from crdt import wire
from relay.grants import Refusal
from relay.limits import Limits

MAX_WAITING: Final = 8  # messages left for a seat that nobody has taken yet


class Seat(Protocol):
    """A connection that can sit at one nameplate at a time."""

    def answer(self, message: wire.Told | wire.Parted) -> None: ...


@dataclass(slots=True)
class _Table:
    nameplate: str
    until: float
    seats: list[Seat] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)


class Rendezvous:
    """All nameplates in use."""

    def __init__(self, limits: Limits, choose: Callable[[int], int]) -> None:
        """`choose(n)` draws a number from 0 to n - 1."""
        self._limits, self._choose = limits, choose
        self._tables: dict[str, _Table] = {}
        self._sitting: dict[Seat, _Table] = {}

    def meet(self, seat: Seat, nameplate: str, now: float) -> tuple[str, bool]:
        """Sit down; the nameplate, and whether somebody is there already. Leaves an earlier one.

        Raises `Refusal`: "busy" when no nameplate is free or both seats are taken, "no-nameplate".
        """
        self.part(seat, "left")
        table = self._tables.get(nameplate) if nameplate else self._new_table(now)
        if table is None:
            raise Refusal("no-nameplate", "nobody waits under that number")
        if len(table.seats) == 2:
            raise Refusal("busy", "both seats are taken")
        table.seats.append(seat)
        self._sitting[seat] = table
        return table.nameplate, len(table.seats) == 2

    def deliver_waiting(self, seat: Seat) -> None:
        """Hand over what the other seat said before this one was taken; after `Met` was answered."""
        table = self._sitting[seat]
        if len(table.seats) == 2:
            for payload in table.waiting:
                seat.answer(wire.Told(payload))
            table.waiting.clear()

    def tell(self, seat: Seat, payload: bytes) -> None:
        """Pass on, or keep for whoever comes. Raises `Refusal`: "no-nameplate", or "rate" when too much waits."""
        table = self._sitting.get(seat)
        if table is None:
            raise Refusal("no-nameplate", "this connection sits at no nameplate")
        others = [other for other in table.seats if other is not seat]
        if others:
            others[0].answer(wire.Told(payload))
        elif len(table.waiting) >= MAX_WAITING:
            raise Refusal("rate", "too much waits for the other side")
        else:
            table.waiting.append(payload)

    def part(self, seat: Seat, reason: str) -> None:
        """The seat is left, and with it the nameplate ends: a code is never met twice."""
        table = self._sitting.get(seat)
        if table is not None:
            self._end(table, reason, leaving=seat)

    def expire(self, now: float) -> None:
        for table in [table for table in self._tables.values() if table.until <= now]:
            self._end(table, "timed out", leaving=None)

    def seats(self, seat: Seat) -> bool:
        return seat in self._sitting

    def __len__(self) -> int:
        return len(self._tables)

    def _new_table(self, now: float) -> _Table:
        if len(self._tables) >= self._limits.rendezvous:
            raise Refusal("busy", "too many pairings at once", 10_000)
        # Few in use: short numbers are easier to say. At most half of a range is taken, so this ends.
        digits = len(str(2 * len(self._tables) + 2))
        while True:
            nameplate = str(1 + self._choose(10**digits - 1))
            if nameplate not in self._tables:
                break
        table = self._tables[nameplate] = _Table(nameplate, now + self._limits.rendezvous_s)
        return table

    def _end(self, table: _Table, reason: str, leaving: Seat | None) -> None:
        del self._tables[table.nameplate]
        for seat in table.seats:
            del self._sitting[seat]
            if seat is not leaving:
                seat.answer(wire.Parted(reason))
