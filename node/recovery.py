"""The 24 words: shown until confirmed, and the way back when every device is lost.

From the words follow the identity, the account thread's id and room, and a login. A relay that keeps the
room gives the account thread back, and with it all rooms and keys; a new device, signed by the root, goes
on from there.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final, Protocol

from crdt import errors, wire, words
from crdt.identity import DeviceKeys, Root
from crdt.ids import ThreadId, to_text
from crdt.records import thread_id
from crdt.stewardship import account_birth, genesis_of
from node import identity as identities
from node.account import Account
from node.bundle import Bundle
from node.identity import Installation, Log
from node.threads import Threads
from node.transports.relay import RelayConnection

QUIET_S: Final = 15.0


class Waiting(Protocol):
    """The synchronizer, as recovery uses it."""

    async def caught_up(self) -> None:
        """Return when everything that the relays have is here."""


class Recovery:
    """`recovery.*`"""

    def __init__(self, account: Account, threads: Threads, sync: Waiting) -> None:
        self._account = account
        self._threads = threads
        self._sync = sync

    def show(self) -> dict[str, Any]:
        """The words. Raises RECOVERY_CONFIRMED."""
        seed = self._seed()
        return {"phrase": words.phrase_from_seed(seed), "identity": to_text(self._account.identity)}

    async def confirm(self, phrase: str) -> None:
        """Erase the root if these are its words. Raises RECOVERY_PHRASE_WRONG or RECOVERY_CONFIRMED.

        With the root erased already, the words serve once more in an account that lacks its entry of their key.
        """
        root = Root.from_seed(words.seed_from_phrase(phrase))
        if not self._account.exists or root.identity != self._account.identity:
            raise errors.RECOVERY_PHRASE_WRONG()
        entered = await self._account.enter_recovery(root)
        if self._account.root() is not None:
            await self._account.forget_root()
        elif not entered:
            raise errors.RECOVERY_CONFIRMED()

    def _seed(self) -> bytes:
        installation = self._account.installation
        if installation is None or installation.root_seed is None:
            raise errors.RECOVERY_CONFIRMED()
        return installation.root_seed

    async def restore(self, phrase: str, relay: str, access_key: str) -> AsyncGenerator[dict[str, Any], None]:
        """The stream of `recovery.restore`. Raises RECOVERY_PHRASE_WRONG if the relay knows nothing of the words."""
        root = Root.from_seed(words.seed_from_phrase(phrase))
        if self._account.exists:
            raise errors.HOME_UNSAFE(
                "This installation belongs to somebody already.",
                next="Restore in a new home: OPENSESH_HOME=DIR opensesh recovery restore …",
            )
        yield {"type": "recovery.progress", "threads": 0, "total": None}
        account = thread_id(genesis_of(root.identity, account_birth(root, (), [])))
        frames = await _fetch(root, relay)
        if not frames:
            raise errors.RECOVERY_PHRASE_WRONG("That relay holds nothing for these words.", relay=relay)
        await self._become(root, account, frames, relay, access_key)
        total = len(self._account.affairs.rooms) - 1
        yield {"type": "recovery.progress", "threads": 0, "total": total}
        await self._sync.caught_up()
        device = to_text(self._account.device.id)
        identity = to_text(self._account.identity)
        yield {"type": "recovery.done", "identity": identity, "threads": total, "device": device}

    async def _become(self, root: Root, account: ThreadId, frames: list[bytes], relay: str, access_key: str) -> None:
        """A new device, entered by the root into the log that the frames hold."""
        seed = identities.new_seed()
        device = DeviceKeys.from_seed(seed)
        bundle = Bundle(
            identity=root.identity,
            account=account,
            room_seed=root.account_room.seed,
            login_seed=root.login.seed,
            generation=0,
            relays={relay: access_key},
            entries=[],
            device_name=self._account.device_name,
        )
        # The recovery key opens what is there; the next account key is wrapped to the new device itself.
        reading = Installation(seed, root.identity, account, former=(root.recovery.secret,))
        await self._account.join(reading, bundle)
        await self._threads.receive(account, frames, await self._threads.store.origin_number("relay", relay))
        written = Log(root.identity, list(self._account.affairs.entries))
        name, now = self._account.device_name, self._threads.now_ms()
        known = len(written.entries)
        written.add_device(device, root.signing, name, identities.platform_name(), now)
        written.add_recovery_key(root, now)
        await self._account.admit_device(written.entries[known:], device.agreement.public)
        await self._account.put("relays", {relay: access_key})
        await self._account.join(Installation(seed, root.identity, account), bundle)
        await self._account.reread()


async def _fetch(root: Root, relay: str) -> list[bytes]:
    """Everything the relay keeps of the account thread."""
    connection = await RelayConnection.connect(relay, root.login)
    try:
        room = root.account_room
        certificate = wire.certify(room, root.login.public, False, wire.OWN_GENERATION)
        try:
            attached = await connection.attach(certificate, 0, b"")
        except errors.OpenSeshError as error:
            if error.details.get("reason") == "no-room":
                return []
            raise
        frames: list[bytes] = []
        upto = 0
        while upto < attached.last:
            async with asyncio.timeout(QUIET_S):
                event = await connection.next_event()
            if isinstance(event, wire.Deliver) and event.room == room.public:
                frames += event.frames
                upto = event.upto
        return frames
    finally:
        await connection.close()
