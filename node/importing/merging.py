"""From events to the messages they amount to, given what the thread has already (pure).

1. A message's id follows from its source and key, on every device.
2. Parts are only ever added, and only those that aren't there: applying events again, whole or in part, or from
   a file that holds less than another did, changes nothing and takes nothing away.
3. The main conversation and each sub-agent keep the order of their file; side by side they stand by their times.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from crdt import keys
from crdt.content import Message, Part
from crdt.ids import to_text
from node.importing.records import Event, ImportedMessage, ImportedPart, MessageUpsert, ToolResult

PLACEHOLDER_CHARS: Final = 64 * 1024  # of an unknown record's JSON that is kept
NAME_CHARS: Final = 256  # of a name, a media type, a model, a sub-agent's label
Known = Callable[[str], Message | None]
Floors = dict[str | None, int]
"""By sub-agent, None for the main conversation: the greatest order key so far."""


def message_id(source: str, key: str) -> str:
    """The id under which a session's message stands in its thread: 26 characters, on every device the same."""
    return to_text(keys.digest("imported-message", source.encode(), key.encode(), size=16))


def floors_of(messages: Iterable[Message], source: str) -> Floors:
    """Where a session's conversations have come to in a thread."""
    floors: Floors = {}
    for message in messages:
        if message.source == source:
            floors[message.agent] = max(message.key, floors.get(message.agent, 0))
    return floors


class Merging:
    """The messages of one session that a batch of events changes, as they read afterwards.

    `now_ms` bounds the places in the order that the file's times may claim, and stands in where it gives none.
    """

    def __init__(self, source: str, known: Known, floors: Mapping[str | None, int], now_ms: int) -> None:
        self._source = source
        self._known = known
        self._now_ms = now_ms
        self.floors: Floors = dict(floors)
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
        message = _added_to(current, said) if current else self._fresh(identifier, said)
        self.floors[message.agent] = max(message.key, self.floors.get(message.agent, 0))
        if message != current:
            self.changed[identifier] = message

    def _fresh(self, identifier: str, said: ImportedMessage) -> Message:
        agent = said.agent[:NAME_CHARS] if said.agent else None
        at = said.created_at_ms or self._now_ms
        return Message(
            id=identifier,
            device=b"",
            role=said.role,
            at=at,
            key=max(min(at, self._now_ms), self.floors.get(agent, 0) + 1),
            state="final",
            parts=tuple(_part(part, agent) for part in said.parts),
            model=said.model[:NAME_CHARS] if said.model else None,
            agent=agent,
            source=self._source,
        )

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


def _added_to(current: Message, said: ImportedMessage) -> Message:
    """The message with what it has not yet: parts, and a model."""
    calls = {part.id for part in current.parts if part.type == "tool_call"}
    others = Counter(part for part in current.parts if part.type != "tool_call")
    added = []
    for part in (_part(each, current.agent) for each in said.parts):
        if part.type == "tool_call":
            if part.id not in calls:
                added.append(part)
        elif others[part] > 0:
            others[part] -= 1  # two pictures of one size look alike: each stands for one
        else:
            added.append(part)
    model = current.model or (said.model[:NAME_CHARS] if said.model else None)
    return replace(current, parts=(*current.parts, *added), model=model)


def _part(part: ImportedPart, agent: str | None) -> Part:
    if part.type == "tool_call":
        return Part(
            type="tool_call",
            id=part.tool_id,
            name=part.name[:NAME_CHARS],
            input=part.input,
            result=part.result or "",
            status=part.status or ("running" if part.result is None else "ok"),
            agent=agent or "",
        )
    media = part.media[:NAME_CHARS]
    if part.type == "image":
        size = f", {part.size_bytes} bytes" if part.size_bytes else ""
        return Part(type="image", media=media, text=part.text[:PLACEHOLDER_CHARS], name=(media or "image") + size)
    text = part.text[:PLACEHOLDER_CHARS] if part.type == "placeholder" else part.text
    return Part(type=part.type, text=text, name=part.name[:NAME_CHARS], media=media)
