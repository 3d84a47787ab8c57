"""Watching other tools, end to end in one node: from bytes in a file to messages in a stored thread."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crdt.errors import DISK_FULL, OpenSeshError
from node.follows import RECENT_S, Follows
from node.importing.follow import Follower
from node.importing.reader import Reader
from node.imports import Outcome, Piece
from tests.node.importing.installation import Installation, thread_id
from tests.node.importing.watching import said
from tests.waiting import PATIENCE_S, until

CODEX_HEADER = '{"timestamp": "2026-03-01T09:00:00Z", "type": "session_meta", "payload": {"id": "c-1", "cwd": "/w"}}'
CODEX_PROMPT = (
    '{"timestamp": "2026-03-01T09:00:01Z", "type": "response_item", "payload": {"type": "message", "role": "user",'
    ' "content": [{"type": "input_text", "text": "what now"}]}}'
)


@pytest.fixture
async def follows(here: Installation, tmp_path: Path) -> AsyncIterator[Follows]:
    started = here.follows(tmp_path)
    await started.start()
    yield started
    await started.close()


def append(path: Path, *lines: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(lines))


async def shows(here: Installation, *texts: str) -> None:
    """Wait until the threads say this, and nothing else."""

    async def said_so() -> bool:
        return await here.texts() == list(texts)

    try:
        await until(said_so)
    except AssertionError:
        assert await here.texts() == list(texts)
        raise


async def test_a_session_that_is_written_is_live_within_a_second(
    here: Installation, follows: Follows, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "a.jsonl"
    append(path, said("one", 1))
    await follows.add(str(path.parent))
    await shows(here, "one")
    append(path, said("two", 2))
    async with asyncio.timeout(1.0):
        await shows(here, "one", "two")


async def test_growing_line_by_line_with_restarts_in_between_it_is_complete(tmp_path: Path) -> None:
    path, data = tmp_path / "sessions" / "a.jsonl", tmp_path / "data"
    data.mkdir()
    words = []
    for turn in range(4):
        here = await Installation.start(data)
        follows = here.follows(tmp_path)
        await follows.start()
        if turn == 0:
            await follows.add(str(path.parent))
        for number in range(3):
            words.append(f"{turn}-{number}")
            line = said(words[-1], 10 * turn + number)
            append(path, line[:50])
            append(path, line[50:])
            if number == 1:
                await shows(here, *words)
        await follows.close()
        await here.stop()
    here = await Installation.start(data)
    follows = here.follows(tmp_path)
    await follows.start()
    await shows(here, *words)
    assert follows.rows()[0]["sessions"] == 1
    await follows.close()
    await here.stop()


async def test_what_is_read_and_how_far_are_stored_together_or_not_at_all(
    here: Installation, follows: Follows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sessions" / "a.jsonl"
    append(path, said("one", 1))
    await follows.add(str(path.parent))
    await shows(here, "one")
    really_write, refused = here.store.write, asyncio.Event()
    before: list[bytes | None] = []

    async def full(batch: object) -> object:
        before.append(await here.store.checkpoint(f"follow/{path}"))  # nothing of this session is under way now
        refused.set()
        raise DISK_FULL()

    monkeypatch.setattr(here.store, "write", full)
    monkeypatch.setattr("node.importing.follow._REJECTED_POLLS", 1)
    append(path, said("two", 2))
    await asyncio.wait_for(refused.wait(), PATIENCE_S)
    assert await here.store.checkpoint(f"follow/{path}") == before[0]
    monkeypatch.setattr(here.store, "write", really_write)
    await shows(here, "one", "two")

    async def moved() -> bool:
        return await here.store.checkpoint(f"follow/{path}") != before[0]

    await until(moved)


async def test_a_deleted_thread_is_not_brought_back_by_what_its_session_goes_on_to_say(
    here: Installation, follows: Follows, tmp_path: Path
) -> None:
    other = "0f0f0f0f-0000-4000-8000-000000000002"
    path = tmp_path / "sessions" / "a.jsonl"
    append(path, said("one", 1))
    await follows.add(str(path.parent))
    await shows(here, "one")
    [thread] = await here.ids()
    await here.account.set_state(thread_id(thread), "deleted")
    await here.handlers.forget_deleted()
    append(path, said("two", 2))
    append(path.with_name("b.jsonl"), said("other", 1, other))
    await shows(here, "other")
    append(path, said("three", 3))
    append(path.with_name("b.jsonl"), said("more", 2, other))
    await shows(here, "other", "more")


async def test_a_thread_that_is_gone_without_having_been_deleted_is_made_again_whole(
    here: Installation, follows: Follows, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "a.jsonl"
    append(path, said("one", 1))
    await follows.add(str(path.parent))
    await shows(here, "one")
    [thread] = await here.ids()
    await here.handlers.forget(thread_id(thread))
    append(path, said("two", 2))
    await shows(here, "one", "two")


async def test_messages_before_which_nothing_was_said_wait_for_no_thread(
    here: Installation, follows: Follows, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "a.jsonl"
    append(path, b'{"type": "summary", "summary": "Mill", "leafUuid": "u", "sessionId": "s"}\n')
    await follows.add(str(path.parent))

    async def looked_at() -> bool:
        return await here.store.checkpoint(f"follow/{path}") is not None

    await until(looked_at)
    assert await here.ids() == []
    append(path, said("one", 1, "s"))
    await shows(here, "one")
    assert (await here.library.all())[0].summary.title == "Mill"


async def test_importing_a_file_that_is_followed_adds_nothing(
    here: Installation, follows: Follows, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "a.jsonl"
    append(path, *[said(f"{n}", n) for n in range(20)])
    both = await asyncio.gather(follows.add(str(path.parent)), here.importer.import_file(path))
    assert both[1][0]["messages"] == 20
    append(path, said("last", 21))
    await shows(here, *[f"{n}" for n in range(20)], "last")


# ---- what is watched


async def test_the_recent_sessions_of_both_tools_come_at_once(
    here: Installation, follows: Follows, tmp_path: Path
) -> None:
    append(tmp_path / ".claude" / "projects" / "-home-ana" / "a.jsonl", said("one", 1))
    rollout = f"{CODEX_HEADER}\n{CODEX_PROMPT}\n".encode()
    append(tmp_path / ".codex" / "sessions" / "2026" / "03" / "01" / "rollout-1.jsonl", rollout)
    await follows.add(None)

    async def both() -> bool:
        return sorted(await here.texts()) == ["one", "what now"]

    await until(both)


async def test_a_tools_sessions_that_were_over_long_before_are_left_alone(
    here: Installation, follows: Follows, monkeypatch: pytest.MonkeyPatch
) -> None:
    since: list[tuple[float, float]] = []

    class Spy(Follower):
        def __init__(self, *arguments: Any, since_s: float, began_s: float) -> None:
            since.append((since_s, began_s))
            super().__init__(*arguments, since_s=since_s, began_s=began_s)

    monkeypatch.setattr("node.follows.follow.Follower", Spy)
    await follows.add("claude")
    await follows.add("/nowhere")
    assert abs(time.time() - since[0][1]) < 60 and since[0][0] == since[0][1] - RECENT_S
    assert since[1] == (0.0, 0.0)


async def test_rows_say_what_is_watched_and_outlive_a_restart(here: Installation, tmp_path: Path) -> None:
    first = here.follows(tmp_path)
    await first.start()
    rows = await first.add(None)
    rows = await first.add(str(tmp_path / "sessions"))
    assert [(row["source"], row["state"]) for row in rows] == [
        ("claude", "missing"),
        ("codex", "missing"),
        ("path", "missing"),
    ]
    assert rows[0]["path"] == str(tmp_path / ".claude" / "projects")
    await first.close()
    second = here.follows(tmp_path)
    await second.start()
    assert second.rows() == rows
    assert await second.remove("codex") == [rows[0], rows[2]]
    assert await second.remove(rows[2]["id"]) == [rows[0]]
    (tmp_path / ".claude" / "projects").mkdir(parents=True)
    assert second.rows()[0]["state"] == "watching"
    with pytest.raises(OpenSeshError):
        await second.remove("codex")
    await second.close()


async def test_what_the_settings_name_is_watched_from_the_start(here: Installation, tmp_path: Path) -> None:
    follows = here.follows(tmp_path, configured=["claude", "relative/folder"])
    await follows.start()
    assert [row["source"] for row in follows.rows()] == ["claude"]
    await follows.close()


async def test_on_a_device_that_is_nobody_yet_the_first_session_makes_it_somebody(tmp_path: Path) -> None:
    here = await Installation.start(tmp_path, born=False)
    path = tmp_path / "sessions" / "a.jsonl"
    append(path, said("one", 1))
    follows = here.follows(tmp_path, configured=[str(path)])
    await follows.start()
    await shows(here, "one")
    assert here.account.exists
    await follows.close()
    await here.stop()


async def test_a_relative_path_is_refused(follows: Follows) -> None:
    with pytest.raises(OpenSeshError) as refusal:
        await follows.add("sessions")
    assert refusal.value.kind.name == "FILE_UNREADABLE" and follows.rows() == []


async def test_what_is_no_longer_watched_is_no_longer_read(
    here: Installation, follows: Follows, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "a.jsonl"
    append(path, said("one", 1))
    await follows.add(str(path))
    await shows(here, "one")
    await follows.remove(str(path))
    append(path, said("two", 2))
    await follows.add(str(path))
    await shows(here, "one", "two")


async def test_a_piece_without_its_beginning_is_asked_for_again(here: Installation) -> None:
    reader = Reader()
    events = reader.feed(said("one", 1))
    assert reader.session is not None
    assert await here.importer.store(Piece(reader.session, events)) == (None, Outcome.INCOMPLETE)
    thread, outcome = await here.importer.store(Piece(reader.session, events, from_start=True))
    assert outcome is Outcome.NEW and thread is not None
