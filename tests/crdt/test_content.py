"""Messages as they are written and read: growing text, tool calls, runs, and forms of which nobody has heard."""

from collections.abc import Callable
from typing import Any

import pycrdt
import pytest

from crdt import edits
from crdt.content import Message, Part, leases, messages, read_leases, read_message, read_run, runs
from crdt.permissions import Lane, LaneKind
from crdt.replica import Replica
from crdt.run_accounts import RunAccounts
from crdt.thread import Thread, set_shared, shared_values
from tests.crdt.people import Desk, Person
from tests.crdt.world import SHARED, gather, pass_round

ANA, BEN = Person("Ana"), Person("Ben")
DEVICE = b"d" * 32
Doc = pycrdt.Doc[Any]


def message(identifier: str = "m", *parts: Part, key: int = 1, **more: Any) -> Message:
    about: dict[str, Any] = {"role": "assistant", "at": 1, "state": "streaming"} | more
    return Message(id=identifier, device=DEVICE, key=key, parts=parts, **about)


def written(*parts: Part, **more: Any) -> Doc:
    doc: Doc = pycrdt.Doc()
    edits.put_message(doc, message("m", *parts, **more))
    return doc


def read(doc: Doc, identifier: str = "m") -> Message:
    found = read_message(doc, DEVICE, identifier)
    assert found is not None
    return found


# ---- writing


def test_a_message_is_read_as_it_was_written() -> None:
    parts = (
        Part("text", "Hello"),
        Part("reasoning", "hm"),
        Part("tool_call", id="c1", name="ls", input="{}", result="a b", status="ok", agent="sub"),
        Part("image", media="image/png", text="abc"),
    )
    whole = message("m", *parts, model="some/model", run="r", agent="main", source="codex:1")
    doc: Doc = pycrdt.Doc()
    edits.put_message(doc, whole)
    assert read(doc) == whole
    assert read(doc).text == "Hello" and read(doc).place == (1, DEVICE, "m")


def test_a_text_grows_in_its_part_and_another_kind_begins_a_new_one() -> None:
    doc = written()
    for kind, text in [("reasoning", "Let"), ("reasoning", " me"), ("text", "Here"), ("text", " it"), ("text", " is")]:
        edits.append_text(doc, "m", kind, text)
    assert read(doc).parts == (Part("reasoning", "Let me"), Part("text", "Here it is"))


def test_a_growing_text_costs_its_growth_and_not_its_length() -> None:
    """A stream of tokens: each update holds what was added."""
    doc = written(Part("text", "x" * 10_000))
    sizes: list[int] = []
    subscription = doc.observe(lambda event: sizes.append(len(event.update)))
    for _ in range(20):
        edits.append_text(doc, "m", "text", "token ")
    doc.unobserve(subscription)
    assert len(sizes) == 20 and max(sizes) < 100


def test_a_field_too_long_for_one_envelope_grows_piece_by_piece() -> None:
    doc = written(Part("tool_call", id="c", name="cat", result="one"))
    for piece in (" two", " three"):
        edits.grow_field(doc, "m", 0, "result", piece)
    edits.grow_field(doc, "m", 0, "input", "{}")
    assert read(doc).parts == (Part("tool_call", id="c", name="cat", result="one two three", input="{}"),)


def test_a_tool_call_is_brought_up_to_date_in_its_place() -> None:
    doc = written()
    edits.put_call(doc, "m", Part("tool_call", id="c", name="ls", input="{}", status="running"))
    edits.append_text(doc, "m", "text", "meanwhile")
    edits.put_call(doc, "m", Part("tool_call", id="c", result="a b", status="ok"))
    assert read(doc).parts == (
        Part("tool_call", id="c", name="ls", input="{}", result="a b", status="ok"),
        Part("text", "meanwhile"),
    )


def test_fields_and_parts_are_added_to_a_message() -> None:
    doc = written(Part("text", "a"))
    edits.set_fields(doc, "m", {"state": "final", "model": "x"})
    edits.add_parts(doc, "m", [Part("placeholder", "12 more"), Part("text", "b")])
    assert (read(doc).state, read(doc).model, read(doc).text) == ("final", "x", "ab")
    assert [part.type for part in read(doc).parts] == ["text", "placeholder", "text"]


def test_a_run_is_brought_up_to_date_and_says_nothing_twice() -> None:
    doc: Doc = pycrdt.Doc()
    edits.put_run(doc, "r", {"state": "queued", "lease": 3, "error": None})
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(event.update))
    edits.put_run(doc, "r", {"state": "queued", "lease": 3})
    assert not updates
    edits.put_run(doc, "r", {"state": "completed", "ended": 9})
    doc.unobserve(subscription)
    assert read_run(doc, "r") == {"state": "completed", "lease": 3, "ended": 9}


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: edits.append_text(doc, "nobody's", "text", "x"),
        lambda doc: edits.grow_field(doc, "nobody's", 0, "result", "x"),
        lambda doc: edits.grow_field(doc, "m", 7, "result", "x"),
        lambda doc: edits.add_parts(doc, "nobody's", [Part("text", "x")]),
        lambda doc: edits.put_call(doc, "nobody's", Part("tool_call", id="c")),
        lambda doc: edits.set_fields(doc, "nobody's", {"state": "final"}),
    ],
)
def test_a_change_of_what_is_not_there_changes_nothing(change: Callable[[Doc], None]) -> None:
    doc = written(Part("text", "here"))
    before = doc.get_state()
    change(doc)
    assert doc.get_state() == before


