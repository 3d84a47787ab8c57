"""Comments as they are written and read, the places they stand at, and forms of which nobody has heard."""

from collections.abc import Callable
from typing import Any

import msgspec
import pycrdt
import pytest

from crdt import anchors, comment_edits, comments
from crdt.anchors import Anchor, anchor_values, find, lines_of, quote_of, read_anchor
from crdt.comments import Comment, Mark, Reaction, Reference, Request
from crdt.comments import read_comment as reading
from crdt.entries import root as root_of
from crdt.first_entries import FirstEntries

DEVICE, OTHER = b"d" * 32, b"o" * 32
Doc = pycrdt.Doc[Any]
ON = Reference(OTHER, "c1")
PLACES = [
    Anchor("message", message="m"),
    Anchor("message", message="m", part=0, characters=(3, 9), quote="quoted"),
    Anchor("message", message="m", part=2, lines=(1, 2), quote="one\ntwo"),
    Anchor("file", path="src/a.py", lines=(10, 10), change="4f2a"),
    Anchor("diff", path="src/a.py", side="new", lines=(1, 3), message="m", change="p1"),
    Anchor("terminal", terminal="t1", lines=(40, 44)),
]


def said(identifier: str = "c1", text: str = "Why?", **more: Any) -> Comment:
    return Comment(id=identifier, device=DEVICE, at=5, key=7, text=text, **more)


def written(*entries: Comment) -> Doc:
    doc: Doc = pycrdt.Doc()
    for each in entries:
        comment_edits.put_comment(doc, each)
    return doc


def read(doc: Doc, identifier: str = "c1") -> Comment | None:
    return reading(doc, DEVICE, identifier)


# ---- writing


@pytest.mark.parametrize("anchor", [None, *PLACES])
def test_a_comment_is_read_as_it_was_written(anchor: Anchor | None) -> None:
    comment = said(anchor=anchor)
    assert read(written(comment)) == comment
    assert (comment.reference, comment.place) == (Reference(DEVICE, "c1"), (7, DEVICE, "c1"))


def test_a_reply_names_what_it_answers_by_device_and_id() -> None:
    assert read(written(said(reply_to=ON))) == said(reply_to=ON)
    assert comments.read_reference(str(ON)) == ON


def test_an_edited_comment_says_the_new_text_and_when() -> None:
    doc = written(said())
    comment_edits.edit_text(doc, "c1", "Why not?", 9)
    assert read(doc) == said(text="Why not?", edited=9)


def test_a_deleted_comment_says_nothing_any_more_and_keeps_its_place() -> None:
    doc = written(said(anchor=PLACES[0]))
    comment_edits.delete_comment(doc, "c1", 9)
    comment_edits.edit_text(doc, "c1", "back again", 10)
    comment_edits.delete_comment(doc, "c1", 11)
    assert read(doc) == said(text="", anchor=PLACES[0], deleted=9)
    assert "Why?" not in str(root_of(doc, "comments").to_py())


def test_a_reaction_is_there_once_and_can_be_taken_back() -> None:
    doc: Doc = pycrdt.Doc()
    comment_edits.react(doc, ON, "👍🏽", 5)
    comment_edits.react(doc, ON, "👍🏽", 6)
    (name,) = root_of(doc, "reactions")
    assert comments.read_reaction(doc, DEVICE, name) == Reaction(ON, "👍🏽", DEVICE, 5)
    comment_edits.take_back_reaction(doc, ON, "👍🏽")
    comment_edits.take_back_reaction(doc, ON, "👍🏽")
    assert comments.read_reaction(doc, DEVICE, name) is None


def test_a_mark_replaces_what_its_device_said_before() -> None:
    doc: Doc = pycrdt.Doc()
    for resolved, name in ((True, "x1"), (False, "x2")):
        comment_edits.put_mark(doc, Mark(ON, DEVICE, resolved, 5, 7, name, ("y1", "y2")))
    assert list(root_of(doc, "marks")) == [str(ON)]
    assert comments.read_mark(doc, DEVICE, str(ON)) == Mark(ON, DEVICE, False, 5, 7, "x2", ("y1", "y2"))


