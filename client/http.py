# ruff: noqa: PTH120
"""Calls to the node over its unix socket, blocking, with the standard library alone: what the command line uses.

One connection per call: a connect costs some 50 µs, and no call ever meets a connection gone stale.
"""

import os
import socket
import time
from collections.abc import Iterator
from typing import Any

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
from crdt.errors import DAEMON_NOT_RUNNING, HOME_UNSAFE, TIMEOUT, OpenSeshError
from node.api.endpoint import untrusted
from node.api.operations import OPERATIONS, Operation

# While the node's backlog is full a connect is refused for the moment; that passes unless the node hangs.
BUSY_S = 5.0
_BUSY_PAUSE_S = 0.01


def call(
    path: str, name: str, silence_s: float | None = None, /, *, request_id: str | None = None, **values: Any
) -> dict[str, Any]:
    """Call an operation and give its result; the same `request_id` again is the same call, done once.

    Raises the node's own errors, DAEMON_NOT_RUNNING if there is none, HOME_UNSAFE if its socket can't be
    trusted, TIMEOUT if it says nothing for `silence_s` seconds, and `ValueError` for wrong parameters.
    """
    with _Exchange(path, OPERATIONS[name], values, request_id, silence_s) as exchange:
        body = bytearray()
        while not exchange.answer.complete:
            body += exchange.receive()
            if len(body) > MAX_ANSWER_BYTES:
                raise not_a_node("its answer has no end")
        return result_of(exchange.answer.status, bytes(body))


def stream(
    path: str, name: str, deadline: float | None = None, /, *, request_id: str | None = None, **values: Any
) -> Iterator[dict[str, Any]]:
    """Call a streaming operation and give its lines as they come; closing the iterator leaves the stream.

    Raises as `call` does; also in the middle, if the stream ends with an error or is cut off, and TIMEOUT
    at `deadline` (of `time.monotonic`).
    """
    operation = OPERATIONS[name]
    with _Exchange(path, operation, values, request_id, None, deadline) as exchange:
        lines, failure, kind = Lines(), bytearray(), None
        while not exchange.answer.complete:
            body = exchange.receive()
            if exchange.answer.status != 200:
                failure += body
                continue
            for line in lines.feed(body):
                kind = line.get("type")
                if kind == "error":
                    raise error_of(line)
                yield line
        if exchange.answer.status != 200:
            result_of(exchange.answer.status, bytes(failure))
        if operation.last and kind not in operation.last:
            raise cut_off()


def connect(path: str) -> socket.socket:
    """A blocking connection to the node's socket. Raises DAEMON_NOT_RUNNING or HOME_UNSAFE."""
    check_folder(path)
    deadline = time.monotonic() + BUSY_S
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(path)
        except BlockingIOError:
            connection.close()
            if time.monotonic() > deadline:
                raise _hangs(path) from None
            time.sleep(_BUSY_PAUSE_S)
        except OSError as error:
            connection.close()
            raise unreachable(path, error) from None
        else:
            return connection


def check_folder(path: str) -> None:
    """Raise HOME_UNSAFE if somebody else may listen in the node's place; a folder that is missing is no danger."""
    folder = os.path.dirname(path)
    cause = untrusted(folder)
    if cause is not None and os.path.lexists(folder):
        raise HOME_UNSAFE(f"The node's socket can't be trusted: {cause}.", path=folder)


def unreachable(path: str, error: OSError) -> OpenSeshError:
    """What a failed connect means."""
    if isinstance(error, PermissionError):
        return HOME_UNSAFE(f"{path} may not be used: {error.strerror}.", path=path)
    return DAEMON_NOT_RUNNING(path=path)


def _hangs(path: str) -> OpenSeshError:
    return TIMEOUT(
        "The node does not answer.", path=path, next="See why with `opensesh node logs`; stop it: opensesh node stop"
    )


class _Exchange:
    """One request that was sent, and the answer as it comes in. Use as a context manager."""

    def __init__(
        self,
        path: str,
        operation: Operation,
        values: dict[str, Any],
        request_id: str | None,
        silence_s: float | None,
        deadline: float | None = None,
    ) -> None:
        self.answer = Answer()
        self._path, self._deadline = path, deadline
        self._silence_s = silence_of(operation, values) if silence_s is None else silence_s
        request = request_bytes(operation, values, request_id)
        self._connection = connect(path)
        try:
            self._connection.settimeout(self._silence_s)
            self._connection.sendall(request)
        except TimeoutError:
            self._connection.close()
            raise _hangs(path) from None
        except OSError:
            pass  # a node that refuses a request early says why before it hangs up: read that
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> "_Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def receive(self) -> bytes:
        """Body bytes as they come, if any."""
        left_s = self._silence_s if self._deadline is None else self._deadline - time.monotonic()
        try:
            if left_s <= 0:
                raise TIMEOUT()
            self._connection.settimeout(min(left_s, self._silence_s))
            data = self._connection.recv(READ_BYTES)
        except TimeoutError:
            if left_s < self._silence_s:
                raise TIMEOUT() from None
            raise _hangs(self._path) from None
        except OSError:
            raise cut_off() from None
        if not data:
            self.answer.end()
            return b""
        return self.answer.feed(data)
