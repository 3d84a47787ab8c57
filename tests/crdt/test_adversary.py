"""Every attack of the protocol's list that concerns the core, seen by three: one who was there before it, one who was
offline meanwhile, one who joins after it. They have to agree, whatever comes of it."""

from collections.abc import Callable

import msgspec
import pytest

from crdt import codec, inviting, keys, stewardship
from crdt.envelope import Envelope
from crdt.epochs import Epoch
from crdt.frames import make_outside, seal_frame
from crdt.identity import REVOKE
from crdt.ids import DeviceId
from crdt.invites import InviteKeys
from crdt.lane import client_id
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import (
    Accept,
    Admit,
    Cut,
    Devices,
    Genesis,
    Grant,
    Invite,
    NewEpoch,
    Offer,
    Record,
    Relays,
    Restrict,
    RevokeDevice,
    Settle,
    offer_bytes,
)
from crdt.replica import Replica
from tests.adversary import LIES, LyingRelay, Mallory, Scene, digest, forged_words, hear
from tests.crdt.fuzz_updates import STRING, block, string, uint, update
from tests.crdt.people import Desk, Person
from tests.crdt.world import SHARED, frame_of, invite, rebuilt, restrict, settle, shuffled, state, type_text

CONTENT = (LaneKind.TIMELINE, LaneKind.DECISIONS, LaneKind.COMMENTS, LaneKind.SHARED, LaneKind.OUTPUT)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_scene_itself_is_one_in_which_honest_work_counts(scene: Scene) -> None:
    """Else nothing below would tell anything: the same forger's words count while their author may write."""
    ben = scene.mallory("Ben")
    scene.attack(ben.write(LaneKind.TIMELINE), ben.write(LaneKind.SHARED))
    found = scene.verdict()
    assert scene.shown(found) == {"said by Ana", "said by Ben", "forged"} and scene.draft(found) == "forged"


# ---- rights


@pytest.mark.parametrize("kind", CONTENT, ids=lambda kind: kind.name.lower())
def test_a_viewer_writes_content(scene: Scene, kind: LaneKind) -> None:
    vera = scene.mallory("Vera")
    scene.attack(vera.write(kind), vera.write(kind, heads=(scene.ana.replica.graph.nodes[0].id,)))
    scene.comes_to_nothing()


@pytest.mark.parametrize("kind", [kind for kind in CONTENT if kind is not LaneKind.COMMENTS], ids=lambda k: k.name)
def test_a_commenter_writes_content(scene: Scene, kind: LaneKind) -> None:
    scene.attack(scene.mallory("Cora").write(kind))
    scene.comes_to_nothing()


def test_a_commenter_deletes_anothers_comment(scene: Scene) -> None:
    ben = scene.mallory("Ben")
    comment = ben.write(LaneKind.COMMENTS, session=bytes(16))
    scene.ana.read([comment])
    scene.meet()
    cora = scene.mallory("Cora")
    bens = client_id(scene.thread, Lane(LaneKind.COMMENTS, ben.keys.id), ben.keys.id, bytes(16))
    deleting = cora.write(LaneKind.COMMENTS, update([], [(bens, [(0, 1)])]), seen=(cora.read(comment).id,))
    in_bens_lane = cora.write(LaneKind.COMMENTS, device=ben.keys.id)  # signed by her, in his name
    scene.attack(deleting, in_bens_lane)
    scene.comes_to_nothing()


@pytest.mark.parametrize("who", ["Ben", "Cora", "Vera"])
def test_a_member_signs_a_control_record(scene: Scene, who: str) -> None:
    mallory, accomplice = scene.mallory(who), Person("Accomplice")
    genesis = scene.ana.replica.membership.genesis
    assert genesis is not None
    scene.attack(
        mallory.record(LaneKind.CONTROL, Grant(mallory.person.id, Role.EDITOR, "me"), Devices(())),
        mallory.record(LaneKind.CONTROL, Grant(accomplice.id, Role.EDITOR, "a friend")),
        mallory.record(LaneKind.CONTROL, Restrict(scene.people["Carl"].id, Role.NONE, ())),
        mallory.record(LaneKind.CONTROL, Relays(("wss://evil.example",))),
        mallory.record(LaneKind.CONTROL, Invite(bytes(32), Role.EDITOR, 0, 9, False, "")),
        mallory.record(LaneKind.IDENTITY, Grant(mallory.person.id, Role.EDITOR, "me")),
        mallory.record(LaneKind.IDENTITY, Restrict(scene.people["Carl"].id, Role.NONE, ())),
        mallory.record(LaneKind.IDENTITY, RevokeDevice(scene.people["Carl"].devices["laptop"].id, ())),
        mallory.record(LaneKind.CONTROL, msgspec.structs.replace(genesis, owner=mallory.person.id), heads=()),
        mallory.record(LaneKind.CONTROL, genesis, heads=()),
    )
    scene.comes_to_nothing()
    assert scene.before.replica.membership.relays == ()


