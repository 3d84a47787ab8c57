"""Threads and messages, models and runs, of the Python API."""

import os
from collections.abc import AsyncIterator

from client.api.calls import Calls, absolute, typed
from client.api.operation import calls
from client.api.results import threads as r


class Threads:
    """A `thread` is given as its id, a unique prefix of the id, or its exact title.

    A `request_id` is any text of your own: a call that is repeated with it, because its answer was lost,
    is done once and answered again.
    """

    _calls: Calls

    @calls("thread.create")
    async def create_thread(
        self, title: str, project: str | os.PathLike[str] | None = None, *, request_id: str | None = None
    ) -> r.NewThread:
        """Begin a thread, in the project whose root folder is given."""
        return await self._calls.call(
            "thread.create", r.NewThread, request_id=request_id, title=title, project=absolute(project)
        )

    @calls("thread.list")
    async def threads(
        self, *, trash: bool = False, project: str | os.PathLike[str] | None = None, limit: int | None = None
    ) -> list[r.ThreadRow]:
        """The threads on this device, the latest change first; with `trash`, those in the trash."""
        found = await self._calls.plain("thread.list", trash=trash, project=absolute(project), limit=limit)
        return typed(found.get("threads"), list[r.ThreadRow])

    @calls("thread.show")
    async def thread(self, thread: str, *, limit: int | None = None, before: str | None = None) -> r.Thread:
        """A thread with its messages, oldest first: the last `limit` of those before the message `before`.

        Raises THREAD_NOT_FOUND, AMBIGUOUS_THREAD, THREAD_DELETED or WAITING_FOR_KEY.
        """
        return await self._calls.call("thread.show", r.Thread, thread=thread, limit=limit, before=before)

    @calls("thread.rename")
    async def rename_thread(self, thread: str, title: str) -> None:
        """Give a thread another title."""
        await self._calls.plain("thread.rename", thread=thread, title=title)

    @calls("thread.trash")
    async def trash_thread(self, thread: str) -> r.ThreadState:
        """Put a thread into the trash; nothing there expires."""
        return await self._calls.call("thread.trash", r.ThreadState, thread=thread)

    @calls("thread.restore")
    async def restore_thread(self, thread: str) -> r.ThreadState:
        """Take a thread out of the trash."""
        return await self._calls.call("thread.restore", r.ThreadState, thread=thread)

    @calls("thread.delete")
    async def delete_thread(self, thread: str, *, forever: bool) -> r.ThreadState:
        """Delete a thread for ever, on every device; `forever` must be True, for there is no way back."""
        return await self._calls.call("thread.delete", r.ThreadState, thread=thread, forever=forever)

    @calls("thread.export")
    async def export_thread(self, thread: str, format: str = "markdown") -> r.Export:
        """A thread as `markdown` or `json`, equal byte for byte on every device."""
        return await self._calls.call("thread.export", r.Export, thread=thread, format=format)

    @calls("search")
    async def search(self, text: str, *, thread: str | None = None, limit: int = 50) -> list[r.Hit]:
        """Messages and titles that hold all the words of `text`."""
        found = await self._calls.plain("search", text=text, thread=thread, limit=limit)
        return typed(found.get("results"), list[r.Hit])

    @calls("message.say")
    async def say(self, thread: str, text: str, *, request_id: str | None = None) -> r.Said:
        """Write a message to people; no model runs. Returns once it is stored."""
        return await self._calls.call("message.say", r.Said, request_id=request_id, thread=thread, text=text)

    @calls("run.ask")
    async def ask(
        self,
        thread: str,
        text: str,
        *,
        model: str | None = None,
        take_over: bool = False,
        request_id: str | None = None,
    ) -> AsyncIterator[r.RunEvent]:
        """Write a prompt and follow the model's answer. The run goes on if you leave.

        The last event is run.completed, run.failed or run.cancelled. Raises RUN_ELSEWHERE and the like
        if no run begins. `take_over` runs it here even if another device holds the thread.
        """
        values = {"thread": thread, "text": text, "model": model, "take_over": take_over}
        async for line in self._calls.stream("run.ask", request_id=request_id, **values):
            yield typed(line, r.RunEvent)

    @calls("run.cancel")
    async def cancel(self, thread: str, run: str | None = None) -> list[str]:
        """Cancel a thread's run, or all that are queued in it; the ids of those cancelled."""
        found = await self._calls.plain("run.cancel", thread=thread, run=run)
        return typed(found.get("cancelled"), list[str])

    @calls("provider.add")
    async def add_provider(self, name: str, base_url: str, model: str, key: str | None = None) -> r.Provider:
        """Add, or replace, an OpenAI-compatible endpoint. Its key stays in this device's keychain."""
        found = await self._calls.plain("provider.add", name=name, base_url=base_url, model=model, key=key)
        return typed(found.get("provider"), r.Provider)

    @calls("provider.list")
    async def providers(self) -> list[r.Provider]:
        """The providers on this device; the guide is always among them."""
        return typed((await self._calls.plain("provider.list")).get("providers"), list[r.Provider])

    @calls("provider.test")
    async def test_provider(self, provider: str) -> r.ProviderTest:
        """Ask a provider for one short answer. Raises PROVIDER_FAILED or NETWORK_ERROR."""
        return await self._calls.call("provider.test", r.ProviderTest, provider=provider)

    @calls("provider.remove")
    async def remove_provider(self, provider: str) -> None:
        """Forget a provider and its key."""
        await self._calls.plain("provider.remove", provider=provider)

    @calls("model.list")
    async def models(self) -> list[r.Model]:
        """The models that `ask` takes."""
        return typed((await self._calls.plain("model.list")).get("models"), list[r.Model])

    @calls("import.file")
    async def import_file(self, path: str | os.PathLike[str]) -> list[r.Imported]:
        """Bring the sessions of a Claude Code or Codex transcript in as threads; again-import adds nothing."""
        return typed((await self._calls.plain("import.file", path=absolute(path))).get("threads"), list[r.Imported])

    @calls("import.follow")
    async def follow(self, source: str | None = None) -> list[r.Follow]:
        """Watch `claude`, `codex` or an absolute path, or both tools: what is written comes in, until unfollowed."""
        return typed((await self._calls.plain("import.follow", source=source)).get("follows"), list[r.Follow])

    @calls("import.unfollow")
    async def unfollow(self, follow: str) -> list[r.Follow]:
        """Stop watching; what was brought in stays."""
        return typed((await self._calls.plain("import.unfollow", follow=follow)).get("follows"), list[r.Follow])

    @calls("import.followed")
    async def follows(self) -> list[r.Follow]:
        """What is being watched."""
        return typed((await self._calls.plain("import.followed")).get("follows"), list[r.Follow])
