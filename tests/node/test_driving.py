"""Control on a node: what strange lanes say keeps nobody from hearing of it, and no stranger is given any."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crdt.control import Helm
from crdt.control_words import Word, put_word
from crdt.errors import OpenSeshError
from crdt.ids import ThreadId, to_text
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import Grant
from node.bus import Subscription
from node.control import Control
from node.happenings import Happening
from node.sharing.people import People
from node.terminals.driving import Driving
from node.terminals.ports import Allowed, NeedsEnterFrom, No, Seat, Verdict
from tests.crdt.people import Person
from tests.node.second_device import PATIENCE_S, Machine, machine
from tests.node.two_people import shared
from tests.waiting import until

BEN, STRANGER = Person("Ben"), Person("Mallory")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Machine]:
    async with machine(tmp_path, "here") as made:
        yield made


@pytest.fixture
async def thread(here: Machine) -> ThreadId:
    """A thread with Ben, an editor."""
    made = await here.new("driven")
    async with here.threads.change(made) as draft:
        draft.record(LaneKind.CONTROL, [Grant(BEN.id, int(Role.EDITOR), "Ben")])
    return made


@pytest.fixture
async def control(here: Machine) -> AsyncIterator[Control]:
    made = Control(here.account, here.threads, People(here.account, lambda thread, device: False))
    yield made
    await made.close()


async def changed(events: Subscription) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        async for event in events:
            if isinstance(event, Happening) and event.type == "control.changed":
                assert event.cursor and not event.passing
                return event.data
    raise AssertionError("the bus was closed")


async def test_each_change_is_told_once_with_how_it_stands(here: Machine, thread: ThreadId, control: Control) -> None:
    with here.threads.bus.subscribe() as events:
        given = await control.act(thread, "grant", "Ben")
        assert given["driver"]["name"] == "Ben" and await changed(events) == given
        await here.say(thread, "something else")
        taken = await control.act(thread, "take")
        assert taken["driver"]["me"] and await changed(events) == taken
    assert await control.driver(thread) == here.account.identity


async def test_a_word_on_a_terminal_that_there_is_not_keeps_no_other_change_from_being_told(
    here: Machine, thread: ThreadId, control: Control
) -> None:
    device = here.account.device.id
    with here.threads.bus.subscribe() as events:
        async with here.threads.change(thread) as draft:
            word = Word("0189", device, "w1", 1, 1, BEN.id)
            draft.commit(Lane(LaneKind.DECISIONS, device), lambda doc: put_word(doc, word))
        assert (await changed(events))["terminal"] == "0189"
        await control.act(thread, "grant", "Ben")
        assert (await changed(events))["terminal"] is None


async def test_only_the_host_of_a_terminal_grants_it_and_the_owner_can_take_it_from_others(
    here: Machine, thread: ThreadId, control: Control
) -> None:
    control.host_of = lambda thread, terminal: BEN.id if terminal == "t1" else None
    assert await control.driver(thread, "t1") == BEN.id
    assert await control.driver(thread, "t2") == here.account.identity
    with pytest.raises(OpenSeshError) as caught:
        await control.act(thread, "grant", to_text(here.account.identity), "t1")
    assert caught.value.kind.name == "PERMISSION_DENIED" and caught.value.details["role"] == "owner"
    assert (await control.act(thread, "take", terminal="t1"))["driver"]["name"] == "Ben", "back to whose device it is"


async def test_who_only_types_may_type_and_does_not_drive(here: Machine, thread: ThreadId, control: Control) -> None:
    assert not await control.may_type(thread, BEN.id)
    assert [each["name"] for each in (await control.act(thread, "type-only", "Ben"))["typing"]] == ["Ben"]
    assert await control.may_type(thread, BEN.id) and await control.driver(thread) == here.account.identity
    assert (await control.act(thread, "watch-only", "Ben"))["typing"] == []
    assert not await control.may_type(thread, BEN.id)
    await control.act(thread, "type-only", "Ben")
    given = await control.act(thread, "grant", "Ben")
    assert given["driver"]["name"] == "Ben" and given["typing"] == [], "who is given control may do more than type"


@pytest.mark.parametrize("action", ["grant", "hand", "type-only", "watch-only"])
async def test_nobody_who_is_no_member_is_given_anything(
    here: Machine, thread: ThreadId, control: Control, action: str
) -> None:
    with pytest.raises(OpenSeshError) as caught:
        await control.act(thread, action, to_text(STRANGER.id))
    assert caught.value.kind.name == "MEMBER_NOT_FOUND"
    assert await control.driver(thread) == here.account.identity
    assert await control.may_type(thread, here.account.identity)
    assert not await control.may_type(thread, STRANGER.id)


def control_of(made: Machine) -> Control:
    return Control(made.account, made.threads, People(made.account, lambda thread, device: False))


async def denied(attempt: Any) -> str:
    """The role that it would take."""
    with pytest.raises(OpenSeshError) as caught:
        await attempt
    assert caught.value.kind.name == "PERMISSION_DENIED"
    return str(caught.value.details["role"])


async def test_an_editor_who_does_not_drive_gives_and_takes_nothing_and_nothing_is_written(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        ben, me = control_of(both.ben.machine), to_text(both.ben.machine.account.identity)
        before = await both.ben.frames(both.id)
        assert await denied(ben.act(both.id, "grant", me)) == "owner"
        assert await denied(ben.act(both.id, "hand", me)) == "driver"
        assert await denied(ben.act(both.id, "take")) == "owner"
        assert await denied(ben.act(both.id, "revoke")) == "owner"
        assert await denied(ben.act(both.id, "type-only", me)) == "owner"
        assert await denied(ben.act(both.id, "watch-only", to_text(both.ana.machine.account.identity))) == "owner"
        assert await both.ben.frames(both.id) == before
        await ben.close()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER])
async def test_nobody_below_editor_is_given_control_and_nobody_below_commenter_asks_for_it(
    tmp_path: Path, role: Role
) -> None:
    async with shared(tmp_path, role) as both:
        ana, ben = control_of(both.ana.machine), control_of(both.ben.machine)
        guest, before = to_text(both.ben.machine.account.identity), await both.ana.frames(both.id)
        for action in ("grant", "type-only"):
            assert await denied(ana.act(both.id, action, guest)) == "editor"
        assert await both.ana.frames(both.id) == before
        if role is Role.VIEWER:
            assert await denied(ben.act(both.id, "request")) == "commenter"
        else:
            assert (await ben.act(both.id, "request"))["requests"][0]["me"]
        for each in (ana, ben):
            await each.close()


async def test_who_was_given_control_asks_no_more_also_once_it_was_taken_back(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        ana, ben = control_of(both.ana.machine), control_of(both.ben.machine)
        await ben.act(both.id, "request")
        await both.sync()
        await ana.act(both.id, "grant", to_text(both.ben.machine.account.identity))
        await both.sync()
        opened, device = await both.ben.machine.threads.open(both.id), both.ben.machine.account.device.id
        await until(lambda: not Helm(opened.replica).own_requests(device, ""), "the request is taken back")
        await both.sync()
        assert (await ana.act(both.id, "take"))["requests"] == []
        for each in (ana, ben):
            await each.close()


async def test_what_is_typed_into_a_terminal_goes_by_the_last_word_on_it(
    here: Machine, thread: ThreadId, control: Control
) -> None:
    driving, me = Driving(control), here.account.identity
    seat = Seat(thread, "t1", me, here.account.device.id)

    async def bens() -> Verdict:
        return await driving.may_type(seat, BEN.id, BEN.devices["laptop"].id)

    assert await bens() == No(me)
    await control.act(thread, "type-only", "Ben")
    assert await bens() == NeedsEnterFrom(me)
    await control.act(thread, "grant", "Ben", "t1")
    assert await bens() == Allowed()
    assert await driving.may_type(seat, me, here.account.device.id) == No(BEN.id), "one drives, and nobody besides"
    await control.act(thread, "take", terminal="t1")
    assert await bens() == No(me)