def test_a_stranger_whom_a_viewer_gave_the_key_writes(scene: Scene) -> None:
    """The viewer and the relay collude: a key to read never is a right to write."""
    vera, stranger = scene.mallory("Vera"), Person("Stranger")
    outsider = Mallory(stranger, vera.desk)
    scene.attack(
        outsider.record(LaneKind.IDENTITY, *stewardship.introduction(stranger.entries)),
        *(outsider.write(kind) for kind in CONTENT),
        outsider.record(LaneKind.CONTROL, Grant(stranger.id, Role.EDITOR, "Stranger")),
    )
    scene.comes_to_nothing()


def test_one_device_writes_under_anothers_name(scene: Scene) -> None:
    """Signed with the own key, the header names somebody else's device; or their session, or their client id."""
    ben = scene.mallory("Ben")
    anas = scene.people["Ana"].devices["laptop"].id
    ana = scene.ana.replica.author
    assert ana is not None
    client = client_id(scene.thread, SHARED, anas, ana.session)
    scene.attack(
        ben.write(LaneKind.TIMELINE, device=anas),
        ben.write(LaneKind.SHARED, device=anas),
        ben.record(LaneKind.CONTROL, Grant(ben.person.id, Role.OWNER - 1, "me"), device=anas),
        ben.write(LaneKind.SHARED, forged_words(client, 0, SHARED)),
    )
    scene.comes_to_nothing()


# ---- removal


def removed(scene: Scene) -> Mallory:
    """Ben, removed, with everything he ever had: the removal he may know or not, as he likes."""
    ben = scene.mallory("Ben")
    restrict(scene.ana, scene.people["Ben"])
    scene.meet()
    return ben


Backdating = Callable[[Scene, Mallory], dict[str, object]]


def first_record(scene: Scene, ben: Mallory) -> dict[str, object]:
    return {"heads": (scene.ana.replica.graph.nodes[1].id,)}


def old_chain(scene: Scene, ben: Mallory) -> dict[str, object]:
    last = max((link for link in scene.ana.replica.chains if link.header.device == ben.keys.id), key=lambda x: x.id)
    return {"session": last.header.session, "sequence": last.header.sequence + 1, "previous": last.id}


def oldest_key(scene: Scene, ben: Mallory) -> dict[str, object]:
    return {"epoch": next(iter(ben.desk.replica.keyring)).id}


def named_tips(scene: Scene, ben: Mallory) -> dict[str, object]:
    return {"seen": tuple(link.id for link in scene.ana.replica.chains)[:8]}


BACKDATED: list[Backdating] = [lambda scene, ben: {}, first_record, old_chain, oldest_key, named_tips]


@pytest.mark.parametrize("how", BACKDATED, ids=["heads", "first record", "old chain", "oldest key", "named tips"])
@pytest.mark.parametrize("kind", CONTENT, ids=lambda kind: kind.name.lower())
def test_a_removed_editor_backdates(scene: Scene, kind: LaneKind, how: Backdating) -> None:
    ben = removed(scene)
    changes = how(scene, ben)
    if how is old_chain and kind is not LaneKind.TIMELINE:
        changes = {"session": changes["session"]}
    scene.attack(ben.write(kind, **changes))
    scene.comes_to_nothing()


def test_a_removed_editor_comes_back_on_a_fresh_device(scene: Scene) -> None:
    ben = removed(scene)
    ben.person.add("phone")
    phone = Mallory(ben.person, ben.desk, "phone")
    scene.attack(
        phone.record(LaneKind.IDENTITY, *stewardship.introduction(ben.person.entries)),
        *(phone.write(kind) for kind in CONTENT),
        *(phone.write(kind, heads=(phone.desk.replica.graph.nodes[2].id,)) for kind in CONTENT),
    )
    scene.comes_to_nothing()