@pytest.mark.parametrize("target, text", [("", ""), ("t1", "May I?")])
def test_a_request_for_control_is_read_as_written_and_withdrawn(target: str, text: str) -> None:
    doc: Doc = pycrdt.Doc()
    request = Request("q1", DEVICE, 5, 7, target, text)
    comment_edits.put_request(doc, request)
    assert comments.read_request(doc, DEVICE, "q1") == request
    comment_edits.withdraw_request(doc, "q1", 9)
    comment_edits.withdraw_request(doc, "q1", 10)
    assert comments.read_request(doc, DEVICE, "q1") == msgspec.structs.replace(request, withdrawn=9)
    comment_edits.forget_request(doc, "q1")
    assert comments.read_request(doc, DEVICE, "q1") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: comment_edits.put_comment(doc, said()),  # there is one of that id
        lambda doc: comment_edits.put_comment(doc, said("C-1")),
        lambda doc: comment_edits.put_comment(doc, said("c2", "")),
        lambda doc: comment_edits.put_comment(doc, said("c2", "x" * (comments.MAX_TEXT_CHARACTERS + 1))),
        lambda doc: comment_edits.put_comment(doc, said("c2", "half \ud83d")),
        lambda doc: comment_edits.put_comment(doc, said("c2", anchor=Anchor("message"))),
        lambda doc: comment_edits.put_comment(doc, said("c2", anchor=Anchor("file", path="a", lines=(0, 1)))),
        lambda doc: comment_edits.put_comment(doc, said("c2", anchor=Anchor("file", path="a\udcff"))),
        lambda doc: comment_edits.put_comment(doc, said("c2", reply_to=Reference(b"short", "c1"))),
        lambda doc: comment_edits.put_comment(doc, msgspec.structs.replace(said("c2"), key=2**53)),
        lambda doc: comment_edits.put_comment(doc, msgspec.structs.replace(said("c2"), at=-1)),
        lambda doc: comment_edits.edit_text(doc, "c1", "", 9),
        lambda doc: comment_edits.edit_text(doc, "c1", "\ud83d", 9),
        lambda doc: comment_edits.edit_text(doc, "c1", "x", -9),
        lambda doc: comment_edits.react(doc, ON, "a b", 9),
        lambda doc: comment_edits.react(doc, ON, "", 9),
        lambda doc: comment_edits.react(doc, ON, "a/b", 9),
        lambda doc: comment_edits.react(doc, ON, "\x1b[31m", 9),
        lambda doc: comment_edits.react(doc, ON, "\x9b", 9),
        lambda doc: comment_edits.react(doc, ON, "+" * 33, 9),
        lambda doc: comment_edits.react(doc, Reference(OTHER, ""), "+", 9),
        lambda doc: comment_edits.put_mark(doc, Mark(ON, DEVICE, True, 5, 7, "x1", ("y",) * 129)),
        lambda doc: comment_edits.put_mark(doc, Mark(ON, DEVICE, True, 5, 7, "")),
        lambda doc: comment_edits.put_request(doc, Request("q1", DEVICE, 5, 7, "no id")),
    ],
)
def test_what_readers_would_pass_over_is_not_written(change: Callable[[Doc], None]) -> None:
    doc = written(said())
    before = doc.get_state()
    with pytest.raises(ValueError):
        change(doc)
    assert doc.get_state() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: comment_edits.edit_text(doc, "c1", "Why?", 9),  # says so already
        lambda doc: comment_edits.edit_text(doc, "nobodys", "x", 9),
        lambda doc: comment_edits.delete_comment(doc, "nobodys", 9),
        lambda doc: comment_edits.take_back_reaction(doc, ON, "+"),
        lambda doc: comment_edits.withdraw_request(doc, "nobodys", 9),
        lambda doc: comment_edits.forget_request(doc, "nobodys"),
    ],
)
def test_a_change_of_what_is_not_there_changes_nothing(change: Callable[[Doc], None]) -> None:
    doc = written(said())
    before = doc.get_state()
    change(doc)
    assert doc.get_state() == before


# ---- reading what others wrote


GOOD: dict[str, Any] = {"at": 1, "key": 1, "text": "x"}


@pytest.mark.parametrize(
    "broken",
    [
        "a text in its place",
        GOOD,  # a plain value is no shared map
        pycrdt.Array([1]),
        pycrdt.Text("x"),
        pycrdt.Map({}),
        pycrdt.Map({"at": 1, "key": 1}),
        pycrdt.Map({**GOOD, "text": ""}),
        pycrdt.Map({**GOOD, "text": pycrdt.Text("growing")}),
        pycrdt.Map({**GOOD, "text": "x" * (comments.MAX_TEXT_CHARACTERS + 1)}),
        pycrdt.Map({**GOOD, "at": "noon"}),
        pycrdt.Map({**GOOD, "at": -1}),
        pycrdt.Map({**GOOD, "at": 1.5}),
        pycrdt.Map({**GOOD, "key": True}),
        pycrdt.Map({**GOOD, "key": 2.0**53}),
        pycrdt.Map({**GOOD, "key": float("nan")}),
        pycrdt.Map({**GOOD, "key": float("inf")}),
        pycrdt.Map({**GOOD, "key": pycrdt.Map({})}),
    ],
)
def test_what_has_not_the_form_of_a_comment_is_not_shown(broken: Any) -> None:
    doc: Doc = pycrdt.Doc()
    root_of(doc, "comments")["c1"] = broken
    assert read(doc) is None


