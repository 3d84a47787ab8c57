"""Backups of the installation, bringing one back, and freeing the space of what is gone."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crdt import errors
from crdt.ids import ThreadId
from node import identity as identities
from node import keychain
from node.account import BUNDLE, Account
from node.home import Home
from node.keychain import Installation
from node.library import Library
from node.storage import backup
from node.store import Batch, Store
from node.summary import decode_summary
from node.threads import Threads

ASIDE = (".replaced-", ".backup", ".damaged-")  # parts of the names of databases that gave way to another


class Keeping:
    """`backup.*` and `purge`."""

    def __init__(
        self, home: Home, installation: Installation, store: Store, account: Account, threads: Threads, library: Library
    ) -> None:
        self._home = home
        self._installation = installation
        self._store = store
        self._account = account
        self._threads = threads
        self._library = library

    async def create(self, target: Path, passphrase: str | None) -> dict[str, Any]:
        """Write a backup while the node runs. Raises BACKUP_INVALID if the file exists, DISK_FULL."""

        def write() -> int:
            backup.create(self._home.database, target, self._installation, self._threads.now_ms(), passphrase)
            return target.stat().st_size

        size_bytes = await asyncio.to_thread(write)
        return {"path": str(target), "size_bytes": size_bytes, "threads": len(await self._library.all())}

    async def restore(self, source: Path, passphrase: str | None) -> dict[str, Any]:
        """Bring back what a backup holds; what is here stays.

        Raises BACKUP_INVALID for another identity's, AUTH_FAILED for the passphrase, KEYS_UNREADABLE without a key.
        """
        with tempfile.TemporaryDirectory(dir=self._home.data, prefix="restoring-") as name:
            folder = Path(name)
            for file in (keychain.record_file(self._home.data), keychain.key_file(self._home.data)):
                if file.exists():
                    shutil.copy(file, folder)
            database = folder / "opensesh.db"
            opened = await asyncio.to_thread(backup.restore, source, database, passphrase, {"OPENSESH_KEYRING": "file"})
            other = await Store.open(database, opened.installation.key)
            try:
                await self._adopt_identity(other)
                threads, restored = await self._merge(other)
                await self._merge_settings(other)
            finally:
                await other.close()
        return {"path": str(source), "threads": threads, "restored": restored}

    async def _adopt_identity(self, other: Store) -> None:
        theirs = await identities.load(other)
        if theirs is None:
            return
        if self._account.exists:
            if theirs.identity != self._account.identity:
                raise errors.BACKUP_INVALID(
                    "That backup is of another identity than this installation's.",
                    next="Restore it in a new home: OPENSESH_HOME=DIR opensesh backup restore FILE",
                )
            return
        secrets: dict[str, bytes | None] = {identities.NAME: theirs.encode(), BUNDLE: await other.secret(BUNDLE)}
        await self._store.write(Batch(secrets=secrets))
        await self._account.become(theirs)

    async def _merge(self, other: Store) -> tuple[int, int]:
        """All frames of all threads, the account's first: it says how to open the others."""
        summaries = await other.summaries()
        account = self._account.thread if self._account.exists else None
        restored = 0
        origin = await self._store.origin_number("backup", "restored")
        for summary in sorted(summaries, key=lambda each: each.thread != account):
            page: list[bytes] = []
            async for frame in other.stream_frames(summary.thread):
                page.append(frame.frame)
                if len(page) == 500:
                    restored += await self._threads.receive(ThreadId(summary.thread), page, origin)
                    page = []
            restored += await self._threads.receive(ThreadId(summary.thread), page, origin)
            if summary.thread == account:
                await self._account.reread()
        ordinary = [each for each in summaries if decode_summary(each.payload).purpose == "thread"]
        return len(ordinary), restored

    async def _merge_settings(self, other: Store) -> None:
        """Providers, what is followed, what is kept from syncing: those that are not set here."""
        mine, secrets = await self._store.settings(), await self._store.secrets()
        settings = {n: v for n, v in (await other.settings()).items() if n not in mine and not n.startswith("relay/")}
        missing = {n: v for n, v in (await other.secrets()).items() if n not in secrets and n.startswith("provider/")}
        await self._store.write(Batch(settings={**settings}, secrets={**missing}))

    async def purge(self, dry_run: bool, forget: Callable[[ThreadId], Any]) -> dict[str, Any]:
        """Threads that were deleted for ever, and databases that gave way to others."""
        deleted = [each for each in await self._library.all() if each.state == "deleted"]
        sizes = [await self._store.size_of(each.id) for each in deleted]
        old = [path for path in self._home.data.iterdir() if any(part in path.name for part in ASIDE)]
        items = [
            {"what": "threads deleted for ever", "count": len(deleted), "size_bytes": sum(sizes)},
            {"what": "former databases", "count": len(old), "size_bytes": sum(path.stat().st_size for path in old)},
        ]
        if not dry_run:
            for each in deleted:
                await forget(each.id)
            for path in old:
                path.unlink()
        return {"dry_run": dry_run, "items": items, "size_bytes": sum(int(str(item["size_bytes"])) for item in items)}
