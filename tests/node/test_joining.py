"""Coming in by a link: what a joiner's node believes of what comes to it, and what it asks for at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.ids import IdentityId, ThreadId, to_text
from crdt.invite_link import InviteLink
from crdt.invites import InviteKeys, open_redemption, redeem
from crdt.inviting import admit, offer_invite
from crdt.permissions import Role
from crdt.stewardship import readers, restriction
from node.happenings import unpack
from node.sharing.door import DECLINED
from node.sharing.joining import Joining
from tests.node.second_device import Machine, machine
from tests.waiting import until

RELAY = "ws://relay.example"
PATIENCE_S = 5.0


class Invited:
    """Ana, who has a thread and makes links to it, and Ben, who comes by them; frames go by hand."""

    def __init__(self, ana: Machine, ben: Machine, thread: ThreadId) -> None:
        self.ana, self.ben, self.thread = ana, ben, thread
        self.joining = Joining(ben.account, ben.threads)
        self.late_ms = 0
        ana_ms = ana.threads.now_ms
        ben.threads.now_ms = lambda: ana_ms() + self.late_ms

    async def link(self, expires_ms: int = 0) -> InviteLink:
        async with self.ana.threads.change(self.thread) as draft:
            replica = draft.thread.replica
            assert replica.author is not None
            commit, link = offer_invite(replica, replica.author, Role.EDITOR, expires_ms=expires_ms, relay=RELAY)
            draft.keep(commit)
        return link

    async def put_out(self) -> None:
        """Ana puts Ben out, with a fresh key that he hasn't."""
        ben = self.ben.account.identity
        async with self.ana.threads.change(self.thread) as draft:
            replica = draft.thread.replica
            draft.rotate(restriction(replica, ben, Role.NONE), readers(replica.membership, without=[ben]))

    async def admit(self, link: InviteLink) -> None:
        """Ben knocks, and Ana's device lets him in."""
        keys, account = InviteKeys.from_secret(link.secret), self.ben.account
        author = self.ben.threads.author()
        sealed = redeem(keys, self.thread, author, account.entries(), "Ben", account.login.public)
        async with self.ana.threads.change(self.thread) as draft:
            replica = draft.thread.replica
            assert replica.author is not None
            commit = admit(replica, replica.author, open_redemption(keys, self.thread, sealed), 0)
            assert commit is not None
            draft.keep(commit)

    async def sync(self) -> None:
        """Ben hears all that Ana has, and has made of it what he does."""
        frames = [each.frame async for each in self.ana.store.stream_frames(self.thread)]
        origin = await self.ben.store.origin_number("relay", RELAY)
        await self.ben.threads.receive(self.thread, frames, origin)
        await until(lambda: not self.joining._background, "all that was begun is over")

    async def asks(self, link: InviteLink) -> "asyncio.Task[Any]":
        """Ben gives the link and waits; returns once his account has it."""
        asking = asyncio.create_task(self.joining.join(str(link), "Ben", PATIENCE_S))
        await until(lambda: asking.done() or self.state() == "joining", "the link is kept")
        return asking

    def state(self) -> str | None:
        room = self.ben.account.room_of(self.thread)
        return None if room is None else room.state

    async def told(self) -> list[str]:
        """What Ben was told of his coming in, by kind."""
        stored = await self.ben.store.events(0, 1_000, thread=self.thread)
        kinds = [unpack(each.cursor, each.thread, each.payload).type for each in stored]
        return [kind for kind in kinds if kind.startswith("share.")]


@pytest.fixture
async def invited(tmp_path: Path) -> AsyncIterator[Invited]:
    async with AsyncExitStack() as stack:
        ana, ben = [await stack.enter_async_context(machine(tmp_path, name)) for name in ("ana", "ben")]
        await ben.account.ensure()
        made = Invited(ana, ben, await ana.new("Parser"))
        stack.push_async_callback(made.joining.close)
        yield made


