"""The screen in a real terminal, with a real node behind it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client.demo.machines import Device

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
PATIENCE_S = 20.0


class Terminal:
    """A tmux session of its own server, running `opensesh`."""

    def __init__(self, device: Device, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        command = f"'{sys.executable}' -P -c 'import sys, opensesh; sys.exit(opensesh.main())'; echo left with $?; cat"
        self._environment = {
            **device.environment,
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
        }
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "24", command)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words], env=self._environment, capture_output=True, text=True, timeout=20,
            check=True,
        )  # fmt: skip
        return done.stdout

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, *words: str, until: Callable[[str], bool] = lambda _: True) -> str:
        """Wait until all words are on the screen."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            screen = self.screen()
            if all(word in screen for word in words) and until(screen):
                return screen
            assert time.monotonic() < deadline, f"{words} did not come up on:\n{screen}"

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Terminal, Device]]:
    device = Device("laptop", tmp_path)
    terminal = Terminal(device, tmp_path)
    try:
        yield terminal, device
    finally:
        terminal.close()
        device.stop()


@pytest.mark.deep
@needs_tmux
def test_a_thread_from_its_title_to_a_live_answer_at_every_width(opened: tuple[Terminal, Device]) -> None:
    terminal, device = opened
    terminal.shows("No threads yet.", "local-only", "Ctrl-Q quit")
    terminal.press("C-n")
    terminal.shows("title›")
    terminal.type("Fix the parser")
    terminal.press("Enter")
    terminal.shows("▸ Fix the parser", "Nothing here yet")
    terminal.type("How do I pair?")
    terminal.press("Enter")
    terminal.shows("laptop ·", "answer · guide", "gets this answer.", until=lambda s: "answering" not in s)
    device.run("say", "Fix the parser", "written elsewhere, 日本語 🎉")
    terminal.shows("written elsewhere, 日本語 🎉")
    terminal.resize(60, 20)
    narrow = terminal.shows("written elsewhere", until=lambda s: "▸" not in s)
    assert "│" not in narrow.splitlines()[3], "the sidebar is gone below 80 columns"
    terminal.resize(140, 30)
    terminal.shows("▸ Fix the parser", "written elsewhere")


@pytest.mark.deep
@needs_tmux
def test_typing_goes_on_while_the_node_is_away_and_leaving_restores_the_terminal(
    opened: tuple[Terminal, Device],
) -> None:
    terminal, device = opened
    device.run("new", "A thread")
    terminal.shows("▸ A thread")
    device.run("node", "stop")
    terminal.shows("the node is away")
    terminal.type("typed meanwhile")
    terminal.press("Enter")
    terminal.shows("E001", "› typed meanwhile")
    device.run("node", "start")
    terminal.shows("local-only", until=lambda s: "away" not in s)
    terminal.press("M-s")
    terminal.shows("laptop ·", "typed meanwhile")
    terminal.press("C-q")
    screen = terminal.shows("left with 0")
    assert "▸" not in screen, "the terminal shows what it showed before"
