"""The transcript as far as it was read: drafts of messages, homes of tool calls, and what has changed since asked.

Both formats write into it; it alone decides what is an update, what is a repeat, and what is counted.
Events are handed out once per `drain`, in the order in which things first changed, so a message that
gained ten blocks in one read is told once.

Invariants: (1) a tool id has one home, (2) every `ToolResult` names a message that was upserted at or
before it, (3) nothing but notes comes before the first `SessionFound`. Memory: the conversation's text
and inputs; results, by far the largest part of a transcript, are passed on and forgotten.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import IntEnum

from .fields import digest, title_from
from .records import (
    Event,
    ImportCounts,
    ImportedMessage,
    ImportedPart,
    ImportedSession,
    MessageUpsert,
    Placeholder,
    Role,
    SessionFound,
    SkippedLine,
    ToolResult,
    ToolStatus,
)


class TitleRank(IntEnum):
    """Which title wins: a later one of at least the same rank, except that the first words stay the first."""

    NONE = 0
    FIRST_WORDS = 1
    SUMMARY = 2
    CHOSEN = 3


@dataclass(slots=True)
class Draft:
    """A message under construction; `seen` holds fingerprints of the blocks it already has."""

    key: str
    role: Role
    created_at_ms: int
    model: str | None
    agent: str | None
    parent_tool: str | None
    parts: list[ImportedPart] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def finished(self) -> ImportedMessage:
        """The message as it stands."""
        return ImportedMessage(
            self.key, self.role, self.created_at_ms, tuple(self.parts), self.model, self.agent, self.parent_tool
        )


class Journal:
    """Collects one transcript; `drain` gives the events since the last drain."""

    def __init__(self) -> None:
        self._session: ImportedSession | None = None
        self._told_session: ImportedSession | None = None
        self._title_rank = TitleRank.NONE
        self._title = ""
        self._root = ""
        self._drafts: dict[str, Draft] = {}
        self._homes: dict[str, str] = {}  # tool id → message key
        self._occurrences: Counter[str] = Counter()
        self._changed: dict[tuple[str, str], ToolResult | None] = {}
        self._notes: list[Event] = []
        self._counts: Counter[str] = Counter()
        self.last_ms = 0
        """The latest time read: what has no time of its own happened then."""

    # session

    def begin(self, source: str, at_ms: int = 0) -> None:
        """Name the session, once; later calls only add a start time where none was known."""
        if self._session is None:
            self._session = ImportedSession(source, "", "", at_ms)
        elif not self._session.started_at_ms and at_ms:
            self._session = replace(self._session, started_at_ms=at_ms)

    @property
    def begun(self) -> bool:
        """Whether the session has its name."""
        return self._session is not None

    @property
    def session(self) -> ImportedSession | None:
        """The session as it is known so far."""
        return replace(self._session, title=self._title, project_root=self._root) if self._session else None

    def title(self, words: str, rank: TitleRank) -> None:
        """Offer a title."""
        title = title_from(words)
        first_again = rank == self._title_rank == TitleRank.FIRST_WORDS
        if title and rank >= self._title_rank and not first_again:
            self._title, self._title_rank = title, rank

    def root(self, folder: str) -> None:
        """Offer the folder the session works in; the first one stays."""
        self._root = self._root or folder

    # messages

    def tick(self, at_ms: int) -> int:
        """The time of what is being read: its own, or else the latest known."""
        self.last_ms = max(self.last_ms, at_ms)
        return at_ms or self.last_ms

    def line_key(self, data: bytes) -> str:
        """A key for a line without an id, equal on every reading; call it once per line.

        Equal lines are told apart by their count: somebody may say "continue" twice.
        """
        found = digest(data)
        self._occurrences[found] += 1
        count = self._occurrences[found]
        return f"line-{found}" if count == 1 else f"line-{found}-{count}"

    def message(
        self,
        key: str,
        role: Role,
        at_ms: int,
        *,
        model: str | None = None,
        agent: str | None = None,
        parent_tool: str | None = None,
    ) -> Draft:
        """The message with that key, made if it is new. What a sub-agent says or is told is recast by its role."""
        draft = self._drafts.get(key)
        if draft is None:
            if agent:
                role = "tool" if role in ("assistant", "tool") else "system"
            draft = Draft(key, role, at_ms, model, agent, parent_tool)
            self._drafts[key] = draft
            self._counts["messages"] += 1
            self._counts["assistant_messages"] += role == "assistant"
            self._touch(draft)
        elif model and not draft.model:
            draft.model = model
            self._touch(draft)
        return draft

    def add(self, draft: Draft, part: ImportedPart, fingerprint: str = "") -> None:
        """Append a part, unless this message has that block already."""
        mark = fingerprint or digest(f"{part.type}\0{part.name}\0{part.media}\0{part.text}".encode())
        if mark in draft.seen:
            return
        draft.seen.add(mark)
        draft.parts.append(part)
        if part.type == "placeholder":
            self._counts["placeholders"] += 1
            self._notes.append(Placeholder(draft.key, part.name))
        self._touch(draft)

    def placeholder(self, draft: Draft, kind: str, raw: str) -> None:
        """Keep something of a kind we don't know."""
        self.add(draft, ImportedPart("placeholder", text=raw, name=kind[:100] or "unknown"))

    # tool calls

    def knows_call(self, tool_id: str) -> bool:
        """Whether that call was seen."""
        return tool_id in self._homes

    def call(self, draft: Draft, part: ImportedPart) -> None:
        """Add a tool call. One seen before stays where it was first seen."""
        if part.tool_id in self._homes:
            return
        self._homes[part.tool_id] = draft.key
        self._counts["agent_tool_calls" if draft.agent else "tool_calls"] += 1
        self.add(draft, part, fingerprint=f"tool\0{part.tool_id}")

    def result(
        self, tool_id: str, result: str, status: ToolStatus, at_ms: int, images: list[ImportedPart], agent: str | None
    ) -> None:
        """Note how a call ended. A result whose call was never seen gets a nameless call to hang on."""
        if tool_id not in self._homes:
            orphan = self.message(f"call-{tool_id}", "tool", at_ms, agent=agent)
            self.call(orphan, ImportedPart("tool_call", tool_id=tool_id, input="{}", status="running"))
        home = self._homes[tool_id]
        for image in images:
            self.add(self._drafts[home], image, fingerprint=digest(repr(image).encode()))
        self._changed.pop(("result", tool_id), None)
        self._changed["result", tool_id] = ToolResult(home, tool_id, result, status, at_ms)

    # out

    def skip(self, note: SkippedLine) -> None:
        """Count a line that couldn't be read."""
        self._counts["skipped_lines"] += 1
        self._notes.append(note)

    @property
    def counts(self) -> ImportCounts:
        """What was read so far."""
        return ImportCounts(**self._counts)

    def drain(self) -> list[Event]:
        """What changed since the last drain: the session if it did, then messages and results, then notes."""
        events: list[Event] = []
        session = self.session
        if session is not None and session != self._told_session:
            self._told_session = session
            events.append(SessionFound(session))
        for (_, key), result in self._changed.items():
            events.append(result or MessageUpsert(self._drafts[key].finished()))
        events += self._notes
        self._changed, self._notes = {}, []
        return events

    def _touch(self, draft: Draft) -> None:
        self._changed.setdefault(("message", draft.key), None)