@pytest.mark.parametrize("name", ["", "C1", "c/1", "ç", "c" * 33, "c 1", "c1\n", "\x1b[2J"])
def test_a_comment_of_an_impossible_id_is_not_shown(name: str) -> None:
    doc: Doc = pycrdt.Doc()
    root_of(doc, "comments")[name] = pycrdt.Map(GOOD)
    assert read(doc, name) is None


@pytest.mark.parametrize(
    "more",
    [
        {"mood": "fine", "more": {"deep": [[[1]]]}, "shared": pycrdt.Map({})},
        {"anchor": "there", "reply_to": "c1", "edited": "yes", "deleted": False},
        {"anchor": pycrdt.Map({"kind": "message", "message": "m"}), "reply_to": pycrdt.Text("x")},
        {"anchor": {"kind": "hologram", "depth": 3}, "reply_to": f"{str(ON).upper()}"},
        {"reply_to": "/" * 100_000},
        {"reply_to": f"{'a' * 51}/c1"},
    ],
)
def test_unknown_and_broken_fields_do_not_keep_a_comment_from_being_shown(more: dict[str, Any]) -> None:
    """A later version may write more."""
    doc: Doc = pycrdt.Doc()
    root_of(doc, "comments")["c1"] = pycrdt.Map({**GOOD, **more})
    assert read(doc) == Comment("c1", DEVICE, 1, 1, "x")


def test_a_deleted_comment_shows_no_text_whatever_its_author_left_there() -> None:
    doc: Doc = pycrdt.Doc()
    root_of(doc, "comments")["c1"] = pycrdt.Map({**GOOD, "deleted": 3})
    assert read(doc) == Comment("c1", DEVICE, 1, 1, "", deleted=3)


MARK: dict[str, Any] = {"resolved": True, "at": 1, "key": 1, "id": "x1"}


@pytest.mark.parametrize(
    "name, broken",
    [
        (str(ON), "a text"),
        ("c1", pycrdt.Map(MARK)),
        (str(ON), pycrdt.Map({**MARK, "resolved": 1})),
        (str(ON), pycrdt.Map({**MARK, "key": 2**60})),
        (str(ON), pycrdt.Map({**MARK, "id": "two words"})),
        (str(ON), pycrdt.Map({**MARK, "after": "x1"})),
        (str(ON), pycrdt.Map({**MARK, "after": {"x": 1}})),
        (str(ON), pycrdt.Map({**MARK, "after": [["x"]]})),
        (str(ON), pycrdt.Map({**MARK, "after": ["x"] * 129})),
    ],
)
def test_what_has_not_the_form_of_a_mark_is_passed_over(name: str, broken: Any) -> None:
    doc: Doc = pycrdt.Doc()
    root_of(doc, "marks")[name] = broken
    assert comments.read_mark(doc, DEVICE, name) is None


@pytest.mark.parametrize(
    "name", ["", "c1", str(ON), f"{ON}/", f"{ON}/a b", f"{ON}/a/b", f"{ON}/\x07", f"{ON}/{'+' * 33}", f"x{ON}/+"]
)
def test_what_has_not_the_form_of_a_reaction_is_passed_over(name: str) -> None:
    doc: Doc = pycrdt.Doc()
    root_of(doc, "reactions")[name] = pycrdt.Map({"at": 1})
    assert comments.read_reaction(doc, DEVICE, name) is None


def test_a_request_for_control_in_no_form_is_passed_over() -> None:
    doc: Doc = pycrdt.Doc()
    forms = {"q1": "now", "q2": pycrdt.Map({"at": 1}), "Q": pycrdt.Map({"at": 1, "key": 1})}
    root_of(doc, "requests").update(forms)
    assert [comments.read_request(doc, DEVICE, name) for name in forms] == [None] * 3


# ---- places


@pytest.mark.parametrize("anchor", PLACES)
def test_an_anchor_is_read_as_it_was_written(anchor: Anchor) -> None:
    assert read_anchor(anchor_values(anchor)) == anchor


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        [],
        {},
        {"kind": "message"},
        {"kind": "file", "message": "m"},
        {"kind": "diff", "path": "a"},
        {"kind": "diff", "path": "a", "side": "upper"},
        {"kind": "terminal", "terminal": 3},
        {"kind": ["message"], "message": "m"},
        {"kind": "message", "message": "m" * 1_025},
        {"kind": "message", "message": "m", "lines": [0, 1]},
        {"kind": "message", "message": "m", "characters": [4, 4]},
        {"kind": "message", "message": "m", "lines": [1, 2], "characters": [1, 2]},
    ],
)
def test_what_has_not_the_form_of_an_anchor_is_none(broken: Any) -> None:
    assert read_anchor(broken) is None


