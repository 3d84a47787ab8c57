"""Devices, identity, sync and relays of the Python API."""

import os
from collections.abc import AsyncIterator

from client.api.calls import Calls, absolute, typed
from client.api.operation import calls
from client.api.results import devices as r

WAIT_S = 600.0


class Devices:
    """A `device` is given as its id, a unique prefix of the id, or its exact name."""

    _calls: Calls

    @calls("pair.show")
    async def show_pairing_code(
        self, timeout_s: float = WAIT_S, *, confirm: bool = True
    ) -> AsyncIterator[r.PairingStep]:
        """Offer a pairing code (the first step) and wait for the other device (the last). Leaving burns the code.

        With `confirm`, the step pair.joining names a device that waits for `confirm_pairing`.
        """
        async for line in self._calls.stream("pair.show", timeout_s=timeout_s, confirm=confirm):
            yield typed(line, r.PairingStep)

    @calls("pair.confirm")
    async def confirm_pairing(self, accept: bool) -> None:
        """Let the device in that asks to join, or turn it away. Raises PAIRING_EXPIRED if none asks."""
        await self._calls.plain("pair.confirm", accept=accept)

    @calls("pair.join")
    async def pair(
        self, code: str, relay: str | None = None, phrase: str | None = None, timeout_s: float = WAIT_S
    ) -> AsyncIterator[r.PairingStep]:
        """Join the device that shows a code, over `relay` if this device has none yet. A wrong code burns it.

        The recovery words of this device are needed if it has threads and its words are confirmed.
        """
        steps = self._calls.stream("pair.join", code=code, relay=relay, phrase=phrase, timeout_s=timeout_s)
        async for line in steps:
            yield typed(line, r.PairingStep)

    @calls("device.list")
    async def devices(self) -> list[r.Device]:
        """The devices of this identity."""
        return typed((await self._calls.plain("device.list")).get("devices"), list[r.Device])

    @calls("device.rename")
    async def rename_device(self, device: str, name: str) -> r.Device:
        """Give a device another name."""
        return typed((await self._calls.plain("device.rename", device=device, name=name)).get("device"), r.Device)

    @calls("device.revoke")
    async def revoke_device(self, device: str, phrase: str | None = None) -> r.Revoked:
        """Cut a device off in every thread, and replace every key; with the recovery words also an older one."""
        return await self._calls.call("device.revoke", r.Revoked, device=device, phrase=phrase)

    @calls("identity.whoami")
    async def whoami(self) -> r.Identity:
        """Who this installation is."""
        return await self._calls.call("identity.whoami", r.Identity)

    @calls("recovery.show")
    async def recovery_phrase(self) -> str:
        """The 24 recovery words, until they are confirmed. Raises RECOVERY_CONFIRMED after that."""
        return typed((await self._calls.plain("recovery.show")).get("phrase"), str)

    @calls("recovery.confirm")
    async def confirm_recovery(self, phrase: str) -> None:
        """Say that the words are written down, by giving them; they are then erased from this device."""
        await self._calls.plain("recovery.confirm", phrase=phrase)

    @calls("recovery.restore")
    async def restore_identity(
        self, phrase: str, relay: str, access_key: str | None = None, timeout_s: float = WAIT_S
    ) -> AsyncIterator[r.RecoveryStep]:
        """Bring everything back from the words and a relay alone; the last step is recovery.done."""
        steps = self._calls.stream(
            "recovery.restore", phrase=phrase, relay=relay, access_key=access_key, timeout_s=timeout_s
        )
        async for line in steps:
            yield typed(line, r.RecoveryStep)

    @calls("sync.status")
    async def sync_status(self, thread: str | None = None) -> r.SyncStatus:
        """With what this device syncs, and what is still only here."""
        return await self._calls.call("sync.status", r.SyncStatus, thread=thread)

    @calls("sync.enable")
    async def enable_sync(self, thread: str | None = None, project: str | os.PathLike[str] | None = None) -> r.Switched:
        """Let a thread, a project, or (with neither) everything sync."""
        return await self._calls.call("sync.enable", r.Switched, thread=thread, project=absolute(project))

    @calls("sync.disable")
    async def disable_sync(
        self, thread: str | None = None, project: str | os.PathLike[str] | None = None
    ) -> r.Switched:
        """Keep a thread, a project, or (with neither) everything on this device only."""
        return await self._calls.call("sync.disable", r.Switched, thread=thread, project=absolute(project))

    @calls("sync.connect")
    async def connect_relay(self, url: str, access_key: str | None = None) -> r.Relay:
        """Use a relay. Kept even if it can't be reached now, unless it refuses (RELAY_REFUSED)."""
        return typed((await self._calls.plain("sync.connect", url=url, access_key=access_key)).get("relay"), r.Relay)

    @calls("sync.disconnect")
    async def disconnect_relay(self, url: str) -> list[r.Relay]:
        """Stop using a relay; what it holds stays there. Gives those that are left."""
        return typed((await self._calls.plain("sync.disconnect", url=url)).get("relays"), list[r.Relay])

    @calls("sync.wait")
    async def wait_for_sync(
        self, thread: str | None = None, *, incoming: bool = False, timeout_s: float = WAIT_S
    ) -> int:
        """Wait until all local changes are stored by a relay or another device; gives the milliseconds it took.

        With `incoming`, until both sides match. Raises TIMEOUT, or NOTHING_TO_SYNC_WITH at once.
        """
        found = await self._calls.plain("sync.wait", thread=thread, incoming=incoming, timeout_s=timeout_s)
        return typed(found.get("waited_ms"), int)

    @calls("relay.status")
    async def relays(self, url: str | None = None) -> list[r.Relay]:
        """Ask the relays in use, or the one named, whether they are ready."""
        return typed((await self._calls.plain("relay.status", url=url)).get("relays"), list[r.Relay])
