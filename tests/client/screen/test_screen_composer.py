"""What is being written, and where it waits meanwhile."""

from dataclasses import replace

from client.screen.composer import Composer
from client.screen.state import State

FIRST, SECOND = State(thread="t1", title="First"), State(thread="t2", title="Second")


def writing(text: str) -> Composer:
    composer = Composer(lambda text: None)
    composer.put(text)
    return composer


def test_a_title_begins_with_the_one_there_is_and_the_draft_waits() -> None:
    composer = writing("a draft")
    renaming = replace(FIRST, mode="rename")
    composer.turn(FIRST, renaming)
    assert composer.text == "First"
    composer.turn(renaming, FIRST)
    assert composer.text == "a draft"


def test_what_is_typed_to_find_a_thread_is_no_draft() -> None:
    composer = writing("a draft")
    finding = replace(FIRST, mode="find")
    composer.turn(FIRST, finding)
    assert composer.text == "" and composer.has_unsent()
    composer.put("par")
    composer.turn(finding, replace(SECOND, mode=""))
    assert composer.text == ""
    composer.turn(SECOND, FIRST)
    assert composer.text == "a draft"


def test_a_text_given_back_does_not_run_over_what_was_written_since() -> None:
    composer = writing("written since")
    composer.give_back(FIRST, "t1", "came back")
    assert composer.text == "written since"
    composer.put("")
    composer.give_back(FIRST, "t1", "came back")
    assert composer.text == "came back"


def test_a_text_given_back_for_another_thread_waits_there() -> None:
    composer = writing("")
    composer.give_back(FIRST, "t2", "came back")
    assert composer.text == "" and composer.has_unsent()
    composer.turn(FIRST, SECOND)
    assert composer.text == "came back"


def test_a_backslash_at_the_cursor_becomes_a_new_line() -> None:
    composer = writing("one\\")
    assert composer.continue_line() and composer.text == "one\n"
    assert not composer.continue_line()


def test_going_back_through_prompts_stops_at_the_oldest_and_begins_anew_after_an_edit() -> None:
    composer, prompts = writing(""), ["newest", "older"]
    for expected in ("newest", "older", "older"):
        composer.recall(prompts, 1)
        assert composer.text == expected
    composer.put("older, edited")
    composer.recall(prompts, 1)
    assert composer.text == "newest"
    composer.recall(prompts, -1)
    assert composer.text == "older, edited"


def test_without_prompts_nothing_changes() -> None:
    composer = writing("a draft")
    composer.recall([], 1)
    assert composer.text == "a draft"
