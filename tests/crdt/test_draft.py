"""Several people typing into one text: nothing is lost, places are found again, and strange content harms nobody."""

import gc
import random
import weakref
from collections.abc import Iterator

import pycrdt
import pytest

from crdt import draft
from crdt.draft import SharedText
from crdt.permissions import Role
from crdt.replica import Replica
from crdt.text_change import Change, applied, behind, between, replacing
from tests.crdt.people import Desk, Person
from tests.crdt.world import SHARED, gather, pass_round, type_text

ANA, BEN = Person("Ana"), Person("Ben")


def together(role: Role = Role.EDITOR) -> tuple[Desk, Desk]:
    """Ana's thread, with Ben in it."""
    ana, ben = gather(ANA, BEN, role=role)
    ben.introduce(BEN)
    return ana, ben


def type_in(desk: Desk, change: Change, name: str = "draft") -> None:
    desk.kept(desk.replica.commit(SHARED, lambda doc: draft.write(doc, name, change)))


class Typist:
    """Types a text letter by letter behind what was typed before, wherever that has gone by now."""

    def __init__(self, desk: Desk, letters: str) -> None:
        self.desk, self.shared = desk, SharedText(desk.replica, "draft")
        self.left: Iterator[str] = iter(letters)
        self.cursor, self.seen = 0, 0

    def type(self) -> bool:
        letter = next(self.left, None)
        if letter is None:
            return False
        self.shared.refresh()
        since = self.shared.since(self.seen)
        assert since is not None
        typed = behind(replacing(self.cursor, 0, letter), since)
        type_in(self.desk, typed)
        self.cursor = sum(step for step in typed if isinstance(step, int)) + 1
        self.shared.refresh()
        self.seen = self.shared.version
        return True


@pytest.mark.parametrize("seed", range(25))
def test_two_who_type_a_thousand_characters_each_at_once_lose_none(seed: int) -> None:
    source = random.Random(seed)
    ana, ben = together()
    length = 1_000 if seed == 0 else 60
    texts = ["".join(source.choices(letters, k=length)) for letters in ("abcdé ", "ABCD😀\n")]
    typists = [Typist(ana, texts[0]), Typist(ben, texts[1])]
    busy = list(typists)
    while busy:
        typist = source.choice(busy)
        if not typist.type():
            busy.remove(typist)
        if source.random() < 0.1:
            pass_round(ana, ben)
    pass_round(ana, ben)
    for typist in typists:
        typist.shared.refresh()
    text = typists[0].shared.text
    assert typists[1].shared.text == text
    assert len(text) == 2 * length
    for own in texts:
        assert "".join(each for each in text if each in set(own)) == own, "each one's letters in the order typed"


@pytest.mark.parametrize("seed", range(40))
def test_what_is_said_to_have_happened_is_what_has_happened(seed: int) -> None:
    source = random.Random(seed)
    ana, ben = together()
    shared = SharedText(ana.replica, "notes")
    seen = {0: ""}
    for _ in range(30):
        desk = source.choice((ana, ben))
        now = str(draft.root(desk.replica.document(SHARED).doc, "notes"))
        at = source.randrange(len(now) + 1)
        change = replacing(at, source.randrange(min(3, len(now) - at) + 1), source.choice(("x", "é😀", "\n", "ab")))
        type_in(desk, change, "notes")
        if source.random() < 0.5:
            pass_round(ana, ben)
        before = shared.text
        change = shared.refresh()
        assert applied(before, change) == shared.text == str(draft.root(ana.replica.document(SHARED).doc, "notes"))
        seen[shared.version] = shared.text
    for version, text in seen.items():
        since = shared.since(version)
        assert since is not None and shared.at(version) == text
        assert applied(text, since) == shared.text


def test_a_whole_text_that_is_put_in_place_of_another_keeps_what_came_meanwhile() -> None:
    ana, ben = together()
    type_in(ana, (0, "The plan: first this."))
    pass_round(ana, ben)
    shared = SharedText(ben.replica, "draft")
    seen, version = shared.text, shared.version
    type_in(ana, (len(seen), " Then that."))
    pass_round(ana, ben)
    shared.refresh()
    since = shared.since(version)
    assert since is not None
    type_in(ben, behind(between(seen, "The plan: first of all this."), since))
    shared.refresh()
    assert shared.text == "The plan: first of all this. Then that."


