"""Who types into a terminal: this device's person into those of any device, and others into those that run here.

The device that runs a program asks `Control` of whoever typed, whatever their software thinks. What is typed on
another device comes as a whisper.
"""

import asyncio
import contextlib
import itertools
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from weakref import WeakKeyDictionary

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.ids import DeviceId, IdentityId, ThreadId, to_text
from crdt.output import terminal_id
from crdt.permissions import WRITES, Lane, LaneKind, denied, may_write
from crdt.replica import Replica
from node.account import Account
from node.background import Background
from node.open_thread import OpenThread
from node.terminals.keys import (
    Closed,
    Keyboard,
    Pressed,
    Sized,
    Typed,
    Typist,
    decode_pressed,
    encode_pressed,
    without_enter,
)
from node.terminals.ports import Allowed, Control, NeedsEnterFrom, No, OwnIdentity, Seat, Verdict, Whispers
from node.terminals.runner import Runner
from node.terminals.view import Key
from node.threads import Threads

MAX_TYPISTS: Final = 64  # terminals of other devices that this one remembers to have typed into
MAX_PRESSED: Final = 1_024  # messages with keys that wait to be looked at; more are lost, as others may be
MAX_PRESSED_EACH: Final = 128  # of these, by one person: nobody's keep out those of who drives
REPEAT_AFTER_S: Final = (0.15, 0.6, 2.0)  # since the keys, or since the last time
CLOSED: Final = "it was closed"
log = logging.getLogger(__name__)


