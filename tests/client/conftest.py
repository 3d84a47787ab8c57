"""A home with an in-memory node in it, and the command line as a person or a script meets it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.api.endpoint import places
from node.api.server import Server
from tests.client.handlers import FakeNode
from tests.client.inside import Inside
from tests.client.shell import Shell


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test alone, in which nothing runs and nothing is started by itself."""
    folder = tmp_path / "h"
    monkeypatch.setenv("OPENSESH_HOME", str(folder))
    monkeypatch.setenv("OPENSESH_NODE_AUTOSTART", "0")
    monkeypatch.setenv("OPENSESH_KEYRING", "file")
    monkeypatch.setenv("OPENSESH_LAN", "0")
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "FORCE_COLOR", "XDG_RUNTIME_DIR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def node() -> FakeNode:
    """What the node answers, and what it was asked."""
    return FakeNode()


@pytest.fixture
async def served(home: Path, node: FakeNode) -> AsyncIterator[FakeNode]:
    """The fake node, listening where the home's node listens."""
    socket = Path(places().socket)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = Server(node.handlers, socket)
    await server.start()
    try:
        yield node
    finally:
        for event in node.holding.values():
            event.set()
        await server.stop(grace_s=1.0)


@pytest.fixture
def shell(home: Path) -> Shell:
    """Runs commands in processes of their own."""
    return Shell(dict(os.environ))


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    """Runs commands inside this process."""
    return Inside(monkeypatch)
