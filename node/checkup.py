"""`doctor`: look at everything this installation stands on, and say what to do about what is wrong."""

import shutil
import stat
import time
from collections.abc import Callable
from typing import Any, Final

from crdt.errors import OpenSeshError
from node.account import Account
from node.agent.providers import Providers
from node.home import Home
from node.keychain import Installation
from node.store import Store
from node.synchronizer import Synchronizer

LOW_BYTES: Final = 500 * 1024 * 1024
NO_CLOCK_BEFORE: Final = 1_735_689_600  # 2025-01-01: this version is younger
Check = dict[str, Any]


class Checkup:
    """Runs every check; each is one row with `state` ok, warning or failed."""

    def __init__(
        self,
        home: Home,
        installation: Installation,
        store: Store,
        account: Account,
        synchronizer: Synchronizer,
        providers: Providers,
        local_network: Callable[[], str],
    ) -> None:
        self._home = home
        self._installation = installation
        self._store = store
        self._account = account
        self._sync = synchronizer
        self._providers = providers
        self._local_network = local_network

    async def run(self) -> dict[str, Any]:
        """All checks; `ok` is false if one failed."""
        checks = [
            await self._database(),
            self._keys(),
            self._recovery(),
            self._disk(),
            self._clock(),
            self._socket(),
            self._network(),
            *await self._relays(),
            await self._models(),
        ]
        return {"ok": all(check["state"] != "failed" for check in checks), "checks": checks}

    async def _database(self) -> Check:
        damage = await self._store.damage()
        if damage:
            return _row("database", "failed", damage, "Restore a backup: opensesh backup restore FILE")
        counts = await self._store.counts()
        unclean = " after an unclean stop, found whole" if self._store.opened.unclean else ""
        return _row("database", "ok", f"{counts['threads']} threads, {counts['frames']} changes{unclean}")

    def _keys(self) -> Check:
        if self._installation.place == "keychain":
            return _row("keys", "ok", "The key of this database is in the system's keychain.")
        return _row(
            "keys",
            "warning",
            "The key of this database is in a file beside it: whoever copies this disk can read its threads.",
            "Start without OPENSESH_KEYRING=file in a new home on a machine with a keychain, and pair it.",
        )

    def _recovery(self) -> Check:
        installation = self._account.installation
        if self._account.exists and not self._account.affairs.recovery:
            said = "It isn't certain which key the recovery words have, so they open nothing that is new."
            return _row("recovery", "warning", said, "Give the words once more: opensesh recovery confirm")
        if installation is None or installation.root_seed is None:
            return _row("recovery", "ok", "No recovery words are kept on this device.")
        following = "Write them down: opensesh recovery show, then opensesh recovery confirm"
        return _row("recovery", "warning", "The recovery words are not confirmed.", following)

    def _disk(self) -> Check:
        free = shutil.disk_usage(self._home.data).free
        said = f"{free / 2**30:.1f} GiB free"
        if free < LOW_BYTES:
            return _row("disk", "warning", said, "Free some space: what can't be stored is refused.")
        return _row("disk", "ok", said)

    def _clock(self) -> Check:
        now = time.time()
        if now < NO_CLOCK_BEFORE:
            said = f"The clock says {time.strftime('%Y-%m-%d', time.gmtime(now))}."
            return _row("clock", "failed", said, "Set the clock: messages are shown in its order.")
        return _row("clock", "ok", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))

    def _socket(self) -> Check:
        mode = stat.S_IMODE(self._home.socket.stat().st_mode)
        folder = stat.S_IMODE(self._home.socket.parent.stat().st_mode)
        if mode & 0o077 or folder & 0o077:
            return _row("socket", "failed", "Others may reach the socket.", f"chmod 700 {self._home.socket.parent}")
        return _row("socket", "ok", str(self._home.socket))

    def _network(self) -> Check:
        problem = self._local_network()
        return _row("local network", "warning" if problem else "ok", problem or "no trouble")

    async def _relays(self) -> list[Check]:
        checks = []
        for link in self._sync.links():
            found = await self._sync.probe(link.url)
            if found["ready"]:
                checks.append(_row(f"relay {link.url}", "ok", f"answers in {found['round_trip_ms']} ms"))
            else:
                error = found["error"]
                checks.append(_row(f"relay {link.url}", "failed", error["message"], error["next"]))
        return checks or [_row("relays", "ok", "none in use")]

    async def _models(self) -> Check:
        try:
            named = [provider.name for provider, _ in await self._providers.all()]
        except OpenSeshError as error:
            return _row("models", "failed", error.message, error.kind.next)
        if not named:
            following = "opensesh provider add NAME --base-url URL --model M --key-stdin"
            return _row("models", "warning", "Only the built-in guide answers.", following)
        return _row("models", "ok", ", ".join(named))


def _row(name: str, state: str, message: str, following: str | None = None) -> Check:
    return {"name": name, "state": state, "message": message, **({"next": following} if following else {})}
