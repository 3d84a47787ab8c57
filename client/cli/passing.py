"""Commands that are programs of their own: this process becomes them."""

import os
import sys

from client import starting
from client.cli.out import Out


def relay_serve(words: list[str], out: Out) -> int:
    """`relay serve`: its options are the relay's own, and so are its errors."""
    _become([sys.executable, "-P", "-m", "relay", *words, *(["--json"] if out.as_json else [])])
    return 0


def node_run(words: list[str], out: Out) -> int:
    """`node run`: the node in the foreground, under this process id, as service managers want it."""
    if words:
        from client.cli.parse import usage
        from client.cli.table import VERBS

        raise usage(VERBS["node run"], f"{words[0]!r} is one word too many.")
    _become([*starting.node_command(), *([] if out.as_json else ["--plain"])])
    return 0


def _become(command: list[str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, starting.node_environment())  # noqa: S606  (no shell is wanted)
