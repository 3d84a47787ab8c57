"""Starting the node when a command needs it: once, detached, and with its own words when it fails."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from client import starting
from crdt.errors import HOME_LOCKED, REQUEST_INVALID, OpenSeshError
from node.api.endpoint import places
from node.home import Home
from tests.client.handlers import ANSWERS, FakeNode
from tests.client.shell import ROOT, Shell
from tests.waiting import until

DRIVER = str(Path(__file__).with_name("with_fake_node.py"))


@pytest.fixture
async def starter(home: Path, tmp_path: Path) -> AsyncIterator[Shell]:
    """Commands that may start the stand-in, which is stopped in the end."""
    environ = {**os.environ, "OPENSESH_NODE_AUTOSTART": "1", "FAKE_NODE": "ready"}
    shell = Shell({**environ, "FAKE_STARTS": str(tmp_path / "starts")}, program=[sys.executable, "-P", DRIVER])
    yield shell
    await shell("node", "stop")


def is_there(path: str | Path) -> bool:
    """Whether something is at a path."""
    return Path(path).exists()


def starts(shell: Shell) -> list[dict[str, Any]]:
    """What each started process said of itself."""
    return [json.loads(line) for line in Path(shell.environ["FAKE_STARTS"]).read_text().splitlines()]


async def test_a_command_starts_the_node_and_the_next_one_finds_it(starter: Shell) -> None:
    assert (await starter("list", "--json")).value["threads"]
    assert (await starter("list")).code == 0
    assert len(starts(starter)) == 1


async def test_the_node_is_detached_from_the_command_that_started_it(starter: Shell) -> None:
    # Both pipes are read to their end: had the node inherited one, this would not return.
    await starter("list")
    (start,) = starts(starter)
    assert start["session"] == start["pid"]
    assert start["cwd"] == "/"
    # One is the listing of the folder itself, another the file that this line is written to.
    assert len(start["fds"]) <= 2


async def test_twenty_first_commands_at_once_start_one_node(starter: Shell) -> None:
    finished = await asyncio.gather(*(starter("list", "--json") for _ in range(20)))
    assert {command.code for command in finished} == {0}, finished
    assert len(starts(starter)) == 1


async def test_a_node_that_is_still_starting_is_waited_for(starter: Shell) -> None:
    starter.environ["FAKE_NODE"] = "starting"
    finished = await starter("node", "start", "--json")
    assert (finished.value["state"], finished.value["started"]) == ("ready", True)
    assert (await starter("node", "start", "--json")).value["started"] is False


async def test_the_error_a_node_refuses_to_start_with_is_the_commands_error(starter: Shell) -> None:
    starter.environ["FAKE_NODE"] = "refuses"
    finished = await starter("list", "--json")
    assert (finished.code, finished.out, finished.error["name"]) == (1, "", "DATABASE_CORRUPT")
    assert finished.error["details"]["path"] == "opensesh.db"


async def test_a_node_that_crashes_leaves_the_end_of_its_log_in_the_error(starter: Shell) -> None:
    starter.environ["FAKE_NODE"] = "crashes"
    finished = await starter("list")
    assert finished.code == 1
    assert "error E001" in finished.err and "exit code 3" in finished.err and "the cause" in finished.err


async def test_a_home_held_by_a_node_that_never_answers_is_said_to_be_locked(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_NODE", "ready")
    monkeypatch.setenv("FAKE_STARTS", str(tmp_path / "starts"))
    monkeypatch.setattr(
        starting, "node_command", lambda: [sys.executable, str(Path(DRIVER).with_name("fake_node_process.py"))]
    )
    monkeypatch.setattr(starting, "LOCKED_TIMEOUT_S", 0.2)
    with Home.of(), pytest.raises(OpenSeshError) as caught:
        await asyncio.to_thread(starting.start)
    assert caught.value.kind is HOME_LOCKED


async def test_a_socket_left_by_a_dead_node_does_not_keep_a_new_one_from_starting(starter: Shell) -> None:
    await starter("list")
    os.kill(starts(starter)[0]["pid"], signal.SIGKILL)
    path = places(starter.environ).socket
    await until(lambda: not _listens(path))
    assert is_there(path)
    assert (await starter("list")).code == 0
    assert len(starts(starter)) == 2


async def test_commands_that_only_look_do_not_start_it(starter: Shell) -> None:
    assert (await starter("node", "status", "--json")).error["code"] == "E001"
    stopped = await starter("node", "stop", "--json")
    assert (stopped.code, stopped.value["stopping"]) == (0, False)
    assert not is_there(starter.environ["FAKE_STARTS"])


async def test_stop_returns_once_the_process_has_ended(starter: Shell) -> None:
    await starter("list")
    finished = await starter("node", "stop", "--json")
    assert finished.value["stopping"] is True
    assert not _listens(places(starter.environ).socket)
    with Home.of(starter.environ):
        pass  # its lock is free, so its process is gone


async def test_a_folder_called_node_in_the_current_folder_is_not_run(home: Path, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    trap = tmp_path / "ran"
    (tmp_path / "node" / "__main__.py").write_text(f"open({str(trap)!r}, 'w')")
    process = await asyncio.create_subprocess_exec(
        *starting.node_command()[:-2],
        "-c",
        "import node; print(node.__file__)",
        cwd=tmp_path,
        env=starting.node_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert Path(out.decode().strip()) == ROOT / "node" / "__init__.py"
    assert not is_there(trap)


async def test_doctor_reports_a_node_that_can_not_start(starter: Shell) -> None:
    starter.environ["FAKE_NODE"] = "refuses"
    finished = await starter("doctor", "--json")
    assert finished.code == 1
    assert finished.value["ok"] is False
    assert finished.value["checks"][0]["error"]["name"] == "DATABASE_CORRUPT"
    assert "failed" in (await starter("doctor")).out


async def test_a_node_of_another_version_is_named_when_it_refuses(served: FakeNode, shell: Shell) -> None:
    served.answers["status"] = {**ANSWERS["status"], "version": "9.9.9"}
    served.errors["model.list"] = REQUEST_INVALID("There is no such operation.")
    finished = await shell("models", "--json")
    assert "9.9.9" in finished.error["next"] and "node stop" in finished.error["next"]
    assert "9.9.9" in (await shell("node", "status")).out


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('noise\n{"error": {"code": "E023", "message": "m"}}\n', "E023"),
        ("error E028: The keys can't be read.\nnext: Unlock them.\n", "E028"),
        ("Traceback (most recent call last):\n  …\n", None),
        ('{"error": 5}\n{broken\n', None),
        ("", None),
    ],
)
def test_an_error_is_found_in_what_a_process_said(said: str, code: str | None) -> None:
    found = starting.error_in(said)
    assert (found and found.kind.code) == code


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
