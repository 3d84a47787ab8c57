"""The Python API as a program uses it: typed results, streams, errors, events that outlast the node."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import opensesh
from crdt.errors import CURSOR_UNKNOWN, DAEMON_NOT_RUNNING, RUN_ELSEWHERE, THREAD_NOT_FOUND
from node.api.endpoint import places
from node.api.server import Server
from tests.client.handlers import LINES, THREAD_IDS, FakeNode
from tests.client.shell import PATIENCE_S
from tests.waiting import until


async def test_ten_lines_are_enough(served: FakeNode) -> None:
    async with opensesh.connect() as node:
        thread = await node.create_thread("Parser")
        await node.say(thread.id, "It fails on empty input.")
        answer = ""
        async for event in node.ask(thread.id, "Why?"):
            if event.type == "run.delta":
                answer += event.text or ""
        threads = await node.threads()
    assert answer == "Hello wor\x1b[2Jld"
    assert threads[0].updated_at == datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_a_thread_comes_with_typed_messages_and_tool_calls(served: FakeNode) -> None:
    async with opensesh.connect() as node:
        thread = await node.thread("k3v9")
    assert thread.messages[1].tool_calls[0].agent == "scout"
    assert thread.messages[0].author.name == "laptop"
    assert thread.cursor == 12


async def test_an_error_is_an_exception_with_its_kind_and_details(served: FakeNode) -> None:
    async with opensesh.connect() as node:
        with pytest.raises(opensesh.OpenSeshError) as caught:
            await node.thread("missing")
        served.errors["run.ask"] = RUN_ELSEWHERE(device="desktop")
        with pytest.raises(opensesh.OpenSeshError) as elsewhere:
            async for _ in node.ask("k3v9", "why?"):
                pass
    assert caught.value.kind is THREAD_NOT_FOUND and caught.value.details["nearest"]
    assert elsewhere.value.kind is RUN_ELSEWHERE and elsewhere.value.details["device"] == "desktop"


async def test_leaving_a_stream_early_tells_the_node(served: FakeNode) -> None:
    served.holding["pair.show"] = asyncio.Event()
    served.lines["pair.show"] = LINES["pair.show"][:1]
    async with opensesh.connect() as node:
        steps = node.show_pairing_code()
        assert (await anext(steps)).code == "6-diet-eagle"
        await steps.aclose()  # type: ignore[attr-defined]
    await until(lambda: "pair.show" in served.left)


async def test_calls_run_side_by_side(served: FakeNode) -> None:
    async with opensesh.connect() as node:
        results = await asyncio.gather(*(node.say("k3v9", f"m{number}") for number in range(50)))
    assert len(results) == 50
    assert {call.parameters["text"] for call in served.calls if call.operation == "message.say"} == {
        f"m{number}" for number in range(50)
    }


async def test_without_a_node_and_without_starting_one_it_says_so(home: Path) -> None:
    with pytest.raises(opensesh.OpenSeshError) as caught:
        async with opensesh.connect(start=False):
            pass
    assert caught.value.kind is DAEMON_NOT_RUNNING


async def test_another_home_can_be_named(served: FakeNode, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSESH_HOME", str(home / "other"))
    async with opensesh.connect(home) as node:
        assert (await node.status()).state == "ready"


async def test_connecting_starts_the_node_and_reports_why_it_can_not(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A module `opensesh` of our own stands for the command: what is tested is how its end is understood.
    root = tmp_path / "root"
    root.mkdir()
    (root / "opensesh.py").write_text(
        'import sys; assert sys.argv[1:] == ["node", "start", "--json"];'
        """print('{"error": {"code": "E026", "message": "too new"}}', file=sys.stderr); sys.exit(1)"""
    )
    monkeypatch.setattr("client.starting._ROOT", str(root))
    monkeypatch.setenv("OPENSESH_NODE_AUTOSTART", "1")
    with pytest.raises(opensesh.OpenSeshError) as caught:
        async with opensesh.connect():
            pass
    assert (caught.value.kind.name, caught.value.message) == ("DATABASE_NEWER", "too new")


async def test_events_resume_after_their_cursor_when_the_node_comes_back(home: Path) -> None:
    path = Path(places().socket)
    path.parent.mkdir(mode=0o700, parents=True)
    seen: list[tuple[str, int]] = []

    async def watch() -> None:
        async with opensesh.connect() as node:
            async for event in node.events():
                seen.append((event.type, event.cursor))

    first, second = FakeNode(), FakeNode()
    first.holding["events.watch"] = second.holding["events.watch"] = asyncio.Event()
    second.lines["events.watch"] = [
        {"type": "ready", "cursor": 12, "thread": None},
        {"type": "message.added", "cursor": 13, "thread": THREAD_IDS[0]},
    ]
    server = Server(first.handlers, path)
    await server.start()
    watching = asyncio.create_task(watch())
    await until(lambda: len(seen) == 3)
    await server.stop(grace_s=1.0)
    server = Server(second.handlers, path)
    await server.start()
    await until(lambda: len(seen) == 5)
    watching.cancel()
    await asyncio.wait({watching})
    await server.stop(grace_s=1.0)
    assert [cursor for _, cursor in seen] == [10, 11, 12, 12, 13]
    assert first.last("events.watch")["since"] is None
    assert second.last("events.watch")["since"] == 12


async def test_a_cursor_that_is_gone_ends_the_watch(served: FakeNode) -> None:
    async with opensesh.connect() as node:
        with pytest.raises(opensesh.OpenSeshError) as caught:
            async for _ in node.events(since=999):
                pass
    assert caught.value.kind is CURSOR_UNKNOWN


async def test_an_answer_without_what_the_table_promises_is_refused(served: FakeNode) -> None:
    served.answers["thread.list"] = {"threads": [{"id": "x"}]}
    async with opensesh.connect() as node:
        with pytest.raises(opensesh.OpenSeshError, match="does not fit"):
            await node.threads()


async def test_more_keys_than_we_know_are_no_fault(served: FakeNode) -> None:
    served.answers["message.say"] = {"message_id": "m", "thread": "t", "colour": "red"}
    async with opensesh.connect() as node:
        assert (await node.say("k3v9", "hi")).message_id == "m"


async def test_importing_the_front_door_imports_no_asyncio() -> None:
    code = "import sys, opensesh; print('asyncio' in sys.modules, 'connect' in dir(opensesh) or opensesh.__all__)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE_S):
        out, _ = await process.communicate()
    assert out.decode().startswith("False ")


def test_the_front_door_has_no_other_names() -> None:
    module: Any = opensesh
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        module.nonsense  # noqa: B018
