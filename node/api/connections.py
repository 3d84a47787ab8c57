"""The HTTP connections themselves: whose they are, how many, and what garbage on one is answered with."""

import json
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from crdt.errors import REQUEST_INVALID
from node.api.failures import error_body

MAX_CONNECTIONS: Final = 256
# A title of 500 characters, percent-encoded, takes 6 kB of a request line.
MAX_LINE_BYTES: Final = 64 * 1024
IDLE_TIMEOUT_S: Final = 600.0
log = logging.getLogger("node.api")


class _Connection(web.RequestHandler):
    """One connection, answering what is no HTTP in our own shape, and logging nothing of it."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Garbage on the socket; handlers' errors never come here (see `Server._serve`)."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        body = json.dumps(error_body(REQUEST_INVALID("That is no valid HTTP request.")))
        response = web.Response(status=status, text=body, content_type="application/json")
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """The library would log the text of the exception, which quotes the request."""
        log.warning("a request broke off: %s", type(kw.get("exc_info")).__name__)


class Connections(web.Server):
    """All connections of one server. One of another user, or one too many, is closed without a word."""

    def __init__(
        self, serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], uid_of: Callable[[Any], int]
    ) -> None:
        super().__init__(
            serve,
            handler_cancellation=True,  # a stream ends when its client leaves; calls are shielded from it
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_TIMEOUT_S,
            max_line_size=MAX_LINE_BYTES,
            lingering_time=1.0,
        )
        self._uid_of = uid_of

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: Any) -> None:
        """Called by the library before anything is read from the connection."""
        super().connection_made(handler, transport)
        cause = self._refusal(transport)
        if cause is not None:
            log.warning("a connection was refused: %s", cause)
            transport.abort()

    def _refusal(self, transport: Any) -> str | None:
        if len(self.connections) > MAX_CONNECTIONS:
            return "too many are open"
        try:
            uid = self._uid_of(transport.get_extra_info("socket"))
        except OSError as error:
            return f"its user is unknown ({error.strerror})"
        return None if uid == os.getuid() else f"it is of user {uid}"
