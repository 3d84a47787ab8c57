"""Two screens in real terminals, with a real node behind them: one draft, one comment, seen by both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.demo.machines import Device
from tests.client.screen.tmux import Terminal, needs_tmux


@pytest.fixture
def two(laptop: Device, tmp_path: Path) -> Iterator[tuple[Terminal, Terminal]]:
    laptop.run("say", str(laptop.run("new", "Parser")["id"]), "the first message")
    terminals = []
    try:
        for name in ("left", "right"):
            (tmp_path / name).mkdir()
            terminals.append(Terminal(laptop, tmp_path / name))
        yield terminals[0], terminals[1]
    finally:
        for terminal in terminals:
            terminal.close()


@pytest.mark.deep
@needs_tmux
def test_two_screens_write_one_draft_and_see_one_anothers_comments(two: tuple[Terminal, Terminal]) -> None:
    for terminal in two:
        terminal.shows("the first message", "Ctrl-Q quit")
        terminal.press("M-d")
        terminal.shows("Everybody's draft")
    two[0].type("Please look")
    two[1].shows("draft› Please look")
    two[1].press("Home")
    two[1].type("Ben: ")
    two[0].type(" here")
    for terminal in two:
        terminal.shows("draft› Ben: Please look here")
    two[0].press("M-s")
    for terminal in two:
        terminal.shows("Ben: Please look here", "draft› all who may edit")
        terminal.press("Escape")
        terminal.shows("Ask something")
    two[0].press("M-c")
    two[0].shows("comment›")
    two[0].type("Where?")
    two[0].press("Enter")
    two[1].shows("▸ 1 comment · open", "1 open comment (Ctrl-G)")
    two[1].press("C-g")
    two[1].type("In the lexer.")
    two[1].press("Enter")
    two[0].shows("Where?", "In the lexer.")
    two[0].press("C-g", "M-r")
    two[1].shows("✓ settled", until=lambda screen: "open comment" not in screen)