def test_a_removed_editor_takes_part_in_governance_with_old_heads(scene: Scene) -> None:
    ben = removed(scene)
    scene.attack(
        ben.record(LaneKind.CONTROL, Grant(ben.person.id, Role.EDITOR, "me again")),
        ben.record(LaneKind.CONTROL, Settle(scene.ana.replica.graph.nodes[-1].id, ())),
        ben.record(LaneKind.IDENTITY, Restrict(ben.person.id, Role.EDITOR, ())),
    )
    found = scene.verdict()
    assert ben.person.id not in found["members"] and scene.people["Carl"].id in found["members"]


@pytest.mark.parametrize("seed", range(6))
def test_a_removal_meets_the_victims_offline_edits_in_all_orders(scene: Scene, seed: int) -> None:
    type_text(scene.ben, lambda text: text.insert(0, "kept "))
    scene.meet(scene.ana, scene.ben)
    restrict(scene.ana, scene.people["Ben"])
    late = [scene.ben.say("offline"), type_text(scene.ben, lambda text: text.insert(0, "lost "))]
    scene.attack(*shuffled(late, seed))
    found = scene.verdict()
    assert scene.draft(found) == "kept " and "offline" not in scene.shown(found)


def test_an_honest_edit_stands_on_a_cut_off_one_and_falls_with_the_settlement(scene: Scene) -> None:
    beer = type_text(scene.ben, lambda text: text.insert(0, "beer"))
    hear(scene.carl, [beer])
    wine = type_text(scene.carl, lambda text: text.insert(4, " and wine"))
    restrict(scene.ana, scene.people["Ben"])
    scene.attack(beer, wine)
    assert scene.draft(scene.verdict()) == "beer and wine"
    again = Scene()
    beer = type_text(again.ben, lambda text: text.insert(0, "beer"))
    hear(again.carl, [beer])
    wine = type_text(again.carl, lambda text: text.insert(4, " and wine"))
    restrict(again.ana, again.people["Ben"])
    settle(again.ana)
    again.attack(beer, wine)
    assert again.draft(again.verdict()) == ""


def test_an_accomplice_endorses_after_the_settlement(scene: Scene) -> None:
    ben, carl = scene.mallory("Ben"), scene.mallory("Carl")
    restrict(scene.ana, ben.person)
    settle(scene.ana)
    scene.meet()
    bens = ben.write(LaneKind.SHARED)
    names = (ben.read(bens).id,)
    scene.attack(
        bens,
        carl.write(LaneKind.SHARED, seen=names),
        carl.write(LaneKind.SHARED, seen=names, heads=(scene.ana.replica.graph.nodes[3].id,)),
        carl.write(LaneKind.TIMELINE, seen=names),
    )
    found = scene.verdict()
    assert scene.draft(found) == "" and not found["carried"]


def test_an_accomplice_settles(scene: Scene) -> None:
    ben, carl = scene.mallory("Ben"), scene.mallory("Carl")
    record = scene.ana.kept(
        scene.ana.replica.commit_record(
            LaneKind.CONTROL, stewardship.restriction(scene.ana.replica, ben.person.id, Role.NONE)
        )
    )
    scene.meet()
    hear(carl.desk, [record])
    bens = ben.write(LaneKind.SHARED)
    cut = Cut(LaneKind.SHARED, b"", ben.keys.id, (ben.read(bens).id,))
    action = Settle(carl.read(record).id, (cut,))
    scene.attack(bens, carl.record(LaneKind.CONTROL, action), carl.record(LaneKind.IDENTITY, action))
    found = scene.verdict()
    assert scene.draft(found) == "" and not found["settled"]


def test_a_regranted_editor_goes_on_in_the_old_session(scene: Scene) -> None:
    ben = removed(scene)
    invite(scene.ana, ben.person)
    scene.meet()
    knowing = scene.mallory("Ben")
    before = old_chain(scene, ben)
    scene.attack(ben.write(LaneKind.TIMELINE, **before), knowing.write(LaneKind.TIMELINE, **before))
    scene.comes_to_nothing()
    assert scene.ana.replica.membership.role(ben.person.id) is Role.EDITOR


