"""The one owner of stdout and stderr: data here, words for people there, colour only where it is wanted.

With `--json` stdout carries JSON and nothing else, in ASCII: no locale breaks it, and no terminal obeys it.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from client.cli.text import clean, one_line
from crdt.errors import OpenSeshError

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Out:
    """Where one command's output goes. `as_json` is what `--json` asked for."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.terminal = sys.stdout.isatty()
        self._progress = False
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._colour = self.terminal and not plain and not as_json
        self._colour_errors = sys.stderr.isatty() and not plain

    @property
    def columns(self) -> int | None:
        """How wide the terminal is; None where nothing bounds a line."""
        if not self.terminal:
            return None
        try:
            return max(40, os.get_terminal_size(sys.stdout.fileno()).columns)
        except OSError:
            return 80

    def style(self, name: str, text: str) -> str:
        """The text in a style, where there is colour."""
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if self._colour and text else text

    def data(self, value: Any) -> None:
        """One JSON line."""
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()

    def answer(self, result: Any, text: Callable[[], str]) -> None:
        """What a command was answered: the data with `--json`, else as harmless text, if that says anything."""
        if self.as_json:
            self.data(result)
        elif shown := text():
            self.line(shown)

    def line(self, text: str) -> None:
        """Harmless text for people, and the end of the line."""
        _write(sys.stdout, text + "\n")

    def piece(self, text: str) -> None:
        """Harmless text that goes on."""
        _write(sys.stdout, text)

    def raw(self, text: str) -> None:
        """The text to the byte, as a file or a pipe wants it; made harmless for a terminal."""
        if self.terminal:
            _write(sys.stdout, clean(text))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
            sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """A word to the person, not part of the data; none with `--json`."""
        if not self.as_json:
            _write(sys.stderr, text + "\n")

    def progress(self, text: str) -> None:
        """A word that is replaced by the next one, on a terminal only; an empty one clears it."""
        if not self.as_json and (text or self._progress) and sys.stderr.isatty():
            _write(sys.stderr, f"\r\x1b[K{text}")  # clears the line, so never one that holds anything else
            self._progress = bool(text)

    def error(self, error: OpenSeshError) -> None:
        """An error, in the one shape it has everywhere: to stderr, as a JSON line with `--json`."""
        shape = error.to_json()
        if self.as_json:
            sys.stderr.write(json.dumps({"error": shape}, default=str) + "\n")
            sys.stderr.flush()
            return
        mark = f"error {error.kind.code}:"
        if self._colour_errors:
            mark = f"\x1b[31m{mark}\x1b[0m"
        lines = [f"{mark} {one_line(error.message)}"]
        lines += [f"  {indent}{one_line(line)}" for indent, line in details(shape["details"])]
        lines.append(f"next: {one_line(shape['next'])}")
        _write(sys.stderr, "\n".join(lines) + "\n")


def details(values: dict[str, Any]) -> list[tuple[str, str]]:
    """An error's details as indent and line: what helps a person, as the nearest matches or the tail of a log."""
    lines = []
    for name, value in values.items():
        if isinstance(value, list | tuple):
            items = [_item(item) for item in value]
            lines += [("", f"{name}:"), *(("  ", item) for item in items)] if items else []
        elif value is not None and not isinstance(value, dict):
            lines.append(("", f"{name}: {value}"))
    return lines


def _item(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(str(inner) for inner in value.values())
    return str(value)


def _write(stream: Any, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding or "ascii", "backslashreplace").decode(stream.encoding or "ascii"))
    stream.flush()
