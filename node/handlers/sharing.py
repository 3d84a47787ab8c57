"""Operations on links, joining, and the members of threads."""

from typing import Any

from crdt.ids import to_text
from crdt.permissions import Role
from node.account import Account
from node.api.requests import Context
from node.handlers.named import Named
from node.library import Library
from node.sharing import preview
from node.sharing.forking import Forking
from node.sharing.joining import Joining
from node.sharing.leftovers import leftovers
from node.sharing.links import Links
from node.sharing.people import People
from node.sharing.rights import Rights
from node.terminals.secrets import scan_terminals
from node.threads import Threads

ROLES = {"view": Role.VIEWER, "comment": Role.COMMENTER, "edit": Role.EDITOR} | {
    role.name.lower(): role for role in (Role.VIEWER, Role.COMMENTER, Role.EDITOR)
}


class SharingHandlers:
    """`share.*` and `member.*`."""

    def __init__(
        self,
        account: Account,
        threads: Threads,
        library: Library,
        links: Links,
        joining: Joining,
        rights: Rights,
        people: People,
        forking: Forking,
    ) -> None:
        self._account = account
        self._threads = threads
        self._library = library
        self._named = Named(threads, library)
        self._links = links
        self._joining = joining
        self._rights = rights
        self._people = people
        self._forking = forking

    # ---- links

    async def preview(self, p: Any, context: Context) -> dict[str, Any]:
        """`share.preview`"""
        opened = await self._named.open(p.thread)
        return preview.preview(opened, p.begin, await scan_terminals(self._threads, opened.id))

    async def create(self, p: Any, context: Context) -> dict[str, Any]:
        """`share.create`"""
        thread = (await self._library.find(p.thread)).id
        if p.begin is not None:
            thread = await self._forking.fork(thread, p.begin, allow_secrets=p.allow_secrets)
        printed = [] if p.allow_secrets else await scan_terminals(self._threads, thread)
        offered = await self._links.offer(
            thread,
            ROLES[p.permission],
            expires_s=p.expires_s,
            uses=p.uses,
            approve=p.approve,
            allow_secrets=p.allow_secrets,
            printed=printed,
            name=p.name,
        )
        return {**offered, "thread": to_text(thread)}

    async def list(self, p: Any, context: Context) -> dict[str, Any]:
        """`share.list`"""
        only = (await self._library.find(p.thread, deleted=True)).id if p.thread is not None else None
        return {"shares": await self._links.rows(only), "requests": self._links.requests()}

    async def withdraw(self, p: Any, context: Context) -> dict[str, Any]:
        """`share.withdraw`"""
        return await self._links.withdraw(p.share)

    async def decide(self, p: Any, context: Context) -> dict[str, Any]:
        """`share.decide`"""
        return await self._links.decide(p.request, p.accept)

    async def join(self, p: Any, context: Context) -> dict[str, Any]:
        """`share.join`"""
        return (await self._joining.join(p.link, p.name, p.timeout_s)).to_json()

    async def leftovers(self, p: Any, context: Context) -> dict[str, Any]:
        """`share.leftovers`"""
        opened = await self._named.open(p.thread)
        return {"thread": to_text(opened.id), "leftovers": leftovers(opened)}

    # ---- members

    async def members(self, p: Any, context: Context) -> dict[str, Any]:
        """`member.list`"""
        opened = await self._named.open(p.thread)
        return {"members": self._people.rows(opened.replica)}

    async def permit(self, p: Any, context: Context) -> dict[str, Any]:
        """`member.permit`"""
        return await self._rights.permit((await self._library.find(p.thread)).id, p.who, ROLES[p.permission])

    async def kick(self, p: Any, context: Context) -> dict[str, Any]:
        """`member.kick`"""
        return await self._rights.kick((await self._library.find(p.thread)).id, p.who, hard=p.hard)

    async def leave(self, p: Any, context: Context) -> dict[str, Any]:
        """`member.leave`"""
        return await self._rights.leave((await self._library.find(p.thread)).id)

    async def transfer(self, p: Any, context: Context) -> dict[str, Any]:
        """`member.transfer`"""
        return await self._rights.offer((await self._library.find(p.thread)).id, p.who, p.phrase)

    async def accept(self, p: Any, context: Context) -> dict[str, Any]:
        """`member.accept`"""
        return await self._rights.accept((await self._library.find(p.thread)).id)

    async def verify(self, p: Any, context: Context) -> dict[str, Any]:
        """`member.verify`"""
        opened = await self._named.open(p.thread)
        return await self._people.verify(opened.replica, p.who, p.matches)