# ---- reading what others wrote


@pytest.mark.parametrize(
    "broken",
    [
        "a text in its place",
        pycrdt.Map({"role": "user", "at": 1, "key": 1}),
        pycrdt.Map({"role": "emperor", "at": 1, "key": 1, "parts": pycrdt.Array([])}),
        pycrdt.Map({"role": "user", "at": "noon", "key": 1, "parts": pycrdt.Array([])}),
        pycrdt.Map({"role": "user", "at": 1, "key": True, "parts": pycrdt.Array([])}),
        pycrdt.Map({"role": "user", "at": 1, "key": 2.0**60, "parts": pycrdt.Array([])}),
        pycrdt.Map({"role": "user", "at": 1, "key": 1, "parts": "none"}),
    ],
)
def test_what_has_not_the_form_of_a_message_is_not_shown(broken: Any) -> None:
    doc: Doc = pycrdt.Doc()
    messages(doc)["m"] = broken
    assert read_message(doc, DEVICE, "m") is None


def test_unknown_fields_and_parts_do_not_keep_a_message_from_being_shown() -> None:
    """A later version may write more."""
    doc: Doc = pycrdt.Doc()
    parts = pycrdt.Array(["a bare text", pycrdt.Map({"no": "type"}), pycrdt.Map({"type": "hologram", "depth": 3})])
    messages(doc)["m"] = pycrdt.Map({"role": "user", "at": 1.0, "key": 1, "parts": parts, "mood": "fine", "model": 7})
    assert read(doc).parts == (Part("hologram"),)
    assert read(doc).model is None and read(doc).state == "final"


def test_leases_and_runs_in_no_form_are_passed_over() -> None:
    doc: Doc = pycrdt.Doc()
    leases(doc).update({"3": pycrdt.Map({}), "-1": "x", "many": "x", "٧": "x", "9" * 40: "x"})
    runs(doc).update({"r": "a text", "s": pycrdt.Map({"state": "queued", "inner": pycrdt.Map({})})})
    assert read_leases(doc) == [3]
    assert read_run(doc, "r") is None and read_run(doc, "s") == {"state": "queued"}


# ---- a thread of several devices


def together() -> list[Desk]:
    return gather(ANA, BEN)


def change(desk: Desk, edit: Callable[[Doc], None]) -> None:
    desk.kept(desk.replica.commit(desk.timeline, edit))


def test_a_thread_tells_which_messages_are_new_or_different_and_no_others() -> None:
    ana, ben = together()
    ben.say("one")
    ben.say("two")
    pass_round(ana, ben)
    thread = Thread(ana.replica)
    change(ben, lambda doc: edits.append_text(doc, "one", "text", " more"))
    ben.say("three")
    pass_round(ana, ben)
    changes = thread.refresh([ben.timeline])
    assert [(each.before and each.before.text, each.now.text) for each in changes] == [
        ("one", "one more"),
        (None, "three"),
    ]
    assert thread.refresh([ben.timeline]) == []
    assert {each.text for each in thread.messages()} == {"one more", "two", "three"} and len(thread) == 3


def test_a_message_that_its_author_takes_back_is_gone() -> None:
    ana, ben = together()
    ben.say("kept")
    ben.say("taken back")
    pass_round(ana, ben)
    thread = Thread(ana.replica)
    change(ben, lambda doc: messages(doc).__delitem__("taken back"))
    pass_round(ana, ben)
    thread.refresh([ben.timeline])
    assert [each.id for each in thread.messages()] == ["kept"]
    assert thread.message("taken back") is None and thread.last == thread.message("kept")


def test_nobody_hides_a_message_by_using_its_id() -> None:
    ana, ben = together()
    ana.say("the id")
    change(ben, lambda doc: edits.put_message(doc, message("the id", Part("text", "Ben's"), role="user")))
    pass_round(ana, ben)
    thread = Thread(ana.replica)
    assert sorted(each.text for each in thread.messages()) == ["Ben's", "the id"]
    first = thread.message("the id")
    assert first
    taker = ana if first.device == ana.timeline.owner else ben
    change(taker, lambda doc: messages(doc).__delitem__("the id"))
    pass_round(ana, ben)
    thread.refresh([ana.timeline, ben.timeline])
    left = thread.message("the id")
    assert left and left.device != first.device and len(thread) == 1


