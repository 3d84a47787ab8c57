"""Everything a run touches, in memory: a thread, a journal, a clock moved by hand, scripted models and tools."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from msgspec.structs import replace

from node.agent.driver import Driver, Surroundings
from node.agent.names import answer_id, message_id_of, run_id
from node.agent.ports import ChatMessage, Decide, ModelEvent, NoTools, PastMessage, RunRecord, Tools
from node.agent.steps import TERMINAL, MessageState, State, ToolCall

PATIENCE_S = 20.0  # a bound against hanging, never waited for by a test that passes
THREAD = "thread"


class Disk:
    """What happens when something is written: it is noted, may fail, and may be held up."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.faults: dict[str, list[Exception]] = defaultdict(list)
        self.gates: dict[str, asyncio.Event] = {}
        self.reached: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def hold(self, what: str) -> asyncio.Event:
        """Writes of this kind wait until the event that is returned is set."""
        return self.gates.setdefault(what, asyncio.Event())

    async def write(self, what: str, *details: Any) -> None:
        self.reached[what].set()
        if gate := self.gates.get(what):
            await gate.wait()
        if self.faults[what]:
            raise self.faults[what].pop(0)
        self.log.append((what, *details))


class MemoryThread:
    """`ThreadWriter` with one thread."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.past: list[PastMessage] = []
        self.runs: dict[str, RunRecord] = {}
        self.texts: dict[str, str] = defaultdict(str)
        self.reasoning: dict[str, str] = defaultdict(str)
        self.states: dict[str, str] = {}
        self.calls: dict[str, tuple[str, str, str]] = {}

    async def history(self, thread: str) -> Sequence[PastMessage]:
        await self.disk.write("history")
        return list(self.past)

    async def write_prompt(self, thread: str, text: str, request: str) -> str:
        identifier = message_id_of(thread, request)
        if identifier not in {message.id for message in self.past}:
            self.past.append(PastMessage(identifier, "user", (text,), "Ann"))
        return identifier

    async def put_run(self, run: RunRecord) -> None:
        await self.disk.write("thread", run.state.value)
        shown = self.runs.get(run.id)
        if shown is None or shown.state not in TERMINAL:
            self.runs[run.id] = run

    async def run_state(self, thread: str, run: str) -> State | None:
        return self.runs[run].state if run in self.runs else None

    async def begin_message(self, thread: str, run: str, message: str, model: str) -> None:
        await self.disk.write("begin", model)
        self.states.setdefault(message, "streaming")

    async def append_text(self, thread: str, message: str, text: str) -> None:
        assert self.states[message] == "streaming", "text for a message that is not open"
        await self.disk.write("text", text)
        self.texts[message] += text

    async def append_reasoning(self, thread: str, message: str, text: str) -> None:
        assert self.states[message] == "streaming", "reasoning for a message that is not open"
        await self.disk.write("reasoning", text)
        self.reasoning[message] += text

    async def put_tool_call(self, thread: str, message: str, call: ToolCall, status: str, result: str) -> None:
        await self.disk.write("call", call.id, status)
        self.calls[call.id] = (call.name, status, result)

    async def finish_message(self, thread: str, message: str, state: MessageState) -> None:
        await self.disk.write("finish", state)
        if self.states.get(message) not in (None, "final"):
            self.states[message] = state

    async def message_text(self, thread: str, message: str) -> str:
        return self.texts[message]


class MemoryJournal:
    """`Journal` in a dictionary."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.runs: dict[str, RunRecord] = {}

    async def put(self, run: RunRecord) -> None:
        await self.disk.write("journal", run.state.value)
        self.runs[run.id] = run

    async def find(self, run: str) -> RunRecord | None:
        return self.runs.get(run)

    async def unfinished(self) -> Sequence[RunRecord]:
        return [run for run in self.runs.values() if run.state not in TERMINAL]


class HandClock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.ms = 1_000_000
        self._sleepers: list[tuple[int, asyncio.Event]] = []
        self.slept = asyncio.Event()  # somebody sleeps

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms

    async def sleep(self, delay_ms: int) -> None:
        awake = asyncio.Event()
        self._sleepers.append((self.ms + delay_ms, awake))
        self.slept.set()
        await awake.wait()

    def advance(self, by_ms: int) -> None:
        """Let time pass, and wake whoever slept until then."""
        self.ms += by_ms
        for at_ms, awake in self._sleepers:
            if at_ms <= self.ms:
                awake.set()


