"""Two people with a node each who share a thread, passed from one to the other by hand; operations by their names."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from crdt.ids import ThreadId, to_text
from crdt.permissions import Role
from crdt.records import Grant
from crdt.stewardship import introduction
from node.api.operations import OPERATIONS, body_of, format_path
from node.api.requests import Context, parameters_of
from node.handlers.coediting import CoeditingHandlers
from node.handlers.comments import CommentHandlers
from node.handlers.threads import ThreadHandlers
from node.library import Library
from node.open_thread import OpenThread
from tests.node.second_device import Machine, enter, machine


class Asked:
    """Stands for the runs: notes what is asked, and answers at once."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def ask(
        self, thread: ThreadId, text: str, model: str | None, request: str, *, take_over: bool
    ) -> AsyncIterator[dict[str, Any]]:
        """As `Runs.ask`."""
        self.texts.append(text)
        shown = {"run": "r1", "thread": to_text(thread)}
        yield {"type": "run.queued", **shown}
        yield {"type": "run.completed", **shown, "text": "Done."}


class Person:
    """One person's node, as far as a thread takes it."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.asked = machine, Asked()
        threads, library = machine.threads, Library(machine.store, machine.account)
        runs: Any = self.asked
        comments, texts = CommentHandlers(threads, library, runs), CoeditingHandlers(threads, library, runs)
        listed = ThreadHandlers(machine.store, machine.account, threads, library, lambda thread: "")
        self._handlers: dict[str, Any] = {
            f"comment.{name}": getattr(comments, name)
            for name in ("list", "add", "reply", "edit", "delete", "resolve", "reopen", "react", "quote", "prompt")
        }
        self._handlers |= {
            name: getattr(texts, name.replace(".", "_"))
            for name in OPERATIONS
            if name.startswith(("draft.", "notes.", "tags."))
        }
        self._handlers |= {"thread.list": listed.list, "thread.rename": listed.rename, "message.say": listed.say}

    async def call(self, operation: str, request_id: str | None = None, **values: Any) -> dict[str, Any]:
        """An operation as the API carries it out."""
        shown: dict[str, Any] = await self._handlers[operation](*_called(operation, request_id, values))
        return shown

    async def lines(self, operation: str, **values: Any) -> list[dict[str, Any]]:
        """A streaming operation's lines."""
        return [line async for line in self._handlers[operation](*_called(operation, None, values))]

    async def open(self, thread: str) -> OpenThread:
        return await self.machine.threads.open(
            (await Library(self.machine.store, self.machine.account).find(thread)).id
        )

    async def frames(self, thread: ThreadId) -> list[bytes]:
        """All that is stored of a thread."""
        return [stored.frame async for stored in self.machine.store.stream_frames(thread)]

    async def events(self, thread: ThreadId, kind: str = "") -> list[dict[str, Any]]:
        """What was told of a thread, of the kinds that begin so."""
        from node.happenings import unpack

        stored = await self.machine.store.events(0, 10_000, thread=thread)
        told = [unpack(each.cursor, each.thread, each.payload).to_json() for each in stored]
        return [each for each in told if each["type"].startswith(kind)]


def _called(operation: str, request_id: str | None, values: dict[str, Any]) -> tuple[Any, Context]:
    row = OPERATIONS[operation]
    query = format_path(row, values).partition("?")[2]
    path = {each.name: values[each.name] for each in row.parameters if each.place == "path"}
    body = json.dumps(body_of(row, values)).encode()
    return parameters_of(row, path, query, body), Context(operation, request_id)


class Shared:
    """A thread of Ana's that Ben is in."""

    def __init__(self, ana: Person, ben: Person, thread: ThreadId) -> None:
        self.ana, self.ben, self.id, self.thread = ana, ben, thread, to_text(thread)

    async def grant(self, role: Role) -> None:
        """Give Ben, who is called as his device is, a role, with the key and what shows whose device his is."""
        ana, ben = self.ana.machine, self.ben.machine
        because = [Grant(ben.account.identity, role, "ben"), *introduction(ben.account.entries())]
        async with ana.threads.change(self.id) as draft:
            readers = [*ana.account.recipients(draft.thread.replica), ben.account.newest_identity_key()]
            draft.rotate(because, list(dict.fromkeys(readers)))
        await self.sync()

    async def sync(self) -> None:
        """Everything of each to the other; of one person's devices their own affairs first."""
        accounts = {self.ana.machine.account.thread, self.ben.machine.account.thread}
        threads = [*accounts, self.id] if len(accounts) == 1 else [self.id]
        for here, there in ((self.ana, self.ben), (self.ben, self.ana)):
            origin = await there.machine.store.origin_number("device", "the other")
            for thread in threads:
                await there.machine.threads.receive(thread, await here.frames(thread), origin)


@asynccontextmanager
async def shared(folder: Path, role: Role) -> AsyncIterator[Shared]:
    """Ana's new thread, with Ben in this role."""
    async with AsyncExitStack() as stack:
        ana, ben = [Person(await stack.enter_async_context(machine(folder, name))) for name in ("ana", "ben")]
        await ben.machine.account.ensure()
        made = Shared(ana, ben, await ana.machine.new("Parser"))
        await made.grant(role)
        yield made


@asynccontextmanager
async def two_devices(folder: Path) -> AsyncIterator[Shared]:
    """One person's thread, on two devices."""
    async with AsyncExitStack() as stack:
        laptop, desktop = [Person(await stack.enter_async_context(machine(folder, n))) for n in ("laptop", "desktop")]
        await enter(laptop.machine, desktop.machine)
        made = Shared(laptop, desktop, await laptop.machine.new("Parser"))
        await made.sync()
        yield made
