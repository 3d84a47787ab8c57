"""The runs of this device: one at a time in each thread, under a lease that every device can see.

A run asked for here is run here, unless another device holds the thread's lease and was heard of lately:
then it is queued to that device, and followed through the thread. If that device falls silent, this one
takes over what nobody has begun.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import pycrdt

from crdt import errors
from crdt.content import leases as leases_of
from crdt.content import stops
from crdt.errors import OpenSeshError
from crdt.ids import DeviceId, ThreadId, from_text, to_text
from crdt.replica import Receipt
from node.account import Account
from node.agent import lease, turn
from node.agent.calls import cut_off
from node.agent.driver import Driver, Surroundings, ending
from node.agent.lease import Lease, QueueTo, RunHere, View
from node.agent.ports import NoTools, RunRecord
from node.agent.providers import Providers
from node.agent.turn import TERMINAL, State
from node.bus import Bus, Event, Overflow, Subscription
from node.happenings import Happening
from node.open_thread import OpenThread
from node.run_progress import Progress
from node.run_thread import RunJournal, RunThread, record_of, state_of
from node.threads import Threads

LEASE_RECORD = "taken_from"
LOOK_AGAIN_S = 1.0  # at a run that another device is to begin: its silence makes no sound
log = logging.getLogger(__name__)


class Clock:
    """The machine's clocks, as runs use them."""

    def now_ms(self) -> int:
        """Unix time."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Time that only goes forward."""
        return time.monotonic_ns() // 1_000_000

    async def sleep(self, delay_ms: int) -> None:
        """Return after `delay_ms`."""
        await asyncio.sleep(delay_ms / 1000)


