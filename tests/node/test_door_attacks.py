"""Whoever has a link, and floods or lies at the door: what the owner's device does with it, and the relay keeps."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crdt import errors, wire
from crdt.author import Author
from crdt.errors import OpenSeshError
from crdt.ids import SessionId, ThreadId
from crdt.invite_link import InviteLink
from crdt.invites import InviteKeys, open_answer, redeem
from crdt.inviting import offer_invite, withdraw_invite
from crdt.permissions import LaneKind, Role
from crdt.stewardship import introduction
from node.affairs import Room
from node.sharing.door import ASKED, MAX_ASKING, Door
from node.sharing.links import Links
from tests.crdt.people import Person
from tests.node.second_device import Machine, machine

BEN, CARL, DORA = Person("Ben"), Person("Carl"), Person("Dora")
LOGINS = {person.name: bytes([number]) * 32 for number, person in enumerate((BEN, CARL, DORA), 1)}


class Relay:
    """What a relay keeps of one room, as the owner's connection sees it."""

    def __init__(self, most: int = 1024) -> None:
        self.mail: list[bytes] = []
        self.letters: dict[bytes, tuple[wire.Certificate | None, bytes]] = {}
        self.generation, self._most = 0, most

    async def take_mail(self, room: bytes, upto: int = 0) -> wire.Mail:
        del self.mail[:upto]  # all that was given before
        return wire.Mail(0, len(self.mail), tuple(self.mail))

    async def deposit(self, room: bytes, login: bytes, certificate: wire.Certificate | None, letter: bytes) -> None:
        if certificate is None and not letter:
            self.letters.pop(login, None)
        else:
            if login not in self.letters and len(self.letters) >= self._most:
                if (bare := next((key for key, (held, _) in self.letters.items() if held is None), None)) is None:
                    raise errors.RELAY_REFUSED(reason="quota")
                del self.letters[bare]
            self.letters[login] = (certificate, letter)

    async def raise_generation(self, room: object, generation: int) -> None:
        self.generation = generation


class Owner:
    """Ana's device at the door of a thread of hers."""

    def __init__(self, made: Machine, thread: ThreadId) -> None:
        self.machine, self.thread = made, thread
        self.door, self.relay = Door(made.account, made.threads), Relay()

    @property
    def room(self) -> Room:
        return self.machine.account.affairs.rooms[self.thread]

    async def link(self, uses: int = 1, *, approve: bool = False) -> InviteLink:
        async with self.machine.threads.change(self.thread) as draft:
            replica = draft.thread.replica
            assert replica.author is not None
            commit, link = offer_invite(replica, replica.author, Role.EDITOR, uses=uses, approve=approve)
            draft.keep(commit)
        await self.machine.account.put("invites", {InviteKeys.from_secret(link.secret).id.hex(): str(link)})
        return link

    async def close(self, link: InviteLink) -> None:
        async with self.machine.threads.change(self.thread) as draft:
            draft.keep(withdraw_invite(draft.thread.replica, InviteKeys.from_secret(link.secret).id))

    def knock(self, link: InviteLink, person: Person, *, login: bytes = b"", name: str = "") -> None:
        keys = InviteKeys.from_secret(link.secret)
        said = (name or person.name, login or LOGINS[person.name])
        self.relay.mail.append(redeem(keys, link.thread, person.author(), person.entries, *said))

    async def tend(self) -> None:
        connection: Any = self.relay
        await self.door.tend(connection, self.room)

    async def role(self, person: Person) -> Role:
        return (await self.machine.threads.open(self.thread)).replica.membership.role(person.id)

    def links(self) -> Links:
        nowhere: Any = type("Nowhere", (), {"links": lambda self: []})()
        return Links(self.machine.account, self.machine.threads, nowhere, self.door)


@pytest.fixture
async def ana(tmp_path: Path) -> AsyncIterator[Owner]:
    async with machine(tmp_path, "ana") as made:
        yield Owner(made, await made.new("Parser"))


def certified(owner: Owner, person: Person) -> bool:
    certificate, _ = owner.relay.letters.get(LOGINS[person.name], (None, b""))
    return certificate is not None and certificate.generation >= owner.relay.generation


