"""Commands with a person at a terminal: colour, width, questions; and hostile text that must not act."""

import asyncio

import pytest

from tests.client.handlers import ANSWERS, HOSTILE, LINES, FakeNode, thread_row
from tests.client.shell import Shell
from tests.client.terminal import Terminal


@pytest.fixture
def term(shell: Shell) -> Shell:
    """An environment in which a terminal is an ordinary one."""
    shell.environ["TERM"] = "xterm-256color"
    shell.environ["LANG"] = "C.UTF-8"
    return shell


async def test_an_export_is_harmless_on_a_terminal(served: FakeNode, term: Shell) -> None:
    async with Terminal(term).running("export", "k3v9") as terminal:
        assert await terminal.end() == 0
    assert "# Parser" in terminal.said
    assert not any(mark in terminal.said for mark in "\x1b\x07\u202e\u200b")


async def test_colour_is_for_terminals_that_want_it(served: FakeNode, term: Shell) -> None:
    async with Terminal(term).running("show", "k3v9") as terminal:
        await terminal.end()
    assert "\x1b[36m" in terminal.said
    assert "\x1b]0;" not in terminal.said and "\x1b[2J" not in terminal.said
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        plain = Shell({**term.environ, name: value})
        async with Terminal(plain).running("show", "k3v9") as terminal:
            await terminal.end()
        assert "\x1b" not in terminal.said


async def test_a_list_fits_the_terminal(served: FakeNode, term: Shell) -> None:
    served.answers["thread.list"] = {"threads": [thread_row(n, "long title " * 20) for n in range(3)]}
    async with Terminal(term, columns=100).running("list") as terminal:
        await terminal.end()
    assert all(len(line) <= 100 for line in terminal.said.splitlines())
    assert "…" in terminal.said and "on 2 devices" in terminal.said


async def test_deleting_for_ever_is_asked_for(served: FakeNode, term: Shell) -> None:
    for answer, code, calls in (("n\n", 1, 0), ("\n", 1, 0), ("y\n", 0, 1)):
        served.calls.clear()
        async with Terminal(term).running("delete", HOSTILE) as terminal:
            await terminal.until("[y/N] ")
            terminal.type(answer)
            assert await terminal.end() == code
        assert len(served.calls) == calls
        assert "\x1b" not in terminal.said


@pytest.mark.parametrize(("secrets", "question"), [(0, "Share it? "), (2, "Share it all the same? ")])
async def test_what_is_shared_is_shown_and_asked_about_first(
    served: FakeNode, term: Shell, secrets: int, question: str
) -> None:
    shown = served.answers["share.preview"] = {**ANSWERS["share.preview"], "secrets": secrets}
    shown["findings"] = shown["findings"] * secrets
    for answer, code in (("n\n", 1), ("\n", 1), ("y\n", 0)):
        served.calls.clear()
        async with Terminal(term).running("share", "k3v9", "--permission", "view") as terminal:
            await terminal.until(question)
            terminal.type(answer)
            assert await terminal.end() == code
        assert ("Nothing was shared." in terminal.said) == bool(code)
        assert [call.operation for call in served.calls] == ["share.preview", *([] if code else ["share.create"])]
    # Agreed to is what was shown: a secret that came since is refused, and not let through by this answer.
    assert served.last("share.create")["allow_secrets"] is (secrets > 0)


async def test_a_secret_is_asked_for_and_not_shown(served: FakeNode, term: Shell) -> None:
    async with Terminal(term).running("recovery", "confirm") as terminal:
        await terminal.until("Recovery words: ")
        terminal.type("zebra  zebra\n")
        assert await terminal.end() == 0
    assert served.last("recovery.confirm")["phrase"] == "zebra zebra"
    assert "zebra" not in terminal.said


async def test_a_secret_that_is_not_needed_is_not_asked_for(served: FakeNode, term: Shell) -> None:
    async with Terminal(term).running("sync", "connect", "ws://r") as terminal:
        assert await terminal.end() == 0
    assert served.last("sync.connect")["access_key"] is None


async def test_ctrl_c_while_an_answer_streams_says_how_to_stop_it(served: FakeNode, term: Shell) -> None:
    served.lines["run.ask"] = LINES["run.ask"][:3]
    served.holding["run.ask"] = asyncio.Event()
    process = Terminal(term)
    async with process.running("ask", "k3v9", "why?") as terminal:
        await terminal.until("Hello ")
        terminal.interrupt()
        assert await terminal.end() == 130
    assert "opensesh cancel k3v9" in terminal.said and "error E015" in terminal.said


async def test_reasoning_is_shown_apart_from_the_answer(served: FakeNode, term: Shell) -> None:
    thought = {**LINES["run.ask"][2], "text": "let me see", "part": "reasoning"}
    served.lines["run.ask"] = [*LINES["run.ask"][:2], thought, *LINES["run.ask"][2:]]
    async with Terminal(term).running("ask", "k3v9", "why?") as terminal:
        assert await terminal.end() == 0
    assert "\x1b[2mlet me see\x1b[0m\n\nHello wor␛[2Jld\n" in terminal.said


async def test_a_code_is_shown_with_what_to_do_with_it(served: FakeNode, term: Shell) -> None:
    async with Terminal(term).running("pair", "--yes") as terminal:
        assert await terminal.end() == 0
    assert served.last("pair.show")["confirm"] is False
    assert "opensesh pair" in terminal.said and "6-diet-eagle" in terminal.said
    assert "Paired with" in terminal.said and "desktop" in terminal.said


async def test_a_device_that_joins_is_named_and_asked_about(served: FakeNode, term: Shell) -> None:
    for answer, accepted in (("y\n", True), ("n\n", False)):
        async with Terminal(term).running("pair") as terminal:
            await terminal.until("Let desk␛[2Jtop (linux) in, with all your threads? [y/N] ")
            terminal.type(answer)
            await terminal.end()
        assert served.last("pair.show")["confirm"] is True
        assert served.last("pair.confirm")["accept"] is accepted


async def test_the_words_are_numbered_for_writing_down(served: FakeNode, term: Shell) -> None:
    async with Terminal(term).running("recovery", "show") as terminal:
        assert await terminal.end() == 0
    assert " 1 zebra" in terminal.said and "24 zebra" in terminal.said
    assert (await term("recovery", "show")).out == " ".join(["zebra"] * 24) + "\n"
