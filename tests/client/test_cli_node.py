"""The node's log and settings file, which are there whether it runs or not."""

import asyncio
import json
from pathlib import Path

import pytest

from node.api.endpoint import places
from tests.client.handlers import FakeNode
from tests.client.inside import Inside
from tests.client.shell import PATIENCE_S, Shell
from tests.client.terminal import Terminal


@pytest.fixture
def log(home: Path) -> Path:
    """A log of 200 lines, the last of them hostile."""
    path = Path(places().log_file)
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"line {number}\n" for number in range(199)) + "evil \x1b[2J\n")
    return path


async def test_the_end_of_the_log_is_printed_harmless(log: Path, cli: Inside) -> None:
    assert (await cli("node", "logs")).out.splitlines()[0] == "line 100"
    assert (await cli("node", "logs", "-n", "2")).out == "line 198\nevil ␛[2J\n"
    assert (await cli("node", "logs", "--lines", "0")).out == ""
    assert (await cli("node", "logs", "-n", "1", "--json")).value == {"path": str(log), "lines": ["evil \x1b[2J"]}


async def test_without_a_log_it_says_where_it_would_be(home: Path, cli: Inside) -> None:
    finished = await cli("node", "logs", "--json")
    assert (finished.code, finished.error["code"]) == (1, "E030")
    assert places().log_file in finished.error["message"]


async def test_a_log_is_followed_through_truncation_and_rotation(log: Path, shell: Shell) -> None:
    process = await shell.begin("node", "logs", "--follow", "--lines", "1", "--json")
    assert process.stdout is not None

    async def line() -> str:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            return str(json.loads(await process.stdout.readline())["line"])

    assert await line() == "evil \x1b[2J"
    append(log, "half ")
    append(log, "and half\nnext\n")
    assert [await line(), await line()] == ["half and half", "next"]
    write(log, "truncated\n")
    assert await line() == "truncated"
    rotate(log)
    write(log, "rotated\n")
    assert await line() == "rotated"
    process.kill()
    await process.wait()


async def test_settings_are_edited_without_the_node(home: Path, shell: Shell, tmp_path: Path) -> None:
    editor = executable(tmp_path / "my editor", '#!/bin/sh\necho "sync.lan = $1" > "$2"\n')
    shell.environ |= {"VISUAL": f"'{editor}' false", "TERM": "xterm"}
    async with Terminal(shell).running("config", "edit") as terminal:
        assert await terminal.end() == 0
    file = home / "config" / "config.toml"
    assert file.read_text() == "sync.lan = false\n"
    assert file.parent.stat().st_mode & 0o777 == 0o700
    shell.environ["VISUAL"] = "/no/such/editor"
    async with Terminal(shell).running("config", "edit") as terminal:
        assert await terminal.end() == 1
    assert "can't be started" in terminal.said
    finished = await shell("config", "edit", "--json")
    assert (finished.code, finished.error["code"]) == (2, "E012")


async def test_a_bare_value_is_printed_for_a_script_that_wants_just_that(served: FakeNode, cli: Inside) -> None:
    served.answers["config.get"] = {"config": {"models.default": "local/qwen3"}, "path": "/x"}
    assert (await cli("config", "get", "models.default")).out == "local/qwen3\n"
    served.answers["config.get"] = {"config": {"import.follow": ["claude", "codex"]}, "path": "/x"}
    assert (await cli("config", "get", "import.follow")).out == "claude\ncodex\n"


def append(log: Path, text: str) -> None:
    """Write at a log's end."""
    with log.open("a") as file:
        file.write(text)


def write(log: Path, text: str) -> None:
    """Write a log anew, in the same file."""
    log.write_text(text)


def rotate(log: Path) -> None:
    """Put a log aside."""
    log.rename(log.with_suffix(".1"))


def executable(path: Path, script: str) -> Path:
    """A program of our own."""
    path.write_text(script)
    path.chmod(0o755)
    return path
