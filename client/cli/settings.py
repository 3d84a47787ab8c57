# ruff: noqa: PTH103
"""Settings, backups and purging."""

import json
import os
import sys
from typing import Any

from client.cli.out import Out
from client.cli.parse import Arguments
from client.cli.session import Session
from client.cli.text import count, one_line, size, table
from crdt.errors import CONFIG_INVALID, INTERACTION_NEEDED
from node.api.endpoint import places


def listed(result: dict[str, Any], out: Out) -> str:
    """`config list`."""
    out.note(f"kept in {one_line(result['path'])}")
    return "\n".join(f"{one_line(key)} = {_value(value)}" for key, value in sorted(result["config"].items()))


def got(result: dict[str, Any], out: Out) -> str:
    """`config get`: the bare value; a list has one item a line."""
    lines: list[str] = []
    for value in result["config"].values():
        lines += [one_line(item) for item in value] if isinstance(value, list) else [_bare(value)]
    return "\n".join(lines)


def changed(result: dict[str, Any], out: Out) -> str:
    """`config set` and `config unset`."""
    if result["restart"]:
        out.note("This counts from the node's next start: opensesh node stop")
    return f"{one_line(result['key'])} = {_value(result['value'])}"


def unset(session: Session, arguments: Arguments) -> int:
    """`config unset`: a null is what takes a setting back."""
    result = session.call("config.set", key=arguments.key, value=None)
    if session.out.as_json:
        session.out.data(result)
    else:
        session.out.line(changed(result, session.out))
    return 0


def edit(session: Session, arguments: Arguments) -> int:
    """`config edit`: without the node, which may be unable to start for what is in the file."""
    import shlex
    import subprocess

    path = f"{places().config}/config.toml"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise INTERACTION_NEEDED("An editor needs a terminal.", next=f"Edit {path}, or use: opensesh config set")
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH120
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        code = subprocess.call([*editor, path])
    except OSError as error:
        raise CONFIG_INVALID(
            f"The editor {editor[0]!r} can't be started: {error.strerror}.", next="Set VISUAL or EDITOR."
        ) from None
    session.out.note("Changes count from the node's next start: opensesh node stop")
    return 1 if code else 0


def backed_up(result: dict[str, Any], out: Out) -> str:
    """`backup create`."""
    return f"{one_line(result['path'])}: {count(result['threads'], 'thread')}, {size(result['size_bytes'])}"


def brought_back(result: dict[str, Any], out: Out) -> str:
    """`backup restore`."""
    return f"{count(result['threads'], 'thread')}; {count(result['restored'], 'change')} that had not been here."


def purged(result: dict[str, Any], out: Out) -> str:
    """`purge`."""
    rows = [[str(item["count"]), one_line(item["what"]), size(item["size_bytes"])] for item in result["items"]]
    ending = "would be freed" if result["dry_run"] else "freed"
    return "\n".join([*table(rows, out.columns), f"{size(result['size_bytes'])} {ending}."])


def _bare(value: Any) -> str:
    return one_line(value) if isinstance(value, str) else _value(value)


def _value(value: Any) -> str:
    return one_line(json.dumps(value, ensure_ascii=False))
