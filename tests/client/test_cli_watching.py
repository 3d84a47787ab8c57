"""`watch`: events in order, to the one waited for, across a restart of the node."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from client.cli import watching
from node.api.endpoint import places
from node.api.server import Server
from tests.client.handlers import LINES, THREAD_IDS, FakeNode
from tests.client.inside import Inside
from tests.client.shell import PATIENCE_S, Shell
from tests.waiting import until


async def test_it_ends_with_the_event_waited_for(served: FakeNode, cli: Inside) -> None:
    served.holding["events.watch"] = asyncio.Event()
    for wanted, kinds in [
        ("message.added", ["ready", "message.added"]),
        ("run.*", ["ready", "message.added", "run.completed"]),
    ]:
        finished = await cli("watch", "--until", wanted, "--json")
        assert finished.code == 0
        assert [line["type"] for line in finished.values] == kinds


async def test_resumed_after_a_cursor_it_prints_what_happened_and_nothing_of_its_own(
    served: FakeNode, cli: Inside
) -> None:
    finished = await cli("watch", "k3v9", "--since", "10", "--until", "run.completed", "--json")
    assert [line["cursor"] for line in finished.values] == [11, 12]
    assert served.last("events.watch") == {"thread": "k3v9", "since": 10}


async def test_what_does_not_come_in_time_is_a_timeout(served: FakeNode, cli: Inside) -> None:
    served.holding["events.watch"] = asyncio.Event()
    finished = await cli("watch", "--until", "nothing.like.it", "--timeout", "0.1", "--json")
    assert finished.code == 1
    assert finished.error["name"] == "TIMEOUT" and "nothing.like.it" in finished.error["message"]
    assert len(finished.values) == 3


async def test_a_person_reads_a_line_an_event(served: FakeNode, cli: Inside) -> None:
    finished = await cli("watch", "--until", "run.completed")
    assert "message.added" in finished.out.splitlines()[1] and THREAD_IDS[0][:8] in finished.out
    assert "user: Evil ␛]0;owned␇" in finished.out


async def test_without_a_node_it_fails_at_once_even_with_a_cursor(home: Path, cli: Inside) -> None:
    async with asyncio.timeout(PATIENCE_S):
        finished = await cli("watch", "--since", "5", "--json")
    assert (finished.code, finished.error["code"]) == (1, "E001")


async def test_it_goes_on_without_gap_or_repeat_when_the_node_is_restarted(home: Path, shell: Shell) -> None:
    path = Path(places().socket)
    path.parent.mkdir(mode=0o700, parents=True)
    first, second = FakeNode(), FakeNode()
    first.holding["events.watch"] = asyncio.Event()
    second.lines["events.watch"] = [
        {"type": "ready", "cursor": 12, "thread": None},
        {"type": "message.added", "cursor": 13, "thread": None},
    ]
    server = Server(first.handlers, path)
    await server.start()
    process = await shell.begin("watch", "--until", "run.failed", "--timeout", "30", "--json")
    lines = [await _line(process) for _ in range(3)]
    await server.stop(grace_s=1.0)
    server = Server(second.handlers, path)
    await server.start()
    lines.append(await _line(process))
    process.kill()
    await process.wait()
    await server.stop(grace_s=1.0)
    assert [line["cursor"] for line in lines] == [10, 11, 12, 13]
    assert second.last("events.watch")["since"] == 12


async def test_a_node_that_stays_away_is_an_error_that_says_where_to_go_on(
    home: Path, cli: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "AWAY_S", 0.3)
    path = Path(places().socket)
    path.parent.mkdir(mode=0o700, parents=True)
    fake = FakeNode()
    fake.lines["events.watch"] = LINES["events.watch"][:2]
    fake.holding["events.watch"] = asyncio.Event()
    server = Server(fake.handlers, path)
    await server.start()
    watch = asyncio.create_task(cli("watch", "--json"))
    await until(lambda: bool(fake.calls))
    await server.stop(grace_s=1.0)
    async with asyncio.timeout(PATIENCE_S):
        finished = await watch
    assert finished.code == 1
    assert finished.error["code"] == "E001" and "--since 11" in finished.error["next"]


async def _line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return json.loads(await process.stdout.readline())
