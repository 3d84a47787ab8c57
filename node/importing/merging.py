"""From events to the messages they amount to, given what the thread has already (pure).

Applying the same events again, whole or in part, changes nothing: a message's id follows from its source
and key, and only what differs is written.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from crdt import keys
from crdt.content import Message, Part
from crdt.ids import to_text
from node.importing.records import Event, ImportedMessage, ImportedPart, MessageUpsert, ToolResult

PLACEHOLDER_CHARS: Final = 64 * 1024  # of an unknown record's JSON that is kept
Known = Callable[[str], Message | None]


def message_id(source: str, key: str) -> str:
    """The id under which a session's message stands in its thread: 26 characters, on every device the same."""
    return to_text(keys.digest("imported-message", source.encode(), key.encode(), size=16))


class Merging:
    """The messages of one session that a batch of events changes, as they read afterwards."""

    def __init__(self, source: str, known: Known, last_key: int) -> None:
        self._source = source
        self._known = known
        self._last_key = last_key
        self.changed: dict[str, Message] = {}

    def take(self, events: Iterable[Event]) -> None:
        """Apply a batch, in its order."""
        for event in events:
            if isinstance(event, MessageUpsert):
                self._upsert(event.message)
            elif isinstance(event, ToolResult):
                self._result(event)

    def _current(self, identifier: str) -> Message | None:
        return self.changed.get(identifier) or self._known(identifier)

    def _upsert(self, said: ImportedMessage) -> None:
        identifier = message_id(self._source, said.key)
        current = self._current(identifier)
        results = {part.id: part for part in current.parts if part.type == "tool_call"} if current else {}
        parts = tuple(_part(part, said.agent, results.get(part.tool_id)) for part in said.parts)
        if current is None:
            self._last_key = max(said.created_at_ms, self._last_key + 1)
        message = Message(
            id=identifier,
            device=current.device if current else b"",
            role=said.role,
            at=current.at if current else said.created_at_ms,
            key=current.key if current else self._last_key,
            state="final",
            parts=parts,
            model=said.model,
            agent=said.agent,
            source=self._source,
        )
        if message != current:
            self.changed[identifier] = message

    def _result(self, event: ToolResult) -> None:
        identifier = message_id(self._source, event.message_key)
        current = self._current(identifier)
        if current is None:
            return
        parts = tuple(
            replace(part, result=event.result, status=event.status or "ok")
            if part.type == "tool_call" and part.id == event.tool_id
            else part
            for part in current.parts
        )
        if parts != current.parts:
            self.changed[identifier] = replace(current, parts=parts)


def _part(part: ImportedPart, agent: str | None, before: Part | None) -> Part:
    if part.type == "tool_call":
        known_result = before.result if before else ""
        known_status = before.status if before else ""
        return Part(
            type="tool_call",
            id=part.tool_id,
            name=part.name,
            input=part.input,
            result=known_result if part.result is None else part.result,
            status=known_status or part.status or "running" if part.result is None else part.status or "ok",
            agent=agent or "",
        )
    if part.type == "image":
        return Part(type="image", media=part.media, text=f"{part.media or 'image'}, {part.size_bytes} bytes")
    text = part.text[:PLACEHOLDER_CHARS] if part.type == "placeholder" else part.text
    return Part(type=part.type, text=text, name=part.name, media=part.media)
