"""What an owner's node does by itself: a fresh key when somebody left, and the end of a removal's matter."""

from pathlib import Path
from typing import Any

from crdt.ids import ThreadId
from crdt.permissions import LaneKind, Role
from crdt.records import Grant
from crdt.settlement import SETTLE_AFTER_MS, open_matters
from crdt.stewardship import introduction, restriction
from node.devices import Devices
from node.sharing.steward import Steward
from node.synchronizer import Synchronizer
from tests.crdt.people import Person
from tests.node.two_people import shared, two_devices


async def test_a_fresh_key_follows_whoever_leaves_and_a_matter_is_settled_once_all_were_heard(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        owner, guest, thread = both.ana.machine, both.ben.machine, both.id
        steward = Steward(owner.account, owner.threads, Synchronizer(owner.account, owner.threads))
        async with guest.threads.change(thread) as draft:
            leaving = restriction(draft.thread.replica, guest.account.identity, Role.NONE)
            draft.record(LaneKind.IDENTITY, leaving)
        await both.sync()
        replica = (await owner.threads.open(thread)).replica
        assert not any(replica.membership.writing_epochs()), "whoever left knows the key"
        await steward._tend(thread)
        assert any(replica.membership.writing_epochs())
        (matter,) = open_matters(replica)
        assert matter.unheard == frozenset()
        await steward._tend(thread)
        assert open_matters(replica) == []


async def test_a_matter_is_settled_after_thirty_days_whoever_is_silent(tmp_path: Path) -> None:
    async with shared(tmp_path, Role.EDITOR) as both:
        owner, guest, thread = both.ana.machine, both.ben.machine, both.id
        steward = Steward(owner.account, owner.threads, Synchronizer(owner.account, owner.threads))
        silent = Person("Carl")
        async with owner.threads.change(thread) as draft:
            draft.record(LaneKind.CONTROL, [Grant(silent.id, Role.EDITOR, "Carl"), *introduction(silent.entries)])
            draft.rotate(restriction(draft.thread.replica, guest.account.identity, Role.COMMENTER))
        await steward._tend(thread)
        replica = (await owner.threads.open(thread)).replica
        assert open_matters(replica)[0].unheard, "Carl has not been heard from"
        await steward._tend(thread)
        assert open_matters(replica), "not before its time"
        began = owner.threads.now_ms()
        owner.threads.now_ms = lambda: began + SETTLE_AFTER_MS  # type: ignore[method-assign]
        await steward._tend(thread)
        assert open_matters(replica) == []


class Visits:
    """Stands for the sync: notes the threads whose rooms are to be looked at."""

    def __init__(self) -> None:
        self.threads: list[ThreadId] = []

    def links(self) -> list[Any]:
        return [self]

    def visit(self, thread: ThreadId) -> None:
        self.threads.append(thread)


async def test_a_device_that_was_cut_off_looks_after_nothing_any_more(tmp_path: Path) -> None:
    """It settles nobody's matter and visits no room, in threads too that have not heard of its end yet."""
    async with two_devices(tmp_path) as both:
        laptop, desktop = both.ana.machine, both.ben.machine
        guest, visits = Person("Carl"), Visits()
        syncing: Any = visits
        async with laptop.threads.change(both.id) as draft:
            draft.record(LaneKind.CONTROL, [Grant(guest.id, Role.EDITOR, "Carl"), *introduction(guest.entries)])
        async with laptop.threads.change(both.id) as draft:
            draft.rotate(restriction(draft.thread.replica, guest.id, Role.COMMENTER))
        await both.sync()
        steward = Steward(desktop.account, desktop.threads, syncing)
        assert open_matters((await desktop.threads.open(both.id)).replica)
        await Devices(laptop.account, laptop.threads).revoke("desktop")
        account = laptop.account.thread  # it has heard it there, and not in the thread itself
        origin = await desktop.store.origin_number("device", "the other")
        await desktop.threads.receive(account, await both.ana.frames(account), origin)
        assert desktop.account.is_revoked
        frames, settings = await both.ben.frames(both.id), await desktop.store.settings()
        await steward._tend(both.id)
        assert visits.threads == [] and await both.ben.frames(both.id) == frames
        assert await desktop.store.settings() == settings, "no matter's time begins"
