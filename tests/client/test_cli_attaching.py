"""`run` and `attach` on a terminal: what is drawn, what is typed, and how one gets out of it."""

import asyncio
import termios
from typing import Any

import pytest

from crdt.errors import PERMISSION_DENIED, TERMINAL_NOT_FOUND
from tests.client.handlers import FakeNode
from tests.client.shell import Shell
from tests.client.showing import LINES, TERMINAL
from tests.client.terminal import Terminal
from tests.waiting import until

SCREEN, _, ENDED = LINES["terminal.watch"]
PLAIN: dict[str, Any] = {**SCREEN, "history": [], "lines": [{"text": "$ hello"}, {"text": ""}], "rows": 2}


@pytest.fixture
def term(shell: Shell, served: FakeNode) -> Shell:
    """An ordinary terminal, and a node in which a program shows one screen and goes on."""
    shell.environ["TERM"] = "xterm-256color"
    shell.environ["LANG"] = "C.UTF-8"
    served.lines["terminal.watch"] = [PLAIN]
    served.holding["terminal.watch"] = asyncio.Event()
    return shell


def typed(node: FakeNode) -> str:
    return "".join(call.parameters["text"] for call in node.calls if call.operation == "terminal.input")


def attributes(terminal: Terminal) -> list[Any]:
    return termios.tcgetattr(terminal._ours)


async def test_keys_reach_the_program_and_the_terminal_is_left_as_it_was(served: FakeNode, term: Shell) -> None:
    async with Terminal(term).running("attach", "k3v9", "t1") as terminal:
        before = attributes(terminal)
        await terminal.until("$ hello")
        terminal.type("ü\x03\x1b[A")
        await until(lambda: typed(served) == "ü\x03\x1b[A", "the keys at the node")
        assert attributes(terminal) != before, "Ctrl-C is the program's"
        terminal.type("\x1dd")
        assert await terminal.end() == 0
        assert "Detached; the program goes on." in terminal.said and "opensesh attach k3v9 t1a" in terminal.said
        assert attributes(terminal) == before
        assert terminal.said.rindex("\x1b[?25h") > terminal.said.rindex("\x1b[?25l")


async def test_run_begins_in_the_windows_size_and_ends_with_the_programs_exit_code(
    served: FakeNode, term: Shell
) -> None:
    served.lines["terminal.watch"] = [PLAIN, {**ENDED, "code": 7}]
    term.environ["SEEN"] = "by the program"
    async with Terminal(term, columns=77).running("run", "k3v9", "--", "make", "--json", "all") as terminal:
        assert await terminal.end() == 7
    assert "exit code 7" in terminal.said
    called = served.last("terminal.run")
    assert (called["command"], called["columns"], called["rows"]) == (["make", "--json", "all"], 77, 24)
    assert "SEEN=by the program" in called["environment"]
    assert not any(each.startswith("OPENSESH_") for each in called["environment"])
    assert served.last("terminal.watch")["terminal"] == TERMINAL["terminal"]


async def test_who_may_not_type_is_told_so_and_goes_on_watching(served: FakeNode, term: Shell) -> None:
    served.errors["terminal.input"] = PERMISSION_DENIED("Ben types here.")
    async with Terminal(term).running("attach", "k3v9") as terminal:
        await terminal.until("$ hello")
        terminal.type("x")
        await terminal.until("Ben types here.")
        terminal.type("\x1dd")
        assert await terminal.end() == 0


async def test_a_refusal_leaves_the_screen_alone(served: FakeNode, term: Shell) -> None:
    served.errors["terminal.watch"] = TERMINAL_NOT_FOUND()
    async with Terminal(term).running("attach", "k3v9") as terminal:
        before = attributes(terminal)
        assert await terminal.end() == 1
        assert "E056" in terminal.said and "\x1b[2J" not in terminal.said
        assert attributes(terminal) == before


async def test_a_node_that_goes_away_gives_the_terminal_back(served: FakeNode, term: Shell) -> None:
    async with Terminal(term).running("attach", "k3v9") as terminal:
        before = attributes(terminal)
        await terminal.until("$ hello")
        served.holding["terminal.watch"].set()  # the stream ends without its last line
        assert await terminal.end() == 1
        assert "went away" in terminal.said and attributes(terminal) == before


@pytest.mark.parametrize("options", [["--detach"], ["--json"]])
async def test_a_program_that_is_only_started_is_not_watched(served: FakeNode, term: Shell, options: list[str]) -> None:
    async with Terminal(term).running("run", "k3v9", *options, "--", "make") as terminal:
        assert await terminal.end() == 0
    assert TERMINAL["terminal"] in terminal.said and "\x1b[2J" not in terminal.said
    assert not [call for call in served.calls if call.operation == "terminal.watch"]
