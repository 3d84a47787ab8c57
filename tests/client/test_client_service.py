"""The node as a service of the system: installed whole, or not at all."""

import configparser
import os
import plistlib
import stat
import sys
from pathlib import Path

import pytest

from client import service
from client.cli import node as commands
from client.service import install, uninstall
from crdt.errors import DAEMON_NOT_RUNNING, FILE_UNREADABLE, OpenSeshError
from tests.client.handlers import FakeNode
from tests.client.inside import Inside

# Notes what it is called with; fails, saying why, if the words of FAIL_ON are among them.
MANAGER = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in *"${FAIL_ON:-nothing at all}"*) echo "Failed to connect to bus" >&2; exit 1 ;; esac
"""


@pytest.fixture
def calls(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Service managers of our own before the real ones on the path; what they were told, line by line."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("systemctl", "launchctl"):
        (folder / name).write_text(MANAGER)
        (folder / name).chmod(0o755)
    noted = tmp_path / "calls"
    noted.touch()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(noted))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return noted


def noted(calls: Path) -> str:
    """What the managers were told."""
    return calls.read_text()


def unit_of(file: Path) -> configparser.ConfigParser:
    """A unit file as its sections; of repeated keys the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(file.read_text())
    return parser


def test_a_systemd_unit_is_written_enabled_and_started(calls: Path, home: Path) -> None:
    installed = install(platform="linux")
    assert installed.file.parent == Path(os.environ["HOME"]) / ".config" / "systemd" / "user"
    unit = unit_of(installed.file)
    assert unit["Service"]["ExecStart"] == f'"{sys.executable}" "-P" "-m" "node"'
    assert f'Environment="OPENSESH_HOME={home}"' in installed.file.read_text()
    assert 'Environment="OPENSESH_KEYRING=file"' in installed.file.read_text()
    assert unit["Install"]["WantedBy"] == "default.target"
    assert calls.read_text().splitlines() == [
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {installed.name}",
    ]


def test_two_homes_are_two_services_and_none_at_all_the_plain_one(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = service.service(platform="linux").name
    monkeypatch.setenv("OPENSESH_HOME", "/elsewhere")
    second = service.service(platform="linux").name
    monkeypatch.delenv("OPENSESH_HOME")
    assert len({first, second, service.service(platform="linux").name}) == 3
    assert service.service(platform="linux").name == "opensesh.service"


def test_awkward_folders_are_quoted_as_systemd_reads_them(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSESH_HOME", '/a b/50%/$x/"q"')
    content = service.service(platform="linux").content.decode()
    assert 'Environment="OPENSESH_HOME=/a b/50%%/$x/\\"q\\""' in content


def test_a_launchd_agent_is_written_and_bootstrapped(calls: Path, home: Path) -> None:
    installed = install(platform="darwin")
    agent = plistlib.loads(installed.file.read_bytes())
    assert agent["Label"] == installed.name and agent["RunAtLoad"] is True
    assert agent["EnvironmentVariables"]["OPENSESH_HOME"] == str(home)
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert calls.read_text() == f"launchctl bootstrap gui/{os.getuid()} {installed.file}\n"
    assert uninstall(platform="darwin") == installed
    assert not installed.file.exists()
    assert calls.read_text().splitlines()[-1] == f"launchctl bootout gui/{os.getuid()}/{installed.name}"


@pytest.mark.parametrize(
    ("platform", "step"), [("linux", "daemon-reload"), ("linux", "enable"), ("darwin", "bootstrap")]
)
def test_an_install_that_fails_leaves_nothing(
    calls: Path, monkeypatch: pytest.MonkeyPatch, platform: str, step: str
) -> None:
    monkeypatch.setenv("FAIL_ON", step)
    with pytest.raises(OpenSeshError, match="Failed to connect to bus") as caught:
        install(platform=platform)
    assert caught.value.kind is DAEMON_NOT_RUNNING and "node start" in caught.value.details["next"]
    file = service.service(platform=platform).file
    assert list(file.parent.iterdir()) == []
    assert "disable" in calls.read_text() or "bootout" in calls.read_text()


def test_an_install_that_fails_leaves_the_one_before_as_it_was(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = install(platform="linux").file
    file.write_text("[Unit]\nDescription=mine\n")
    monkeypatch.setenv("FAIL_ON", "enable")
    with pytest.raises(OpenSeshError):
        install(platform="linux")
    assert file.read_text() == "[Unit]\nDescription=mine\n"


def test_without_a_service_manager_it_says_so_and_leaves_nothing(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OpenSeshError, match="there is no systemctl"):
        install(platform="linux")
    assert not service.service(platform="linux").file.exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_not_be_written_is_said(calls: Path) -> None:
    folder = service.service(platform="linux").file.parent
    folder.mkdir(parents=True)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OpenSeshError) as caught:
        install(platform="linux")
    assert caught.value.kind is FILE_UNREADABLE


def test_a_file_in_the_way_of_the_folder_is_said(calls: Path) -> None:
    folder = service.service(platform="linux").file.parent
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    with pytest.raises(OpenSeshError) as caught:
        install(platform="linux")
    assert caught.value.kind is FILE_UNREADABLE
    assert folder.read_text() == "in the way"


def test_installing_twice_is_the_same_as_once_and_uninstalling_twice_is_no_failure(calls: Path) -> None:
    first = install(platform="linux")
    assert install(platform="linux") == first
    assert uninstall(platform="linux") == first
    assert not first.file.exists()
    assert uninstall(platform="linux") is None


def test_an_agent_that_was_unloaded_by_hand_can_be_uninstalled(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(platform="darwin")
    monkeypatch.setenv("FAIL_ON", "gui/")
    assert uninstall(platform="darwin") == installed
    assert not installed.file.exists() and "bootout" not in calls.read_text()


def test_an_uninstall_that_fails_removes_nothing(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(platform="linux")
    monkeypatch.setenv("FAIL_ON", "disable")
    with pytest.raises(OpenSeshError) as caught:
        uninstall(platform="linux")
    assert installed.file.exists() and "Nothing was removed" in caught.value.details["next"]


async def test_the_command_makes_room_for_the_service_and_waits_until_it_answers(
    calls: Path, served: FakeNode, cli: Inside
) -> None:
    finished = await cli("node", "install", "--json")
    assert finished.code == 0 and service.service().file.exists()
    assert "node.stop" in [call.operation for call in served.calls]
    finished = await cli("node", "uninstall")
    assert finished.code == 0 and "is removed" in finished.out
    assert (await cli("node", "uninstall", "--json")).value["file"] is None


async def test_a_service_that_does_not_come_up_is_taken_back(
    calls: Path, home: Path, cli: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "READY_TIMEOUT_S", 0.1)
    finished = await cli("node", "install", "--json")
    assert (finished.code, finished.error["code"]) == (1, "E001")
    assert not service.service().file.exists()
    assert "disable --now" in noted(calls) or "bootout" in noted(calls)
