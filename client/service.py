"""Starting the node at login: a systemd user unit on Linux, a launchd agent on macOS.

Either the service is installed, enabled and running, or nothing is left of the attempt. One home is one
service, so two homes are two.
"""

import hashlib
import os
import plistlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from client.starting import node_command, node_environment
from crdt.errors import DAEMON_NOT_RUNNING, FILE_UNREADABLE
from node.api.endpoint import places

MANAGER_TIMEOUT_S = 60
# What the node heeds, and what a service manager does not pass on of its own.
PASSED_ON = ("OPENSESH_HOME", "OPENSESH_KEYRING", "OPENSESH_LAN", "OPENSESH_LOG_LEVEL", "PYTHONPATH",
             "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")  # fmt: skip


class Service(NamedTuple):
    """A service of this home: what it is called, its file, and the commands that turn it on and off."""

    name: str
    file: Path
    content: bytes
    enable: Sequence[Sequence[str]]
    disable: Sequence[Sequence[str]]
    forget: Sequence[Sequence[str]]
    loaded: Sequence[str] | None = None  # fails if there is nothing to disable


def service(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Service:
    """The service of an environment's home, on this platform."""
    environ = os.environ if environ is None else environ
    home = places(environ, platform).home
    suffix = "" if home is None else "-" + hashlib.sha256(os.fsencode(home)).hexdigest()[:8]
    environment = node_environment(environ)
    chosen = {name: environment[name] for name in PASSED_ON if environment.get(name)}
    if home is not None:
        chosen["OPENSESH_HOME"] = home  # as it resolves here: a service runs in another folder
    user = Path(environ.get("HOME") or Path.home())
    return _launchd(user, suffix, chosen) if platform == "darwin" else _systemd(user, environ, suffix, chosen)


def install(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Service:
    """Write the service's file and turn it on. Undone if that fails; raises what went wrong."""
    ours = service(environ, platform)
    try:
        before = ours.file.read_bytes() if ours.file.exists() else None
        ours.file.parent.mkdir(parents=True, exist_ok=True)
        _replace(ours.file, ours.content)
    except OSError as error:
        raise FILE_UNREADABLE(f"{ours.file} can't be written: {error.strerror}.", path=str(ours.file)) from None
    try:
        for command in ours.enable:
            _manage(command, "Nothing was installed. Start the node without a service: opensesh node start")
    except BaseException:
        _undo(ours, before)
        raise
    return ours


def uninstall(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Service | None:
    """Turn the service off and remove its file; None if there was none. Data and settings stay."""
    ours = service(environ, platform)
    if not ours.file.exists():
        return None
    if ours.loaded is None or _try(ours.loaded) is None:
        for command in ours.disable:
            _manage(command, f"Nothing was removed. Try again when the service manager answers; the file: {ours.file}")
    ours.file.unlink(missing_ok=True)
    for command in ours.forget:
        _try(command)  # all that matters is gone
    return ours


def _undo(ours: Service, before: bytes | None) -> None:
    for command in ours.disable:
        _try(command)
    if before is None:
        ours.file.unlink(missing_ok=True)
    else:
        _replace(ours.file, before)
    for command in ours.forget:
        _try(command)


def _systemd(user: Path, environ: Mapping[str, str], suffix: str, chosen: Mapping[str, str]) -> Service:
    name = f"opensesh{suffix}.service"
    config = environ.get("XDG_CONFIG_HOME", "")
    folder = Path(config) if os.path.isabs(config) else user / ".config"  # noqa: PTH117
    lines = [
        "[Unit]",
        "Description=OpenSesh node",
        # A node that can't start says why in its log; trying for ever would only fill it.
        "StartLimitIntervalSec=300",
        "StartLimitBurst=5",
        "",
        "[Service]",
        f"ExecStart={' '.join(_unit_word(word) for word in node_command())}",
        *(f"Environment={_unit_word(f'{name}={value}', environment=True)}" for name, value in chosen.items()),
        "Restart=on-failure",
        "RestartSec=5",
        "TimeoutStopSec=30",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    manager = ("systemctl", "--user")
    return Service(
        name,
        folder / "systemd" / "user" / name,
        "\n".join(lines).encode("utf-8", "surrogateescape"),
        enable=((*manager, "daemon-reload"), (*manager, "enable", "--now", name)),
        disable=((*manager, "disable", "--now", name),),
        forget=((*manager, "daemon-reload"),),
    )


def _launchd(user: Path, suffix: str, chosen: Mapping[str, str]) -> Service:
    name = f"dev.opensesh.node{suffix}"
    file = user / "Library" / "LaunchAgents" / f"{name}.plist"
    content = plistlib.dumps(
        {
            "Label": name,
            "ProgramArguments": node_command(),
            "EnvironmentVariables": dict(chosen),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Background",
        }
    )
    domain = f"gui/{os.getuid()}"
    return Service(
        name,
        file,
        content,
        enable=(("launchctl", "bootstrap", domain, str(file)),),
        disable=(("launchctl", "bootout", f"{domain}/{name}"),),
        forget=(),
        # Of an agent that was unloaded by hand, bootout fails though all is well.
        loaded=("launchctl", "print", f"{domain}/{name}"),
    )


def _unit_word(word: str, environment: bool = False) -> str:
    """A word as systemd.syntax(7) quotes it; `$` is left alone only in an Environment= line."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped if environment else escaped.replace("$", "$$")}"'


def _replace(file: Path, content: bytes) -> None:
    neighbour = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        neighbour.write_bytes(content)
        neighbour.replace(file)
    finally:
        neighbour.unlink(missing_ok=True)


def _manage(command: Sequence[str], next: str) -> None:
    """Run one command of the service manager. Raises DAEMON_NOT_RUNNING with what it said, and what to do next."""
    said = _try(command)
    if said is not None:
        raise DAEMON_NOT_RUNNING(f"{' '.join(command[:3])} failed: {said}", next=next)


def _try(command: Sequence[str]) -> str | None:
    """Run one command of the service manager; what it said, in a line, if it failed."""
    said = ""
    try:
        done = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=MANAGER_TIMEOUT_S, check=False
        )
        if done.returncode == 0:
            return None
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
    except FileNotFoundError:
        said = f"there is no {command[0]}"
    except subprocess.TimeoutExpired:
        said = "it did not answer in time"
    return said.splitlines()[0]
