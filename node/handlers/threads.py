"""Operations on threads and their messages."""

import os
from collections.abc import Callable
from typing import Any

import msgspec

from crdt import keys
from crdt.author import Author
from crdt.content import Message, Part
from crdt.edits import put_message
from crdt.ids import MessageId, SessionId, ThreadId, to_text
from crdt.stewardship import Birth, found
from crdt.thread import SHARED, set_shared
from node import export, shapes
from node.account import Account
from node.api.requests import Context
from node.heartbeats import Heartbeats
from node.library import Library, Listed
from node.open_thread import Draft, OpenThread
from node.store import Answer, Batch, DuplicateRequest, Store
from node.threads import Threads

SNIPPET = 160  # characters of a search hit that are shown


class ThreadHandlers:
    """`thread.*`, `search` and `message.say`."""

    def __init__(
        self,
        store: Store,
        account: Account,
        threads: Threads,
        library: Library,
        sync_words: Callable[[ThreadId], str],
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._store = store
        self._account = account
        self._threads = threads
        self._library = library
        self._sync_words = sync_words
        self._heartbeats = heartbeats

    async def create(self, p: Any, context: Context) -> dict[str, Any]:
        """`thread.create`"""
        if done := await self._answered(context):
            return done
        opened = await self.begin({"title": p.title, "project": p.project}, context)
        return {"id": to_text(opened.id), "title": p.title, "project": p.project}

    async def begin(self, meta: dict[str, Any], context: Context | None = None) -> OpenThread:
        """Found a thread with these values in its `meta`; the first one makes this device somebody."""
        account = self._account
        await account.ensure()
        author: Author = account.author(SessionId(os.urandom(16)))
        room = keys.SigningKey.from_seed(os.urandom(keys.KEY_BYTES))
        relays = tuple(account.affairs.relays)[:8]
        readers, now = [account.newest_identity_key()], self._threads.now_ms()
        birth = Birth("thread", room.public, relays, account.entries(), readers, now, author.random(32))
        replica, commit = found(author, account.own_keys(), birth)
        # The index first: a crash in between leaves an entry without a thread, never a thread that can't sync.
        await account.add_thread(replica.thread, room)

        def first(draft: Draft) -> None:
            draft.commit(SHARED, lambda doc: set_shared(doc, "meta", meta))
            shown = {"id": to_text(replica.thread), "title": meta["title"], "project": meta.get("project")}
            draft.batch.answer = self._answer(context, shown)

        return await self._threads.adopt(replica, commit, first)

    async def list(self, p: Any, context: Context) -> dict[str, Any]:
        """`thread.list`"""
        listed = await self._library.list(trash=p.trash, project=p.project)
        return {"threads": [self._row(each) for each in listed[: p.limit]]}

    def _row(self, listed: Listed) -> dict[str, Any]:
        summary = listed.summary
        return {
            "id": listed.text,
            "title": summary.title,
            "project": summary.project,
            "updated_at": shapes.time(summary.updated_at_ms),
            "messages": summary.messages,
            "unresolved": summary.unresolved,
            "tags": list(summary.tags),
            "state": listed.state,
            "sync": "waiting for a key" if summary.waiting else self._sync_words(listed.id),
        }

    async def show(self, p: Any, context: Context) -> dict[str, Any]:
        """`thread.show`"""
        listed = await self._library.find(p.thread)
        _, cursor = await self._store.event_bounds()
        opened = await self._threads.open(listed.id)
        shown = opened.view.messages()
        if p.before is not None:
            at = next((i for i, message in enumerate(shown) if message.id == p.before), len(shown))
            shown = shown[:at]
        if p.limit is not None:
            shown = shown[max(0, len(shown) - p.limit) :]
        return {
            "id": listed.text,
            "title": listed.summary.title,
            "project": listed.summary.project,
            "updated_at": shapes.time(listed.summary.updated_at_ms),
            "cursor": cursor,
            **(await self._heartbeats.of(listed.id) if self._heartbeats is not None else {}),
            "messages": [shapes.message(m, opened.author_of(m.device)) for m in shown],
        }

    async def rename(self, p: Any, context: Context) -> dict[str, Any]:
        """`thread.rename`"""
        listed = await self._library.find(p.thread)
        async with self._threads.change(listed.id) as draft:
            draft.commit(SHARED, lambda doc: set_shared(doc, "meta", {"title": p.title}))
        return {"id": listed.text, "title": p.title}

    async def trash(self, p: Any, context: Context) -> dict[str, Any]:
        """`thread.trash`"""
        return await self._mark(p.thread, "trashed")

    async def restore(self, p: Any, context: Context) -> dict[str, Any]:
        """`thread.restore`"""
        return await self._mark(p.thread, "active")

    async def _mark(self, name: str, state: str) -> dict[str, Any]:
        listed = await self._library.find(name)
        if listed.state != state:
            await self._account.set_state(listed.id, None if state == "active" else state)
            async with self._threads.change(listed.id) as draft:
                draft.events.append((f"thread.{'restored' if state == 'active' else state}", {"state": state}))
        return {"id": listed.text, "state": state}

    async def delete(self, p: Any, context: Context) -> dict[str, Any]:
        """`thread.delete`"""
        listed = await self._library.find(p.thread)
        await self._account.set_state(listed.id, "deleted")
        await self.forget(listed.id)
        return {"id": listed.text, "state": "deleted"}

    async def forget(self, thread: ThreadId) -> None:
        """Remove everything of a thread from this device."""
        opened = await self._threads.open(thread)
        async with opened.lock:
            await self._store.write(Batch(forget=[thread]))
            self._threads.forget(thread)
        await self._threads.announce("thread.deleted", thread)

    async def forget_deleted(self) -> None:
        """Remove what was deleted on another device."""
        for each in await self._library.all():
            if each.state == "deleted":
                await self.forget(each.id)

    async def export(self, p: Any, context: Context) -> dict[str, Any]:
        """`thread.export`"""
        listed = await self._library.find(p.thread)
        opened = await self._threads.open(listed.id)
        write = export.as_json if p.format == "json" else export.as_markdown
        return {"id": listed.text, "format": p.format, "text": write(opened)}

    async def search(self, p: Any, context: Context) -> dict[str, Any]:
        """`search`"""
        only = (await self._library.find(p.thread)).id if p.thread is not None else None
        listed = {each.id: each for each in await self._library.all() if each.state == "active"}
        words = p.text.casefold().split()
        results: list[dict[str, Any]] = []
        for each in listed.values():
            title = each.summary.title
            if words and (only in (None, each.id)) and all(word in title.casefold() for word in words):
                at = shapes.time(each.summary.updated_at_ms)
                results.append(_hit(each, message_id=None, role=None, created_at=at, snippet=title))
        async for text in self._store.search(p.text):
            if len(results) >= p.limit:
                break
            each_or_none = listed.get(ThreadId(text.thread))
            if each_or_none is not None and only in (None, each_or_none.id):
                results.append(await self._message_hit(each_or_none, text.message, snippet(text.text, words)))
        return {"results": results[: p.limit]}

    async def _message_hit(self, listed: Listed, message_id: str, found: str) -> dict[str, Any]:
        message = (await self._threads.open(listed.id)).view.message(message_id)
        role, at = (message.role, message.at) if message else (None, listed.summary.updated_at_ms)
        return _hit(listed, message_id=message_id, role=role, created_at=shapes.time(at), snippet=found)

    async def say(self, p: Any, context: Context) -> dict[str, Any]:
        """`message.say`"""
        if done := await self._answered(context):
            return done
        listed = await self._library.find(p.thread)
        message_id = new_message_id()
        shown = {"message_id": message_id, "thread": listed.text}
        try:
            async with self._threads.change(listed.id, self._answer(context, shown)) as draft:
                write_text(draft, self._threads.now_ms(), message_id, p.text)
        except DuplicateRequest as duplicate:
            return msgspec.json.decode(duplicate.response, type=dict[str, Any])
        return shown

    # ---- doing it again

    async def _answered(self, context: Context) -> dict[str, Any] | None:
        """What this very request was answered before."""
        if context.client_request_id is None:
            return None
        stored = await self._store.answer(_request(context))
        return msgspec.json.decode(stored, type=dict[str, Any]) if stored else None

    def _answer(self, context: Context | None, shown: dict[str, Any]) -> Answer | None:
        if context is None or context.client_request_id is None:
            return None
        return Answer(_request(context), self._threads.now_ms(), msgspec.json.encode(shown))


def write_text(draft: Draft, now_ms: int, message_id: MessageId, text: str, role: str = "user") -> None:
    """Commit a message of one text."""
    key = draft.thread.view.next_key(now_ms)
    message = Message(message_id, draft.timeline.owner, role, now_ms, key, "final", (Part("text", text),))
    draft.commit(draft.timeline, lambda doc: put_message(doc, message))


def new_message_id() -> MessageId:
    """16 random bytes in their spelling."""
    return MessageId(to_text(os.urandom(16)))


def snippet(text: str, words: list[str]) -> str:
    """The first place where a word stands, with what is around it, on one line."""
    folded = text.casefold()
    at = min((place for word in words if (place := folded.find(word)) >= 0), default=0)
    start = max(0, at - SNIPPET // 4)
    cut = " ".join(text[start : start + SNIPPET].split())
    return ("…" if start else "") + cut + ("…" if start + SNIPPET < len(text) else "")


def _hit(listed: Listed, **particulars: Any) -> dict[str, Any]:
    return {"thread": listed.text, "title": listed.summary.title, **particulars}


def _request(context: Context) -> str:
    return f"{context.operation}/{context.client_request_id}"
