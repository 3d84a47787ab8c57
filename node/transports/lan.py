"""Two devices on one network, without anybody between: TLS 1.3, then a proof of who is there.

TLS only hides what passes; the certificate is thrown away and vouched for by nobody. The first frame
says what the caller wants: a *link* runs `crdt/link.py` and yields a transport to a proved device; a
*pairing* yields a bare one, over which `crdt/pairing.py` proves itself. Until either is done the other
side is a stranger: few at a time, with little time and small frames, and told nothing but a hang-up.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from crdt import link, pairing, pairing_messages, wire
from crdt.errors import PeerFault
from crdt.ids import DeviceId
from crdt.keys import SigningKey
from crdt.link import Contacts
from node.transports.addresses import is_local
from node.transports.base import PeerInfo, Transport, TransportClosed

HANDSHAKE_TIMEOUT_S: Final = 10.0
MAX_STRANGERS: Final = 32
MAX_STRANGERS_PER_ADDRESS: Final = 8
_WANTS_LINK: Final = b"opensesh link 1"
_WANTS_PAIRING: Final = b"opensesh pairing 1"
_SHUTDOWN_S: Final = 1.0
_CLOSE_S: Final = 3.0
_LENGTH_BYTES: Final = 4
_log = logging.getLogger(__name__)


class LanTransport(Transport):
    """Length-prefixed frames in TLS. `peer.device` is set once `crdt/link.py` proved it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._closed = False
        host, port = (writer.get_extra_info("peername") or ("?", 0))[:2]
        self.peer = PeerInfo("lan", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        self.max_frame_bytes = link.MAX_FRAME_BYTES

    async def _send(self, frame: bytes) -> None:
        if self._closed or self._writer.is_closing():
            raise TransportClosed
        try:
            self._writer.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise TransportClosed("cut") from error

    async def receive(self) -> bytes:
        if self._closed:
            raise TransportClosed
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            if length <= self.max_frame_bytes:
                return await self._reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise TransportClosed("closed" if self._closed else "cut") from error
        await self.close()
        raise TransportClosed("too large")

    async def close(self) -> None:
        self._closed = True
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        self._writer.transport.abort()

    def abort(self) -> None:
        """Cut at once, leaving what is not sent yet unsent."""
        self._closed = True
        self._writer.transport.abort()

    def promote(self, device: DeviceId) -> None:
        """The other side proved which device it is: from here on it may send what wire.py allows."""
        self.peer = replace(self.peer, device=device)
        self.max_frame_bytes = wire.MAX_MESSAGE_BYTES

    def restrict(self) -> None:
        """A pairing's frames are smaller."""
        self.max_frame_bytes = pairing_messages.MAX_FRAME_BYTES


OnLink = Callable[[LanTransport], Awaitable[None]]
OnPairing = Callable[[LanTransport, str], Awaitable[None]]


class LanServer:
    """Listens on a free port. Start it with `start`; hand its `port` to discovery.

    `on_link` gets a transport to a proved device, `on_pairing` a bare one and its venue string; each
    owns what it gets and is awaited in a task of its own. `on_pairing` is None, and pairings are hung
    up on, while no code is shown. `contacts` is asked anew for every link.
    """

    def __init__(self, device: SigningKey, contacts: Callable[[], Contacts], on_link: OnLink) -> None:
        self._device, self._contacts, self._on_link = device, contacts, on_link
        self.on_pairing: OnPairing | None = None
        self.port = 0
        self._listener: socket.socket | None = None
        self._context: ssl.SSLContext | None = None
        self._certificate_hash = b""
        self._accepting: asyncio.Task[None] | None = None
        self._admissions: set[asyncio.Task[None]] = set()
        self._strangers: Counter[str] = Counter()

    async def start(self, context: ssl.SSLContext, certificate_hash: bytes, host: str = "", port: int = 0) -> None:
        """Listen, on every interface unless `host` says otherwise; `certificate.server_context` makes the rest."""
        dual = host == "" and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual or ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=64, dualstack_ipv6=dual)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._context, self._certificate_hash = context, certificate_hash
        self._accepting = asyncio.create_task(self._accept(self._listener), name="lan server")

    async def close(self) -> None:
        """Stop listening, and cut every connection that is still a stranger's or in a callback."""
        tasks = [task for task in (self._accepting, *self._admissions) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError as error:  # no descriptors left, or the caller went away again
                _log.warning("LAN: could not accept: %s", error.strerror)
                await asyncio.sleep(0.2)
                continue
            host = str(address[0])
            if not is_local(host) or self._is_full(host):
                accepted.close()
                continue
            self._strangers[host] += 1
            task = asyncio.create_task(self._admit(accepted, host))
            self._admissions.add(task)
            task.add_done_callback(self._admissions.discard)

    def _is_full(self, host: str) -> bool:
        return self._strangers.total() >= MAX_STRANGERS or self._strangers[host] >= MAX_STRANGERS_PER_ADDRESS

    async def _admit(self, accepted: socket.socket, host: str) -> None:
        """From an accepted socket to a callback, or to a hang-up."""
        transport: LanTransport | None = None
        try:
            try:
                async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                    transport = await self._wrap(accepted)
                    hand_over = await self._identify(transport)
            finally:
                self._strangers[host] -= 1
                self._strangers += Counter()  # drops the zeros
            await hand_over
        except (PeerFault, TransportClosed, OSError, TimeoutError) as fault:
            _log.debug("LAN: %s hung up on: %s", host, getattr(fault, "reason", type(fault).__name__))
            if transport is not None and transport.peer.device is None:
                await transport.close()
        except asyncio.CancelledError:
            if transport is not None:
                transport.abort()
            raise
        except Exception:
            _log.exception("LAN: a connection ended in a fault of ours")
            if transport is not None:
                transport.abort()
        finally:
            if transport is None:
                accepted.close()

    async def _wrap(self, accepted: socket.socket) -> LanTransport:
        _keep_alive(accepted)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            accepted,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            ssl_shutdown_timeout=_SHUTDOWN_S,
        )
        return LanTransport(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def _identify(self, transport: LanTransport) -> Awaitable[None]:
        wish = await transport.receive()
        if wish == _WANTS_PAIRING and self.on_pairing is not None:
            transport.restrict()
            return self.on_pairing(transport, pairing.lan_venue(self._certificate_hash))
        if wish != _WANTS_LINK:
            raise PeerFault("bad message")
        responder = link.Responder(self._device, self._contacts(), self._certificate_hash, os.urandom)
        await _shake(transport, responder, [])
        return self._on_link(transport)


async def dial(
    host: str, port: int, device: SigningKey, contacts: Contacts, expected: DeviceId | None = None
) -> LanTransport:
    """A transport to a device that knows us and that we know, proved on both sides.

    Raises `TransportClosed` when nobody answers or the other side hangs up (it doesn't know us, or
    isn't ours), and `PeerFault` when it answers as something else than it must be.
    """
    transport, certificate_hash = await _dial(host, port)
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            await transport.send(_WANTS_LINK)
            initiator = link.Initiator(device, contacts, certificate_hash, os.urandom, expected)
            await _shake(transport, initiator, initiator.start())
    except BaseException as error:
        await transport.close()
        if isinstance(error, TimeoutError):
            raise TransportClosed("timeout") from error
        raise
    return transport


async def dial_pairing(host: str, port: int) -> tuple[LanTransport, str]:
    """A bare transport to whoever shows a code there, and the venue string. Raises `TransportClosed`."""
    transport, certificate_hash = await _dial(host, port)
    transport.restrict()
    await transport.send(_WANTS_PAIRING)
    return transport, pairing.lan_venue(certificate_hash)


async def _dial(host: str, port: int) -> tuple[LanTransport, bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # who is there is proved inside, over this certificate's hash
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                host,
                port,
                ssl=context,
                server_hostname="opensesh.local",
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
    except (OSError, TimeoutError) as error:
        raise TransportClosed("unreachable") from error
    plain: Any = writer.get_extra_info("socket")
    if plain is not None:
        _keep_alive(plain)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return LanTransport(reader, writer), hashlib.sha256(certificate or b"").digest()


async def _shake(transport: LanTransport, side: link.Link, events: list[link.Event]) -> None:
    """Carry the handshake's frames until it is done, or raises."""
    while True:
        peer: DeviceId | None = None
        for event in events:
            if isinstance(event, link.Send):
                await transport.send(event.frame)
            else:
                peer = event.peer
        if peer is not None:
            transport.promote(peer)
            return
        events = side.receive(await transport.receive())


def _keep_alive(plain: Any) -> None:
    """Notice within half a minute that the network is gone: an unplugged cable sends no goodbye."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000)):
        option = getattr(socket, name, None)
        if option is not None:
            plain.setsockopt(socket.IPPROTO_TCP, option, value)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
