"""Two devices of an owner admit, withdraw and remove at random, each in ignorance of the other for a while."""

import random
import time

import pytest

from crdt.admissions import Admitted, Invites, Offered
from crdt.errors import OpenSeshError
from crdt.governance import Node
from crdt.ids import DeviceId, EnvelopeId, IdentityId
from crdt.invites import InviteKeys
from crdt.permissions import LaneKind
from crdt.records import Admit, Invite, Record, Withdraw
from tests.crdt.people import Person
from tests.crdt.test_invites import admit, offer, owners_desks, withdraw
from tests.crdt.world import assert_order_plays_no_part, pass_round, restrict

PEOPLE = [Person(name) for name in ("Ben", "Carl", "Dora", "Eve")]


def admissions(pasts: list[int], joiners: list[int]) -> Invites:
    """An invite of three uses, and one admission for each past and joiner given."""
    key, record = bytes(32), Record((Withdraw(bytes(32)),))
    device = DeviceId(bytes(32))

    def node(index: int, past: int) -> Node:
        identifier = EnvelopeId(index.to_bytes(32, "big"))
        return Node(index, identifier, LaneKind.CONTROL, device, (b"", index), record, past, 0, b"")

    invites = Invites()
    invites.offer(Offered(node(0, 0), IdentityId(bytes(32)), Invite(key, 3, 0, 3, False, ""), (0, 0)))
    for index, (past, joiner) in enumerate(zip(pasts, joiners, strict=True), 1):
        identity = IdentityId(joiner.to_bytes(32, "big"))
        redemption = (7919 * index % 65_521).to_bytes(32, "big")
        invites.admit(
            Admitted(node(index, past | 1), key, identity, Admit(key, redemption, identity, bytes(32), ""), (0, 0))
        )
    invites.settle([], [])
    return invites


def slowly(pasts: list[int], joiners: list[int]) -> set[int]:
    """Who stands, by the words of the rule."""
    places = {}
    for index, (past, joiner) in enumerate(zip(pasts, joiners, strict=True), 1):
        others = {other for at, other in enumerate(joiners, 1) if past >> at & 1 and other != joiner}
        if len(others) < 3:
            places[joiner] = min(7919 * index % 65_521, places.get(joiner, 65_521))
    return set(sorted(places, key=lambda each: (places[each], each))[:3])


@pytest.mark.parametrize("seed", range(30))
def test_who_stands_of_those_let_in_knowing_some_of_the_others_is_what_the_rule_says(seed: int) -> None:
    chance = random.Random(seed)
    joiners = [chance.randrange(1, 9) for _ in range(24)]
    pasts: list[int] = []
    for index in range(24):
        past = 0
        for earlier in range(index):
            if chance.random() < 0.15:
                past |= pasts[earlier] | 1 << (earlier + 1)
        pasts.append(past)
    found = admissions(pasts, joiners).standing(bytes(32), -1)
    assert found == {IdentityId(joiner.to_bytes(32, "big")) for joiner in slowly(pasts, joiners)}


@pytest.mark.parametrize("knowing", [False, True])
def test_ten_thousand_admissions_at_once_are_decided_in_a_moment(knowing: bool) -> None:
    """Each by a record that knew of none, or of all before it (of the same joiner: it is no other one)."""
    count = 10_000
    pasts = [((1 << index) - 1) << 1 if knowing else 0 for index in range(count)]
    invites = admissions(pasts, [1 if knowing else index + 1 for index in range(count)])
    began = time.monotonic()
    assert len(invites.standing(bytes(32), -1)) == (1 if knowing else 3)
    assert time.monotonic() - began < 5


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
