"""Links to our threads: make one, list them, close one, and agree to who asks by one that wants a yes."""

from collections.abc import Sequence
from typing import Any

from crdt import errors
from crdt.ids import IdentityId, ThreadId, to_text
from crdt.invite_link import InviteLink
from crdt.invites import Asking, InviteKeys
from crdt.inviting import offer_invite, state_of_invite, withdraw_invite
from crdt.permissions import Role, denied
from node import shapes
from node.account import Account
from node.secrets.thread import Place
from node.sharing import preview
from node.sharing.door import DECLINED, Door
from node.synchronizer import Synchronizer
from node.threads import Threads

MIN_PREFIX = 4  # characters of an invite's id that may stand for it


class Links:
    """What an owner does with links. Secrets are kept in the account thread: all of the owner's devices answer."""

    def __init__(self, account: Account, threads: Threads, synchronizer: Synchronizer, door: Door) -> None:
        self._account = account
        self._threads = threads
        self._synchronizer = synchronizer
        self._door = door

    async def offer(
        self,
        thread: ThreadId,
        role: Role,
        *,
        expires_s: float | None,
        uses: int,
        approve: bool,
        allow_secrets: bool,
        printed: Sequence[Place] = (),
        name: str | None = None,
    ) -> dict[str, Any]:
        """Make a link to a thread; `printed` are the secrets in what its terminals have printed, `name` is what whoever
        comes by it is to call us.

        Raises PERMISSION_DENIED, NOTHING_TO_SYNC_WITH without a relay, or SECRETS_FOUND.
        """
        async with self._threads.change(thread) as draft:
            replica = draft.thread.replica
            assert replica.author is not None
            if replica.role() is not Role.OWNER:
                raise denied(Role.OWNER, replica.role())
            relay = self._relay(thread)
            if not allow_secrets:
                preview.check(preview.secrets(draft.thread, printed))
            await self._account.be_called(name)
            expires_ms = self._threads.now_ms() + int(expires_s * 1000) if expires_s else 0
            commit, link = offer_invite(
                *(replica, replica.author, role),
                uses=uses,
                expires_ms=expires_ms,
                approve=approve,
                name=self._account.affairs.met.get(self._account.identity, ""),
                relay=relay,
            )
            # The secret first: without it nobody could ever be let in by what the thread would offer.
            invite = InviteKeys.from_secret(link.secret).id
            await self._account.put("invites", {invite.hex(): str(link)})
            draft.keep(commit)
        for connected in self._synchronizer.links():
            connected.visit(thread)
        return {
            "link": str(link),
            "id": invite.hex()[:16],
            "permission": role.name.lower(),
            "expires_at": shapes.time(expires_ms) if expires_ms else None,
            "uses": uses,
        }

    def _relay(self, thread: ThreadId) -> str:
        room = self._account.room_of(thread)
        came_by = room.link.relay if room is not None and room.link is not None else None
        relays = [came_by] if came_by else list(self._account.affairs.relays)
        if not relays:
            following = "Connect a relay that both of you reach: opensesh sync connect ws://HOST:8765"
            raise errors.NOTHING_TO_SYNC_WITH("Sharing with other people takes a relay.", next=following)
        if not self._synchronizer.may_sync(thread):
            following = "Let it sync first: opensesh sync enable THREAD"
            raise errors.NOTHING_TO_SYNC_WITH("This thread is kept on this device.", next=following)
        return relays[0]

    # ---- what there is

    async def rows(self, only: ThreadId | None) -> list[dict[str, Any]]:
        """Every link ever made to our threads (or one of them), those of trashed and deleted ones too."""
        rows = []
        for invite, link in self._account.affairs.offers.items():
            if only in (None, link.thread):
                rows.append(await self._row(invite, link))
        return sorted(rows, key=lambda row: (row["state"] != "open", row["thread"], row["id"]))

    async def _row(self, invite: bytes, link: InviteLink) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": invite.hex()[:16],
            "thread": to_text(link.thread),
            "title": "",
            "permission": link.role.name.lower(),
            "link": None,
            "uses": 0,
            "used": 0,
            "expires_at": None,
            "approve": False,
            "state": "gone",
            "people": [],
        }
        try:
            opened = await self._threads.open(link.thread)
        except errors.OpenSeshError:
            return row
        replica = opened.replica
        title = opened.view.meta().get("title")
        row["title"] = title if isinstance(title, str) else ""
        offered = replica.membership.invites.offered.get(invite)
        if offered is None:
            return row
        came = replica.membership.invites.standing(invite, replica.membership.everything)
        state = str(state_of_invite(replica.membership, invite, self._threads.now_ms()) or "open")
        return row | {
            "link": str(link) if state == "open" else None,
            "uses": offered.action.uses,
            "used": len(came),
            "expires_at": shapes.time(offered.action.expires_ms) if offered.action.expires_ms else None,
            "approve": offered.action.approve,
            "state": state,
            "people": [to_text(identity) for identity in sorted(came)],
        }

    def requests(self) -> list[dict[str, Any]]:
        """Who waits for a yes."""
        rows = []
        for sealed in self._account.affairs.asking.values():
            recalled = self._door.recall(sealed)
            if recalled is not None:
                thread, asking = recalled
                identity = to_text(asking.identity)
                row = {"request": asking.id.hex()[:16], "thread": to_text(thread)}
                rows.append(row | {"identity": identity, "name": asking.statement.name})
        return rows

    # ---- closing one

    async def withdraw(self, name: str) -> dict[str, Any]:
        """Close a link for ever; who came by it stays. Raises INVITE_NOT_FOUND."""
        invite, link = self._find(name)
        async with self._threads.change(link.thread) as draft:
            replica = draft.thread.replica
            if replica.role() is not Role.OWNER:
                raise denied(Role.OWNER, replica.role())
            if not replica.membership.invites.is_withdrawn(invite, replica.membership.everything):
                draft.keep(withdraw_invite(replica, invite))
        return {"id": invite.hex()[:16], "thread": to_text(link.thread), "state": "withdrawn"}

    def _find(self, name: str) -> tuple[bytes, InviteLink]:
        offers = self._account.affairs.offers.items()
        exact = [(invite, link) for invite, link in offers if str(link) == name.strip()]
        named = name.strip().lower()
        prefix = [
            (invite, link) for invite, link in offers if len(named) >= MIN_PREFIX and invite.hex().startswith(named)
        ]
        for found in (exact, prefix):
            if len(found) == 1:
                return found[0]
        raise errors.INVITE_NOT_FOUND()

    # ---- saying yes or no

    async def decide(self, request: str, accept: bool) -> dict[str, Any]:
        """Let somebody in who asked, or turn them away. Raises INVITE_NOT_FOUND, or why they can't come in."""
        thread, asking, all_of_them = self._asked(request)
        state = await self._door.let_in(thread, asking) if accept else DECLINED
        await self._account.put("asking", dict.fromkeys(all_of_them))
        self._reply(thread, asking.identity, asking.statement.login, asking.statement.invite, state)
        return {"thread": to_text(thread), "identity": to_text(asking.identity), "state": state}

    def _asked(self, request: str) -> tuple[ThreadId, Asking, list[str]]:
        """Who is meant, and the keys of all that they asked by this link. Raises INVITE_NOT_FOUND, also where it could
        be another: a name is what a joiner chose, and the beginning of an id what they tried for."""
        found: dict[tuple[ThreadId, IdentityId, bytes], dict[str, Asking]] = {}
        for identifier, sealed in self._account.affairs.asking.items():
            recalled = self._door.recall(sealed)
            if recalled is not None and self._is_meant(request, identifier, recalled[1].statement.name):
                thread, asking = recalled
                whose = (thread, asking.identity, asking.statement.invite)
                found.setdefault(whose, {})[identifier.hex()] = asking
        if not found:
            raise errors.INVITE_NOT_FOUND("Nobody of that name waits to be let in.", next="See: opensesh shares")
        if len(found) > 1:
            more = "More than one person who waits could be meant; give the request's id."
            matches = [
                {"request": next(iter(each))[:16], "identity": to_text(who)} for (_, who, _), each in found.items()
            ]
            raise errors.INVITE_NOT_FOUND(more, next="See: opensesh shares", matches=matches)
        (((thread, _, _), asked),) = found.items()
        return thread, next(reversed(asked.values())), list(asked)

    @staticmethod
    def _is_meant(request: str, identifier: bytes, name: str) -> bool:
        is_prefix = len(request) >= MIN_PREFIX and identifier.hex().startswith(request.lower())
        return is_prefix or (bool(request) and name.casefold() == request.casefold())

    def _reply(self, thread: ThreadId, identity: bytes, login: bytes, invite: bytes, state: str) -> None:
        self._door.leave_word(thread, identity, login, invite, state)
        for connected in self._synchronizer.links():
            connected.visit(thread)
