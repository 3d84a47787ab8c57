"""The Python API's way to the node: the socket read with asyncio, results given their types."""

import asyncio
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec

from client import http, starting
from client.wire import (
    MAX_ANSWER_BYTES,
    READ_BYTES,
    Answer,
    Lines,
    cut_off,
    error_of,
    not_a_node,
    request_bytes,
    result_of,
    silence_of,
)
from crdt.errors import DAEMON_NOT_RUNNING, TIMEOUT, OpenSeshError
from node.api.endpoint import socket_path
from node.api.operations import OPERATIONS, Operation

Kind = TypeVar("Kind")
_BUSY_PAUSE_S: Final = 0.01


class Calls:
    """Calls to the node of one home. One connection per call, so that calls may run side by side."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self.reader = secrets.token_hex(8)  # who reads and writes here, where an operation tells readers apart

    async def call(self, name: str, kind: type[Kind], /, *, request_id: str | None = None, **values: Any) -> Kind:
        """Call an operation; its result as `kind`. Raises the node's `OpenSeshError`, or DAEMON_NOT_RUNNING."""
        return typed(await self.plain(name, request_id=request_id, **values), kind)

    async def plain(self, name: str, /, *, request_id: str | None = None, **values: Any) -> dict[str, Any]:
        """Call an operation; its result as it came."""
        operation = OPERATIONS[name]
        async with self._asked(operation, values, request_id) as connection:
            answer, body = Answer(), bytearray()
            while not answer.complete:
                body += await connection.receive(answer)
                if len(body) > MAX_ANSWER_BYTES:
                    raise not_a_node("its answer has no end")
            return result_of(answer.status, bytes(body))

    async def stream(
        self, name: str, /, *, request_id: str | None = None, **values: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """Call a streaming operation; its lines as they come. Raises as `call`, also midway."""
        operation = OPERATIONS[name]
        async with self._asked(operation, values, request_id) as connection:
            answer, lines, failure, kind = Answer(), Lines(), bytearray(), None
            while not answer.complete:
                body = await connection.receive(answer)
                if answer.status != 200:
                    failure += body
                    continue
                for line in lines.feed(body):
                    kind = line.get("type")
                    if kind == "error":
                        raise error_of(line)
                    yield line
            if answer.status != 200:
                result_of(answer.status, bytes(failure))
            if operation.last and kind not in operation.last:
                raise cut_off()

    async def start(self) -> None:
        """Start the node, by the very command a person would use. Raises the error that it gave."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "opensesh", "node", "start", "--json"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env=starting.node_environment(self._environ),
        )
        _, said = await process.communicate()
        if process.returncode:
            raise starting.error_in(said.decode(errors="replace")) or DAEMON_NOT_RUNNING("The node did not start.")

    @asynccontextmanager
    async def _asked(
        self, operation: Operation, values: dict[str, Any], request_id: str | None
    ) -> AsyncIterator["_Connection"]:
        request = request_bytes(operation, values, request_id)
        path = socket_path(self._environ)
        reader, writer = await asyncio.open_unix_connection(sock=await _connect(path))
        try:
            writer.write(request)
            yield _Connection(reader, silence_of(operation, values))
        finally:
            writer.transport.abort()  # whoever leaves a stream early has nothing more to say or hear


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, silence_s: float) -> None:
        self._reader, self._silence_s = reader, silence_s

    async def receive(self, answer: Answer) -> bytes:
        """Body bytes as they come, if any."""
        try:
            async with asyncio.timeout(self._silence_s):
                data = await self._reader.read(READ_BYTES)
        except TimeoutError:
            raise TIMEOUT("The node does not answer.", next="See why with: opensesh node logs") from None
        except OSError:
            raise cut_off() from None
        if not data:
            answer.end()
            return b""
        return answer.feed(data)


async def _connect(path: str) -> socket.socket:
    """A connected socket. asyncio's own connect takes a full backlog for a connection, so we do it."""
    http.check_folder(path)
    deadline = time.monotonic() + http.BUSY_S
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(path)
        except BlockingIOError:
            connection.close()
            if time.monotonic() > deadline:
                raise TIMEOUT("The node does not answer.", path=path) from None
            await asyncio.sleep(_BUSY_PAUSE_S)
        except OSError as error:
            connection.close()
            raise http.unreachable(path, error) from None
        else:
            return connection


def typed(value: Any, kind: type[Kind]) -> Kind:
    """A JSON value as a result type. Raises DAEMON_NOT_RUNNING if the node's answer does not fit."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise not_a_node(f"its answer does not fit ({error})") from None


def is_absent(error: OpenSeshError) -> bool:
    """Whether an error says that no node listens, so that nothing can have been done."""
    return error.kind is DAEMON_NOT_RUNNING and "path" in error.details


def absolute(path: "str | os.PathLike[str] | None") -> str | None:
    """A path as the node wants it: the node's working folder is nobody's business."""
    return None if path is None else os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111
