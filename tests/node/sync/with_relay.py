"""Devices that sync over a real relay: what the tests of relay sync share.

A relay is named by an address that stays while the relay behind it is stopped, put back, or replaced;
`Line` dials whatever runs there now, and can hold back or refuse what goes over it.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from crdt import errors, keys, wire
from node.synchronizer import Synchronizer
from node.transports.relay import RelayConnection
from relay.limits import Limits
from tests.node.second_device import Machine, machine
from tests.relay.conversation import serving

URL = "ws://relay.test:8765"


class Place:
    """An address with a relay behind it, or none."""

    def __init__(self, root: Path, name: str = "relay") -> None:
        self.folder = root / name
        self.url = ""

    @asynccontextmanager
    async def up(self, limits: Limits | None = None) -> AsyncIterator[None]:
        async with serving(self.folder, limits) as running:
            self.url = running.url.replace("http", "ws", 1)
            try:
                yield
            finally:
                self.url = ""
                await running.relay.stop()

    def rooms(self) -> set[bytes]:
        """The rooms in its database, by key."""
        return {key for (key,) in self._rows("SELECT key FROM rooms")}

    def hashes(self) -> list[bytes]:
        """Of all frames in its database."""
        return [digest for (digest,) in self._rows("SELECT hash FROM frames")]

    def _rows(self, sql: str) -> list[tuple[bytes]]:
        connection = sqlite3.connect(self.folder / "relay.db")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


class Line(RelayConnection):
    """A connection whose requests a test may hold back or refuse, through the `Wire` that made it."""

    wire: "Wire"

    async def publish(self, room: bytes, frames: Sequence[bytes]) -> wire.Stored:
        self.wire.published.append(len(frames))
        await self.wire.before_publish(room)
        return await super().publish(room, frames)

    async def attach(self, certificate: wire.Certificate, cursor: int, check: bytes) -> wire.Attached:
        self.wire.attached.append((certificate.room, cursor))
        await self.wire.before_attach(certificate.room)
        return await super().attach(certificate, cursor, check)


async def _nothing(room: bytes) -> None:
    return


class Wire:
    """How one device reaches the relays; counts what it does."""

    def __init__(self, places: dict[str, Place]) -> None:
        self.places = places
        self.dialled: list[str] = []
        self.published: list[int] = []
        self.attached: list[tuple[bytes, int]] = []
        self.lines: list[Line] = []
        self.before_publish: Callable[[bytes], Awaitable[None]] = _nothing
        self.before_attach: Callable[[bytes], Awaitable[None]] = _nothing
        self.login: Callable[[], keys.SigningKey]

    async def connect(self, url: str, access_key: str) -> RelayConnection:
        self.dialled.append(url)
        address = self.places[url].url
        if not address:
            raise errors.RELAY_UNREACHABLE(url=url)
        made = await Line.connect(address, self.login(), access_key)
        assert isinstance(made, Line)
        made.wire = self
        self.lines.append(made)
        return made


@asynccontextmanager
async def syncing(device: Machine, *places: tuple[str, Place]) -> AsyncIterator[tuple[Synchronizer, Wire]]:
    """A synchronizer of that device, for as long as the block lasts: what a node's process is to sync."""
    line = Wire(dict(places))
    line.login = lambda: device.account.login
    synchronizer = Synchronizer(device.account, device.threads, line.connect)
    await synchronizer.start()
    try:
        yield synchronizer, line
    finally:
        await synchronizer.close()


@asynccontextmanager
async def devices(root: Path, *names: str) -> AsyncIterator[list[Machine]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(machine(root, name)) for name in names]


def refused(reason: str, retry_after_ms: int = 0) -> errors.OpenSeshError:
    """What a connection raises for that refusal."""
    return errors.RELAY_REFUSED(reason=reason, retry_after_ms=retry_after_ms)
