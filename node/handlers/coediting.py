"""Operations on what several people edit at once: the draft, the notes, the tags."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from crdt import draft as texts
from crdt import errors
from crdt.ids import to_text
from crdt.permissions import LaneKind
from crdt.thread import MAX_TAG_CHARACTERS, MAX_TAGS, SHARED, set_shared
from node.api.requests import Context
from node.handlers.named import Named
from node.handlers.threads import new_message_id, write_text
from node.library import Library
from node.live_text import Edit, LiveText
from node.open_thread import Draft, OpenThread
from node.permitting import require
from node.runs import Runs
from node.threads import Threads

Answer = dict[str, Any]


class CoeditingHandlers:
    """`draft.*`, `notes.*` and `tags.*`."""

    def __init__(self, threads: Threads, library: Library, runs: Runs) -> None:
        self._threads = threads
        self._named = Named(threads, library)
        self._runs = runs

    # ---- the draft and the notes

    async def draft_show(self, p: Any, context: Context) -> Answer:
        """`draft.show`"""
        return await self._show(p, "draft")

    async def notes_show(self, p: Any, context: Context) -> Answer:
        """`notes.show`"""
        return await self._show(p, "notes")

    async def draft_set(self, p: Any, context: Context) -> Answer:
        """`draft.set`"""
        return await self._set(p, "draft")

    async def notes_set(self, p: Any, context: Context) -> Answer:
        """`notes.set`"""
        return await self._set(p, "notes")

    async def draft_edit(self, p: Any, context: Context) -> Answer:
        """`draft.edit`"""
        async with self._change(p.thread) as draft:
            live = draft.thread.texts["draft"]
            edit = live.editing(p.at, p.delete, p.insert, p.version)
            _write(draft, live, edit)
        return {**_shown(draft.thread, live), "cursor": edit.cursor, "unseen": list(edit.unseen)}

    async def _show(self, p: Any, name: str) -> Answer:
        opened = await self._named.open(p.thread)
        live = opened.texts[name]
        live.show(p.reader or "")
        return _shown(opened, live)

    async def _set(self, p: Any, name: str) -> Answer:
        async with self._change(p.thread) as draft:
            live = draft.thread.texts[name]
            edit = live.setting(p.text, p.version, p.reader or "")
            _write(draft, live, edit)
        live.written(edit, p.reader or "")
        return {**_shown(draft.thread, live), "unseen": list(edit.unseen)}

    async def draft_send(self, p: Any, context: Context) -> AsyncIterator[Answer]:
        """`draft.send`"""
        opened = await self._named.open(p.thread)
        thread = opened.id
        require(opened.replica, LaneKind.TIMELINE)
        version = p.version or opened.texts["draft"].version
        text, _ = opened.texts["draft"].clearing(version)
        if not text.strip():
            raise errors.REQUEST_INVALID("The draft is empty.", next="Write it with: opensesh draft THREAD --set TEXT")
        if p.say:
            async with self._threads.change(thread) as draft:
                said = new_message_id()
                write_text(draft, self._threads.now_ms(), said, text)
                _clear(draft, version)
            yield {"type": "draft.said", "thread": to_text(thread), "message_id": said}
            return
        request, is_cleared = context.request_id(), False
        async for line in self._runs.ask(thread, text, p.model, request, take_over=p.take_over):
            if not is_cleared:  # the prompt is stored by now: a crash in between leaves both, never neither
                async with self._threads.change(thread) as draft:
                    _clear(draft, version)
                is_cleared = True
            yield line

    # ---- tags

    async def tags_show(self, p: Any, context: Context) -> Answer:
        """`tags.show`"""
        opened = await self._named.open(p.thread)
        return {"thread": to_text(opened.id), "tags": opened.view.tags()}

    async def tags_change(self, p: Any, context: Context) -> Answer:
        """`tags.change`"""
        values = {**dict.fromkeys(_tags(p.remove), None), **dict.fromkeys(_tags(p.add), True)}
        async with self._change(p.thread) as draft:
            if len({*draft.thread.view.tags(), *_tags(p.add)} - set(_tags(p.remove))) > MAX_TAGS:
                raise errors.TOO_LARGE(f"A thread has at most {MAX_TAGS} tags.")
            draft.commit(SHARED, lambda doc: set_shared(doc, "tags", values))
        return {"thread": to_text(draft.thread.id), "tags": draft.thread.view.tags()}

    def _change(self, name: str) -> AbstractAsyncContextManager[Draft]:
        return self._named.change(name, LaneKind.SHARED)


def _write(draft: Draft, live: LiveText, edit: Edit) -> None:
    if edit.change:
        draft.commit(SHARED, lambda doc: texts.write(doc, live.name, edit.change))


def _clear(draft: Draft, version: str) -> None:
    """Remove what was sent; what others have typed meanwhile stays."""
    try:
        _, change = draft.thread.texts["draft"].clearing(version)
    except errors.OpenSeshError as error:
        if error.kind is not errors.DRAFT_MOVED_ON:
            raise
        return  # nobody can tell any more what of it was sent
    if change:
        draft.commit(SHARED, lambda doc: texts.write(doc, "draft", change))


def _shown(opened: OpenThread, live: LiveText) -> Answer:
    return {"thread": to_text(opened.id), "text": live.text, "version": live.version}


def _tags(given: Any) -> list[str]:
    """Tags as they are kept: without the space around them. Raises REQUEST_INVALID."""
    found = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    if given is not None and not found and given != []:
        raise errors.REQUEST_INVALID("Tags are given as a list of texts.")
    tags = [" ".join(str(each).split()) for each in found]
    if any(not 0 < len(tag) <= MAX_TAG_CHARACTERS or tag[0] in "+-" for tag in tags):
        raise errors.REQUEST_INVALID(
            f"A tag has 1 to {MAX_TAG_CHARACTERS} characters, and begins with neither + nor -."
        )
    return tags
