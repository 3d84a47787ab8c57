"""Who drives a thread or a terminal, of the Python API."""

from client.api.calls import Calls
from client.api.operation import calls
from client.api.results import control as r


class Control:
    """A `thread` is given as its id, a unique prefix of the id, or its exact title."""

    _calls: Calls

    @calls("control.show")
    async def control(self, thread: str, *, terminal: str | None = None) -> r.Control:
        """Who drives the thread, or one of its terminals; who may type besides, and who asks."""
        return await self._calls.call("control.show", r.Control, thread=thread, terminal=terminal)

    @calls("control.set")
    async def set_control(
        self, thread: str, action: str, who: str | None = None, *, terminal: str | None = None, text: str | None = None
    ) -> r.Control:
        """`request`, `withdraw`, `grant`, `hand`, `revoke`, `take`, `type-only` or `watch-only`; control as it is then.

        `who`, of grant, hand, type-only and watch-only, is a name, a device's name, or an id. Raises
        PERMISSION_DENIED with the `role` it takes among its details, or MEMBER_NOT_FOUND.
        """
        values = {"action": action, "who": who, "terminal": terminal, "text": text}
        return await self._calls.call("control.set", r.Control, thread=thread, **values)
