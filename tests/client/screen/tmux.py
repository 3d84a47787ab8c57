"""The screen in a real terminal: a tmux session of its own server, and what a person does in it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from client.demo.machines import Device

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
PATIENCE_S = 20.0


class Terminal:
    """A tmux session of its own server, running `opensesh` with these words."""

    def __init__(self, device: Device, folder: Path, before: str = "", words: str = "", **more: str) -> None:
        self._socket = str(folder / "tmux")
        program = f"'{sys.executable}' -P -c 'import sys, opensesh; sys.exit(opensesh.main())'"
        command = f"{before} {program} {words}; echo left with $?; cat"
        self._environment = {
            **device.environment,
            **more,
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

    def screen(self, *options: str) -> str:
        return self._tmux("capture-pane", "-p", *options)

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
