"""One lane's document: whose blocks may stand in it, what a local change is, and a native library that fails."""

from collections.abc import Callable
from typing import Any

import pycrdt
import pytest

from crdt import errors, lane
from crdt.ids import ThreadId
from crdt.lane import client_id
from crdt.permissions import Lane, LaneKind, Role
from crdt.replica import Replica
from tests.crdt.fuzz_updates import ANY, STRING, block, state, string, update
from tests.crdt.people import Desk, Person
from tests.crdt.world import (
    SHARED,
    assert_order_plays_no_part,
    draft,
    envelope_of,
    forged,
    gather,
    pass_round,
    rebuilt,
    restrict,
    settle,
    type_text,
)

ANA, BEN, CARL = Person("Ana"), Person("Ben"), Person("Carl")


def together(role: Role = Role.EDITOR) -> list[Desk]:
    return gather(ANA, BEN, CARL, role=role)


def client_of(desk: Desk, where: Lane) -> int:
    author = desk.replica.author
    assert author
    return client_id(desk.replica.thread, where, author.device.id, author.session)


def refused(desk: Desk, frame: bytes) -> list[str]:
    return [why for _, why in desk.replica.receive(frame).refused]


def comments_of(desk: Desk) -> Lane:
    assert desk.replica.author
    return Lane(LaneKind.COMMENTS, desk.replica.author.device.id)


def comment(desk: Desk, name: str) -> bytes:
    where = comments_of(desk)
    return desk.kept(
        desk.replica.commit(where, lambda doc: doc.get("comments", type=pycrdt.Map).__setitem__(name, "said"))
    )


# ---- client ids


def test_no_two_sessions_lanes_devices_or_threads_share_a_client_id() -> None:
    thread, where = ThreadId(b"t" * 32), Lane(LaneKind.TIMELINE, b"d" * 32)
    ids = {
        client_id(thread, where, b"d" * 32, b"s" * 16),
        client_id(thread, where, b"d" * 32, b"x" * 16),
        client_id(thread, where, b"e" * 32, b"s" * 16),
        client_id(thread, Lane(LaneKind.COMMENTS, b"d" * 32), b"d" * 32, b"s" * 16),
        client_id(ThreadId(b"u" * 32), where, b"d" * 32, b"s" * 16),
    }
    assert len(ids) == 5 and max(ids) < 2**53


def test_what_a_device_writes_here_has_the_client_id_of_its_session() -> None:
    ana, ben, _ = together()
    ben.say("x")
    pass_round(ana, ben)
    assert set(state(ana.replica.document(ben.timeline).doc)) == {client_of(ben, ben.timeline)}


# ---- the writer's rule, in a thread


def test_a_commenter_deletes_no_comment_of_another() -> None:
    """Each comments in a lane of their own; a deletion there reaches nobody else's blocks."""
    ana, ben, carl = together(Role.COMMENTER)
    comment(ben, "mine")
    pass_round(ana, ben, carl)
    theirs, own = client_of(ben, comments_of(ben)), client_of(carl, comments_of(carl))
    marker = block(ANY, b"\1\x78", root="comments", key="x")
    attempt = forged(carl, comments_of(carl), update([(own, 0, [marker])], [(theirs, [(0, 1)])]))
    for desk in (ana, ben):
        assert "foreign client" in refused(desk, attempt)[0]
        assert dict(desk.replica.document(comments_of(ben)).doc.get("comments", type=pycrdt.Map)) == {"mine": "said"}


