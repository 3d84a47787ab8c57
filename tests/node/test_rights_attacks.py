"""Rights that change: who is let into a room after it was handed over, and whom a name means."""

from pathlib import Path
from typing import Any

import pytest

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.ids import to_text
from crdt.invites import InviteKeys, open_redemption, redeem
from crdt.inviting import admit, offer_invite
from crdt.permissions import Role
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
