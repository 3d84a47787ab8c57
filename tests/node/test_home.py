"""A home is private, safe, and held by one node."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from crdt.errors import HOME_LOCKED, HOME_UNSAFE, OpenSeshError
from node import home as home_module
from node.api.endpoint import socket_path
from node.home import Home
from node.mounts import network_kind, parse_mount, parse_mountinfo

ROOT = Path(__file__).parents[2]


def home_at(folder: Path) -> Home:
    return Home.of({"OPENSESH_HOME": str(folder)})


def refusal(home: Home) -> OpenSeshError:
    with pytest.raises(OpenSeshError) as caught:
        home.acquire()
    return caught.value


def test_the_folders_are_made_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with home_at(tmp_path / "deep" / "home") as home:
            for folder in (home.config, home.data, home.state, home.run):
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_the_pid_file_names_process_and_socket_while_the_home_is_held(tmp_path: Path) -> None:
    with home_at(tmp_path) as home:
        assert home.pid_file.read_text() == f"{os.getpid()}\n{home.socket}\n"
        assert socket_path({"OPENSESH_HOME": str(tmp_path)}) == str(home.socket)
    assert not home.pid_file.exists()


def test_a_second_node_on_one_home_is_refused_and_told_which_is_there(tmp_path: Path) -> None:
    with home_at(tmp_path):
        error = refusal(home_at(tmp_path))
        assert error.kind is HOME_LOCKED
        assert error.details["pid"] == os.getpid()
    with home_at(tmp_path):
        pass


def test_a_home_is_free_again_once_its_node_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from node.home import Home; Home.of().acquire(); print('held', flush=True); time.sleep(60)"
    )
    environ = {**os.environ, "OPENSESH_HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        error = refusal(home_at(tmp_path))
        assert (error.kind, error.details["pid"]) == (HOME_LOCKED, other.pid)
        other.send_signal(signal.SIGKILL)
        other.wait()
    with home_at(tmp_path) as home:
        assert home.running_pid() == os.getpid()


def test_a_home_that_others_may_write_is_refused_if_anything_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "planted").touch()
    tmp_path.chmod(0o777)
    error = refusal(home_at(tmp_path))
    assert error.kind is HOME_UNSAFE
    assert "0777" in error.message
    assert "chmod 700" in error.to_json()["next"]


def test_a_new_home_of_a_loose_umask_is_closed_and_used(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o775)
    with home_at(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_home_in_a_folder_that_others_may_read_leaves_that_folder_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    tmp_path.chmod(0o755)
    with home_at(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_home_below_a_folder_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    error = refusal(home_at(open_folder / "home"))
    assert error.kind is HOME_UNSAFE
    assert "anybody" in error.message


def test_a_home_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_at(tmp_path)
    monkeypatch.setattr("node.home.os.getuid", lambda: 4242)
    error = refusal(home)
    assert error.kind is HOME_UNSAFE
    assert "belongs to user" in error.message


def test_a_file_in_the_homes_place_is_refused_and_kept(tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.write_text("work")
    assert refusal(home_at(place)).kind is HOME_UNSAFE
    assert place.read_text() == "work"


def test_a_link_planted_in_the_lock_files_place_is_not_followed(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    home.prepare()
    victim = tmp_path / "victim"
    home.lock_file.symlink_to(victim)
    assert refusal(home).kind is HOME_UNSAFE
    assert not victim.exists()


def test_a_link_planted_in_the_run_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "run").symlink_to(tmp_path / "elsewhere")
    assert refusal(home_at(tmp_path / "home")).kind is HOME_UNSAFE


def test_a_home_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_module, "network_file_system", lambda path: "nfs4")
    error = refusal(home_at(tmp_path))
    assert error.kind is HOME_UNSAFE
    assert "network file system (nfs4)" in error.message


MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:40 / /home rw,relatime shared:2 master:1 - nfs4 server:/export rw,vers=4.2
24 23 8:2 / /home/local rw - xfs /dev/sdb1 rw
25 22 0:41 / /mnt/my\\040share rw - cifs //server/share rw
26 22 0:42 / /mnt/remote rw - fuse.sshfs host:/ rw
27 22 0:43 / /mnt/stick rw - fuseblk /dev/sdc1 rw
28 22 0:44 / /mnt/twice rw - ext4 /dev/sdd1 rw
29 28 0:45 / /mnt/twice rw - 9p host rw
not a line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", None),
        ("/home/ana", "nfs4"),
        ("/home/local/ana", None),
        ("/homestead", None),
        ("/mnt/my share/x", "cifs"),
        ("/mnt/remote", "fuse.sshfs"),
        ("/mnt/stick", None),
        ("/mnt/twice/x", "9p"),
    ],
)
def test_the_innermost_latest_mount_decides(path: str, kind: str | None) -> None:
    assert network_kind(Path(path), parse_mountinfo(MOUNTINFO)) == kind


def test_a_machine_whose_own_root_is_9p_has_nothing_more_local() -> None:
    table = [("/", "9p"), ("/shared", "9p")]
    assert network_kind(Path("/root"), table) is None
    assert network_kind(Path("/shared/x"), table) == "9p"


def test_what_macos_says_is_mounted_is_understood() -> None:
    table = parse_mount(
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n"
        "//ana@nas/home on /Volumes/My on (x) (smbfs, nodev, nosuid, mounted by ana)\n"
    )
    assert network_kind(Path("/Users/ana"), table) is None
    assert network_kind(Path("/Volumes/My on (x)/a"), table) == "smbfs"