@pytest.mark.parametrize(
    "wrong, why",
    [
        (lambda own, other: update([(other, 0, [block(STRING, string("x"), root="draft")])]), "foreign client"),
        (lambda own, other: update([(own, 5, [block(STRING, string("x"), root="draft")])]), "clock jump"),
        (lambda own, other: update(deleted=[(other, [(0, 1)])]), "delete ahead"),
        (lambda own, other: update([(own, 0, [block(STRING, string("x"), left=(other, 0))])]), "unknown reference"),
        (lambda own, other: update([(own, 0, [block(STRING, string("x"), root="meta")])]), "bad shape"),
        (lambda own, other: b"\xff\xff", "bad update"),
    ],
)
def test_in_the_shared_draft_nobody_touches_what_they_have_not_seen(
    wrong: Callable[[int, int], bytes], why: str
) -> None:
    """Ben's words are here when Carl's update comes; yet Carl's envelope names nothing as seen."""
    ana, ben, carl = together()
    type_text(ben, lambda text: text.insert(0, "words"))
    ana.read(ben.frames[-1:])
    attempt = forged(carl, SHARED, wrong(client_of(carl, SHARED), client_of(ben, SHARED)), seen=())
    assert why in refused(ana, attempt)[0]
    assert draft(ana.replica) == "words"


def test_an_envelope_that_follows_what_is_in_another_lane_waits_for_ever() -> None:
    """Else the clocks of another document would count as seen in this one."""
    ana, ben, carl = together()
    ben.say("in a timeline")
    elsewhere = envelope_of(ben, ben.frames[-1]).id
    ana.read(ben.frames[-1:])
    type_text(carl, lambda text: text.insert(0, "first"))
    own = client_of(carl, SHARED)
    body = update([(own, 5, [block(STRING, string("!"), left=(own, 4))])], [(client_of(ben, ben.timeline), [(0, 1)])])
    ana.read([carl.frames[-1], forged(carl, SHARED, body, seen=(elsewhere,))])
    assert draft(ana.replica) == "first" and len(list(ana.replica.accepted(SHARED))) == 1


def test_a_refused_update_ends_its_chain_there_for_everybody() -> None:
    ana, _, carl = together()
    type_text(carl, lambda text: text.insert(0, "good "))
    own = client_of(carl, SHARED)
    bad = forged(carl, SHARED, b"\xff\xff")
    fitting = update([(own, 5, [block(STRING, string("more"), left=(own, 4))])])
    after = forged(carl, SHARED, fitting, sequence=2, previous=_id(carl, bad))
    ana.read([*carl.frames[-1:], bad, after])
    assert draft(ana.replica) == "good " and not ana.replica.stale
    assert len(list(ana.replica.accepted(SHARED))) == 1
    assert_order_plays_no_part(ana)
    instead = forged(carl, SHARED, fitting)
    carl.read([instead])
    assert draft(carl.replica) == "good more", "the update itself is good"


def _id(desk: Desk, frame: bytes) -> bytes:
    return envelope_of(desk, frame).id


def test_an_honest_edit_on_top_of_a_cut_off_one_waits_and_its_author_goes_on_in_a_new_session() -> None:
    """Once the matter is settled; until then it is carried along, see `test_endorsement`."""
    ana, ben, carl = together()
    type_text(ana, lambda text: text.insert(0, "plan: "))
    pass_round(ana, ben, carl)
    type_text(ben, lambda text: text.insert(len(str(text)), "beer"))
    pass_round(ben, carl)
    type_text(carl, lambda text: text.insert(len(str(text)), " and wine"))
    restrict(ana, BEN)  # without having heard of either
    settle(ana)
    pass_round(ana, ben, carl)
    assert draft(ana.replica) == "plan: "
    assert carl.replica.stale
    again = CARL.desk(ana.replica.thread, session=1)
    with again.replica.loading():
        again.read(carl.frames)
    assert draft(again.replica) == "plan: "
    type_text(again, lambda text: text.insert(len(str(text)), "wine"))
    pass_round(ana, again)
    assert draft(ana.replica) == draft(again.replica) == "plan: wine"
    assert_order_plays_no_part(ana)


# ---- local changes


def test_a_local_change_is_signed_alone_whatever_else_has_come_in() -> None:
    """What comes from others is never signed again by whoever applied it."""
    ana, ben, _ = together()
    type_text(ben, lambda text: text.insert(0, "ben's"))
    pass_round(ana, ben)
    commit = ana.replica.commit(SHARED, lambda doc: doc.get("draft", type=pycrdt.Text).insert(0, "ana's "))
    assert commit and commit.receipt.envelope
    link = ana.replica.chains.get(commit.receipt.envelope.id)
    assert link and link.clock == len("ana's ")
    assert set(link.base) == {client_of(ben, SHARED)}


