"""Operations on presence: who is here, and what this client looks at."""

from typing import Any

from crdt import errors
from crdt.presence import Here
from node.api.requests import Context
from node.library import Library
from node.presence import LEASE_S, Presence


class PresenceHandlers:
    """`presence.*`."""

    def __init__(self, presence: Presence, library: Library) -> None:
        self._presence = presence
        self._library = library

    async def show(self, p: Any, context: Context) -> dict[str, Any]:
        """`presence.show`"""
        listed = await self._library.find(p.thread)
        return {"thread": listed.text, "people": await self._presence.show(listed.id)}

    async def set(self, p: Any, context: Context) -> dict[str, Any]:
        """`presence.set`"""
        listed = await self._library.find(p.thread)
        if (p.id is not None) != (p.place in ("message", "terminal")):
            raise errors.REQUEST_INVALID("A message or a terminal is named by its id, and nothing else is.")
        try:
            self._presence.look(listed.id, Here(p.state, p.place or "", p.id or "", p.cursor, p.writing))
        except ValueError:
            raise errors.REQUEST_INVALID("That id is none of a message or a terminal.") from None
        return {"thread": listed.text, "state": p.state, "for_s": int(LEASE_S)}
