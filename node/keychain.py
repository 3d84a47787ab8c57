"""Where the installation key rests: in the system's keychain, or, announced, in a file of mode 0600.

The key is made once. `data/installation.json` says under which random id and in which of the two places,
so that a place is never changed by an environment that differs, and no key is ever made beside data that
another key has sealed. Two installations on one machine have two ids, hence two keychain entries.

`keyring` costs 10 MB and the time to load its backends: it runs in a child process, which this file is
too (`python -m node.keychain`). The key crosses over pipes, never in arguments or the environment.
"""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crdt.errors import KEYS_UNREADABLE, OpenSeshError
from crdt.ids import to_text
from node.storage import files

SERVICE = "opensesh"
KEY_BYTES = 32
# A person may have to find and type the keychain's password.
TIMEOUT_S = 120.0

_NO_ENTRY, _NO_BACKEND, _REFUSED = 3, 4, 5
Place = Literal["keychain", "file"]


@dataclass(frozen=True, slots=True)
class Installation:
    """The unlocked installation. `created` on the first start alone, when `warning` is to be shown, if any."""

    id: str
    place: Place
    created: bool
    key: bytes = field(repr=False)

    @property
    def warning(self) -> str | None:
        """What a person has to know about how the key is kept; None when the keychain has it."""
        if self.place == "keychain":
            return None
        return (
            "The key of this installation is in a file, not in the system's keychain:"
            " whoever copies this disk can read its threads."
        )


def unlock(data: Path, database: Path, environ: Mapping[str, str] = os.environ) -> Installation:
    """The installation key of a data folder, made on the first start. Blocking: call it in a thread.

    Raises KEYS_UNREADABLE when the key can't be read, is missing while the database exists, or when the
    keychain refuses; nothing is overwritten then.
    """
    recorded = _recorded(data)
    if recorded is None:
        if database.exists():
            raise KEYS_UNREADABLE(
                f"{record_file(data)} is missing; it says where the key of this database is.",
                next="Put installation.json (and installation.key, if there was one) back beside the database.",
            )
        recorded = to_text(os.urandom(16)), _choose_place(data, environ)
        _write_record(data, *recorded)
    identity, place = recorded
    key = _read(data, identity, place)
    if key is not None:
        return Installation(identity, place, False, key)
    if database.exists():
        where = "the keychain has no entry for it" if place == "keychain" else f"{key_file(data)} is missing"
        raise KEYS_UNREADABLE(
            f"The key of this database is gone: {where}.",
            next="Restore the key, or start in a new home with: opensesh recovery restore",
        )
    key = os.urandom(KEY_BYTES)
    store(data, identity, place, key)
    return Installation(identity, place, True, key)


def adopt(data: Path, identity: str, key: bytes, environ: Mapping[str, str] = os.environ) -> Installation:
    """Give a data folder that has no key yet this one: what restoring a backup needs."""
    if _recorded(data) is not None:
        raise KEYS_UNREADABLE("This installation already has a key.", path=str(data))
    place = _choose_place(data, environ)
    _write_record(data, identity, place)
    store(data, identity, place, key)
    return Installation(identity, place, True, key)


def present(data: Path) -> Installation | None:
    """The installation that a data folder has, if its key is there. Raises KEYS_UNREADABLE if that can't be told."""
    recorded = _recorded(data)
    key = _read(data, *recorded) if recorded else None
    return Installation(*recorded, False, key) if recorded and key else None


def lookup(identity: str) -> bytes | None:
    """The key that the system's keychain holds for an installation id; None without entry or keychain."""
    code, output, _ = _child("get", identity)
    return bytes.fromhex(output.decode()) if code == 0 else None


def forget(data: Path) -> None:
    """Delete the key and its record: everything that was sealed with it is unreadable from then on."""
    recorded = _recorded(data)
    if recorded is None:
        return
    if recorded[1] == "keychain":
        code, _, complaint = _child("delete", recorded[0])
        if code not in (0, _NO_ENTRY):
            raise _keychain_failed(complaint)
    key_file(data).unlink(missing_ok=True)
    record_file(data).unlink(missing_ok=True)


def record_file(data: Path) -> Path:
    return data / "installation.json"


def key_file(data: Path) -> Path:
    return data / "installation.key"


