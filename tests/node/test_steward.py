"""What an owner's node does by itself: a fresh key when somebody left, and the end of a removal's matter."""

from pathlib import Path

from crdt.permissions import LaneKind, Role
from crdt.records import Grant
from crdt.settlement import SETTLE_AFTER_MS, open_matters
from crdt.stewardship import introduction, restriction
from node.sharing.steward import Steward
from node.synchronizer import Synchronizer
from tests.crdt.people import Person
from tests.node.two_people import shared


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