class Hands:
    """`start` it, `close` it. `control` and `whispers` may be set until then; `runners` are the programs here."""

    def __init__(
        self,
        account: Account,
        threads: Threads,
        runners: Mapping[Key, Runner],
        find: Callable[[ThreadId, str | None], Awaitable[Key]],
    ) -> None:
        self.control: Control = OwnIdentity()
        self.whispers: Whispers | None = None
        self._account = account
        self._threads = threads
        self._runners = runners
        self._find = find
        self._keyboards: dict[Key, Keyboard] = {}
        self._typists: dict[Key, Typist] = {}
        self._names: WeakKeyDictionary[Replica, dict[str, Lane]] = WeakKeyDictionary()
        self._pressed: asyncio.Queue[tuple[ThreadId, IdentityId, DeviceId, Pressed]] = asyncio.Queue(MAX_PRESSED)
        self._waiting: Counter[IdentityId] = Counter()  # of whom how many of these are
        self._background = Background()

    def start(self) -> None:
        """Begin to listen."""
        if self.whispers is not None:
            self.whispers.on("keys", self._heard)
        self._background.begin(self._take_keys(), "keys heard")

    async def close(self) -> None:
        """Take no more keys."""
        await self._background.close()

    def forget(self, key: Key) -> None:
        """A program that ran here has ended."""
        self._keyboards.pop(key, None)

    async def type(self, thread: ThreadId, name: str | None, data: bytes) -> Key:
        """Type into a terminal, here or where it runs. Raises PERMISSION_DENIED for who doesn't control it,
        TERMINAL_ENDED, and NETWORK_ERROR where another device runs it and none can be reached."""
        key, verdict = await self._own_verdict(thread, name)
        if key in self._runners:
            self._runners[key].type(_allowed(data, verdict))
            return key
        typist = self._typists.get(key)
        if typist is None:
            typist = self._typists[key] = Typist(key[1].scope, os.urandom(8))
            if len(self._typists) > MAX_TYPISTS:
                del self._typists[next(iter(self._typists))]
        for payload in typist.type(_allowed(data, verdict)):
            self._whisper(thread, payload)
            typist.last = payload
        self._background.begin(self._repeat(thread, typist, typist.last), "keys again")
        return key

    async def _repeat(self, thread: ThreadId, typist: Typist, payload: bytes) -> None:
        """What is said to nobody's store may be lost: the last keys are said again, unless others followed them."""
        for pause_s in REPEAT_AFTER_S:
            await asyncio.sleep(pause_s)
            if typist.last is not payload:
                return
            self._whisper(thread, payload)

    async def resize(self, thread: ThreadId, name: str | None, columns: int, rows: int) -> Key:
        """Another size, from who controls the terminal. Raises as `type`."""
        key, verdict = await self._own_verdict(thread, name)
        _allowed(b"", verdict)
        if (runner := self._runners.get(key)) is not None:
            runner.resize(columns, rows)
        else:
            self._whisper(thread, encode_pressed(Sized(key[1].scope, columns, rows)))
        return key

    async def end(self, thread: ThreadId, name: str | None) -> Key:
        """End a terminal's program. Raises as `type`."""
        key, verdict = await self._own_verdict(thread, name)
        _allowed(b"", verdict)
        if (runner := self._runners.get(key)) is not None:
            await runner.end(CLOSED)
            await asyncio.wait({runner.task})
        else:
            self._whisper(thread, encode_pressed(Closed(key[1].scope)))
        return key

    async def _own_verdict(self, thread: ThreadId, name: str | None) -> tuple[Key, Verdict]:
        """A terminal that has not ended, and whether this device types there. Raises TERMINAL_NOT_FOUND,
        TERMINAL_ENDED, and PERMISSION_DENIED below editor."""
        key = await self._find(thread, name)
        opened = await self._threads.open(thread)
        check_role(self._account, opened)
        if opened.replica.outputs[key[1]].ended is not None:
            raise errors.TERMINAL_ENDED()
        device = DeviceId(key[1].owner)
        runner = opened.replica.membership.identity_of.get(device, IdentityId(b""))
        seat = Seat(thread, to_text(terminal_id(key[1])), runner, device)
        return key, await self.control.may_type(seat, self._account.identity, self._account.device.id)

    def _whisper(self, thread: ThreadId, payload: bytes) -> None:
        if self.whispers is None:
            raise errors.NETWORK_ERROR("The device that runs this terminal can't be reached.")
        self.whispers.send(thread, "keys", payload)

    def host_of(self, thread: ThreadId, terminal: str) -> IdentityId | None:
        """On whose device a terminal runs; None for what is none, or of a thread that isn't in memory."""
        opened = self._threads.peek(thread)
        if opened is None:
            return None
        # Asked for each terminal that anybody spoke of: so names are worked out once, not at every look.
        names, outputs = self._names.setdefault(opened.replica, {}), opened.replica.outputs
        for lane in itertools.islice(outputs, len(names), None):
            names[to_text(terminal_id(lane))] = lane
        found = names.get(terminal)
        return opened.replica.membership.identity_of.get(DeviceId(found.owner)) if found in outputs else None

    def _heard(self, thread: ThreadId, identity: IdentityId, device: DeviceId, payload: bytes) -> None:
        """A device of the thread typed: believed to be who it says, and to be an editor."""
        pressed = decode_pressed(payload)
        if pressed is None or (thread, own_lane(self._account, pressed.terminal)) not in self._runners:
            return
        if self._waiting[identity] < MAX_PRESSED_EACH:
            with contextlib.suppress(asyncio.QueueFull):
                self._pressed.put_nowait((thread, identity, device, pressed))
                self._waiting[identity] += 1

    async def _take_keys(self) -> None:
        """What was heard, one after another: who may type is asked of the thread."""
        while True:
            thread, identity, device, pressed = await self._pressed.get()
            self._waiting -= Counter([identity])
            key = (thread, own_lane(self._account, pressed.terminal))
            seat = Seat(thread, to_text(terminal_id(key[1])), self._account.identity, self._account.device.id)
            try:
                verdict = await self.control.may_type(seat, identity, device)
            except OpenSeshError as error:
                log.info("keys are left out: %s", error.kind.name)
                continue
            if (runner := self._runners.get(key)) is not None:
                self._press(key, runner, identity, pressed, verdict)

    def _press(self, key: Key, runner: Runner, who: IdentityId, pressed: Pressed, verdict: Verdict) -> None:
        if isinstance(pressed, Typed):
            new = self._keyboards.setdefault(key, Keyboard()).new(who, pressed)
            if isinstance(verdict, Allowed):
                runner.type(new)
            elif isinstance(verdict, NeedsEnterFrom):
                runner.type(without_enter(new))
        elif isinstance(verdict, Allowed) and isinstance(pressed, Sized):
            runner.resize(pressed.columns, pressed.rows)
        elif isinstance(verdict, Allowed):
            self._background.begin(runner.end(CLOSED), "close terminal")


def own_lane(account: Account, scope: bytes) -> Lane:
    """The lane of a terminal of this device's."""
    return Lane(LaneKind.OUTPUT, account.device.id, scope)


def check_role(account: Account, opened: OpenThread) -> None:
    """Raise PERMISSION_DENIED for who may run nothing in a thread, and so types nowhere."""
    role = opened.replica.membership.role(account.identity)
    if not may_write(role, LaneKind.OUTPUT):
        raise denied(WRITES[LaneKind.OUTPUT], role)


def _allowed(data: bytes, verdict: Verdict) -> bytes:
    """What of it may be typed. Raises PERMISSION_DENIED if nothing may."""
    if isinstance(verdict, NeedsEnterFrom):
        kept = without_enter(data)
        if kept or not data:
            return kept
    elif isinstance(verdict, Allowed):
        return data
    driver = verdict.driver if isinstance(verdict, No) else verdict.identity
    raise errors.PERMISSION_DENIED(
        "Somebody else types into this terminal." if isinstance(verdict, No) else "Somebody else presses Enter here.",
        next="Ask for control of it: opensesh control THREAD --terminal TERMINAL --request",
        role="editor",
        driver=to_text(driver) if driver is not None else None,
    )
