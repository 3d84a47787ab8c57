"""Who may do what: members with patched software, and rights given and taken by people who don't know of each other."""

import msgspec
import pycrdt
import pytest

from crdt import codec, errors, stewardship
from crdt.content import Message, Part
from crdt.edits import put_message
from crdt.identity import ADD, consent_bytes
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import Devices, Genesis, Grant, Record, Relays, Restrict, RevokeDevice
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    assert_order_plays_no_part,
    forged,
    frame_of,
    invite,
    pass_round,
    restrict,
    type_text,
)

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")


def together(role: Role = Role.EDITOR, *others: Person) -> tuple[Desk, Desk]:
    """Ana's thread, and Ben's desk in it with a role."""
    ana = ANA.found()
    invite(ana, BEN, *others, role=role)
    ben = BEN.desk(ana.replica.thread)
    pass_round(ana, ben)
    return ana, ben


def words(text: str, client: int) -> bytes:
    """An update that writes one message, of a client."""
    doc: pycrdt.Doc[object] = pycrdt.Doc(client_id=client)
    put_message(doc, Message(text, b"", "user", 0, 0, "final", (Part("text", text),)))
    return doc.get_update()


def patched(desk: Desk, kind: LaneKind, text: str = "forged") -> bytes:
    """What software writes that skips the check of one's own role."""
    assert desk.replica.author
    device = desk.replica.author.device.id
    lane = SHARED if kind is LaneKind.SHARED else Lane(kind, device)
    client = desk.replica.document(lane).doc.client_id
    return forged(desk, lane, words(text, client))


# ---- roles


def test_the_founder_owns_the_thread_and_an_invited_editor_writes_in_it() -> None:
    ana, ben = together()
    ben.say("hello")
    pass_round(ana, ben)
    assert ana.shown() == {"hello"}
    assert ana.replica.membership.members() == {ANA.id: Role.OWNER, BEN.id: Role.EDITOR}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER])
def test_ones_own_software_refuses_what_the_role_lacks(role: Role) -> None:
    _, ben = together(role)
    with pytest.raises(errors.OpenSeshError) as raised:
        ben.say("hello")
    assert raised.value.kind is errors.PERMISSION_DENIED
    assert not ben.replica.stale


@pytest.mark.parametrize(
    "role, kind, counts",
    [
        (Role.VIEWER, LaneKind.TIMELINE, False),
        (Role.VIEWER, LaneKind.COMMENTS, False),
        (Role.VIEWER, LaneKind.SHARED, False),
        (Role.VIEWER, LaneKind.DECISIONS, False),
        (Role.COMMENTER, LaneKind.TIMELINE, False),
        (Role.COMMENTER, LaneKind.SHARED, False),
        (Role.COMMENTER, LaneKind.COMMENTS, True),
        (Role.EDITOR, LaneKind.TIMELINE, True),
        (Role.EDITOR, LaneKind.SHARED, True),
    ],
)
def test_patched_software_writes_nothing_that_the_role_lacks(role: Role, kind: LaneKind, counts: bool) -> None:
    ana, ben = together(role)
    ben.frames.append(patched(ben, kind))
    pass_round(ana, ben)
    assert ben.replica.author
    lane = SHARED if kind is LaneKind.SHARED else Lane(kind, ben.replica.author.device.id)
    assert bool(list(ana.replica.accepted(lane))) is counts


def test_a_stranger_with_the_key_writes_nothing() -> None:
    """Holding a key, from wherever, gives no right."""
    ana, ben = together()
    mallory = Person("Mallory").desk(ana.replica.thread)
    for epoch in ben.replica.keyring:
        mallory.replica.learn_key(epoch.key)
    mallory.read(ana.frames)
    mallory.introduce(Person("Mallory"))
    mallory.frames.append(patched(mallory, LaneKind.TIMELINE))
    pass_round(ana, mallory)
    assert ana.shown() == set()


def test_a_device_cannot_write_into_the_lane_of_another() -> None:
    """The lane follows from the signer: to name another device's lane is to be that device."""
    ana, ben = together()
    assert ana.replica.author and ben.replica.author
    frame = forged(ben, ana.timeline, words("forged", 7), device=ana.replica.author.device.id)
    with pytest.raises(errors.PeerFault, match="bad signature"):
        ana.replica.receive(frame)
    assert ana.shown() == set()


@pytest.mark.parametrize("kind", [LaneKind.TIMELINE, LaneKind.SHARED, LaneKind.CONTROL])
def test_only_terminals_have_a_scope(kind: LaneKind) -> None:
    """Else anybody could open lanes of a kind without end, which no cut and no reader knows of."""
    ana, ben = together()
    with pytest.raises(errors.PeerFault, match="bad header"):
        ana.replica.receive(forged(ben, ben.timeline, b"x", kind=kind, scope=b"second"))


