"""A node in memory that keeps threads and tells what happens, for a screen to be opened on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from crdt.errors import CURSOR_UNKNOWN
from node.api.requests import Context
from node.api.server import Handler
from tests.client.handlers import FakeNode
from tests.client.screen.told import WHEN, message, row, thread


class LiveNode(FakeNode):
    """Threads by id, each with its messages; `happen` tells every watcher, and the ones that come back later."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[str, list[dict[str, Any]]] = {}
        self.titles: dict[str, str] = {}
        self.log: list[dict[str, Any]] = []
        self.opened: dict[str, asyncio.Event] = {}  # a thread named here is answered once its event is set
        self.failure: dict[str, Any] | None = None  # how a run ends that does not complete
        self.forgotten = 0  # events up to this cursor can't be told any more
        self.before_watch: Callable[[], None] = lambda: None
        self._happened = asyncio.Condition()
        self.answers |= {
            "thread.list": lambda p: {"threads": [self._row(name) for name in reversed(self.threads)][: p.limit]},
            "message.say": lambda p: {"message_id": self.add(p.thread, p.text), "thread": p.thread},
            "thread.create": self._create,
            "thread.rename": self._rename,
        }

    @property
    def handlers(self) -> dict[str, Handler]:
        """For `Server`."""
        own: dict[str, Handler] = {"events.watch": self._watch, "thread.show": self._show, "run.ask": self._ask}
        return {**super().handlers, **own}

    def begin(self, name: str, title: str, *texts: str) -> None:
        """A thread that was there before."""
        self.threads[name], self.titles[name] = [], title
        for text in texts:
            self.threads[name].append(message(f"{name}-{len(self.threads[name])}", text))

    def add(self, name: str, text: str, **more: Any) -> str:
        """Somebody writes; the message's id."""
        said = message(f"{name}-{len(self.threads[name])}", text, **more)
        self.threads[name].append(said)
        self.happen("message.added", name, message=said)
        return str(said["id"])

    def happen(self, kind: str, name: str, **more: Any) -> None:
        """Tell an event."""
        self.log.append({"type": kind, "thread": name, "cursor": len(self.log) + 1, **more})
        asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        async with self._happened:
            self._happened.notify_all()

    def _row(self, name: str) -> dict[str, Any]:
        more = {"messages": len(self.threads[name]), "project": None, "state": "active"}
        return row(name, self.titles[name], **more)

    def _create(self, p: Any) -> dict[str, Any]:
        name = f"made-{len(self.threads)}"
        self.begin(name, p.title)
        self.happen("thread.created", name)
        return {"id": name, "title": p.title, "project": p.project}

    def _rename(self, p: Any) -> dict[str, Any]:
        self.titles[p.thread] = p.title
        self.happen("thread.changed", p.thread, title=p.title, project=None)
        return {"id": p.thread, "title": p.title}

    async def _show(self, p: Any, context: Context) -> dict[str, Any]:
        self._note("thread.show", p, context)
        if p.thread in self.opened:
            await self.opened[p.thread].wait()
        every = self.threads[p.thread]
        end = next((at for at, said in enumerate(every) if said["id"] == p.before), len(every))
        shown = thread(p.thread, *every[:end][-p.limit :], cursor=len(self.log), title=self.titles[p.thread])
        return {**shown, "project": None, "updated_at": WHEN}

    async def _ask(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        self._note("run.ask", p, context)
        run = {"run": "r", "thread": p.thread}
        yield {"type": "run.queued", **run, "prompt": self.add(p.thread, p.text), "runner": "d"}
        if self.failure is not None:
            yield {"type": "run.failed", **run, "error": self.failure}
            return
        answer = self.add(p.thread, f"You said: {p.text}", role="assistant", model="guide")
        yield {"type": "run.completed", **run, "message_id": answer, "text": ""}

    async def _watch(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        self._note("events.watch", p, context)
        self.before_watch()
        if p.since is not None and p.since < self.forgotten:
            raise CURSOR_UNKNOWN()
        cursor = len(self.log) if p.since is None else p.since
        yield {"type": "ready", "cursor": cursor, "thread": None}
        while True:
            for event in self.log[cursor:]:
                yield event
            cursor = len(self.log)
            async with self._happened:
                await self._happened.wait_for(lambda seen=cursor: len(self.log) > seen)
