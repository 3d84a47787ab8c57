"""A served API on a real unix socket, and a client that can say anything to it, well-formed or not."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from node.api.operations import OPERATIONS, body_of, format_path
from node.api.server import Handler, Server

PATIENCE_S = 20.0


class Wire:
    """One raw connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aenter__(self) -> "Wire":
        self.reader, self.writer = await asyncio.open_unix_connection(str(self._path))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()

    async def say(self, raw: bytes) -> None:
        """Send bytes; a server that hangs up meanwhile is found out by reading."""
        try:
            self.writer.write(raw)
            await self.writer.drain()
        except ConnectionError:
            pass

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer; status 0 if the connection was closed instead."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                raw = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0, {}
        first, *rest = raw.strip().split("\r\n")
        return int(first.split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}

    async def answer(self) -> tuple[int, Any]:
        """Status and JSON body of the next answer."""
        status, headers = await self.head()
        if not status:
            return 0, None
        async with asyncio.timeout(PATIENCE_S):
            return status, json.loads(await self.reader.readexactly(int(headers["content-length"])))

    async def line(self) -> bytes:
        """The next line of a chunked stream, b"" for a heartbeat. Raises `EOFError` at the end."""
        if not hasattr(self, "_rest"):
            self._rest = b""
        while b"\n" not in self._rest:
            async with asyncio.timeout(PATIENCE_S):
                try:
                    size = int(await self.reader.readuntil(b"\r\n"), 16)
                    chunk = await self.reader.readexactly(size + 2)
                except asyncio.IncompleteReadError as error:
                    raise EOFError("cut off") from error
            if size == 0:
                raise EOFError("ended")
            self._rest += chunk[:-2]
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    async def call(self, name: str, **values: Any) -> tuple[int, Any]:
        """Call an operation properly."""
        await self.say(request(name, **values))
        return await self.answer()


def request(name: str, *headers: str, **values: Any) -> bytes:
    """An operation's request as bytes, built from the table as a client builds it."""
    operation = OPERATIONS[name]
    body = json.dumps(body_of(operation, values)).encode() if operation.method != "GET" else b""
    return raw_request(operation.method, format_path(operation, values), body, *headers)


def raw_request(method: str, target: str, body: bytes = b"", *headers: str, host: str = "opensesh") -> bytes:
    """Any request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def short_socket(folder: Path) -> Path:
    """A path for a socket in a private folder; pytest's own are too long on some machines."""
    run = folder / "r"
    run.mkdir(mode=0o700, exist_ok=True)
    return run / "node.sock"


@asynccontextmanager
async def serving(folder: Path, handlers: Mapping[str, Handler], **options: Any) -> AsyncIterator[Path]:
    """A running server; gives the path of its socket."""
    path = short_socket(folder)
    server = Server(handlers, path, **options)
    await server.start()
    try:
        yield path
    finally:
        await server.stop(grace_s=1.0)
