"""`demo`: the whole of it, performed and checked on this machine."""

from pathlib import Path

from client.cli.parse import Arguments
from client.cli.session import Session


def perform(session: Session, arguments: Arguments) -> int:
    """Perform in a folder of its own; with `--keep` it stays."""
    from client.demo import script

    keep = arguments.values.get("keep")
    return script.run(session.out, Path(keep) if keep else None)
