"""The local API on its unix socket: requests in, results and events out.

Which operations there are is the table's to say (`node/api/operations`), what they do the handlers'
(built by `node/daemon.py`). This file carries a call from one to the other, for processes of the same
user and for nobody else.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from crdt.errors import REQUEST_INVALID, OpenSeshError
from node.api import listener
from node.api.connections import Connections
from node.api.failures import error_body, failure_of
from node.api.operation import Operation
from node.api.operations import OPERATIONS, match
from node.api.peer import peer_uid
from node.api.requests import Context, context_of, parameters_of, read_body, refuse_browsers
from node.api.streams import Limits, LineSink, SocketSink, pump

# A handler takes the operation's parameters, as attributes of one struct, and the call's context. Of a
# stream it is an async generator; everything it yields, or returns, msgspec can write as JSON.
Handler = Callable[[Any, Context], Awaitable[Any] | AsyncIterator[Any]]

EVENTS_SOCKET_PATH: Final = "/v1/events/ws"
BODY_TIMEOUT_S: Final = 60.0
log = logging.getLogger("node.api")


class Server:
    """Serves handlers, by operation name, on one socket. Raises `ValueError` for a handler of no operation.

    An operation without a handler is answered as one that doesn't exist. `uid_of` tells who is at the
    other end of a connection.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        path: Path,
        *,
        limits: Limits | None = None,
        uid_of: Callable[[Any], int] = peer_uid,
    ) -> None:
        unknown = sorted(set(handlers) - set(OPERATIONS))
        if unknown:
            raise ValueError(f"no such operation: {', '.join(unknown)}")
        self._handlers = dict(handlers)
        self._path = path
        self._limits = limits or Limits()
        self._uid_of = uid_of
        self._stopping = asyncio.Event()
        self._calls: set[asyncio.Task[Any]] = set()
        self._connections: Connections | None = None
        self._listening: asyncio.Server | None = None
        self._inode = 0

    async def start(self) -> None:
        """Listen. Raises HOME_UNSAFE or HOME_LOCKED (see `node/api/listener.py`)."""
        sock = listener.listen(self._path)
        self._inode = self._path.lstat().st_ino
        self._connections = Connections(self._serve, self._uid_of)
        self._listening = await asyncio.get_running_loop().create_unix_server(self._connections, sock=sock)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no more, end the streams, let running calls finish for `grace_s`, close. Harmless twice."""
        if self._listening is None or self._connections is None:
            return
        self._stopping.set()
        self._listening.close()
        self._listening = None
        listener.remove(self._path, self._inode)
        if self._calls:
            await asyncio.wait(self._calls, timeout=grace_s)
        for call in tuple(self._calls):
            call.cancel()
        self._connections.pre_shutdown()
        await self._connections.shutdown(grace_s)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. What goes wrong before an answer has begun gets the error's own HTTP status."""
        name = "no operation"
        try:
            refuse_browsers(request)
            raw_path, _, query = request.raw_path.partition("?")
            operation, path_values = self._route(request.method, raw_path)
            name = operation.name
            context = context_of(request, operation)
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await read_body(request)
            parameters = parameters_of(operation, path_values, query, body)
            handler = self._handlers[name]
            if not operation.stream:
                return _json(200, await self._call(handler, parameters, context))
            sink = SocketSink(request) if raw_path == EVENTS_SOCKET_PATH else LineSink(request)
            return await self._stream(handler(parameters, context), context.operation, sink)
        except ConnectionError:
            raise  # the client has gone, and with it whom to tell
        except BaseException as error:  # a panic of native code is no Exception
            failure = failure_of(error, name)
            return _json(failure.kind.status, error_body(failure))

    def _route(self, method: str, raw_path: str) -> tuple[Operation, dict[str, str]]:
        if raw_path == EVENTS_SOCKET_PATH and method == "GET":
            raw_path = OPERATIONS["events.watch"].path
        try:
            found = match(method, raw_path)
        except ValueError as error:
            raise REQUEST_INVALID("The path is badly encoded.") from error
        if found is None or found[0].name not in self._handlers:
            raise REQUEST_INVALID("There is no such operation.")
        return found

    async def _call(self, handler: Handler, parameters: Any, context: Context) -> Any:
        """A call that changes something is finished even if its client leaves; one that only waits is not."""

        async def call() -> Any:
            return await handler(parameters, context)  # type: ignore[misc]

        task = asyncio.create_task(call())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if OPERATIONS[context.operation].waits:
                task.cancel()
            task.add_done_callback(lambda done: _note_unseen(done, context.operation))
            raise
        except ConnectionError as error:
            # The handler's, of some other connection; as it stands it would read as our client's leaving.
            raise failure_of(error, context.operation) from error

    async def _stream(self, items: Any, operation: str, sink: LineSink | SocketSink) -> web.StreamResponse:
        assert isinstance(items, AsyncIterator), f"{operation} is a stream"
        try:
            end = await pump(items, sink, self._stopping, self._limits)
            failure = None if end.error is None else failure_of(end.error, operation)
            if not sink.response.prepared:
                if failure is not None:
                    raise failure
                await sink.begin()  # a generator that had nothing to say
            elif failure is not None:
                await sink.send([msgspec.json.encode({"type": "error", **error_body(failure)})])
            await sink.finish()
        except TimeoutError:
            log.warning("a client of %s took nothing for %s s and is cut off", operation, self._limits.stall_s)
            sink.abort()
            raise ConnectionResetError("stalled") from None
        finally:
            sink.release()
        return sink.response


def _json(status: int, value: Any) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )


def _note_unseen(task: "asyncio.Task[Any]", operation: str) -> None:
    """Log what went wrong in a call whose client has left."""
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, OpenSeshError):
        failure_of(error, operation)
