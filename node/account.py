"""The identity's own affairs, in its account thread: device log, thread index, keys that devices share.

The account thread is a thread like any other, private to the identity. Its `shared` document holds
maps of plain values, flat so that two devices' changes merge key by key: `index` (`<thread>/room`, or of somebody
else's thread `<thread>/link` and `<thread>/admitted`; `<thread>/state`, `<thread>/generation`), `keys`
(`identity/<generation>`, `login/<generation>`, `recovery`, `room`, `room_generation`), `relays`; and of sharing the
links we made (`invites`), who comes by which login (`logins`), who asks to be let in (`asking`), and whom we know
(`people`). Everything another device needs to go on is in there, or reachable from it.
"""

import asyncio
import os
from collections.abc import Callable, Sequence

import msgspec

from crdt import errors, keys
from crdt.author import Author
from crdt.identity import DeviceKeys, DeviceLog, Root, SignedEntry, fold_log
from crdt.ids import DeviceId, IdentityId, SessionId, ThreadId, to_text
from crdt.pairing import presentable
from crdt.permissions import LaneKind
from crdt.replica import Receipt, Replica
from crdt.stewardship import account_birth, found, introduction
from crdt.thread import SHARED, set_shared
from node import identity as identities
from node import names
from node.affairs import Affairs, Room, own_room, read_affairs
from node.bundle import Bundle, decode_bundle
from node.identity import Installation, Log
from node.open_thread import Draft, OpenThread
from node.store import Batch, Store
from node.threads import Threads

Listener = Callable[[], None]
BUNDLE = "bundle"  # the secret that a joining device was given, kept until its account thread is here


