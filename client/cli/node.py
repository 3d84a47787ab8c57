# ruff: noqa: PTH123
"""`node` and `doctor`: the node as a process, from outside; none of these starts it unless asked to."""

import os
import select
import sys
import time
from typing import Any, Final, NoReturn

from client import http, starting
from client.cli.out import Out
from client.cli.parse import Arguments
from client.cli.session import Session
from client.cli.text import clean, count, local_time, one_line, table
from client.version import version
from crdt.errors import DAEMON_NOT_RUNNING, FILE_UNREADABLE, TIMEOUT, OpenSeshError
from node.api.endpoint import places, socket_path

STOP_TIMEOUT_S: Final = 60.0
READY_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.05
_FOLLOW_POLL_S: Final = 0.2
_LOG_LINES: Final = 100


def start(session: Session, arguments: Arguments) -> int:
    """`node start`: until it is ready."""
    started = False
    if not starting.is_ready():
        session.out.progress("Starting the node …")
        try:
            started = starting.start()
        finally:
            session.out.progress("")
    result = http.call(socket_path(), "status")
    if session.out.as_json:
        session.out.data({**result, "started": started})
    else:
        session.out.line(f"The node {'has started' if started else 'runs already'} (process {result['pid']}).")
    return 0


def stop(session: Session, arguments: Arguments) -> int:
    """`node stop`: until the process has ended. Nothing to do is no failure."""
    try:
        result = http.call(socket_path(), "node.stop")
    except OpenSeshError as error:
        if error.kind is not DAEMON_NOT_RUNNING or "path" not in error.details:
            raise
        result = {"stopping": False, "pid": None}
        session.out.note("The node isn't running.")
    else:
        _wait_for_end(int(result["pid"]))
        if not session.out.as_json:
            session.out.line("The node has stopped.")
    if session.out.as_json:
        session.out.data(result)
    return 0


def status(session: Session, arguments: Arguments) -> int:
    """`node status`. Raises DAEMON_NOT_RUNNING if it doesn't."""
    result = http.call(socket_path(), "status")
    if session.out.as_json:
        session.out.data(result)
        return 0
    rows = [
        ["state", f"{result['state']}, since {local_time(result['started_at'])} (process {result['pid']})"],
        ["version", one_line(result["version"])],
        ["home", one_line(result["home"] or "the platform's folders")],
        ["device", one_line(result["device"]["name"])],
        ["threads", str(result["threads"])],
        ["sync", one_line(result["sync"])],
        ["keys", one_line(result["keys"])],
    ]
    session.out.line("\n".join(table(rows)))
    if result["version"] != version():
        session.out.note(f"This command is version {version()}; restart the node with: opensesh node stop")
    return 0


def logs(session: Session, arguments: Arguments) -> int:
    """`node logs`: also of a node that doesn't run."""
    path = places().log_file
    if not os.path.exists(path):  # noqa: PTH110
        raise FILE_UNREADABLE(f"There is no log yet at {path}.", next="Start the node with: opensesh node start")
    number = _LOG_LINES if arguments.lines is None else arguments.lines
    if arguments.follow:
        _follow(path, number, session.out)
    lines = starting.log_tail(path, number)
    if session.out.as_json:
        session.out.data({"path": path, "lines": lines})
        return 0
    for line in lines:
        _log_line(line, session.out)
    return 0


def doctor(session: Session, arguments: Arguments) -> int:
    """`doctor`: a node that can't start is a finding, and not the end of the check-up."""
    try:
        result = session.call("doctor")
        checks = list(result["checks"])
        running = http.call(socket_path(), "status")["version"]
        same = running == version()
        checks.append(
            {
                "name": "version",
                "state": "ok" if same else "warning",
                "message": f"node {running}, command {version()}",
                **({} if same else {"next": "Restart the node with: opensesh node stop"}),
            }
        )
    except OpenSeshError as error:
        shape = error.to_json()
        failed = {"name": "node", "state": "failed", "message": error.message, "next": shape["next"]}
        result, checks = {"ok": False}, [{**failed, "error": shape}]
    result = {**result, "checks": checks}
    if session.out.as_json:
        session.out.data(result)
    else:
        for check in checks:
            _check_lines(check, session.out)
    return 0 if result["ok"] else 1