class Script:
    """A `ModelSource` that says, for each round, what is written down: events, errors to raise, things to wait for."""

    label = "test/scripted"
    context_chars = 100_000

    def __init__(self, *rounds: Sequence[ModelEvent | Exception | asyncio.Event]) -> None:
        self._rounds = list(rounds)
        self.asked: list[list[ChatMessage]] = []
        self.said = 0
        self._milestones: dict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self.closed = asyncio.Event()

    def after(self, count: int) -> asyncio.Event:
        """Set once so many events have been said."""
        return self._milestones[count]

    def prepare(self) -> None:
        """Always ready."""

    async def stream(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[ModelEvent, None]:
        self.asked.append(list(messages))
        try:
            for step in self._rounds.pop(0):
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    self.said += 1
                    self._milestones[self.said].set()
                    yield step
        finally:
            self.closed.set()


class HandTools:
    """`Tools` whose decisions and results come from the test."""

    def __init__(self) -> None:
        self.proposed: asyncio.Queue[tuple[ToolCall, Decide]] = asyncio.Queue()
        self.running: asyncio.Queue[ToolCall] = asyncio.Queue()
        self.results: asyncio.Queue[tuple[bool, str] | Exception] = asyncio.Queue()
        self.killed = asyncio.Event()

    async def propose(self, run: RunRecord, call: ToolCall, decide: Decide) -> None:
        self.proposed.put_nowait((call, decide))

    async def run(self, run: RunRecord, call: ToolCall) -> tuple[bool, str]:
        self.running.put_nowait(call)
        try:
            result = await self.results.get()
        except asyncio.CancelledError:
            self.killed.set()
            raise
        if isinstance(result, Exception):
            raise result
        return result


class Stage:
    """One node's surroundings, and the runs begun in them."""

    def __init__(self, tools: Tools | None = None) -> None:
        self.disk = Disk()
        self.thread = MemoryThread(self.disk)
        self.journal = MemoryJournal(self.disk)
        self.clock = HandClock()
        self.tools = tools or NoTools()
        self.ended: list[Driver] = []

    async def driver(self, source: Any, prompt: str = "Hello?", request: str = "request") -> Driver:
        """A run that is watched, but neither queued nor started."""
        run = run_id(THREAD, request)
        record = RunRecord(
            id=run,
            thread=THREAD,
            request=request,
            prompt=await self.thread.write_prompt(THREAD, prompt, request),
            model=source.label,
            runner="me",
            lease=1,
            state=State.QUEUED,
            created_at_ms=self.clock.now_ms(),
        )
        driver = Driver(record, source, Surroundings(self.thread, self.journal, self.clock, self.tools))
        driver.watch(self.ended.append)
        return driver

    async def begin(self, source: Any, prompt: str = "Hello?", request: str = "request") -> Driver:
        """A run that is queued and started."""
        driver = await self.driver(source, prompt, request)
        await driver.queue()
        driver.start(tuple)
        return driver

    def answer(self, driver: Driver) -> tuple[str, str]:
        """Text and state of a run's answer in the thread."""
        identifier = answer_id(driver.record.id)
        return self.thread.texts[identifier], self.thread.states.get(identifier, "none")

    def shown(self, driver: Driver) -> RunRecord:
        """The run as the thread shows it."""
        return self.thread.runs[driver.record.id]

    def states(self, what: str) -> list[str]:
        """The states that were written to `thread` or `journal`, in order."""
        return [entry[1] for entry in self.disk.log if entry[0] == what]


async def lines(driver: Driver) -> list[dict[str, Any]]:
    """Everything a reader of the run is told, to its end."""
    async with asyncio.timeout(PATIENCE_S):
        return [line async for line in driver.feed.read()]


async def line(driver: Driver, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first thing a reader is told that fits."""
    async with asyncio.timeout(PATIENCE_S):
        async for each in driver.feed.read():
            if fits(each):
                return each
    raise AssertionError("the run ended without it")


async def over(driver: Driver) -> None:
    """Wait until the run's task is done, too."""
    assert driver.task is not None
    await asyncio.wait_for(asyncio.shield(driver.task), PATIENCE_S)


async def soon(event: asyncio.Event) -> None:
    """Wait for an event, for a bounded time."""
    await asyncio.wait_for(event.wait(), PATIENCE_S)


def named(record: RunRecord, **changes: Any) -> RunRecord:
    """The record with some fields replaced."""
    return replace(record, **changes)
