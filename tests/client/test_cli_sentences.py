"""What the commands and the screen say alike about links, people and places."""

from typing import Any

import pytest

from client.cli.sentences import contents, decided, lets_in, place_of


def finding(field: str, message: str = "abcdefghijkl") -> dict[str, Any]:
    return {"field": field, "message": message, "line": 3}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (finding("text"), "line 3 of message abcdefgh"),
        (finding("result"), "line 3 of a tool's output, message abcdefgh"),
        (finding("input"), "line 3 of a tool's input, message abcdefgh"),
        (finding("comment"), "line 3 of comment abcdefgh"),
        (finding("terminal"), "line 3 of terminal abcdefgh"),
        (finding("command"), "the command of terminal abcdefgh"),
        (finding("draft", ""), "line 3 of the draft"),
        (finding("notes", ""), "line 3 of the notes"),
    ],
)
def test_every_place_where_a_secret_can_stand_has_its_words(found: dict[str, Any], said: str) -> None:
    assert place_of(found) == said


def test_what_became_of_somebody_who_asked_is_said_with_its_reason() -> None:
    assert [decided(state) for state in ("admitted", "declined", "used up")] == [
        "They are in.",
        "They were turned away.",
        "They can't come in by that link: used up.",
    ]


def test_a_link_says_for_how_many_it_is_and_until_when() -> None:
    assert lets_in(1, "viewer", None) == "Lets 1 person in as viewer, until you close it."
    assert lets_in(3, "editor", "2026-03-01T09:00:00Z").startswith("Lets 3 people in as editor, until 2026-0")


def test_tool_results_are_only_spoken_of_where_there_are_any() -> None:
    shown = {"messages": 1, "tool_results": 0, "characters": 12}
    assert contents(shown) == "1 message, 12 characters in all"
    assert contents({**shown, "tool_results": 2}) == "1 message, 2 tool results, 12 characters in all"
