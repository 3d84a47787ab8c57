"""What a run can be told, and what it can ask for: the vocabulary of the machine in `turn` (pure).

Events go in and effects come out; both are plain frozen records, so that a test reads as a conversation
and one driver performs what was decided.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from crdt import errors

Kind = Literal["text", "reasoning"]
MessageState = Literal["final", "interrupted"]


class State(StrEnum):
    """Where a run stands. The last four are final."""

    QUEUED = "queued"
    STREAMING = "streaming"
    WAITING = "waiting"
    RUNNING_TOOL = "running_tool"
    COMPACTING = "compacting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asked for; `input` is JSON text, not yet believed to be any."""

    id: str
    name: str
    input: str


# ---- events in


@dataclass(frozen=True, slots=True)
class Started:
    """The run's turn has come. `fits` says whether its context is within the model's budget."""

    fits: bool = True


@dataclass(frozen=True, slots=True)
class Compacted:
    """The context was cut to fit."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The model said a little more."""

    kind: Kind
    text: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Ticked:
    """The time asked for by `WakeAt` has come."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class ToolRequested:
    """The model wants a tool; it is looked at when the model has finished speaking."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ModelFinished:
    """The model ended its answer; `reason` is the provider's own word (`stop`, `length`, …)."""

    reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Decided:
    """Somebody with the right (or a rule) allowed or refused a proposed call."""

    call_id: str
    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool ended; `result` is what the model will read."""

    call_id: str
    ok: bool
    result: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A person stops the run."""


@dataclass(frozen=True, slots=True)
class Broke:
    """Something the run depends on failed."""

    error: errors.OpenSeshError


@dataclass(frozen=True, slots=True)
class Cut:
    """The run can't go on here: a restart, a shutdown, or a lost lease."""

    error: errors.OpenSeshError


Event = (
    Started
    | Compacted
    | Delta
    | Ticked
    | ToolRequested
    | ModelFinished
    | Decided
    | ToolFinished
    | CancelRequested
    | Broke
    | Cut
)

# ---- effects out


@dataclass(frozen=True, slots=True)
class Record:
    """Store the run's state durably, before the effects that follow."""

    state: State
    error: errors.OpenSeshError | None = None


@dataclass(frozen=True, slots=True)
class CallModel:
    """Send the context to the model; `round` counts from 0."""

    round: int


@dataclass(frozen=True, slots=True)
class StopModel:
    """Close the model's stream now."""


@dataclass(frozen=True, slots=True)
class Compact:
    """Cut the context to fit, then send `Compacted`."""


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """Begin the assistant's message."""


@dataclass(frozen=True, slots=True)
class Append:
    """Add text to the open message, durably."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class CloseMessage:
    """End the open message."""

    state: MessageState


@dataclass(frozen=True, slots=True)
class Propose:
    """Show the call in the thread and ask for a decision; nothing has happened yet."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class RunTool:
    """Carry out an allowed call."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class StopTool:
    """Kill a running call, its process group included."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class CloseCall:
    """Write a call's end into the message."""

    call: ToolCall
    status: Literal["ok", "error", "interrupted"]
    result: str


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send `Ticked` at this time of the clock that deltas carry."""

    at_ms: int


Effect = (
    Record
    | CallModel
    | StopModel
    | Compact
    | OpenMessage
    | Append
    | CloseMessage
    | Propose
    | RunTool
    | StopTool
    | CloseCall
    | WakeAt
)