@pytest.mark.parametrize("ana_first", [True, False])
def test_whose_message_an_id_names_depends_on_no_order_of_arrival(ana_first: bool) -> None:
    ana, ben = together()
    anas = ana.say("the id")
    change(ben, lambda doc: edits.put_message(doc, message("the id", Part("text", "Ben's"), role="user", key=9)))
    bens = ben.frames[-1]
    replica = Replica(ana.replica.thread, ana.replica.own_keys)
    thread = Thread(replica)
    for frame in [*ana.frames[:-1], *((anas, bens) if ana_first else (bens, anas))]:
        thread.refresh(replica.receive(frame).lanes)
    found = thread.message("the id")
    assert found and found.text == "the id"
    bens_own = thread.message("the id", ben.timeline.owner)
    assert bens_own and bens_own.text == "Ben's"
    assert thread.message("the id", bytes(32)) is None


def test_a_message_moves_when_its_key_does() -> None:
    ana, _ = together()
    for key, name in enumerate(["a", "b"], start=1):
        change(ana, lambda doc, name=name, key=key: edits.put_message(doc, message(name, key=key)))
    thread = Thread(ana.replica)
    change(ana, lambda doc: edits.set_fields(doc, "a", {"key": 5}))
    thread.refresh([ana.timeline])
    assert [each.id for each in thread.messages()] == ["b", "a"] and thread.next_key(0) == 6


def test_of_two_accounts_of_one_run_the_later_leases_is_shown() -> None:
    ana, ben = together()
    change(ana, lambda doc: edits.put_run(doc, "r", {"state": "streaming", "lease": 1}))
    change(ben, lambda doc: edits.put_run(doc, "r", {"state": "completed", "lease": 2, "ended": 5}))
    change(ben, lambda doc: leases(doc).__setitem__("2", pycrdt.Map({"at": 1})))
    pass_round(ana, ben)
    for desk in (ana, ben):
        thread = Thread(desk.replica)
        assert thread.runs()["r"]["state"] == "completed" and thread.runs()["r"]["device"] == ben.timeline.owner
        assert thread.leases() == [(2, ben.timeline.owner)]


def test_shared_values_are_set_and_deleted_one_by_one() -> None:
    ana, ben = together()
    ana.kept(
        ana.replica.commit(SHARED, lambda doc: set_shared(doc, "meta", {"title": "A", "source": "x", "none": None}))
    )
    assert ana.replica.commit(SHARED, lambda doc: set_shared(doc, "meta", {"title": "A"})) is None
    pass_round(ana, ben)
    ben.kept(ben.replica.commit(SHARED, lambda doc: set_shared(doc, "meta", {"source": None})))
    ana.kept(ana.replica.commit(SHARED, lambda doc: set_shared(doc, "meta", {"title": "B"})))
    pass_round(ana, ben)
    assert Thread(ana.replica).meta() == shared_values(ben.replica, "meta") == {"title": "B"}


def test_only_timelines_hold_messages() -> None:
    ana, _ = together()
    comments = ana.timeline._replace(kind=LaneKind.COMMENTS)
    ana.kept(ana.replica.commit(comments, lambda doc: edits.put_message(doc, message("elsewhere"))))
    assert len(Thread(ana.replica)) == 0 and Thread(ana.replica).last is None
    assert Thread(ana.replica).next_key(7) == 7


@pytest.mark.parametrize(
    "odd", [None, True, float("nan"), float("inf"), b"\x00\xff", 2**60, -(2**63), {"a": [1]}, "\x00\x1b"]
)
@pytest.mark.parametrize("where", ["at", "key", "role", "state", "parts", "text", "extra"])
def test_any_value_anywhere_is_a_message_or_none_and_never_a_fault(where: str, odd: Any) -> None:
    doc: Doc = pycrdt.Doc()
    part = pycrdt.Map({"type": "text", "text": odd if where == "text" else pycrdt.Text("hello")})
    values = {"role": "user", "at": 5, "key": 6, "state": "final", "parts": pycrdt.Array([part])}
    messages(doc)["m"] = pycrdt.Map({**values, **({where: odd} if where != "text" else {})})
    found = read_message(doc, b"d", "m")
    if where in ("state", "text", "extra"):
        assert found is not None and (found.at, found.key, found.role) == (5, 6, "user")
    elif found is not None:
        assert abs(found.at) <= 2**53 and isinstance(found.parts, tuple)


@pytest.mark.parametrize("odd", [None, True, float("nan"), float("inf"), b"\x00", 2**60, {"a": [1]}, [1], "text"])
@pytest.mark.parametrize("where", ["lease", "ended", "runner", "state"])
def test_a_run_with_any_value_anywhere_is_shown_beside_others_and_never_a_fault(where: str, odd: Any) -> None:
    accounts = RunAccounts()
    lanes = [Lane(LaneKind.TIMELINE, bytes([number]) * 32) for number in (1, 2)]
    told: list[dict[str, Any]] = [{"state": "queued", where: odd}, {"state": "completed", "lease": 1, "ended": 9}]
    for lane, run in zip(lanes, told, strict=True):
        doc: Doc = pycrdt.Doc()
        runs(doc)["r"] = pycrdt.Map(run)
        accounts.update(lane, doc, ["r"])
    assert accounts.shown["r"]["state"] == "completed"
