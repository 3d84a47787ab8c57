"""What every transport promises, run against each: in memory, on the LAN, at a relay's rendezvous."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from crdt import keys
from crdt.errors import OpenSeshError
from crdt.ids import DeviceId
from crdt.link import Contacts
from node.transports import lan
from node.transports.base import Transport, TransportClosed, memory_pair
from node.transports.certificate import server_context
from node.transports.rendezvous import Rendezvous

Pair = tuple[Transport, Transport]
Make = Callable[[], AbstractAsyncContextManager[Pair]]
ANA = keys.SigningKey.from_seed(b"a" * 32)
BEN = keys.SigningKey.from_seed(b"b" * 32)
ANA_AGREES = keys.AgreementKey.from_secret(b"A" * 32)
BEN_AGREES = keys.AgreementKey.from_secret(b"B" * 32)


@contextlib.asynccontextmanager
async def in_memory() -> AsyncIterator[Pair]:
    yield memory_pair()


@contextlib.asynccontextmanager
async def on_the_lan() -> AsyncIterator[Pair]:
    arrived: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def on_link(transport: Transport) -> None:
        arrived.set_result(transport)
        await done.wait()

    server = lan.LanServer(BEN, lambda: Contacts(BEN_AGREES, {DeviceId(ANA.public): ANA_AGREES.public}), on_link)
    await server.start(*await server_context(), host="127.0.0.1")
    contacts = Contacts(ANA_AGREES, {DeviceId(BEN.public): BEN_AGREES.public})
    dialled = await lan.dial("127.0.0.1", server.port, ANA, contacts)
    try:
        yield dialled, await arrived
    finally:
        done.set()
        await dialled.close()
        await server.close()


@pytest.fixture(params=["memory", "lan", "rendezvous"])
async def pair(request: pytest.FixtureRequest, seats: Any, scripted_relay: Any) -> AsyncIterator[Pair]:
    @contextlib.asynccontextmanager
    async def at_a_relay() -> AsyncIterator[Pair]:
        shower = await Rendezvous.meet(scripted_relay.url, ANA)
        yield shower, await Rendezvous.meet(scripted_relay.url, BEN, shower.nameplate)

    makers: dict[str, Make] = {"memory": in_memory, "lan": on_the_lan, "rendezvous": at_a_relay}
    async with makers[request.param]() as made:
        yield made
        for transport in made:
            await transport.close()


async def test_frames_arrive_whole_and_in_order_both_ways(pair: Pair) -> None:
    left, right = pair
    frames = [b"\x00", b"", b"x" * left.max_frame_bytes, *(bytes([number]) * number for number in range(1, 30))]

    async def pour(transport: Transport) -> None:
        for frame in frames:
            await transport.send(frame)

    async def drink(transport: Transport) -> list[bytes]:
        return [await transport.receive() for _ in frames]

    async with asyncio.timeout(20):
        _, _, at_right, at_left = await asyncio.gather(pour(left), pour(right), drink(right), drink(left))
    assert at_right == at_left == frames


async def test_a_frame_above_the_bound_is_refused_and_the_line_goes_on(pair: Pair) -> None:
    left, right = pair
    with pytest.raises(OpenSeshError) as caught:
        await left.send(bytes(left.max_frame_bytes + 1))
    assert caught.value.kind.name == "TOO_LARGE"
    await left.send(b"still here")
    assert await right.receive() == b"still here"


async def test_what_was_sent_before_the_end_is_read_before_the_end(pair: Pair) -> None:
    left, right = pair
    for frame in (b"one", b"two"):
        await left.send(frame)
    await left.close()
    async with asyncio.timeout(5):
        assert [await right.receive(), await right.receive()] == [b"one", b"two"]
        for _ in range(2):
            with pytest.raises(TransportClosed):
                await right.receive()


async def test_closing_wakes_whoever_waits_on_either_side(pair: Pair) -> None:
    left, right = pair
    waiting = [asyncio.ensure_future(side.receive()) for side in (left, right)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await left.close()
        for receiving in waiting:
            with pytest.raises(TransportClosed):
                await receiving


async def test_after_the_end_nothing_is_sent_or_received_here(pair: Pair) -> None:
    left, _ = pair
    await left.close()
    await left.close()
    with pytest.raises(TransportClosed):
        await left.send(b"late")
    with pytest.raises(TransportClosed):
        await left.receive()


async def test_a_transport_says_whom_it_leads_to_only_as_far_as_proved(pair: Pair) -> None:
    left, right = pair
    assert left.peer.kind == right.peer.kind
    assert left.peer.address
    if left.peer.kind == "lan":
        assert (left.peer.device, right.peer.device) == (BEN.public, ANA.public)
    else:
        assert (left.peer.device, right.peer.device) == (None, None)


@pytest.mark.parametrize("make", [in_memory, on_the_lan])
async def test_a_sender_waits_for_a_slow_reader(make: Make) -> None:
    async with make() as (left, right):
        frame, sent = bytes(1024 * 1024), 0

        async def pour() -> None:
            nonlocal sent
            for _ in range(200):
                await left.send(frame)
                sent += 1

        pouring = asyncio.ensure_future(pour())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.shield(pouring)
        assert not pouring.done()
        assert sent < 100
        async with asyncio.timeout(30):
            for _ in range(200):
                assert len(await right.receive()) == len(frame)
        await pouring
        await left.close()
        await right.close()
