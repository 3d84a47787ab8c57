"""The screen in a real terminal, with a real node behind it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.demo.machines import Device
from tests.client.screen.tmux import Terminal, needs_tmux


@pytest.fixture
def opened(laptop: Device, tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(laptop, tmp_path)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def at_a_thread(laptop: Device, tmp_path: Path) -> Iterator[Terminal]:
    """Opened when there was a thread: which is shown then, not the place for a new one."""
    laptop.run("new", "A thread")
    terminal = Terminal(laptop, tmp_path)
    try:
        terminal.shows("▸ A thread")
        yield terminal
    finally:
        terminal.close()


@pytest.mark.deep
@needs_tmux
def test_a_thread_from_its_first_words_to_a_live_answer_at_every_width(opened: Terminal, laptop: Device) -> None:
    opened.shows("No threads yet.", "local-only", "Ctrl-Q quit")
    opened.type("How do I pair?")
    opened.press("Enter")
    opened.shows("▸ How do I pair?", "guide · assistant", "gets this answer.", until=lambda s: "answering" not in s)
    laptop.run("say", "How do I pair?", "written elsewhere, 日本語 🎉")
    opened.shows("written elsewhere, 日本語 🎉")
    opened.resize(60, 15)
    narrow = opened.shows("written elsewhere", "1 of 1", until=lambda s: "▸" not in s)
    assert "│" not in narrow.splitlines()[3], "the sidebar is gone below 80 columns"
    opened.resize(200, 60)
    opened.shows("▸ How do I pair?", "written elsewhere")
    opened.press("C-n")
    opened.shows("A new thread.")
    opened.press("C-k")
    opened.type("pair")
    opened.press("Enter")
    opened.shows("written elsewhere")


@pytest.mark.deep
@needs_tmux
def test_typing_goes_on_while_the_node_is_away_and_sending_starts_it(at_a_thread: Terminal, laptop: Device) -> None:
    laptop.run("node", "stop")
    at_a_thread.shows("the node is away")
    at_a_thread.type("typed meanwhile")
    at_a_thread.shows("› typed meanwhile")
    at_a_thread.press("M-s")
    at_a_thread.shows("laptop ·", "typed meanwhile", "local-only", until=lambda s: "away" not in s)
    assert len(laptop.run("show", "A thread")["messages"]) == 1


@pytest.mark.deep
@needs_tmux
def test_a_node_that_is_killed_and_comes_back_is_followed_again_without_a_key(
    at_a_thread: Terminal, laptop: Device
) -> None:
    os.kill(laptop.run("node", "status")["pid"], signal.SIGKILL)
    at_a_thread.shows("the node is away")
    laptop.run("say", "A thread", "after it came back")
    at_a_thread.shows("after it came back", "local-only", until=lambda s: "away" not in s)


@pytest.mark.deep
@needs_tmux
def test_without_a_node_that_may_be_started_a_text_comes_back_with_what_to_do(laptop: Device, tmp_path: Path) -> None:
    laptop.run("new", "A thread")
    terminal = Terminal(laptop, tmp_path, OPENSESH_NODE_AUTOSTART="0")
    try:
        terminal.shows("▸ A thread")
        laptop.run("node", "stop")
        terminal.shows("the node is away")
        terminal.type("typed meanwhile")
        terminal.press("Enter")
        terminal.shows("E001", "› typed meanwhile")
    finally:
        terminal.close()


@pytest.mark.deep
@needs_tmux
def test_leaving_gives_the_terminal_back_as_it_was(opened: Terminal) -> None:
    opened.shows("No threads yet.")
    opened.press("C-q")
    assert "Threads" not in opened.shows("left with 0")


@pytest.mark.deep
@needs_tmux
def test_without_colours_everything_is_said_by_words_and_weight(laptop: Device, tmp_path: Path) -> None:
    laptop.run("new", "A thread")
    terminal = Terminal(laptop, tmp_path, NO_COLOR="1")
    try:
        terminal.shows("▸ A thread", "local-only")
        colours = re.findall(r"\x1b\[[0-9;]*?(?:3[0-7]|4[0-7]|9[0-7]|[34]8;[25])[0-9;]*m", terminal.screen("-e"))
        assert colours == []
    finally:
        terminal.close()


@pytest.mark.deep
@needs_tmux
def test_on_a_terminal_that_cannot_draw_the_list_is_printed(laptop: Device, tmp_path: Path) -> None:
    laptop.run("new", "A thread")
    terminal = Terminal(laptop, tmp_path, before="TERM=dumb")
    try:
        assert "Ctrl-Q" not in terminal.shows("A thread", "left with 0")
    finally:
        terminal.close()


@pytest.mark.deep
def test_without_a_terminal_the_list_is_printed(laptop: Device) -> None:
    laptop.run("new", "A thread")
    done = subprocess.run(
        laptop.command()[:-1], env=laptop.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "A thread" in done.stdout and "\x1b" not in done.stdout
