"""`pair`: show a code, or join the device that shows one."""

from typing import Any

from client.cli.inputs import stdin_text
from client.cli.out import Out
from client.cli.parse import Arguments, usage
from client.cli.session import Session
from client.cli.table import VERBS
from client.cli.text import count, local_time, one_line


def pair(session: Session, arguments: Arguments) -> int:
    """Pair until done; leaving before that burns the code."""
    if arguments.code is None:
        if arguments.relay is not None:
            raise usage(VERBS["pair"], "--relay goes with a CODE; the device that shows one uses its own relays.")
        lines = session.stream("pair.show", timeout_s=arguments.timeout_s)
    else:
        code = arguments.code if arguments.code != "-" else stdin_text(1000).strip()
        if not code:
            raise usage(VERBS["pair"], "CODE is empty.")
        lines = session.stream("pair.join", code=code, relay=arguments.relay, timeout_s=arguments.timeout_s)
    for line in lines:
        if session.out.as_json:
            session.out.data(line)
        else:
            _show(line, session.out)
    return 0


def _show(line: dict[str, Any], out: Out) -> None:
    if line["type"] == "pair.code":
        code = one_line(line["code"])
        out.line(f"On the other device, run:\n\n    opensesh pair {out.style('bold', code)}\n")
        out.line(f"or give it this link: {one_line(line['link'])}")
        out.note(f"Waiting for it until {local_time(line['expires_at'])}. Ctrl-C burns the code.")
    elif line["type"] == "pair.joining":
        out.note(f"Talking to {one_line(line['device']['name'])} …")
    elif line["type"] == "pair.done":
        paired = line["paired"]
        name = one_line(paired["device"]["name"])
        out.line(f"Paired with {out.style('bold', name)}: {count(paired['threads'], 'thread')} on both.")
