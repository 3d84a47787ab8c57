"""A home with a node behind it, in memory or in a process of its own, for a screen to be opened on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.api.calls import Calls
from client.api.node import Node
from client.demo.machines import Device
from client.screen import feed
from tests.client.handlers import FakeNode
from tests.client.screen.live_node import LiveNode


@pytest.fixture
def node() -> LiveNode:
    """What the node knows, and what it was asked."""
    return LiveNode()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read again without an event is read again soon."""
    monkeypatch.setattr(feed, "LATEST_S", 0.2)


@pytest.fixture
def client(served: FakeNode) -> Node:
    """The Python API, as the screen uses it."""
    return Node(Calls(dict(os.environ)))


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Device]:
    """A device whose node is a process."""
    device = Device("laptop", tmp_path)
    try:
        yield device
    finally:
        device.stop()