class Runs:
    """Asks, runs, follows and cancels. `start` it, `close` it."""

    def __init__(self, account: Account, threads: Threads, bus: Bus, providers: Providers) -> None:
        self._account = account
        self._threads = threads
        self._bus = bus
        self._providers = providers
        self._clock = Clock()
        self._writer = RunThread(threads)
        self._journal = RunJournal(threads.store)
        self._around = Surroundings(self._writer, self._journal, self._clock, NoTools())
        self._queues: dict[str, deque[Driver]] = {}
        self._drivers: dict[str, Driver] = {}
        self._placing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._heard_ms: dict[bytes, int] = {}
        self._moved = asyncio.Event()  # replaced each time: set once another device has changed a thread
        self._since_ms = self._clock.monotonic_ms()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    # ---- its life

    async def start(self) -> None:
        """Say of what the last start left unfinished that it was interrupted, and begin to listen."""
        for record in await self._journal.unfinished():
            with contextlib.suppress(OpenSeshError):
                await self._settle(record)
        self._threads.on_change.append(self._on_change)

    async def _settle(self, record: RunRecord) -> RunRecord:
        """The thread's word goes first: its terminal state is written before the journal's."""
        shown = await self._writer.run_state(record.thread, record.id)
        if shown is None or shown not in TERMINAL:
            error = errors.INTERNAL("The node stopped while this ran.", next="Ask again.").to_json()
            record = _ended(record, State.INTERRUPTED, self._clock.now_ms(), error)
            for call, result in cut_off(record):
                await self._writer.put_tool_call(record.thread, turn.answer_id(record.id), call, "interrupted", result)
            await self._writer.finish_message(record.thread, turn.answer_id(record.id), "interrupted")
            await self._writer.put_run(record)
        else:
            record = _ended(record, shown, self._clock.now_ms(), None)
        await self._journal.put(record)
        return record

    async def close(self) -> None:
        """Interrupt what runs, and let it be written."""
        self._closing = True
        self._wake_followers()
        for driver in list(self._drivers.values()):
            driver.cut(errors.INTERNAL("The node was stopped while this ran.", next="Ask again."))
        tasks = [driver.task for driver in self._drivers.values() if driver.task]
        if tasks:
            await asyncio.wait(tasks, timeout=3.0)
        for task in [*tasks, *self._tasks]:
            task.cancel()

    # ---- asking

    async def ask(
        self, thread: ThreadId, text: str, model: str | None, request: str, *, take_over: bool
    ) -> AsyncIterator[dict[str, Any]]:
        """Write a prompt and stream what becomes of it; the same request is the same run."""
        name = to_text(thread)
        run = turn.run_id(name, request)
        async with self._placing.setdefault(run, asyncio.Lock()):  # asked twice at once, it is still one run
            await self._check_question(thread, request, text)
            placed = self._drivers.get(run) or await self._place(thread, run, text, model, request, take_over)
        if isinstance(placed, Driver):
            async for event in placed.feed.read():
                yield event
        elif isinstance(placed, RunRecord):
            yield ending(placed, await self._writer.message_text(name, turn.answer_id(run)))
        else:
            async for event in self._follow(*placed):
                yield event

    async def _check_question(self, thread: ThreadId, request: str, text: str) -> None:
        """The same request is the same run, on whichever device it was asked, but only for the same question."""
        asked = (await self._threads.open(thread)).view.message(turn.message_id_of(to_text(thread), request))
        if asked is not None and asked.text != text:
            raise errors.REQUEST_INVALID(
                "This request id was used for another question.", next="Give a new --request-id."
            )

    async def _place(
        self, thread: ThreadId, run: str, text: str, model: str | None, request: str, take_over: bool
    ) -> "Driver | RunRecord | tuple[RunRecord, QueueTo]":
        """Where a run is that has no driver yet: begun here, ended already, or queued to another device."""
        name = to_text(thread)
        source = await self._providers.resolve(model)
        known = await self._journal.find(run)
        if known is not None:  # without a driver it goes on no more, whatever the journal says
            return known if known.state in TERMINAL else await self._settle(known)
        source.prepare()
        prompt = await self._writer.write_prompt(name, text, request)
        decision = lease.decide(self._view(await self._threads.open(thread)), take_over=take_over)
        record = self._new_record(name, run, request, prompt, model or source.label)
        if isinstance(decision, QueueTo):
            return record, decision
        await self._take(thread, decision)
        return await self._enqueue(_under(record, decision.lease.number, self._me_text))

    def _new_record(self, thread: str, run: str, request: str, prompt: str, model: str) -> RunRecord:
        return RunRecord(
            id=run,
            thread=thread,
            request=request,
            prompt=prompt,
            model=model,
            runner=self._me_text,
            lease=0,
            state=State.QUEUED,
            created_at_ms=self._clock.now_ms(),
        )

    async def cancel(self, thread: ThreadId, only: str | None) -> list[str]:
        """Cancel a thread's runs, or the one named; what another device runs is asked of it. Their ids."""
        opened = await self._threads.open(thread)
        chosen = [d for d in self._of_thread(to_text(thread)) if only in (None, d.record.id)]
        for driver in chosen:
            driver.cancel()
        shown = opened.view.runs().items()
        elsewhere = [
            run
            for run, said in shown
            if only in (None, run) and run not in self._drivers and state_of(said) not in TERMINAL
        ]
        if elsewhere:
            now_ms = self._clock.now_ms()
            async with self._threads.change(thread) as draft:
                draft.commit(draft.timeline, lambda doc: stops(doc).update(dict.fromkeys(elsewhere, now_ms)))
            self._wake_followers()
        return [*(driver.record.id for driver in chosen), *elsewhere]

    def _of_thread(self, name: str) -> list[Driver]:
        return [driver for driver in self._drivers.values() if driver.record.thread == name]

    # ---- running here

    async def _enqueue(self, record: RunRecord) -> Driver:
        """Run it as soon as what stands before it in its thread has ended."""
        source = await self._providers.resolve(record.model)
        if record.id in self._drivers:  # two who followed it took it up at once
            return self._drivers[record.id]
        driver = Driver(record, source, self._around)
        self._drivers[record.id] = driver
        queue = self._queues.setdefault(record.thread, deque())
        queue.append(driver)
        driver.watch(self._ended)
        await driver.queue()
        if record.id in (await self._threads.open(_id(record.thread))).view.stops():
            driver.cancel()  # asked for while it waited for its runner
        self._start_next(record.thread)
        return driver

    def _start_next(self, thread: str) -> None:
        queue = self._queues.get(thread)
        if queue and not queue[0].started and not self._closing:
            waiting = queue
            queue[0].start(lambda: [driver.record.prompt for driver in list(waiting)[1:]])

    def _ended(self, driver: Driver) -> None:
        self._drivers.pop(driver.record.id, None)
        queue = self._queues.get(driver.record.thread)
        if queue is not None:
            with contextlib.suppress(ValueError):
                queue.remove(driver)
            if not queue:
                del self._queues[driver.record.thread]
        self._start_next(driver.record.thread)

    # ---- leases

    @property
    def _me(self) -> DeviceId:
        return self._account.device.id

    @property
    def _me_text(self) -> str:
        return to_text(self._me)

    def _view(self, opened: OpenThread) -> View:
        membership = opened.replica.membership
        owners = [d for d, identity in membership.identity_of.items() if identity == membership.owner]
        return View(
            me=self._me,
            leases=tuple(Lease(number, device) for number, device in opened.view.leases()),
            owner_devices=frozenset([self._me, *owners]),
            heard_ms=self._heard_ms,
            listening_since_ms=self._since_ms,
            now_ms=self._clock.monotonic_ms(),
        )

    async def _take(self, thread: ThreadId, decision: RunHere) -> None:
        """Write a new lease into the thread, naming whom it was taken from."""
        if not decision.new:
            return
        taken_from = to_text(decision.took_from) if decision.took_from else ""
        number = str(decision.lease.number)

        def write(doc: "pycrdt.Doc[Any]") -> None:
            leases_of(doc)[number] = pycrdt.Map({LEASE_RECORD: taken_from, "at": self._clock.now_ms()})

        async with self._threads.change(thread) as draft:
            draft.commit(draft.timeline, write)
            draft.events.append(("run.lease", {"runner": self._me_text, "taken_from": taken_from or None}))

    # ---- what other devices do

    def _wake_followers(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _on_change(self, opened: OpenThread, receipts: list[Receipt]) -> None:
        now = self._clock.monotonic_ms()
        devices = {receipt.envelope.header.device for receipt in receipts if receipt.envelope}
        if not self._account.exists or not devices - {self._me}:
            return
        self._heard_ms.update(dict.fromkeys(devices, now))
        self._wake_followers()
        name = to_text(opened.id)
        view = self._view(opened)
        stopped = opened.view.stops() if self._of_thread(name) else set()
        for driver in self._of_thread(name):
            if driver.record.id in stopped:
                driver.cancel()
            if lease.must_stop(view, driver.record.lease):
                driver.cut(errors.RUN_ELSEWHERE("Another device took this thread over."))
        for run, shown in opened.view.runs().items():
            queued = state_of(shown) is State.QUEUED and shown.get("runner") == self._me_text
            if queued and run not in self._drivers and shown.get("device") != self._me:
                self._later(self._adopt(opened, run, shown))

    async def _adopt(self, opened: OpenThread, run: str, shown: dict[str, Any]) -> None:
        """Run what another device queued to us, if we hold the lease (or nobody does any more)."""
        if run in self._drivers or await self._journal.find(run) is not None:
            return
        decision = lease.decide(self._view(opened))
        if isinstance(decision, RunHere):
            await self._take(opened.id, decision)
            await self._enqueue(_under(record_of(opened, run, shown), decision.lease.number, self._me_text))

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a run could not be taken up: %s", type(error).__name__)

    # ---- following a run on another device

    async def _follow(self, record: RunRecord, decision: QueueTo) -> AsyncIterator[dict[str, Any]]:
        """Queue it to the device that holds the lease, and tell what the thread tells of it."""
        runner = to_text(decision.device)
        queued = _under(record, max((number for number, _ in await self._leases(record)), default=0), runner)
        with self._bus.subscribe() as events:
            await self._writer.put_run(queued)
            shown = {"run": record.id, "thread": record.thread, "prompt": record.prompt, "runner": runner}
            yield {"type": "run.queued", **shown}
            progress = Progress(record, turn.answer_id(record.id))
            while True:
                event = await self._heard(events, LOOK_AGAIN_S)
                while event is not None:  # all that is told comes before the end that the thread may show already
                    for line in progress.told(event) if isinstance(event, Happening) else ():
                        yield line
                    event = await self._heard(events, 0)
                if self._closing:
                    yield progress.left()
                    return
                opened = await self._threads.open(_id(record.thread))
                shown = opened.view.runs().get(record.id, {})
                if state_of(shown) in TERMINAL:
                    for line in progress.end(shown, await self._writer.message_text(record.thread, progress.answer)):
                        yield line
                    return
                taken = await self._take_up(opened, record, shown)
                if taken is not None:
                    async for line in taken.feed.read():
                        yield line
                    return

    async def _heard(self, events: Subscription, wait_s: float) -> Event | Overflow | None:
        """The next event; None when a thread has changed without one, when the time is over, or at the very end."""
        moved = asyncio.ensure_future(self._moved.wait())
        told = asyncio.ensure_future(_next(events))
        try:
            await asyncio.wait({moved, told}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            return told.result() if told.done() else None
        finally:
            moved.cancel()
            told.cancel()

    async def _leases(self, record: RunRecord) -> list[tuple[int, bytes]]:
        return (await self._threads.open(_id(record.thread))).view.leases()

    async def _take_up(self, opened: OpenThread, record: RunRecord, shown: dict[str, Any]) -> Driver | None:
        """Run it here after all, if its runner fell silent before it began."""
        decision = lease.decide(self._view(opened))
        if state_of(shown) is not State.QUEUED or not isinstance(decision, RunHere):
            return None
        await self._take(opened.id, decision)
        return await self._enqueue(_under(record, decision.lease.number, self._me_text))


async def _next(events: Subscription) -> Event | Overflow | None:
    return await anext(events, None)


def _under(record: RunRecord, number: int, runner: str) -> RunRecord:
    return msgspec.structs.replace(record, lease=number, runner=runner)


def _ended(record: RunRecord, state: State, now_ms: int, error: dict[str, Any] | None) -> RunRecord:
    return msgspec.structs.replace(record, state=state, ended_at_ms=now_ms, error=error)


def _id(thread: str) -> ThreadId:
    return ThreadId(from_text(thread))
