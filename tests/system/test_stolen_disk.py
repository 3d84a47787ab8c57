"""A disk is copied while the key is in the keychain: nothing of a thread can be read from it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from client.demo.machines import environment
from tests.system.machines import Room, room

__all__ = ["room"]
CANARY = "canary-under-the-floorboards"
WORDS = [CANARY, "A title worth hiding"]
SCRIPT = """
printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null
o() { "$PYTHON" -P -c 'import sys, opensesh; sys.exit(opensesh.main())' "$@"; }
o new "A title worth hiding" && o say "A title worth hiding" "$CANARY" && o search "$CANARY" && o node status --json
o node stop
"""


def found_in(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [f"{word} in {path.name}" for path in files for word in WORDS if word.encode() in path.read_bytes()]


@pytest.mark.deep
@pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")),
    reason="gnome-keyring-daemon and dbus-run-session are not installed",
)
def test_with_the_key_in_the_keychain_a_copied_disk_says_nothing(tmp_path: Path) -> None:
    home, keyring = tmp_path / "home", tmp_path / "keyring"
    for folder in (home, keyring):
        folder.mkdir(mode=0o700)
    around = environment(home) | {"HOME": str(keyring), "XDG_DATA_HOME": str(keyring), "CANARY": CANARY}
    around |= {"PYTHON": sys.executable}
    del around["OPENSESH_KEYRING"]
    done = subprocess.run(
        ["dbus-run-session", "--", "bash", "-c", SCRIPT], env=around, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"keys": "keychain"' in done.stdout and CANARY in done.stdout
    assert found_in(home) == []


def test_with_the_key_in_a_file_doctor_says_what_that_means(room: Room) -> None:
    laptop = room.device("laptop")
    laptop.run("new", WORDS[1])
    checks = {check["name"]: check for check in laptop.run("doctor")["checks"]}
    assert checks["keys"]["state"] == "warning" and "copies this disk" in checks["keys"]["message"]
    assert found_in(laptop.home) == [], "even so the content itself is sealed"
