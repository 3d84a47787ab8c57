"""The table of commands, and what is made from it."""

import pytest

from client.screen.commands import BY_SLASH, COMMANDS, help_line, page
from client.screen.text import width


def test_no_key_stands_for_two_commands() -> None:
    keys = [keys for command in COMMANDS for keys in command.keys]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("columns", [30, 60, 80, 100, 200])
@pytest.mark.parametrize("is_running", [False, True])
def test_the_help_line_fits_and_always_says_how_to_leave(columns: int, is_running: bool) -> None:
    line = help_line(columns, "", is_running)
    assert width(line) <= columns and line.endswith("F1 keys · Ctrl-Q quit")


def test_while_an_answer_is_written_the_help_line_says_how_to_stop_it() -> None:
    assert "Esc stop" in help_line(60, "", True) and "Esc stop" not in help_line(60, "", False)


def test_the_page_of_keys_names_every_command_and_its_words() -> None:
    keys = " ".join(shown for shown, _ in page())
    assert all(command.shown in keys for command in COMMANDS)
    assert ("PgUp PgDn", "scroll by pages") in page() and any("/help" in about for _, about in page())
    assert BY_SLASH["/quit"] == BY_SLASH["/exit"] == "quit"


def test_who_may_not_write_is_told_of_no_key_that_writes() -> None:
    assert "ask" not in help_line(200, may="read") and "comment" not in help_line(200, may="read")
    assert "Alt-C comment" in help_line(80, may="comment") and help_line(80, may="read").endswith("Ctrl-Q quit")
