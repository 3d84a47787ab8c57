"""The events of one run, for any number of readers at any pace.

Events are kept in one list while the run lives, and a reader is an index into it: a slow reader costs
nothing and holds nobody up, and one that comes late gets everything from the start.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from crdt import errors
from node.agent.ports import RunRecord
from node.agent.steps import State

# JSON objects as `run.ask` in `node/api/operations` has them: {"type": "run.queued" | "run.started" |
# "run.delta" | "tool.updated" | one of LAST, "thread", "run", …}
RunEvent = dict[str, Any]
LAST = frozenset({"run.completed", "run.failed", "run.cancelled"})


class RunFeed:
    """An append-only list of events that ends with one of `LAST`."""

    def __init__(self) -> None:
        self._events: list[RunEvent] = []
        self._more = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether the last event is there."""
        return bool(self._events) and self._events[-1]["type"] in LAST

    def put(self, event: RunEvent) -> None:
        """Append, and wake every reader. Nothing follows the last event."""
        if self.ended:
            return
        self._events.append(event)
        self._more.set()
        self._more = asyncio.Event()

    async def read(self) -> AsyncGenerator[RunEvent, None]:
        """All events from the first to the last, waiting for those to come."""
        at = 0
        while True:
            while at < len(self._events):
                yield self._events[at]
                at += 1
            if self.ended:
                return
            await self._more.wait()


def ending(record: RunRecord, text: str) -> dict[str, object]:
    """The last event of a run that has ended."""
    shown: dict[str, object] = {"run": record.id, "thread": record.thread, "message_id": record.message}
    if record.state is State.COMPLETED:
        return {"type": "run.completed", **shown, "text": text}
    if record.state is State.CANCELLED:
        return {"type": "run.cancelled", **shown}
    return {"type": "run.failed", **shown, "error": record.error or errors.INTERNAL().to_json()}
