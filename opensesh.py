"""The front door: the console entry point, and the name under which Python programs import OpenSesh.

    import opensesh

    async with opensesh.connect() as node:
        thread = await node.create_thread("Fix the parser")
        await node.say(thread.id, "It fails on empty input.")

Imports what a command or a program needs, when it needs it.
"""

import gc
import sys
from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from client.api.node import Node as Node
    from client.api.node import connect as connect
    from crdt.errors import OpenSeshError as OpenSeshError

__all__ = ["Node", "OpenSeshError", "connect", "main"]

_ELSEWHERE = {"connect": "client.api.node", "Node": "client.api.node", "OpenSeshError": "crdt.errors"}


def __getattr__(name: str) -> object:
    """`opensesh.connect` and its kin, imported at first use: a command has no use for asyncio."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'opensesh' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_ELSEWHERE[name]), name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (0 done, 1 refused, 2 not understood, 130 interrupted)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        # All that is imported stays: looking for garbage in it would take longer than most commands. Only where the
        # process is ours, though: whoever calls this from a program of their own keeps their collector as it is.
        if argv is None:
            gc.disable()
        from client.cli.main import main as command

        if argv is None:
            gc.freeze()
            gc.enable()
        return command(words)
    except KeyboardInterrupt:
        return 130  # so early that there is nothing to say yet


if __name__ == "__main__":
    sys.exit(main())
