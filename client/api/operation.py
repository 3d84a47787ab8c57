"""The mark that says which operation of the node's table a method calls; the parity test reads it."""

from collections.abc import Callable
from typing import TypeVar

from node.api.operations import OPERATIONS

Method = TypeVar("Method", bound=Callable[..., object])


def calls(operation: str) -> Callable[[Method], Method]:
    """Mark a method. Raises `KeyError` for what is no operation."""
    OPERATIONS[operation]

    def mark(method: Method) -> Method:
        method.operation = operation  # type: ignore[attr-defined]
        return method

    return mark
