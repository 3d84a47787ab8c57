"""One model run as a pure machine: events go in, effects come out, nothing is done here.

The table at the bottom says what each state makes of each event. Rules it keeps:

T1  A terminal state takes everything in and answers with nothing.
T2  A cancel, a failure and an interruption end the run from every other state, and what runs outside
    is told to stop *before* anything is written: stopping must not wait for a slow disk.
T3  A state is recorded before what it announces is done (`Record` precedes `CallModel`, `RunTool`),
    so that after a crash the record names what may have happened.
T4  An event that has no row is late (the echo of something stopped) and is ignored.
T5  Text leaves in the order it came, and all of it leaves before the message is closed.
T6  Every open tool call is closed before the message is: a dangling call would break later turns.
T7  Exactly one terminal `Record`, and it is the last effect of a run.
T8  No two calls of a run have one id, whatever the model calls them.

Deltas are coalesced, because each one costs a signature and a write: the first at once, then at most
one per `FLUSH_AFTER_MS` of the clock handed in, or as soon as `FLUSH_BYTES` are waiting.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from crdt import errors
from node.agent.names import answer_id, message_id_of, run_id
from node.agent.steps import (
    TERMINAL,
    Append,
    Broke,
    CallModel,
    CancelRequested,
    CloseCall,
    CloseMessage,
    Compact,
    Compacted,
    Cut,
    Decided,
    Delta,
    Effect,
    Event,
    Kind,
    MessageState,
    ModelFinished,
    OpenMessage,
    Propose,
    Record,
    RunTool,
    Started,
    State,
    StopModel,
    StopTool,
    Ticked,
    ToolCall,
    ToolFinished,
    ToolRequested,
    WakeAt,
)

# What the rest of the node takes from here, beside `Turn` and `step`.
__all__ = [
    "TERMINAL",
    "Kind",
    "MessageState",
    "State",
    "ToolCall",
    "Turn",
    "answer_id",
    "message_id_of",
    "run_id",
    "step",
]

FLUSH_AFTER_MS = 50
FLUSH_BYTES = 16_384
PIECE_CHARS = 16_384  # one append is at most this long, however large a delta the model sends
MAX_OUTPUT_BYTES = 4 * 1024 * 1024
MAX_ROUNDS = 50  # model calls in one run; a model that loops over tools ends here
MAX_CALLS_PER_ROUND = 64
EFFECTS_UNKNOWN, NEVER_RAN = "Stopped; its effects are unknown.", "It never ran."

Step = tuple["Turn", list[Effect]]


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything the machine remembers. A new run is `Turn()`."""

    state: State = State.QUEUED
    round: int = 0
    message_open: bool = False
    calls: tuple[ToolCall, ...] = ()  # of this round, not yet closed, in the order asked for
    used_ids: frozenset[str] = frozenset()  # of every call of the run
    verdicts: tuple[Decided, ...] = ()  # for calls in `calls`; the first one stands
    pending: tuple[tuple[Kind, str], ...] = ()
    pending_bytes: int = 0
    output_bytes: int = 0
    flushed_ms: int | None = None  # None: nothing of this round has been flushed
    wake_ms: int | None = None  # the one wake-up that is under way


def step(turn: Turn, event: Event) -> Step:
    """Advance by one event. Never raises; what does not fit the state changes nothing (T1, T4)."""
    if turn.state in TERMINAL:
        return turn, []
    if isinstance(event, CancelRequested):
        return _end(turn, State.CANCELLED, None)
    if isinstance(event, Broke):
        return _end(turn, State.FAILED, event.error)
    if isinstance(event, Cut):
        return _end(turn, State.INTERRUPTED, event.error)
    handler = _TABLE.get((turn.state, type(event)))
    return handler(turn, event) if handler else (turn, [])


# ---- handlers, one per kind of event


def _started(turn: Turn, event: Started) -> Step:
    if event.fits:
        return _call_model(turn)
    return replace(turn, state=State.COMPACTING), [Record(State.COMPACTING), Compact()]


def _compacted(turn: Turn, event: Compacted) -> Step:
    return _call_model(turn)


def _delta(turn: Turn, event: Delta) -> Step:
    if not event.text:
        return turn, []
    size = len(event.text.encode("utf-8", "surrogatepass"))
    if turn.output_bytes + size > MAX_OUTPUT_BYTES:
        return _end(turn, State.FAILED, errors.TOO_LARGE(f"The model's answer exceeds {MAX_OUTPUT_BYTES} bytes."))
    pending = turn.pending
    if pending and pending[-1][0] == event.kind:
        pending = (*pending[:-1], (event.kind, pending[-1][1] + event.text))
    else:
        pending = (*pending, (event.kind, event.text))
    turn = replace(
        turn, pending=pending, pending_bytes=turn.pending_bytes + size, output_bytes=turn.output_bytes + size
    )
    # A clock that stepped back counts as elapsed: waiting for it to catch up would look like a stall.
    elapsed = turn.flushed_ms is None or not 0 <= event.now_ms - turn.flushed_ms < FLUSH_AFTER_MS
    if elapsed or turn.pending_bytes >= FLUSH_BYTES:
        return _flush(turn, event.now_ms)
    if turn.wake_ms is not None:
        return turn, []
    wake_ms = (turn.flushed_ms or 0) + FLUSH_AFTER_MS
    return replace(turn, wake_ms=wake_ms), [WakeAt(wake_ms)]


def _ticked(turn: Turn, event: Ticked) -> Step:
    turn = replace(turn, wake_ms=None)
    return _flush(turn, event.now_ms) if turn.pending else (turn, [])