def test_a_terminals_output_opens_no_document() -> None:
    ana, ben = together()
    for number in range(50):
        header = {"kind": LaneKind.OUTPUT, "scope": bytes([number])}
        ana.replica.receive(forged(ben, ben.timeline, words("forged", 7), **header))
    assert not [lane for lane in ana.replica.lanes if lane.kind is LaneKind.OUTPUT]


# ---- control


def test_an_editor_cannot_sign_a_control_record() -> None:
    ana, ben = together()
    ben.kept(ben.replica.commit_record(LaneKind.CONTROL, [Grant(CARL.id, Role.EDITOR, "Carl")]))
    ben.kept(ben.replica.commit_record(LaneKind.CONTROL, [Restrict(ANA.id, Role.NONE, ())]))
    ben.kept(ben.replica.commit_record(LaneKind.CONTROL, [Relays(("https://mine.example",))]))
    pass_round(ana, ben)
    for desk in (ana, ben):
        assert desk.replica.membership.members() == {ANA.id: Role.OWNER, BEN.id: Role.EDITOR}
        assert desk.replica.membership.relays == ()


def test_in_the_identity_lane_one_speaks_of_oneself_alone() -> None:
    ana, ben = together(Role.EDITOR, CARL)
    ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [Restrict(CARL.id, Role.NONE, ())]))
    ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [Grant(BEN.id, Role.EDITOR, "Ben")]))
    pass_round(ana, ben)
    assert ana.replica.membership.role(CARL.id) is Role.EDITOR
    assert not ana.replica.membership.limits


def test_whoever_leaves_is_gone() -> None:
    ana, ben = together()
    ben.say("before")
    cuts = ben.replica.cuts([BEN.devices["laptop"].id], stewardship.CONTENT)
    ben.kept(ben.replica.commit_record(LaneKind.IDENTITY, [Restrict(BEN.id, Role.NONE, cuts)]))
    pass_round(ana, ben)
    assert ana.replica.membership.members() == {ANA.id: Role.OWNER}
    assert ana.shown() == {"before"}


def test_the_owner_cannot_be_restricted() -> None:
    ana, _ = together()
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Restrict(ANA.id, Role.NONE, ())]))
    assert ana.replica.role() is Role.OWNER and not ana.replica.membership.limits


def test_a_revocation_without_the_entry_in_the_devices_log_is_void() -> None:
    ana, ben = together()
    ben.say("here")
    pass_round(ana, ben)
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [RevokeDevice(BEN.devices["laptop"].id, ())]))
    assert not ana.replica.membership.limits and not ana.replica.stale


# ---- given and taken at once


def two_desks_of_ana() -> tuple[Desk, Desk, Desk]:
    ana_twice = Person("Ana twice")
    ana_twice.add("phone")
    laptop = ana_twice.found()
    invite(laptop, BEN)
    phone, ben = ana_twice.desk(laptop.replica.thread, "phone"), BEN.desk(laptop.replica.thread)
    pass_round(laptop, phone, ben)
    return laptop, phone, ben


def test_a_removal_wins_over_a_grant_that_does_not_know_of_it() -> None:
    """Two of the owner's devices fork: remove against add."""
    laptop, phone, ben = two_desks_of_ana()
    restrict(laptop, BEN)
    invite(phone, BEN, role=Role.EDITOR)
    pass_round(laptop, phone, ben)
    assert laptop.replica.membership.role(BEN.id) is Role.NONE
    assert_order_plays_no_part(laptop)


def test_a_demotion_caps_a_grant_that_does_not_know_of_it() -> None:
    laptop, phone, _ = two_desks_of_ana()
    restrict(laptop, BEN, Role.COMMENTER)
    invite(phone, BEN, role=Role.EDITOR)
    pass_round(laptop, phone)
    assert laptop.replica.membership.role(BEN.id) is Role.COMMENTER
    assert_order_plays_no_part(laptop)


def test_of_two_restrictions_at_once_the_lower_counts() -> None:
    laptop, phone, _ = two_desks_of_ana()
    restrict(laptop, BEN, Role.VIEWER)
    restrict(phone, BEN, Role.COMMENTER)
    pass_round(laptop, phone)
    assert laptop.replica.membership.role(BEN.id) is Role.VIEWER
    invite(laptop, BEN, role=Role.EDITOR)
    assert laptop.replica.membership.role(BEN.id) is Role.EDITOR


def test_a_removal_that_one_of_two_regrants_knew_leaves_that_regrant() -> None:
    laptop, phone, _ = two_desks_of_ana()
    restrict(laptop, BEN)
    invite(phone, BEN, role=Role.EDITOR)  # in ignorance: void
    invite(laptop, BEN, role=Role.COMMENTER)  # knowing it: stands
    pass_round(laptop, phone)
    assert laptop.replica.membership.role(BEN.id) is Role.COMMENTER
    assert_order_plays_no_part(laptop)


