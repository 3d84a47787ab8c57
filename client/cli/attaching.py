"""A person at a shared terminal: their keys go to the program, its screen is drawn here.

One thread reads what the node tells, the main one draws and reads keys, so that neither waits for the other.
The queue between them is short: a window that draws slowly makes the node skip to the newest screen.
"""

import codecs
import contextlib
import os
import queue
import select
import signal
import sys
import termios
import threading
import tty
from typing import Any, Final

from client.cli.canvas import BEGIN, Canvas
from client.cli.session import Session
from client.cli.terminals import window
from crdt.errors import PERMISSION_DENIED, TERMINAL_ENDED, OpenSeshError

PREFIX: Final = 0x1D  # Ctrl-]
DETACH: Final = "Ctrl-] d leaves it running"
MAX_WAITING: Final = 16
MAX_TYPED: Final = 1024  # characters of one call


class Attached:
    """One terminal on this one. `terminal` is its id once it is known."""

    def __init__(self, session: Session, thread: str, terminal: str | None, *, fit: bool) -> None:
        self.terminal = terminal
        self._session, self._thread, self._fit = session, thread, fit
        self._keys = Keys()
        self._told: queue.Queue[dict[str, Any] | BaseException] = queue.Queue(MAX_WAITING)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._canvas = Canvas(*window(), colour=not os.environ.get("NO_COLOR"))

    def stay(self) -> dict[str, Any] | None:
        """Until the program ends (how it did) or the person leaves (None). Raises what the node says otherwise."""
        threading.Thread(target=self._read, name="terminal", daemon=True).start()
        before = termios.tcgetattr(0)
        resized = signal.signal(signal.SIGWINCH, lambda *_: None)
        woken = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        first = self._told.get()  # what refuses us says so before the screen is touched
        if isinstance(first, BaseException):
            self._restore(before, resized, woken)
            raise first
        try:
            tty.setraw(0)
            self._canvas.notice = f" {DETACH} "
            self._write(BEGIN)
            self._take(first)
            return self._loop()
        finally:
            with contextlib.suppress(OSError):
                self._write(self._canvas.leave())
            self._restore(before, resized, woken)

    def _restore(self, before: list[Any], resized: Any, woken: int) -> None:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGWINCH, resized)

    def _read(self) -> None:
        try:
            for line in self._session.stream("terminal.watch", thread=self._thread, terminal=self.terminal):
                self._tell(line)
        except BaseException as error:
            self._tell(error)

    def _tell(self, said: dict[str, Any] | BaseException) -> None:
        self._told.put(said)
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def _loop(self) -> dict[str, Any] | None:
        if self._fit:
            self._resize()
        while True:
            end = self._draw()
            if end is not None:
                return end
            ready, _, _ = select.select([0, self._wake_read], [], [])
            if self._wake_read in ready and signal.SIGWINCH in os.read(self._wake_read, 4096):
                self._resize()
            if 0 in ready:
                typed = os.read(0, 4096)
                keys, leaves = self._keys.take(typed)
                if keys:
                    self._type(keys)
                if leaves or not typed:
                    return None

    def _draw(self) -> dict[str, Any] | None:
        """Take in what was told, and show it; the terminal's end, if that is among it."""
        end = None
        with contextlib.suppress(queue.Empty):
            while end is None:
                said = self._told.get_nowait()
                if isinstance(said, BaseException):
                    raise said
                self._take(said)
                end = said if said["type"] == "terminal.ended" else None
        self._write(self._canvas.draw())
        return end

    def _take(self, said: dict[str, Any]) -> None:
        self.terminal = str(said["terminal"])
        self._canvas.take(said)

    def _type(self, keys: bytes) -> None:
        self._canvas.notice = ""
        text = self._decoder.decode(keys)
        for start in range(0, len(text), MAX_TYPED):
            self._ask("terminal.input", text=text[start : start + MAX_TYPED])

    def _resize(self) -> None:
        columns, rows = window()
        self._canvas.resize(columns, rows)
        if self._fit:
            self._ask("terminal.resize", columns=columns, rows=rows)

    def _ask(self, operation: str, **values: Any) -> None:
        try:
            self._session.call(operation, thread=self._thread, terminal=self.terminal, **values)
        except OpenSeshError as error:
            if error.kind is PERMISSION_DENIED:
                self._canvas.notice = f" {error.message} {DETACH} "
            elif error.kind is not TERMINAL_ENDED:  # its end is about to be told
                raise

    def _write(self, text: str) -> None:
        sys.stdout.write(text.encode(errors="replace").decode())
        sys.stdout.flush()


class Keys:
    """Tells what is typed for the program from what is meant for us."""

    def __init__(self) -> None:
        self._prefixed = False

    def take(self, typed: bytes) -> tuple[bytes, bool]:
        """(what the program gets, whether to leave it)"""
        kept = bytearray()
        for key in typed:
            if self._prefixed:
                self._prefixed = False
                if key in b"dD":
                    return bytes(kept), True
                kept += bytes([key]) if key == PREFIX else bytes([PREFIX, key])
            elif key == PREFIX:
                self._prefixed = True
            else:
                kept.append(key)
        return bytes(kept), False
