"""Links as their maker makes and sees them: who may make one, what has to be agreed to first, what became of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.ids import ThreadId, to_text
from crdt.permissions import Role
from node.secrets.scan import scan
from node.secrets.thread import Place
from node.sharing.door import Door
from node.sharing.links import MIN_PREFIX, Links
from tests.node.second_device import Machine, machine
from tests.node.two_people import Person, shared

SECRET = "AKIA" + "J5XQ7RZN2W4KTB6M"
PRINTED = [Place("4xq2", 0, "terminal", each) for each in scan(SECRET)]
ASKED: dict[str, Any] = {"expires_s": 60.0, "uses": 1, "approve": False, "allow_secrets": False}


class Syncing:
    """Stands for the sync, of which links only ask whether it is allowed."""

    def links(self) -> list[Any]:
        return []

    def may_sync(self, thread: ThreadId) -> bool:
        return True


def links_of(here: Machine) -> Links:
    syncing: Any = Syncing()
    return Links(here.account, here.threads, syncing, Door(here.account, here.threads))


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Machine]:
    async with machine(tmp_path, "ana") as made:
        await made.account.ensure()
        await made.account.put("relays", {"ws://relay.example": ""})
        yield made


async def test_what_terminals_printed_has_to_be_agreed_to_as_what_was_written_has(here: Machine) -> None:
    thread, links = await here.new("Parser"), links_of(here)
    with pytest.raises(OpenSeshError) as refused:
        await links.offer(thread, Role.VIEWER, **ASKED, printed=PRINTED)
    assert refused.value.kind is errors.SECRETS_FOUND and refused.value.details["secrets"] == len(PRINTED) == 1
    assert await links.rows(None) == []
    await links.offer(thread, Role.VIEWER, **{**ASKED, "allow_secrets": True}, printed=PRINTED)
    assert [row["state"] for row in await links.rows(None)] == ["open"]


async def test_who_may_not_share_is_told_so_and_not_what_secrets_there_are(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        with pytest.raises(OpenSeshError) as refused:
            await links_of(both.ben.machine).offer(both.id, Role.VIEWER, **ASKED, printed=PRINTED)
    assert refused.value.kind is errors.PERMISSION_DENIED and refused.value.details["role"] == "owner"


async def test_a_link_is_listed_as_open_then_expired_then_withdrawn(here: Machine) -> None:
    thread, links = await here.new("Parser"), links_of(here)
    made = await links.offer(thread, Role.VIEWER, **ASKED)
    now_ms = here.threads.now_ms()
    states = []
    for late_ms in (0, 61_000):
        here.threads.now_ms = lambda late_ms=late_ms: now_ms + late_ms  # type: ignore[misc]
        states += [(row["state"], row["link"] is not None) for row in await links.rows(thread)]
    await links.withdraw(made["id"])
    states += [(row["state"], row["link"] is not None) for row in await links.rows(thread)]
    assert states == [("open", True), ("expired", False), ("withdrawn", False)]


@pytest.mark.parametrize("place", ["comment", "draft", "notes"])
async def test_a_secret_that_stands_beside_the_messages_has_to_be_agreed_to_as_well(here: Machine, place: str) -> None:
    """Whoever comes in reads the comments, the draft and the notes too."""
    thread, links, person = await here.new("Parser"), links_of(here), Person(here)
    named, words = to_text(thread), f"the key is {SECRET}"
    await here.say(thread, "Nothing secret is said here.")
    if place == "comment":
        await person.call("comment.add", thread=named, text=words)
    else:
        await person.call(f"{place}.set", thread=named, text=words)
    with pytest.raises(OpenSeshError) as refused:
        await links.offer(thread, Role.VIEWER, **ASKED)
    assert refused.value.kind is errors.SECRETS_FOUND
    assert [each["field"] for each in refused.value.details["findings"]] == [place]
    assert SECRET not in str(refused.value.to_json()), "the error itself repeats no secret"
    assert await links.rows(None) == []


async def test_too_few_characters_of_an_id_close_no_link(here: Machine) -> None:
    """What is closed is closed for ever: a slip, or nothing at all, is not to name the only link there is."""
    thread, links = await here.new("Parser"), links_of(here)
    made = await links.offer(thread, Role.VIEWER, **ASKED)
    for slip in ("", " ", made["id"][: MIN_PREFIX - 1]):
        with pytest.raises(OpenSeshError) as refused:
            await links.withdraw(slip)
        assert refused.value.kind is errors.INVITE_NOT_FOUND
    assert [row["state"] for row in await links.rows(None)] == ["open"]
    await links.withdraw(made["id"][:MIN_PREFIX])
    assert [row["state"] for row in await links.rows(None)] == ["withdrawn"]
