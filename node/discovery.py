"""Find other nodes on the local network by mDNS, and be found, without telling strangers anything lasting.

What is announced: `_opensesh._tcp.local.`, with a pseudonym that is drawn anew at each start and for each
network, a port, and whether a pairing code is shown. Who is behind a pseudonym is found out by dialling
(`transports/lan.py`), which proves it. What is heard is untrusted: every field is checked, addresses must
be local ones, and the table of peers is bounded.

When the machine's addresses change (cable out, other Wi-Fi, sleep), everything is built anew under
another pseudonym. `OPENSESH_LAN=0` turns it all off: then nothing here is imported by the node.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crdt import ids, keys
from node.transports.addresses import is_local, own_addresses

if TYPE_CHECKING:
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

SERVICE_TYPE: Final = "_opensesh._tcp.local."
VERSION: Final = "1"
MAX_PEERS: Final = 128
MAX_ADDRESSES: Final = 8
MAX_INTERFACES: Final = 16
MAX_RESOLVING: Final = 16
POLL_S: Final = 5.0
_RESOLVE_MS: Final = 3000
_PSEUDONYM_BYTES: Final = 10
_PSEUDONYM: Final = re.compile(r"[a-z2-7]{16}")
_MAX_TXT_CHARACTERS: Final = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who says to be a node. `plate` is the hash of the nameplate it shows a code under, or ""."""

    pseudonym: str
    addresses: tuple[str, ...]
    port: int
    capabilities: frozenset[str]
    plate: str


def lan_enabled(environment: Mapping[str, str]) -> bool:
    """False when `OPENSESH_LAN` says so: `0`, `off`, `no` or `false`."""
    return environment.get("OPENSESH_LAN", "1").strip().lower() not in ("0", "off", "no", "false")


def new_pseudonym(device_secret: bytes, nonce: bytes) -> str:
    """A name for one start on one network: 80 bits that nobody without the device's secret can link to another."""
    return ids.to_text(keys.derive(device_secret, "lan-pseudonym", nonce, size=_PSEUDONYM_BYTES))


def plate_hash(nameplate: str, pseudonym: str) -> str:
    """How a shower announces its nameplate. A nameplate is no secret; this only keeps it off the screen."""
    return ids.to_text(keys.digest("lan-nameplate", nameplate.encode(), pseudonym.encode(), size=5))


def read_peer(
    label: str, addresses: list[str], port: int | None, properties: Mapping[bytes, bytes | None]
) -> Peer | None:
    """What a neighbour announced, checked; None for anything but a well-formed node of our version."""
    texts = {}
    for name in ("version", "deviceId", "capabilities", "plate"):
        value = properties.get(name.encode()) or b""
        if len(value) > _MAX_TXT_CHARACTERS or not value.isascii():
            return None
        texts[name] = value.decode("ascii")
    if texts["version"] != VERSION or texts["deviceId"] != label or not _PSEUDONYM.fullmatch(label):
        return None
    local = tuple(dict.fromkeys(address for address in addresses if is_local(address)))[:MAX_ADDRESSES]
    if not local or port is None or not 0 < port < 65536:
        return None
    capabilities = frozenset(re.findall(r"[a-z]{1,16}", texts["capabilities"]))
    plate = texts["plate"] if "pair" in capabilities and re.fullmatch(r"[a-z2-7]{8}", texts["plate"]) else ""
    return Peer(label, local, port, capabilities, plate)


