"""The tool calls of one run: show them, ask for decisions, carry out what was allowed, stop it.

The machine in `turn` decides all of it; this performs the part that is about tools.
"""

import asyncio
from typing import Protocol

from node.agent import steps
from node.agent.inbox import Inbox
from node.agent.ports import RunRecord, ThreadWriter, ToolRecord, Tools
from node.agent.turn import EFFECTS_UNKNOWN, NEVER_RAN, Turn
from node.api.failures import failure_of


def cut_off(record: RunRecord) -> list[tuple[steps.ToolCall, str]]:
    """The calls that a run left open when its node died, each with what is to be said of it.

    Left open they would make every later turn of the thread fail.
    """
    left = [tool for tool in record.tools if tool.state in ("proposed", "approved", "started")]
    said = {"started": EFFECTS_UNKNOWN}
    return [(steps.ToolCall(tool.id, tool.name, tool.input), said.get(tool.state, NEVER_RAN)) for tool in left]


class Announce(Protocol):
    """Tells the run's readers of something."""

    def __call__(self, type_: str, /, **more: object) -> None: ...


class Calls:
    """Performs `Propose`, `RunTool`, `StopTool` and `CloseCall`; keeps what the journal is told of them."""

    def __init__(self, writer: ThreadWriter, tools: Tools, inbox: Inbox, announce: Announce) -> None:
        self._writer = writer
        self._tools = tools
        self._inbox = inbox
        self._announce = announce
        self._closed: list[ToolRecord] = []
        self._running: asyncio.Task[None] | None = None

    async def perform(self, effect: steps.Effect, run: RunRecord, message: str) -> None:
        """Do what the effect says; `message` holds the calls."""
        match effect:
            case steps.Propose(call):
                await self._writer.put_tool_call(run.thread, message, call, "running", "")
                self._announce("tool.updated", call=call.id, name=call.name, state="proposed")
                await self._tools.propose(run, call, self._decide)
            case steps.RunTool(call):
                self._announce("tool.updated", call=call.id, name=call.name, state="started")
                self._running = asyncio.create_task(self._run(run, call))
            case steps.StopTool():
                self.stop()
            case steps.CloseCall(call, status, result):
                await self._writer.put_tool_call(run.thread, message, call, status, result)
                state = "interrupted" if status == "interrupted" else "finished"
                self._closed.append(ToolRecord(call.id, call.name, call.input, state, result, lease=run.lease))
                self._announce("tool.updated", call=call.id, name=call.name, state=state, result=result)

    def stop(self) -> None:
        """Cancel what runs, which kills it."""
        if self._running:
            self._running.cancel()

    def records(self, turn: Turn, lease: int) -> tuple[ToolRecord, ...]:
        """Every call of the run so far, as the journal keeps it."""
        running = turn.state is steps.State.RUNNING_TOOL
        allowed = {verdict.call_id for verdict in turn.verdicts if verdict.allowed}
        opened = []
        for index, call in enumerate(turn.calls):
            state = "started" if running and index == 0 else "approved" if call.id in allowed else "proposed"
            opened.append(ToolRecord(call.id, call.name, call.input, state, lease=lease))
        return (*self._closed, *opened)

    async def _run(self, run: RunRecord, call: steps.ToolCall) -> None:
        try:
            ok, result = await self._tools.run(run, call)
        except Exception as error:
            ok, result = False, failure_of(error, "run").message
        self._inbox.put(steps.ToolFinished(call.id, ok, result))

    def _decide(self, call_id: str, allowed: bool, reason: str, /) -> None:
        self._inbox.put(steps.Decided(call_id, allowed, reason))
