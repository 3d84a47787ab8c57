"""What a caller is told when a handler raises, and what the log keeps of it, which is never content."""

import asyncio
import errno
import logging
import secrets
import traceback
from typing import Any

from crdt.errors import DISK_FULL, INTERNAL, NETWORK_ERROR, TIMEOUT, OpenSeshError

log = logging.getLogger("node.api")

# These are how a task or the process is told to end; they are never a handler's failure.
PASS_ON = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


def failure_of(error: BaseException, operation: str) -> OpenSeshError:
    """The error to report. What nobody expected becomes INTERNAL with a reference that the log has too."""
    if isinstance(error, PASS_ON):
        raise error
    if isinstance(error, OpenSeshError):
        return error
    if isinstance(error, TimeoutError):
        return TIMEOUT()
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL()
    if isinstance(error, ConnectionError):
        return NETWORK_ERROR()
    reference = secrets.token_hex(4)
    # The text of an exception may quote a message or a key; its type and where it happened do not.
    log.error("internal error %s in %s: %s at %s", reference, operation, type(error).__name__, _where(error))
    return INTERNAL(reference=reference)


def error_body(error: OpenSeshError) -> dict[str, Any]:
    """The body of a failed request, and the end of a failed stream."""
    return {"error": error.to_json()}


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
