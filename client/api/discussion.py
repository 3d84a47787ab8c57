"""Comments, and what several people write at once, of the Python API."""

from collections.abc import AsyncIterator

from client.api.calls import Calls, typed
from client.api.operation import calls
from client.api.results import discussion as d
from client.api.results.threads import RunEvent


class Discussion:
    """A `comment` is given as its id, a unique prefix of the id, or its reference. See `Threads` for `thread`."""

    _calls: Calls

    @calls("comment.list")
    async def comments(self, thread: str, *, unresolved: bool = False, message: str | None = None) -> d.Comments:
        """A thread's conversations: all, those that are not settled, or those about one message."""
        return await self._calls.call("comment.list", d.Comments, thread=thread, unresolved=unresolved, message=message)

    @calls("comment.add")
    async def comment(
        self,
        thread: str,
        text: str,
        *,
        message: str | None = None,
        part: int | None = None,
        lines: str | None = None,
        characters: str | None = None,
        path: str | None = None,
        side: str | None = None,
        terminal: str | None = None,
        quote: str | None = None,
        request_id: str | None = None,
    ) -> d.Commented:
        """Comment on a message or a part of it, on lines of a file, a diff or a terminal, or on the thread.

        `lines` are "FIRST-LAST" from 1, `characters` "START-END" from 0. Raises PERMISSION_DENIED without the
        role of a commenter, PLACE_NOT_FOUND if there is no such message or no such place in it.
        """
        place = {"part": part, "lines": lines, "characters": characters, "path": path, "side": side}
        more = {"message": message, "terminal": terminal, "quote": quote}
        return await self._calls.call(
            "comment.add", d.Commented, request_id=request_id, thread=thread, text=text, **place, **more
        )

    @calls("comment.reply")
    async def reply(self, thread: str, comment: str, text: str, *, request_id: str | None = None) -> d.Commented:
        """Answer a comment."""
        return await self._calls.call(
            "comment.reply", d.Commented, request_id=request_id, thread=thread, comment=comment, text=text
        )

    @calls("comment.edit")
    async def edit_comment(self, thread: str, comment: str, text: str) -> d.Commented:
        """Change what a comment says that was written on this device."""
        return await self._calls.call("comment.edit", d.Commented, thread=thread, comment=comment, text=text)

    @calls("comment.delete")
    async def delete_comment(self, thread: str, comment: str) -> d.Commented:
        """Take back a comment that was written on this device."""
        return await self._calls.call("comment.delete", d.Commented, thread=thread, comment=comment)

    @calls("comment.resolve")
    async def resolve(self, thread: str, comment: str) -> d.Commented:
        """Settle the conversation that a comment is part of."""
        return await self._calls.call("comment.resolve", d.Commented, thread=thread, comment=comment)

    @calls("comment.reopen")
    async def reopen(self, thread: str, comment: str) -> d.Commented:
        """Say that it is not settled after all."""
        return await self._calls.call("comment.reopen", d.Commented, thread=thread, comment=comment)

    @calls("comment.react")
    async def react(self, thread: str, comment: str, sign: str, *, back: bool = False) -> d.Commented:
        """React to a comment with an emoji or a short word, or take that `back`."""
        return await self._calls.call(
            "comment.react", d.Commented, thread=thread, comment=comment, sign=sign, back=back
        )

    @calls("comment.quote")
    async def quote_comment(self, thread: str, comment: str) -> d.Prompt:
        """A conversation as the text of a prompt, its authors credited; nothing is written."""
        return await self._calls.call("comment.quote", d.Prompt, thread=thread, comment=comment)

    @calls("comment.prompt")
    async def prompt_comment(
        self,
        thread: str,
        comment: str,
        text: str | None = None,
        *,
        model: str | None = None,
        take_over: bool = False,
        request_id: str | None = None,
    ) -> AsyncIterator[RunEvent]:
        """Make a conversation a prompt, with `text` below it, and follow the answer as `ask` does."""
        values = {"thread": thread, "comment": comment, "text": text, "model": model, "take_over": take_over}
        async for line in self._calls.stream("comment.prompt", request_id=request_id, **values):
            yield typed(line, RunEvent)

    @calls("draft.show")
    async def draft(self, thread: str, *, reader: str | None = None) -> d.SharedText:
        """The draft that all editors of a thread write together."""
        return await self._calls.call("draft.show", d.SharedText, thread=thread, reader=reader or self._calls.reader)

    @calls("draft.set")
    async def set_draft(
        self, thread: str, text: str, *, version: str | None = None, reader: str | None = None
    ) -> d.SharedTextSet:
        """Write the draft as a whole. What others did since `version`, or since this `reader` looked or wrote last,
        stays; a reader is whoever shares this connection, unless you name one. Raises DRAFT_MOVED_ON if that version
        is not known any more."""
        values = {"thread": thread, "text": text, "version": version, "reader": reader or self._calls.reader}
        return await self._calls.call("draft.set", d.SharedTextSet, **values)

    @calls("draft.edit")
    async def edit_draft(
        self, thread: str, at: int, *, delete: int = 0, insert: str = "", version: str | None = None
    ) -> d.SharedTextSet:
        """Put `insert` in place of `delete` characters from `at` on, as these were at `version` (else: are now)."""
        return await self._calls.call(
            "draft.edit", d.SharedTextSet, thread=thread, at=at, delete=delete, insert=insert, version=version
        )

    @calls("draft.send")
    async def send_draft(
        self,
        thread: str,
        *,
        say: bool = False,
        version: str | None = None,
        model: str | None = None,
        take_over: bool = False,
        request_id: str | None = None,
    ) -> AsyncIterator[d.DraftEvent]:
        """Send the draft as a prompt and follow the answer as `ask` does, or only `say` it (draft.said)."""
        values = {"thread": thread, "say": say, "version": version, "model": model, "take_over": take_over}
        async for line in self._calls.stream("draft.send", request_id=request_id, **values):
            yield typed(line, d.DraftEvent)

    @calls("notes.show")
    async def notes(self, thread: str, *, reader: str | None = None) -> d.SharedText:
        """The notes that all editors of a thread keep together."""
        return await self._calls.call("notes.show", d.SharedText, thread=thread, reader=reader or self._calls.reader)

    @calls("notes.set")
    async def set_notes(
        self, thread: str, text: str, *, version: str | None = None, reader: str | None = None
    ) -> d.SharedTextSet:
        """Write the notes as a whole, as `set_draft` does the draft."""
        values = {"thread": thread, "text": text, "version": version, "reader": reader or self._calls.reader}
        return await self._calls.call("notes.set", d.SharedTextSet, **values)

    @calls("tags.show")
    async def tags(self, thread: str) -> list[str]:
        """A thread's tags."""
        return (await self._calls.call("tags.show", d.Tags, thread=thread)).tags

    @calls("tags.change")
    async def change_tags(
        self, thread: str, *, add: list[str] | None = None, remove: list[str] | None = None
    ) -> list[str]:
        """Add tags and take tags away; the tags there are then."""
        return (await self._calls.call("tags.change", d.Tags, thread=thread, add=add, remove=remove)).tags
