"""A folder of transcripts with its writer, and a node that follows it, stops at any point and starts again."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from node.importing.checkpoint import Checkpoint
from node.importing.folders import Place
from node.importing.follow import Follower
from node.importing.records import Event, ImportedMessage, MessageUpsert, ToolResult
from node.importing.tail import Batch

SESSION = "0f0f0f0f-0000-4000-8000-000000000001"


def said(words: str, number: int = 0, session: str = SESSION) -> bytes:
    """One line of a transcript that is one message of its own."""
    record = {
        "type": "user",
        "uuid": f"u-{session[-2:]}-{number}-{words[:20]}",
        "sessionId": session,
        "cwd": "/home/ana/mühle",
        "timestamp": f"2026-03-01T09:{number // 60 % 60:02d}:{number % 60:02d}.250Z",
        "message": {"role": "user", "content": words},
    }
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def words_of(events: Iterable[Event]) -> list[str]:
    """What the messages say, one entry for each time it was handed out."""
    return [event.message.parts[0].text for event in events if isinstance(event, MessageUpsert)]


Shown = dict[str, tuple[ImportedMessage, tuple[tuple[str, str], ...]]]


def shown(events: Iterable[Event]) -> Shown:
    """What a thread shows after these events: each message as it reads last, and how its calls ended."""
    messages: dict[str, ImportedMessage] = {}
    results: dict[str, dict[str, str]] = {}
    for event in events:
        if isinstance(event, MessageUpsert):
            messages[event.message.key] = event.message
        elif isinstance(event, ToolResult):
            results.setdefault(event.message_key, {})[event.tool_id] = event.result
    return {key: (message, tuple(sorted(results.get(key, {}).items()))) for key, message in messages.items()}


class Watching:
    """The node's side. `stored` and `checkpoints` are its disk: they change together, and outlive a crash."""

    def __init__(self, place: Path, **options: Any) -> None:
        self.place = place
        self.options = options
        self.stored: list[Event] = []
        self.checkpoints: dict[str, dict[str, Any]] = {}
        self.follower = self._started()

    def _started(self) -> Follower:
        kept = json.loads(json.dumps(list(self.checkpoints.values())))
        return Follower([Place(self.place)], [Checkpoint.from_json(each) for each in kept], **self.options)

    def crash(self) -> None:
        """Stop without a word, and start again from what is on disk."""
        self.follower.close()
        self.follower = self._started()

    def store(self, batch: Batch) -> None:
        """One transaction."""
        self.stored += batch.events
        self.checkpoints[batch.path] = batch.checkpoint.to_json()

    def look(self) -> list[Event]:
        """Poll until there is nothing more; what this brought."""
        before = len(self.stored)
        for _ in range(1000):
            for batch in self.follower.poll():
                self.store(batch)
                self.follower.confirm(batch)
            if not self.follower.behind:
                return self.stored[before:]
        raise AssertionError("the follower never catches up")

    def words(self) -> list[str]:
        """What the next look brings, in words."""
        return words_of(self.look())


class Writer:
    """The other tool: keeps its file open and appends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reopen()

    def reopen(self) -> None:
        """Take what the path names now."""
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, *lines: bytes) -> None:
        """Append."""
        for line in lines:
            os.write(self._descriptor, line)

    def truncate(self, size: int = 0) -> None:
        """Cut the file off."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