async def test_a_thread_that_came_without_an_admission_is_none_that_one_is_in(invited: Invited) -> None:
    """Whoever holds the frames can send them: being in is what the thread's own records say."""
    link = await invited.link()
    asking = await invited.asks(link)
    await invited.sync()
    assert invited.state() == "joining" and not asking.done() and await invited.told() == []
    await invited.admit(link)
    await invited.sync()
    assert (await asking).to_json() == {
        "thread": to_text(invited.thread), "permission": "editor", "state": "admitted", "waiting_for": None,
    }  # fmt: skip
    assert invited.state() == "active" and await invited.told() == ["share.admitted"]


async def test_a_link_to_ones_own_thread_is_refused_and_the_thread_stays_ones_own(invited: Invited) -> None:
    link = await invited.link()
    own = Joining(invited.ana.account, invited.ana.threads)
    room = invited.ana.account.room_of(invited.thread)
    # The second is of an owner that the thread has no more, or never had: its room's key is here all the same.
    for each in (link, replace(link, owner=invited.ben.account.identity)):
        with pytest.raises(OpenSeshError) as refused:
            await own.join(str(each), None, 0)
        assert refused.value.kind is errors.INVITE_LINK_WRONG
        assert invited.ana.account.room_of(invited.thread) == room
    await own.close()


async def test_a_link_of_ones_own_identity_is_refused_before_the_thread_has_come_here(invited: Invited) -> None:
    """A device that was just entered may not have the room's key yet."""
    link = replace(await invited.link(), owner=invited.ben.account.identity)
    with pytest.raises(OpenSeshError) as refused:
        await invited.joining.join(str(link), None, 0)
    assert refused.value.kind is errors.INVITE_LINK_WRONG and invited.state() is None


async def test_a_thread_of_another_owner_than_the_link_names_is_refused_as_such(invited: Invited) -> None:
    """Whoever sends on a link to somebody else's thread as their own is found out, and who waits hears it at once."""
    link = await invited.link()
    asking = await invited.asks(replace(link, owner=IdentityId(bytes(32))))
    await invited.admit(link)
    await invited.sync()
    with pytest.raises(OpenSeshError) as refused:
        await asking
    assert refused.value.kind is errors.AUTH_FAILED
    assert invited.state() is None and await invited.told() == ["share.refused"]


async def test_who_was_let_in_and_put_out_again_before_they_looked_hears_that_they_are_not_in(
    invited: Invited,
) -> None:
    link = await invited.link()
    asking = await invited.asks(link)
    await invited.admit(link)
    await invited.put_out()
    await invited.sync()
    with pytest.raises(OpenSeshError) as refused:
        await asking
    assert refused.value.kind is errors.INVITE_WITHDRAWN
    assert invited.state() is None and await invited.told() == ["share.refused"]


async def test_a_link_expired_by_the_joiners_clock_is_still_the_admitters_to_judge(invited: Invited) -> None:
    """A joiner's clock that runs ahead does not take away what the owner would give to somebody who was in before."""
    first = await invited.link()
    asking = await invited.asks(first)
    await invited.admit(first)
    second = await invited.link(expires_ms=invited.ana.threads.now_ms() + 60_000)  # made while Ben could read it
    await invited.sync()
    await asking
    await invited.put_out()
    await invited.sync()
    invited.late_ms = 3_600_000
    again = await invited.asks(second)
    await invited.ana.say(invited.thread, "Something comes, and Ben's node looks.")
    await invited.sync()
    assert invited.state() == "joining" and await invited.told() == ["share.admitted"]
    await invited.admit(second)
    await invited.sync()
    assert (await again).state == "admitted"


async def test_a_word_that_one_is_turned_away_takes_nothing_from_who_is_in(invited: Invited) -> None:
    """An old answer, given once more by the relay, or one of another link."""
    link = await invited.link()
    asking = await invited.asks(link)
    await invited.admit(link)
    await invited.sync()
    await asking
    invited.joining.answered(invited.thread, DECLINED)
    await until(lambda: not invited.joining._background, "the answer is taken")
    assert invited.state() == "active" and await invited.told() == ["share.admitted"]