async def test_who_is_refused_takes_no_certificate_by_naming_a_members_login(ana: Owner) -> None:
    link = await ana.link()
    ana.knock(link, BEN)
    await ana.tend()
    assert certified(ana, BEN)
    ana.knock(link, CARL, login=LOGINS["Ben"])  # the link is used up, so there is an answer to leave
    await ana.tend()
    assert certified(ana, BEN)


async def test_a_person_turned_away_takes_no_certificate_by_naming_a_members_login(ana: Owner) -> None:
    ana.knock(await ana.link(), BEN)
    await ana.tend()
    ana.knock(await ana.link(approve=True), CARL, login=LOGINS["Ben"])
    await ana.tend()
    await ana.links().decide("Carl", accept=False)
    await ana.tend()
    assert certified(ana, BEN)


async def test_one_answer_that_the_relay_refuses_keeps_nobody_else_waiting(ana: Owner) -> None:
    closed, open_link = await ana.link(), await ana.link()
    await ana.close(closed)
    ana.relay._most = 0
    ana.knock(closed, CARL)
    ana.knock(closed, DORA)
    ana.knock(open_link, BEN)
    with pytest.raises(OpenSeshError):
        await ana.tend()  # no certificate for Ben, either; but he is in, and it is tried again
    assert await ana.role(BEN) is Role.EDITOR and not ana.relay.mail
    ana.relay._most = 1
    await ana.tend()
    assert certified(ana, BEN)


