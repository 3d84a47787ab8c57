"""Links that let people in: raced, replayed, withdrawn, expired, and in any order of what was said."""

import os

import msgspec
import pytest

from crdt import codec, errors, frames, inviting, keys, stewardship
from crdt.author import Author
from crdt.errors import ErrorKind, OpenSeshError, PeerFault
from crdt.identity import KEY
from crdt.ids import SessionId
from crdt.invite_link import InviteLink
from crdt.invites import (
    MAX_RECORDS,
    MAX_REDEMPTION_BYTES,
    Asking,
    InviteKeys,
    Redemption,
    Statement,
    open_answer,
    open_redemption,
    redeem,
    seal_answer,
)
from crdt.inviting import State
from crdt.permissions import LaneKind, Role
from crdt.records import Admit, Invite
from crdt.wire import MAX_LETTER_BYTES
from tests.crdt.people import Desk, Person
from tests.crdt.world import assert_order_plays_no_part, pass_round, restrict, settled

BEN, CARL, DORA = Person("Ben"), Person("Carl"), Person("Dora")
NOW = 1_700_000_000_000


def owners_desks() -> tuple[Person, Desk, Desk]:
    """Ana with the thread on two devices; the laptop is the senior one."""
    ana = Person("Ana of two")
    ana.add("phone")
    laptop = ana.found()
    phone = ana.desk(laptop.replica.thread, "phone")
    pass_round(laptop, phone)
    return ana, laptop, phone


def offer(desk: Desk, role: Role = Role.EDITOR, uses: int = 1, expires_ms: int = 0) -> InviteLink:
    assert desk.replica.author
    commit, link = inviting.offer_invite(desk.replica, desk.replica.author, role, uses=uses, expires_ms=expires_ms)
    desk.kept(commit)
    return link


LOGIN = bytes(range(32))  # what a joiner proves to the relay


def asks(person: Person, link: InviteLink) -> Asking:
    invite = InviteKeys.from_secret(link.secret)
    sealed = redeem(invite, link.thread, person.author(), person.entries, person.name, LOGIN)
    return open_redemption(invite, link.thread, sealed)


def admit(desk: Desk, link: InviteLink, person: Person, now_ms: int = NOW) -> bytes | None:
    assert desk.replica.author
    commit = inviting.admit(desk.replica, desk.replica.author, asks(person, link), now_ms)
    return desk.kept(commit) if commit else None


def refused(desk: Desk, link: InviteLink, person: Person, now_ms: int = NOW) -> ErrorKind:
    size = len(desk.replica.graph)
    with pytest.raises(OpenSeshError) as raised:
        admit(desk, link, person, now_ms)
    assert len(desk.replica.graph) == size
    return raised.value.kind


def withdraw(desk: Desk, link: InviteLink) -> None:
    desk.kept(inviting.withdraw_invite(desk.replica, InviteKeys.from_secret(link.secret).id))


def stands(desk: Desk, link: InviteLink, person: Person) -> State:
    return inviting.joined(desk.replica, link, person.id, NOW)


# ---- a link works


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER, Role.EDITOR])
def test_whoever_is_admitted_reads_the_history_with_the_links_role(role: Role) -> None:
    _, laptop, _ = owners_desks()
    laptop.say("before")
    link = offer(laptop, role)
    ben = BEN.desk(link.thread)
    ben.read(laptop.frames)
    assert stands(ben, link, BEN) is State.WAITING and not ben.shown()
    admit(laptop, link, BEN)
    pass_round(laptop, ben)
    assert stands(ben, link, BEN) is State.ADMITTED
    assert ben.replica.role() is role and ben.shown() == {"before"}
    assert_order_plays_no_part(laptop)


def test_a_link_of_several_uses_lets_in_as_many() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop, uses=2)
    admit(laptop, link, BEN)
    admit(laptop, link, CARL)
    assert refused(laptop, link, DORA) is errors.INVITE_USED_UP
    assert {BEN.id, CARL.id} < laptop.replica.membership.members().keys()


