"""The local network: be found, find the identity's other devices, and keep a session with each.

Nothing is announced before there is somebody to find: a second device of the identity, or a code that is
being shown or typed. What is heard on the network is believed in nothing but the proof that each line
begins with (`crdt/link.py`).
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

from crdt import keys
from crdt.errors import OpenSeshError, PeerFault
from crdt.ids import DeviceId, ThreadId, to_text
from crdt.link import Contacts
from crdt.replica import Receipt
from node.account import Account
from node.background import Background
from node.discovery import Discovery, Peer
from node.open_thread import OpenThread
from node.pairing import OnPairing
from node.sync.backoff import Backoff
from node.sync.peer_session import Inventories, PeerSession
from node.threads import Threads
from node.transports.base import Transport, TransportClosed
from node.transports.certificate import server_context
from node.transports.lan import LanServer, LanTransport, dial, dial_pairing

log = logging.getLogger(__name__)


class Neighbours:
    """Owns the LAN listener, the discovery and the sessions. `start` it, `close` it."""

    def __init__(
        self, account: Account, threads: Threads, may_sync: Callable[[ThreadId], bool], *, enabled: bool, port: int = 0
    ) -> None:
        self._account = account
        self._threads = threads
        self._may_sync = may_sync
        self._enabled = enabled
        self._port = port
        self._port_problem = ""
        self._inventories = Inventories(threads)
        self._sessions: dict[DeviceId, PeerSession] = {}
        self._transports: dict[DeviceId, Transport] = {}
        self._server: LanServer | None = None
        self._discovery: Discovery | None = None
        self._contacts: Contacts | None = None
        self._up = asyncio.Lock()
        self._background = Background()
        self._dialled: dict[str, DeviceId | None] = {}  # pseudonym → who it proved to be, while the line stands
        self.changed: Callable[[], None] = lambda: None
        self.on_heard: Callable[[ThreadId, bytes], None] = lambda thread, payload: None

    # ---- its life

    @property
    def enabled(self) -> bool:
        """Whether the local network may be used."""
        return self._enabled

    async def start(self) -> None:
        """Begin, as soon as there is somebody to find."""
        if self._enabled:
            self._account.listeners.append(self._refresh)
            self._threads.on_stored.append(self._on_stored)
            self._refresh()

    async def close(self) -> None:
        """Say goodbye and hang up."""
        await self._background.close()
        await self._go_down()

    async def _go_down(self) -> None:
        async with self._up:
            discovery, server, self._discovery, self._server = self._discovery, self._server, None, None
            for transport in list(self._transports.values()):
                await transport.close()
            if discovery is not None:
                await discovery.close()
            if server is not None:
                await server.close()

    def _refresh(self) -> None:
        """The identity's affairs changed: other devices, other threads."""
        if not self._account.exists:
            return
        if self._account.is_revoked:  # nobody of ours is there for it any more: neither to find nor to be found
            self._background.begin(self._go_down(), "local network")
            return
        self._contacts = None
        live = {device.id for device in self._account.affairs.log.live()}
        for device in [device for device in self._sessions if device not in live]:
            self._background.begin(self._transports[device].close(), "hang up")
        self.threads_changed()
        if live - {self._account.device.id}:
            self._background.begin(self._ensure_up(), "local network")

    async def _ensure_up(self) -> Discovery:
        async with self._up:
            if self._discovery is None:
                self._server = server = await self._listen()
                self._discovery = Discovery(self._account.device.signing.seed, server.port)
                await self._discovery.start()
                self._background.begin(self._watch(self._discovery), "neighbours")
            return self._discovery

    async def _listen(self) -> LanServer:
        """On the port of the settings; on any other if that one can't be had, for others are told which."""
        context, certificate_hash = await server_context()
        server = LanServer(self._account.device.signing, self._known, self._serve)
        try:
            await server.start(context, certificate_hash, port=self._port)
        except OSError as error:
            if not self._port:
                raise
            self._port_problem = f"Port {self._port} (sync.lan_port) can't be used: {error.strerror}. Another one is."
            log.warning("%s", self._port_problem)
            await server.start(context, certificate_hash)
        return server

    def _known(self) -> Contacts:
        """The identity's other devices, whose keys the log vouches for."""
        if self._contacts is None:
            others = {d.id: d.agreement for d in self._account.affairs.log.live() if d.id != self._account.device.id}
            self._contacts = Contacts(self._account.device.agreement, others)
        return self._contacts

    # ---- sessions

    async def _watch(self, discovery: Discovery) -> None:
        """Dial whoever is ours to dial, whenever somebody comes or goes."""
        while self._discovery is discovery:
            revision = discovery.revision
            for pseudonym, peer in list(discovery.peers.items()):
                if pseudonym not in self._dialled and discovery.dials(peer):
                    self._dialled[pseudonym] = None
                    self._background.begin(self._keep(discovery, peer), "dial")
            await discovery.changed(revision)

    async def _keep(self, discovery: Discovery, peer: Peer) -> None:
        """A session with whoever is behind a pseudonym, for as long as it is announced."""
        backoff = Backoff()
        try:
            while self._discovery is discovery and peer.pseudonym in discovery.peers:
                transport = await self._dial(discovery.peers[peer.pseudonym])
                if transport is not None and transport.peer.device is not None:
                    begun = asyncio.get_running_loop().time()
                    await self._serve(transport)
                    backoff.stood(asyncio.get_running_loop().time() - begun)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff.next_s()):
                        while peer.pseudonym in discovery.peers:
                            await discovery.changed(discovery.revision)
        finally:
            self._dialled.pop(peer.pseudonym, None)

    async def _dial(self, peer: Peer) -> LanTransport | None:
        for address in peer.addresses:
            try:
                return await dial(address, peer.port, self._account.device.signing, self._known())
            except (TransportClosed, PeerFault) as fault:
                log.debug("nobody of ours at %s: %s", address, fault)
        return None

    async def _serve(self, transport: LanTransport) -> None:
        """One session, from a proved line to its end. A newer line to the same device takes the place of an older."""
        device = transport.peer.device
        assert device is not None
        if device in self._transports:
            await self._transports[device].close()
        session = PeerSession(device, transport, self._threads, self._inventories, self)
        session.changed = self.changed
        session.on_heard = self.on_heard
        self._sessions[device], self._transports[device] = session, transport
        log.info("local network: a line to %s", to_text(device)[:8])
        try:
            await session.run()
        except PeerFault as fault:
            log.warning("a device of ours broke the rules: %s", fault.reason)
        except OpenSeshError as error:  # the disk is full, say: hang up, and try again later
            log.warning("what a device sent could not be stored: %s", error)
        finally:
            if self._sessions.get(device) is session:
                del self._sessions[device], self._transports[device]
            if not self._sessions:
                self._inventories.clear()
            self.changed()

    def threads(self) -> list[ThreadId]:
        """Every thread of the identity that may leave this device, the account first."""
        account = self._account
        if not account.exists:
            return []
        return [account.thread, *(t for t in account.affairs.rooms if t != account.thread and self.may(t))]

    def may(self, thread: ThreadId) -> bool:
        """Whether a thread may be spoken of with the identity's other devices, now."""
        account = self._account
        if not account.exists or thread == account.thread:
            return account.exists
        room = account.room_of(thread)
        return room is not None and room.state != "deleted" and self._may_sync(thread)

    def threads_changed(self) -> None:
        """Other threads may leave this device now than before."""
        for session in self._sessions.values():
            session.threads_changed()

    def whisper(self, thread: ThreadId, payload: bytes) -> None:
        """Pass presence to whoever has a line to us and the thread."""
        for session in self._sessions.values():
            session.whisper(thread, payload)

    def _on_stored(self, opened: OpenThread, stored: list[tuple[bytes, bytes, Receipt]], origin: int) -> None:
        hashes = [frame_hash for _, frame_hash, _ in stored]
        self._inventories.add(opened.id, hashes)
        for session in self._sessions.values():
            session.frames_stored(opened.id, hashes, origin)

    # ---- what sync and devices ask

    def problem(self) -> str:
        """Why the local network can't be used, in a sentence; empty if it can, or isn't to be."""
        return (self._discovery.problem if self._discovery is not None else "") or self._port_problem

    def is_online(self, device: DeviceId) -> bool:
        """Whether there is a line to it now."""
        return device in self._sessions

    def holders(self, thread: ThreadId) -> int:
        """How many other devices surely have all of a thread that is here."""
        return sum(session.holds_all(thread) for session in self._sessions.values())

    def peers(self) -> list[dict[str, Any]]:
        """The devices with a line, in the API's shape."""
        devices = self._account.affairs.log.devices
        shared = self.threads()
        return [
            {
                "device": to_text(device),
                "name": devices[device].name if device in devices else "",
                "state": "connected",
                "pending": sum(not session.holds_all(thread) for thread in shared),
            }
            for device, session in self._sessions.items()
        ]

    def all_held(self, thread: ThreadId | None) -> bool:
        """Whether some other device has everything (of a thread, or of all) that may leave this one."""
        wanted = [thread] if thread is not None else self.threads()
        return any(all(session.holds_all(each) for each in wanted) for session in self._sessions.values())

    # ---- pairing

    @contextlib.asynccontextmanager
    async def showing(self, nameplate: str, on_pairing: OnPairing) -> AsyncIterator[None]:
        """Announce that a code is shown, and pass on who dials for it."""
        discovery = await self._ensure_up()
        assert self._server is not None
        self._server.on_pairing = on_pairing
        await discovery.show_pairing(nameplate)
        try:
            yield
        finally:
            self._server.on_pairing = None
            await discovery.show_pairing(None)

    async def find(self, nameplate: str) -> tuple[Transport, str]:
        """A bare line to whoever shows a code under that nameplate, and the venue. Waits until there is one."""
        discovery = self._discovery
        looking = discovery is None
        if discovery is None:  # somebody without an identity only looks, and announces nothing that lasts
            discovery = await self._look()
        try:
            while True:
                peer = await discovery.find_pairing(nameplate)
                for address in peer.addresses:
                    with contextlib.suppress(TransportClosed):
                        return await dial_pairing(address, peer.port)
                await discovery.changed(discovery.revision)
        finally:
            if looking:
                await discovery.close()

    async def _look(self) -> Discovery:
        discovery = Discovery(os.urandom(keys.KEY_BYTES), 9)  # the discard port: nobody answers there
        await discovery.start()
        return discovery
