"""Bytes of a program into a screen of cells: the only way by which anybody's output is ever shown.

Reads UTF-8 and the control functions of ECMA-48 and xterm that programs use. What would act on more than the
screen (titles aside, which become text) is read and dropped: clipboard, hyperlinks, colours of the palette,
device strings. Whatever comes in, memory stays bounded and nothing is raised. Questions are answered into
`replies`, which whoever runs the program may give back to it, and nobody else.
"""

import codecs
import re
from collections.abc import Callable
from typing import Final

from node.terminals.cells import width
from node.terminals.screen import Screen
from node.terminals.styles import restyled

MAX_SEQUENCE: Final = 256  # characters of a control sequence; a longer one is dropped as it comes
MAX_PARAMETER: Final = 9999
MAX_PARAMETERS: Final = 32
MAX_TITLE: Final = 256
MAX_REPLIES: Final = 64
MAX_WORK: Final = 100_000  # cells made in one go, some ms: a few bytes can ask for a whole screen of them

_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_LINES = re.compile(r"(?:[\x20-\x7e]*+\r\n)++[\x20-\x7e]*+")
_CONTROL_SEQUENCE = re.compile(r"\x1b\[([\x30-\x3f]*)([\x20-\x2f]*)([\x40-\x7e])")
_BEGUN_SEQUENCE = re.compile(r"\x1b\[[\x30-\x3f]*[\x20-\x2f]*")
_ESCAPE = re.compile(r"\x1b([\x20-\x2f]*)([\x30-\x7e])")
_BEGUN_ESCAPE = re.compile(r"\x1b[\x20-\x2f]*")
_STRING_END = re.compile(r"[\x07\x18\x1a\x1b\x9c]")
_STRINGS: Final = frozenset("]PX^_")  # what begins a string that ends with ST: OSC, DCS, SOS, PM, APC


