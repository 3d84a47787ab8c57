"""Who types into a terminal, by the thread's control: its driver, and who may type while the driver presses Enter."""

from crdt.ids import DeviceId, IdentityId, ThreadId, from_text, to_text
from crdt.permissions import LaneKind
from node.control import Control
from node.terminals.ports import Allowed, NeedsEnterFrom, No, OwnIdentity, Seat, Verdict
from node.threads import Threads


class Steering:
    """`Control` of `ports.py`, out of what the thread says. A thread that isn't in memory has nobody typing in it."""

    def __init__(self, control: Control, threads: Threads) -> None:
        self._control = control
        self._threads = threads
        self._alone = OwnIdentity()
        control.host_of = self._host_of

    def may_type(self, seat: Seat, identity: IdentityId, device: DeviceId) -> Verdict:
        """By the control of that terminal as it stands here now."""
        opened = self._threads.opened(seat.thread)
        if opened is None:
            return self._alone.may_type(seat, identity, device)
        state = self._control.state(opened, to_text(seat.terminal))
        if state.driver is None or identity == state.driver:
            return Allowed() if identity == (state.driver or seat.identity) else No(seat.identity)
        return NeedsEnterFrom(state.driver) if identity in state.typing else No(state.driver)

    def _host_of(self, thread: ThreadId, terminal: str) -> IdentityId | None:
        """Whose device runs a terminal of a thread in memory."""
        opened = self._threads.opened(thread)
        if opened is None:
            return None
        scope = from_text(terminal)
        for lane in opened.replica.outputs:
            if lane.kind is LaneKind.OUTPUT and lane.scope == scope:
                return opened.replica.membership.identity_of.get(DeviceId(lane.owner))
        return None
