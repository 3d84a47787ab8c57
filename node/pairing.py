"""Pairing, driven: show a code here or join with one, over the local network and relays at once.

The machine of `crdt/pairing.py` decides; this file carries its frames, asks the person, and stores what
was handed over before it says so. Whoever has no threads just takes the identity of the device that
shows the code; whoever has some offers them to that identity first (see `transfer.py`).
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import msgspec

from crdt import errors, keys, words
from crdt.errors import OpenSeshError
from crdt.identity import ADD, DeviceKeys, Root, consent_bytes
from crdt.ids import IdentityId, to_text
from crdt.pairing import Joiner, Offer
from crdt.pairing import Shower as Machine
from crdt.pairing_exchange import Exchange
from crdt.pairing_link import SECRET_BYTES, PairingLink, is_link, parse_link
from crdt.pairing_messages import (
    ConfirmNeeded,
    Event,
    Failed,
    Finished,
    Joined,
    NewDevice,
    Received,
    Send,
)
from node import identity as identities
from node import shapes
from node.account import Account
from node.bundle import Acceptance, Bundle, decode_acceptance, decode_bundle
from node.transfer import Transfer
from node.transports.base import Transport, TransportClosed
from node.transports.rendezvous import Rendezvous

FIND_S: Final = 10.0  # how long the local network is asked before the code counts as not shown there
SETTLE_S: Final = 60.0  # how long a joiner waits for its first sync
MAX_NAMEPLATE: Final = 999

OnPairing = Callable[[Transport, str], Awaitable[None]]
Line = dict[str, Any]
React = Callable[[Event], Awaitable[list[Event]]]


class Nearby(Protocol):
    """The local network, as pairing uses it."""

    @property
    def enabled(self) -> bool:
        """Whether there is one to use."""

    def showing(self, nameplate: str, on_pairing: OnPairing) -> AbstractAsyncContextManager[None]:
        """Announce that a code is shown, and pass on who dials for it."""

    async def find(self, nameplate: str) -> tuple[Transport, str]:
        """A bare transport to whoever shows a code under that nameplate, and the venue. Waits until there is one."""


class Shower:
    """One showing of a code, until a device joined, the code was burnt, or time is up."""

    def __init__(self, account: Account, nearby: Nearby | None, expires_ms: int, ask: bool) -> None:
        self._account = account
        self._nearby = nearby
        self._expires_ms = expires_ms
        self._ask = ask
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue()
        self._answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._outcome: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._offers: list[Offer] = []

    def answer(self, accept: bool) -> bool:
        """The person's word on the device that asks to join; False if nobody asks."""
        if not self._ask or self._answer.done():
            return False
        self._answer.set_result(accept)
        return True

    async def show(self) -> AsyncGenerator[Line, None]:
        """The stream of `pair.show`. Raises PAIRING_NO_VENUE, PAIRING_CODE_WRONG, PAIRING_EXPIRED, AUTH_FAILED."""
        async with contextlib.AsyncExitStack() as stack:
            lan = self._nearby if self._nearby is not None and self._nearby.enabled else None
            seat = await self._sit_down(must=lan is None)
            nameplate = seat.nameplate if seat else str(1 + int.from_bytes(os.urandom(4), "big") % MAX_NAMEPLATE)
            code = words.code_from_entropy(nameplate, os.urandom(words.CODE_ENTROPY_BYTES))
            self._offers = [Offer(code.password, nameplate, os.urandom)]
            stack.callback(self._burn)
            if lan is not None:
                await stack.enter_async_context(lan.showing(nameplate, self._by(self._offers[0])))
            link = None
            if seat is not None:
                self._attend(stack, seat, self._offers[0])
                link = await self._offer_link(stack)
            expires_at = shapes.time(self._expires_ms)
            yield {"type": "pair.code", "code": str(code), "link": link, "expires_at": expires_at}
            async for line in self._until_done():
                yield line

    async def _offer_link(self, stack: contextlib.AsyncExitStack) -> str | None:
        """The long form, with a seat of its own: a secret of 256 bits in place of two words."""
        seat = await self._sit_down(must=False)
        if seat is None:
            return None
        link = PairingLink(seat.peer.address, seat.nameplate, os.urandom(SECRET_BYTES))
        self._offers.append(Offer(link.password, seat.nameplate, os.urandom))
        self._attend(stack, seat, self._offers[-1])
        return str(link)

    def _attend(self, stack: contextlib.AsyncExitStack, seat: Rendezvous, offer: Offer) -> None:
        stack.push_async_callback(seat.close)
        serving = asyncio.create_task(self._serve(seat, seat.venue, offer), name="pairing")
        stack.callback(serving.cancel)

    def _by(self, offer: Offer) -> OnPairing:
        return lambda transport, venue: self._serve(transport, venue, offer)

    async def _sit_down(self, *, must: bool) -> Rendezvous | None:
        """A seat at the first of our relays that has one. Raises why there is none if one `must` be."""
        failure: OpenSeshError = errors.PAIRING_NO_VENUE()
        for url in self._account.affairs.relays:
            try:
                return await Rendezvous.meet(url, keys.SigningKey.from_seed(os.urandom(keys.KEY_BYTES)))
            except OpenSeshError as error:
                failure = error
        if must:
            raise failure
        return None

    def _burn(self) -> None:
        for offer in self._offers:
            offer.burn()

    async def _until_done(self) -> AsyncIterator[Line]:
        self._outcome.add_done_callback(lambda _: self._lines.put_nowait(None))
        remaining_s = (self._expires_ms - self._account.threads.now_ms()) / 1000
        expiry = asyncio.get_running_loop().call_later(max(0.0, remaining_s), self._expire)
        try:
            while (line := await self._lines.get()) is not None:
                yield line
            yield self._outcome.result()
        finally:
            expiry.cancel()
            self._outcome.cancel()

    def _expire(self) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(errors.PAIRING_EXPIRED())

    async def _serve(self, transport: Transport, venue: str, offer: Offer) -> None:
        """One attempt. Whoever hangs up before the code was tried has tried nothing."""
        machine = offer.shower(venue)
        try:
            line = await self._converse(machine, transport)
        except TransportClosed:
            if offer.burned:
                self._finish(None, errors.AUTH_FAILED("The other device hung up; nothing was handed over."))
        except OpenSeshError as error:
            self._finish(None, error)
        else:
            self._finish(line, None)
        finally:
            await transport.close()

    def _finish(self, line: Line | None, error: OpenSeshError | None) -> None:
        if self._outcome.done():
            return
        if line is not None:
            self._outcome.set_result(line)
        else:
            assert error is not None
            self._outcome.set_exception(error)

    async def _converse(self, machine: Machine, transport: Transport) -> Line:
        joined: Line = {}

        async def react(event: Event) -> list[Event]:
            nonlocal joined
            if isinstance(event, ConfirmNeeded):
                return await self._confirm(machine, event.device)
            if isinstance(event, Joined):
                joined = await self._admit(event.device, decode_acceptance(event.payload))
                return machine.finish()
            return []

        await converse(machine, transport, [], react)
        return joined

    async def _confirm(self, machine: Machine, device: NewDevice) -> list[Event]:
        line = {"type": "pair.joining", "device": {"name": device.name, "platform": device.platform}}
        self._lines.put_nowait(line)
        if self._ask and not await self._answer:
            return machine.decline()
        return machine.confirm(msgspec.msgpack.encode(self._bundle()))

    def _bundle(self) -> Bundle:
        account = self._account
        room = account.affairs.rooms[account.thread]
        return Bundle(
            identity=account.identity,
            account=account.thread,
            room_seed=room.own_key.seed,
            login_seed=account.login.seed,
            generation=room.generation,
            relays=account.affairs.relays,
            entries=account.affairs.entries,
            device_name=account.device_name,
        )

    async def _admit(self, device: NewDevice, accepted: Acceptance) -> Line:
        """Enter the device into the log, with a fresh account key wrapped to it; take over its threads."""
        account = self._account
        agreed = consent_bytes(account.identity, device.agreement)
        if not keys.verify(device.device, "device-consent", agreed, accepted.consent):
            raise errors.AUTH_FAILED("The other device did not agree to join.")
        log = account.log()
        now = account.threads.now_ms()
        log.add(
            ADD,
            account.device.signing,
            at_ms=now,
            subject=device.device,
            agreement=device.agreement,
            name=device.name,
            platform_name=device.platform,
            consent=accepted.consent,
        )
        await account.admit_device(log.entries[-1:], device.agreement)
        if accepted.threads:
            index: dict[str, object] = {}
            for brought in accepted.threads:
                index[f"{to_text(brought.thread)}/room"] = brought.room_seed.hex()
                if brought.state != "active":
                    index[f"{to_text(brought.thread)}/state"] = brought.state
            await account.put("index", index)
        shown = {"id": to_text(device.device), "name": device.name}
        threads = sum(room.state == "active" for room in account.affairs.rooms.values()) - 1
        paired = {"device": shown, "identity": to_text(account.identity), "threads": threads}
        return {"type": "pair.done", "paired": paired}


