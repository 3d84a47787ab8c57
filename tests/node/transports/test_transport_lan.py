"""The LAN port: who gets in, who is hung up on, and that neither costs much."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crdt import keys, link, pairing, pairing_messages
from crdt.errors import PeerFault
from crdt.ids import DeviceId
from crdt.link import Contacts
from node.transports import lan
from node.transports.addresses import is_local
from node.transports.base import TransportClosed
from node.transports.certificate import server_context


class Person:
    def __init__(self, letter: str) -> None:
        self.device = keys.SigningKey.from_seed(letter.encode() * 32)
        self.agreement = keys.AgreementKey.from_secret(letter.upper().encode() * 32)
        self.id = DeviceId(self.device.public)

    def knowing(self, *others: "Person") -> Contacts:
        return Contacts(self.agreement, {other.id: other.agreement.public for other in others})


ANA, BEN, EVE = Person("a"), Person("b"), Person("e")


class Host:
    """Ben's port, and who came in by it."""

    def __init__(self) -> None:
        self.knows: tuple[Person, ...] = (ANA,)
        self.arrived: asyncio.Queue[lan.LanTransport] = asyncio.Queue()
        self.server = lan.LanServer(BEN.device, lambda: BEN.knowing(*self.knows), self._on_link)

    async def _on_link(self, transport: lan.LanTransport) -> None:
        await self.arrived.put(transport)

    async def dial(self, person: Person, *known: Person, expected: DeviceId | None = None) -> lan.LanTransport:
        return await lan.dial("127.0.0.1", self.server.port, person.device, person.knowing(*known), expected)

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TLS connection that has said nothing yet."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return await asyncio.open_connection("127.0.0.1", self.server.port, ssl=context)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    await host.server.start(*await server_context(), host="127.0.0.1")
    yield host
    await host.server.close()


async def test_two_that_know_each_other_are_linked_over_tls_1_3(host: Host) -> None:
    dialled = await host.dial(ANA, BEN)
    answered = await host.arrived.get()
    assert (dialled.peer.device, answered.peer.device) == (BEN.id, ANA.id)
    assert dialled._writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    await dialled.close()
    await answered.close()


async def test_a_stranger_is_hung_up_on_and_told_nothing(host: Host) -> None:
    with pytest.raises(TransportClosed):
        await host.dial(EVE, BEN)
    assert host.arrived.empty()
    assert host.server._strangers.total() == 0


async def test_a_host_that_does_not_prove_itself_is_refused(host: Host) -> None:
    host.knows = (ANA, EVE)
    with pytest.raises(TransportClosed):  # Ben answers only if Ana's tags hold his, and she knows Eve alone
        await host.dial(ANA, EVE)


async def test_the_wrong_device_at_the_right_address_is_refused(host: Host) -> None:
    with pytest.raises(PeerFault, match="wrong peer"):
        await host.dial(ANA, EVE, BEN, expected=EVE.id)


