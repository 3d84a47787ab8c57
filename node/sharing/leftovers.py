"""What this device wrote in a thread and does not count there: kept here, shown to its person, and said so."""

from typing import Any, Final

from crdt.drafts import Draft, drafts
from crdt.left_out import Reason
from node.open_thread import OpenThread
from node.threads import Threads

WHY: Final = {
    Reason.CUT: "The owner didn't have it when the right to write it was taken away.",
    Reason.FORKED: "This device wrote two things at one place; the other one counts.",
    Reason.BUILT: "It was built on something that doesn't count any more.",
}


def leftovers(opened: OpenThread) -> list[dict[str, Any]]:
    """Each text, in the API's shape; nothing while no right was ever taken from anybody."""
    if not opened.replica.membership.limits or opened.replica.stale:
        return []
    return [_row(each) for each in drafts(opened.replica)]


def _row(draft: Draft) -> dict[str, Any]:
    return {"form": draft.form, "name": draft.name, "text": draft.text, "why": WHY[draft.reason]}


class Leftovers:
    """Tells when something of ours was left out. The thread has been made anew by then."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._told: dict[bytes, int] = {}
        threads.on_rebuilt.append(self._look)

    async def _look(self, opened: OpenThread) -> None:
        count = len(leftovers(opened))
        if count > self._told.get(opened.id, 0):
            await self._threads.announce("work.left_out", opened.id, {"count": count})
        self._told[opened.id] = count
