"""The identity's devices: list, rename, and end one everywhere.

Ending a device replaces what it knew: the identity key, the login for relays, the account's content key,
and each thread's; and it names, in every thread, where the device's work ends. The log entry comes first
and is what counts: `enforce` brings the threads in line with it, now or after a crash.
"""

import contextlib
import logging
from collections.abc import Sequence

from crdt import errors, keys
from crdt.identity import RENAME, REVOKE, Device, DeviceLog, Root, SignedEntry, fold_log
from crdt.ids import DeviceId, ThreadId, to_text
from crdt.membership import Limit
from crdt.pairing import presentable
from crdt.stewardship import introduction, revocation
from crdt.thread import SHARED, set_shared
from node.account import Account, account_readers
from node.identity import new_seed
from node.open_thread import Draft
from node.threads import Threads

log = logging.getLogger(__name__)


class Devices:
    """Commands on the devices of our identity."""

    def __init__(self, account: Account, threads: Threads) -> None:
        self._account = account
        self._threads = threads

    def all(self) -> Sequence[Device]:
        """Those that stand first, each group the senior first."""
        devices = self._account.affairs.log.devices.values()
        return sorted(devices, key=lambda device: (device.revoked, device.rank))

    def find(self, name: str) -> Device:
        """By id, unique prefix of it, or exact name; one that stands before a revoked one of that name.

        Raises DEVICE_NOT_FOUND.
        """
        everything = self.all()
        matching = [d for d in everything if to_text(d.id) == name or d.name == name]
        matching = matching or [d for d in everything if len(name) >= 4 and to_text(d.id).startswith(name.lower())]
        standing = [d for d in matching if not d.revoked] or matching
        if len(standing) != 1:
            more = "More than one device has that name; give its id." if standing else None
            raise errors.DEVICE_NOT_FOUND(more, device=name[:200])
        return standing[0]

    async def rename(self, name: str, new_name: str) -> Device:
        """Give a device another name. Raises REQUEST_INVALID for one that can't be shown."""
        device, shown = self.find(name), presentable(new_name)
        if not shown:
            raise errors.REQUEST_INVALID("That name has nothing in it that can be shown.")
        written = self._account.log()
        written.add(RENAME, self._account.device.signing, at_ms=self._threads.now_ms(), subject=device.id, name=shown)
        await self._account.extend_log(written.entries[-1:])
        return self._account.affairs.log.devices[device.id]

    async def revoke(self, name: str, root: Root | None = None) -> tuple[Device, int]:
        """End a device in every thread, and replace every key. How many threads got new ones.

        Raises PERMISSION_DENIED for a device that is senior to this one, unless the root signs.
        """
        device = self.find(name)
        if device.revoked:
            raise errors.DEVICE_REVOKED("That device is revoked already.", next="See: opensesh devices list")
        signer = self._signer(device, root)
        written = self._account.log()
        now = self._threads.now_ms()
        written.add(REVOKE, signer, at_ms=now, subject=device.id)
        identity_key = keys.AgreementKey.from_secret(new_seed())
        generation = fold_log(written.identity, written.entries).next_generation
        written.add_identity_key(identity_key.public, generation, signer, at_ms=now)
        if root is not None:
            written.add_recovery_key(root, now)
        values: dict[str, object] = {
            f"identity/{generation}": identity_key.secret.hex(),
            f"login/{1 + max(self._account.affairs.logins)}": new_seed().hex(),
            "room_generation": 1 + self._account.affairs.rooms[self._account.thread].generation,
        }
        await self._end_in_account(device, written.entries[len(self._account.affairs.entries) :], values)
        await self.enforce()
        return self._account.affairs.log.devices[device.id], await self._count_ended(device.id)

    def _signer(self, device: Device, root: Root | None) -> keys.SigningKey:
        account = self._account
        if root is not None:
            if root.identity != account.identity:
                raise errors.RECOVERY_PHRASE_WRONG("Those are the words of another identity.")
            return root.signing
        own = account.affairs.log.devices[account.device.id]
        if own.rank > device.rank:
            raise errors.PERMISSION_DENIED(
                f"{device.name} was there before this device, so this device can't end it.",
                next="Do it from an older device, or give the recovery words: --phrase-stdin",
            )
        return account.device.signing

    async def _end_in_account(self, device: Device, entries: Sequence[SignedEntry], values: dict[str, object]) -> None:
        account = self._account
        after = fold_log(account.identity, [*account.affairs.entries, *entries])
        index = {
            f"{to_text(thread)}/generation": room.generation + 1
            for thread, room in account.affairs.rooms.items()
            if thread != account.thread
        }
        async with self._threads.change(account.thread) as draft:
            # Whatever the account has as a plain value may be the thief's: what the root has entered serves alone.
            recipients = account_readers(after, after.recovery or b"")
            draft.rotate(revocation(draft.thread.replica, device.id, entries), recipients)
            draft.commit(SHARED, lambda doc: set_shared(doc, "keys", values))
            draft.commit(SHARED, lambda doc: set_shared(doc, "index", index))

    async def enforce(self) -> int:
        """End our revoked devices in every thread that we own and that doesn't have it yet. How many that were."""
        account = self._account
        if not account.exists or account.is_revoked:
            return 0
        ended = 0
        for thread, room in list(account.affairs.rooms.items()):
            if thread != account.thread and room.state != "deleted":
                ended += await self._enforce_in(thread)
        return ended

    async def _count_ended(self, device: DeviceId) -> int:
        """In how many threads the device is cut off."""
        count = 0
        for thread in list(self._account.affairs.rooms):
            if thread != self._account.thread:
                with contextlib.suppress(errors.OpenSeshError):
                    limits = (await self._threads.open(thread)).replica.membership.limits
                    count += any(limit.device == device for limit in limits)
        return count

    async def _enforce_in(self, thread: ThreadId) -> int:
        try:
            opened = await self._threads.open(thread)
        except errors.OpenSeshError:
            return 0  # not here yet: its turn comes when it is
        if not self._missing(opened.replica.membership.limits, self._account.affairs.log):
            return 0
        async with self._threads.change(thread) as draft:
            replica = draft.thread.replica
            if replica.membership.owner != self._account.identity:
                return 0  # another owner's: they are told by our log, and end it there
            self._end(draft, self._missing(replica.membership.limits, self._account.affairs.log))
        return 1

    def _missing(self, limits: Sequence[Limit], known: DeviceLog) -> list[DeviceId]:
        ended = {limit.device for limit in limits}
        return [device.id for device in known.devices.values() if device.revoked and device.id not in ended]

    def _end(self, draft: Draft, devices: list[DeviceId]) -> None:
        entries = self._account.entries()
        actions = [a for device in devices for a in revocation(draft.thread.replica, device, ())]
        draft.rotate([*introduction(entries), *actions])