def test_only_the_owner_offers_and_admits() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop, uses=2)
    admit(laptop, link, BEN)
    ben = BEN.desk(link.thread)
    pass_round(laptop, ben)
    assert refused(ben, link, CARL) is errors.PERMISSION_DENIED
    with pytest.raises(OpenSeshError):
        offer(ben)


def test_a_member_who_admits_by_a_link_gives_nothing() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop, uses=2)
    admit(laptop, link, BEN)
    ben = BEN.desk(link.thread)
    pass_round(laptop, ben)
    forged = Admit(InviteKeys.from_secret(link.secret).id, bytes(32), CARL.id, bytes(32), "Carl")
    ben.kept(ben.replica.commit_record(LaneKind.CONTROL, [forged, *stewardship.introduction(CARL.entries)]))
    pass_round(laptop, ben)
    assert laptop.replica.membership.role(CARL.id) is Role.NONE
    assert stands(laptop, link, CARL) is State.WAITING
    assert_order_plays_no_part(laptop)


# ---- redeemed too often


def test_one_joiner_admitted_twice_at_once_is_one() -> None:
    _, laptop, phone = owners_desks()
    link = offer(laptop, uses=2)
    pass_round(laptop, phone)
    admit(laptop, link, BEN)
    admit(phone, link, BEN)
    pass_round(laptop, phone)
    assert admit(laptop, link, BEN) is None
    assert admit(laptop, link, CARL)
    assert {BEN.id, CARL.id} < laptop.replica.membership.members().keys()
    assert_order_plays_no_part(laptop)


def raced() -> tuple[Desk, Desk, InviteLink]:
    """The laptop admits Ben, the phone Carl, on one use."""
    _, laptop, phone = owners_desks()
    link = offer(laptop)
    pass_round(laptop, phone)
    admit(laptop, link, BEN)
    admit(phone, link, CARL)
    return laptop, phone, link


def test_two_owner_devices_admit_two_joiners_on_one_use_and_one_stays() -> None:
    laptop, phone, link = raced()
    assert stands(phone, link, CARL) is State.ADMITTED
    pass_round(laptop, phone)
    for desk in (laptop, phone):
        assert (stands(desk, link, BEN), stands(desk, link, CARL)) == (State.ADMITTED, State.USED_UP)
        assert CARL.id not in desk.replica.membership.members()
    assert_order_plays_no_part(laptop)


def test_the_surplus_opens_nothing_that_is_written_from_then_on() -> None:
    laptop, phone, link = raced()
    carl = CARL.desk(link.thread)
    pass_round(laptop, phone, carl)
    assert laptop.replica.author
    safe = {each.id for each in laptop.replica.membership.writing_epochs()}
    assert not safe & {epoch.id for epoch in carl.replica.keyring}
    readers = stewardship.readers(laptop.replica.membership)
    laptop.kept(stewardship.rotate(laptop.replica, laptop.replica.author, readers))
    secret = laptop.say("secret")
    carl.read(laptop.frames)
    assert not carl.replica.keyring.tagged(frames.parse_frame(secret).epoch_tag)
    ben = BEN.desk(link.thread)
    ben.read(laptop.frames)
    assert ben.shown() == {"secret"} and not carl.shown()
    assert_order_plays_no_part(laptop)


def test_a_used_up_invite_lets_nobody_in() -> None:
    _, laptop, phone = owners_desks()
    link = offer(laptop)
    admit(laptop, link, BEN)
    pass_round(laptop, phone)
    assert refused(phone, link, CARL) is errors.INVITE_USED_UP
    assert stands(phone, link, CARL) is State.USED_UP


