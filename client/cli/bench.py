"""`bench`: what it costs on this machine."""

from client.cli.parse import Arguments
from client.cli.session import Session


def measure(session: Session, arguments: Arguments) -> int:
    """Measure in temporary homes; nothing of the person's is touched."""
    from client.bench import run, sharing

    measure_it = sharing.run if arguments.what == "sharing" else run.run
    return measure_it(session.out, quick=bool(arguments.quick))