def install(session: Session, arguments: Arguments) -> int:
    """`node install`: the service runs the node from now on, so one that runs by itself makes room."""
    from client import service

    before = _is_running()
    if before:
        _wait_for_end(int(http.call(socket_path(), "node.stop")["pid"]))
    try:
        installed = service.install()
        try:
            starting.await_ready(READY_TIMEOUT_S)
        except BaseException:
            service.uninstall()
            raise
    except BaseException:
        if before:
            starting.start()
        raise
    return _tell(session.out, {"installed": True, "name": installed.name, "file": str(installed.file)})


def uninstall(session: Session, arguments: Arguments) -> int:
    """`node uninstall`: nothing to take back is no failure."""
    from client import service

    removed = service.uninstall()
    file = None if removed is None else str(removed.file)
    return _tell(session.out, {"installed": False, "name": removed and removed.name, "file": file})


def _tell(out: Out, result: dict[str, Any]) -> int:
    if out.as_json:
        out.data(result)
    elif result["installed"]:
        out.line(f"The node starts at login now, as {result['name']} ({result['file']}).")
    else:
        out.line(f"{result['name']} is removed." if result["file"] else "It was not installed.")
    return 0


def _is_running() -> bool:
    try:
        http.call(socket_path(), "status", starting.PROBE_SILENCE_S)
    except OpenSeshError as error:
        if error.kind is DAEMON_NOT_RUNNING:
            return False
        raise
    return True


def _wait_for_end(pid: int) -> None:
    """Wait until a process has ended. Raises TIMEOUT."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    try:
        descriptor = os.pidfd_open(pid) if sys.platform == "linux" else None
    except ProcessLookupError:
        return
    except OSError:
        descriptor = None  # an old kernel, or a sandbox that forbids it
    if descriptor is not None:
        try:
            # Readable once the process has ended, even while nobody has collected it.
            ended = bool(select.select([descriptor], [], [], STOP_TIMEOUT_S)[0])
        finally:
            os.close(descriptor)
    else:
        while not (ended := not _lives(pid)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    if not ended:
        raise TIMEOUT("The node is still stopping.", pid=pid, next="See what it does with: opensesh node logs")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number is another user's process by now
    # An ended process that nobody collects keeps its number; but it has taken its pid file away.
    return os.path.exists(places().pid_file)  # noqa: PTH110


def _follow(path: str, number: int, out: Out) -> NoReturn:
    """Print the last lines and what is added, through rotation and truncation, until interrupted."""
    file = open(path, "rb")  # noqa: SIM115  (it is exchanged when the log is rotated)
    file.seek(max(0, file.seek(0, os.SEEK_END) - starting.LOG_TAIL_BYTES))
    # Read on from here, so that no line falls between the end of the log and what is added to it.
    *last, rest = file.read().split(b"\n")
    for line in last[-number:] if number else ():
        _log_line(line.decode(errors="replace"), out)
    while True:
        data = file.read()
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            _log_line(line.decode(errors="replace"), out)
        if data:
            continue
        time.sleep(_FOLLOW_POLL_S)
        try:
            now = os.stat(path)  # noqa: PTH116
        except OSError:
            continue  # between two files of a rotation
        if now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < file.tell():
            file.close()
            file, rest = open(path, "rb"), b""  # noqa: SIM115


def _log_line(line: str, out: Out) -> None:
    if out.as_json:
        out.data({"line": line})
    else:
        out.line(clean(line))


def _check_lines(check: dict[str, Any], out: Out) -> None:
    mark, colour = {"ok": ("✓", "green"), "warning": ("!", "yellow")}.get(check["state"], ("✗", "red"))
    words = "" if check["state"] == "ok" else f"{one_line(check['state'])}: "
    out.line(f"{out.style(colour, mark)} {one_line(check['name'])}: {words}{one_line(check['message'])}")
    if check.get("next"):
        out.line(f"  next: {one_line(check['next'])}")
    log = (check.get("error") or {}).get("details", {}).get("log")
    if log:
        out.line(f"  {count(len(log), 'line')} of its log:")
        for line in log:
            out.line(f"    {one_line(line)}")
