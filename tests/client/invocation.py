"""How one operation is called, by the command line and by the Python API."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from client.api.node import Node


class Invocation(msgspec.Struct):
    """One operation: the command's words and input, the API call, and what the node must receive."""

    words: list[str]
    call: Callable[[Node], Awaitable[Any] | AsyncIterator[Any]]
    received: dict[str, Any]
    stdin: bytes = b""
