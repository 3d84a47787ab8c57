"""A node in memory that keeps threads and tells what happens, for a screen to be opened on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from crdt.errors import CURSOR_UNKNOWN
from crdt.text_change import Change, applied, behind, between, composed, replacing
from node.api.requests import Context
from node.api.server import Handler
from tests.client.handlers import FakeNode
from tests.client.screen.team import LiveTeam
from tests.client.screen.told import WHEN, comment, message, row, talk, thread


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
        self.comments: dict[str, list[dict[str, Any]]] = {}  # conversations by thread
        self.draft = LiveDraft()
        self.team = LiveTeam(self.happen)
        self.answers |= {
            **self.team.answers,
            "comment.list": self._comments,
            "comment.add": self._comment,
            "comment.reply": self._reply,
            "comment.resolve": lambda p: self._settle(p, True),
            "comment.reopen": lambda p: self._settle(p, False),
            "comment.quote": lambda p: {"thread": p.thread, "text": "Ana commented on the answer:\n\nAna: Why?"},
            "draft.show": lambda p: self.draft.shown(p.thread),
            "draft.set": self._write_draft,
            "thread.list": lambda p: {"threads": [self._row(name) for name in reversed(self.threads)][: p.limit]},
            "message.say": lambda p: {"message_id": self.add(p.thread, p.text), "thread": p.thread},
            "thread.create": self._create,
            "thread.rename": self._rename,
        }

    @property
    def handlers(self) -> dict[str, Handler]:
        """For `Server`."""
        own: dict[str, Handler] = {"events.watch": self._watch, "thread.show": self._show, "run.ask": self._ask}
        own["draft.send"] = self._send_draft
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

    def _comments(self, p: Any) -> dict[str, Any]:
        found = self.comments.get(p.thread, [])
        return {"thread": p.thread, "unresolved": sum(not each["resolved"] for each in found), "comments": found}

    def converse(self, name: str, message: str | None, *texts: str, **more: Any) -> str:
        """Somebody comments on a message, and others answer; the conversation's id."""
        made = talk(f"c{sum(map(len, self.comments.values()))}", message, *texts, **more)
        self.comments.setdefault(name, []).append(made)
        self.happen("comment.added", name, comment=made, conversation=made["id"], unresolved=1)
        return str(made["id"])

    def _comment(self, p: Any) -> dict[str, Any]:
        anchor = {"kind": "message", "message": p.message}
        if p.lines is not None:
            first, _, last = p.lines.partition("-")
            anchor |= {"lines": [int(first), int(last or first)], "quote": "quoted"}
        self.converse(p.thread, p.message, p.text, anchor=anchor)
        return self._answered(p, self.comments[p.thread][-1])

    def _reply(self, p: Any) -> dict[str, Any]:
        found = next(each for each in self.comments[p.thread] if each["id"] == p.comment)
        found["replies"].append(comment("r" + str(len(found["replies"])), p.text))
        self.happen("comment.added", p.thread, conversation=p.comment)
        return self._answered(p, found["replies"][-1])

    def _settle(self, p: Any, resolved: bool) -> dict[str, Any]:
        found = next(each for each in self.comments[p.thread] if each["id"] == p.comment)
        found["resolved"] = resolved
        self.happen("comment.resolved" if resolved else "comment.reopened", p.thread, conversation=p.comment)
        return self._answered(p, found)

    def _answered(self, p: Any, made: dict[str, Any]) -> dict[str, Any]:
        return {**made, "thread": p.thread, "conversation": made["id"], "resolved": False, "unresolved": 1}

    def type_in(self, name: str, at: int, text: str) -> None:
        """Somebody else types into the draft."""
        self.draft.change(replacing(at, 0, text))
        self.happen("draft.changed", name, version=self.draft.version)

    def _write_draft(self, p: Any) -> dict[str, Any]:
        answer = self.draft.write(p.thread, p.text, p.version)
        self.happen("draft.changed", p.thread, version=self.draft.version)
        return answer

    async def _send_draft(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        self._note("draft.send", p, context)
        text = self.draft.text
        self.draft.change(replacing(0, len(text), ""))
        self.happen("draft.changed", p.thread, version=self.draft.version)
        said = self.add(p.thread, text)
        yield {"type": "draft.said", "thread": p.thread, "message_id": said}

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


class LiveDraft:
    """A draft with all its versions: what is written from one of them is merged with what came since."""

    def __init__(self) -> None:
        self.text, self.texts, self.changes = "", [""], list[Change]()

    @property
    def version(self) -> str:
        """What it is now called."""
        return f"v-{len(self.changes)}"

    def shown(self, thread: str) -> dict[str, Any]:
        """As `draft.show` answers."""
        return {"thread": thread, "text": self.text, "version": self.version}

    def change(self, change: Change) -> None:
        """Somebody changes it as it is now."""
        self.text = applied(self.text, change)
        self.texts.append(self.text)
        self.changes.append(change)

    def write(self, thread: str, text: str, version: str) -> dict[str, Any]:
        """As `draft.set`."""
        number = int(version.partition("-")[2])
        since: Change = ()
        for each in self.changes[number:]:
            since = composed(since, each)
        own = between(self.texts[number], text)
        self.change(behind(own, since))
        return {**self.shown(thread), "unseen": list(behind(since, own, before=False))}
