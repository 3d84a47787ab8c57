"""A copy of a thread from one message on, to be shared instead of the whole: a fork.

What came before is not in the copy at all. The words in it are signed by whoever copied them; whose they
were is shown as the forker saw it, and proved by nobody.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from crdt.content import Message
from crdt.edits import put_message
from crdt.ids import ThreadId, to_text
from node.open_thread import Draft, OpenThread
from node.secrets.thread import scan_thread
from node.sharing import preview
from node.threads import Threads

AT_ONCE = 50  # messages in one change
Begin = Callable[[dict[str, Any]], Awaitable[OpenThread]]


class Forking:
    """Makes the copies. `begin` founds a thread with these values in its `meta`."""

    def __init__(self, threads: Threads, begin: Begin) -> None:
        self._threads = threads
        self._begin = begin

    async def fork(self, thread: ThreadId, message: str, *, allow_secrets: bool) -> ThreadId:
        """Copy everything from a message on. Raises REQUEST_INVALID if there is no such message, SECRETS_FOUND."""
        opened = await self._threads.open(thread)
        copied = preview.since(opened.view, message)
        if not allow_secrets:
            preview.check(scan_thread(copied))
        meta = opened.view.meta()
        title = meta.get("title") if isinstance(meta.get("title"), str) else ""
        values = {"title": title, "project": meta.get("project"), "forked": to_text(thread)}
        made = await self._begin(values)
        names = {each.device: opened.author_of(each.device)["name"] for each in copied}
        for start in range(0, len(copied), AT_ONCE):
            async with self._threads.change(made.id) as draft:
                for each in copied[start : start + AT_ONCE]:
                    _copy(draft, each, names[each.device])
        return made.id


def _copy(draft: Draft, message: Message, name: str) -> None:
    device = draft.timeline.owner
    copy = msgspec.structs.replace(message, device=device, by=message.by or name, run=None)
    draft.commit(draft.timeline, lambda doc: put_message(doc, copy))
