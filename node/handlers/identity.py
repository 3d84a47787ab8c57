"""Operations on the identity: pairing, devices, the recovery words."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from crdt import errors, words
from crdt.identity import Device, Root
from crdt.ids import DeviceId, to_text
from node import shapes
from node.account import Account
from node.api.requests import Context
from node.devices import Devices
from node.pairing import Entering, Nearby, Shower
from node.recovery import Recovery
from node.threads import Threads
from node.transfer import Transfer


class IdentityHandlers:
    """`pair.*`, `device.*` and `recovery.*`."""

    def __init__(
        self,
        account: Account,
        threads: Threads,
        recovery: Recovery,
        nearby: Nearby | None,
        is_online: Callable[[DeviceId], bool],
    ) -> None:
        self._account = account
        self._threads = threads
        self._devices = Devices(account, threads)
        self._recovery = recovery
        self._transfer = Transfer(account, threads)
        self._nearby = nearby
        self._is_online = is_online
        self._showing: Shower | None = None

    # ---- pairing

    async def pair_show(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        """`pair.show`"""
        await self._account.ensure()
        if self._account.is_revoked:
            raise errors.DEVICE_REVOKED()
        expires_ms = self._threads.now_ms() + int(p.timeout_s * 1000)
        self._showing = showing = Shower(self._account, self._nearby, expires_ms, p.confirm)
        try:
            async for line in showing.show():
                yield line
        finally:
            if self._showing is showing:
                self._showing = None

    async def pair_confirm(self, p: Any, context: Context) -> dict[str, Any]:
        """`pair.confirm`"""
        if self._showing is None or not self._showing.answer(p.accept):
            raise errors.PAIRING_EXPIRED("No device is asking to join.", next="Show a code with: opensesh pair")
        return {"accepted": p.accept}

    async def pair_join(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        """`pair.join`"""
        entering = Entering(self._account, self._transfer, self._nearby)
        async for line in entering.join(p.code, p.relay, p.phrase):
            yield line

    async def finish_transfers(self) -> None:
        """Accept what a pairing that was cut off has left to be accepted."""
        await self._transfer.accept_all()

    # ---- devices

    async def device_list(self, p: Any, context: Context) -> dict[str, Any]:
        """`device.list`"""
        return {"devices": [self._row(device) for device in self._devices.all()]}

    async def device_rename(self, p: Any, context: Context) -> dict[str, Any]:
        """`device.rename`"""
        return {"device": self._row(await self._devices.rename(p.device, p.name))}

    async def device_revoke(self, p: Any, context: Context) -> dict[str, Any]:
        """`device.revoke`"""
        root = Root.from_seed(words.seed_from_phrase(p.phrase)) if p.phrase else None
        device, threads = await self._devices.revoke(p.device, root)
        return {"device": self._row(device), "threads": threads}

    async def enforce_revocations(self) -> None:
        """Bring threads in line with the device log; harmless when they are."""
        await self._devices.enforce()

    def _row(self, device: Device) -> dict[str, Any]:
        this = self._account.exists and device.id == self._account.device.id
        return {
            "id": to_text(device.id),
            "name": device.name,
            "platform": device.platform,
            "this": this,
            "state": "revoked" if device.revoked else "active",
            "online": this or self._is_online(device.id),
            "added_at": shapes.time(device.added_at_ms),
        }

    # ---- recovery

    async def recovery_show(self, p: Any, context: Context) -> dict[str, Any]:
        """`recovery.show`"""
        await self._account.ensure()
        return self._recovery.show()

    async def recovery_confirm(self, p: Any, context: Context) -> dict[str, Any]:
        """`recovery.confirm`"""
        await self._recovery.confirm(p.phrase)
        return {"confirmed": True}

    async def recovery_restore(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        """`recovery.restore`"""
        async for line in self._recovery.restore(p.phrase, p.relay, p.access_key or ""):
            yield line
