"""What the relay may write to its log: faults and trouble of its own, never who, where from, or which room."""

import asyncio
import logging
import time
from typing import Any, Final

_ACCEPT_TROUBLE: Final = "socket.accept() out of system resource"
_REPEAT_AFTER_S: Final = 60.0
_log = logging.getLogger(__name__)


def configure(level: str) -> None:
    """Log to stderr from `level` on ("warning" by default)."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # aiohttp's server names the address in every line it writes; what is ours to know, we log ourselves.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL + 1)
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL + 1)


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop report through us.

    Without descriptors left, asyncio reports every connection it can't take, with a traceback and up to
    the backlog's length at once; one line a minute says as much.
    """
    said_at: float | None = None

    def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said_at
        if "_start_serving" in repr(context.get("handle")):
            return  # asyncio's retry of such a one, come due after we stopped listening
        if context.get("message") != _ACCEPT_TROUBLE:
            loop.default_exception_handler(context)
        elif said_at is None or time.monotonic() - said_at >= _REPEAT_AFTER_S:
            said_at = time.monotonic()
            _log.warning("no descriptors left: new connections wait until others go; raise the limit (ulimit -n)")

    loop.set_exception_handler(report)
