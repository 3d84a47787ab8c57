"""Who drives a terminal, as the thread's members have settled it: see `crdt/control.py`."""

from crdt.ids import DeviceId, IdentityId
from node.control import Control
from node.terminals.ports import Allowed, NeedsEnterFrom, No, Seat, Verdict


class Driving:
    """Whoever drives types anything, on any of their devices; who only types leaves Enter to them."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def may_type(self, seat: Seat, identity: IdentityId, device: DeviceId) -> Verdict:
        """What the last word on the terminal says."""
        driver = await self._control.driver(seat.thread, seat.terminal)
        if identity == driver:
            return Allowed()
        if await self._control.may_type(seat.thread, identity, seat.terminal):
            return NeedsEnterFrom(driver)
        return No(driver)
