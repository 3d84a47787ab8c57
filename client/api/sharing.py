"""Sharing of the Python API: links, joining, members."""

from typing import Any

from client.api.calls import Calls, typed
from client.api.operation import calls
from client.api.results import sharing as r

WAIT_S = 30.0


class Sharing:
    """A thread is given as its id, a unique prefix of the id, or its exact title; a person by name or id."""

    _calls: Calls

    @calls("share.preview")
    async def preview_share(self, thread: str, begin: str | None = None) -> r.SharePreview:
        """What somebody would be able to read, and what looks like secrets in it."""
        return await self._calls.call("share.preview", r.SharePreview, thread=thread, begin=begin)

    @calls("share.create")
    async def share(
        self,
        thread: str,
        permission: str,
        *,
        expires_s: float | None = None,
        uses: int = 1,
        approve: bool = False,
        allow_secrets: bool = False,
        begin: str | None = None,
        name: str | None = None,
    ) -> r.Share:
        """Make a link by which somebody can come in. Raises SECRETS_FOUND unless they are allowed."""
        values: dict[str, Any] = {"thread": thread, "permission": permission, "expires_s": expires_s, "uses": uses}
        values |= {"approve": approve, "allow_secrets": allow_secrets, "begin": begin, "name": name}
        return await self._calls.call("share.create", r.Share, **values)

    @calls("share.list")
    async def shares(self, thread: str | None = None) -> r.Shares:
        """Every link that was made, and who waits to be let in."""
        return await self._calls.call("share.list", r.Shares, thread=thread)

    @calls("share.withdraw")
    async def unshare(self, share: str) -> None:
        """Close a link for ever. Who came by it stays."""
        await self._calls.plain("share.withdraw", share=share)

    @calls("share.decide")
    async def decide(self, request: str, accept: bool) -> str:
        """Let somebody in who asked, or turn them away; where they stand then."""
        return typed((await self._calls.plain("share.decide", request=request, accept=accept)).get("state"), str)

    @calls("share.join")
    async def join(self, link: str, name: str | None = None, timeout_s: float = WAIT_S) -> r.Joined:
        """Come into somebody's thread. `state` is admitted, or waiting: asking goes on then."""
        return await self._calls.call("share.join", r.Joined, link=link, name=name, timeout_s=timeout_s)

    @calls("share.leftovers")
    async def leftovers(self, thread: str) -> list[r.Leftover]:
        """What this device wrote in a thread and does not count there: it is kept here alone."""
        return typed((await self._calls.plain("share.leftovers", thread=thread)).get("leftovers"), list[r.Leftover])

    @calls("member.list")
    async def members(self, thread: str) -> list[r.Member]:
        """Who is in a thread, the owner first."""
        return typed((await self._calls.plain("member.list", thread=thread)).get("members"), list[r.Member])

    @calls("member.permit")
    async def permit(self, thread: str, who: str, permission: str) -> r.Permitted:
        """Give a member another right, at once."""
        return await self._calls.call("member.permit", r.Permitted, thread=thread, who=who, permission=permission)

    @calls("member.kick")
    async def kick(self, thread: str, who: str, *, hard: bool = False) -> r.Permitted:
        """Put a member out; `hard` takes back what they wrote, too."""
        return await self._calls.call("member.kick", r.Permitted, thread=thread, who=who, hard=hard)

    @calls("member.leave")
    async def leave(self, thread: str) -> None:
        """Give up one's right in somebody's thread."""
        await self._calls.plain("member.leave", thread=thread)

    @calls("member.transfer")
    async def transfer(self, thread: str, who: str, phrase: str | None = None) -> None:
        """Offer a thread to a member."""
        await self._calls.plain("member.transfer", thread=thread, who=who, phrase=phrase)

    @calls("member.accept")
    async def accept_transfer(self, thread: str) -> None:
        """Become the owner of a thread that was offered."""
        await self._calls.plain("member.accept", thread=thread)

    @calls("member.verify")
    async def verify(self, thread: str, who: str, matches: bool | None = None) -> r.Verified:
        """A member's words, to compare aloud; with `matches` whether they were the same."""
        return await self._calls.call("member.verify", r.Verified, thread=thread, who=who, matches=matches)