def test_an_admission_that_knew_of_no_use_left_displaces_nobody() -> None:
    """Not even by a senior device, and with the smallest redemption id there is."""
    _, laptop, phone = owners_desks()
    link = offer(laptop)
    pass_round(laptop, phone)
    admit(phone, link, BEN)
    pass_round(laptop, phone)
    late = Admit(InviteKeys.from_secret(link.secret).id, bytes(32), CARL.id, bytes(32), "Carl")
    laptop.kept(laptop.replica.commit_record(LaneKind.CONTROL, [late, *stewardship.introduction(CARL.entries)]))
    pass_round(laptop, phone)
    members = laptop.replica.membership.members()
    assert BEN.id in members and CARL.id not in members
    assert_order_plays_no_part(laptop)


# ---- expired, withdrawn


def test_an_expired_invite_lets_nobody_in() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop, expires_ms=NOW)
    assert refused(laptop, link, BEN, NOW + 1) is errors.INVITE_EXPIRED
    assert inviting.joined(laptop.replica, link, BEN.id, NOW + 1) is State.EXPIRED


def test_expiry_is_judged_once_by_the_admitter_whatever_other_clocks_say() -> None:
    _, laptop, phone = owners_desks()
    link = offer(laptop, expires_ms=NOW)
    pass_round(laptop, phone)
    admit(phone, link, BEN, NOW - 1)
    pass_round(laptop, phone)
    for clock in (0, NOW, NOW + 10**12):
        assert inviting.joined(laptop.replica, link, BEN.id, clock) is State.ADMITTED
    assert laptop.replica.membership.role(BEN.id) is Role.EDITOR


def test_a_withdrawn_invite_lets_nobody_in() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop, uses=2)
    admit(laptop, link, BEN)
    withdraw(laptop, link)
    assert refused(laptop, link, CARL) is errors.INVITE_WITHDRAWN
    assert stands(laptop, link, BEN) is State.ADMITTED  # who came before stays


def test_a_withdrawal_beats_a_concurrent_admission() -> None:
    _, laptop, phone = owners_desks()
    link = offer(laptop)
    pass_round(laptop, phone)
    admit(laptop, link, BEN)
    withdraw(phone, link)
    pass_round(laptop, phone)
    assert laptop.replica.membership.role(BEN.id) is Role.NONE
    assert stands(laptop, link, BEN) is State.WITHDRAWN
    ben = BEN.desk(link.thread)
    ben.read(laptop.frames)
    safe = {each.id for each in laptop.replica.membership.writing_epochs()}
    assert not safe & {epoch.id for epoch in ben.replica.keyring}
    assert_order_plays_no_part(laptop)


def test_the_old_link_of_a_removed_member_lets_nobody_in() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop, uses=5)
    admit(laptop, link, BEN)
    admit(laptop, link, CARL)
    restrict(laptop, BEN)
    assert refused(laptop, link, BEN) is errors.INVITE_WITHDRAWN
    assert refused(laptop, link, DORA) is errors.INVITE_WITHDRAWN
    assert stands(laptop, link, BEN) is State.REMOVED and stands(laptop, link, CARL) is State.ADMITTED
    assert_order_plays_no_part(laptop)


def test_revoking_a_device_withdraws_the_open_invites() -> None:
    ana, laptop, phone = owners_desks()
    first = offer(phone)
    pass_round(laptop, phone)
    revoked = [ana.revoke("phone")]
    actions = stewardship.revocation(laptop.replica, ana.devices["phone"].id, revoked)
    assert laptop.replica.author
    readers = stewardship.readers(laptop.replica.membership)
    laptop.kept(stewardship.rotate(laptop.replica, laptop.replica.author, readers, actions))
    assert refused(laptop, first, BEN) is errors.INVITE_WITHDRAWN
    assert admit(laptop, offer(laptop), BEN)  # a link made since is not concerned
    assert_order_plays_no_part(laptop)


# ---- forged, replayed