def test_a_demotion_in_mid_stream_cuts_what_the_new_role_lacks(scene: Scene) -> None:
    ben = scene.mallory("Ben")
    restrict(scene.ana, ben.person, Role.COMMENTER)
    scene.meet()
    kept = ben.write(LaneKind.COMMENTS)
    scene.attack(ben.write(LaneKind.TIMELINE), ben.write(LaneKind.SHARED), kept)
    found = scene.verdict()
    assert scene.shown(found) == {"said by Ana", "said by Ben"} and scene.draft(found) == ""
    assert found["accepted"][Lane(LaneKind.COMMENTS, ben.keys.id)] == {ben.read(kept).id}


# ---- owners and devices


def test_two_owner_devices_fork_remove_against_add(scene: Scene) -> None:
    removing = restrict(scene.ana, scene.people["Ben"])
    adding = invite(scene.phone, scene.people["Ben"])
    scene.attack(adding, removing)
    scene.meet()
    found = scene.verdict()
    assert scene.people["Ben"].id not in found["members"]


def test_two_owner_devices_fork_epoch_against_epoch(scene: Scene) -> None:
    for desk in (scene.ana, scene.phone):
        assert desk.replica.author
        readers = stewardship.readers(desk.replica.membership)
        desk.kept(stewardship.rotate(desk.replica, desk.replica.author, readers))
    scene.meet()
    assert scene.ana.replica.writing_epoch().id == scene.phone.replica.writing_epoch().id
    scene.verdict()


def test_a_junior_thief_revokes_seniors(scene: Scene) -> None:
    """The owner's stolen phone: it enters the laptop's end in the log, in the thread, and lets its friends in."""
    owner, thief = scene.people["Ana"], scene.mallory("Ana", "phone")
    entries = list(owner.entries)
    owner.revoke("laptop", by="phone")
    made_up, owner.entries = owner.entries[-1], entries
    laptop = owner.devices["laptop"].id
    scene.attack(thief.record(LaneKind.CONTROL, Devices((made_up,)), RevokeDevice(laptop, ())))
    scene.comes_to_nothing()


def test_a_senior_thief_falls_to_the_words(scene: Scene) -> None:
    owner, thief = scene.people["Ana"], scene.mallory("Ana", "laptop")
    owner.log(REVOKE, owner.root.signing, owner.devices["laptop"].id)
    phone = scene.phone
    assert phone.replica.author
    actions = stewardship.revocation(phone.replica, DeviceId(owner.devices["laptop"].id), owner.entries)
    readers = stewardship.readers(phone.replica.membership)
    phone.kept(stewardship.rotate(phone.replica, phone.replica.author, readers, actions))
    accomplice = Person("Accomplice")
    thiefs = [
        thief.record(LaneKind.CONTROL, Grant(accomplice.id, Role.EDITOR, "a friend")),
        thief.record(LaneKind.CONTROL, Restrict(scene.people["Ben"].id, Role.NONE, ())),
        thief.write(LaneKind.TIMELINE),
        thief.write(LaneKind.SHARED),
    ]
    scene.meet(phone, scene.carl)
    scene.ana = phone  # who lets the newcomer in
    scene.attack(*thiefs)
    found = scene.verdict()
    assert accomplice.id not in found["members"] and scene.people["Ben"].id in found["members"]
    assert "forged" not in scene.shown(found) and scene.draft(found) == ""


def test_a_stolen_device_writes_after_weeks_offline(scene: Scene) -> None:
    owner, thief = scene.people["Ana"], scene.mallory("Ana", "phone")
    owner.revoke("phone")
    ana = scene.ana
    assert ana.replica.author
    actions = stewardship.revocation(ana.replica, DeviceId(owner.devices["phone"].id), owner.entries)
    ana.kept(stewardship.rotate(ana.replica, ana.replica.author, stewardship.readers(ana.replica.membership), actions))
    scene.meet(scene.ana, scene.ben)
    scene.attack(
        *(thief.write(kind) for kind in CONTENT),
        thief.record(LaneKind.CONTROL, Grant(Person("Accomplice").id, Role.EDITOR, "a friend")),
        thief.record(LaneKind.CONTROL, Restrict(scene.people["Ben"].id, Role.NONE, ())),
        thief.record(LaneKind.CONTROL, Settle(scene.ana.replica.graph.nodes[-1].id, ())),
    )
    scene.comes_to_nothing()
    ana.say("still here")
    assert "still here" in ana.shown()


