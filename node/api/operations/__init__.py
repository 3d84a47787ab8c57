"""The one table of everything the node can be asked to do.

The server builds its routes from it, the command line and the Python API build their requests from
it, `docs/api.md` is written from it, and a test holds the four together. To add an operation: add a
row to its area's file here, a handler in the node, a command, and a method.

Standard library only and cheap to import; see `node/api/operation.py` for what a row means.
"""

from crdt import errors as e
from node.api.operation import Operation, Parameter, body_of, format_path, unquote
from node.api.operations.control import CONTROL
from node.api.operations.discussion import DISCUSSION
from node.api.operations.identity import IDENTITY
from node.api.operations.imports import IMPORTS
from node.api.operations.node import NODE
from node.api.operations.presence import PRESENCE
from node.api.operations.runs import RUNS
from node.api.operations.sharing import SHARING
from node.api.operations.sync import SYNC
from node.api.operations.terminals import TERMINALS
from node.api.operations.threads import THREADS

__all__ = ["COMMON_ERRORS", "OPERATIONS", "Operation", "Parameter", "body_of", "format_path", "match"]

# Any operation may give these; rows list only what is particular to them.
COMMON_ERRORS = (e.REQUEST_INVALID, e.TOO_LARGE, e.INTERNAL, e.DISK_FULL, e.TIMEOUT)

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for area in (NODE, THREADS, SHARING, DISCUSSION, PRESENCE, CONTROL, RUNS, TERMINALS, IMPORTS, IDENTITY, SYNC)
    for operation in area
}


def match(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation that a request line names, with its path parameters decoded; None if there is none.

    `path` is the raw path as it was sent, without the query. Raises `ValueError` for a broken escape.
    """
    segments = path[1:].split("/")
    for operation in OPERATIONS.values():
        if operation.method != method or len(operation.segments) != len(segments):
            continue
        values = {}
        for pattern, segment in zip(operation.segments, segments, strict=True):
            if pattern.startswith("{") and segment:
                values[pattern[1:-1]] = unquote(segment)
            elif pattern != segment:
                break
        else:
            return operation, values
    return None
