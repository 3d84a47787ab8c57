"""What a node does at the doors of rooms: let joiners in, hand out certificates, and knock where it was invited.

A redemption lies in the room's mailbox; whoever has the link's secret, so each of the owner's devices, can
read it. The answer is left for the joiner's login: a certificate for the room, or a sealed word why not.
Everything here is repeated after a crash or by a second device, and harmless when it was done already.
"""

import asyncio
import base64
import logging
import os
from collections.abc import Callable
from weakref import WeakKeyDictionary

from crdt import errors, wire
from crdt.errors import OpenSeshError, PeerFault
from crdt.ids import IdentityId, ThreadId, to_text
from crdt.invite_link import InviteLink
from crdt.invites import MAX_RECORDS, Asking, InviteKeys, open_answer, open_redemption, redeem, seal_answer
from crdt.inviting import REFUSALS, State, admit, knows_better, state_of
from crdt.permissions import Role
from crdt.replica import Replica
from node.account import Account
from node.affairs import Room
from node.store import LOCAL
from node.threads import Threads
from node.transports.relay import RelayConnection

MAX_ASKING = 64  # of one link, that wait for a yes; who asks beyond is heard once there is room
YIELD_S = 0.4  # how long a junior device leaves a matter to each of its seniors: one record is enough
ASKED = "asked"
DECLINED = "declined"
log = logging.getLogger(__name__)


