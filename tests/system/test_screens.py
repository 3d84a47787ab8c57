"""Two people's screens, or one person's on two devices: what is done on one is seen on the other."""

from pathlib import Path

import pytest

from tests.client.screen.tmux import Terminal, needs_tmux
from tests.system.machines import Room, room, settle

__all__ = ["room"]
pytestmark = pytest.mark.deep


@needs_tmux
def test_what_is_asked_on_one_device_comes_up_on_the_screen_of_the_other(room: Room, tmp_path: Path) -> None:
    relay, laptop, desktop = room.paired()
    laptop.run("new", "Fix the parser")
    settle(laptop, desktop)
    here, there = Terminal(laptop, tmp_path / "laptop"), Terminal(desktop, tmp_path / "desktop")
    try:
        here.shows("▸ Fix the parser")
        there.shows("▸ Fix the parser")
        here.type("How do I share this?")
        here.press("Enter")
        here.shows("guide · assistant on laptop", "gets this answer.", "on the relay")
        there.shows("laptop ·", "How do I share this?", "guide · assistant on laptop", "gets this answer.")
        there.type("and back")
        there.press("M-s")
        here.shows("desktop ·", "and back")
        relay.kill()
        here.type("written while the relay is gone")
        here.press("M-s")
        here.shows("written while the relay is gone", "saved here")
        relay.start()
        there.shows("written while the relay is gone")
    finally:
        here.close()
        there.close()
