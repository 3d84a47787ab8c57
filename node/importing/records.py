"""What a transcript says, in words that belong to no tool: sessions, messages, parts, and the events that build them.

A `MessageUpsert` carries the whole message as far as it is known; the same `key` seen again means
"this message now reads so". Results of tool calls travel apart, as `ToolResult`: they can be large
and come later, and a message that gains a block need not carry them again. Who applies these events
in order, keyed by (session source, message key) and (session source, tool id), may apply them any
number of times and ends with the same thread.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "assistant", "system", "tool"]
PartType = Literal["text", "reasoning", "tool_call", "file", "image", "placeholder"]
ToolStatus = Literal["", "running", "ok", "error", "interrupted"]


@dataclass(frozen=True, slots=True)
class ImportedPart:
    """One piece of a message. Which fields mean something depends on `type`.

    text, reasoning: `text`. tool_call: `tool_id` (unique in the session), `name`, `input` (JSON text), `status`,
    and `result`, where None says nothing: keep the result and status already known. file: `name`, `media`, `text`.
    image: `media` and `size_bytes` (of the picture itself, which isn't kept); `tool_id` names the call that
    produced it, if one did. placeholder: `name` is the kind we don't know, `text` its JSON, whole.
    """

    type: PartType
    text: str = ""
    tool_id: str = ""
    name: str = ""
    input: str = ""
    result: str | None = None
    status: ToolStatus = ""
    media: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ImportedMessage:
    """One message. `key` is stable within the session: the source's own id where it has one.

    `user` is what a person typed, `assistant` what the main model answered, `system` what the tool itself put
    in. What belongs to a sub-agent has `agent` set and is never `user` or `assistant`: its own words are
    `tool`, what it was told is `system`. `parent_tool` is the call that started it, where the source says so.
    """

    key: str
    role: Role
    created_at_ms: int
    parts: tuple[ImportedPart, ...]
    model: str | None = None
    agent: str | None = None
    parent_tool: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedSession:
    """Where the messages belong. `source` is `claude-code:<id>` or `codex:<id>` and never changes.

    An empty `title` or `project_root` means that this file doesn't say (a sub-agent's own file doesn't): keep
    what is known. `started_at_ms` is 0 where no time was found.
    """

    source: str
    title: str
    project_root: str
    started_at_ms: int


@dataclass(frozen=True, slots=True)
class SessionFound:
    """The first event of a transcript; again whenever title, root or start become known or change."""

    session: ImportedSession


@dataclass(frozen=True, slots=True)
class MessageUpsert:
    """The message with this key now reads so."""

    message: ImportedMessage


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The call `tool_id`, a part of the message `message_key`, ended. `result` is whole, however large."""

    message_key: str
    tool_id: str
    result: str
    status: ToolStatus
    at_ms: int


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A note for counting: something of an unknown `kind` was kept as a placeholder part of that message."""

    message_key: str
    kind: str


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A note for counting: the line at byte `offset` couldn't be read. `reason` is a short stable word."""

    offset: int
    size_bytes: int
    reason: str


Event = SessionFound | MessageUpsert | ToolResult | Placeholder | SkippedLine


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What a transcript holds so far, counted by distinct keys, so reading a line twice counts once.

    `messages` are all messages, of every role and of sub-agents: what the thread shows. `tool_calls` are those
    of the main conversation; those of sub-agents are apart, in `agent_tool_calls`.
    """

    messages: int = 0
    assistant_messages: int = 0
    tool_calls: int = 0
    agent_tool_calls: int = 0
    placeholders: int = 0
    skipped_lines: int = 0