async def converse(machine: Exchange, transport: Transport, events: list[Event], react: React) -> None:
    """Carry a machine's frames until it is finished. Raises its error, or `TransportClosed`."""
    while True:
        due: list[Event] = []
        for event in events:
            if isinstance(event, Send):
                await transport.send(event.frame)
            elif isinstance(event, Failed):
                raise event.error
            elif isinstance(event, Finished):
                return
            else:
                due += await react(event)
        events = due or machine.receive(await transport.receive())


class Entering:
    """A device that joins with a code somebody gave it."""

    def __init__(self, account: Account, transfer: Transfer, nearby: Nearby | None) -> None:
        self._account = account
        self._transfer = transfer
        self._nearby = nearby
        self._seed = identities.new_seed()
        self._bundle: Bundle | None = None

    async def join(self, text: str, relay: str | None, phrase: str | None) -> AsyncGenerator[Line, None]:
        """The stream of `pair.join`. Nothing here has changed until the other device said that it is done."""
        owns = bool(await self._transfer.own_threads())
        root = self._root(phrase) if owns else None
        link = parse_link(text) if is_link(text) else None
        code = words.parse_code(text) if link is None else None
        password = link.password if link else code.password if code else b""
        nameplate = link.nameplate if link else code.nameplate if code else ""
        venue = link.relay if link else relay
        transport, where = await self._meet(nameplate, venue)
        try:
            device = DeviceKeys.from_seed(self._seed)
            machine = Joiner(
                password,
                nameplate,
                where,
                os.urandom,
                device=device.signing,
                agreement=device.agreement,
                name=self._account.device_name,
                platform=identities.platform_name(),
                owns_threads=owns,
            )

            async def react(event: Event) -> list[Event]:
                return await self._receive(machine, event.bundle, root) if isinstance(event, Received) else []

            await converse(machine, transport, machine.start(), react)
        except TransportClosed as closed:
            raise errors.AUTH_FAILED("The other device hung up; nothing was handed over.") from closed
        finally:
            await transport.close()
        assert self._bundle is not None
        yield {"type": "pair.joining", "device": {"name": self._bundle.device_name}}
        await self._become(self._bundle)
        yield await self._settle()

    def _root(self, phrase: str | None) -> Root:
        """What offers this device's own threads. Raises RECOVERY_CONFIRMED or RECOVERY_PHRASE_WRONG."""
        root = Root.from_seed(words.seed_from_phrase(phrase)) if phrase else self._account.root()
        if root is None:
            raise errors.RECOVERY_CONFIRMED(
                "This device has threads of its own, and handing them over takes its recovery words.",
                next="Give them: opensesh pair CODE --phrase-stdin",
            )
        if root.identity != self._account.identity:
            raise errors.RECOVERY_PHRASE_WRONG("Those are the words of another identity.")
        return root

    async def _meet(self, nameplate: str, relay: str | None) -> tuple[Transport, str]:
        """Where the code is shown: on the local network, or at a relay."""
        relays = [relay] if relay else [*self._account.affairs.relays]
        tries = [asyncio.create_task(self._meet_at(url, nameplate)) for url in relays]
        if self._nearby is not None and self._nearby.enabled:
            tries.append(asyncio.create_task(self._find(nameplate)))
        if not tries:
            raise errors.PAIRING_NO_VENUE()
        failure: OpenSeshError | None = None
        try:
            for each in asyncio.as_completed(tries):
                try:
                    return await each
                except OpenSeshError as error:
                    failure = failure if failure and error.kind is errors.PAIRING_EXPIRED else error
                except (TransportClosed, TimeoutError):
                    failure = failure or errors.PAIRING_EXPIRED("Nobody shows that code on this network.")
        finally:
            for task in tries:
                task.cancel()
        assert failure is not None
        raise failure

    async def _meet_at(self, url: str, nameplate: str) -> tuple[Transport, str]:
        seat = await Rendezvous.meet(url, keys.SigningKey.from_seed(os.urandom(keys.KEY_BYTES)), nameplate)
        return seat, seat.venue

    async def _find(self, nameplate: str) -> tuple[Transport, str]:
        assert self._nearby is not None
        async with asyncio.timeout(FIND_S):
            return await self._nearby.find(nameplate)

    async def _receive(self, machine: Joiner, data: bytes, root: Root | None) -> list[Event]:
        bundle = decode_bundle(data)
        device = DeviceKeys.from_seed(self._seed)
        consent = device.signing.sign("device-consent", consent_bytes(bundle.identity, device.agreement.public))
        if self._account.exists and self._account.identity == bundle.identity:
            raise errors.AUTH_FAILED("These two devices are paired already.", next="See them with: opensesh devices")
        brought = await self._transfer.offer_all(IdentityId(bundle.identity), root)
        self._bundle = bundle
        return machine.accept(msgspec.msgpack.encode(Acceptance(consent, brought)))

    async def _become(self, bundle: Bundle) -> None:
        installation = identities.Installation(
            self._seed, bundle.identity, bundle.account, former=await self._account.former_keys()
        )
        await self._account.join(installation, bundle)

    async def _settle(self) -> Line:
        """Wait until the account thread is here, then take over what this device brought along."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self._account.settled()
        await self._transfer.accept_all()
        affairs, account = self._account.affairs, self._account
        assert self._bundle is not None
        name = self._bundle.device_name
        sender = min(affairs.log.devices.values(), key=lambda d: (d.name != name, d.rank))
        threads = sum(room.state == "active" for room in affairs.rooms.values()) - 1
        paired = {
            "device": {"id": to_text(sender.id), "name": sender.name},
            "identity": to_text(account.identity),
            "threads": threads,
        }
        return {"type": "pair.done", "paired": paired}
