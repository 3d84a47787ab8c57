"""`run`, `attach` and what else there is about shared terminals; `attaching` is the part with a person in it."""

import os
import sys
from typing import Any

from client.cli.canvas import changed
from client.cli.inputs import stdin_text
from client.cli.out import Out
from client.cli.parse import Arguments, usage
from client.cli.session import Session
from client.cli.table import VERBS
from client.cli.text import flat, local_time, one_line, table
from client.wire import MAX_REQUEST_BYTES

_SIZE = (80, 24)


def run(session: Session, arguments: Arguments) -> int:
    """Start a program. On a terminal stay with it, and end with its exit code."""
    out = session.out
    attached = not (out.as_json or arguments.detach) and _is_interactive()
    columns, rows = window() if attached else _SIZE
    started = session.call(
        "terminal.run",
        thread=arguments.thread,
        command=arguments.command,
        folder=arguments.folder or _here(),
        environment=_environment(),
        columns=arguments.columns or columns,
        rows=arguments.rows or rows,
    )
    if not attached:
        out.answer(started, lambda: one_line(started["terminal"]))
        return 0
    fit = arguments.columns is None and arguments.rows is None
    return _stay(session, arguments.thread, started["terminal"], fit=fit, take_code=True)


def attach(session: Session, arguments: Arguments) -> int:
    """Watch a terminal to its end, or until one leaves."""
    if session.out.as_json:
        for line in session.stream("terminal.watch", thread=arguments.thread, terminal=arguments.terminal):
            session.out.data(line)
        return 0
    if _is_interactive():
        return _stay(session, arguments.thread, arguments.terminal, fit=arguments.fit, take_code=False)
    _print(session, arguments)
    return 0


def type_text(session: Session, arguments: Arguments) -> int:
    """Type a text, with Enter behind it if asked for."""
    text = stdin_text(MAX_REQUEST_BYTES) if arguments.text == "-" else arguments.text or ""
    if not text and not arguments.enter:
        raise usage(VERBS["terminal type"], "TEXT is missing, or --enter.")
    text = text.replace("\n", "\r") + ("\r" if arguments.enter else "")
    typed = session.call("terminal.input", thread=arguments.thread, terminal=arguments.terminal, text=text)
    if session.out.as_json:
        session.out.data(typed)
    else:
        session.out.note("Typed.")
    return 0


def listed(result: dict[str, Any], out: Out) -> str:
    """`terminal.list`"""
    rows = []
    for each in result["terminals"]:
        ended = each["reason"] or f"exit code {each['code']}"
        state = "running" if each["state"] == "running" else f"ended: {ended}"
        author = each["author"]
        where = one_line(author.get("name"))
        command = flat(" ".join(map(str, each["command"])))
        rows.append([one_line(each["terminal"])[:8], command, one_line(state), where, local_time(each["started_at"])])
    if not rows:
        out.note("No terminals in this thread. Begin one with: opensesh run THREAD -- COMMAND")
    return "\n".join(table(rows, out.columns))


def done(result: dict[str, Any], out: Out) -> str:
    """`terminal.resize`, `terminal.close`"""
    return f"Done: terminal {one_line(result['terminal'])[:8]}."


def _stay(session: Session, thread: str, terminal: str | None, *, fit: bool, take_code: bool) -> int:
    from client.cli.attaching import Attached  # termios and threads, of no use to any other command

    attached = Attached(session, thread, terminal, fit=fit)
    end = attached.stay()
    if end is None:
        named = " ".join(filter(None, [one_line(thread), one_line(attached.terminal or "")[:8]]))
        session.out.note(f"Detached; the program goes on. Come back with: opensesh attach {named}")
        return 0
    code = end.get("code")
    session.out.note(f"The terminal has ended: {_end(end)}.")
    return (code if isinstance(code, int) else 1) if take_code else 0


def _end(end: dict[str, Any]) -> str:
    return one_line(end.get("reason")) or f"exit code {end.get('code')}"


def _print(session: Session, arguments: Arguments) -> None:
    """The text, line by line as it leaves the screen, and at the end what is left on it."""
    lines: list[dict[str, Any]] = []
    for line in session.stream("terminal.watch", thread=arguments.thread, terminal=arguments.terminal):
        if line["type"] == "terminal.screen":
            _put(session.out, [each["text"] for each in line["history"]])
            lines = list(line["lines"])
        elif line["type"] == "terminal.changed":
            _put(session.out, [each["text"] for each in line["scrolled"]])
            lines = changed(lines, line)
        else:
            while lines and not lines[-1]["text"]:
                lines.pop()
            _put(session.out, [each["text"] for each in lines])
            session.out.note(f"The terminal has ended: {_end(line)}.")


def _put(out: Out, lines: list[str]) -> None:
    for line in lines:
        out.line(flat(line))


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def window() -> tuple[int, int]:
    """The columns and rows of the terminal we are on, as far as a shared one may be as large."""
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    return max(1, min(columns, 500)), max(1, min(rows, 200))


def _here() -> str:
    return os.getcwd()  # noqa: PTH109  (pathlib would cost each command 8 ms)


def _environment() -> list[str]:
    """What the program finds as this shell has it, but for what is meant for us and what is no text."""
    pairs = (f"{name}={value}" for name, value in os.environ.items() if not name.startswith("OPENSESH_"))
    return [pair for pair in pairs if pair.isprintable() or pair.encode(errors="ignore").decode() == pair]