def store(data: Path, identity: str, place: Place, key: bytes) -> None:
    """Put a key into its place and make sure that it can be read back."""
    if place == "file":
        files.write_private(key_file(data), key.hex().encode() + b"\n")
    else:
        code, _, complaint = _child("set", identity, key.hex().encode())
        if code != 0:
            raise _keychain_failed(complaint)
    if _read(data, identity, place) != key:
        raise KEYS_UNREADABLE("The keychain did not keep the key.", next="Set OPENSESH_KEYRING=file and start again.")


def _recorded(data: Path) -> tuple[str, Place] | None:
    try:
        shape = json.loads(record_file(data).read_bytes())
        if shape["keys"] not in ("keychain", "file"):
            raise ValueError(shape["keys"])
        return str(shape["id"]), shape["keys"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KEYS_UNREADABLE(f"{record_file(data)} can't be read: {error}", path=str(record_file(data))) from error


def _write_record(data: Path, identity: str, place: Place) -> None:
    files.write_private(record_file(data), json.dumps({"id": identity, "keys": place}).encode() + b"\n")


def _choose_place(data: Path, environ: Mapping[str, str]) -> Place:
    wanted = environ.get("OPENSESH_KEYRING", "")
    if wanted not in ("", "file", "keychain"):
        raise KEYS_UNREADABLE(f"OPENSESH_KEYRING is '{wanted}'; it may be 'file' or 'keychain'.", value=wanted)
    if wanted == "file" or key_file(data).exists():
        return "file"
    code, _, complaint = _child("probe", "-")
    if code == 0:
        return "keychain"
    if code == _NO_BACKEND and wanted != "keychain":
        return "file"  # a machine without a keychain; `Installation.warning` says what that means
    raise _keychain_failed(complaint)


def _read(data: Path, identity: str, place: Place) -> bytes | None:
    """The key, None if there is certainly none. Raises KEYS_UNREADABLE if that can't be told."""
    if place == "file":
        return _read_file(key_file(data))
    code, output, complaint = _child("get", identity)
    if code == _NO_ENTRY:
        return None
    if code != 0:
        raise _keychain_failed(complaint)
    return _parse(output.decode(), "the keychain")


def _read_file(path: Path) -> bytes | None:
    try:
        # The descriptor is checked, not the path, so that nothing can be swapped in between.
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
                raise KEYS_UNREADABLE(
                    f"{path} must be a file of your own that nobody else can read.",
                    next=f"Check who had access, then: chmod 600 {path}",
                    path=str(path),
                )
            return _parse(file.read(200).decode("ascii", "replace"), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KEYS_UNREADABLE(f"{path} can't be read: {error.strerror}.", path=str(path)) from error


def _parse(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KEYS_UNREADABLE(f"What {where} holds is no installation key.", next="Restore it from a copy.")
    return key


def _keychain_failed(complaint: str) -> OpenSeshError:
    return KEYS_UNREADABLE(
        f"The system's keychain refused: {complaint or 'no reason given'}",
        next="Unlock the keychain; a new installation can use a key file instead with OPENSESH_KEYRING=file.",
    )


def _child(action: str, identity: str, secret: bytes = b"") -> tuple[int, bytes, str]:
    """Run one keyring call in a process of its own. Returns exit code, output and the last line of complaint."""
    # Our own packages are found wherever the caller stands, and nothing is ever imported from that folder.
    root = str(Path(__file__).resolve().parent.parent)
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "node.keychain", action, identity]
    try:
        done = subprocess.run(
            command, input=secret, capture_output=True, env=environment, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return _REFUSED, b"", f"no answer within {TIMEOUT_S:.0f} s"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return done.returncode, done.stdout, lines[-1] if lines else ""


def _main(action: str, identity: str) -> int:
    """The child: one call to keyring, the secret on stdin or stdout, the outcome as the exit code."""
    import keyring
    import keyring.errors
    from keyring.backends.fail import Keyring as NoKeyring

    backend = keyring.get_keyring()
    # A priority below 1 marks backends that keep secrets in plain files: ours is at least announced.
    if isinstance(backend, NoKeyring) or backend.priority < 1:
        print("there is no usable keychain", file=sys.stderr)
        return _NO_BACKEND
    try:
        if action == "set":
            keyring.set_password(SERVICE, identity, sys.stdin.read())
        elif action == "delete":
            keyring.delete_password(SERVICE, identity)
        elif action == "get":
            found = keyring.get_password(SERVICE, identity)
            if found is None:
                return _NO_ENTRY
            sys.stdout.write(found)
    except keyring.errors.PasswordDeleteError:
        return _NO_ENTRY
    except Exception as error:  # backends raise their own kinds; whichever it is, the key was not had
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2]))
