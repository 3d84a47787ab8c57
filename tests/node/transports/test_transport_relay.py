"""The line to the relay, against one that says what the test wants: honest, slow, broken or hostile."""

import asyncio
import ssl
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from crdt import keys, wire
from crdt.errors import OpenSeshError
from node.transports import relay as relay_module
from node.transports.base import TransportClosed
from node.transports.relay import RelayConnection
from node.transports.relay_address import endpoint

LOGIN = keys.SigningKey.from_seed(b"l" * 32)
ROOM = keys.SigningKey.from_seed(b"r" * 32)
CERTIFICATE = wire.certify(ROOM, LOGIN.public, True, 0)
FRAME = b"f" * 40
Visit = Any
Scripted = Any


async def connect(relay: Scripted, **more: Any) -> RelayConnection:
    return await RelayConnection.connect(relay.url, LOGIN, **more)


async def until_hung_up(visit: Visit) -> None:
    while await visit.receive() is not None:
        pass


# ---- connecting


async def test_a_login_proves_the_key_for_the_address_that_was_dialled(scripted_relay: Scripted) -> None:
    logins = []

    async def script(visit: Visit) -> None:
        logins.append(await visit.greet())
        await until_hung_up(visit)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    assert connection.store == b"store-of-sixteen"
    assert connection.welcome.frames_per_second == 1000
    assert logins[0].login == LOGIN.public
    assert scripted_relay.paths == ["/"]
    assert connection.error is None
    await connection.close()
    assert connection.error is not None


