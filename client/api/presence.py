"""Who is in a thread right now, of the Python API."""

from typing import Any

from client.api.calls import Calls, typed
from client.api.operation import calls
from client.api.results import presence as r


class Presence:
    """A `thread` is given as its id, a unique prefix of the id, or its exact title."""

    _calls: Calls

    @calls("presence.show")
    async def who(self, thread: str) -> list[r.Person]:
        """The devices that look at a thread, or were heard of within 30 s; this one first."""
        return typed((await self._calls.plain("presence.show", thread=thread)).get("people"), list[r.Person])

    @calls("presence.set")
    async def look(
        self,
        thread: str,
        *,
        state: str = "active",
        place: str | None = None,
        id: str | None = None,
        cursor: int | None = None,
        writing: bool = False,
    ) -> None:
        """Say what is looked at here: a `message` or `terminal` by its `id`, or the `draft` with the cursor in it.

        It holds for 30 s, or as long as `events` is followed for the thread. `state` is active, away or leaving.
        """
        values: dict[str, Any] = {"state": state, "place": place, "id": id, "cursor": cursor, "writing": writing}
        await self._calls.plain("presence.set", thread=thread, **values)
