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
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from msgspec.structs import replace as altered

from crdt import errors
from node.agent import context, steps, turn
from node.agent.calls import Calls
from node.agent.feed import RunFeed, ending
from node.agent.inbox import Inbox
from node.agent.names import answer_id
from node.agent.ports import Clock, Journal, ModelDone, ModelSource, RunRecord, ThreadWriter, Tools
from node.agent.pump import pump
from node.api.failures import failure_of

__all__ = ["Driver", "Surroundings", "ending"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every run of a node shares."""

    writer: ThreadWriter
    journal: Journal
    clock: Clock
    tools: Tools


class Driver:
    """One run under way. `task` ends when the run has; it never raises."""

    def __init__(self, record: RunRecord, source: ModelSource, around: Surroundings) -> None:
        self.record = record
        self.feed = RunFeed()
        self.started = False
        self._said = False  # in the thread, how it ended
        self._source = source
        self._around = around
        self._inbox = Inbox()
        self._turn = turn.Turn()
        self._context: context.Context | None = None
        self._waiting: Callable[[], Collection[str]] = tuple
        self._text: list[str] = []
        self._calls = Calls(around.writer, around.tools, self._inbox, self._announce)
        self._recording = asyncio.Lock()
        self._pump: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._beginning: asyncio.Task[None] | None = None
        self.task: asyncio.Task[None] | None = None

    # ---- what the runtime tells it

    async def queue(self) -> None:
        """Record the run as queued. A failure to store it ends the run, and its readers hear of it."""
        async with self._recording:  # a cancel that comes meanwhile is recorded after it, never under it
            if self._turn.state is not steps.State.QUEUED:
                return
            try:
                await asyncio.gather(self._around.journal.put(self.record), self._around.writer.put_run(self.record))
            except Exception as error:
                self._inbox.put(steps.Broke(failure_of(error, "run")), urgent=True)
            else:
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
        self._stop_now(steps.CancelRequested())

    def cut(self, error: errors.OpenSeshError) -> None:
        """Stop, because the run can't go on here."""
        self._stop_now(steps.Cut(error))

    # ---- the loop

    def _stop_now(self, event: steps.Event) -> None:
        if self._pump:
            self._pump.cancel()
        self._calls.stop()
        self._inbox.put(event, urgent=True)

    async def _begin(self) -> None:
        try:
            built = await self._build_context()
        except Exception as error:
            self._inbox.put(steps.Broke(failure_of(error, "run")))
        else:
            self._inbox.put(steps.Started(fits=built.omission is None))

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
            while self._turn.state not in steps.TERMINAL:
                event = await self._inbox.get()
                if isinstance(event, steps.Delta):  # stamped when handled: a backlog is written as one
                    event = replace(event, now_ms=self._around.clock.monotonic_ms())
                self._turn, effects = turn.step(self._turn, event)
                for effect in effects:
                    await self._perform(effect)
        except Exception as error:
            await self._give_in(failure_of(error, "run"))
        finally:
            self._calls.stop()
            for task in (self._pump, self._timer, self._beginning):
                if task:
                    task.cancel()
            if not self.feed.ended:  # the task itself was cancelled: nobody shall wait for the rest
                stopped = errors.INTERNAL("The node stopped while this ran.", next="Ask again.")
                self._announce("run.failed", error=stopped.to_json(), message_id=self.record.message)

    async def _give_in(self, error: errors.OpenSeshError) -> None:
        """The thread or the journal can't be written: say so to whoever listens, and leave what was stored.

        What was to be done after what failed is not done: text after text that was lost would hide the gap.
        If not even the failure can be recorded, the journal still calls the run unfinished, and the next
        start makes it interrupted.
        """
        if self._said:  # the thread has the end already; what the journal lacks is looked up there
            self.feed.put(ending(self.record, "".join(self._text)))
            return
        self._turn, effects = turn.step(self._turn, steps.Broke(error))
        for effect in effects or [steps.CloseMessage("interrupted"), steps.Record(steps.State.FAILED, error)]:
            with contextlib.suppress(Exception):
                await self._perform(effect)
        if not self.feed.ended:
            self._announce("run.failed", error=error.to_json(), message_id=self.record.message)

    async def _perform(self, effect: steps.Effect) -> None:
        writer, thread, message = self._around.writer, self.record.thread, answer_id(self.record.id)
        match effect:
            case steps.Record():
                await self._record(effect)
            case steps.CallModel(round_number):
                built = self._context if round_number == 0 and self._context else await self._build_context()
                self._pump = asyncio.create_task(pump(self._source, built.messages, self._inbox, self._count))
            case steps.StopModel():
                if self._pump:
                    self._pump.cancel()
            case steps.Compact():
                self._compact()
            case steps.OpenMessage():
                await writer.begin_message(thread, self.record.id, message, self._source.label)
                self.record = altered(self.record, message=message)
            case steps.Append(kind, text):
                append = writer.append_text if kind == "text" else writer.append_reasoning
                await append(thread, message, text)
                if kind == "text":
                    self._text.append(text)
                self._announce("run.delta", message_id=message, text=text, part=kind)
            case steps.CloseMessage(state):
                await writer.finish_message(thread, message, state)
            case steps.WakeAt(at_ms):
                self._timer = asyncio.create_task(self._wake(at_ms))
            case _:
                await self._calls.perform(effect, self.record, message)

    # ---- effects

    async def _record(self, effect: steps.Record) -> None:
        async with self._recording:
            await self._record_alone(effect)

    async def _record_alone(self, effect: steps.Record) -> None:
        now_ms = self._around.clock.now_ms()
        began = effect.state is steps.State.STREAMING and self.record.started_at_ms is None
        terminal = effect.state in steps.TERMINAL
        self.record = altered(
            self.record,
            state=effect.state,
            round=self._turn.round,
            tools=self._calls.records(self._turn, self.record.lease),
            started_at_ms=now_ms if began else self.record.started_at_ms,
            ended_at_ms=now_ms if terminal else None,
            error=effect.error.to_json() if effect.error else None,
        )
        if not terminal:
            await asyncio.gather(self._around.journal.put(self.record), self._around.writer.put_run(self.record))
            if began:
                message = answer_id(self.record.id)
                self._announce("run.started", message_id=message, model=self._source.label)
            return
        await self._around.writer.put_run(self.record)
        self._said = True
        await self._around.journal.put(self.record)
        self.feed.put(ending(self.record, "".join(self._text)))

    def _compact(self) -> None:
        """Keep the receipt; the context was already built within the limit."""
        if self._context and (left_out := self._context.omission):
            self.record = altered(
                self.record, omitted=left_out.count, omitted_first=left_out.first, omitted_last=left_out.last
            )
        self._inbox.put(steps.Compacted())

    def _count(self, done: ModelDone) -> None:
        """Add a round's tokens to the run's; None stays None until a provider counts."""
        sums = {}
        for name in ("input_tokens", "output_tokens"):
            before, more = getattr(self.record, name), getattr(done, name)
            sums[name] = before if more is None else (before or 0) + more
        self.record = altered(self.record, **sums)

    async def _wake(self, at_ms: int) -> None:
        await self._around.clock.sleep(max(0, at_ms - self._around.clock.monotonic_ms()))
        self._inbox.put(steps.Ticked(self._around.clock.monotonic_ms()))

    # ---- events out

    def _announce(self, type_: str, /, **more: object) -> None:
        self.feed.put({"type": type_, "run": self.record.id, "thread": self.record.thread, **more})