def test_a_made_up_transfer_makes_nobody_owner(scene: Scene) -> None:
    ben = scene.mallory("Ben")
    signed = ben.person.root.signing.sign("transfer", offer_bytes(scene.thread, ben.person.id, b""))
    offered = ben.record(LaneKind.CONTROL, Offer(ben.person.id, signed, b"", 0, b""))
    hear(ben.desk, [offered])
    scene.attack(offered, ben.record(LaneKind.CONTROL, Accept(ben.read(offered).id, ())))
    scene.comes_to_nothing()


# ---- links


def test_a_member_admits_by_a_link_they_came_by(scene: Scene) -> None:
    assert scene.ana.replica.author
    commit, link = inviting.offer_invite(scene.ana.replica, scene.ana.replica.author, Role.EDITOR, uses=9)
    scene.ana.kept(commit)
    scene.meet()
    ben, friend = scene.mallory("Ben"), Person("Friend")
    key = InviteKeys.from_secret(link.secret).id
    scene.attack(
        ben.record(
            LaneKind.CONTROL,
            Admit(key, bytes(32), friend.id, bytes(32), "Friend"),
            *stewardship.introduction(friend.entries),
        ),
        ben.record(LaneKind.CONTROL, Admit(key, bytes(32), ben.person.id, bytes(32), "Ben")),
    )
    scene.comes_to_nothing()


def test_a_withdrawn_link_is_used_by_an_owners_device_that_has_not_heard(scene: Scene) -> None:
    assert scene.ana.replica.author
    commit, link = inviting.offer_invite(scene.ana.replica, scene.ana.replica.author, Role.EDITOR)
    scene.ana.kept(commit)
    scene.meet()
    friend, key = Person("Friend"), InviteKeys.from_secret(link.secret).id
    phone = scene.mallory("Ana", "phone")
    scene.ana.kept(inviting.withdraw_invite(scene.ana.replica, key))
    late = Admit(key, bytes(32), friend.id, bytes(32), "Friend")
    scene.attack(phone.record(LaneKind.CONTROL, late, *stewardship.introduction(friend.entries)))
    assert friend.id not in scene.verdict()["members"]


# ---- keys


def test_a_key_that_does_not_fit_its_commitment_opens_nothing(scene: Scene) -> None:
    ben = scene.mallory("Ben")
    epoch = ben.epoch()
    readers = stewardship.readers(scene.ana.replica.membership)
    outside = make_outside(epoch, readers, [], [])
    header = ben.header(LaneKind.CONTROL, outside=keys.digest("outside", outside))
    record = codec.encode(Record((NewEpoch(bytes(32), 1, ()),)))
    scene.attack(ben.sign(header, record, outside))
    scene.comes_to_nothing()


def test_a_members_own_epoch_is_never_written_with(scene: Scene) -> None:
    """Made deeper than the owner's; whoever knows it reads nothing more by it."""
    ben = scene.mallory("Ben")
    mine = bytes(range(32))
    made = Epoch.from_key(mine, scene.thread)
    scene.attack(ben.record(LaneKind.CONTROL, NewEpoch(made.id, 1, ())))
    scene.comes_to_nothing()
    assert scene.ana.replica.writing_epoch().id != made.id


def test_the_removed_open_nothing_that_is_written_from_then_on(scene: Scene) -> None:
    ben = removed(scene)
    secret = scene.ana.say("secret")
    everything = [*scene.ana.frames]
    hear(ben.desk, everything)
    assert not ben.desk.replica.keyring.tagged(secret[1:9])
    assert "secret" in scene.shown(scene.verdict())


# ---- two things at one position


def test_a_copy_with_a_broken_signature_harms_nothing(scene: Scene) -> None:
    good = scene.ben.say("good")
    ben = scene.mallory("Ben")
    whole = ben.read(good)
    broken = Envelope(whole.id, whole.header, whole.header_bytes, bytes(64), whole.body)
    scene.attack(seal_frame(broken, ben.epoch(whole.header.epoch)))
    scene.meet()
    assert "good" in scene.shown(scene.verdict())


