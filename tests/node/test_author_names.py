"""What people and devices are called: of others the person, of ourselves the device."""

from pathlib import Path

from crdt.ids import to_text
from crdt.permissions import LaneKind, Role
from crdt.records import Grant
from tests.node.test_links import ASKED, links_of
from tests.node.two_people import shared


async def test_of_others_the_person_is_named_and_of_ourselves_the_device(tmp_path: Path) -> None:
    """Two people's devices may well be called the same, after what they are."""
    async with shared(tmp_path, Role.EDITOR) as both:
        owner, guest = both.ana.machine, both.ben.machine
        async with owner.threads.change(both.id) as draft:
            draft.record(LaneKind.CONTROL, [Grant(guest.account.identity, Role.EDITOR, "Benjamin")])
        await both.sync()
        seen, own = await owner.threads.open(both.id), await guest.threads.open(both.id)
        device = guest.account.device.id
        assert seen.author_of(device)["name"] == "Benjamin"
        assert own.author_of(device)["name"] == guest.account.device_name == "ben"


async def test_an_author_whose_device_nobody_has_shown_is_unknown(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        assert (await both.ana.machine.threads.open(both.id)).author_of(bytes(32))["name"] == "unknown"


async def test_who_was_met_is_called_as_then_whatever_a_thread_says(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        owner, guest = both.ana.machine, both.ben.machine
        await owner.account.put("people", {f"{to_text(guest.account.identity)}/name": "Benni"})
        assert (await owner.threads.open(both.id)).author_of(guest.account.device.id)["name"] == "Benni"


async def test_an_owner_is_called_as_they_said_when_they_shared(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        owner, guest = both.ana.machine, both.ben.machine
        await owner.account.put("relays", {"ws://relay.example": ""})
        for name, called in ((None, "ana"), ("Ana \x1b[7mBell", "Ana [7mBell"), (None, "Ana [7mBell"), ("A.", "A.")):
            await links_of(owner).offer(both.id, Role.VIEWER, **ASKED, name=name)
            await both.sync()
            seen = await guest.threads.open(both.id)
            assert seen.author_of(owner.account.device.id)["name"] == called
        assert (await owner.threads.open(both.id)).author_of(owner.account.device.id)["name"] == "ana"
