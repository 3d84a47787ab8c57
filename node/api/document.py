"""Writes `docs/api.md` from the table of operations: `python -m node.api.document > docs/api.md`.

A test holds the committed file against what this gives.
"""

import json
import sys

from crdt.errors import CATALOGUE, ErrorKind
from node.api.operation import Operation, Parameter
from node.api.operations import COMMON_ERRORS, OPERATIONS

_INTRODUCTION = """\
# The node's local API

Written from `node/api/operations` by `python -m node.api.document`; change it there.

HTTP/1.1 with JSON on a unix socket: `run/node.sock` below `OPENSESH_HOME`, otherwise in the user's runtime
folder (`node/api/endpoint.py` says where exactly; the second line of the pid file names it too). The socket is
0600 in a folder that is 0700, and a connection of another user is closed. A request needs the header
`Host: opensesh` (or `localhost`); one with an `Origin` or a `Sec-Fetch-…` header comes from a web page and is refused.

    curl --unix-socket "$OPENSESH_HOME/run/node.sock" http://opensesh/v1/status

**Parameters** travel where the table says: percent-encoded in the path or the query, or in one JSON object as the
body (at most 8 MiB). An unknown name is refused. A `thread` is an id, a unique prefix of one, or an exact title.
A `path` is absolute. A `secret` is only ever in the body. Times are RFC 3339, UTC, with milliseconds.
**Doing it again:** a request that changes something may carry `Idempotency-Key`; the same key is the same request.
A call that changes something is finished even if its client leaves.

**Errors** have the HTTP status of their kind and the body
`{"error": {"code", "name", "message", "next", "details"}}`. Any operation may give: COMMON.

**Streams** are NDJSON over chunked HTTP: one object a line, flushed as it happens. An empty line, every 15 seconds
without another, is a heartbeat: skip it. Until the first line an error has its HTTP status; after it, the stream
ends with `{"type": "error", "error": {…}}`. A stream that ends with neither that nor a last line was cut off.
A client that takes nothing for 60 seconds is cut off; it resumes with its cursor. Leaving ends a stream.

Of the shapes, a key ending in `?` may be absent or null; there may be more keys, never fewer.
"""


def document() -> str:
    """The whole page, Markdown."""
    parts = [_INTRODUCTION.replace("COMMON", _errors(COMMON_ERRORS)), "| operation | request | |\n|---|---|---|"]
    parts[1] += "".join(
        f"\n| [`{name}`](#{name.replace('.', '')}) | `{operation.method} {operation.path}` | {operation.summary} |"
        for name, operation in OPERATIONS.items()
    )
    parts += [_section(operation) for operation in OPERATIONS.values()]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _section(operation: Operation) -> str:
    parts = [f"## {operation.name}", f"`{operation.method} {operation.path}`: {operation.summary}"]
    if operation.parameters:
        rows = "\n".join(_row(parameter) for parameter in operation.parameters)
        parts.append(f"| parameter | in | type | |\n|---|---|---|---|\n{rows}")
    if operation.stream:
        lines = "\n".join(json.dumps({"type": kind, **_object(shape)}) for kind, shape in operation.result.items())
        ends = f" It ends with {' or '.join(f'`{kind}`' for kind in operation.last)}." if operation.last else ""
        parts.append(f"A stream.{ends} Its lines:\n\n```\n{lines}\n```")
    else:
        parts.append(f"```\n{json.dumps(operation.result, indent=2)}\n```")
    if operation.errors:
        parts.append(f"Errors: {_errors(operation.errors)}.")
    return "\n\n".join(parts)


def _object(shape: object) -> dict[str, object]:
    assert isinstance(shape, dict), "a line is an object"
    return shape


def _row(parameter: Parameter) -> str:
    notes = [parameter.doc]
    if parameter.choices:
        notes.append("One of " + ", ".join(f"`{choice}`" for choice in parameter.choices) + ".")
    if parameter.default is not None:
        notes.append(f"Default `{json.dumps(parameter.default)}`.")
    if parameter.maximum is not None:
        notes.append(f"At most {parameter.maximum}{' characters' if parameter.type in ('text', 'secret') else ''}.")
    name = f"**`{parameter.name}`**" if parameter.required else f"`{parameter.name}`"
    return f"| {name} | {parameter.place} | {parameter.type} | {' '.join(notes)} |"


def _errors(kinds: tuple[ErrorKind, ...]) -> str:
    return ", ".join(f"{kind.code} {kind.name} ({kind.status})" for kind in kinds)


def error_document() -> str:
    """`docs/errors.md`: every code with its cause and what to do."""
    lines = [
        "# Errors",
        "",
        "Written from `crdt/errors.py` by `python -m node.api.document errors`; change it there.",
        "",
        "Every error has a code that never changes its meaning, a cause, and the one next thing to do. The command",
        'line prints them on stderr, with `--json` as one line `{"error": {code, name, message, next, details}}`, and',
        "the API answers with the HTTP status given here.",
        "Exit codes: 0 done, 1 failed, 2 not understood, 130 interrupted.",
        "",
        "| code | name | what happened | what to do | HTTP | exit |",
        "|---|---|---|---|---|---|",
    ]
    for code, kind in sorted(CATALOGUE.items()):
        cause, following = (text.replace("|", "\\|") for text in (kind.cause, kind.next))
        lines.append(f"| {code} | {kind.name} | {cause} | {following} | {kind.status} | {kind.exit_code} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(error_document() if sys.argv[1:] == ["errors"] else document())
