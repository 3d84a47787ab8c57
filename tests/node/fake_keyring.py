"""A keychain in a file, loaded by `keyring` in the child process as any real backend is.

FAKE_KEYRING names the file; FAKE_KEYRING_MODE makes it "locked" or "forgetful".
"""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class Keyring(KeyringBackend):
    """Keeps (service, name) → secret; priority as that of a real one."""

    priority = 5

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        entries = self._entries()
        if os.environ.get("FAKE_KEYRING_MODE") != "forgetful":
            entries[f"{service}/{username}"] = password
        self._file().write_text(json.dumps(entries))

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        if entries.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("no such entry")
        self._file().write_text(json.dumps(entries))

    def _entries(self) -> dict[str, str]:
        if os.environ.get("FAKE_KEYRING_MODE") == "locked":
            raise KeyringLocked("the collection is locked")
        file = self._file()
        return json.loads(file.read_text()) if file.exists() else {}

    @staticmethod
    def _file() -> Path:
        return Path(os.environ["FAKE_KEYRING"])