async def test_who_can_not_be_let_in_anyway_is_answered_without_a_pause(
    ana: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Junior devices leave each joiner to their seniors for a while: a full mailbox of those would take minutes."""
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    closed = await ana.link()
    await ana.close(closed)
    for number in range(5):
        ana.knock(closed, Person(f"joiner {number}"), login=bytes([40 + number]) * 32)
    with monkeypatch.context() as patched:
        patched.setattr("node.sharing.door.asyncio.sleep", pause)
        await ana.tend()
    assert not paused and len(ana.relay.letters) == 5


async def test_a_relay_without_room_for_letters_still_ends_the_certificates_of_who_was_put_out(ana: Owner) -> None:
    ana.knock(await ana.link(), BEN)
    await ana.tend()
    ana.relay._most = 1
    ana.knock(await ana.link(), CARL)
    await ana.machine.account.put("index", {f"{_text(ana.thread)}/generation": 1})
    with pytest.raises(OpenSeshError):
        await ana.tend()
    assert ana.relay.generation == 1


async def test_a_member_who_comes_by_ever_other_logins_fills_no_letters(ana: Owner) -> None:
    link = await ana.link()
    for number in range(1, 6):
        ana.knock(link, BEN, login=bytes([number]) * 32)
        await ana.tend()
    assert set(ana.relay.letters) == {bytes([5]) * 32}


async def test_how_many_may_wait_for_a_yes_is_bounded_for_each_link(
    ana: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.sharing.door.MAX_ASKING", 3)
    assert MAX_ASKING > 3
    flooded, other = await ana.link(approve=True), await ana.link(approve=True)
    for number in range(8):
        ana.knock(flooded, Person(f"joiner {number}"), login=bytes([40 + number]) * 32)
    ana.knock(other, BEN)
    await ana.tend()
    assert len(ana.machine.account.affairs.asking) == 4
    assert "Ben" in [row["name"] for row in ana.links().requests()]


async def test_who_waits_for_a_yes_already_is_told_so_again_also_when_there_is_no_room_for_others(
    ana: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.sharing.door.MAX_ASKING", 1)
    link = await ana.link(approve=True)
    keys = InviteKeys.from_secret(link.secret)
    ana.knock(link, BEN)
    again = list(ana.relay.mail)
    for _ in range(2):
        ana.relay.letters.clear()
        ana.relay.mail = list(again)
        await ana.tend()
        _, letter = ana.relay.letters[LOGINS["Ben"]]
        assert open_answer(keys, ana.thread, BEN.id, letter).state == ASKED
    assert await ana.role(BEN) is Role.NONE


async def test_a_thief_with_a_members_ended_device_gets_no_certificate_by_asking_again(ana: Owner) -> None:
    """The log that the thief shows has no revocation in it; the thread knows better."""
    ben = Person("Ben")
    phone, link = ben.add("phone"), await ana.link(uses=3)
    shown = list(ben.entries)
    ana.knock(link, ben)
    await ana.tend()
    ben.revoke("phone")
    async with ana.machine.threads.change(ana.thread) as draft:
        draft.record(LaneKind.CONTROL, introduction(ben.entries))
    author = Author(phone, ben.id, SessionId(bytes(16)), ben.author().random)
    thief = b"t" * 32
    ana.relay.mail.append(redeem(InviteKeys.from_secret(link.secret), link.thread, author, shown, "Ben", thief))
    await ana.tend()
    assert ana.relay.letters.get(thief, (None, b""))[0] is None
    assert certified(ana, ben) and await ana.door.logins(ana.thread) == {LOGINS["Ben"]}


async def test_whoever_stays_is_certified_anew_when_the_rooms_generation_rises(ana: Owner) -> None:
    link = await ana.link(uses=2)
    ana.knock(link, BEN)
    ana.knock(link, CARL)
    await ana.tend()
    await ana.machine.account.put("index", {f"{_text(ana.thread)}/generation": 1})
    await ana.tend()
    assert ana.relay.generation == 1 and certified(ana, BEN) and certified(ana, CARL)


async def test_somebody_who_is_known_by_a_name_takes_no_other_one_by_asking_again(ana: Owner) -> None:
    link = await ana.link(uses=2)
    ana.knock(link, BEN)
    await ana.tend()
    ana.knock(link, BEN, name="Ana's boss")
    await ana.tend()
    assert ana.machine.account.affairs.met[BEN.id] == "Ben"


async def test_mail_is_not_taken_for_answered_when_the_relay_is_gone_meanwhile(
    ana: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = await ana.link()
    await ana.close(closed)
    ana.knock(closed, BEN)

    async def gone(*_: object) -> None:
        raise errors.RELAY_UNREACHABLE("gone")

    with monkeypatch.context() as patched:
        patched.setattr(ana.relay, "deposit", gone)
        with pytest.raises(OpenSeshError) as caught:
            await ana.tend()
    assert caught.value.kind is errors.RELAY_UNREACHABLE and len(ana.relay.mail) == 1
    await ana.tend()
    assert not ana.relay.mail and LOGINS["Ben"] in ana.relay.letters


async def test_two_who_ask_under_one_name_are_told_apart_by_their_ids(ana: Owner) -> None:
    link = await ana.link(uses=2, approve=True)
    ana.knock(link, CARL, name="Ben")
    ana.knock(link, BEN)
    await ana.tend()
    with pytest.raises(OpenSeshError) as caught:
        await ana.links().decide("Ben", accept=True)
    assert caught.value.kind is errors.INVITE_NOT_FOUND and len(caught.value.details["matches"]) == 2
    assert (await ana.role(BEN), await ana.role(CARL)) == (Role.NONE, Role.NONE)
    (row,) = [each for each in ana.links().requests() if each["identity"] == _text(BEN.id)]
    await ana.links().decide(row["request"], accept=True)
    assert (await ana.role(BEN), await ana.role(CARL)) == (Role.EDITOR, Role.NONE)


async def test_a_name_is_not_taken_for_the_beginning_of_an_id(ana: Owner) -> None:
    """A joiner chooses what goes into the id of their asking, and tries until it begins with somebody's name."""
    link = await ana.link(uses=2, approve=True)
    ana.knock(link, CARL, name="not Ada")
    await ana.tend()
    (sealed,) = ana.machine.account.affairs.asking.values()
    await ana.machine.account.put("asking", {("ada" + "0" * 61): base64.b64encode(sealed).decode()})
    with pytest.raises(OpenSeshError):
        await ana.links().decide("Ada", accept=True)
    assert await ana.role(CARL) is Role.NONE


def _text(identifier: bytes) -> str:
    from crdt.ids import to_text

    return to_text(identifier)
