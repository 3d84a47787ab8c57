"""The people of a thread as its owner sees them: when somebody isn't who was known by that name, it is said."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crdt.ids import IdentityId, to_text
from crdt.permissions import LaneKind, Role
from crdt.records import Grant
from crdt.stewardship import introduction
from node.sharing.people import People
from tests.crdt.people import Person
from tests.node.second_device import Machine, machine

BEN, OTHER = Person("Ben"), Person("Somebody with another root")


class Owner:
    """Ana, in whose thread a second person of Ben's name turns up."""

    def __init__(self, made: Machine) -> None:
        self._machine = made
        self.me = made.account.identity
        self.people = People(made.account, lambda thread, device: False)

    async def knows(self, identity: IdentityId, what: str, value: str) -> None:
        await self._machine.account.put("people", {f"{to_text(identity)}/{what}": value})

    async def warning(self, name: str) -> str | None:
        """What is said of the newcomer, who has come under this name."""
        thread = await self._machine.new("Parser")
        async with self._machine.threads.change(thread) as draft:
            draft.record(LaneKind.CONTROL, [Grant(OTHER.id, Role.VIEWER, name), *introduction(OTHER.entries)])
        rows = self.people.rows((await self._machine.threads.open(thread)).replica)
        assert [row["warning"] for row in rows if row["me"]] == [None]
        (row,) = [row for row in rows if row["identity"] == to_text(OTHER.id)]
        said: str | None = row["warning"]
        return said


@pytest.fixture
async def ana(tmp_path: Path) -> AsyncIterator[Owner]:
    async with machine(tmp_path, "ana") as made:
        await made.account.ensure()
        yield Owner(made)


async def test_whoever_is_called_as_no_other_is_warned_of_by_nothing(ana: Owner) -> None:
    await ana.knows(BEN.id, "name", "Ben")
    assert await ana.warning("Benedict") is None
    await ana.knows(OTHER.id, "name", "Benedict")
    assert await ana.warning("Benedict") is None, "it is they who are known so"


async def test_somebody_who_is_called_as_oneself_is_nobody_one_knew(ana: Owner) -> None:
    await ana.knows(ana.me, "name", "Ana")
    assert await ana.warning("Ana") is None


@pytest.mark.parametrize("name", ["Ben", "bEN"])
async def test_another_identity_under_the_name_of_somebody_met_warns(ana: Owner, name: str) -> None:
    await ana.knows(BEN.id, "name", "Ben")
    said = await ana.warning(name)
    assert said is not None and f"not the {name} you met before" in said


async def test_another_identity_under_the_name_of_somebody_whose_words_were_compared_says_so(ana: Owner) -> None:
    await ana.knows(BEN.id, "name", "Ben")
    await ana.knows(BEN.id, "verified", "1")
    said = await ana.warning("Ben")
    assert said is not None and "not the Ben you verified before" in said


async def test_that_the_newcomer_was_compared_ends_the_warning_and_nobody_elses_comparison_does(ana: Owner) -> None:
    await ana.knows(BEN.id, "name", "Ben")
    await ana.knows(BEN.id, "verified", "1")
    await ana.knows(OTHER.id, "name", "Ben")
    assert await ana.warning("Ben") is not None
    await ana.knows(OTHER.id, "verified", "1")
    assert await ana.warning("Ben") is None
