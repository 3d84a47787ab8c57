"""The node's log: a bounded file in the state folder; never what was said, never a key."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 2 * 1024 * 1024
KEPT: Final = 2
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class _Private(RotatingFileHandler):
    """Makes its file 0600 whatever the umask says."""

    def _open(self):  # type: ignore[no-untyped-def]  # the base class has no annotation either
        stream = super()._open()
        Path(self.baseFilename).chmod(0o600)
        return stream


def configure(path: Path, level: str) -> None:
    """Log to `path` from `level` on, and nowhere else."""
    handler = _Private(path, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for loud in ("aiohttp.access", "zeroconf", "asyncio"):
        logging.getLogger(loud).setLevel(logging.WARNING)
