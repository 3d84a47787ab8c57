"""Operations on the node itself: how it stands, stopping it, its settings."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from crdt.ids import ThreadId, to_text
from node import config, shapes
from node.account import Account
from node.api.requests import Context
from node.checkup import Checkup
from node.home import Home
from node.keeping import Keeping
from node.keychain import Installation
from node.library import Library
from node.version import VERSION


class SystemHandlers:
    """`status`, `node.stop`, `doctor`, `config.*`, `backup.*`, `purge` and `identity.whoami`."""

    def __init__(
        self,
        home: Home,
        installation: Installation,
        account: Account,
        library: Library,
        sync_words: Callable[[], Awaitable[str]],
        checkup: Checkup,
        keeping: Keeping,
        forget: Callable[[ThreadId], Awaitable[None]],
    ) -> None:
        self._home = home
        self._installation = installation
        self._account = account
        self._library = library
        self._sync_words = sync_words
        self._checkup = checkup
        self._keeping = keeping
        self._forget = forget
        self._started_at = time.time_ns() // 1_000_000
        self.state = "starting"
        self.stop_asked = asyncio.Event()

    def device(self) -> dict[str, Any]:
        """This device, in the API's shape."""
        account = self._account
        found = account.affairs.log.devices.get(account.device.id) if account.exists else None
        name = found.name if found else account.device_name
        return {"id": to_text(account.device.id) if account.exists else None, "name": name}

    async def status(self, p: Any, context: Context) -> dict[str, Any]:
        """`status`"""
        return {
            "state": self.state,
            "version": VERSION,
            "pid": os.getpid(),
            "started_at": shapes.time(self._started_at),
            "home": self._home.places.home,
            "identity": to_text(self._account.identity) if self._account.exists else None,
            "device": self.device(),
            "threads": len(await self._library.list()),
            "sync": await self._sync_words(),
            "keys": self._installation.place,
        }

    async def stop(self, p: Any, context: Context) -> dict[str, Any]:
        """`node.stop`"""
        self.state = "stopping"
        asyncio.get_running_loop().call_later(0.05, self.stop_asked.set)  # once this is answered
        return {"stopping": True, "pid": os.getpid()}

    async def doctor(self, p: Any, context: Context) -> dict[str, Any]:
        """`doctor`"""
        return await self._checkup.run()

    async def backup_create(self, p: Any, context: Context) -> dict[str, Any]:
        """`backup.create`"""
        return await self._keeping.create(Path(p.path), p.passphrase)

    async def backup_restore(self, p: Any, context: Context) -> dict[str, Any]:
        """`backup.restore`"""
        return await self._keeping.restore(Path(p.path), p.passphrase)

    async def purge(self, p: Any, context: Context) -> dict[str, Any]:
        """`purge`"""
        return await self._keeping.purge(p.dry_run, self._forget)

    async def config_get(self, p: Any, context: Context) -> dict[str, Any]:
        """`config.get`"""
        loaded = config.load(self._home.config_file)
        values = dict(loaded.values) if p.key is None else {p.key: config.get(loaded, p.key)}
        return {"config": values, "path": str(self._home.config_file)}

    async def config_set(self, p: Any, context: Context) -> dict[str, Any]:
        """`config.set`"""
        typed = p.value if isinstance(p.value, str) else json.dumps(p.value)
        if p.value is None:
            config.unset_value(self._home.config_file, p.key)
        else:
            config.set_value(self._home.config_file, p.key, typed)
        value = config.get(config.load(self._home.config_file), p.key)
        return {"key": p.key, "value": value, "restart": True}

    async def whoami(self, p: Any, context: Context) -> dict[str, Any]:
        """`identity.whoami`"""
        account = self._account
        installation = account.installation
        return {
            "identity": to_text(account.identity) if account.exists else None,
            "name": self.device()["name"],
            "device": self.device(),
            "recovery_confirmed": installation is not None and installation.root_seed is None,
        }
