"""Where an installation is: by the platform's rules, equal for node and client, and never too long."""

import os
from pathlib import Path

import platformdirs.unix
import pytest

from node.api.endpoint import MAX_SOCKET_PATH_BYTES, places, socket_path, untrusted


def test_a_home_holds_everything(tmp_path: Path) -> None:
    found = places({"OPENSESH_HOME": str(tmp_path)})
    assert [found.config, found.data, found.state] == [str(tmp_path / name) for name in ("config", "data", "state")]


def test_two_spellings_of_one_home_are_one_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    spellings = [str(tmp_path / "home"), str(tmp_path / "alias"), "home", "./home/", "alias/../home"]
    assert len({places({"OPENSESH_HOME": spelling}).socket for spelling in spellings}) == 1


@pytest.mark.parametrize("set_xdg", [True, False])
def test_without_a_home_the_folders_are_those_of_platformdirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_xdg: bool
) -> None:
    for name in ("CONFIG", "DATA", "STATE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
        if set_xdg:
            monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    theirs = platformdirs.unix.Unix("opensesh")
    ours = places({key: value for key, value in os.environ.items() if key != "OPENSESH_HOME"}, "linux")
    assert ours.config == theirs.user_config_dir
    assert ours.data == theirs.user_data_dir
    assert ours.state == theirs.user_state_dir


def test_on_macos_the_folders_are_in_the_library() -> None:
    found = places({"HOME": "/Users/ana"}, "darwin")
    assert {found.config, found.data, found.state} == {"/Users/ana/Library/Application Support/opensesh"}


def test_a_relative_xdg_folder_is_ignored() -> None:
    assert places({"HOME": "/h", "XDG_DATA_HOME": "data"}, "linux").data == "/h/.local/share/opensesh"


def test_the_socket_is_in_the_runtime_folder(tmp_path: Path) -> None:
    runtime = tmp_path / "r"
    runtime.mkdir(mode=0o700)
    assert places({"HOME": "/h", "XDG_RUNTIME_DIR": str(runtime)}, "linux").run == f"{runtime}/opensesh"


def test_a_runtime_folder_that_others_can_enter_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert str(tmp_path) not in places({"HOME": "/h", "XDG_RUNTIME_DIR": str(tmp_path)}, "linux").run


def test_an_unset_runtime_folder_works(tmp_path: Path) -> None:
    found = places({"HOME": str(tmp_path)}, "linux")
    # Where systemd keeps one, that; otherwise with the state.
    assert found.run in (f"/run/user/{os.getuid()}/opensesh", f"{found.state}/run") or found.run.startswith("/tmp/")


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_socket_path_of_over_100_bytes_moves_to_a_short_folder(tmp_path: Path, letter: str) -> None:
    one, two = (places({"OPENSESH_HOME": str(tmp_path / (letter * 100) / name)}) for name in "ab")
    for found in (one, two):
        assert len(os.fsencode(found.socket)) <= MAX_SOCKET_PATH_BYTES
        assert letter * 100 not in found.socket
    assert one.socket != two.socket
    assert places({"OPENSESH_HOME": str(tmp_path / (letter * 100) / "a")}).socket == one.socket


def test_the_boundary_is_100_bytes() -> None:
    room = MAX_SOCKET_PATH_BYTES - len("/run/node.sock")
    assert places({"OPENSESH_HOME": "/" + "x" * (room - 1)}).socket == "/" + "x" * (room - 1) + "/run/node.sock"
    assert not places({"OPENSESH_HOME": "/" + "x" * room}).socket.startswith("/xx")


def test_a_node_that_listens_elsewhere_is_found_through_its_pid_file(tmp_path: Path) -> None:
    environ = {"OPENSESH_HOME": str(tmp_path)}
    found = places(environ)
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "state").mkdir()
    Path(found.pid_file).write_text(f"123\n{elsewhere}\n")
    assert socket_path(environ) == found.socket, "nothing is there yet"
    elsewhere.touch()
    assert socket_path(environ) == str(elsewhere)
    for nonsense in ("", "123", "123\nrelative\n"):
        Path(found.pid_file).write_text(nonsense)
        assert socket_path(environ) == found.socket


def test_a_folder_is_trusted_only_if_it_is_ours_alone(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    assert untrusted(str(private)) is None
    private.chmod(0o750)
    assert "open to others" in str(untrusted(str(private)))
    private.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(private)
    assert "not a folder" in str(untrusted(str(link)))
    assert "No such file" in str(untrusted(str(tmp_path / "missing")))


def test_a_folder_of_another_user_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    assert "belongs to user" in str(untrusted(str(tmp_path)))
