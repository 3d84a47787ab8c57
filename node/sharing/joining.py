"""Come into somebody else's thread by a link: ask, wait, and believe only what the thread itself then shows."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.ids import ThreadId, to_text
from crdt.invite_link import InviteLink, parse_invite
from crdt.inviting import State, joined
from crdt.permissions import Role
from crdt.replica import Receipt
from node.account import Account
from node.affairs import Room
from node.background import Background
from node.open_thread import OpenThread
from node.sharing.door import ASKED, refusal
from node.threads import Threads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a joiner is. `why` is in words what is waited for."""

    thread: ThreadId
    role: Role
    state: str  # admitted | waiting
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """In the API's shape."""
        shown = {"thread": to_text(self.thread), "permission": self.role.name.lower(), "state": self.state}
        return {**shown, "waiting_for": self.why or None}


class Joining:
    """Every thread that this identity was invited to and isn't in yet. `close` it."""

    def __init__(self, account: Account, threads: Threads) -> None:
        self._account = account
        self._threads = threads
        self._answers: dict[ThreadId, str] = {}
        self._moved = asyncio.Condition()
        self._background = Background()
        threads.on_change.append(self._on_change)
        account.listeners.append(self._wake)

    async def close(self) -> None:
        """Take note of no more answers."""
        await self._background.close()

    # ---- the command

    async def join(self, text: str, name: str | None, timeout_s: float) -> Standing:
        """Come in by a link; where one stands when that is decided, or after so many seconds.

        Raises INVITE_LINK_WRONG, INVITE_EXPIRED, INVITE_USED_UP, INVITE_WITHDRAWN, INVITE_DECLINED, or AUTH_FAILED
        if what the relay has is another thread than the link was made for.
        """
        link = parse_invite(text)
        await self._account.ensure()
        self._account.check_standing()
        room = self._account.room_of(link.thread)
        if link.owner == self._account.identity or (room is not None and room.key is not None):
            raise errors.INVITE_LINK_WRONG("That thread is your own.", next="Give the link to somebody else.")
        if link.relay is None:
            raise errors.RELAY_UNREACHABLE("That link names no relay to join over.")
        if room is not None and room.state != "joining" and await self._role(link.thread) > Role.NONE:
            return Standing(link.thread, await self._role(link.thread), State.ADMITTED)
        await self._ask(link, name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                return await self._decided(link)
        why = "the owner to agree" if self._answers.get(link.thread) == ASKED else "the owner's device to answer"
        return Standing(link.thread, link.role, State.WAITING, why)

    async def _ask(self, link: InviteLink, name: str | None) -> None:
        self._answers.pop(link.thread, None)
        await self._account.be_called(name)
        thread = to_text(link.thread)
        entry: dict[str, object] = {f"{thread}/link": str(link), f"{thread}/admitted": None, f"{thread}/state": None}
        await self._account.put("index", entry)

    async def _decided(self, link: InviteLink) -> Standing:
        while True:
            async with self._moved:
                room = self._account.room_of(link.thread)
                state = self._answers.get(link.thread)
                if state is not None and state != ASKED:
                    raise refusal(state) or errors.AUTH_FAILED("What came is not the thread that the link names.")
                if room is not None and room.state != "joining":
                    return Standing(link.thread, await self._role(link.thread), State.ADMITTED)
                await self._moved.wait()

    async def _role(self, thread: ThreadId) -> Role:
        try:
            return (await self._threads.open(thread)).replica.role()
        except OpenSeshError:
            return Role.NONE

    # ---- what comes of it

    def answered(self, thread: ThreadId, state: str) -> None:
        """An owner's device left word for us."""
        self._answers[thread] = state
        self._background.begin(self._take(thread, state), "answer to a joiner")

    async def _take(self, thread: ThreadId, state: str) -> None:
        error = refusal(state)
        room = self._account.room_of(thread)
        if error is not None and room is not None and room.state == "joining":
            await self._give_up(thread, error)
        await self._tell()

    async def _give_up(self, thread: ThreadId, error: OpenSeshError) -> None:
        """The link leads nowhere: forget it. What else there may be of the thread stays."""
        await self._account.put("index", {f"{to_text(thread)}/link": None})
        await self._threads.announce("share.refused", thread, {"error": error.to_json()})

    def _on_change(self, opened: OpenThread, receipts: list[Receipt]) -> None:
        room = self._account.room_of(opened.id) if self._account.exists else None
        if room is not None and room.state == "joining" and receipts:
            self._look(opened, room)

    def _look(self, opened: OpenThread, room: Room) -> None:
        """Whether the thread shows that we are in."""
        assert room.link is not None
        try:
            state = joined(opened.replica, room.link, self._account.identity, self._threads.now_ms())
        except OpenSeshError as error:
            self._answers[opened.id] = "another"
            self._background.begin(self._give_up(opened.id, error), "link given up")
            return
        if state is State.ADMITTED:
            self._background.begin(self._admitted(opened.id), "admitted")
        elif refusal(state) is not None and state is not State.EXPIRED:  # that is the admitter's to judge
            self.answered(opened.id, state)

    async def _admitted(self, thread: ThreadId) -> None:
        room = self._account.room_of(thread)
        if room is not None and room.state == "joining":
            await self._account.put("index", {f"{to_text(thread)}/admitted": "1"})
            role = await self._role(thread)
            await self._threads.announce("share.admitted", thread, {"permission": role.name.lower()})
        await self._tell()

    def _wake(self) -> None:
        self._background.begin(self._tell(), "joining moved")

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()
