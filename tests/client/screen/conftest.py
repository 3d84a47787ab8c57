"""A home with a node in memory behind it, for a screen to be opened on."""

import os

import pytest

from client.api.calls import Calls
from client.api.node import Node
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