def test_a_redemption_replayed_with_another_joiners_key_is_refused() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop)
    invite = InviteKeys.from_secret(link.secret)
    mallory = Person("Mallory")
    genuine = asks(BEN, link).statement

    def sealed(statement: Statement, device: keys.SigningKey) -> bytes:
        data = codec.encode(statement)
        signed = Redemption(data, invite.signing.sign("redemption", data), device.sign("redeemer", data))
        return bytes(24) + keys.seal(invite.sealing, bytes(24), codec.encode(signed), link.thread + invite.id)

    bens, mallorys = BEN.devices["laptop"].signing, mallory.devices["laptop"].signing
    assert open_redemption(invite, link.thread, sealed(genuine, bens)).identity == BEN.id
    other_key = msgspec.structs.replace(genuine, key=mallory.identity_key.public)
    for forged, by in (
        (genuine, mallorys),  # all of it Ben's but the signature
        (msgspec.structs.replace(genuine, device=mallorys.public), mallorys),  # no device of Ben's
        (other_key, mallorys),
        (other_key, bens),  # even Ben's own device can't: his log names the key
        (msgspec.structs.replace(other_key, device=mallorys.public), mallorys),
        (msgspec.structs.replace(genuine, identity=mallory.id), bens),
        (msgspec.structs.replace(genuine, invite=bytes(32)), bens),
        (msgspec.structs.replace(genuine, thread=bytes(32)), bens),
    ):
        with pytest.raises(PeerFault):
            open_redemption(invite, link.thread, sealed(forged, by))


def test_a_redemption_that_the_invites_key_did_not_sign_is_refused() -> None:
    """Whoever read the sealing key alone (out of a log, a memory dump) still can't ask to be let in."""
    _, laptop, _ = owners_desks()
    link, other = offer(laptop), InviteKeys.from_secret(bytes(32))
    invite = InviteKeys.from_secret(link.secret)
    data = codec.encode(asks(BEN, link).statement)
    by_device = BEN.devices["laptop"].signing.sign("redeemer", data)

    def sealed(by_invite: bytes) -> bytes:
        text = codec.encode(Redemption(data, by_invite, by_device))
        return bytes(24) + keys.seal(invite.sealing, bytes(24), text, link.thread + invite.id)

    genuine = invite.signing.sign("redemption", data)
    assert open_redemption(invite, link.thread, sealed(genuine)).identity == BEN.id
    for by_invite in (
        bytes(64),
        other.signing.sign("redemption", data),
        BEN.devices["laptop"].signing.sign("redemption", data),
        invite.signing.sign("redeemer", data),  # the right key under another label
        invite.signing.sign("redemption", data + b"\0"),
        bytes([genuine[0] ^ 1]) + genuine[1:],
    ):
        with pytest.raises(PeerFault, match="of the invite"):
            open_redemption(invite, link.thread, sealed(by_invite))


@pytest.mark.parametrize("senior", ["Ben", "Carl"])
def test_of_two_who_raced_for_one_use_whoever_the_senior_device_let_in_stays(senior: str) -> None:
    """Not whoever chose the smaller redemption: a joiner can make as many as they like."""
    _, laptop, phone = owners_desks()
    link = offer(laptop)
    pass_round(laptop, phone)
    first, second = (BEN, CARL) if senior == "Ben" else (CARL, BEN)
    admit(laptop, link, first)
    admit(phone, link, second)
    pass_round(laptop, phone)
    members = laptop.replica.membership.members()
    assert first.id in members and second.id not in members


@pytest.mark.parametrize("first", ["laptop", "phone"])
def test_a_junior_device_can_not_widen_a_link_by_offering_its_key_again(first: str) -> None:
    """A stolen phone knows every link's secret, and so its key."""
    _, laptop, phone = owners_desks()
    link = offer(laptop, Role.VIEWER)
    wide = Invite(InviteKeys.from_secret(link.secret).id, int(Role.EDITOR), 0, 9, False, "")
    if first == "laptop":
        pass_round(laptop, phone)
    phone.kept(phone.replica.commit_record(LaneKind.CONTROL, [wide]))
    pass_round(laptop, phone)
    offered = phone.replica.membership.invites.offered[wide.key].action
    assert (offered.role, offered.uses) == (int(Role.VIEWER), 1)
    assert_order_plays_no_part(laptop)