class Account:
    """Who we are, as the rest of the node asks it. A `Pen` for `Threads`."""

    def __init__(self, store: Store, device_name: str) -> None:
        self.store = store
        self.device_name = device_name
        self.installation: Installation | None = None
        self.affairs = Affairs()
        self.listeners: list[Listener] = []
        self._device: DeviceKeys | None = None
        self._threads: Threads | None = None
        self._birth = asyncio.Lock()

    async def load(self, threads: Threads) -> None:
        """Read what there is; without an identity there is nothing yet."""
        self._threads = threads
        threads.on_change.append(self._on_change)
        self._set(await identities.load(self.store))
        if self.installation is not None:
            await self._read_stored()

    async def _read_stored(self) -> None:
        """What the account thread says; until it has come to a device that just joined, what it was given."""
        given = await self.store.secret(BUNDLE)
        if given is not None:
            self._take(decode_bundle(given))
        try:
            opened = await self.threads.open(self.thread)
        except errors.OpenSeshError as error:
            if given is None or error.kind is not errors.THREAD_NOT_FOUND:
                raise
            return
        self._read(opened.replica)

    def _take(self, bundle: Bundle) -> None:
        """Stand on what the device that let us in gave us."""
        room = own_room(self.thread, keys.SigningKey.from_seed(bundle.room_seed), bundle.generation)
        log = fold_log(self.identity, bundle.entries)
        self.affairs = Affairs(
            entries=list(bundle.entries),
            log=log,
            recovery=log.recovery or b"",
            logins={0: keys.SigningKey.from_seed(bundle.login_seed)},
            rooms={self.thread: room},
            relays=dict(bundle.relays),
        )

    def _set(self, installation: Installation | None) -> None:
        self.installation = installation
        self._device = installation.device if installation else None

    @property
    def threads(self) -> Threads:
        assert self._threads is not None, "load comes first"
        return self._threads

    @property
    def exists(self) -> bool:
        """Whether this installation is somebody yet."""
        return self.installation is not None

    @property
    def thread(self) -> ThreadId:
        """The account thread."""
        return ThreadId(self._installed().account)

    @property
    def identity(self) -> IdentityId:
        return IdentityId(self._installed().identity)

    @property
    def device(self) -> DeviceKeys:
        self._installed()
        assert self._device is not None
        return self._device

    @property
    def is_revoked(self) -> bool:
        """Whether another device has cut this one off."""
        mine = self.affairs.log.devices.get(self.device.id) if self.exists else None
        return mine is not None and mine.revoked

    def _installed(self) -> Installation:
        if self.installation is None:
            raise errors.INTERNAL("There is no identity yet.")
        return self.installation

    # ---- what threads ask (Pen)

    def author(self, session: SessionId) -> Author:

        if self.is_revoked:
            raise errors.DEVICE_REVOKED()
        return Author(self.device, self.identity, session, os.urandom)

    def check_standing(self) -> None:
        """Raise DEVICE_REVOKED if another device has cut this one off."""
        if self.is_revoked:
            raise errors.DEVICE_REVOKED()

    def own_keys(self) -> list[keys.AgreementKey]:
        former = [keys.AgreementKey.from_secret(secret) for secret in self._installed().former]
        return [self.device.agreement, *self.affairs.identity_keys.values(), *former]

    def entries(self) -> Sequence[SignedEntry]:
        return self.affairs.entries

    def recipients(self, replica: Replica) -> list[bytes]:
        membership = replica.membership
        if membership.genesis is not None and membership.genesis.purpose == "account":
            return account_readers(self.affairs.log, self.affairs.recovery)
        logs = [
            self.affairs.log if each == self.identity else membership.logs.get(each) for each in membership.members()
        ]
        return [log.identity_key[1] for log in logs if log and log.identity_key]  # some may have shown no device yet

    def newest_identity_key(self) -> bytes:
        """The public half of our own, to wrap content keys to."""
        held = {key.public for key in self.affairs.identity_keys.values()}
        named = [public for _, public in sorted(self.affairs.log.identity_keys.items()) if public in held]
        return named[-1] if named else self.affairs.identity_keys[max(self.affairs.identity_keys)].public

    def name_of(self, device: DeviceId, replica: Replica) -> str:
        """See `names.author_name`."""
        return names.author_name(self.affairs, replica.membership, device)

    async def be_called(self, name: str | None) -> None:
        """Remember what other people are to call us; nothing if that is nothing to be shown."""
        if shown := presentable(name or ""):
            await self.put("people", {f"{to_text(self.identity)}/name": shown})

    # ---- birth

    async def ensure(self) -> None:
        """Make the identity, if there is none: with its first thread, or when a code is first shown."""
        async with self._birth:
            if self.installation is None:
                await self._be_born()

    async def _be_born(self) -> None:
        now = self.threads.now_ms()
        root_seed, device_seed = identities.new_seed(), identities.new_seed()
        root, device = Root.from_seed(root_seed), DeviceKeys.from_seed(device_seed)
        identity_key = keys.AgreementKey.from_secret(identities.new_seed())
        log = Log(root.identity, [])
        log.add_device(device, root.signing, self.device_name, identities.platform_name(), now)
        log.add_identity_key(identity_key.public, 1, root.signing, now)
        log.add_recovery_key(root, now)
        await self.begin(root, device, device_seed, log.entries, {"identity/1": identity_key.secret.hex()}, root_seed)

    async def begin(
        self,
        root: Root,
        device: DeviceKeys,
        device_seed: bytes,
        entries: list[SignedEntry],
        shared_keys: dict[str, str],
        root_seed: bytes | None,
    ) -> None:
        """Found the account thread of a new identity and become its first device."""

        author = Author(device, root.identity, SessionId(os.urandom(16)), os.urandom)
        recipients = [device.agreement.public, root.recovery.public]
        birth = account_birth(root, entries, recipients)
        replica, commit = found(author, [device.agreement], birth)
        installation = Installation(device_seed, root.identity, replica.thread, root_seed)
        values = {
            **shared_keys,
            "login/1": identities.new_seed().hex(),
            "recovery": root.recovery.public.hex(),  # for devices that don't look for it in the log yet
            "room": root.account_room.seed.hex(),
        }
        self._set(installation)

        def first(draft: Draft) -> None:
            draft.commit(SHARED, lambda doc: set_shared(doc, "keys", values))
            draft.batch.secrets[identities.NAME] = installation.encode()

        try:
            await self.threads.adopt(replica, commit, first)
        except BaseException:
            self._set(None)
            raise
        self._read(replica)

    # ---- joining another identity

    async def former_keys(self) -> tuple[bytes, ...]:
        """The X25519 secrets with which this device reads what it has until now."""
        if self.installation is None:
            return ()
        return tuple(key.secret for key in self.own_keys())

    async def join(self, installation: Installation, bundle: Bundle) -> None:
        """Become a device of another identity. What it knows of its account comes by sync."""
        secrets: dict[str, bytes | None] = {
            identities.NAME: installation.encode(),
            BUNDLE: msgspec.msgpack.encode(bundle),
        }
        await self.store.write(Batch(secrets=secrets))
        for thread in list(self.affairs.rooms):
            self.threads.forget(thread)
        self._set(installation)
        self._take(bundle)
        self._tell()

    async def become(self, installation: Installation) -> None:
        """Be the device that a backup holds. Its account thread comes from there too."""
        self._set(installation)
        given = await self.store.secret(BUNDLE)
        if given is not None:
            self._take(decode_bundle(given))

    async def reread(self) -> None:
        """Read the account thread as this device sees it now."""
        self._read((await self.threads.open(self.thread)).replica)

    async def settled(self) -> None:
        """Wait until the account thread has come far enough to know this device."""
        known = asyncio.Event()

        def look() -> None:
            if self.device.id in self.affairs.log.devices and self.affairs.identity_keys:
                known.set()

        self.listeners.append(look)
        try:
            look()
            await known.wait()
        finally:
            self.listeners.remove(look)

    async def admit_device(self, entries: Sequence[SignedEntry], agreement: bytes) -> None:
        """Enter a new device, with a fresh account key that is wrapped to it too."""
        async with self.threads.change(self.thread) as draft:
            after = fold_log(self.identity, [*self.affairs.entries, *entries])
            recipients = [*account_readers(self.affairs.log, after.recovery or self.affairs.recovery), agreement]
            draft.rotate(introduction(list(entries)), recipients)

    def root(self) -> Root | None:
        """The root, while the words are not confirmed."""
        return self._installed().root

    # ---- reading

    def _on_change(self, opened: OpenThread, receipts: list[Receipt]) -> None:
        if self.exists and opened.id == self.thread and receipts:
            self._read(opened.replica)

    def _read(self, replica: Replica) -> None:
        affairs = read_affairs(replica, self.identity, self.affairs.rooms)
        if self.device.id not in affairs.log.devices:
            # Not all has come yet: what we were given when we joined holds until it has.
            affairs.logins = {**self.affairs.logins, **affairs.logins}
            affairs.rooms = {**self.affairs.rooms, **affairs.rooms}
            affairs.relays = {**self.affairs.relays, **affairs.relays}
        learned = affairs.identity_keys.keys() - self.affairs.identity_keys.keys()
        self.affairs = affairs
        if learned:
            self._hand_out_keys(replica)
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _hand_out_keys(self, account: Replica) -> None:
        """Threads in memory were opened without the new identity key: let them be opened anew."""
        for thread in list(self.affairs.rooms):
            if thread != account.thread:
                self.threads.forget(thread)

    @property
    def login(self) -> keys.SigningKey:
        """The login key for relays; the newest."""
        return self.affairs.logins[max(self.affairs.logins)]

    def room_of(self, thread: ThreadId) -> Room | None:
        """Where a thread syncs, if we know."""
        return self.affairs.rooms.get(thread)

    def is_deleted(self, thread: ThreadId) -> bool:
        """Whether the identity deleted that thread for good."""
        room = self.affairs.rooms.get(thread)
        return room is not None and room.state == "deleted"

    # ---- writing

    async def put(self, root: str, values: dict[str, object]) -> None:
        """Set values in one of the account's maps; None deletes. Durable when it returns."""
        async with self.threads.change(self.thread) as draft:
            draft.commit(SHARED, lambda doc: set_shared(doc, root, values))

    async def add_thread(self, thread: ThreadId, room: keys.SigningKey) -> None:
        """Enter a thread into the index, so that the other devices find it."""
        await self.put("index", {f"{to_text(thread)}/room": room.seed.hex()})

    async def set_state(self, thread: ThreadId, state: str | None) -> None:
        """Mark a thread as trashed or deleted, or (None) as neither."""
        await self.put("index", {f"{to_text(thread)}/state": state})

    async def extend_log(self, entries: Sequence[SignedEntry]) -> None:
        """Publish device log entries in the account thread."""
        async with self.threads.change(self.thread) as draft:
            draft.record(LaneKind.CONTROL, introduction(list(entries)))

    def log(self) -> Log:
        """Our device log, to be written on."""
        return Log(self.identity, list(self.affairs.entries))

    async def enter_recovery(self, root: Root | None = None) -> bool:
        """Enter the recovery key into the log, if it isn't there and the root is at hand. Whether it was entered."""
        root, log = root or self.root(), self.log()
        if root is None or self.is_revoked or self.device.id not in self.affairs.log.devices:
            return False
        if not log.add_recovery_key(root, self.threads.now_ms()):
            return False
        await self.extend_log(log.entries[-1:])
        return True

    async def forget_root(self) -> None:
        """Erase the root's seed: the words are written down."""

        confirmed = msgspec.structs.replace(self._installed(), root_seed=None)
        await self.store.write(Batch(secrets={identities.NAME: confirmed.encode()}))
        self._set(confirmed)


def account_readers(log: DeviceLog, recovery: bytes) -> list[bytes]:
    """What the account's content key is wrapped to: every device that stands, and the words, if their key is known."""
    return [*(device.agreement for device in log.live()), *([recovery] if recovery else [])]
