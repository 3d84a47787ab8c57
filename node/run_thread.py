"""Threads and the store as a run sees them: the ports of `node/agent/ports.py`, fulfilled."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from crdt.content import Message, Part
from crdt.edits import append_text, put_call, put_message, put_run, set_fields
from crdt.ids import DeviceId, ThreadId, from_text, to_text
from crdt.plain import whole
from node.agent.ports import PastCall, PastMessage, RunRecord
from node.agent.turn import TERMINAL, Kind, MessageState, State, ToolCall, message_id_of
from node.open_thread import Draft, OpenThread
from node.store import Batch, Run, Store
from node.threads import Threads

STATES = tuple(state.value for state in State if state not in TERMINAL)
_record = msgspec.msgpack.Decoder(RunRecord)


class RunThread:
    """`ThreadWriter` over `Threads`: each call is durable when it returns."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def history(self, thread: str) -> Sequence[PastMessage]:
        """All messages in the order shown."""
        opened = await self._threads.open(_id(thread))
        name_of, replica = self._threads.pen.name_of, opened.replica
        return [_past(message, name_of(DeviceId(message.device), replica)) for message in opened.view.messages()]

    async def write_prompt(self, thread: str, text: str, request: str) -> str:
        """Add the person's message under an id that follows from the request."""
        identifier = message_id_of(thread, request)
        async with self._threads.change(_id(thread)) as draft:
            if draft.thread.view.message(identifier) is None:
                self._put(draft, Message(identifier, b"", "user", 0, 0, "final", (Part("text", text),)))
        return identifier

    async def put_run(self, run: RunRecord) -> None:
        """Show the run; a terminal state is never left."""
        async with self._threads.change(_id(run.thread)) as draft:
            shown = draft.thread.view.runs().get(run.id, {})
            if shown.get("device") == draft.timeline.owner and shown.get("state") in TERMINAL:
                return
            values = {
                "state": run.state.value,
                "prompt": run.prompt,
                "request": run.request,
                "model": run.model,
                "runner": run.runner,
                "lease": run.lease,
                "created": run.created_at_ms,
                "started": run.started_at_ms,
                "ended": run.ended_at_ms,
                "message": run.message,
                "input_tokens": run.input_tokens,
                "output_tokens": run.output_tokens,
                "error": json.dumps(run.error) if run.error else None,
            }
            draft.commit(draft.timeline, lambda doc: put_run(doc, run.id, values))

    async def run_state(self, thread: str, run: str) -> State | None:
        """The state the thread shows."""
        shown = (await self._threads.open(_id(thread))).view.runs().get(run)
        return state_of(shown) if shown else None

    async def begin_message(self, thread: str, run: str, message: str, model: str) -> None:
        """Open the run's answer."""
        async with self._threads.change(_id(thread)) as draft:
            if draft.thread.view.message(message, draft.timeline.owner) is None:
                opened = Message(message, b"", "assistant", 0, 0, "streaming", (), model=model, run=run)
                self._put(draft, opened)

    async def append_text(self, thread: str, message: str, text: str) -> None:
        """Append to the answer's text."""
        await self._append(thread, message, "text", text)

    async def append_reasoning(self, thread: str, message: str, text: str) -> None:
        """Append to the answer's reasoning."""
        await self._append(thread, message, "reasoning", text)

    async def _append(self, thread: str, message: str, kind: Kind, text: str) -> None:
        async with self._threads.change(_id(thread)) as draft:
            draft.commit(draft.timeline, lambda doc: append_text(doc, message, kind, text))

    async def put_tool_call(self, thread: str, message: str, call: ToolCall, status: str, result: str) -> None:
        """Show a call, or bring it up to date."""
        part = Part("tool_call", id=call.id, name=call.name, input=call.input, result=result, status=status)
        async with self._threads.change(_id(thread)) as draft:
            draft.commit(draft.timeline, lambda doc: put_call(doc, message, part))

    async def finish_message(self, thread: str, message: str, state: MessageState) -> None:
        """Close the answer; one that is final stays so."""
        async with self._threads.change(_id(thread)) as draft:
            shown = draft.thread.view.message(message, draft.timeline.owner)
            if shown is not None and shown.state != "final":
                draft.commit(draft.timeline, lambda doc: set_fields(doc, message, {"state": state}))

    async def message_text(self, thread: str, message: str) -> str:
        """The text of a message."""
        shown = (await self._threads.open(_id(thread))).view.message(message)
        return shown.text if shown else ""

    def _put(self, draft: Draft, message: Message) -> None:
        now = self._threads.now_ms()
        key = draft.thread.view.next_key(now)
        placed = msgspec.structs.replace(message, device=draft.timeline.owner, at=now, key=key)
        draft.commit(draft.timeline, lambda doc: put_message(doc, placed))


class RunJournal:
    """`Journal` over the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, run: RunRecord) -> None:
        """Store the run, replacing what was there."""
        row = Run(run.id, _id(run.thread), run.state.value, msgspec.msgpack.encode(run))
        await self._store.write(Batch(runs=[row]))

    async def find(self, run: str) -> RunRecord | None:
        """The run of this id."""
        stored = await self._store.run(run)
        return _record.decode(stored.payload) if stored else None

    async def unfinished(self) -> Sequence[RunRecord]:
        """Every run in a non-terminal state, oldest first."""
        return [_record.decode(stored.payload) for stored in await self._store.runs_in_state(*STATES)]


def record_of(opened: OpenThread, identifier: str, shown: dict[str, Any]) -> RunRecord:
    """A run that another device queued, as the record its runner begins with."""
    texts = {name: str(shown.get(name) or "") for name in ("prompt", "request", "model", "runner")}
    return RunRecord(
        id=identifier,
        thread=to_text(opened.id),
        request=texts["request"],
        prompt=texts["prompt"],
        model=texts["model"],
        runner=texts["runner"],
        lease=whole(shown.get("lease")) or 0,
        state=state_of(shown),
        created_at_ms=whole(shown.get("created")) or 0,
    )


def state_of(shown: dict[str, Any]) -> State:
    """The state a thread shows of a run; one this version doesn't know counts as interrupted."""
    try:
        return State(str(shown.get("state")))
    except ValueError:
        return State.INTERRUPTED


def _past(message: Message, author: str) -> PastMessage:
    parts: list[str | PastCall] = []
    for part in message.parts:
        if part.type == "tool_call":
            parts.append(PastCall(part.name, part.input, part.result, part.status))
        elif part.type == "text":
            parts.append(part.text)
    return PastMessage(message.id, message.role, tuple(parts), author, message.run, message.state == "interrupted")


def _id(thread: str) -> ThreadId:
    return ThreadId(from_text(thread))
