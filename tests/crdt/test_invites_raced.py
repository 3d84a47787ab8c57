"""Two devices of an owner admit, withdraw and remove at random, each in ignorance of the other for a while."""

import random

import pytest

from crdt.errors import OpenSeshError
from crdt.invites import InviteKeys
from tests.crdt.people import Person
from tests.crdt.test_invites import admit, offer, owners_desks, withdraw
from tests.crdt.world import assert_order_plays_no_part, pass_round, restrict

PEOPLE = [Person(name) for name in ("Ben", "Carl", "Dora", "Eve")]


@pytest.mark.parametrize("seed", range(8))
def test_however_links_are_raced_all_orders_agree_and_no_outsider_holds_a_safe_key(seed: int) -> None:
    chance = random.Random(seed)
    _, laptop, phone = owners_desks()
    links = [offer(laptop, uses=1), offer(laptop, uses=2)]
    pass_round(laptop, phone)
    for _ in range(9):
        desk, link, person = chance.choice([laptop, phone]), chance.choice(links), chance.choice(PEOPLE)
        kind = chance.choice(["admit"] * 6 + ["withdraw", "remove", "meet"])
        try:
            if kind == "admit":
                admit(desk, link, person)
            elif kind == "withdraw":
                withdraw(desk, link)
            elif kind == "remove":
                restrict(desk, person)
            else:
                pass_round(laptop, phone)
        except OpenSeshError:
            continue  # refused by name: the desk knew that the link was spent
    pass_round(laptop, phone)
    membership = laptop.replica.membership
    for link in links:
        key = InviteKeys.from_secret(link.secret).id
        assert (
            len(membership.invites.standing(key, membership.everything)) <= membership.invites.offered[key].action.uses
        )
    safe = {each.id for each in membership.writing_epochs()}
    members = membership.members()
    for person in PEOPLE:
        reader = person.desk(laptop.replica.thread)
        reader.read(laptop.frames)
        if person.id not in members:
            assert not safe & {epoch.id for epoch in reader.replica.keyring}, person.name
    assert_order_plays_no_part(laptop, range(4))