async def test_a_refused_login_names_the_relays_reason(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(wire.Challenge(1, b"n" * 32, b"s" * 16))
        await visit.receive()
        await visit.send(wire.Refused(0, "bad-login", "\x1b[31mowned", 0))

    scripted_relay.script = script
    with pytest.raises(OpenSeshError) as caught:
        await connect(scripted_relay)
    assert caught.value.kind.name == "RELAY_REFUSED"
    assert caught.value.details["reason"] == "bad-login"
    assert "owned" not in str(caught.value.to_json())


async def test_another_protocol_version_is_named(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(wire.Challenge(2, b"n" * 32, b"s" * 16))
        await until_hung_up(visit)

    scripted_relay.script = script
    with pytest.raises(OpenSeshError, match="version 2") as caught:
        await connect(scripted_relay)
    assert caught.value.kind.name == "RELAY_REFUSED"


@pytest.mark.parametrize("first", [b"", b"\xff" * 9, b"\x92\xa6an\xe9wer\xc4\x01B"])
async def test_garbage_instead_of_a_challenge_is_no_relay(scripted_relay: Scripted, first: bytes) -> None:
    async def script(visit: Visit) -> None:
        await visit.socket.send_bytes(first)
        await until_hung_up(visit)

    scripted_relay.script = script
    with pytest.raises(OpenSeshError, match="no OpenSesh relay") as caught:
        await connect(scripted_relay)
    assert caught.value.kind.name == "RELAY_UNREACHABLE"


async def test_a_relay_that_never_speaks_is_given_up(scripted_relay: Scripted) -> None:
    scripted_relay.script = until_hung_up
    with pytest.raises(OpenSeshError, match=r"within 0\.2 s") as caught:
        await connect(scripted_relay, timeout_s=0.2)
    assert caught.value.kind.name == "RELAY_UNREACHABLE"


async def test_a_closed_port_and_an_unknown_name_are_unreachable(unused_tcp_port: int) -> None:
    for url in (f"ws://127.0.0.1:{unused_tcp_port}", "ws://nowhere.invalid:1"):
        with pytest.raises(OpenSeshError) as caught:
            await RelayConnection.connect(url, LOGIN)
        assert caught.value.kind.name == "RELAY_UNREACHABLE"
        assert url in caught.value.message


async def test_a_web_server_is_told_apart_from_a_relay() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/{path:.*}", page)
    async with TestServer(application) as server:
        with pytest.raises(OpenSeshError, match="no OpenSesh relay") as caught:
            await RelayConnection.connect(f"ws://127.0.0.1:{server.port}", LOGIN)
    assert caught.value.kind.name == "RELAY_UNREACHABLE"


async def test_a_redirect_is_not_followed(scripted_relay: Scripted) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(scripted_relay.url.replace("ws://", "http://") + "/")

    application = web.Application()
    application.router.add_get("/{path:.*}", elsewhere)
    async with TestServer(application) as server:
        with pytest.raises(OpenSeshError, match="sends elsewhere"):
            await RelayConnection.connect(f"ws://127.0.0.1:{server.port}", LOGIN)
    assert scripted_relay.paths == []


async def test_a_certificate_nobody_vouches_for_is_refused(
    self_signed: ssl.SSLContext, scripted_relay: Scripted
) -> None:
    application = web.Application()
    application.router.add_get("/{path:.*}", scripted_relay.handle)
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=self_signed)
    try:
        with pytest.raises(OpenSeshError, match="certificate is not valid") as caught:
            await RelayConnection.connect(f"wss://127.0.0.1:{server.port}", LOGIN)
    finally:
        await server.close()
    assert caught.value.kind.name == "RELAY_UNREACHABLE"
    assert scripted_relay.paths == []


@pytest.mark.parametrize(
    ("url", "dialled", "audience"),
    [
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765", "127.0.0.1:8765"),
        ("ws://Relay.Example/", "ws://relay.example:80", "relay.example:80"),
        ("wss://relay.example", "wss://relay.example:443", "relay.example:443"),
        ("wss://relay.example/team/", "wss://relay.example:443/team", "relay.example:443"),
        ("ws://[::1]:9", "ws://[::1]:9", "[::1]:9"),
    ],
)
def test_an_address_gives_where_to_dial_and_the_audience(url: str, dialled: str, audience: str) -> None:
    assert endpoint(url) == (dialled + "/", audience)


@pytest.mark.parametrize(
    "url", ["", "relay", "http://h", "ws://", "ws://h:99999", "ws://u:p@h", "ws://h?x=1", "ws://h#x", "ws://["]
)
def test_what_is_no_address_is_refused_before_dialling(url: str) -> None:
    with pytest.raises(OpenSeshError, match="no relay's address"):
        endpoint(url)


# ---- requests


async def test_answers_find_their_requests_in_any_order(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        first, second, third = await visit.receive(), await visit.receive(), await visit.receive()
        await visit.send(wire.Mail(third.request, 3, (b"m",)))
        await visit.send(wire.Refused(second.request, "quota", "", 1500))
        await visit.send(wire.Attached(first.request, 9, True))
        await until_hung_up(visit)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    attached, refused, mail = await asyncio.gather(
        connection.attach(CERTIFICATE, 4, b"h" * 16),
        connection.publish(ROOM.public, [FRAME]),
        connection.take_mail(ROOM.public),
        return_exceptions=True,
    )
    assert isinstance(attached, wire.Attached)
    assert (attached.last, attached.reset) == (9, True)
    assert isinstance(mail, wire.Mail)
    assert mail.items == (b"m",)
    assert isinstance(refused, OpenSeshError)
    assert refused.kind.name == "RELAY_REFUSED"
    assert (refused.details["reason"], refused.details["retry_after_ms"]) == ("quota", 1500)
    await connection.close()


async def test_every_request_carries_what_the_relay_checks(scripted_relay: Scripted) -> None:
    heard: list[Any] = []

    async def script(visit: Visit) -> None:
        await visit.greet()
        while (message := await visit.receive()) is not None:
            heard.append(message)
            if isinstance(message, wire.Publish):
                await visit.send(wire.Stored(message.request, 1))
            elif isinstance(message, wire.Meet):
                await visit.send(wire.Met(message.request, "7", False))
            elif not isinstance(message, wire.Whisper | wire.Tell):
                await visit.send(wire.Done(message.request))

    scripted_relay.script = script
    connection = await connect(scripted_relay, access_key="sesame")
    await connection.open_room(ROOM)
    await connection.raise_generation(ROOM, 3)
    assert (await connection.publish(ROOM.public, [FRAME])).last == 1
    await connection.drop(ROOM.public, b"redemption")
    await connection.detach(ROOM.public)
    assert (await connection.meet()).nameplate == "7"
    await connection.tell(b"hello")
    await connection.whisper(ROOM.public, b"here")
    await connection.drop(ROOM.public, b"last")  # answered, so everything before it was heard
    opened, raised = heard[0], heard[1]
    assert opened.access_key == "sesame"
    assert keys.verify(ROOM.public, "room-open", LOGIN.public + b"n" * 32, opened.signature)
    assert keys.verify(ROOM.public, "room-generation", (3).to_bytes(8, "big"), raised.signature)
    assert heard[2].frames == (FRAME,)
    assert [type(message).__name__ for message in heard[3:]] == ["Drop", "Detach", "Meet", "Tell", "Whisper", "Drop"]
    assert "sesame" not in str(heard[2:])
    await connection.close()


async def test_open_requests_fail_when_the_line_is_cut(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        await visit.receive()
        await visit.socket.close(code=1001)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    with pytest.raises(OpenSeshError, match="stopping") as caught:
        await connection.publish(ROOM.public, [FRAME])
    assert caught.value.details["close_code"] == 1001
    with pytest.raises(OpenSeshError) as caught:
        await connection.publish(ROOM.public, [FRAME])
    assert caught.value.kind.name == "RELAY_UNREACHABLE"
    await connection.close()


async def test_a_request_without_an_answer_is_given_up(
    scripted_relay: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        await until_hung_up(visit)

    monkeypatch.setattr(relay_module, "REQUEST_TIMEOUT_S", 0.1)
    scripted_relay.script = script
    connection = await connect(scripted_relay)
    with pytest.raises(OpenSeshError, match="does not answer"):
        await connection.detach(ROOM.public)
    assert connection._open_requests == {}
    await connection.close()


async def test_an_answer_of_another_kind_ends_the_connection(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        asked = await visit.receive()
        await visit.send(wire.Done(asked.request))
        await until_hung_up(visit)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    with pytest.raises(OpenSeshError, match="something else"):
        await connection.publish(ROOM.public, [FRAME])
    assert connection.error is not None
    await connection.close()


async def test_answers_to_nothing_are_ignored(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        await visit.send(wire.Done(77))
        await visit.send(wire.Refused(78, "rate", "", 0))
        asked = await visit.receive()
        await visit.send(wire.Done(asked.request))
        await until_hung_up(visit)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    await connection.detach(ROOM.public)
    assert connection.error is None
    await connection.close()


# ---- what the relay sends by itself


def delivery(number: int, size: int = 40) -> wire.Deliver:
    return wire.Deliver(ROOM.public, number, number + 1, bytes(16), (bytes([number % 256]) * size,))


async def test_events_come_in_order_and_end_with_the_line(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        for number in range(5):
            await visit.send(delivery(number))
        await visit.send(wire.Heard(ROOM.public, b"here"))
        await visit.send(wire.Parted("timeout"))

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    events = [event async for event in connection.events()]
    assert events == [
        *(delivery(number) for number in range(5)),
        wire.Heard(ROOM.public, b"here"),
        wire.Parted("timeout"),
    ]
    with pytest.raises(TransportClosed):
        await connection.next_event()
    await connection.close()


@pytest.mark.parametrize(
    "bad", [b"\xc1", wire.encode(wire.Welcome(1, 1)), wire.encode(wire.Challenge(1, b"n" * 32, b"s" * 16))]
)
async def test_a_malformed_or_misplaced_message_ends_the_connection_as_a_fault(
    scripted_relay: Scripted, bad: bytes
) -> None:
    codes: list[Any] = []

    async def script(visit: Visit) -> None:
        await visit.greet()
        await visit.socket.send_bytes(bad)
        await until_hung_up(visit)
        codes.append(visit.socket.close_code)
        ended.set()

    ended = asyncio.Event()
    scripted_relay.script = script
    connection = await connect(scripted_relay)
    assert [event async for event in connection.events()] == []
    assert connection.error is not None
    assert connection.error.kind.name == "RELAY_UNREACHABLE"
    await asyncio.wait_for(ended.wait(), 5)
    assert codes == [1002]
    await connection.close()


async def test_text_and_oversized_messages_end_the_connection(scripted_relay: Scripted) -> None:
    async def text(visit: Visit) -> None:
        await visit.greet()
        await visit.socket.send_str("hello")
        await until_hung_up(visit)

    async def large(visit: Visit) -> None:
        await visit.greet()
        await visit.socket.send_bytes(bytes(wire.MAX_MESSAGE_BYTES + 1))
        await until_hung_up(visit)

    for script in (text, large):
        scripted_relay.script = script
        connection = await connect(scripted_relay)
        assert [event async for event in connection.events()] == []
        await connection.close()


async def test_a_subscription_that_the_relay_ends_is_told(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        attach = await visit.receive()
        await visit.send(wire.Attached(attach.request, 0, False))
        detach = await visit.receive()
        await visit.send(wire.Done(detach.request))
        await visit.send(wire.Refused(attach.request, "no-right", "", 0))  # too late: detached already
        again = await visit.receive()
        await visit.send(wire.Attached(again.request, 0, False))
        await visit.send(wire.Refused(again.request, "no-right", "", 0))
        await until_hung_up(visit)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    await connection.attach(CERTIFICATE, 0, b"")
    await connection.detach(ROOM.public)
    await connection.attach(CERTIFICATE, 0, b"")
    event = await connection.next_event()
    assert isinstance(event, relay_module.Detached)
    assert event.room == ROOM.public
    assert event.error.details["reason"] == "no-right"
    assert not connection._events
    await connection.close()


async def test_a_refused_whisper_is_nothing_but_a_refused_tell_parts(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        await visit.send(wire.Refused(0, "rate", "", 0))
        meet = await visit.receive()
        await visit.send(wire.Met(meet.request, "7", False))
        await visit.receive()
        await visit.send(wire.Refused(0, "rate", "", 0))
        await until_hung_up(visit)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    await connection.meet()
    await connection.tell(b"hello")
    assert await connection.next_event() == wire.Parted("rate")
    assert connection.error is None
    await connection.close()


async def test_a_refusal_of_the_connection_itself_says_why_it_ended(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        await visit.send(wire.Refused(0, "stopping", "", 3000))
        await until_hung_up(visit)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    assert [event async for event in connection.events()] == []
    assert connection.error is not None
    assert connection.error.kind.name == "RELAY_REFUSED"
    assert connection.error.details["retry_after_ms"] == 3000
    await connection.close()


async def test_a_relay_that_stops_answering_pings_is_left(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        await stop.wait()  # reads nothing, so no ping is answered

    stop = asyncio.Event()
    scripted_relay.script = script
    connection = await connect(scripted_relay, heartbeat_s=0.1)
    async with asyncio.timeout(5):
        assert [event async for event in connection.events()] == []
    assert connection.error is not None
    assert connection.error.kind.name == "RELAY_UNREACHABLE"
    stop.set()
    await connection.close()


async def test_a_fast_relay_is_held_back_while_events_wait(
    scripted_relay: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, total = 256 * 1024, 200

    async def script(visit: Visit) -> None:
        await visit.greet()
        for number in range(total):
            await visit.send(delivery(number, size))
        all_sent.set()
        await until_hung_up(visit)

    all_sent = asyncio.Event()
    monkeypatch.setattr(relay_module, "MAX_WAITING_BYTES", 4 * size)
    scripted_relay.script = script
    connection = await connect(scripted_relay)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await all_sent.wait()  # 50 MB fit into no socket buffer: it is we who don't read on
    assert 4 * size < connection._waiting_bytes < 6 * size
    for number in range(total):
        event = await connection.next_event()
        assert isinstance(event, wire.Deliver)
        assert event.after == number
        assert connection._waiting_bytes < 6 * size
    assert all_sent.is_set()
    await connection.close()


async def test_an_answer_behind_a_full_queue_still_arrives(
    scripted_relay: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 256 * 1024

    async def script(visit: Visit) -> None:
        await visit.greet()
        for number in range(40):
            await visit.send(delivery(number, size))
        asked = await visit.receive()
        await visit.send(wire.Stored(asked.request, 5))
        await until_hung_up(visit)

    monkeypatch.setattr(relay_module, "MAX_WAITING_BYTES", 2 * size)
    scripted_relay.script = script
    connection = await connect(scripted_relay)
    async with asyncio.timeout(10):
        stored = await connection.publish(ROOM.public, [FRAME])  # nobody takes events meanwhile
    assert stored.last == 5
    assert connection._waiting_bytes >= 30 * size
    await connection.close()


async def test_presence_is_dropped_before_anything_else(
    scripted_relay: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        for _ in range(50):
            await visit.send(wire.Heard(ROOM.public, b"here"))
        await visit.send(delivery(1))
        asked = await visit.receive()
        await visit.send(wire.Done(asked.request))
        await until_hung_up(visit)

    monkeypatch.setattr(relay_module, "MAX_WAITING_EVENTS", 20)
    scripted_relay.script = script
    connection = await connect(scripted_relay)
    await connection.detach(ROOM.public)  # its answer comes after everything else
    assert len(connection._events) == 11
    assert connection._events[-1][1] == delivery(1)
    await connection.close()


async def test_closing_wakes_whoever_waits(scripted_relay: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await visit.greet()
        await until_hung_up(visit)

    scripted_relay.script = script
    connection = await connect(scripted_relay)
    waiting = asyncio.ensure_future(connection.next_event())
    asking = asyncio.ensure_future(connection.detach(ROOM.public))
    await asyncio.sleep(0)
    await connection.close()
    await connection.close()
    with pytest.raises(TransportClosed):
        await waiting
    with pytest.raises(OpenSeshError):
        await asking