def _tool_requested(turn: Turn, event: ToolRequested) -> Step:
    if len(turn.calls) >= MAX_CALLS_PER_ROUND:
        return _end(turn, State.FAILED, errors.PROVIDER_FAILED("The model asked for too many tools at once."))
    call = event.call
    if not call.id or call.id in turn.used_ids:
        # Some models count their calls anew in every round; the thread would take the new one for the old.
        call = replace(call, id=f"{call.id}~{turn.round}.{len(turn.calls)}")
        while call.id in turn.used_ids:
            call = replace(call, id=call.id + "~")
    return replace(turn, calls=(*turn.calls, call), used_ids=turn.used_ids | {call.id}), []


def _model_finished(turn: Turn, event: ModelFinished) -> Step:
    turn, effects = _flush(turn, turn.flushed_ms or 0)
    if turn.calls:
        if not turn.message_open:
            turn, effects = replace(turn, message_open=True), [*effects, OpenMessage()]
        turn = replace(turn, state=State.WAITING)
        return turn, [*effects, Record(State.WAITING), *(Propose(call) for call in turn.calls)]
    if not turn.message_open:
        return _end(turn, State.FAILED, errors.PROVIDER_FAILED("The model answered with nothing."))
    effects += [CloseMessage("final"), Record(State.COMPLETED)]
    return replace(turn, state=State.COMPLETED, message_open=False), effects


def _decided(turn: Turn, event: Decided) -> Step:
    known = any(call.id == event.call_id for call in turn.calls)
    if not known or any(verdict.call_id == event.call_id for verdict in turn.verdicts):
        return turn, []
    turn = replace(turn, verdicts=(*turn.verdicts, event))
    return _advance(turn) if turn.state is State.WAITING else (turn, [])


def _tool_finished(turn: Turn, event: ToolFinished) -> Step:
    call = turn.calls[0]
    if event.call_id != call.id:
        return turn, []
    closed, effects = _advance(replace(turn, calls=turn.calls[1:]))
    return closed, [CloseCall(call, "ok" if event.ok else "error", event.result), *effects]


# ---- what several handlers share


def _advance(turn: Turn) -> Step:
    """Take the round's calls in the order asked for: refuse, run, wait, or go on to the next round."""
    effects: list[Effect] = []
    verdicts = {verdict.call_id: verdict for verdict in turn.verdicts}
    while turn.calls:
        call, verdict = turn.calls[0], verdicts.get(turn.calls[0].id)
        if verdict is None:
            if turn.state is not State.WAITING:
                effects.append(Record(State.WAITING))
            return replace(turn, state=State.WAITING), effects
        if verdict.allowed:
            return replace(turn, state=State.RUNNING_TOOL), [*effects, Record(State.RUNNING_TOOL), RunTool(call)]
        effects.append(CloseCall(call, "error", verdict.reason or "This call was refused."))
        turn = replace(turn, calls=turn.calls[1:])
    if turn.round + 1 >= MAX_ROUNDS:
        ended, ending = _end(turn, State.FAILED, errors.PROVIDER_FAILED(f"The run took {MAX_ROUNDS} rounds."))
        return ended, [*effects, *ending]
    turn, calling = _call_model(replace(turn, round=turn.round + 1, verdicts=(), flushed_ms=None))
    return turn, [*effects, *calling]


def _call_model(turn: Turn) -> Step:
    return replace(turn, state=State.STREAMING), [Record(State.STREAMING), CallModel(turn.round)]


def _flush(turn: Turn, now_ms: int) -> Step:
    if not turn.pending:
        return turn, []
    effects: list[Effect] = [] if turn.message_open else [OpenMessage()]
    for kind, text in turn.pending:
        effects += [Append(kind, text[at : at + PIECE_CHARS]) for at in range(0, len(text), PIECE_CHARS)]
    return replace(turn, message_open=True, pending=(), pending_bytes=0, flushed_ms=now_ms), effects


def _end(turn: Turn, state: State, error: errors.OpenSeshError | None) -> Step:
    stops: list[Effect] = []
    if turn.state in (State.STREAMING, State.COMPACTING):
        stops.append(StopModel())
    running = turn.calls[0] if turn.state is State.RUNNING_TOOL else None
    if running:
        stops.append(StopTool(running))
    turn, effects = _flush(turn, turn.flushed_ms or 0)
    if turn.state in (State.WAITING, State.RUNNING_TOOL):  # calls of a stream cut short were never shown
        effects += [
            CloseCall(call, "interrupted", EFFECTS_UNKNOWN if call == running else NEVER_RAN) for call in turn.calls
        ]
    if turn.message_open:
        effects.append(CloseMessage("interrupted"))
    ended = replace(turn, state=state, message_open=False, calls=(), verdicts=())
    return ended, [*stops, *effects, Record(state, error)]


_TABLE: dict[tuple[State, type], Callable[[Turn, Any], Step]] = {
    (State.QUEUED, Started): _started,
    (State.COMPACTING, Compacted): _compacted,
    (State.STREAMING, Delta): _delta,
    (State.STREAMING, Ticked): _ticked,
    (State.STREAMING, ToolRequested): _tool_requested,
    (State.STREAMING, ModelFinished): _model_finished,
    # A wake-up may come after its round has ended; left unheard, no later round would ask for one.
    (State.WAITING, Ticked): _ticked,
    (State.RUNNING_TOOL, Ticked): _ticked,
    (State.WAITING, Decided): _decided,
    (State.RUNNING_TOOL, Decided): _decided,
    (State.RUNNING_TOOL, ToolFinished): _tool_finished,
}
