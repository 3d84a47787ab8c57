"""The node itself, its settings, backups and events, of the Python API."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Final

from client.api.calls import Calls, absolute, typed
from client.api.operation import calls
from client.api.results import upkeep as r
from crdt.errors import DAEMON_NOT_RUNNING, OpenSeshError

Value = str | bool | int | float | list[str] | None
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0


class Upkeep:
    """What concerns the installation as a whole."""

    _calls: Calls

    @calls("status")
    async def status(self) -> r.Status:
        """Whether the node is ready, what it is, and how it stands."""
        return await self._calls.call("status", r.Status)

    @calls("node.stop")
    async def stop(self) -> int:
        """Stop the node gracefully; gives its process id. It has not stopped yet when this returns."""
        return typed((await self._calls.plain("node.stop")).get("pid"), int)

    @calls("doctor")
    async def doctor(self) -> r.Diagnosis:
        """Check the installation: database, keys, disk, clock, sockets, relays, models."""
        return await self._calls.call("doctor", r.Diagnosis)

    @calls("config.get")
    async def config(self, key: str | None = None) -> r.Config:
        """The settings in force, or one of them."""
        return await self._calls.call("config.get", r.Config, key=key)

    @calls("config.set")
    async def set_config(self, key: str, value: Value) -> r.Setting:
        """Change one setting, in the file and in the running node; None puts it back to its default."""
        return await self._calls.call("config.set", r.Setting, key=key, value=value)

    @calls("backup.create")
    async def create_backup(self, path: str | os.PathLike[str], passphrase: str | None = None) -> r.Backup:
        """Write everything this device holds into a new encrypted file."""
        return await self._calls.call("backup.create", r.Backup, path=absolute(path), passphrase=passphrase)

    @calls("backup.restore")
    async def restore_backup(self, path: str | os.PathLike[str], passphrase: str | None = None) -> r.Restored:
        """Bring back what a backup holds; what is here already stays."""
        return await self._calls.call("backup.restore", r.Restored, path=absolute(path), passphrase=passphrase)

    @calls("purge")
    async def purge(self, *, dry_run: bool = True) -> r.Purge:
        """Free the space of what was deleted for ever; by default only say what would go."""
        return await self._calls.call("purge", r.Purge, dry_run=dry_run)

    @calls("events.watch")
    async def events(
        self, thread: str | None = None, since: int | None = None, *, reconnect: bool = True
    ) -> AsyncIterator[r.Event]:
        """What happens, as it happens, after the cursor `since`, or from now; of one thread or of all.

        The first event of each connection is of type `ready` and says after which cursor the watch goes on.
        If the node goes away, the watch waits for it to come back and resumes, without gap or repeat of
        what is kept; with `reconnect=False` it raises DAEMON_NOT_RUNNING instead. The node is not started
        for it. Raises CURSOR_UNKNOWN if the node no longer has what followed the cursor.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async for line in self._calls.stream("events.watch", thread=thread, since=since):
                    pause_s = _FIRST_PAUSE_S
                    since = typed(line.get("cursor"), int)
                    yield r.Event(cursor=since, type=str(line.get("type")), thread=line.get("thread"), data=line)
            except OpenSeshError as error:
                if error.kind is not DAEMON_NOT_RUNNING or not reconnect:
                    raise
            else:
                if not reconnect:
                    return
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
