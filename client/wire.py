"""One HTTP/1.1 exchange with the node as bytes in and bytes out: no socket here.

The command line reads a blocking socket and the Python API an asyncio one; both feed what arrives to
this file. It is small because the other side is known: one request per connection, JSON or NDJSON.
`http.client` would take 20 ms to import, a fifth of the 100 ms that `opensesh list` may take in all.
"""

import json
from typing import Any

from crdt.errors import DAEMON_NOT_RUNNING, REQUEST_INVALID, TOO_LARGE, OpenSeshError, from_json
from node.api.operations import Operation, body_of, format_path

MAX_REQUEST_BYTES = 8 * 1024 * 1024  # what the node takes as a body
MAX_HEAD_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 512 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024
READ_BYTES = 256 * 1024

# A stream says something, if only an empty line, every 15 s; three of them missed is a node that hangs.
STREAM_SILENCE_S = 50.0
# A call may copy a whole database (backup); that the node dies we learn at once, whatever this says.
CALL_SILENCE_S = 600.0


def request_bytes(operation: Operation, values: dict[str, Any], request_id: str | None = None) -> bytes:
    """The request for one call; `request_id` makes a repetition of it the same call, done once.

    Raises `ValueError` for a missing or unknown parameter, TOO_LARGE, and REQUEST_INVALID for a bad `request_id`.
    """
    body = b""
    content = body_of(operation, values)
    for parameter in operation.parameters:
        if parameter.type == "any" and parameter.name in values:
            content[parameter.name] = values[parameter.name]  # here null is a value, not an absence
    if content or operation.method not in ("GET", "DELETE"):
        body = json.dumps(content).encode()
    if len(body) > MAX_REQUEST_BYTES:
        raise TOO_LARGE(limit_bytes=MAX_REQUEST_BYTES, size_bytes=len(body))
    head = [f"{operation.method} {format_path(operation, values)} HTTP/1.1", "Host: opensesh", "Connection: close"]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if request_id is not None:
        if not (0 < len(request_id) <= 200 and request_id.isascii() and request_id.isprintable()):
            raise REQUEST_INVALID("A request id is printable ASCII of at most 200 characters.")
        head.append(f"Idempotency-Key: {request_id}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def silence_of(operation: Operation, values: dict[str, Any]) -> float:
    """Seconds without a byte after which the node is taken to hang."""
    waited: float = values.get("timeout_s") or 0.0
    return STREAM_SILENCE_S if operation.stream else CALL_SILENCE_S + waited


def not_a_node(why: str) -> OpenSeshError:
    """The error for a socket on which something else than a node answers."""
    return DAEMON_NOT_RUNNING(
        f"What answers on the node's socket is no OpenSesh node: {why}.",
        next="Stop what listens there, or set OPENSESH_HOME to another folder.",
    )


def cut_off() -> OpenSeshError:
    """The error for a node that went away in the middle of an answer."""
    return DAEMON_NOT_RUNNING(
        "The node went away before it had answered.",
        next="See why with `opensesh node logs`, look whether it was done, and try again.",
    )


class Answer:
    """The parser of one answer. `feed` it bytes and take body bytes; `end` says that no more will come.

    `status` is 0 until the head is complete. Both raise DAEMON_NOT_RUNNING for what is no HTTP answer.
    """

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self._buffer = bytearray()
        self._chunked = False
        self._left: int | None = 0  # bytes still due of the body or of this chunk; None: until the connection ends
        self._in_chunk = False

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; gives the body bytes in it."""
        self._buffer += data
        if not self.status and not self._head():
            return b""
        if self._chunked:
            return self._chunks()
        if self.complete:
            return b""
        body = bytes(self._buffer if self._left is None else self._buffer[: self._left])
        self._buffer.clear()
        if self._left is not None:
            self._left -= len(body)
            self.complete = self._left == 0
        return body

    def end(self) -> None:
        """The connection has ended. Raises DAEMON_NOT_RUNNING if something was still due."""
        if self.status and self._left is None:
            self.complete = True
        if not self.complete:
            raise cut_off()

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES or not b"HTTP/1.1 ".startswith(self._buffer[:9]):
                raise not_a_node("it does not speak HTTP")
            return False
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        words = first.split(" ", 2)
        if len(words) < 2 or words[0] != "HTTP/1.1" or not (len(words[1]) == 3 and words[1].isdecimal()):
            raise not_a_node("it does not speak HTTP")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.status = int(words[1])
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length")
        if length is not None and not (length.isdecimal() and len(length) < 16):
            raise not_a_node("it sends a broken Content-Length")
        self._left = None if length is None else int(length)
        self.complete = not self._chunked and self._left == 0
        return True

    def _chunks(self) -> bytes:
        body = bytearray()
        while not self.complete:
            if self._in_chunk:
                assert self._left is not None
                piece = self._buffer[: self._left]
                body += piece
                del self._buffer[: len(piece)]
                self._left -= len(piece)
                if self._left or len(self._buffer) < 2:
                    break
                if self._buffer[:2] != b"\r\n":
                    raise not_a_node("it sends broken chunks")
                del self._buffer[:2]
                self._in_chunk = False
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > 1024:
                    raise not_a_node("it sends broken chunks")
                break
            self._begin_chunk(bytes(self._buffer[:end]))
            del self._buffer[: end + 2]
        return bytes(body)

    def _begin_chunk(self, line: bytes) -> None:
        digits = line.partition(b";")[0].strip()
        if not (0 < len(digits) <= 12 and all(digit in b"0123456789abcdefABCDEF" for digit in digits)):
            raise not_a_node("it sends broken chunks")
        self._left = int(digits, 16)
        self._in_chunk = self._left > 0
        self.complete = self._left == 0  # trailers are of no interest, and neither is what follows


class Lines:
    """Splits a stream's body into its JSON objects; heartbeats are dropped.

    A line of type `error` raises the error it carries.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, body: bytes) -> list[dict[str, Any]]:
        """The objects completed by these bytes."""
        self._buffer += body
        *whole, rest = self._buffer.split(b"\n") if b"\n" in body else [self._buffer]
        self._buffer = rest
        if len(rest) > MAX_LINE_BYTES:
            raise not_a_node("it sends a line without end")
        return [json_object(bytes(line)) for line in whole if line.strip()]


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises DAEMON_NOT_RUNNING for anything else."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise not_a_node("it does not answer with JSON") from None
    if not isinstance(value, dict):
        raise not_a_node("it does not answer with an object")
    return value


def result_of(status: int, body: bytes) -> dict[str, Any]:
    """The result of a finished call, or raises the error that the node gave instead."""
    value = json_object(body)
    if status != 200:
        raise error_of(value)
    return value


def error_of(value: dict[str, Any]) -> OpenSeshError:
    """The error in `{"error": {…}}`."""
    error = value.get("error")
    return from_json(error) if isinstance(error, dict) else not_a_node("it fails without saying why")
