"""Where the installation key rests, and that no key is ever made beside data another key has sealed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crdt.errors import KEYS_UNREADABLE, OpenSeshError
from node import keychain

FILE = {"OPENSESH_KEYRING": "file"}


@pytest.fixture
def keyring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working keychain for the child processes; its entries are in this file."""
    file = tmp_path / "keychain.json"
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "fake_keyring.Keyring")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("FAKE_KEYRING", str(file))
    return file


@pytest.fixture
def no_keychain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def unlock(data: Path, environ: dict[str, str] | None = None) -> keychain.Installation:
    return keychain.unlock(data, data / "opensesh.db", environ or {})


def refused(data: Path, environ: dict[str, str] | None = None) -> OpenSeshError:
    with pytest.raises(OpenSeshError) as error:
        unlock(data, environ)
    assert error.value.kind is KEYS_UNREADABLE
    return error.value


def test_the_key_goes_to_the_keychain_and_into_no_file(data: Path, keyring_file: Path) -> None:
    first = unlock(data)
    assert first.place == "keychain"
    assert first.warning is None
    assert first.created
    again = unlock(data)
    assert again.key == first.key
    assert not again.created
    assert json.loads(keyring_file.read_text()) == {f"opensesh/{first.id}": first.key.hex()}
    for file in data.iterdir():
        assert first.key.hex() not in file.read_text()


def test_two_installations_share_a_keychain_and_no_key(tmp_path: Path, keyring_file: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    first, second = (unlock(home) for home in homes)
    assert first.id != second.id
    assert first.key != second.key
    keychain.forget(homes[0])
    assert list(json.loads(keyring_file.read_text())) == [f"opensesh/{second.id}"]
    assert list(homes[0].iterdir()) == []


def test_the_key_file_is_private_and_announced(data: Path) -> None:
    made = unlock(data, FILE)
    assert made.place == "file"
    assert made.warning is not None
    assert keychain.key_file(data).stat().st_mode & 0o777 == 0o600
    assert unlock(data, FILE).key == made.key


def test_without_a_keychain_the_key_goes_to_an_announced_file(data: Path, no_keychain: None) -> None:
    assert unlock(data).warning is not None


def test_without_a_keychain_one_that_was_asked_for_is_an_error(data: Path, no_keychain: None) -> None:
    refused(data, {"OPENSESH_KEYRING": "keychain"})
    assert list(data.iterdir()) == []


def test_a_key_in_the_keychain_is_used_even_if_a_file_is_asked_for_later(data: Path, keyring_file: Path) -> None:
    made = unlock(data)
    assert unlock(data, FILE).key == made.key
    assert not keychain.key_file(data).exists()


def test_a_key_in_a_file_stays_there_when_a_keychain_appears(data: Path, keyring_file: Path) -> None:
    made = unlock(data, FILE)
    assert unlock(data).key == made.key
    assert not keyring_file.exists()


def test_a_locked_keychain_is_no_reason_for_a_new_key(
    data: Path, keyring_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = unlock(data)
    monkeypatch.setenv("FAKE_KEYRING_MODE", "locked")
    assert "locked" in refused(data).message
    monkeypatch.delenv("FAKE_KEYRING_MODE")
    assert unlock(data).key == made.key


def test_a_keychain_that_forgets_is_noticed_before_anything_relies_on_it(
    data: Path, keyring_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_KEYRING_MODE", "forgetful")
    assert "did not keep" in refused(data).message


@pytest.mark.parametrize("lost", ["installation.key", "installation.json"])
def test_a_lost_key_beside_a_database_is_an_error_and_no_new_key(data: Path, lost: str) -> None:
    unlock(data, FILE)
    (data / "opensesh.db").write_bytes(b"data")
    (data / lost).unlink()
    left = {file.name: file.read_bytes() for file in data.iterdir()}
    refused(data, FILE)
    assert {file.name: file.read_bytes() for file in data.iterdir()} == left


def test_a_lost_keychain_entry_beside_a_database_is_an_error(data: Path, keyring_file: Path) -> None:
    unlock(data)
    (data / "opensesh.db").write_bytes(b"data")
    keyring_file.unlink()
    refused(data)
    assert not keyring_file.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("installation.key", b"not a key\n"),
        ("installation.key", b""),
        ("installation.json", b"{"),
        ("installation.json", b"[]"),
    ],
)
def test_a_damaged_key_or_record_is_left_as_it_is(data: Path, name: str, content: bytes) -> None:
    unlock(data, FILE)
    (data / name).write_bytes(content)
    refused(data, FILE)
    assert (data / name).read_bytes() == content


def test_a_key_file_that_others_can_read_is_refused(data: Path) -> None:
    unlock(data, FILE)
    keychain.key_file(data).chmod(0o640)
    assert "chmod 600" in refused(data, FILE).to_json()["next"]


def test_a_key_file_that_is_a_folder_is_refused(data: Path) -> None:
    unlock(data, FILE)
    keychain.key_file(data).unlink()
    keychain.key_file(data).mkdir()
    refused(data, FILE)


def test_a_start_cut_off_before_the_key_was_stored_goes_on(data: Path, keyring_file: Path) -> None:
    made = unlock(data)
    keyring_file.unlink()
    again = unlock(data)
    assert again.id == made.id
    assert again.created


def test_the_key_is_in_no_argument_and_no_environment_of_the_child(
    data: Path, keyring_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    run = subprocess.run

    def recorded(command: list[str], **options: object) -> object:
        seen.append(repr((command, options["env"])))
        return run(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", recorded)
    made = unlock(data)
    assert len(seen) >= 3
    assert not any(made.key.hex() in call or repr(made.key) in call for call in seen)
    assert made.key.hex() not in repr(made)


def test_the_caller_never_loads_keyring(data: Path, keyring_file: Path) -> None:
    program = (
        "import sys, pathlib; from node import keychain;"
        "d = pathlib.Path(sys.argv[1]); keychain.unlock(d, d / 'x', {}); sys.exit('keyring' in sys.modules)"
    )
    root = Path(keychain.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{Path(__file__).parent}"}
    assert subprocess.run([sys.executable, "-c", program, str(data)], env=environment, check=False).returncode == 0


def test_a_folder_with_a_false_keyring_in_it_is_not_trusted(
    data: Path, keyring_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "keyring.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(trap)
    assert unlock(data).place == "keychain"


@pytest.mark.deep
@pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")),
    reason="gnome-keyring-daemon and dbus-run-session are not installed",
)
def test_gnome_keyring_keeps_the_key(data: Path) -> None:
    program = (
        "import pathlib, sys; from node import keychain; d = pathlib.Path(sys.argv[1]);"
        "a = keychain.unlock(d, d / 'x', {}); b = keychain.unlock(d, d / 'x', {});"
        "assert a.place == 'keychain' and a.key == b.key and a.warning is None, a;"
        "assert not keychain.key_file(d).exists(); keychain.forget(d); assert keychain.lookup(a.id) is None"
    )
    start = "printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null"
    script = f'{start} && "{sys.executable}" -c "$0" "$1"'
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_KEYRING_BACKEND"}
    environment |= {"PYTHONPATH": str(Path(keychain.__file__).parent.parent), "XDG_DATA_HOME": str(data / "share")}
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", script, program, str(data)],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
