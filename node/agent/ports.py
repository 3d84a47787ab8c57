"""What a run needs from the rest of the node, as protocols, and the records that cross them.

The runtime is written against these alone. The node implements `ThreadWriter` over its threads and
`Journal` over its store; tests implement both in memory. Every method that writes returns only once
the change is durable, and raises an `OpenSeshError` (such as DISK_FULL) if it can't be.
"""

from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Any, Protocol

import msgspec

from crdt.errors import INTERNAL, OpenSeshError
from node.agent.steps import Kind, MessageState, State, ToolCall


class ToolRecord(msgspec.Struct, frozen=True):
    """One tool call as the journal knows it.

    `state` is proposed → approved → started → finished, or refused, or interrupted. `decision` is the
    id of the decision that allowed it, consumed once; `lease` the number it was proposed under.
    """

    id: str
    name: str
    input: str
    state: str = "proposed"
    result: str = ""
    decision: str = ""
    lease: int = 0


class RunRecord(msgspec.Struct, frozen=True):
    """One run, as the journal keeps it on its runner and as the thread shows it. Times in Unix ms.

    `error` has the shape of `OpenSeshError.to_json`. `omitted` counts the earlier messages that did
    not fit the model's context, from `omitted_first` to `omitted_last` (compaction's receipt).
    """

    id: str
    thread: str
    request: str
    prompt: str
    model: str
    runner: str
    lease: int
    state: State
    created_at_ms: int
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    message: str | None = None  # the answer's id, once something was written into it
    round: int = 0
    tools: tuple[ToolRecord, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    omitted: int = 0
    omitted_first: str | None = None
    omitted_last: str | None = None
    error: dict[str, Any] | None = None


class PastCall(msgspec.Struct, frozen=True):
    """A tool call in the history."""

    name: str
    input: str
    result: str
    status: str


class PastMessage(msgspec.Struct, frozen=True):
    """One message of the thread, in the order shown. `parts` are text or calls; reasoning is left out."""

    id: str
    role: str  # user | assistant | system | tool
    parts: tuple[str | PastCall, ...]
    author: str = ""  # display name of the person who wrote it
    run: str | None = None
    interrupted: bool = False


class ThreadWriter(Protocol):
    """The thread, as a run reads and writes it. Ids are in their text spelling."""

    async def history(self, thread: str) -> Sequence[PastMessage]:
        """All messages in the order shown. Raises THREAD_NOT_FOUND."""

    async def write_prompt(self, thread: str, text: str, request: str) -> str:
        """Add the person's message; its id. The same request writes it once and gives the same id."""

    async def put_run(self, run: RunRecord) -> None:
        """Show the run in the thread; called again with every state. A terminal state is never left."""

    async def run_state(self, thread: str, run: str) -> State | None:
        """The state the thread shows, or None if it has no such run."""

    async def begin_message(self, thread: str, run: str, message: str, model: str) -> None:
        """Open the run's answer in state `streaming`, under the id given; twice is once."""

    async def append_text(self, thread: str, message: str, text: str) -> None:
        """Append to the answer's last text part, or begin one."""

    async def append_reasoning(self, thread: str, message: str, text: str) -> None:
        """Append to the answer's last reasoning part, or begin one."""

    async def put_tool_call(self, thread: str, message: str, call: ToolCall, status: str, result: str) -> None:
        """Show a call in the answer, or update the one of that id. Status: running | ok | error | interrupted."""

    async def finish_message(self, thread: str, message: str, state: MessageState) -> None:
        """Close the answer. One that is already `final` stays so; one that was never begun is nothing."""

    async def message_text(self, thread: str, message: str) -> str:
        """The text of a message, without its reasoning."""


class Journal(Protocol):
    """What this device has run and is running; private to it."""

    async def put(self, run: RunRecord) -> None:
        """Store the run under its id, replacing what was there."""

    async def find(self, run: str) -> RunRecord | None:
        """The run of this id, if it was ever stored."""

    async def unfinished(self) -> Sequence[RunRecord]:
        """Every run in a non-terminal state, oldest first."""


class Clock(Protocol):
    """Time, handed in."""

    def now_ms(self) -> int:
        """Unix time, for records."""

    def monotonic_ms(self) -> int:
        """Time that only goes forward, for pacing."""

    async def sleep(self, delay_ms: int) -> None:
        """Return after `delay_ms`."""


class ModelDelta(msgspec.Struct, frozen=True):
    """A little more of the answer, or of the reasoning before it."""

    kind: Kind
    text: str


class ModelCall(msgspec.Struct, frozen=True):
    """The model asks for a tool."""

    id: str
    name: str
    input: str


class ModelDone(msgspec.Struct, frozen=True):
    """The end of an answer: the provider's finish reason, and its count of tokens where it gives one."""

    reason: str
    input_tokens: int | None = None
    output_tokens: int | None = None


ModelEvent = ModelDelta | ModelCall | ModelDone


class ChatMessage(msgspec.Struct, frozen=True):
    """One message of a chat-completions request."""

    role: str
    content: str


class ModelLost(OpenSeshError):
    """What carried the answer went away in the middle of it: the run is interrupted, nobody refused it."""

    def __init__(self, message: str) -> None:
        super().__init__(INTERNAL, message, {"next": "Ask again."})


class ModelSource(Protocol):
    """Something that answers: the guide, or a provider's model behind the worker."""

    label: str  # what the thread shows as the model: `guide`, or `provider/model`
    context_chars: int  # how much history it is given at most

    def prepare(self) -> None:
        """Get ready without waiting; called as soon as a run is asked for."""

    def stream(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[ModelEvent, None]:
        """The answer, ending in one `ModelDone`. Raises OpenSeshError. Closing it stops the model."""


class Models(Protocol):
    """Finds the source for a model's name."""

    async def resolve(self, name: str | None) -> ModelSource:
        """The source for `provider/model`, a provider's name, `guide`, or the default. Raises AGENT_NOT_FOUND."""


class Decide(Protocol):
    """How the runtime hears of a decision: call id, allowed, reason."""

    def __call__(self, call_id: str, allowed: bool, reason: str, /) -> None: ...


class Tools(Protocol):
    """Proposes and runs tools. Until there are any, `NoTools` refuses each call by name."""

    async def propose(self, run: RunRecord, call: ToolCall, decide: Decide) -> None:
        """Ask for a decision, now or later, and pass it to `decide` (once)."""

    def run(self, run: RunRecord, call: ToolCall) -> Awaitable[tuple[bool, str]]:
        """Carry the call out: (succeeded, what the model reads). Cancelling it kills its process group."""


class NoTools:
    """Refuses every call: no tool is offered to models yet, and a model may ask for one all the same."""

    async def propose(self, run: RunRecord, call: ToolCall, decide: Decide) -> None:
        """Refuse at once, in words that the model can act on."""
        decide(call.id, False, f"There is no tool named {call.name!r} here; answer in text.")

    async def run(self, run: RunRecord, call: ToolCall) -> tuple[bool, str]:
        """Never reached by a decision of ours; refused all the same."""
        return False, f"There is no tool named {call.name!r} here."