def test_a_demoted_editor_still_comments_and_types_no_more() -> None:
    ana, ben = together()
    type_text(ben, lambda text: text.insert(0, "mine"))
    pass_round(ana, ben)
    restrict(ana, BEN, Role.COMMENTER)
    pass_round(ana, ben)
    assert ben.replica.author and ben.replica.role() is Role.COMMENTER
    comments = Lane(LaneKind.COMMENTS, ben.replica.author.device.id)
    assert ben.replica.commit(comments, lambda doc: doc.get("c", type=pycrdt.Map).__setitem__("1", "well"))
    with pytest.raises(errors.OpenSeshError):
        type_text(ben, lambda text: text.insert(0, "again"))


# ---- equivocation in control


def test_an_owners_device_that_forks_its_control_lane_gives_nothing_any_more_and_still_takes() -> None:
    laptop, phone, _ = two_desks_of_ana()
    header = phone.replica._writer().record(LaneKind.CONTROL, phone.replica.writing_epoch(), b"")  # twice one position
    grants = [Record((Grant(CARL.id, Role.EDITOR, name),)) for name in ("once", "twice")]
    frames = [frame_of(phone, header, codec.encode(grant)) for grant in grants]
    laptop.read(frames)
    phone.read(frames)
    assert laptop.replica.membership.role(CARL.id) is Role.NONE
    invite(phone, CARL)
    restrict(phone, BEN)
    pass_round(laptop, phone)
    assert laptop.replica.membership.role(CARL.id) is Role.NONE
    assert laptop.replica.membership.role(BEN.id) is Role.NONE
    invite(laptop, CARL)
    assert laptop.replica.membership.role(CARL.id) is Role.EDITOR
    assert_order_plays_no_part(laptop)


# ---- forms


def test_a_forged_log_entry_in_a_record_is_passed_over_and_the_rest_of_it_counts() -> None:
    ana, _ = together()
    good = CARL.entries[0]
    forged_entry = msgspec.structs.replace(good, signature=bytes(64))
    ana.kept(ana.replica.commit_record(LaneKind.CONTROL, [Devices((forged_entry,)), Grant(CARL.id, 1, "Carl")]))
    assert ana.replica.membership.role(CARL.id) is Role.VIEWER
    assert not ana.replica.membership.logs.get(CARL.id)


def test_a_second_genesis_is_refused() -> None:
    ana, ben = together()
    header = ben.replica._writer().record(LaneKind.CONTROL, ben.replica.writing_epoch(), b"")
    mine = Genesis(BEN.id, "thread", bytes(32), bytes(32), 0)
    root = msgspec.structs.replace(header, heads=(), seen=())
    for actions in ((mine,), (Grant(BEN.id, 3, "Ben"),)):
        with pytest.raises(errors.PeerFault, match="bad genesis"):
            ana.replica.receive(frame_of(ben, root, codec.encode(Record(actions))))
    with pytest.raises(errors.PeerFault, match="bad genesis"):
        ana.replica.receive(frame_of(ben, header, codec.encode(Record((mine,)))))


def test_the_genesis_signed_once_more_by_somebody_else_gives_them_nothing() -> None:
    """Its hash is the thread's id, whoever repeats it; what else the record says is theirs."""
    ana, ben = together()
    genesis = ana.replica.membership.genesis
    assert genesis
    header = ben.replica._writer().record(LaneKind.CONTROL, ben.replica.writing_epoch(), b"")
    again = Record((genesis, *stewardship.introduction(BEN.entries), Grant(BEN.id, Role.EDITOR, "Ben")))
    ana.read([frame_of(ben, msgspec.structs.replace(header, heads=(), seen=()), codec.encode(again))])
    assert ana.replica.membership.owner == ANA.id
    assert [grant.role for grant in ana.replica.membership.grants] == [Role.EDITOR]
    assert_order_plays_no_part(ana)


def test_a_viewer_who_colludes_with_the_relay_inserts_nothing() -> None:
    """Frames of the viewer's own making, under every key of the thread, in everybody's name and in their own."""
    ana, ben = together(Role.VIEWER, CARL)
    assert ana.replica.author
    for device in (ana.replica.author.device.id, CARL.devices["laptop"].id):
        with pytest.raises(errors.PeerFault, match="bad signature"):
            ana.replica.receive(forged(ben, ben.timeline, words("forged", 7), device=device))
    for epoch in ben.replica.keyring:
        header = msgspec.structs.replace(ben.replica.next_header(ben.timeline), epoch=epoch.id)
        ana.replica.receive(frame_of(ben, header, words("forged", 7)))
    assert ana.shown() == set()


def test_a_device_in_two_logs_belongs_to_one_of_them_for_everybody() -> None:
    first, second = sorted([Person("One"), Person("Two")], key=lambda person: person.id)
    shared = first.devices["laptop"]
    consent = shared.signing.sign("device-consent", consent_bytes(second.id, shared.agreement.public))
    second.log(ADD, second.root.signing, shared.id, shared.agreement.public, consent=consent)
    ana = ANA.found()
    invite(ana, second, first)
    assert ana.replica.membership.identity_of[shared.id] == first.id
    assert_order_plays_no_part(ana)
