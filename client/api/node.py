"""The public Python API: the node as an object, with a method for each operation of `docs/api.md`.

    import asyncio
    import opensesh

    async def main() -> None:
        async with opensesh.connect() as node:
            thread = await node.create_thread("Fix the parser")
            async for event in node.ask(thread.id, "Where do I begin?"):
                if event.type == "run.delta":
                    print(event.text, end="", flush=True)

    asyncio.run(main())

Every method may raise `opensesh.OpenSeshError`, whose `kind.name` and `kind.code` say which error it is
(`docs/errors.md`), `message` what happened, and `to_json()["next"]` what to do.
"""

import os
from types import TracebackType

from client.api.calls import Calls, is_absent
from client.api.control import Control
from client.api.devices import Devices
from client.api.discussion import Discussion
from client.api.presence import Presence
from client.api.sharing import Sharing
from client.api.terminals import Terminals
from client.api.threads import Threads
from client.api.upkeep import Upkeep
from client.starting import may_start
from crdt.errors import DAEMON_NOT_RUNNING, OpenSeshError
from node.api.endpoint import socket_path


class Node(Threads, Sharing, Discussion, Presence, Control, Terminals, Devices, Upkeep):
    """The node of one home. Its methods may be called side by side; each uses a connection of its own."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls


class connect:  # noqa: N801  (used as `async with connect() as node`, like a function)
    """Reach the node of this home, or of the one given, and start it if need be (see `start`).

    `home` is what OPENSESH_HOME would name. With `start=False`, or OPENSESH_NODE_AUTOSTART=0, a node that
    doesn't run is DAEMON_NOT_RUNNING. Raises also what kept the node from starting.
    """

    def __init__(self, home: str | os.PathLike[str] | None = None, *, start: bool = True) -> None:
        self._environ = dict(os.environ)
        if home is not None:
            self._environ["OPENSESH_HOME"] = os.fspath(home)
        self._start = start and may_start(self._environ)

    async def __aenter__(self) -> Node:
        node = Node(Calls(self._environ))
        try:
            await node.status()
        except OpenSeshError as error:
            if not is_absent(error):
                raise
            if not self._start:
                raise DAEMON_NOT_RUNNING(path=socket_path(self._environ)) from None
            await node._calls.start()
        return node

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open between calls."""