def test_an_admission_by_a_link_that_its_author_had_not_heard_of_lets_nobody_in() -> None:
    _, laptop, phone = owners_desks()
    link = offer(laptop)
    blind = Admit(InviteKeys.from_secret(link.secret).id, bytes(32), CARL.id, bytes(32), "Carl")
    phone.kept(phone.replica.commit_record(LaneKind.CONTROL, [blind, *stewardship.introduction(CARL.entries)]))
    pass_round(laptop, phone)
    assert laptop.replica.membership.role(CARL.id) is Role.NONE
    assert admit(laptop, link, BEN), "nor does it take the use away"
    assert_order_plays_no_part(laptop)


def test_who_leaves_of_their_own_accord_closes_no_link_behind_them() -> None:
    """Else any member could keep everybody else out."""
    _, laptop, _ = owners_desks()
    link = offer(laptop, uses=3)
    admit(laptop, link, BEN)
    ben = BEN.desk(link.thread)
    pass_round(laptop, ben)
    left = stewardship.restriction(ben.replica, BEN.id, Role.NONE)
    ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, left))
    pass_round(laptop, ben)
    assert laptop.replica.membership.role(BEN.id) is Role.NONE
    assert stands(laptop, link, DORA) is State.WAITING


def test_who_is_lowered_and_not_put_out_leaves_the_link_open_for_others() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop, uses=3)
    admit(laptop, link, BEN)
    restrict(laptop, BEN, Role.VIEWER)
    assert admit(laptop, link, DORA)
    assert laptop.replica.membership.role(BEN.id) is Role.VIEWER


def test_the_links_of_the_owner_before_let_nobody_into_a_thread_that_was_handed_over() -> None:
    ana, laptop, _ = owners_desks()
    link = offer(laptop, uses=3)
    admit(laptop, link, BEN)
    made = stewardship.offer(laptop.replica, ana.root.signing, BEN.id)
    commit = laptop.replica.commit_record(LaneKind.CONTROL, [made])
    laptop.kept(commit)
    ben = BEN.desk(link.thread)
    pass_round(laptop, ben)
    assert ben.replica.author and commit.receipt.envelope is not None
    taken = stewardship.acceptance(ben.replica, commit.receipt.envelope.id, ana.id)
    ben.kept(stewardship.rotate(ben.replica, ben.replica.author, stewardship.readers(ben.replica.membership), taken))
    assert ben.replica.role() is Role.OWNER
    assert refused(ben, link, CARL) is errors.INVITE_WITHDRAWN
    assert stands(ben, link, CARL) is State.WITHDRAWN
    assert stands(ben, offer(ben), CARL) is State.WAITING


def test_the_owner_can_not_be_let_in_by_their_own_link() -> None:
    """It would use the link up, and stand as a grant below the owner's own right once the thread is handed over."""
    ana, laptop, _ = owners_desks()
    assert refused(laptop, offer(laptop), ana) is errors.PERMISSION_DENIED


def test_a_device_whose_own_log_has_ended_it_asks_in_vain() -> None:
    ben = Person("Ben")
    phone = ben.add("phone")
    _, laptop, _ = owners_desks()
    link = offer(laptop)
    ben.revoke("phone")
    author = Author(phone, ben.id, SessionId(bytes(16)), ben.author().random)
    invite = InviteKeys.from_secret(link.secret)
    with pytest.raises(PeerFault, match="not a device of that identity"):
        open_redemption(invite, link.thread, redeem(invite, link.thread, author, ben.entries, "Ben", LOGIN))


