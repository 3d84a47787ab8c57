"""Changes to a text as values: what holds of any of them, tried at random, and the cases that people notice."""

import random

import pytest

from crdt import text_change
from crdt.text_change import Change, applied, behind, between, composed, inverse, moved, read, replacing

LETTERS = "ab é😀\n"
SEEDS = range(300)


def some_text(source: random.Random, most: int = 12) -> str:
    return "".join(source.choices(LETTERS, k=source.randrange(most)))


def some_change(source: random.Random, text: str) -> Change:
    change: Change = ()
    for _ in range(source.randrange(1, 4)):
        now = applied(text, change)
        at = source.randrange(len(now) + 1)
        removed = source.randrange(min(4, len(now) - at) + 1)
        change = composed(change, replacing(at, removed, some_text(source, 4)))
    return change


@pytest.mark.parametrize("seed", SEEDS)
def test_two_changes_in_one_do_what_they_do_after_one_another(seed: int) -> None:
    source = random.Random(seed)
    text = some_text(source)
    first = some_change(source, text)
    second = some_change(source, applied(text, first))
    assert applied(text, composed(first, second)) == applied(applied(text, first), second)


@pytest.mark.parametrize("seed", SEEDS)
def test_changes_for_one_text_give_the_same_in_either_order(seed: int) -> None:
    source = random.Random(seed)
    text = some_text(source)
    one, other = some_change(source, text), some_change(source, text)
    this_way = applied(applied(text, one), behind(other, one, before=False))
    that_way = applied(applied(text, other), behind(one, other))
    assert this_way == that_way


@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_that_was_taken_back_never_was(seed: int) -> None:
    source = random.Random(seed)
    text = some_text(source)
    change = some_change(source, text)
    assert applied(applied(text, change), inverse(text, change)) == text
    assert applied(text, composed(change, inverse(text, change))) == text


@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_found_between_two_texts_makes_one_the_other(seed: int) -> None:
    source = random.Random(seed)
    before, after = some_text(source, 30), some_text(source, 30)
    assert applied(before, between(before, after)) == after
    assert between(before, before) == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_typed_by_either_is_lost_whatever_they_remove(seed: int) -> None:
    source = random.Random(seed)
    text = some_text(source)
    one = composed(replacing(0, source.randrange(len(text) + 1), ""), replacing(0, 0, "ONE"))
    other = replacing(source.randrange(len(text) + 1), 0, "OTHER")
    both = applied(applied(text, one), behind(other, one))
    assert "ONE" in both and "OTHER" in both


def test_typing_in_the_middle_of_others_words_leaves_these_alone() -> None:
    assert between("the cat sat", "the black cat sat down") == (4, "black ", 7, " down")
    assert between("aaa", "aaaa") == (3, "a")
    assert between("one two three", "one 2 three") == (4, "2", -3)


@pytest.mark.parametrize(
    ("place", "change", "where"),
    [
        (0, (0, "x"), 0),
        (2, (2, "new"), 2),
        (3, (2, "new"), 6),
        (3, (1, -4), 1),
        (5, (1, -2, 1, "x"), 4),
        (9, (), 9),
        (4, ("ab", -2), 4),
    ],
)
def test_a_cursor_stays_between_the_characters_it_stood_between(place: int, change: Change, where: int) -> None:
    assert moved(place, change) == where


def test_a_change_beyond_the_end_is_none() -> None:
    with pytest.raises(ValueError, match="beyond"):
        applied("abc", (2, -2))


def test_plain_values_are_a_change_if_they_have_its_form() -> None:
    assert read([2, "x", -1, 4]) == (2, "x", -1)
    assert read([2, None]) is None and read([True]) is None


def test_texts_too_long_to_compare_word_by_word_are_changed_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing takes the product of both lengths: who sets a long text is not to hold up the node for that."""
    old, new = "a b c d e f g", "b a c d e g f"
    by_words = between(old, new)
    monkeypatch.setattr(text_change, "_MOST_COMPARED", 10)
    as_a_whole = between(old, new)
    assert len(as_a_whole) < len(by_words)
    assert applied(old, as_a_whole) == applied(old, by_words) == new