async def test_tls_ended_in_between_is_refused(host: Host) -> None:
    """A neighbour spoofs the address, speaks TLS to both and passes every frame on unread."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await host.raw()

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while data := await source.read(65536):
                    passed.append(data)
                    sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, onward_writer), pump(onward_reader, writer))

    passed: list[bytes] = []
    context, _ = await server_context()
    neighbour = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    port = neighbour.sockets[0].getsockname()[1]
    with pytest.raises(TransportClosed):
        await lan.dial("127.0.0.1", port, ANA.device, ANA.knowing(BEN))
    neighbour.close()
    assert len(passed) >= 3  # hello, hello, tags: it did carry them
    assert host.arrived.empty()


async def test_contacts_are_asked_for_anew(host: Host) -> None:
    host.knows = ()
    with pytest.raises(TransportClosed):
        await host.dial(ANA, BEN)
    host.knows = (ANA,)
    dialled = await host.dial(ANA, BEN)
    await dialled.close()
    await (await host.arrived.get()).close()


@pytest.mark.parametrize("seed", range(20))
async def test_garbage_in_tls_ends_that_connection_alone(host: Host, seed: int) -> None:
    chance = random.Random(seed)
    reader, writer = await host.raw()
    start = chance.choice([b"", len(lan._WANTS_LINK).to_bytes(4, "big") + lan._WANTS_LINK])
    writer.write(start + chance.randbytes(chance.randint(4, 400)))
    writer.write_eof() if writer.can_write_eof() else None
    if seed % 2:
        writer.write(b"\x7f\xff\xff\xff")  # a length far above the bound
    async with asyncio.timeout(15):
        writer.close()
        with contextlib.suppress(OSError):
            await reader.read()
    dialled = await host.dial(ANA, BEN)
    await dialled.close()
    await (await host.arrived.get()).close()


async def test_a_stranger_cannot_make_us_wait_for_a_large_frame(host: Host) -> None:
    reader, writer = await host.raw()
    writer.write((link.MAX_FRAME_BYTES + 1).to_bytes(4, "big") + b"x")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_plain_text_at_the_tls_port_is_hung_up_on(host: Host) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", host.server.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            await reader.read()
    writer.close()
    dialled = await host.dial(ANA, BEN)
    await dialled.close()


async def test_strangers_are_few_at_a_time_and_their_time_is_short(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan, "HANDSHAKE_TIMEOUT_S", 1.0)
    silent = [await asyncio.open_connection("127.0.0.1", host.server.port) for _ in range(40)]
    async with asyncio.timeout(10):
        ends = await asyncio.gather(*(reader.read() for reader, _ in silent), return_exceptions=True)
    assert len(ends) == 40  # the first were let go when their second was over, the others at once
    assert host.server._strangers.total() <= lan.MAX_STRANGERS_PER_ADDRESS
    for _, writer in silent:
        writer.close()
    dialled = await host.dial(ANA, BEN)
    await dialled.close()


async def test_nobody_pairs_while_no_code_is_shown(host: Host) -> None:
    transport, _ = await lan.dial_pairing("127.0.0.1", host.server.port)
    with pytest.raises(TransportClosed):
        await transport.receive()
    await transport.close()


async def test_two_devices_pair_over_the_lan(host: Host) -> None:
    """The whole exchange over real sockets, between devices that don't know each other."""
    offer = pairing.Offer(b"code:marble-violin", "7", random.Random(1).randbytes)
    joined: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def on_pairing(transport: lan.LanTransport, venue: str) -> None:
        shower = offer.shower(venue)
        while not shower.over:
            events = list(shower.receive(await transport.receive()))
            while events:
                event = events.pop(0)
                if isinstance(event, pairing_messages.Send):
                    await transport.send(event.frame)
                elif isinstance(event, pairing_messages.ConfirmNeeded):
                    events += shower.confirm(b"bundle")
                elif isinstance(event, pairing_messages.Joined):
                    joined.set_result(event)
                    events += shower.finish()
        await transport.close()

    host.server.on_pairing = on_pairing
    transport, venue = await lan.dial_pairing("127.0.0.1", host.server.port)
    joiner = pairing.Joiner(
        b"code:marble-violin", "7", venue, random.Random(2).randbytes,
        device=EVE.device, agreement=EVE.agreement, name="desktop", platform="linux",
    )  # fmt: skip
    events = joiner.start()
    seen: list[Any] = []
    async with asyncio.timeout(10):
        while not joiner.over:
            while events:
                event = events.pop(0)
                seen.append(event)
                if isinstance(event, pairing_messages.Send):
                    await transport.send(event.frame)
                elif isinstance(event, pairing_messages.Received):
                    events += joiner.accept(b"offers")
            events = joiner.receive(await transport.receive())
        seen += events
        assert (await joined).device.device == EVE.id
    assert isinstance(seen[-1], pairing_messages.Finished)
    assert pairing_messages.Received(b"bundle") in seen
    await transport.close()


async def test_closing_the_server_leaves_nothing_behind(host: Host) -> None:
    _, writer = await host.raw()
    await host.server.close()
    assert not host.server._admissions
    with pytest.raises(TransportClosed, match="unreachable"):
        await host.dial(ANA, BEN)
    writer.close()


async def test_each_certificate_is_another_and_is_made_in_a_child() -> None:
    (_, first), (_, second) = await server_context(), await server_context()
    assert first != second


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("192.168.1.5", True),
        ("10.0.0.1", True),
        ("172.31.255.255", True),
        ("169.254.7.7", True),
        ("100.101.102.103", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:192.168.1.5", True),
        ("::ffff:8.8.8.8", False),
        ("8.8.8.8", False),
        ("172.32.0.1", False),
        ("192.0.2.1", True),  # kept for documentation: routed nowhere, and used in test networks
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("2606:4700::1", False),
        ("0.0.0.0", False),
        ("224.0.0.251", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_only_addresses_that_the_internet_does_not_route_are_local(address: str, local: bool) -> None:
    assert is_local(address) is local