def test_a_thief_with_the_newest_key_and_an_ended_device_does_not_join_either() -> None:
    ben = Person("Ben")
    phone = ben.add("phone")
    _, laptop, _ = owners_desks()
    link, shown = offer(laptop), list(ben.entries)
    ben.revoke("phone")  # and no fresh identity key yet
    laptop.introduce(ben)
    author = Author(phone, ben.id, SessionId(bytes(16)), ben.author().random)
    invite = InviteKeys.from_secret(link.secret)
    asking = open_redemption(invite, link.thread, redeem(invite, link.thread, author, shown, "Ben", LOGIN))
    assert inviting.knows_better(laptop.replica.membership, asking)
    assert laptop.replica.author
    with pytest.raises(OpenSeshError) as raised:
        inviting.admit(laptop.replica, laptop.replica.author, asking, NOW)
    assert raised.value.kind is errors.AUTH_FAILED


def test_what_is_larger_than_a_mailbox_takes_is_refused_before_any_key_is_tried() -> None:
    invite = InviteKeys.from_secret(bytes(32))
    with pytest.raises(PeerFault, match="too large"):
        open_redemption(invite, bytes(32), bytes(MAX_REDEMPTION_BYTES + 1))


def test_each_key_of_a_link_is_another_one() -> None:
    """What asks to be let in can't be played back as an answer, and the other way round."""
    invite = InviteKeys.from_secret(bytes(32))
    assert len({invite.signing.seed, invite.sealing, invite.answering, bytes(32)}) == 4


def test_an_answer_brings_the_newest_records_that_fit_a_letter_in_their_order() -> None:
    invite = InviteKeys.from_secret(bytes(32))

    def brought(records: list[bytes]) -> tuple[bytes, ...]:
        sealed = seal_answer(invite, bytes(32), BEN.id, "removed", os.urandom, records)
        assert len(sealed) <= MAX_LETTER_BYTES
        return open_answer(invite, bytes(32), BEN.id, sealed).records

    many = [bytes([number]) * 100 for number in range(100)]
    assert brought(many) == tuple(many[-MAX_RECORDS:])
    large = [bytes([number]) * 10_000 for number in range(5)]
    assert brought(large) == tuple(large[-3:])


def test_a_redemption_opens_for_its_own_link_and_thread_alone() -> None:
    _, laptop, _ = owners_desks()
    link, other = offer(laptop), offer(laptop)
    invite = InviteKeys.from_secret(link.secret)
    sealed = redeem(invite, link.thread, BEN.author(), BEN.entries, "Ben", LOGIN)
    for key, thread, data in (
        (InviteKeys.from_secret(other.secret), link.thread, sealed),
        (invite, bytes(32), sealed),
        (invite, link.thread, sealed[:-1]),
        (invite, link.thread, b""),
        (invite, link.thread, bytes(20_000)),
    ):
        with pytest.raises(PeerFault):
            open_redemption(key, thread, data)


def test_a_joiner_with_a_key_of_small_order_is_refused() -> None:
    """Nothing can be wrapped to it: the owner's device would fail at every try to let them in."""
    _, laptop, _ = owners_desks()
    link = offer(laptop)
    mallory = Person("Mallory")
    mallory.log(KEY, mallory.root.signing, agreement=bytes(32), generation=2)
    invite = InviteKeys.from_secret(link.secret)
    statement = codec.encode(
        Statement(
            *(1, link.thread, invite.id, mallory.id, mallory.devices["laptop"].id, bytes(32), LOGIN),
            *(tuple(mallory.entries), "M"),
        )
    )
    by_device = mallory.devices["laptop"].signing.sign("redeemer", statement)
    signed = codec.encode(Redemption(statement, invite.signing.sign("redemption", statement), by_device))
    sealed = bytes(24) + keys.seal(invite.sealing, bytes(24), signed, link.thread + invite.id)
    with pytest.raises(PeerFault, match="bad device entry"):
        open_redemption(invite, link.thread, sealed)


