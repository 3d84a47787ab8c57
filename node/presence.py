"""Who is in a thread right now: says it of this device, and hears it of the others. Nothing of it is stored.

A device speaks only while one of its clients looks: an API stream is open on the thread, or a client said so
lately. What comes in is believed by `crdt/presence.py`, shown to watchers as passing events, and handed to those who
asked for its kind. Messages may be lost and are never repeated; whoever needs more numbers their own.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final

from crdt.errors import OpenSeshError
from crdt.ids import DeviceId, IdentityId, ThreadId, to_text
from crdt.permissions import LaneKind, Role
from crdt.presence import MAX_PAYLOAD_BYTES, NEEDS, SILENCE_MS, Here, Kind, Said, decode_here, encode_here
from crdt.replica import Receipt
from crdt.stewardship import introduction
from node.account import Account
from node.audience import Audience, differences
from node.background import Background
from node.bus import Bus
from node.happenings import Happening
from node.open_thread import OpenThread
from node.permitting import our_role
from node.threads import Threads

MAX_AUDIENCES: Final = 256  # threads of which presence is remembered
MAX_LOADS: Final = 64  # threads read at once because somebody whispered in them,
LOAD_REFILL_S: Final = 0.5  # and one more after so long: reading one is the dearest that a whisper can bring about
PAUSE_S: Final = 0.1  # between two messages on what is looked at: the last one is always sent
REPEAT_S: Final = 10.0  # and again, so that the others know
LEASE_S: Final = 30.0  # how long a client looks that said so and holds no stream
TELL_S: Final = 0.05  # what happens within so long is told to watchers together
Handler = Callable[[ThreadId, IdentityId, DeviceId, bytes], None]
Way = Callable[[ThreadId, bytes], None]
log = logging.getLogger(__name__)


class Presence:
    """`send` and `on` are for everybody; `heard` is what transports call, `ways` what they lend. `close` it.

    Belongs to the event loop; nothing but `show` and `look` waits.
    """

    def __init__(self, account: Account, threads: Threads, bus: Bus, *ways: Way) -> None:
        self._account = account
        self._threads = threads
        self._bus = bus
        self._ways = ways
        self._audiences: OrderedDict[ThreadId, Audience] = OrderedDict()
        self._handlers: dict[str, list[Handler]] = {kind: [] for kind in NEEDS}
        self._background = Background()
        self._closed = False
        self.on_look: Callable[[ThreadId], None] = lambda thread: None  # a client looks there
        self._loads_left = float(MAX_LOADS)
        self._loads_at = 0.0
        threads.on_change.append(self._on_change)
        account.listeners.append(self._on_affairs)

    async def close(self) -> None:
        """Say goodbye wherever a client looks."""
        self._closed = True
        now = asyncio.get_running_loop().time()
        for audience in self._audiences.values():
            if audience.ready and audience.is_looking(now):
                self._say(audience, "here", encode_here(Here("leaving")))
            audience.stop_timers()
        await self._background.close()

    # ---- saying

    def send(self, thread: ThreadId, kind: Kind, payload: bytes) -> None:
        """Say something to everybody who is in the thread now, at once; it may be lost, and nobody stores it.

        Raises ValueError for an unknown kind, or beyond `MAX_PAYLOAD_BYTES`. Nothing is sent by somebody whom the
        others would not believe: without a role that is enough, or without a key that is safe.
        """
        if kind not in NEEDS or len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a message has a known kind and at most {MAX_PAYLOAD_BYTES} bytes")
        audience = self._audience(thread)
        if audience.ready:
            self._say(audience, kind, payload)
        else:
            audience.unsaid.append((kind, payload))
            self._load(audience)

    def _say(self, audience: Audience, kind: Kind, payload: bytes) -> None:
        if audience.may_say(kind):
            assert audience.epoch is not None
            message = audience.voice.say(audience.epoch, kind, payload, self._threads.now_ms())
            for way in self._ways:
                way(audience.thread, message)

    @contextlib.contextmanager
    def looking(self, thread: ThreadId) -> Iterator[None]:
        """A block during which a client of this device looks at the thread."""
        audience = self._audience(thread)
        self.on_look(thread)
        audience.streams += 1
        self._show_ourselves(audience)
        try:
            yield
        finally:
            audience.streams -= 1
            if audience.streams == 0:
                audience.here = Here("active")
            self._show_ourselves(audience)

    def look(self, thread: ThreadId, here: Here) -> None:
        """A client says what it looks at. It holds as long as a stream is open, or else for `LEASE_S`.

        Raises ValueError for what others would not believe.
        """
        encode_here(here)
        audience = self._audience(thread)
        self.on_look(thread)
        audience.here = here
        audience.until = 0.0 if here.state == "leaving" else asyncio.get_running_loop().time() + LEASE_S
        self._show_ourselves(audience)

    def _show_ourselves(self, audience: Audience) -> None:
        """Say what is looked at: now, or as soon as the pause is over."""
        self._soon(audience)
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        if audience.saying is not None:
            if audience.saying.when() < audience.said_at + 2 * PAUSE_S:
                return  # it is under way, and says then what holds then
            audience.saying.cancel()
        wait_s = max(0.0, audience.said_at + PAUSE_S - loop.time())
        if not audience.ready:
            self._load(audience)  # which comes back here
        elif wait_s:
            audience.saying = loop.call_later(wait_s, self._say_here, audience)
        else:
            self._say_here(audience)

    def _say_here(self, audience: Audience) -> None:
        loop = asyncio.get_running_loop()
        now = audience.said_at = loop.time()
        audience.saying = None
        looking = audience.is_looking(now)
        self._say(audience, "here", encode_here(audience.here if looking else Here("leaving")))
        if looking:
            wait_s = REPEAT_S if audience.streams else min(REPEAT_S, audience.until - now)
            audience.saying = loop.call_later(wait_s, self._say_here, audience)
            self._introduce(audience)
        self._soon(audience)

    def _introduce(self, audience: Audience) -> None:
        """Members believe devices that the thread knows: of one that never wrote there it is told now, once."""
        membership, account = audience.membership, self._account
        known = membership is None or membership.introduced.get(account.device.id)
        if not known and membership is not None and membership.members().keys() - {account.identity}:
            self._background.begin(self._write_introduction(audience.thread), "introduce")

    async def _write_introduction(self, thread: ThreadId) -> None:
        try:
            async with self._threads.change(thread) as draft:
                if not draft.thread.replica.is_introduced and our_role(draft.thread.replica) > Role.NONE:
                    draft.record(LaneKind.IDENTITY, introduction(self._account.entries()))
        except OpenSeshError as error:
            log.info("this device is not shown to the members: %s", error.kind.name)

    # ---- hearing

    def on(self, kind: Kind, handler: Handler) -> None:
        """Have `handler(thread, identity, device, payload)` called for each message of a kind that is believed."""
        self._handlers[kind].append(handler)

    def heard(self, thread: ThreadId, message: bytes) -> None:
        """A transport heard this. Never raises."""
        if self._closed or not self._account.exists or thread == self._account.thread:
            return
        audience = self._audience(thread)
        if audience.ready:
            self._take(audience, message)
        else:
            audience.heard.append(message)
            if self._may_load():
                self._load(audience)

    def _take(self, audience: Audience, message: bytes) -> None:
        said = audience.ears.take(message, self._threads.now_ms())
        if said is None:
            return
        if said.kind == "here":
            self._take_here(audience, said)
        elif to_text(said.device) not in audience.shown:
            self._soon(audience)
        for handler in self._handlers[said.kind]:
            try:
                handler(audience.thread, said.identity, said.device, said.payload)
            except Exception:
                log.exception("a message of kind %s met a fault of ours", said.kind)

    def _take_here(self, audience: Audience, said: Said) -> None:
        is_new = to_text(said.device) not in audience.shown and decode_here(said.payload).state != "leaving"
        if is_new and audience.is_looking(asyncio.get_running_loop().time()):
            self._show_ourselves(audience)  # they can't know yet who else is here
        self._soon(audience)

    def _soon(self, audience: Audience, wait_s: float = TELL_S) -> None:
        """Tell watchers who is here otherwise, together with all that happens meanwhile."""
        loop = asyncio.get_running_loop()
        if audience.telling is not None:
            if audience.telling.when() <= loop.time() + wait_s:
                return
            audience.telling.cancel()
        audience.telling = None if self._closed else loop.call_later(wait_s, self._tell, audience)

    def _tell(self, audience: Audience) -> None:
        audience.telling = None
        if not audience.ready:
            return
        rows = audience.rows(asyncio.get_running_loop().time(), self._threads.now_ms())
        changed, gone = differences(audience.shown, rows)
        audience.shown = rows
        if changed or gone:
            told = {"people": changed, "gone": gone}
            name = to_text(audience.thread)
            self._bus.publish(Happening(cursor=0, type="presence.changed", thread=name, data=told, passing=True))
        if rows:
            self._soon(audience, SILENCE_MS / 1000 + TELL_S)  # the next one to fall silent has done so by then

    async def show(self, thread: ThreadId) -> list[dict[str, Any]]:
        """Who is here, in the API's shape: this device first, then by identity. Raises THREAD_NOT_FOUND."""
        audience = self._audience(thread)
        if not audience.ready:
            await self._renew(audience)
        rows = audience.rows(asyncio.get_running_loop().time(), self._threads.now_ms()).values()
        return sorted(rows, key=lambda row: (not row["this"], row["identity"], row["device"]["id"]))

    def is_here(self, thread: ThreadId, device: DeviceId) -> bool:
        """Whether somebody looks at a thread on another device, as far as this one has listened."""
        audience = self._audiences.get(thread)
        present = audience.ears.present(self._threads.now_ms()) if audience is not None else []
        return any(each.device == device and each.here is not None for each in present)

    # ---- keeping up

    def _audience(self, thread: ThreadId) -> Audience:
        audience = self._audiences.get(thread)
        if audience is None:
            audience = self._audiences[thread] = Audience(thread, self._account)
            self._drop_idle(audience)
        self._audiences.move_to_end(thread)
        return audience

    def _drop_idle(self, new: Audience) -> None:
        """Of threads where something was believed lately it has to be known, or it would be believed once more."""
        now, now_ms = asyncio.get_running_loop().time(), self._threads.now_ms()
        idle = (
            each
            for each in self._audiences.values()
            if each is not new and not each.is_looking(now) and each.ears.may_be_forgotten(now_ms)
        )
        if len(self._audiences) > MAX_AUDIENCES and (oldest := next(idle, None)) is not None:
            oldest.stop_timers()
            del self._audiences[oldest.thread]

    def _load(self, audience: Audience) -> None:
        """Read the thread, so that its members are known."""
        if audience.loading is None and not self._closed:
            audience.loading = self._background.begin(self._loaded(audience), "who is here")

    def _may_load(self) -> bool:
        """Whether a whisper may have us read a thread: a relay could whisper in every room, without end."""
        now = asyncio.get_running_loop().time()
        self._loads_left = min(float(MAX_LOADS), self._loads_left + (now - self._loads_at) / LOAD_REFILL_S)
        self._loads_at = now
        if self._loads_left < 1:
            return False
        self._loads_left -= 1
        return True

    async def _loaded(self, audience: Audience) -> None:
        try:
            await self._renew(audience)
        except OpenSeshError as error:
            log.info("presence in a thread that can't be read: %s", error.kind.name)
        finally:
            audience.loading = None

    async def _renew(self, audience: Audience) -> None:
        opened = await self._threads.open(audience.thread)
        audience.renew(opened.replica)
        while audience.heard:
            self._take(audience, audience.heard.popleft())
        while audience.unsaid:
            self._say(audience, *audience.unsaid.popleft())
        if audience.is_looking(asyncio.get_running_loop().time()):
            self._show_ourselves(audience)

    def _on_change(self, opened: OpenThread, receipts: list[Receipt]) -> None:
        audience = self._audiences.get(opened.id)
        if audience is None or not audience.ready:
            return
        learned = any(receipt.learned for receipt in receipts)
        if learned or opened.replica.membership is not audience.membership:
            audience.renew(opened.replica)
            self._soon(audience)

    def _on_affairs(self) -> None:
        """Our devices or keys may be others: look again when it next matters."""
        for audience in self._audiences.values():
            audience.ready = False
            if audience.streams or audience.shown:
                self._load(audience)