class Door:
    """The doorkeeper of `node/sync/doors.py`. `on_answer` hears what we were told where we knocked."""

    def __init__(self, account: Account, threads: Threads) -> None:
        self._account = account
        self._threads = threads
        self._certified: WeakKeyDictionary[RelayConnection, dict[bytes, tuple[int, frozenset[bytes]]]]
        self._certified = WeakKeyDictionary()
        self._words: dict[tuple[ThreadId, bytes], tuple[bytes, bytes, str]] = {}  # by login: invite, identity, state
        self.on_answer: Callable[[ThreadId, str], None] = lambda thread, state: None

    # ---- our own rooms

    def expects(self, room: Room) -> bool:
        """Whether a link to that room was ever made, or somebody is in it: the former owner, if it was handed over."""
        affairs = self._account.affairs
        return (
            room.link is not None
            or room.thread in affairs.logins_of
            or any(link.thread == room.thread for link in affairs.offers.values())
        )

    async def tend(self, connection: RelayConnection, room: Room) -> None:
        """Read the mailbox, answer each, and let the members' logins in."""
        if (await self._threads.open(room.thread)).replica.role() is not Role.OWNER:
            return  # handed over: the mail is the heir's to read
        upto = 0
        while (mail := await connection.take_mail(room.public, upto)).items:
            for sealed in mail.items:
                try:
                    await self._answer(connection, room, sealed)
                except OpenSeshError as error:
                    if error.kind is errors.RELAY_UNREACHABLE:
                        raise
                    # Whatever somebody with a link brought about: who stands behind them is not to wait for it.
                    log.warning("one at the door of %s: %s", to_text(room.thread)[:8], error.kind.name)
            upto = mail.last
        await self._deliver(connection, room)
        await self._certify(connection, room)

    async def _answer(self, connection: RelayConnection, room: Room, sealed: bytes) -> None:
        opened = self._open(room.thread, sealed)
        if opened is None:
            log.warning("what lay in the mailbox of %s is for no link of it", to_text(room.thread)[:8])
            return
        link, asking = opened
        state = await self._decide(room.thread, asking, sealed)
        login = asking.statement.login
        if state == State.ADMITTED:
            await self._enter(room.thread, asking)
            log.info("%s was let into %s", to_text(asking.identity)[:8], to_text(room.thread)[:8])
            return  # the certificate follows
        keys = InviteKeys.from_secret(link.secret)
        records = await self._records(room.thread, asking.identity) if state == State.REMOVED else []
        letter = seal_answer(keys, room.thread, asking.identity, state, os.urandom, records)
        await self._leave(connection, room, login, letter)

    async def _leave(self, connection: RelayConnection, room: Room, login: bytes, letter: bytes) -> None:
        """An answer without a certificate. It would take away the one that is there, and whose login it is, whoever
        asks has only said: so none goes where a member comes."""
        if login not in await self.logins(room.thread):
            await connection.deposit(room.public, login, None, letter)

    async def _records(self, thread: ThreadId, identity: IdentityId) -> list[bytes]:
        """The governance frames up to the one that put somebody out: the room is closed to them."""
        replica = (await self._threads.open(thread)).replica
        ending = [limit.node for limit in replica.membership.limits if limit.identity == identity]
        if not ending:
            return []
        last = max(ending, key=lambda node: (node.depth, node.id))
        past = sorted((n for n in replica.graph.nodes if last.closure & n.bit), key=lambda n: (n.depth, n.id))
        found = [await self._threads.store.frame(thread, node.id) for node in past[-MAX_RECORDS:]]
        return [each.frame for each in found if each is not None]

    def _open(self, thread: ThreadId, sealed: bytes) -> tuple[InviteLink, Asking] | None:
        for link in self._account.affairs.offers.values():
            if link.thread == thread:
                try:
                    return link, open_redemption(InviteKeys.from_secret(link.secret), thread, sealed)
                except PeerFault:
                    continue
        return None

    async def _decide(self, thread: ThreadId, asking: Asking, sealed: bytes) -> str:
        """Let a joiner in, if they may be; where they stand then."""
        account = self._account
        state = self._standing((await self._threads.open(thread)).replica, asking)
        if state != State.WAITING:
            return state  # without a pause: whoever has a closed link is not to keep the others waiting
        await yield_to_seniors(account)
        opened = await self._threads.open(thread)
        state = self._standing(opened.replica, asking)
        if state != State.WAITING:
            return state
        offered = opened.replica.membership.invites.offered[asking.statement.invite]
        if offered.action.approve:
            if not self._has_room(thread, asking):
                return state  # they are heard when they ask again
            await account.put("asking", {asking.id.hex(): base64.b64encode(sealed).decode()})
            await self._threads.announce("share.asked", thread, told(asking))
            return ASKED
        return await self.let_in(thread, asking)

    def _has_room(self, thread: ThreadId, asking: Asking) -> bool:
        """Whether one more may wait for a yes: identities cost nothing, and each stays in the account."""
        recalled = map(self.recall, self._account.affairs.asking.values())
        waiting = {each[1].id for each in recalled if each and each[1].statement.invite == asking.statement.invite}
        return asking.id in waiting or len(waiting) < MAX_ASKING

    async def let_in(self, thread: ThreadId, asking: Asking) -> str:
        """Admit somebody, unless that was done, or can't be, meanwhile; where they stand then."""
        async with self._threads.change(thread) as draft:
            replica = draft.thread.replica
            state = self._standing(replica, asking)
            if state != State.WAITING:
                return state
            assert replica.author is not None
            commit = admit(replica, replica.author, asking, self._threads.now_ms())
            if commit is not None:
                draft.keep(commit)
        await self._enter(thread, asking)
        await self._threads.announce("share.joined", thread, told(asking))
        return State.ADMITTED

    def _standing(self, replica: Replica, asking: Asking) -> str:
        membership, identity = replica.membership, asking.identity
        if identity == self._account.identity or knows_better(membership, asking):
            return State.REMOVED
        if replica.role() is not Role.OWNER:
            return State.WITHDRAWN
        if membership.role(identity) > Role.NONE:
            return State.ADMITTED
        return state_of(membership, asking.statement.invite, identity, self._threads.now_ms())

    async def _enter(self, thread: ThreadId, asking: Asking) -> None:
        """Remember by which login a member comes, and their name."""
        identity, login = asking.identity, asking.statement.login
        if self._account.affairs.logins_of.get(thread, {}).get(identity) != login:
            await self._account.put("logins", {f"{to_text(thread)}/{to_text(identity)}": login.hex()})
        if asking.statement.name and identity not in self._account.affairs.met:
            await self._account.put("people", {f"{to_text(identity)}/name": asking.statement.name})

    def recall(self, sealed: bytes) -> tuple[ThreadId, Asking] | None:
        """A redemption that waits for somebody's yes, opened again."""
        for thread in {link.thread for link in self._account.affairs.offers.values()}:
            opened = self._open(thread, sealed)
            if opened is not None:
                return thread, opened[1]
        return None

    def leave_word(self, thread: ThreadId, identity: bytes, login: bytes, invite: bytes, state: str) -> None:
        """Keep an answer that a person gave until the relay has it."""
        self._words[thread, login] = (invite, identity, state)

    async def _deliver(self, connection: RelayConnection, room: Room) -> None:
        for (thread, login), (invite, identity, state) in list(self._words.items()):
            link = self._account.affairs.offers.get(invite)
            if thread == room.thread and link is not None:
                if state != State.ADMITTED:
                    keys = InviteKeys.from_secret(link.secret)
                    letter = seal_answer(keys, thread, identity, state, os.urandom)
                    await self._leave(connection, room, login, letter)
                self._words.pop((thread, login), None)

    async def _certify(self, connection: RelayConnection, room: Room) -> None:
        """Let the members' logins into the room as of the present generation, and end the earlier ones."""
        logins = await self.logins(room.thread)
        given = self._certified.setdefault(connection, {})
        if given.get(room.public) == (room.generation, logins):
            return
        before = given.get(room.public, (-1, frozenset()))
        news = logins if before[0] != room.generation else logins - before[1]
        refused = None
        for login in sorted(before[1] - logins):  # who comes by another one now leaves nothing behind
            await connection.deposit(room.public, login, None, b"")
        for login in sorted(news):
            certificate = wire.certify(room.own_key, login, True, room.generation)
            try:
                await connection.deposit(room.public, login, certificate, b"")
            except OpenSeshError as error:
                if error.kind is errors.RELAY_UNREACHABLE:
                    raise
                refused = error
        if room.generation and before[0] != room.generation:
            await connection.raise_generation(room.own_key, room.generation)  # whoever could not be let in
        if refused is not None:
            raise refused
        given[room.public] = (room.generation, logins)

    async def logins(self, thread: ThreadId) -> frozenset[bytes]:
        """The logins of everybody in a thread but its owner."""
        membership = (await self._threads.open(thread)).replica.membership
        renewed = self._account.affairs.logins_of.get(thread, {})
        found = {
            renewed.get(identity) or membership.admitted_login(identity)
            for identity in membership.members()
            if identity != membership.owner
        }
        return frozenset(login for login in found if login)

    # ---- rooms of others

    async def knock(self, connection: RelayConnection, room: Room, letter: bytes) -> None:
        """Read the answer that was left, or ask: to be let in, or with another login in again."""
        link = room.link
        if link is None or not await self._may_ask(room):
            return
        invite, account = InviteKeys.from_secret(link.secret), self._account
        if letter:
            try:
                answer = open_answer(invite, room.thread, account.identity, letter)
            except PeerFault:
                log.info("the answer at %s is for another link", to_text(room.thread)[:8])
            else:
                if answer.records:
                    await self._threads.receive(room.thread, answer.records, LOCAL)
                self.on_answer(room.thread, answer.state)
                return
        author = self._threads.author()
        sealed = redeem(invite, room.thread, author, account.entries(), self._name(), account.login.public)
        await connection.drop(room.public, sealed)

    def _name(self) -> str:
        return self._account.affairs.met.get(self._account.identity) or self._account.device_name

    async def _may_ask(self, room: Room) -> bool:
        if room.state == "joining":
            return True
        try:
            opened = await self._threads.open(room.thread)
        except errors.OpenSeshError:
            return True
        return opened.replica.role() > Role.NONE


async def yield_to_seniors(account: Account) -> None:
    """Leave our senior devices the time to do what one of us has to: see `YIELD_S`."""
    seniors = [device.id for device in account.affairs.log.live()].index(account.device.id)
    await asyncio.sleep(YIELD_S * min(seniors, 5))


def told(asking: Asking) -> dict[str, object]:
    """Who asks or came, as an event tells it."""
    return {"identity": to_text(asking.identity), "name": asking.statement.name, "request": asking.id.hex()[:16]}


def refusal(state: str) -> errors.OpenSeshError | None:
    """Why a joiner can't come in, if that is what an answer says."""
    if state == DECLINED:
        return errors.INVITE_DECLINED()
    kinds = {str(each): kind for each, kind in REFUSALS.items()}
    return kinds[state]() if state in kinds else None