def test_a_second_branch_signed_months_later_erases_nothing_that_was_answered(scene: Scene) -> None:
    scene.ben.say("what Ana answers")
    scene.meet()
    scene.ana.say("the answer")
    scene.meet()
    ben = scene.mallory("Ben")
    chain = [link for link in scene.ana.replica.chains if link.header.device == ben.keys.id]
    first = min(chain, key=lambda link: link.header.sequence)
    header = first.header
    scene.attack(
        ben.write(LaneKind.TIMELINE, session=header.session),
        ben.write(LaneKind.TIMELINE, session=header.session, sequence=1, previous=first.id),
    )
    assert scene.shown(scene.verdict()) >= {"said by Ben", "what Ana answers", "the answer"}


def test_an_equivocator_harms_nobodys_work_but_their_own(scene: Scene) -> None:
    ben = scene.mallory("Ben")
    common = ben.write(LaneKind.SHARED, session=bytes(16))
    previous = {"session": bytes(16), "sequence": 1, "previous": ben.read(common).id}
    scene.attack(common)
    type_text(scene.carl, lambda text: text.insert(0, "Carl's "))
    scene.meet()

    def body(client: int) -> bytes:
        return update([(client, 6, [block(STRING, string("more"), left=(client, 5))])])

    scene.attack(*(ben.write(LaneKind.SHARED, body, **previous, seen=()) for _ in range(3)))
    found = scene.verdict()
    assert "Carl's " in scene.draft(found) and "forged" in scene.draft(found)


# ---- updates


def hostile_updates(scene: Scene) -> dict[str, Callable[[int], bytes]]:
    ana = scene.ana.replica.author
    assert ana is not None
    anas = client_id(scene.thread, SHARED, ana.device.id, ana.session)
    return {
        "foreign client id": lambda own: forged_words(anas, 6, SHARED),
        "clock jump": lambda own: forged_words(own, 5, SHARED),
        "skip block": lambda own: uint(1) + uint(1) + uint(own) + uint(0) + b"\x0a" + uint(3) + uint(0),
        "delete ahead": lambda own: update([], [(anas, [(3, 2000)])]),
        "delete what was not seen": lambda own: update([], [(anas, [(0, 1)])]),
        "huge delete set": lambda own: update([], [(anas, [(2 * n, 1) for n in range(9_000)])]),
        "builds on itself": lambda own: update([(own, 0, [block(STRING, string("x"), left=(own, 0))])]),
        "text in a map": lambda own: update([(own, 0, [block(STRING, string("x"), root="meta", key="t")])]),
        "cut off": lambda own: forged_words(own, 0, SHARED)[:-2],
        "nothing": lambda own: b"",
        "noise": lambda own: bytes(range(256)),
    }


@pytest.mark.parametrize("name", list(hostile_updates(Scene())))
def test_a_hostile_update_of_an_editor_is_refused(scene: Scene, name: str) -> None:
    type_text(scene.ana, lambda text: text.insert(0, "Ana's"))
    scene.meet()
    ben = scene.mallory("Ben")
    first = ben.write(LaneKind.SHARED, hostile_updates(scene)[name], session=bytes(16))
    after = ben.write(LaneKind.SHARED, session=bytes(16), sequence=1, previous=ben.read(first).id)
    scene.attack(first, after)
    found = scene.verdict()
    assert scene.draft(found) == "Ana's"
    type_text(scene.carl, lambda text: text.insert(0, "Carl's, "))
    scene.meet()
    assert str(scene.draft(state(rebuilt(scene.before.replica, scene.before.frames)))) == "Carl's, Ana's"


def test_an_overlap_of_ones_own_clocks_is_refused(scene: Scene) -> None:
    ben = scene.mallory("Ben")
    good = ben.write(LaneKind.SHARED, session=bytes(16))
    again = ben.write(LaneKind.SHARED, session=bytes(16), sequence=1, previous=ben.read(good).id)
    scene.attack(good, again)
    assert scene.draft(scene.verdict()) == "forged"


# ---- headers


def test_no_made_up_header_lets_anything_in(scene: Scene) -> None:
    vera = scene.mallory("Vera")
    known = scene.ana.replica.graph.nodes[0].id
    scene.attack(
        vera.write(LaneKind.TIMELINE, heads=()),
        vera.write(LaneKind.TIMELINE, heads=(bytes(32),)),
        vera.write(LaneKind.TIMELINE, heads=(known,) * 8),
        vera.write(LaneKind.TIMELINE, sequence=2**53, previous=bytes(32)),
        vera.write(LaneKind.TIMELINE, sequence=1, previous=known),
        vera.write(LaneKind.SHARED, seen=(bytes(32),) * 64),
        vera.write(LaneKind.OUTPUT, scope=b"tty1"),
        vera.record(LaneKind.IDENTITY, Restrict(vera.person.id, Role.VIEWER, ()), seen=(bytes(32),)),
        vera.write(LaneKind.CONTROL, b"\x90"),
    )
    scene.comes_to_nothing()


