"""Operations on comments: put down, answered, settled, changed by their author, made into a prompt."""

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import pycrdt

from crdt import comment_edits, errors
from crdt.comments import MAX_TEXT_CHARACTERS, Comment, Reference, is_sign, read_reference
from crdt.conversations import Conversation
from crdt.ids import to_text
from crdt.permissions import Lane, LaneKind
from node import places
from node.api.requests import Context
from node.handlers.named import Named
from node.library import Library
from node.open_thread import Draft, OpenThread
from node.permitting import require
from node.runs import Runs
from node.threads import Threads

MIN_PREFIX: Final = 4  # characters of a comment's id that may stand for it
Change = Callable[["pycrdt.Doc[Any]"], None]
Answer = dict[str, Any]
Particulars = dict[str, Any]


class CommentHandlers:
    """`comment.*`."""

    def __init__(self, threads: Threads, library: Library, runs: Runs) -> None:
        self._threads = threads
        self._named = Named(threads, library)
        self._runs = runs

    # ---- reading

    async def list(self, p: Any, context: Context) -> Answer:
        """`comment.list`"""
        opened = await self._named.open(p.thread)
        message = places.message_of(p.message, opened.view).id if p.message is not None else None
        found = opened.discussion.conversations(message)
        shapes = opened.comment_shapes()
        shown = [shapes.conversation(each) for each in found if not (p.unresolved and each.is_resolved)]
        return {"thread": to_text(opened.id), "unresolved": opened.discussion.unresolved, "comments": shown}

    async def quote(self, p: Any, context: Context) -> Answer:
        """`comment.quote`"""
        opened = await self._named.open(p.thread)
        return {
            "thread": to_text(opened.id),
            "text": opened.comment_shapes().prompt(_conversation(opened, p.comment)),
        }

    # ---- writing

    async def add(self, p: Any, context: Context) -> Answer:
        """`comment.add`"""
        return await self._write(
            p.thread, context, p.text, lambda draft: {"anchor": places.anchor_of(p, draft.thread.view)}
        )

    async def reply(self, p: Any, context: Context) -> Answer:
        """`comment.reply`"""
        return await self._write(
            p.thread, context, p.text, lambda draft: {"reply_to": _find(draft.thread, p.comment).reference}
        )

    async def edit(self, p: Any, context: Context) -> Answer:
        """`comment.edit`"""
        _check(p.text)
        now = self._threads.now_ms()
        return await self._revise(p, lambda name: lambda doc: comment_edits.edit_text(doc, name, p.text, now))

    async def delete(self, p: Any, context: Context) -> Answer:
        """`comment.delete`"""
        now = self._threads.now_ms()
        return await self._revise(p, lambda name: lambda doc: comment_edits.delete_comment(doc, name, now))

    async def react(self, p: Any, context: Context) -> Answer:
        """`comment.react`"""
        sign = p.sign.strip()
        if not is_sign(sign):
            raise errors.REQUEST_INVALID("A reaction is an emoji or a short word, without spaces and slashes.")
        now = self._threads.now_ms()
        async with self._change(p.thread) as draft:
            on = _find(draft.thread, p.comment).reference
            if p.back:
                draft.commit(_lane(draft), lambda doc: comment_edits.take_back_reaction(doc, on, sign))
            else:
                draft.commit(_lane(draft), lambda doc: comment_edits.react(doc, on, sign, now))
        return self._answer(draft.thread, on)

    async def resolve(self, p: Any, context: Context) -> Answer:
        """`comment.resolve`"""
        return await self._settle(p, True)

    async def reopen(self, p: Any, context: Context) -> Answer:
        """`comment.reopen`"""
        return await self._settle(p, False)

    async def prompt(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        """`comment.prompt`"""
        opened = await self._named.open(p.thread)
        require(opened.replica, LaneKind.TIMELINE)
        text = opened.comment_shapes().prompt(_conversation(opened, p.comment), p.text or "")
        request = context.request_id()
        async for line in self._runs.ask(opened.id, text, p.model, request, take_over=p.take_over):
            yield line

    # ----

    def _change(self, name: str) -> AbstractAsyncContextManager[Draft]:
        return self._named.change(name, LaneKind.COMMENTS)

    async def _write(self, name: str, context: Context, text: str, make: Callable[[Draft], Particulars]) -> Answer:
        """Write a new comment, unless the same request did: what is there then is the answer."""
        _check(text)
        now = self._threads.now_ms()
        async with self._change(name) as draft:
            lane, view = _lane(draft), draft.thread.discussion
            made = Comment(_new_id(draft, context), lane.owner, now, view.next_key(now), text, **make(draft))
            if view.comment(made.reference) is None:
                draft.commit(lane, lambda doc: comment_edits.put_comment(doc, made))
        return self._answer(draft.thread, made.reference)

    async def _revise(self, p: Any, change: Callable[[str], Change]) -> Answer:
        """Change an own comment. Each device has its own lane, so it takes the one that wrote it."""
        async with self._change(p.thread) as draft:
            comment = _find(draft.thread, p.comment)
            if comment.device != _lane(draft).owner:
                self._refuse(draft.thread, comment)
            draft.commit(_lane(draft), change(comment.id))
        return self._answer(draft.thread, comment.reference)

    def _refuse(self, opened: OpenThread, comment: Comment) -> None:
        author = opened.author_of(comment.device)
        own = opened.replica.author
        name = str(author["name"])
        if own is not None and author["identity"] == to_text(own.identity):
            raise errors.PERMISSION_DENIED(
                f"Only the device that wrote it can change it: {name}.", next=f"Do it on {name}.", author=author
            )
        raise errors.PERMISSION_DENIED(
            f"Only its author can change it: {name}.", next="Answer it instead, or resolve it.", author=author
        )

    async def _settle(self, p: Any, resolved: bool) -> Answer:
        now = self._threads.now_ms()
        async with self._change(p.thread) as draft:
            found = _conversation(draft.thread, p.comment)
            if found.is_resolved != resolved:
                identifier = to_text(os.urandom(16))
                view = draft.thread.discussion
                mark = view.next_mark(found.first.reference, resolved, _lane(draft).owner, identifier, now)
                draft.commit(_lane(draft), lambda doc: comment_edits.put_mark(doc, mark))
        return self._answer(draft.thread, found.first.reference)

    def _answer(self, opened: OpenThread, on: Reference) -> Answer:
        """The comment as it is now; one that begins a conversation with all of that."""
        found, comment = opened.discussion.conversation(on), opened.discussion.comment(on)
        assert found is not None and comment is not None
        shapes = opened.comment_shapes()
        shown = shapes.conversation(found) if found.first.reference == on else shapes.comment(comment)
        settled = {"conversation": found.first.id, "resolved": found.is_resolved}
        return {"thread": to_text(opened.id), **shown, **settled, "unresolved": opened.discussion.unresolved}


def _lane(draft: Draft) -> Lane:
    """This device's own lane of comments."""
    return Lane(LaneKind.COMMENTS, draft.timeline.owner)


def _new_id(draft: Draft, context: Context) -> str:
    """Random; of a request that may be repeated, one that follows from it."""
    if context.client_request_id is None:
        return to_text(os.urandom(16))
    request = f"{context.operation}/{to_text(draft.thread.id)}/{context.client_request_id}"
    return to_text(hashlib.blake2b(request.encode(), digest_size=16).digest())


def _conversation(opened: OpenThread, name: str) -> Conversation:
    """The conversation that a comment of that name is part of. Raises COMMENT_NOT_FOUND."""
    found = opened.discussion.conversation(_find(opened, name, deleted=True).reference)
    assert found is not None
    return found


def _find(opened: OpenThread, name: str, *, deleted: bool = False) -> Comment:
    """The comment of that id, unique prefix of an id, or reference. Raises COMMENT_NOT_FOUND.

    One that was taken back is found only if `deleted` ones are wanted too.
    """
    discussion = opened.discussion
    reference = read_reference(name)
    by_reference = discussion.comment(reference) if reference is not None else None
    found = [by_reference] if by_reference is not None else discussion.named(name)
    if not found and len(name) >= MIN_PREFIX:
        found = [each for each in discussion.comments() if each.id.startswith(name.lower())]
    if len(found) > 1:
        matches = [str(each.reference) for each in found[:10]]
        raise errors.COMMENT_NOT_FOUND("More than one comment is called so.", next="Give more of it.", matches=matches)
    if not found:
        raise errors.COMMENT_NOT_FOUND(comment=name[:200])
    if found[0].deleted is not None and not deleted:
        raise errors.COMMENT_NOT_FOUND("That comment was taken back by its author.", comment=name[:200])
    return found[0]


def _check(text: str) -> None:
    """Raise what is wrong with a comment's text."""
    if not text.strip():
        raise errors.REQUEST_INVALID("A comment says something.")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise errors.TOO_LARGE(f"A comment has at most {MAX_TEXT_CHARACTERS} characters.")
