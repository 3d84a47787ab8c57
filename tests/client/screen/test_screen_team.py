"""Two people's screens in real terminals, each with a node of their own, over a real relay."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.demo.machines import Device
from tests.client.screen.tmux import Terminal, needs_tmux
from tests.system.machines import Room, room

__all__ = ["room"]  # the fixture


@pytest.fixture
def two(room: Room, tmp_path: Path) -> Iterator[tuple[Terminal, Terminal, Device, Device]]:
    relay = room.relay()
    ana, ben = room.device("ana"), room.device("ben")
    ana.run("sync", "connect", relay.url)
    ana.run("say", str(ana.run("new", "Parser")["id"]), "the first message")
    terminals = []
    try:
        for name, device in (("left", ana), ("right", ben)):
            (tmp_path / name).mkdir()
            terminals.append(Terminal(device, tmp_path / name))
        yield terminals[0], terminals[1], ana, ben
    finally:
        for terminal in terminals:
            terminal.close()


@pytest.mark.deep
@needs_tmux
def test_a_teammate_arrives_is_given_another_role_and_put_out_and_both_screens_show_it(
    two: tuple[Terminal, Terminal, Device, Device],
) -> None:
    left, right, ana, ben = two
    left.shows("the first message")
    right.shows("No threads yet.")
    left.press("M-w")
    left.shows("Only you are in this thread")
    type_and_enter(left, "make")
    left.shows("▸ viewer")
    left.press("Enter")
    left.shows("Whoever has the link comes in as viewer", "▸ No")
    left.press("Down", "Enter")
    left.shows("The link. Whoever has it", "opensesh://join/")
    (link,) = [share["link"] for share in ana.run("shares")["shares"]]
    type_and_enter(right, "/join")
    right.shows("link› ")
    type_and_enter(right, link)
    right.shows("the first message", "🔒 You are viewer here: ask ana for the right to write.", "AN here · 2 members")
    left.shows("BE here · 2 members")
    left.press("Escape")
    left.shows("2 people in this thread", "viewer · not verified", "here on ben")
    type_and_enter(left, "ben")
    left.shows("ben · viewer", "▸ Make commenter")
    left.press("Down", "Enter")
    right.shows("› Ask something")
    left.shows("editor · not verified")
    right.type("M")
    left.shows("writes on ben")
    right.type("ay I?")
    right.press("M-s")
    right.press("M-w")
    type_and_enter(right, "ask for")
    left.shows("ben asks for control (Alt-W)", "Give control to ben")
    type_and_enter(left, "give")
    for terminal in two[:2]:
        terminal.shows("you drive" if terminal is right else "ben drives")
    type_and_enter(left, "ben")
    left.shows("ben · editor")
    type_and_enter(left, "put out")
    left.shows("Put ben out?", "▸ No")
    left.press("Down", "Enter")
    left.shows("ben is out, and can read nothing", "Only you are in this thread")
    right.press("Escape")
    right.shows("🔒 You are no longer in this thread. What you had read stays.", "May I?")
    ana.run("say", "Parser", "said without ben")
    left.press("Escape")
    left.shows("said without ben")
    assert "said without ben" not in right.screen()
    assert [each["text"] for each in ben.run("show", "Parser")["messages"]] == ["the first message", "May I?"]


@pytest.mark.deep
@needs_tmux
def test_who_leaves_the_screen_is_gone_from_the_others_at_once(
    two: tuple[Terminal, Terminal, Device, Device],
) -> None:
    left, right, ana, ben = two
    link = ana.run("share", "Parser", "--permission", "editor")["link"]
    ben.run("join", "-", stdin=link)
    right.shows("Parser")
    right.press("C-t")
    right.shows("the first message")
    left.shows("BE here · 2 members")
    right.press("C-q")
    right.shows("left with 0")
    left.shows("nobody else here · 2 members")


def type_and_enter(terminal: Terminal, text: str) -> None:
    """Write it where the panel asks what is looked for, and choose."""
    terminal.type(text)
    terminal.shows(text[-20:])
    terminal.press("Enter")