def test_places_are_counted_in_characters_whatever_they_take_in_bytes() -> None:
    ana, _ = together()
    type_in(ana, ("é😀漢",))
    type_in(ana, (1, "x", -1, 1, "y"))
    assert str(draft.root(ana.replica.document(SHARED).doc, "draft")) == "éx漢y"


def test_what_others_put_in_that_is_no_text_is_not_shown_and_moves_no_letter() -> None:
    ana, ben = together()
    type_in(ana, ("héllo",))
    pass_round(ana, ben)
    shared = SharedText(ana.replica, "draft")

    def embed(doc: "pycrdt.Doc[object]") -> None:
        text = draft.root(doc, "draft")
        text.insert_embed(1, {"a": 1})
        text.insert_embed(0, {"a": 2})
        text.insert(2, "H")
        text.format(0, 3, {"bold": True})

    ben.kept(ben.replica.commit(SHARED, embed))
    pass_round(ana, ben)
    shared.refresh()
    shown = shared.text
    assert sorted(shown) == sorted("hHéllo")
    type_in(ana, (len(shown) - 1, "X"))
    change = shared.refresh()
    assert shared.text == shown[:-1] + "X" + shown[-1]
    assert applied(shown, change) == shared.text


def test_what_can_not_be_written_changes_nothing() -> None:
    ana, _ = together()
    doc = pycrdt.Doc[object]()
    draft.write(doc, "draft", ("ab",))
    for change in ((3, "x"), (-3,), ("\ud800",), ("ok", -1, "\udc00")):
        with pytest.raises(ValueError):
            draft.write(doc, "draft", change)
        assert str(draft.root(doc, "draft")) == "ab"
    assert ana.replica.role() is Role.OWNER


def test_a_version_from_before_what_is_remembered_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "_HISTORY", 3)
    ana, _ = together()
    shared = SharedText(ana.replica, "draft")
    for letter in "abcde":
        type_in(ana, (letter,))
        shared.refresh()
    assert (shared.at(2), shared.since(2)) == ("ba", ("edc",))
    assert shared.at(1) is shared.since(1) is None
    assert shared.at(6) is shared.since(-1) is None


def test_a_text_that_nobody_looks_at_any_more_is_let_go() -> None:
    ana, _ = together()

    def looked_at() -> "tuple[weakref.ref[SharedText], weakref.ref[Replica]]":
        desk = Desk(Replica(ana.replica.thread, ana.replica.own_keys))
        desk.read(list(ana.frames))
        return weakref.ref(SharedText(desk.replica, "draft")), weakref.ref(desk.replica)

    text, replica = looked_at()
    gc.collect()
    assert text() is None and replica() is None


def test_so_many_changes_are_remembered_and_who_looked_before_them_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crdt.draft._HISTORY", 3)
    ana, _ = together()
    shared = SharedText(ana.replica, "draft")
    for letter in "abcde":
        type_text(ana, lambda text, letter=letter: text.insert(0, letter))
        shared.refresh()
    assert shared.since(1) is None and shared.at(1) is None
    assert shared.at(2) == "ba" and shared.since(2) is not None
    assert shared.since(shared.version + 1) is None and shared.at(-1) is None


def test_no_more_than_so_many_characters_of_changes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who puts a long text in and takes it out again, over and over, is to fill nobody's memory."""
    monkeypatch.setattr("crdt.draft._HISTORY_CHARACTERS", 10)
    ana, _ = together()
    shared = SharedText(ana.replica, "draft")
    for words in ("first", "again", "third"):
        type_text(ana, lambda text, words=words: text.insert(0, words))
        shared.refresh()
    assert shared.since(0) is None and shared.at(0) is None
    assert shared.at(1) == "first" and shared.since(1) == ("thirdagain",)
