"""Rights that change: who is let into a room after it was handed over, and whom a name means."""

from pathlib import Path
from typing import Any

import pytest

from crdt import errors, words
from crdt.errors import OpenSeshError
from crdt.ids import to_text
from crdt.invites import InviteKeys, open_redemption, redeem
from crdt.inviting import admit, offer_invite
from crdt.permissions import Role
from node.sharing.door import Door
from node.sharing.links import Links
from node.sharing.people import People
from node.sharing.rights import Rights
from node.sharing.steward import Steward
from tests.crdt.people import Person
from tests.node.second_device import Machine
from tests.node.two_people import Shared, shared


def rights(machine: Machine) -> Rights:
    return Rights(machine.account, machine.threads, People(machine.account, lambda thread, device: False))


async def let_in(made: Shared, person: Person, login: bytes) -> None:
    """By a link of Ana's."""
    async with made.ana.machine.threads.change(made.id) as draft:
        replica = draft.thread.replica
        assert replica.author is not None
        commit, link = offer_invite(replica, replica.author, Role.EDITOR)
        draft.keep(commit)
        invite = InviteKeys.from_secret(link.secret)
        sealed = redeem(invite, made.id, person.author(), person.entries, person.name, login)
        done = admit(replica, replica.author, open_redemption(invite, made.id, sealed), 1)
        assert done is not None
        draft.keep(done)
    await made.sync()


async def test_whom_the_new_owner_puts_out_is_let_into_the_room_no_longer(tmp_path: Path) -> None:
    carl = Person("Carl")
    async with shared(tmp_path, Role.EDITOR) as made:
        ana, ben = made.ana.machine, made.ben.machine
        await let_in(made, carl, b"c" * 32)
        await rights(ana).offer(made.id, "Ben", None)
        await made.sync()
        await rights(ben).accept(made.id)
        room = ben.account.room_of(made.id)
        assert room is not None and room.key is not None and room.generation == 0
        await rights(ben).kick(made.id, to_text(carl.id), hard=False)
        nowhere: Any = None
        await Steward(ben.account, ben.threads, nowhere)._let_go(made.id)
        room = ben.account.room_of(made.id)
        assert room is not None and room.generation == 1


async def test_a_name_that_looks_like_anothers_id_is_not_taken_for_it(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.VIEWER) as made:
        ana, ben = made.ana.machine, made.ben.machine
        carl = Person("Carl")
        await let_in(made, carl, b"c" * 32)
        await ana.account.put("people", {f"{to_text(ben.account.identity)}/name": to_text(carl.id)[:8]})
        replica = (await ana.threads.open(made.id)).replica
        people = People(ana.account, lambda thread, device: False)
        with pytest.raises(OpenSeshError) as caught:
            people.find(replica, to_text(carl.id)[:8])
        assert caught.value.kind is errors.MEMBER_NOT_FOUND and len(caught.value.details["matches"]) == 2
        assert people.find(replica, to_text(carl.id)[:9]) == carl.id


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER, Role.EDITOR])
async def test_who_does_not_own_a_thread_changes_nobodys_rights_and_nothing_is_written(
    tmp_path: Path, role: Role
) -> None:
    async with shared(tmp_path, role) as made:
        theirs, me = rights(made.ben.machine), to_text(made.ana.machine.account.identity)
        before = await made.ben.frames(made.id)
        for attempt in (
            theirs.permit(made.id, me, Role.VIEWER),
            theirs.permit(made.id, "Ben", Role.EDITOR),
            theirs.kick(made.id, me, hard=False),
            theirs.kick(made.id, "Ben", hard=True),
            theirs.offer(made.id, me, None),
            theirs.accept(made.id),
        ):
            with pytest.raises(OpenSeshError) as caught:
                await attempt
            assert caught.value.kind is errors.PERMISSION_DENIED and caught.value.details["role"] == "owner"
        assert await made.ben.frames(made.id) == before


async def test_an_owner_neither_lowers_nor_puts_out_themselves_nor_leaves(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as made:
        own, me = rights(made.ana.machine), to_text(made.ana.machine.account.identity)
        before = await made.ana.frames(made.id)
        attempts = (own.permit(made.id, me, Role.VIEWER), own.kick(made.id, me, hard=False), own.leave(made.id))
        for attempt in attempts:
            with pytest.raises(OpenSeshError) as caught:
                await attempt
            assert caught.value.kind is errors.PERMISSION_DENIED
        assert await made.ana.frames(made.id) == before


async def test_who_was_kicked_opens_nothing_that_is_said_from_then_on(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as made:
        ana, ben = made.ana.machine, made.ben.machine
        await ana.say(made.id, "before")
        await made.sync()
        await rights(ana).kick(made.id, "Ben", hard=False)
        await ana.say(made.id, "after")
        await made.sync()
        assert await ben.texts(made.id) == ["before"]
        assert (await ben.threads.open(made.id)).replica.unopened > 0


@pytest.mark.parametrize("hard", [False, True])
async def test_a_hard_kick_takes_back_what_was_written_and_another_one_does_not(tmp_path: Path, hard: bool) -> None:
    async with shared(tmp_path, Role.EDITOR) as made:
        await made.ben.machine.say(made.id, "by Ben")
        await made.sync()
        assert await made.ana.machine.texts(made.id) == ["by Ben"]
        await rights(made.ana.machine).kick(made.id, "Ben", hard=hard)
        assert await made.ana.machine.texts(made.id) == ([] if hard else ["by Ben"])
        assert len(await made.ana.events(made.id, "thread.rebuilt")) == int(hard)
        await made.ana.machine.say(made.id, "and on it goes")
        assert "and on it goes" in await made.ana.machine.texts(made.id)


async def test_a_thread_is_handed_over_by_its_owners_words_alone(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as made:
        others = words.phrase_from_seed(bytes(range(32)))
        with pytest.raises(OpenSeshError) as caught:
            await rights(made.ana.machine).offer(made.id, "Ben", others)
        assert caught.value.kind is errors.RECOVERY_PHRASE_WRONG and "another identity" in caught.value.message
        assert not (await made.ana.machine.threads.open(made.id)).replica.membership.offers


async def test_the_owner_before_neither_reads_the_mail_nor_closes_a_link_of_a_thread_that_was_handed_over(
    tmp_path: Path,
) -> None:
    async with shared(tmp_path, Role.EDITOR) as made:
        ana, ben = made.ana.machine, made.ben.machine
        async with ana.threads.change(made.id) as draft:
            replica = draft.thread.replica
            assert replica.author is not None
            commit, link = offer_invite(replica, replica.author, Role.EDITOR)
            draft.keep(commit)
        await ana.account.put("invites", {InviteKeys.from_secret(link.secret).id.hex(): str(link)})
        room = ana.account.room_of(made.id)
        await rights(ana).offer(made.id, "Ben", None)
        await made.sync()
        await rights(ben).accept(made.id)
        await made.sync()
        nobody: Any = None
        assert room is not None
        door, before = Door(ana.account, ana.threads), await made.ana.frames(made.id)
        await door.tend(nobody, room)  # asks nothing of any relay
        with pytest.raises(OpenSeshError) as caught:
            await Links(ana.account, ana.threads, nobody, door).withdraw(str(link))
        assert caught.value.kind is errors.PERMISSION_DENIED
        assert await made.ana.frames(made.id) == before