def test_a_change_that_changes_nothing_is_no_envelope() -> None:
    ana, _, _ = together()
    assert ana.replica.commit(SHARED, lambda doc: None) is None
    assert not ana.replica.stale


def test_a_change_that_fails_half_way_leaves_a_replica_to_be_made_anew() -> None:
    """The document is ahead of its envelopes: nothing more may be signed on it."""
    ana, _, _ = together()

    def fails(doc: "pycrdt.Doc[Any]") -> None:
        doc.get("draft", type=pycrdt.Text).insert(0, "half")
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        ana.replica.commit(SHARED, fails)
    assert ana.replica.stale
    with pytest.raises(RuntimeError, match="stale"):
        type_text(ana, lambda text: text.insert(0, "more"))
    assert draft(rebuilt(ana.replica, ana.frames)) == ""


def test_a_change_too_large_for_one_envelope_is_refused_before_it_is_signed() -> None:
    ana, _, _ = together()
    with pytest.raises(RuntimeError, match="not accepted"):
        type_text(ana, lambda text: text.insert(0, "x" * 300_000))
    assert ana.replica.stale


def test_nobody_writes_without_an_author_or_into_a_terminal() -> None:
    ana, _, _ = together()
    reader = Replica(ana.replica.thread, [ANA.identity_key])
    for frame in ana.frames:
        reader.receive(frame)
    assert reader.role() is Role.NONE and not reader.is_introduced and ana.replica.is_introduced
    with pytest.raises(errors.OpenSeshError):
        reader.commit(SHARED, lambda doc: None)
    with pytest.raises(errors.OpenSeshError):
        ana.replica.commit(Lane(LaneKind.OUTPUT, ANA.devices["laptop"].id, b"1"), lambda doc: None)


def test_a_document_made_anew_is_the_same_block_by_block() -> None:
    """Never from plain text: who edited the old one goes on in the new one."""
    ana, ben, _ = together()
    type_text(ana, lambda text: text.insert(0, "one two"))
    pass_round(ana, ben)
    type_text(ben, lambda text: text.insert(3, " and a half"))
    again = rebuilt(ana.replica, ana.frames)
    assert state(again.document(SHARED).doc) == state(ana.replica.document(SHARED).doc)
    again.receive(ben.frames[-1])
    pass_round(ana, ben)
    assert draft(again) == draft(ana.replica) == "one and a half two"


# ---- the native library fails


def test_a_failure_of_the_native_library_sets_the_lane_aside_and_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The panic is no Exception; the envelope passed every check, and others have accepted it."""

    class Panic(BaseException):
        """As the native library raises it."""

    ana, ben, _ = together()

    class Failing:
        def apply_update(self, body: bytes) -> None:
            raise Panic("called `Option::unwrap()` on a `None` value")

    ben.say("one")
    ben.say("two")
    comment(ben, "elsewhere")
    document = ana.replica.document(ben.timeline)
    monkeypatch.setattr(document, "doc", Failing())
    ana.read(ben.frames[-3:])
    assert ana.replica.quarantined == {ben.timeline}
    assert len(list(ana.replica.accepted(ben.timeline))) == 2  # the second isn't tried any more
    assert len(list(ana.replica.accepted(comments_of(ben)))) == 1
    assert not ana.replica.stale


def test_a_person_who_interrupts_is_no_fault_of_the_native_library(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, _ = together()

    class Interrupted:
        def apply_update(self, body: bytes) -> None:
            raise KeyboardInterrupt

    frame = ben.say("one")
    monkeypatch.setattr(ana.replica.document(ben.timeline), "doc", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        ana.replica.receive(frame)
    assert not ana.replica.quarantined


def test_only_shared_has_roots_that_are_texts() -> None:
    assert set(lane.ROOTS) == {LaneKind.SHARED} and set(lane.ROOTS[LaneKind.SHARED]) == {"draft", "notes"}
