"""`pair`: show a code, or join the device that shows one."""

import sys
from typing import Any

from client.cli.inputs import confirmed, stdin_text
from client.cli.out import Out
from client.cli.parse import Arguments, usage
from client.cli.session import Session
from client.cli.table import VERBS
from client.cli.text import count, local_time, one_line

_VERB = VERBS["pair"]


def pair(session: Session, arguments: Arguments) -> int:
    """Pair until done; leaving before that burns the code."""
    return _show(session, arguments) if arguments.code is None else _join(session, arguments)


def admit(session: Session, arguments: Arguments) -> int:
    """`devices admit`."""
    result = session.call("pair.confirm", accept=not arguments.decline)
    if session.out.as_json:
        session.out.data(result)
    else:
        session.out.line("It may join." if result["accepted"] else "It was turned away.")
    return 0


def _show(session: Session, arguments: Arguments) -> int:
    if arguments.relay is not None or arguments.phrase is not None:
        raise usage(_VERB, "--relay and --phrase-stdin go with a CODE: they are for the device that joins.")
    if arguments.yes and arguments.confirm:
        raise usage(_VERB, "--yes and --confirm exclude each other.")
    # Where nobody can be asked, the code alone lets a device in, as scripts expect.
    asks = not (session.out.as_json or arguments.yes) and sys.stdin.isatty() and sys.stderr.isatty()
    for line in session.stream("pair.show", timeout_s=arguments.timeout_s, confirm=asks or arguments.confirm):
        _print(line, session.out)
        if asks and line["type"] == "pair.joining":
            _ask(session, line["device"])
    return 0


def _ask(session: Session, device: dict[str, Any]) -> None:
    platform = f" ({one_line(device['platform'])})" if device.get("platform") else ""
    accept = confirmed(f"Let {one_line(device['name'])}{platform} in, with all your threads?", "--yes")
    session.call("pair.confirm", accept=accept)


def _join(session: Session, arguments: Arguments) -> int:
    if arguments.yes or arguments.confirm:
        raise usage(_VERB, "--yes and --confirm are for the device that shows the code.")
    code = arguments.code
    if code == "-":
        if arguments.phrase is not None:
            raise usage(_VERB, "CODE and words can't both come from standard input.")
        code = stdin_text(1000).strip()
    if not code:
        raise usage(_VERB, "CODE is empty.")
    values = {"relay": arguments.relay, "phrase": arguments.phrase, "timeout_s": arguments.timeout_s}
    for line in session.stream("pair.join", code=code, **values):
        _print(line, session.out)
    return 0


def _print(line: dict[str, Any], out: Out) -> None:
    if out.as_json:
        out.data(line)
    elif line["type"] == "pair.code":
        out.line(f"On the other device, run:\n\n    opensesh pair {out.style('bold', one_line(line['code']))}\n")
        if line.get("link"):
            out.line(f"or give it this link: {one_line(line['link'])}")
        out.note(f"Waiting for it until {local_time(line['expires_at'])}. Ctrl-C burns the code.")
    elif line["type"] == "pair.joining":
        out.note(f"Talking to {one_line(line['device']['name'])} …")
    elif line["type"] == "pair.done":
        paired = line["paired"]
        name = one_line(paired["device"]["name"])
        out.line(f"Paired with {out.style('bold', name)}: {count(paired['threads'], 'thread')} on both.")
