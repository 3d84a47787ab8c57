"""Two strangers at a relay: the transport that pairing runs over when they share no local network.

A rendezvous has two seats under a nameplate and keeps nothing on disk. It authenticates nobody and
hides nothing from the relay: what goes over it (`crdt/pairing.py`) protects itself. Each side uses a
connection of its own with a login made for the occasion, which tells the relay nothing lasting.
"""

from crdt import keys, pairing, wire
from crdt.errors import PAIRING_EXPIRED, OpenSeshError
from node.transports.base import PeerInfo, Transport, TransportClosed
from node.transports.relay import RelayConnection


class Rendezvous(Transport):
    """A seat at a relay's rendezvous. `nameplate` is what the other side must name, `venue` what both bind to."""

    max_frame_bytes = wire.MAX_RENDEZVOUS_BYTES

    def __init__(self, connection: RelayConnection, met: wire.Met) -> None:
        self._connection = connection
        self._parted = False
        self.nameplate = met.nameplate
        self.venue = pairing.relay_venue(connection.store)
        self.peer = PeerInfo("relay", connection.url)

    @classmethod
    async def meet(cls, url: str, login: keys.SigningKey, nameplate: str = "") -> "Rendezvous":
        """Sit down under a nameplate, or under a free one that the relay picks.

        Raises PAIRING_EXPIRED if nobody waits under it (any more), else what `RelayConnection` raises.
        """
        connection = await RelayConnection.connect(url, login)
        try:
            return cls(connection, await connection.meet(nameplate))
        except BaseException as error:
            await connection.close()
            if isinstance(error, OpenSeshError) and error.details.get("reason") == "no-nameplate":
                raise PAIRING_EXPIRED() from error
            raise

    async def _send(self, frame: bytes) -> None:
        if self._parted:
            raise TransportClosed("parted")
        try:
            await self._connection.tell(frame)
        except OpenSeshError as error:
            raise TransportClosed(str(error.details.get("reason", "cut"))) from error

    async def receive(self) -> bytes:
        while not self._parted:
            event = await self._connection.next_event()
            if isinstance(event, wire.Told):
                return event.payload
            self._parted = isinstance(event, wire.Parted)
        raise TransportClosed("parted")

    async def close(self) -> None:
        self._parted = True
        await self._connection.close()
