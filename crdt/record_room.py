"""How much of the governance graph is whose to fill: neither members nor thieves keep an owner from writing there."""

from collections.abc import Callable

from crdt.envelope import Envelope
from crdt.errors import PeerFault
from crdt.governance import MAX_ENDED, MAX_FOREIGN, Graph
from crdt.ids import DeviceId
from crdt.membership import Membership


class RecordRoom:
    """`check` a record before it joins. The membership is only asked for when there seems to be no room: it is dear."""

    def __init__(self, graph: Graph, membership: Callable[[], Membership]) -> None:
        self._graph = graph
        self._membership = membership
        self._owning: set[DeviceId] = set()  # devices of owners, as of when that last mattered
        self._standing: set[DeviceId] = set()  # of these, those that are not revoked

    def check(self, envelope: Envelope) -> None:
        """Others, and stolen devices, may fill a part of the graph, never so much that its owner can write no more.

        Raises `PeerFault("too large")`.
        """
        if self._is_there(envelope):
            return
        membership = self._membership()
        owners = {owner.identity for owner in membership.owners}
        self._owning = {device for device, identity in membership.identity_of.items() if identity in owners}
        self._standing = {device for device in self._owning if not membership.is_revoked(device)}
        if not self._is_there(envelope):
            raise PeerFault("too large", "governance records of members")

    def _is_there(self, envelope: Envelope) -> bool:
        device = envelope.header.device
        return (device in self._owning or self._graph.weight_without(self._owning) < MAX_FOREIGN) and (
            device in self._standing or self._graph.weight_without(self._standing) < MAX_ENDED
        )
