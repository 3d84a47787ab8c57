"""`watch`: events as they happen, across restarts of the node, without gap or repeat."""

import time
from collections.abc import Iterator
from typing import Any, Final

from client.cli.out import Out
from client.cli.parse import Arguments
from client.cli.session import Session
from client.cli.text import one_line, shorten
from crdt.errors import DAEMON_NOT_RUNNING, TIMEOUT, OpenSeshError

# How long a node may be away. It is not started for a watch: somebody may have stopped it on purpose.
AWAY_S: Final = 30.0
_PAUSE_S: Final = 0.1


def watch(session: Session, arguments: Arguments) -> int:
    """Print events until one of the type asked for, or for ever. Raises TIMEOUT if that takes too long."""
    deadline = None if arguments.timeout_s is None else time.monotonic() + arguments.timeout_s
    try:
        for event in _events(session, arguments.thread, arguments.since, deadline):
            if session.out.as_json:
                session.out.data(event)
            else:
                session.out.line(_line(event, session.out))
            if _is(arguments.until, str(event.get("type"))):
                return 0
    except OpenSeshError as error:
        if error.kind is TIMEOUT and arguments.until:
            raise TIMEOUT(f"No {arguments.until} came in time.") from None
        raise
    return 0


def _events(
    session: Session, thread: str | None, since: int | None, deadline: float | None
) -> Iterator[dict[str, Any]]:
    """The events, the first line `ready` only where the person did not say after which cursor to begin."""
    asked, begun = since is not None, False
    away_since: float | None = None
    while True:
        try:
            for event in session.stream("events.watch", deadline, thread=thread, since=since):
                session.keep_down()  # it runs now; if it goes, that is somebody's wish
                begun, away_since = True, None
                fresh, since = event.get("type") != "ready" or not asked, event["cursor"]
                asked = True
                if fresh:
                    yield event
        except OpenSeshError as error:
            if error.kind is not DAEMON_NOT_RUNNING or not begun:
                raise
        now = time.monotonic()
        if away_since is None:
            away_since = now
            session.out.note("The node went away; waiting for it to come back.")
        if now - away_since > AWAY_S:
            raise DAEMON_NOT_RUNNING(
                next=f"Start it with `opensesh node start`, and go on with: opensesh watch --since {since}",
                cursor=since,
            )
        if deadline is not None and now > deadline:
            raise TIMEOUT()
        time.sleep(_PAUSE_S)


def _is(wanted: str | None, kind: str) -> bool:
    if wanted is None:
        return False
    return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted


def _line(event: dict[str, Any], out: Out) -> str:
    thread = str(event.get("thread") or "")[:8]
    rest = " ".join(
        f"{name}={one_line(value)}"
        for name, value in event.items()
        if name not in ("cursor", "type", "thread") and isinstance(value, str | int | float)
    )
    message = event.get("message")
    if isinstance(message, dict):
        rest = f"{one_line(message.get('role'))}: {one_line(message.get('text'))} {rest}"
    comment = event.get("comment")
    if isinstance(comment, dict):
        rest = f"{one_line((comment.get('author') or {}).get('name'))}: {one_line(comment.get('text'))} {rest}"
    line = f"{event['cursor']:>8}  {thread:<8}  {one_line(event['type'])}  {rest}".rstrip()
    return line if out.columns is None else shorten(line, out.columns)
