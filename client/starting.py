# ruff: noqa: PTH100, PTH102, PTH112, PTH118, PTH119, PTH120, PTH123
"""Starting the node when a command needs it, once, however many commands need it at the same moment.

The node is started detached: in its own session, in the root folder, with none of our descriptors, so
that `x=$(opensesh list --json)` returns and closing the terminal does not end it. We wait until it says
that it is ready, and if it does not come up, the caller gets the error that it left behind.

Standard library only, and not imported by a command that finds a node running.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import IO

from client import http
from crdt.errors import CATALOGUE, DAEMON_NOT_RUNNING, HOME_LOCKED, OpenSeshError, from_json
from node.api.endpoint import Places, places, socket_path

# A cold start takes half a second; a migration with its backup, or a slow disk, much longer.
START_TIMEOUT_S = 60.0
# A home that is held, by a node that does not answer: it may be starting or stopping, but not for this long.
LOCKED_TIMEOUT_S = 20.0
POLL_S = 0.02
PROBE_SILENCE_S = 5.0
LOG_LINES = 15
LOG_TAIL_BYTES = 1024 * 1024

# Where our packages are, for the node to import the very code that started it.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def node_command() -> list[str]:
    """The command that runs a node in the foreground.

    `-P` keeps the current folder out of the module path: a project often has a folder called `node`.
    """
    return [sys.executable, "-P", "-m", "node"]


def node_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for `node_command`: this one, and the way to our code where it is not installed."""
    environment = dict(os.environ if environ is None else environ)
    if os.path.basename(_ROOT) not in ("site-packages", "dist-packages"):
        others = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path and path != _ROOT]
        environment["PYTHONPATH"] = os.pathsep.join([_ROOT, *others])
    return environment


def may_start(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a command may start the node by itself: not with `OPENSESH_NODE_AUTOSTART=0`."""
    value = (os.environ if environ is None else environ).get("OPENSESH_NODE_AUTOSTART", "1")
    return value.strip().lower() not in ("0", "false", "no", "off")


def is_ready() -> bool:
    """Whether a node of this home answers and is ready. Raises only what says that no node may be used."""
    try:
        return http.call(socket_path(), "status", PROBE_SILENCE_S).get("state") == "ready"
    except OpenSeshError as error:
        if error.kind is DAEMON_NOT_RUNNING:
            return False
        raise


def start(timeout_s: float = START_TIMEOUT_S) -> bool:
    """Make sure that a node runs and is ready; True if this call started it.

    Raises the error that the node stopped with, or DAEMON_NOT_RUNNING with the tail of its log.
    """
    where = places()
    deadline = time.monotonic() + timeout_s
    with _one_starter(where) as lock:
        while not lock():  # somebody else is at it: what he starts will serve us too
            if is_ready():
                return False
            _pause(where, deadline)
        if is_ready():
            return False
        return _spawn(where, deadline)


def await_ready(timeout_s: float) -> None:
    """Wait for a node that somebody else starts. Raises DAEMON_NOT_RUNNING with the tail of its log."""
    where, deadline = places(), time.monotonic() + timeout_s
    while not is_ready():
        _pause(where, deadline)


def _spawn(where: Places, deadline: float) -> bool:
    with _last_words() as words:
        process = subprocess.Popen(
            node_command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            cwd="/",
            env=node_environment(),
            start_new_session=True,
        )
        failure: OpenSeshError | None = None
        while not is_ready():
            if failure is None and (code := process.poll()) is not None:
                failure = _failure(where, words, code)
                if failure.kind is not HOME_LOCKED:
                    raise failure
                deadline = min(deadline, time.monotonic() + LOCKED_TIMEOUT_S)
            _pause(where, deadline, failure)
        return failure is None


def _pause(where: Places, deadline: float, failure: OpenSeshError | None = None) -> None:
    if time.monotonic() > deadline:
        raise failure or DAEMON_NOT_RUNNING("The node did not become ready in time.", **_traces(where))
    time.sleep(POLL_S)


class _OneStarter:
    """A lock that only starters take; called, it tries once more and says whether we hold it."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def __call__(self) -> bool:
        if self._descriptor is None:
            return True  # without a place for the lock, the node's own keeps a second one out, only more slowly
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def _one_starter(where: Places) -> Iterator[_OneStarter]:
    descriptor = None
    try:
        _make_private(where.state)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(os.path.join(where.state, "starting.lock"), flags, 0o600)
    except OSError:
        pass  # the node will say what is wrong with this place
    try:
        yield _OneStarter(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _make_private(folder: str) -> None:
    """Make a folder and what is missing above it, all 0700; `os.makedirs` would leave those above open."""
    if not os.path.isdir(folder):
        _make_private(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)


@contextlib.contextmanager
def _last_words() -> Iterator[IO[bytes] | int]:
    """A file without a name for what the node writes to stderr before its log is open."""
    with contextlib.ExitStack() as stack:
        try:
            file: IO[bytes] | int = stack.enter_context(tempfile.TemporaryFile())
        except OSError:
            file = subprocess.DEVNULL  # a full disk is for the node to report
        yield file


def _failure(where: Places, words: IO[bytes] | int, code: int) -> OpenSeshError:
    said = ""
    if not isinstance(words, int):
        words.seek(0)
        said = words.read(64 * 1024).decode(errors="replace")
    found = error_in(said)
    if found is not None:
        return found
    how = f"was killed by signal {-code}" if code < 0 else f"stopped at once with exit code {code}"
    traces = _traces(where)
    traces["log"] = [*traces["log"], *said.splitlines()][-LOG_LINES:]
    return DAEMON_NOT_RUNNING(f"The node {how}.", **traces)


def _traces(where: Places) -> dict[str, list[str]]:
    return {"log": log_tail(where.log_file, LOG_LINES)}


def error_in(text: str) -> OpenSeshError | None:
    """The error that a process printed last, as a JSON line or as `error E…: message`; None if there is none."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                shape = json.loads(line)
                if isinstance(shape, dict) and isinstance(shape.get("error"), dict):
                    return from_json(shape["error"])
        code, _, message = line.removeprefix("error ").partition(": ")
        if line.startswith("error ") and code in CATALOGUE:
            return CATALOGUE[code](message or None)
    return None


def log_tail(path: str, lines: int) -> list[str]:
    """The last lines of a log, of at most `LOG_TAIL_BYTES`; empty if it can't be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-lines:] if lines > 0 else []
    except OSError:
        return []