@pytest.mark.parametrize("what", ["revoked device", "former key"])
def test_a_thief_who_leaves_the_revocation_out_of_the_log_does_not_join_as_its_person(what: str) -> None:
    """The thread knows more of Ben's log than the redemption shows."""
    ben = Person("Ben")
    phone = ben.add("phone")
    _, laptop, _ = owners_desks()
    link, shown = offer(laptop), list(ben.entries)
    ben.revoke("phone")
    fresh = keys.AgreementKey.from_secret(b"Ben's next identity key, 32 byte")
    ben.log(KEY, ben.devices["laptop"].signing, agreement=fresh.public, generation=2)
    laptop.introduce(ben)
    author = Author(phone, ben.id, SessionId(bytes(16)), ben.author().random)
    author = author if what == "revoked device" else ben.author()
    invite = InviteKeys.from_secret(link.secret)
    asking = open_redemption(invite, link.thread, redeem(invite, link.thread, author, shown, "Ben", LOGIN))
    assert laptop.replica.author
    with pytest.raises(OpenSeshError) as raised:
        inviting.admit(laptop.replica, laptop.replica.author, asking, NOW)
    assert raised.value.kind is errors.AUTH_FAILED
    assert ben.id not in laptop.replica.membership.members()


def test_the_keys_of_a_link_are_silent_about_its_secret() -> None:
    invite = InviteKeys.from_secret(bytes(range(32)))
    for secret in (invite.sealing, invite.signing.seed):
        assert secret.hex() not in repr(invite) and repr(secret) not in repr(invite)


def test_a_joiner_believes_only_the_pinned_thread_and_owner() -> None:
    _, laptop, _ = owners_desks()
    link = offer(laptop)
    admit(laptop, link, BEN)
    ben = BEN.desk(link.thread)
    ben.read(laptop.frames)
    first = ben.replica.graph.nodes[0].id
    for name, value in (("owner", CARL.id), ("room", bytes([7]) * 32), ("thread", bytes(32)), ("tip", first)):
        false = InviteLink(**{**{each: getattr(link, each) for each in InviteLink.__slots__}, name: value})
        with pytest.raises(OpenSeshError) as raised:
            stands(ben, false, BEN)
        assert raised.value.kind is errors.AUTH_FAILED
    assert settled(ben).membership.role(BEN.id) is Role.EDITOR


def test_an_answer_opens_for_its_joiner_link_and_thread_alone() -> None:
    _, laptop, _ = owners_desks()
    link, other = offer(laptop), offer(laptop)
    invite = InviteKeys.from_secret(link.secret)
    sealed = seal_answer(invite, link.thread, BEN.id, "expired", os.urandom)
    assert open_answer(invite, link.thread, BEN.id, sealed).state == "expired"
    for key, thread, identity, data in (
        (InviteKeys.from_secret(other.secret), link.thread, BEN.id, sealed),
        (invite, bytes(32), BEN.id, sealed),
        (invite, link.thread, Person("Mallory").id, sealed),
        (invite, link.thread, BEN.id, sealed[:-1]),
        (invite, link.thread, BEN.id, b""),
    ):
        with pytest.raises(PeerFault):
            open_answer(key, thread, identity, data)


def test_who_came_back_by_another_link_is_let_into_the_room_by_the_login_they_have_now() -> None:
    _, laptop, _ = owners_desks()
    assert laptop.replica.author
    for number in range(3):
        link, login = offer(laptop), bytes([number]) * 32
        invite = InviteKeys.from_secret(link.secret)
        sealed = redeem(invite, link.thread, BEN.author(), BEN.entries, "Ben", login)
        asking = open_redemption(invite, link.thread, sealed)
        laptop.kept(inviting.admit(laptop.replica, laptop.replica.author, asking, NOW))
        assert laptop.replica.membership.admitted_login(BEN.id) == login
        restrict(laptop, BEN)