def test_every_garbled_frame_is_refused_by_name_and_the_next_one_is_taken(scene: Scene) -> None:
    ben = scene.mallory("Ben")
    frame = ben.write(LaneKind.TIMELINE)
    garbled = [frame[:n] for n in range(0, len(frame), 7)] + [b"", b"\0" * 100, bytes(600_000), frame + b"\0"]
    assert hear(scene.before, garbled) and not scene.before.replica.has(ben.read(frame).id)
    scene.attack(*garbled)
    scene.comes_to_nothing()


# ---- the relay


def lived_through(seed: int) -> tuple[Scene, LyingRelay]:
    """An hour of a thread with a removal, a return, and a forger's work, all of it published."""
    scene = Scene()
    relay = LyingRelay(seed)
    other = Person("Somebody else").found()
    relay.others += [other.say(f"{number}") for number in range(4)] + other.frames
    type_text(scene.carl, lambda text: text.insert(0, "Carl's "))
    scene.meet()
    ben = removed(scene)
    scene.carl.say("after the removal")
    scene.meet()
    invite(scene.ana, scene.people["Ben"])
    scene.meet()
    vera = scene.mallory("Vera")
    scene.attack(ben.write(LaneKind.TIMELINE), ben.write(LaneKind.SHARED), vera.write(LaneKind.SHARED))
    relay.publish([*scene.ana.frames, *scene.hostile])
    return scene, relay


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("seed", range(3))
def test_a_relay_lies(lie: str, seed: int) -> None:
    """Whatever it leaves out: what is shown is what those frames come to that came whole, in any order; and as soon
    as the rest comes by another way, all is well."""
    scene, relay = lived_through(seed)
    for name in ("Dora", "Emil", "Carl"):
        desk = scene.people[name].desk(scene.thread, session=77)
        for _ in range(2):
            hear(desk, relay.lies(lie))
        came = [frame for frame in dict.fromkeys(desk.frames) if frame in relay.log]  # all else was refused, or waits
        shown = rebuilt(desk.replica, came) if desk.replica.stale else desk.replica
        assert digest(shown) == digest(rebuilt(desk.replica, shuffled(came, seed)))
        hear(desk, relay.log)
        healed = rebuilt(desk.replica, desk.frames) if desk.replica.stale else desk.replica
        assert digest(healed) == digest(rebuilt(scene.ana.replica, relay.log))


def test_a_relay_inserts_nobody_and_revives_no_link(scene: Scene) -> None:
    """It has every frame there is, and made-up ones; no key."""
    relay = LyingRelay(1, list(scene.ana.frames))
    stranger = Person("Stranger")
    found = stranger.found()
    relay.publish([found.say("hello"), *found.frames])
    headless = [frame[:1] + scene.ana.frames[0][1:25] + frame[25:] for frame in found.frames]
    scene.attack(*(frame for frame in relay.log if frame not in scene.ana.frames), *headless)
    scene.comes_to_nothing()


def test_frames_of_a_thread_with_the_same_people_do_not_open_in_this_one(scene: Scene) -> None:
    other = scene.people["Ana"].desk(scene.thread).replica
    assert isinstance(other, Replica)
    ana = scene.people["Ana"]
    second = Desk(*_second_thread(ana))
    invite(second, scene.people["Ben"], scene.people["Dora"])
    second.say("in another thread")
    header = msgspec.structs.replace(second.replica.next_header(second.timeline), thread=scene.thread)
    crossed = frame_of(second, header, b"\0\0")
    scene.attack(*second.frames, crossed)
    scene.comes_to_nothing()


def _second_thread(person: Person) -> tuple[Replica, list[bytes]]:
    birth = stewardship.Birth("thread", bytes(32), (), person.entries, [person.identity_key.public], 0, b"\1" * 32)
    replica, commit = stewardship.found(person.author("laptop", 3), [person.identity_key], birth)
    assert isinstance(replica.membership.genesis, Genesis)
    return replica, [commit.frame]