class Discovery:
    """Announces this node's LAN port and keeps the table of others. `start` it, `close` it.

    `device_secret` is any secret of the device; `addresses` says where this machine is, and is asked
    every `poll_s` seconds. `problem` says in a sentence why nothing is announced, or is "".
    """

    def __init__(
        self,
        device_secret: bytes,
        port: int,
        *,
        addresses: Callable[[], tuple[str, ...]] = own_addresses,
        poll_s: float = POLL_S,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._secret, self._port, self._entropy = device_secret, port, entropy
        self._own_addresses, self._poll_s = addresses, poll_s
        self.pseudonym = new_pseudonym(device_secret, entropy(16))
        self.problem = ""
        self._nameplate: str | None = None
        self._serial = 0
        self._peers: dict[str, Peer] = {}
        self._revision = 0
        self._changed = asyncio.Condition()
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._service: ServiceInfo | None = None
        self._resolving: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(MAX_RESOLVING)
        self._turn = asyncio.Lock()  # building, updating and taking down, one at a time
        self._watching: asyncio.Task[None] | None = None

    # ---- what the node asks

    @property
    def peers(self) -> Mapping[str, Peer]:
        """Who is announced now, by pseudonym. Anybody can announce anything."""
        return self._peers

    @property
    def revision(self) -> int:
        """Grows with every change of `peers`."""
        return self._revision

    async def changed(self, since: int) -> int:
        """Wait until `peers` differ from what they were at revision `since`; the revision now."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._revision != since)
            return self._revision

    def dials(self, peer: Peer) -> bool:
        """Whether we dial this peer, or it us: both see both, and one line is enough."""
        return self.pseudonym < peer.pseudonym

    async def find_pairing(self, nameplate: str) -> Peer:
        """Wait for a peer that shows a code under that nameplate. Cancel it when enough time has passed."""
        while True:
            revision = self._revision
            for peer in self._peers.values():
                if peer.plate and peer.plate == plate_hash(nameplate, peer.pseudonym):
                    return peer
            await self.changed(revision)

    async def show_pairing(self, nameplate: str | None) -> None:
        """Announce that a code is shown under that nameplate, or (None) no longer."""
        self._nameplate = nameplate
        async with self._turn:
            if self._zeroconf is None or self._service is None:
                return  # not up; announced with the rest when it is
            self._service = self._describe(self._service.parsed_addresses())
            await (await self._zeroconf.async_update_service(self._service))

    # ---- its life

    async def start(self) -> None:
        """Begin. Returns at once; announcing takes about a second, and waits for a network if there is none."""
        self._watching = asyncio.create_task(self._watch(), name="discovery")

    async def close(self) -> None:
        """Say goodbye to the network."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        async with self._turn:
            await self._take_down()

    async def _watch(self) -> None:
        """Build for the addresses there are, and anew when they change."""
        built_for: tuple[str, ...] | None = None
        while True:
            addresses = self._own_addresses()
            if addresses != built_for:
                built_for = None
                try:
                    async with self._turn:
                        await self._take_down()
                        await self._build(addresses)
                    built_for = addresses
                except Exception as error:  # zeroconf raises many kinds for a network that went away meanwhile
                    problem = f"The local network can't be used: {error or type(error).__name__}."
                    if problem != self.problem:
                        _log.warning("discovery: %s", problem)
                    self.problem = problem
            await asyncio.sleep(self._poll_s)

    async def _build(self, addresses: tuple[str, ...]) -> None:
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

        if not addresses:
            raise OSError("no interface has a local address")
        self.pseudonym = new_pseudonym(self._secret, self._entropy(16))
        self._zeroconf = AsyncZeroconf(interfaces=_interfaces(addresses))
        self.problem = ""
        self._service = self._describe(_announced(addresses))
        # Browsing first: registering probes for name conflicts, which takes most of a second.
        self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE_TYPE, handlers=[self._on_service])
        await (await self._zeroconf.async_register_service(self._service))

    async def _take_down(self) -> None:
        resolving, self._resolving = list(self._resolving.values()), {}
        for task in resolving:
            task.cancel()
        await asyncio.gather(*resolving, return_exceptions=True)
        zeroconf, self._zeroconf, self._service = self._zeroconf, None, None
        browser, self._browser = self._browser, None
        if self._peers:
            self._peers.clear()
            await self._announce_change()
        with contextlib.suppress(Exception):  # the network it would say goodbye to may be gone
            if browser is not None:
                await browser.async_cancel()
        with contextlib.suppress(Exception):
            if zeroconf is not None:
                await zeroconf.async_close()

    def _describe(self, addresses: list[str]) -> "ServiceInfo":
        from zeroconf import ServiceInfo

        # mDNS caches take a text that they have seen before for no news: each description is another one.
        self._serial += 1
        properties = {"version": VERSION, "deviceId": self.pseudonym, "capabilities": "sync", "n": str(self._serial)}
        if self._nameplate is not None:
            properties |= {"capabilities": "sync,pair", "plate": plate_hash(self._nameplate, self.pseudonym)}
        return ServiceInfo(
            SERVICE_TYPE,
            f"{self.pseudonym}.{SERVICE_TYPE}",
            port=self._port,
            properties=properties,
            server=f"{self.pseudonym}.local.",  # not the machine's name
            parsed_addresses=addresses,
        )

    # ---- what is heard

    def _on_service(self, zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        from zeroconf import ServiceStateChange

        label = name.removesuffix(f".{SERVICE_TYPE}")
        if label == self.pseudonym or not _PSEUDONYM.fullmatch(label):
            return
        task = self._resolving.pop(label, None)
        if task is not None:
            task.cancel()
        if state_change is ServiceStateChange.Removed:
            if label not in self._peers:
                return
            self._resolving[label] = asyncio.create_task(self._lose(label))
        elif label in self._peers or len(self._peers) + len(self._resolving) < MAX_PEERS:
            self._resolving[label] = asyncio.create_task(self._resolve(label, name))

    async def _lose(self, label: str) -> None:
        if self._peers.pop(label, None) is not None:
            await self._announce_change()
        self._settle(label)

    async def _resolve(self, label: str, name: str) -> None:
        from zeroconf.asyncio import AsyncServiceInfo

        service = AsyncServiceInfo(SERVICE_TYPE, name)
        async with self._slots:
            zeroconf = self._zeroconf
            if zeroconf is not None and await service.async_request(zeroconf.zeroconf, _RESOLVE_MS):
                peer = read_peer(label, service.parsed_scoped_addresses(), service.port, service.properties)
                if peer is not None and self._peers.get(label) != peer:
                    self._peers[label] = peer
                    await self._announce_change()
        self._settle(label)

    def _settle(self, label: str) -> None:
        if self._resolving.get(label) is asyncio.current_task():
            del self._resolving[label]

    async def _announce_change(self) -> None:
        async with self._changed:
            self._revision += 1
            self._changed.notify_all()


def _interfaces(addresses: tuple[str, ...]) -> list[str]:
    """Where to speak mDNS: on every IPv4 interface (and loopback, for a second node on this machine),
    on IPv6 only where there is nothing else."""
    old = [address for address in addresses if ":" not in address]
    if any(not ipaddress.ip_address(address).is_loopback for address in old) or not _scoped(addresses):
        return old[:MAX_INTERFACES]
    return [*old, *_scoped(addresses)][:MAX_INTERFACES]


def _scoped(addresses: tuple[str, ...]) -> list[str]:
    return [address.partition("%")[0] for address in addresses if "%" in address]


def _announced(addresses: tuple[str, ...]) -> list[str]:
    """The addresses to give others: loopback only when there is nothing else, and no zone, which is ours alone."""
    bare = list(dict.fromkeys(address.partition("%")[0] for address in addresses))
    outward = [address for address in bare if not ipaddress.ip_address(address).is_loopback]
    return (outward or bare)[:MAX_ADDRESSES]
