"""Rights in a thread, changed live: permit, kick, leave, hand over.

Each is one record, stored before the command returns; every peer decides by the records it has. Who lost
the right to read gets no key of what is written from then on: the fresh one is in the same record.
"""

from typing import Any

from crdt import errors, keys, words
from crdt.identity import Root
from crdt.ids import IdentityId, ThreadId, to_text
from crdt.permissions import LaneKind, Role, denied
from crdt.records import Action, Grant, Restrict
from crdt.replica import Replica
from crdt.stewardship import acceptance, introduction, offer, readers, restriction
from node.account import Account
from node.open_thread import Draft
from node.sharing.people import People
from node.threads import Threads


class Rights:
    """Commands on the members of a thread."""

    def __init__(self, account: Account, threads: Threads, people: People) -> None:
        self._account = account
        self._threads = threads
        self._people = people

    async def permit(self, thread: ThreadId, who: str, role: Role) -> dict[str, Any]:
        """Give a member another role. Raises PERMISSION_DENIED or MEMBER_NOT_FOUND."""
        async with self._threads.change(thread) as draft:
            replica, identity = self._member(draft, who)
            before = replica.membership.role(identity)
            name = self._people.name(replica.membership, identity)
            if role > before:
                draft.record(LaneKind.CONTROL, [Grant(identity, int(role), name)])
            elif role < before:
                draft.record(LaneKind.CONTROL, restriction(replica, identity, role))
        return {"thread": to_text(thread), "identity": to_text(identity), "name": name, "permission": role.name.lower()}

    async def kick(self, thread: ThreadId, who: str, *, hard: bool) -> dict[str, Any]:
        """Put a member out; `hard` takes back what they wrote, too. Raises PERMISSION_DENIED or MEMBER_NOT_FOUND."""
        async with self._threads.change(thread) as draft:
            replica, identity = self._member(draft, who)
            name = self._people.name(replica.membership, identity)
            actions: list[Action] = restriction(replica, identity, Role.NONE)
            if hard:
                actions = [Restrict(identity, int(Role.NONE), ())]
            draft.rotate(actions, readers(replica.membership, [identity]))
        return {"thread": to_text(thread), "identity": to_text(identity), "name": name, "permission": "none"}

    def _member(self, draft: Draft, who: str) -> tuple[Replica, IdentityId]:
        replica = draft.thread.replica
        if replica.role() is not Role.OWNER:
            raise denied(Role.OWNER, replica.role())
        identity = self._people.find(replica, who)
        if identity == replica.membership.owner:
            following = "To give the thread to somebody else: opensesh transfer THREAD WHO"
            raise errors.PERMISSION_DENIED("The owner has every right.", role="owner", next=following)
        return replica, identity

    async def leave(self, thread: ThreadId) -> dict[str, Any]:
        """Give up one's role. What was written stays. Raises PERMISSION_DENIED for the owner."""
        async with self._threads.change(thread) as draft:
            replica = draft.thread.replica
            if replica.role() is Role.OWNER:
                following = "Give it to somebody else (opensesh transfer), or put it into the trash (opensesh trash)."
                raise errors.PERMISSION_DENIED("The owner can't leave a thread.", role="editor", next=following)
            if replica.role() > Role.NONE:
                # Whatever the keys: a person can always leave.
                draft.record(LaneKind.IDENTITY, restriction(replica, self._account.identity, Role.NONE))
        await self._account.set_state(thread, "trashed")
        return {"thread": to_text(thread), "permission": "none", "state": "left"}

    # ---- handing over

    async def offer(self, thread: ThreadId, who: str, phrase: str | None) -> dict[str, Any]:
        """Offer the thread to a member. Raises PERMISSION_DENIED, or RECOVERY_CONFIRMED without the words."""
        root = Root.from_seed(words.seed_from_phrase(phrase)) if phrase else self._account.root()
        async with self._threads.change(thread) as draft:
            replica, identity = self._member(draft, who)
            if root is None:
                following = "Give the 24 words: opensesh transfer THREAD WHO --phrase-stdin"
                raise errors.RECOVERY_CONFIRMED("Handing a thread over takes the recovery words.", next=following)
            if root.identity != self._account.identity:
                raise errors.RECOVERY_PHRASE_WRONG("Those are the words of another identity.")
            room = self._account.affairs.rooms[thread]
            log = replica.membership.logs[identity]
            if log.identity_key is None:
                raise errors.MEMBER_NOT_FOUND("They have shown no key yet.")
            wrapped = keys.wrap(log.identity_key[1], room.own_key.seed)
            made = offer(replica, root.signing, identity, wrapped, room.generation, self._account.login.public)
            draft.record(LaneKind.CONTROL, [made])
        return {"thread": to_text(thread), "identity": to_text(identity), "state": "offered"}

    async def accept(self, thread: ThreadId) -> dict[str, Any]:
        """Become the owner of a thread that was offered to us. Raises PERMISSION_DENIED if none was."""
        async with self._threads.change(thread) as draft:
            replica = draft.thread.replica
            membership, me = replica.membership, self._account.identity
            offered = [(node, action) for node, action in membership.offers if action.to == me]
            before = membership.owner
            if not offered or before is None or before == me:
                raise errors.PERMISSION_DENIED("Nobody has offered you this thread.", role="owner")
            node, action = offered[-1]
            seed = next((found for key in self._account.own_keys() if (found := key.unwrap(action.room))), None)
            if seed is None:
                raise errors.WAITING_FOR_KEY()
            entry = {f"{to_text(thread)}/room": seed.hex(), f"{to_text(thread)}/generation": action.generation}
            await self._account.put("index", entry)
            # By which logins the others come: who is put out later is then let into the room no longer.
            logins = {each: membership.admitted_login(each) for each in membership.members() if each != me}
            kept = {f"{to_text(thread)}/{to_text(each)}": login.hex() for each, login in logins.items() if login}
            await self._account.put("logins", {**kept})
            actions = [*introduction(self._account.entries()), *acceptance(replica, node.id, before)]
            name = self._people.name(membership, before)
            draft.rotate(actions, readers(membership))
            draft.record(LaneKind.CONTROL, [Grant(before, int(Role.EDITOR), name)])
        return {"thread": to_text(thread), "identity": to_text(me), "state": "accepted"}
