"""Perform one run: feed the machine in `turn` with what happens, and do what it answers.

Everything that happens to the run comes through one inbox and is handled one after the other, so no
two effects overlap. Only stopping does not queue: a cancel closes the model's stream at once and goes
to the head of the inbox.

What is written is announced only after it is stored. A non-terminal state goes to the journal and the
thread at the same time; a terminal one to the thread first and the journal last, so that whatever the
journal still calls unfinished is looked up in the thread before it is called interrupted.
"""

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from msgspec.structs import replace as altered

from crdt import errors
from node.agent import context, turn
from node.agent.feed import RunFeed
from node.agent.ports import Clock, Journal, ModelDelta, ModelDone, ModelSource, RunRecord, ThreadWriter, ToolRecord
from node.agent.ports import Tools as ToolsPort
from node.api.failures import failure_of

INBOX_SIZE = 64  # deltas that wait here; beyond it the source is not read


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every run of a node shares."""

    writer: ThreadWriter
    journal: Journal
    clock: Clock
    tools: ToolsPort


def prompt_digest(text: str) -> str:
    """What tells two prompts apart when they claim the same client request id."""
    return hashlib.sha256(b"opensesh/1/prompt\0" + text.encode("utf-8", "surrogatepass")).hexdigest()


class _Inbox:
    """Events in order, except that an urgent one comes first; full for deltas at `INBOX_SIZE`."""

    def __init__(self) -> None:
        self._events: deque[turn.Event] = deque()
        self._signal = asyncio.Event()

    def put(self, event: turn.Event, *, urgent: bool = False) -> None:
        (self._events.appendleft if urgent else self._events.append)(event)
        self._wake()

    async def put_when_room(self, event: turn.Event) -> None:
        while len(self._events) >= INBOX_SIZE:
            await self._change()
        self.put(event)

    async def get(self) -> turn.Event:
        while not self._events:
            await self._change()
        event = self._events.popleft()
        self._wake()
        return event

    def _wake(self) -> None:
        # A condition would want its lock held; an event that is replaced at each change does not.
        self._signal.set()
        self._signal = asyncio.Event()

    async def _change(self) -> None:
        await self._signal.wait()


class Driver:
    """One run under way. `task` ends when the run has; it never raises."""

    def __init__(self, record: RunRecord, source: ModelSource, around: Surroundings) -> None:
        self.record = record
        self.feed = RunFeed()
        self.started = False
        self._source = source
        self._around = around
        self._inbox = _Inbox()
        self._turn = turn.Turn()
        self._context: context.Context | None = None
        self._waiting: Callable[[], Collection[str]] = tuple
        self._text: list[str] = []
        self._tools: list[ToolRecord] = []  # of calls that are closed
        self._pump: asyncio.Task[None] | None = None
        self._tool: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._beginning: asyncio.Task[None] | None = None
        self.task: asyncio.Task[None] | None = None

    # ---- what the runtime tells it

    async def queue(self) -> None:
        """Record the run as queued; for one that can't start at once."""
        await asyncio.gather(self._around.journal.put(self.record), self._around.writer.put_run(self.record))
        self._announce("run.queued", prompt=self.record.prompt, runner=self.record.runner)

    def watch(self, ended: Callable[["Driver"], None]) -> None:
        """Begin to take events. `ended` is called once, when the run is over."""
        self.task = asyncio.create_task(self._handle_all())
        self.task.add_done_callback(lambda _: ended(self))

    def start(self, waiting: Callable[[], Collection[str]]) -> None:
        """The run's turn has come. `waiting` gives the prompts still queued behind it."""
        self.started = True
        self._waiting = waiting
        self._beginning = asyncio.create_task(self._begin())

    def cancel(self) -> None:
        """Stop, because a person says so."""
        self._stop_now(turn.CancelRequested())

    def cut(self, error: errors.OpenSeshError) -> None:
        """Stop, because the run can't go on here."""
        self._stop_now(turn.Cut(error))

    async def leave(self, error: errors.OpenSeshError) -> None:
        """Let go of a queued run that another device adopts: nothing is said in the thread, which is theirs now."""
        if self.task:
            self.task.cancel()
        ended = altered(
            self.record,
            state=turn.State.INTERRUPTED,
            ended_at_ms=self._around.clock.now_ms(),
            error=error.to_json(),
        )
        self.record = ended
        await self._around.journal.put(ended)
        self._announce("run.failed", error=error.to_json())

    # ---- the loop

    def _stop_now(self, event: turn.Event) -> None:
        for task in (self._pump, self._tool):
            if task:
                task.cancel()
        self._inbox.put(event, urgent=True)

    async def _begin(self) -> None:
        try:
            built = await self._build_context()
        except Exception as error:
            self._inbox.put(turn.Broke(known(error)))
        else:
            self._inbox.put(turn.Started(fits=built.omission is None))

    async def _build_context(self) -> context.Context:
        history = await self._around.writer.history(self.record.thread)
        try:
            self._context = context.build(
                history,
                prompt=self.record.prompt,
                run=self.record.id,
                waiting=self._waiting(),
                limit_chars=self._source.context_chars,
            )
        except ValueError as error:
            raise errors.REQUEST_INVALID("The prompt is not in this thread.") from error
        return self._context

    async def _handle_all(self) -> None:
        try:
            while self._turn.state not in turn.TERMINAL:
                event = await self._inbox.get()
                if isinstance(event, turn.Delta):  # stamped when handled: a backlog is written as one
                    event = replace(event, now_ms=self._around.clock.monotonic_ms())
                self._turn, effects = turn.step(self._turn, event)
                for effect in effects:
                    await self._perform(effect)
        except Exception as error:
            await self._give_in(known(error))
        finally:
            for task in (self._pump, self._tool, self._timer, self._beginning):
                if task:
                    task.cancel()

    async def _give_in(self, error: errors.OpenSeshError) -> None:
        """The thread or the journal can't be written: say so to whoever listens, and leave what was stored.

        If not even the failure can be recorded, the journal still calls the run unfinished, and the next
        start makes it interrupted.
        """
        with contextlib.suppress(Exception):
            await self._around.writer.finish_message(self.record.thread, turn.answer_id(self.record.id), "interrupted")
            await self._record(turn.Record(turn.State.FAILED, error))
        if not self.feed.ended:
            self._announce("run.failed", error=error.to_json(), message_id=self.record.message)

    async def _perform(self, effect: turn.Effect) -> None:
        writer, thread, message = self._around.writer, self.record.thread, turn.answer_id(self.record.id)
        match effect:
            case turn.Record():
                await self._record(effect)
            case turn.CallModel(round_number):
                built = self._context if round_number == 0 and self._context else await self._build_context()
                self._pump = asyncio.create_task(self._pump_model(built))
            case turn.StopModel():
                if self._pump:
                    self._pump.cancel()
            case turn.Compact():
                self._compact()
            case turn.OpenMessage():
                await writer.begin_message(thread, self.record.id, message, self._source.label)
                self.record = altered(self.record, message=message)
            case turn.Append(kind, text):
                append = writer.append_text if kind == "text" else writer.append_reasoning
                await append(thread, message, text)
                if kind == "text":
                    self._text.append(text)
                self._announce("run.delta", message_id=message, text=text, part=kind)
            case turn.CloseMessage(state):
                await writer.finish_message(thread, message, state)
            case turn.WakeAt(at_ms):
                self._timer = asyncio.create_task(self._wake(at_ms))
            case _:
                await self._perform_on_tool(effect, message)

    async def _perform_on_tool(self, effect: turn.Effect, message: str) -> None:
        writer, thread = self._around.writer, self.record.thread
        match effect:
            case turn.Propose(call):
                await writer.put_tool_call(thread, message, call, "running", "")
                self._announce("tool.updated", call=call.id, name=call.name, state="proposed")
                await self._around.tools.propose(self.record, call, self._decide)
            case turn.RunTool(call):
                self._announce("tool.updated", call=call.id, name=call.name, state="started")
                self._tool = asyncio.create_task(self._run_tool(call))
            case turn.StopTool():
                if self._tool:
                    self._tool.cancel()
            case turn.CloseCall(call, status, result):
                await writer.put_tool_call(thread, message, call, status, result)
                state = {"ok": "finished", "error": "finished", "interrupted": "interrupted"}[status]
                self._tools.append(ToolRecord(call.id, call.name, call.input, state, result, lease=self.record.lease))
                self._announce("tool.updated", call=call.id, name=call.name, state=state, result=result)

    # ---- effects

    async def _record(self, effect: turn.Record) -> None:
        now_ms = self._around.clock.now_ms()
        began = effect.state is turn.State.STREAMING and self.record.started_at_ms is None
        terminal = effect.state in turn.TERMINAL
        self.record = altered(
            self.record,
            state=effect.state,
            round=self._turn.round,
            tools=(*self._tools, *self._open_tools()),
            started_at_ms=now_ms if began else self.record.started_at_ms,
            ended_at_ms=now_ms if terminal else None,
            error=effect.error.to_json() if effect.error else None,
        )
        if not terminal:
            await asyncio.gather(self._around.journal.put(self.record), self._around.writer.put_run(self.record))
            if began:
                message = turn.answer_id(self.record.id)
                self._announce("run.started", message_id=message, model=self._source.label)
            return
        await self._around.writer.put_run(self.record)
        await self._around.journal.put(self.record)
        self.feed.put(ending(self.record, "".join(self._text)))

    def _open_tools(self) -> list[ToolRecord]:
        running = self._turn.state is turn.State.RUNNING_TOOL
        allowed = {verdict.call_id for verdict in self._turn.verdicts if verdict.allowed}
        return [
            ToolRecord(
                call.id,
                call.name,
                call.input,
                "started" if running and index == 0 else "approved" if call.id in allowed else "proposed",
                lease=self.record.lease,
            )
            for index, call in enumerate(self._turn.calls)
        ]

    def _compact(self) -> None:
        """Keep the receipt; the context was already built within the limit."""
        if self._context and (left_out := self._context.omission):
            self.record = altered(
                self.record, omitted=left_out.count, omitted_first=left_out.first, omitted_last=left_out.last
            )
        self._inbox.put(turn.Compacted())

    async def _pump_model(self, built: context.Context) -> None:
        try:
            async with contextlib.aclosing(self._source.stream(built.messages)) as stream:
                async for said in stream:
                    if isinstance(said, ModelDelta):
                        await self._inbox.put_when_room(turn.Delta(said.kind, said.text, 0))
                    elif isinstance(said, ModelDone):
                        self._count(said)
                        self._inbox.put(turn.ModelFinished(said.reason))
                        return
                    else:
                        call = turn.ToolCall(said.id, said.name, said.input)
                        await self._inbox.put_when_room(turn.ToolRequested(call))
            self._inbox.put(turn.Broke(errors.PROVIDER_FAILED("The model's answer ended without an end.")))
        except Exception as error:
            self._inbox.put(turn.Broke(known(error)))

    def _count(self, done: ModelDone) -> None:
        """Add a round's tokens to the run's; None stays None until a provider counts."""
        sums = {}
        for name in ("input_tokens", "output_tokens"):
            before, more = getattr(self.record, name), getattr(done, name)
            sums[name] = before if more is None else (before or 0) + more
        self.record = altered(self.record, **sums)

    async def _run_tool(self, call: turn.ToolCall) -> None:
        try:
            ok, result = await self._around.tools.run(self.record, call)
        except Exception as error:
            ok, result = False, known(error).message
        self._inbox.put(turn.ToolFinished(call.id, ok, result))

    def _decide(self, call_id: str, allowed: bool, reason: str, /) -> None:
        self._inbox.put(turn.Decided(call_id, allowed, reason))

    async def _wake(self, at_ms: int) -> None:
        await self._around.clock.sleep(max(0, at_ms - self._around.clock.monotonic_ms()))
        self._inbox.put(turn.Ticked(self._around.clock.monotonic_ms()))

    # ---- events out

    def _announce(self, type_: str, /, **more: object) -> None:
        self.feed.put({"type": type_, "run": self.record.id, "thread": self.record.thread, **more})


def ending(record: RunRecord, text: str) -> dict[str, object]:
    """The last event of a run that has ended."""
    shown: dict[str, object] = {"run": record.id, "thread": record.thread, "message_id": record.message}
    if record.state is turn.State.COMPLETED:
        return {"type": "run.completed", **shown, "text": text}
    if record.state is turn.State.CANCELLED:
        return {"type": "run.cancelled", **shown}
    return {"type": "run.failed", **shown, "error": record.error or errors.INTERNAL().to_json()}


def known(error: Exception) -> errors.OpenSeshError:
    """An error of ours, or INTERNAL with a reference that the log has too."""
    return failure_of(error, "run")
