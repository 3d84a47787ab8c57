"""One lane's document: the rule that an update must fit, and the native document behind it.

An update is applied after everything its author had applied in this lane: its own chain, and what its
`seen` names. What it may build on and delete is judged by that past alone, never by what else happens
to be here, so that every peer comes to the same verdict. The order is read → rule → shape → native.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pycrdt

from crdt import keys, update
from crdt.chains import NO_CLOCKS, Link
from crdt.clocks import Clocks
from crdt.ids import ThreadId
from crdt.permissions import SINGLE_WRITER, Lane, LaneKind
from crdt.shape import Shape

# Root types that are no maps, by lane. Part of the protocol: an update does not tell its roots' types.
ROOTS: dict[LaneKind, Mapping[str, int]] = {LaneKind.SHARED: {"draft": update.TEXT, "notes": update.TEXT}}
_MAPS: Mapping[str, int] = MappingProxyType({})


class Quarantined(Exception):
    """The native library failed on an update that passed every check: a fault of this device, not of a peer."""


def client_id(thread: ThreadId, lane: Lane, device: bytes, session: bytes) -> int:
    """The 53-bit Yjs client id of one session: nobody can choose it, and no two sessions share it."""
    tag = keys.digest("client", thread, lane.label(), device, session, size=8)
    return int.from_bytes(tag, "big") >> 11


class LaneDocument:
    """A pycrdt document fed by checked updates alone, the own ones included."""

    def __init__(self, thread: ThreadId, lane: Lane, own: int | None = None) -> None:
        self.lane = lane
        self.doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=own) if own is not None else pycrdt.Doc()
        self.quarantined = False
        self._thread = thread
        self._shape = Shape(ROOTS.get(lane.kind, _MAPS))

    def copy(self) -> "LaneDocument":
        """The same document once more, to try something on."""
        other = LaneDocument(self._thread, self.lane)
        other.doc.apply_update(self.doc.get_update())
        other.quarantined = self.quarantined
        other._shape = self._shape.copy()
        return other

    def admit(self, link: Link, seen: list[Link], body: bytes) -> None:
        """Check an update whose predecessors are applied, and note its place. Raises `PeerFault`; nothing is changed
        then. The native document is not touched: see `apply`."""
        header = link.header
        client = client_id(self._thread, self.lane, header.device, header.session)
        base = _merge(link.parent, seen)
        clock = link.parent.clock if link.parent else 0
        read = update.read(body)
        if self.lane.kind in SINGLE_WRITER:
            clock = update.check_single_writer(read, client, clock, base)
        else:
            clock = update.check_shared(read, client, clock, base)
        self._shape.admit(read)
        link.base, link.clock = base, clock

    def apply(self, body: bytes) -> None:
        """Hand an admitted update to the native library. Raises `Quarantined` if that fails: see the class."""
        if self.quarantined:
            return
        try:
            self.doc.apply_update(body)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic in the native library is no Exception
            self.quarantined = True
            raise Quarantined(f"{self.lane.kind.name.lower()}: {error}"[:200]) from error

    def record(self, change: Callable[[pycrdt.Doc[Any]], None]) -> bytes:
        """Run a local change and return the update it made; empty if it changed nothing."""
        updates: list[bytes] = []
        subscription = self.doc.observe(lambda event: updates.append(event.update))
        try:
            with self.doc.transaction():
                change(self.doc)
        finally:
            self.doc.unobserve(subscription)
        if len(updates) > 1:
            raise RuntimeError("a change must be one transaction")
        return updates[0] if updates else b""


def _merge(parent: Link | None, seen: list[Link]) -> Clocks:
    """The clocks, by client, of everything before an envelope but its own session."""
    base = parent.base if parent else NO_CLOCKS
    if not seen:
        return base
    own = [
        (client_id(ThreadId(each.header.thread), each.lane, each.header.device, each.header.session), each.clock)
        for each in seen
    ]
    return Clocks.joined([base, *(each.base for each in seen)], own)
