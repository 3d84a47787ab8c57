"""Comments by the node: read when a thread is opened and whenever something happens to one, written, settled."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from client.api.node import Node
from client.screen.state import State, discussed
from client.screen.talk import Spot
from client.screen.trying import tried
from crdt.errors import OpenSeshError

SOON_S = 0.05  # between two readings, with all that happens in between
PATIENCE_S = 15.0
_LINES = re.compile(r"(\d{1,9}(?:-\d{1,9})?):\s+(?=\S)")


class Talker:
    """`get` and `put` are the screen's state; `give_back` takes a text that could not be sent."""

    def __init__(
        self, node: Node, get: Callable[[], State], put: Callable[[State], None], give_back: Callable[[str], None]
    ) -> None:
        self._node, self._get, self._put, self._give_back = node, get, put, give_back
        self._due = asyncio.Event()

    def heard(self, event: dict[str, Any]) -> None:
        """Something happened: if it may concern the comments that are shown, they are read again soon."""
        if event["type"].startswith("comment.") or event["type"] in ("message.changed", "ready"):
            self._due.set()

    async def keep(self) -> None:
        """The comments of the open thread, as they are."""
        shown: str | None = None
        while True:
            if self._get().thread == shown:
                await self._due.wait()
            self._due.clear()
            shown = self._get().thread
            if shown is not None:
                await self._load(shown)
            await asyncio.sleep(SOON_S)

    def opened(self) -> None:
        """Another thread may be open now."""
        self._due.set()

    async def _load(self, thread: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await self._node.comments(thread)
        except (OpenSeshError, TimeoutError):
            return  # that the node is away is said elsewhere; when it is back, `ready` comes
        self._put(discussed(self._get(), thread, [msgspec.to_builtins(each) for each in found.comments]))

    # ---- what a person does

    async def comment(self, thread: str, spot: Spot, text: str) -> None:
        """Answer the conversation that is chosen, or begin one about the message: "3-5: …" is about these lines."""
        request = secrets.token_hex(16)
        if spot.talk:
            await self._try(self._node.reply(thread, spot.talk, text, request_id=request), text)
            return
        named = _LINES.match(text)
        said = text[named.end() :] if named else text
        lines = named[1] if named else None
        await self._try(self._node.comment(thread, said, message=spot.message, lines=lines, request_id=request), text)

    async def settle(self, thread: str, talk: str, is_settled: bool) -> None:
        """Settle a conversation, or open it again."""
        await self._try((self._node.resolve if is_settled else self._node.reopen)(thread, talk))

    async def quote(self, thread: str, talk: str) -> str | None:
        """A conversation as the text of a prompt; None if that failed, which is told."""
        found = await self._try(self._node.quote_comment(thread, talk))
        return found.text if found is not None else None

    async def _try(self, answer: Awaitable[Any], text: str = "") -> Any:
        got = await tried(self._get, self._put, answer, "Nothing was sent.")
        if got is None and text:
            self._give_back(text)
        return got
