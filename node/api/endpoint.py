# ruff: noqa: PTH110, PTH111, PTH117, PTH123
"""Where an installation lives and where its socket is: one computation for the node and for its clients.

`OPENSESH_HOME` puts everything below one folder. Without it the platform's own folders are used, by
the rules of `platformdirs` (a test compares the two): XDG on Linux, `~/Library` on macOS, where the
XDG variables also count if they are set.

Standard library only and cheap to import: the command line reads this before anything else, and
pathlib alone would cost it 8 ms, while the functions of os are already loaded.
"""

import os
import stat
import sys
from collections.abc import Mapping

APPLICATION = "opensesh"
SOCKET_NAME = "node.sock"
# `sun_path` holds 108 bytes on Linux and 104 on macOS, with the closing zero.
MAX_SOCKET_PATH_BYTES = 100


class Places:
    """The absolute folders of one installation, and its socket. Nothing is created by looking.

    `home` is the folder that `OPENSESH_HOME` names, or None for the platform's folders.
    """

    __slots__ = ("config", "data", "home", "run", "state")

    def __init__(self, home: str | None, config: str, data: str, state: str, run: str) -> None:
        self.home, self.config, self.data, self.state, self.run = home, config, data, state, run

    @property
    def socket(self) -> str:
        """The path of the node's unix socket, at most `MAX_SOCKET_PATH_BYTES` long."""
        return f"{self.run}/{SOCKET_NAME}"

    @property
    def pid_file(self) -> str:
        """First line the process id of the running node, second line the path of its socket."""
        return f"{self.state}/node.pid"

    @property
    def log_file(self) -> str:
        """The node's log."""
        return f"{self.state}/node.log"


def places(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Places:
    """The folders and the socket for an environment; this process's own if none is given."""
    environ = os.environ if environ is None else environ
    home = environ.get("OPENSESH_HOME") or None
    if home is not None:
        # Resolved, so that two spellings of one folder mean one installation and one socket.
        home = os.path.realpath(os.path.expanduser(home))
        config, data, state, run = (f"{home}/{name}" for name in ("config", "data", "state", "run"))
    else:
        user = environ.get("HOME") or os.path.expanduser("~")
        library = f"{user}/Library/Application Support" if platform == "darwin" else None
        config = f"{_xdg(environ, 'XDG_CONFIG_HOME', library or f'{user}/.config')}/{APPLICATION}"
        data = f"{_xdg(environ, 'XDG_DATA_HOME', library or f'{user}/.local/share')}/{APPLICATION}"
        state = f"{_xdg(environ, 'XDG_STATE_HOME', library or f'{user}/.local/state')}/{APPLICATION}"
        runtime = _runtime(environ)
        run = f"{runtime}/{APPLICATION}" if runtime else f"{state}/run"
    if len(os.fsencode(f"{run}/{SOCKET_NAME}")) > MAX_SOCKET_PATH_BYTES:
        run = _short_folder(environ, run)
    return Places(home, config, data, state, run)


def socket_path(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> str:
    """Where to reach the node: where it should listen, or where a running one says that it does.

    The two differ only if the node was started with another `XDG_RUNTIME_DIR` than this process.
    """
    place = places(environ, platform)
    if not os.path.exists(place.socket):
        try:
            with open(place.pid_file, encoding="utf-8", errors="surrogateescape") as file:
                said = file.read(4096).splitlines()[1]
        except (OSError, IndexError):
            return place.socket
        if os.path.isabs(said) and os.path.exists(said):
            return said
    return place.socket


def untrusted(folder: str) -> str | None:
    """Why the folder of a socket must not be trusted with what we say there; None if it may be.

    Only a real folder of our own that nobody else may enter keeps an impostor from listening in our
    place, which matters below `/tmp`.
    """
    try:
        found = os.lstat(folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return f"{folder} is not a folder"
    if found.st_uid != os.getuid():
        return f"{folder} belongs to user {found.st_uid}"
    if found.st_mode & 0o077:
        return f"{folder} is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


def _xdg(environ: Mapping[str, str], name: str, default: str) -> str:
    value = environ.get(name, "").strip()
    # The XDG specification: a relative path is invalid and to be ignored.
    return value if os.path.isabs(value) else default


def _runtime(environ: Mapping[str, str]) -> str | None:
    """The user's private runtime folder, if there is one: named by the environment, or where systemd keeps it."""
    for folder in (_xdg(environ, "XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"):
        if folder and untrusted(folder) is None:
            return folder
    return None


def _short_folder(environ: Mapping[str, str], run: str) -> str:
    """A folder with a short name that stands for one whose name is too long for a socket."""
    import hashlib  # 3 ms, and seldom needed

    name = hashlib.sha256(os.fsencode(run)).hexdigest()[:16]
    runtime = _runtime(environ)
    # Not TMPDIR: it differs between a login shell, a service and a cron job of one user.
    for base in (runtime, "/tmp"):  # noqa: S108  (the folder is 0700 and its owner is checked by both sides)
        folder = f"{base}/{APPLICATION}-{os.getuid()}-{name}"
        if base and len(os.fsencode(f"{folder}/{SOCKET_NAME}")) <= MAX_SOCKET_PATH_BYTES:
            return folder
    raise AssertionError("a folder below /tmp has a short name")