class Emulator:
    """A screen, and where in the stream its reader stands. `feed` it, then read `screen`."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = Screen(columns, rows)
        self.replies: list[bytes] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.is_behind = False  # there is more to do, by `catch_up`, before the next bytes are fed
        self._rest = ""  # the beginning of a sequence whose end has not come, or what is left to do
        self._string: list[str] | None = None  # within one of `_STRINGS`: what of it is kept
        self._controls = _controls(self.screen)
        self._sequences = self._sequence_table()

    def feed(self, data: bytes) -> None:
        """Let the screen do what the bytes say, or so much of it as is quickly done: see `is_behind`."""
        self.screen.stamp += 1
        self.screen.work = 0
        text, self._rest = self._rest + self._decoder.decode(data), ""
        if self._string is None and _LINES.fullmatch(text):
            self.screen.print(text.split("\r\n"))
            return
        at, end = 0, len(text)
        draw, controls = self.screen.draw, self._controls
        while at < end:
            if self.screen.work > MAX_WORK:
                self.is_behind, self._rest = True, text[at:]
                return
            if self._string is not None:
                at = self._in_string(text, at)
                continue
            plain = _TEXT.match(text, at)
            if plain is not None:
                draw(plain.group())
                at = plain.end()
                continue
            control = text[at]
            if control == "\x1b":
                at = self._escape(text, at)
                if at < 0:
                    return
            else:
                if (act := controls.get(control)) is not None:
                    act()
                at += 1

    def catch_up(self) -> None:
        """Go on with what `feed` left."""
        self.is_behind = False
        self.feed(b"")

    def resize(self, columns: int, rows: int) -> None:
        """Another size from here on."""
        self.screen.stamp += 1
        self.screen.resize(columns, rows)

    # ---- sequences

    def _escape(self, text: str, at: int) -> int:
        """Do what the sequence at `at` says; where it ends, or -1 if its end has not come."""
        if text.startswith("[", at + 1):
            found = _CONTROL_SEQUENCE.match(text, at)
            if found is not None:
                self._control_sequence(*found.groups())
                return found.end()
            return self._unfinished(text, at, _BEGUN_SEQUENCE)
        found = _ESCAPE.match(text, at)
        if found is None:
            return self._unfinished(text, at, _BEGUN_ESCAPE)
        between, final = found.groups()
        if not between and final in _STRINGS:
            self._string = [] if final == "]" else [""] * (MAX_TITLE + 8)  # of others nothing is kept
            return found.end()
        self._single(between, final)
        return found.end()

    def _unfinished(self, text: str, at: int, begun: "re.Pattern[str]") -> int:
        """Wait for the rest of a sequence; one that can't become any is dropped up to where it went wrong."""
        found = begun.match(text, at)
        stop = found.end() if found else at + 1
        if stop < len(text) or stop - at > MAX_SEQUENCE:
            return stop
        self._rest = text[at:]
        return -1

    def _in_string(self, text: str, at: int) -> int:
        """Go on in a string: where it ends, or the end of the text."""
        assert self._string is not None
        found = _STRING_END.search(text, at)
        stop = found.start() if found else len(text)
        room = MAX_TITLE + 8 - len(self._string)
        if room > 0:
            self._string += text[at : min(stop, at + room)]
        if found is None:
            return stop
        self._string_ended("".join(self._string))
        self._string = None
        # ESC begins the ST that ends it, or what comes instead; both are read from there.
        return stop if found.group() == "\x1b" else stop + 1

    def _string_ended(self, said: str) -> None:
        kind, separator, title = said.partition(";")
        if separator and kind in ("0", "2"):
            self.screen.title = "".join(each for each in title[:MAX_TITLE] if width(each) >= 0)

    def _single(self, between: str, final: str) -> None:
        screen = self.screen
        if between in ("(", ")"):
            screen.drawing[between == ")"] = final == "0"
        elif between == "#" and final == "8":
            screen.fill("E")
        elif between:
            pass
        elif final == "c":
            screen.reset()
        elif final in "=>":
            screen.application_keypad = final == "="
        elif (act := _SINGLES.get(final)) is not None:
            act(screen)

    def _control_sequence(self, given: str, between: str, final: str) -> None:
        private = given[:1] if given[:1] in ("<", "=", ">", "?") else ""
        if final == "m" and not private and not between:
            self.screen.style = restyled(self.screen.style, given)
            return
        numbers = _numbers(given[len(private) :])
        if private == "?" and final in "hl" and not between:
            for mode in numbers:
                self._private_mode(mode, final == "h")
        elif private == ">" and final == "c":
            self._reply("\x1b[>0;0;0c")
        elif between == "!" and final == "p":
            self._soft_reset()
        elif not private and not between and (act := self._sequences.get(final)) is not None:
            act(numbers)

    def _sequence_table(self) -> "dict[str, Callable[[list[int]], None]]":
        screen = self.screen

        def count(numbers: list[int]) -> int:
            return max(1, numbers[0])

        def second(numbers: list[int]) -> int:
            return numbers[1] if len(numbers) > 1 else 0

        return {
            "@": lambda n: screen.insert_cells(count(n)),
            "A": lambda n: screen.move(0, -count(n)),
            "B": lambda n: screen.move(0, count(n)),
            "C": lambda n: screen.move(count(n), 0),
            "D": lambda n: screen.move(-count(n), 0),
            "E": lambda n: screen.move(-MAX_PARAMETER, count(n)),
            "F": lambda n: screen.move(-MAX_PARAMETER, -count(n)),
            "G": lambda n: screen.place(count(n) - 1, None),
            "H": lambda n: screen.place(max(1, second(n)) - 1, count(n) - 1),
            "I": lambda n: screen.tab(count(n)),
            "J": lambda n: screen.erase_in_display(n[0]),
            "K": lambda n: screen.erase_in_line(n[0]),
            "L": lambda n: screen.insert_lines(count(n)),
            "M": lambda n: screen.delete_lines(count(n)),
            "P": lambda n: screen.delete_cells(count(n)),
            "S": lambda n: screen.scroll_up(count(n)),
            "T": lambda n: screen.scroll_down(count(n)),
            "X": lambda n: screen.erase_cells(count(n)),
            "Z": lambda n: screen.tab(-count(n)),
            "`": lambda n: screen.place(count(n) - 1, None),
            "a": lambda n: screen.move(count(n), 0),
            "b": lambda n: screen.repeat(count(n)),
            "c": lambda n: self._reply("\x1b[?62;22c") if not n[0] else None,
            "d": lambda n: screen.place(None, count(n) - 1),
            "e": lambda n: screen.move(0, count(n)),
            "f": lambda n: screen.place(max(1, second(n)) - 1, count(n) - 1),
            "g": lambda n: screen.clear_tabs(n[0]),
            "h": lambda n: self._mode(n, True),
            "l": lambda n: self._mode(n, False),
            "n": lambda n: self._report(n[0]),
            "r": lambda n: screen.margins(count(n) - 1, (second(n) or screen.rows) - 1),
            "s": lambda n: screen.save(),
            "u": lambda n: screen.restore(),
        }

    # ---- modes and questions

    def _mode(self, numbers: list[int], on: bool) -> None:
        for mode in numbers:
            if mode == 4:
                self.screen.insert = on
            elif mode == 20:
                self.screen.newline = on

    def _private_mode(self, mode: int, on: bool) -> None:
        screen = self.screen
        if (name := _MODES.get(mode)) is not None:
            setattr(screen, name, on)
            if mode == 6:
                screen.place(0, 0)
        elif mode in (47, 1047):
            screen.show_alternate(on)
        elif mode == 1048:
            (screen.save if on else screen.restore)()
        elif mode == 1049:
            if on and not screen.alternate:
                screen.save()
            was = screen.alternate
            screen.show_alternate(on)
            if was and not on:
                screen.restore()

    def _soft_reset(self) -> None:
        screen = self.screen
        screen.insert, screen.origin, screen.autowrap, screen.cursor_visible = False, False, True, True
        screen.application_cursor = screen.application_keypad = False
        screen.top, screen.bottom = 0, screen.rows - 1
        screen.style = restyled(screen.style, "0")
        screen.drawing, screen.shifted = [False, False], 0

    def _report(self, what: int) -> None:
        screen = self.screen
        if what == 5:
            self._reply("\x1b[0n")
        elif what == 6:
            y = screen.y - (screen.top if screen.origin else 0)
            self._reply(f"\x1b[{y + 1};{min(screen.x, screen.columns - 1) + 1}R")

    def _reply(self, text: str) -> None:
        if len(self.replies) < MAX_REPLIES:
            self.replies.append(text.encode())


_MODES: Final = {
    1: "application_cursor",
    6: "origin",
    7: "autowrap",
    25: "cursor_visible",
    66: "application_keypad",
    2004: "bracketed_paste",
}
_SINGLES: Final[dict[str, Callable[[Screen], None]]] = {
    "7": Screen.save,
    "8": Screen.restore,
    "D": Screen.index,
    "E": Screen.next_line,
    "H": Screen.set_tab,
    "M": Screen.reverse_index,
}


def _controls(screen: Screen) -> dict[str, Callable[[], None]]:
    def shift(number: int) -> None:
        screen.shifted = number

    return {
        "\b": screen.backspace,
        "\t": screen.tab,
        "\n": screen.linefeed,
        "\v": screen.linefeed,
        "\f": screen.linefeed,
        "\r": screen.carriage_return,
        "\x0e": lambda: shift(1),
        "\x0f": lambda: shift(0),
    }


def _numbers(given: str) -> list[int]:
    """At least one number; what is none, or left out, is 0."""
    found = []
    for piece in given.split(";", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        found.append(min(int(piece[:5]), MAX_PARAMETER) if piece.isascii() and piece.isdigit() else 0)
    return found