@pytest.mark.parametrize("wrong", ["1-2", [1], [1, 2, 3], [2, 1], [1, 2**31], [1, "2"], [-1, 2], {"first": 1}])
def test_an_impossible_range_leaves_the_whole(wrong: Any) -> None:
    assert read_anchor({"kind": "file", "path": "a", "lines": wrong}) == Anchor("file", path="a")


TEXT = "one\ntwo\nthree\ntwo\nfive 🙂 six"


def lines(first: int, last: int, quote: str = "") -> Anchor:
    return Anchor("file", path="a", lines=(first, last), quote=quote)


def characters(start: int, end: int, quote: str = "") -> Anchor:
    return Anchor("message", message="m", characters=(start, end), quote=quote)


@pytest.mark.parametrize(
    "anchor, found",
    [
        (Anchor("file", path="a"), TEXT),
        (lines(2, 3), "two\nthree"),
        (lines(2, 2, "two"), "two"),
        (lines(5, 5), "five 🙂 six"),
        (lines(5, 6), None),
        (lines(99, 99), None),
        (lines(1, 1, "three"), "three"),
        (lines(1, 1, "thre"), None),
        (lines(99, 99, "one"), "one"),
        (lines(1, 1, "four"), None),
        (characters(19, 27), "ive 🙂 si"),
        (characters(0, 3, "six"), "six"),
        (characters(90, 93, "one"), "one"),
        (characters(90, 93), None),
        (characters(0, 3, "seven"), None),
    ],
)
def test_a_place_is_found_where_it_was_or_where_its_quote_went(anchor: Anchor, found: str | None) -> None:
    span = find(anchor, TEXT)
    assert (span and TEXT[span[0] : span[1]]) == found


@pytest.mark.parametrize("at, line", [(1, 2), (2, 2), (3, 2), (4, 4), (5, 4), (99, 4)])
def test_of_several_places_that_read_alike_the_nearest_is_found(at: int, line: int) -> None:
    span = find(lines(at, at, "two"), TEXT)
    assert span and lines_of(TEXT, span) == (line, line)


def test_a_place_is_found_again_after_lines_were_put_before_it() -> None:
    anchor = lines(3, 4, quote_of(TEXT, lines=(3, 4)))
    span = find(anchor, f"zero\n{TEXT}")
    assert span and lines_of(f"zero\n{TEXT}", span) == (4, 5)


@pytest.mark.parametrize("shift", ["", "before\n"])
def test_a_long_place_is_found_by_how_it_begins(shift: str) -> None:
    long = "\n".join(f"line {number}" for number in range(1_000))
    by_line = lines(101, 900, quote_of(long, lines=(101, 900)))
    start = long.index("line 100\n")
    by_character = characters(start, start + 7_000, quote_of(long, characters=(start, start + 7_000)))
    now = shift + long
    span = find(by_line, now)
    assert span and now[span[0] : span[1]].startswith("line 100\n") and now[: span[1]].endswith("line 899")
    assert find(by_character, now) == (start + len(shift), start + len(shift) + 7_000)
    assert find(by_character, now[:4_000]) is None


def test_a_quote_of_a_place_that_is_not_there_is_empty() -> None:
    assert quote_of(TEXT, lines=(9, 9)) == quote_of(TEXT, characters=(90, 91)) == quote_of(TEXT) == ""


def test_finding_takes_time_that_grows_with_the_text_and_not_with_quote_times_text() -> None:
    """A quote that nearly fits everywhere: quadratic search would take minutes."""
    hostile = characters(500_000, 500_001, "a" * (anchors.MAX_QUOTE_CHARACTERS - 2) + "b")
    assert find(hostile, "a" * 1_000_000) is None


# ---- how much of a lane is shown


def test_the_first_entries_are_shown_and_the_rest_moves_up() -> None:
    held = {f"e{number}": number for number in range(10)}
    first = FirstEntries[int](3, held.get, lambda value: value)
    assert [each.name for each in first.refresh(held)] == ["e0", "e1", "e2"]
    del held["e1"]
    assert [(each.name, each.before, each.now) for each in first.refresh(["e1"])] == [("e1", 1, None), ("e3", None, 3)]
    held["e9"] = -1
    assert [(each.name, each.now) for each in first.refresh(["e9"])] == [("e3", None), ("e9", -1)]
    assert first.shown == {"e9": -1, "e0": 0, "e2": 2} and first.refresh([]) == []


def test_which_entries_are_shown_depends_on_what_is_held_alone() -> None:
    held: dict[str, int] = {}
    first = FirstEntries[int](4, held.get, lambda value: value)
    for step in range(200):
        name = f"e{step * 7 % 11}"
        if step % 3 and name in held:
            del held[name]
        else:
            held[name] = step * 13 % 5
        first.refresh([name])
        anew = FirstEntries[int](4, held.get, lambda value: value)
        anew.refresh(held)
        assert first.shown == anew.shown
