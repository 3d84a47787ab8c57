"""Who drives a thread and its terminals: asked for, given, handed on, taken back; told when it changes.

What counts is decided by `crdt/control.py` from the lanes alone. Here a command is checked first, so that somebody
without the right hears so and nothing is written, which no peer would believe.
"""

import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from crdt import errors
from crdt.comment_edits import forget_request, put_request, withdraw_request
from crdt.comments import MAX_REQUESTS, Request
from crdt.control import Helm, State
from crdt.control_words import forget_handovers, put_handover, put_typing, put_word
from crdt.errors import OpenSeshError
from crdt.ids import IdentityId, ThreadId, to_text
from crdt.membership import Membership
from crdt.permissions import Lane, LaneKind, Role, denied
from crdt.receipt import Receipt
from node import shapes
from node.account import Account
from node.background import Background
from node.open_thread import Draft, OpenThread
from node.permitting import our_role
from node.sharing.people import People
from node.threads import Threads

MAX_HELMS: Final = 64  # threads of which control is kept read
ACTIONS: Final = ("request", "withdraw", "grant", "hand", "revoke", "take", "type-only", "watch-only")
log = logging.getLogger(__name__)


class Control:
    """`driver` and `may_type` are for whoever runs something; `act` is the command. `close` it.

    `host_of` says on whose device a terminal runs; without an answer the thread's owner says who drives it.
    """

    def __init__(self, account: Account, threads: Threads, people: People) -> None:
        self.host_of: Callable[[ThreadId, str], IdentityId | None] = lambda thread, terminal: None
        self._account = account
        self._threads = threads
        self._people = people
        self._helms: OrderedDict[ThreadId, Helm] = OrderedDict()
        self._told: OrderedDict[ThreadId, tuple[Membership, dict[str, State]]] = OrderedDict()
        self._background = Background()
        threads.on_change.append(self._on_change)

    async def close(self) -> None:
        """Tell nothing more."""
        await self._background.close()

    # ---- who drives

    async def driver(self, thread: ThreadId, terminal: str = "") -> IdentityId:
        """Who drives the thread, or one of its terminals. Raises THREAD_NOT_FOUND."""
        return self.state(await self._threads.open(thread), terminal).driver

    async def may_type(self, thread: ThreadId, identity: IdentityId, terminal: str = "") -> bool:
        """Whether somebody may type there: who drives, and those who only type. Enter is the driver's."""
        state = self.state(await self._threads.open(thread), terminal)
        return identity == state.driver or identity in state.typing

    async def show(self, thread: ThreadId, terminal: str = "") -> dict[str, Any]:
        """Control of a thread or terminal, in the API's shape."""
        opened = await self._threads.open(thread)
        return self._shown(opened, self.state(opened, terminal))

    def state(self, opened: OpenThread, terminal: str) -> State:
        """Control of a thread, or of one of its terminals, as it stands."""
        return self._helm(opened).state(terminal, self.host_of(opened.id, terminal) if terminal else None)

    def _helm(self, opened: OpenThread) -> Helm:
        helm = self._helms.get(opened.id)
        if helm is None or helm.replica is not opened.replica:
            helm = self._helms[opened.id] = Helm(opened.replica)
            while len(self._helms) > MAX_HELMS:
                self._helms.popitem(last=False)
        self._helms.move_to_end(opened.id)
        helm.refresh([lane for lane in opened.replica.lanes if lane.kind in (LaneKind.DECISIONS, LaneKind.COMMENTS)])
        return helm

    def _shown(self, opened: OpenThread, state: State) -> dict[str, Any]:
        return {
            "thread": to_text(opened.id),
            "terminal": state.target or None,
            "driver": self._person(opened, state.driver),
            "since": shapes.time(state.since) if state.since is not None else None,
            "typing": [self._person(opened, each) for each in state.typing],
            "requests": [
                {**self._person(opened, each.identity), "at": shapes.time(each.request.at), "text": each.request.text}
                for each in state.asked
            ],
        }

    def _person(self, opened: OpenThread, identity: IdentityId) -> dict[str, Any]:
        name = self._people.name(opened.replica.membership, identity)
        return {"identity": to_text(identity), "name": name, "me": identity == self._account.identity}

    # ---- commands

    async def act(
        self, thread: ThreadId, action: str, who: str | None = None, terminal: str = "", text: str = ""
    ) -> dict[str, Any]:
        """Do one of `ACTIONS`; control as it is then, stored. Raises PERMISSION_DENIED or MEMBER_NOT_FOUND."""
        async with self._threads.change(thread) as draft:
            opened = draft.thread
            if action in ("request", "withdraw"):
                self._ask(draft, terminal, text, action == "withdraw")
            elif action in ("revoke", "take"):
                self._take(draft, terminal)
            else:
                someone = self._people.find(opened.replica, who or "")
                if action in ("type-only", "watch-only"):
                    self._let_type(draft, someone, action == "type-only")
                else:
                    self._give(draft, terminal, someone, action == "grant")
            return self._shown(opened, self.state(opened, terminal))

    def _ask(self, draft: Draft, terminal: str, text: str, take_back: bool) -> None:
        role = our_role(draft.thread.replica)
        if role < Role.COMMENTER:
            raise denied(Role.COMMENTER, role)
        helm, device, now_ms = self._helm(draft.thread), self._account.device.id, self._threads.now_ms()
        mine, lane = helm.own_requests(device, terminal), Lane(LaneKind.COMMENTS, device)
        if take_back:
            for each in mine:
                draft.commit(lane, partial(withdraw_request, identifier=each.id, now_ms=now_ms))
            return
        state = self.state(draft.thread, terminal)
        if self._account.identity in (state.driver, *(each.identity for each in state.asked)):
            return  # asked already, perhaps on another device
        request = Request(_name(), device, now_ms, helm.next_key(now_ms), terminal, text)
        old = helm.answered_requests(device)[: -MAX_REQUESTS // 2]

        def write(doc: Any) -> None:
            for each in old:
                forget_request(doc, each)
            put_request(doc, request)

        draft.commit(lane, write)

    def _give(self, draft: Draft, terminal: str, someone: IdentityId, as_host: bool) -> None:
        """By whoever runs it, as a word; by who drives, as a hand-over."""
        opened, me = draft.thread, self._account.identity
        helm, device, now_ms = self._helm(opened), self._account.device.id, self._threads.now_ms()
        lane, state = Lane(LaneKind.DECISIONS, device), self.state(opened, terminal)
        if self._runs(opened, terminal) == me:
            self._check_editor(opened, someone)
            word = helm.next_word(terminal, someone if someone != me else None, device, _name(), now_ms)
            if self._is_owner(opened) and someone in helm.typists():
                typing = helm.next_typing(someone, False, device, _name(), now_ms)
                draft.commit(lane, lambda doc: put_typing(doc, typing))
            draft.commit(lane, lambda doc: put_word(doc, word))
            return
        if as_host:
            raise self._denied(opened, "owner", "Only who runs it can grant control; who drives can hand it on.")
        if state.driver != me:
            raise self._denied(opened, "driver", "You don't drive this, so you can't hand it on.")
        self._check_editor(opened, someone)
        if someone == me:
            return
        handover, spent = helm.next_handover(state, someone, device, _name(), now_ms), helm.spent(device)

        def write(doc: Any) -> None:
            forget_handovers(doc, spent)
            put_handover(doc, handover)

        draft.commit(lane, write)

    def _take(self, draft: Draft, terminal: str) -> None:
        """Back to whoever runs it: by them, or by the owner."""
        opened = draft.thread
        if self._runs(opened, terminal) != self._account.identity and not self._is_owner(opened):
            raise self._denied(opened, "owner", "Only the thread's owner, or who runs it, can take control back.")
        device, now_ms = self._account.device.id, self._threads.now_ms()
        word = self._helm(opened).next_word(terminal, None, device, _name(), now_ms)
        draft.commit(Lane(LaneKind.DECISIONS, device), lambda doc: put_word(doc, word))

    def _let_type(self, draft: Draft, someone: IdentityId, allowed: bool) -> None:
        opened, device = draft.thread, self._account.device.id
        if not self._is_owner(opened):
            raise self._denied(opened, "owner", "Only the thread's owner says who may type.")
        self._check_editor(opened, someone)
        typing = self._helm(opened).next_typing(someone, allowed, device, _name(), self._threads.now_ms())
        draft.commit(Lane(LaneKind.DECISIONS, device), lambda doc: put_typing(doc, typing))

    def _check_editor(self, opened: OpenThread, someone: IdentityId) -> None:
        role = opened.replica.membership.role(someone)
        if role < Role.EDITOR:
            name = self._people.name(opened.replica.membership, someone)
            raise errors.PERMISSION_DENIED(
                f"{name} is {role.name.lower()} of this thread; to drive or type takes the role editor.",
                role="editor",
                have=role.name.lower(),
                next="Raise them first: opensesh permit THREAD WHO editor",
            )

    def _denied(self, opened: OpenThread, needed: str, sentence: str) -> OpenSeshError:
        have = our_role(opened.replica).name.lower()
        return errors.PERMISSION_DENIED(
            sentence, role=needed, have=have, next="Ask for control: opensesh control THREAD --request"
        )

    def _runs(self, opened: OpenThread, terminal: str) -> IdentityId | None:
        host = self.host_of(opened.id, terminal) if terminal else None
        return host or opened.replica.membership.owner

    def _is_owner(self, opened: OpenThread) -> bool:
        return opened.replica.membership.owner == self._account.identity

    # ---- telling

    def _on_change(self, opened: OpenThread, receipts: list[Receipt]) -> None:
        if not self._account.exists or opened.id == self._account.thread:
            return
        membership, (known, _) = opened.replica.membership, self._told.get(opened.id, (None, {}))
        kinds = {lane.kind for receipt in receipts for lane in receipt.lanes}
        if kinds & {LaneKind.DECISIONS, LaneKind.COMMENTS} or (known is not None and known is not membership):
            self._background.begin(self._tell(opened.id), "control")

    async def _tell(self, thread: ThreadId) -> None:
        try:
            opened = await self._threads.open(thread)
            now = {target: self.state(opened, target) for target in self._helm(opened).targets()}
            _, before = self._told.get(thread, (None, {}))
            self._told[thread] = (opened.replica.membership, now)
            self._told.move_to_end(thread)
            while len(self._told) > MAX_HELMS:
                self._told.popitem(last=False)
            for target, state in now.items():
                if state != before.get(target) and (target in before or _says_something(state)):
                    await self._threads.announce("control.changed", thread, self._shown(opened, state))
                if state.driver == self._account.identity:
                    await self._stop_asking(opened, target)
        except OpenSeshError as error:
            log.warning("control could not be told: %s", error.kind.name)

    async def _stop_asking(self, opened: OpenThread, target: str) -> None:
        """Who drives asks no more, also once they have handed it on."""
        if self._helm(opened).own_requests(self._account.device.id, target):
            async with self._threads.change(opened.id) as draft:
                self._ask(draft, target, "", take_back=True)


def _says_something(state: State) -> bool:
    return bool(state.since is not None or state.typing or state.asked)


def _name() -> str:
    """Random, so that nobody can name it before it is said."""
    return os.urandom(10).hex()
