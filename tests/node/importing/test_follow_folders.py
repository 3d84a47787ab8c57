"""Following folders: what is found in them, what is left alone, and what looking costs."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from node.importing import folders
from node.importing.folders import Place, Scan, standard_place
from node.importing.follow import INTERVAL_S, Follower, follow
from node.importing.tail import Batch
from tests.node.importing.watching import Watching, said, words_of

LONG_AGO = 1_600_000_000


def session(number: int) -> str:
    return f"0f0f0f0f-0000-4000-8000-{number:012d}"


def transcript(path: Path, words: str, number: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(said(words, number, session(number)))
    return path


def append(path: Path, words: str, number: int = 1) -> None:
    with path.open("ab") as file:
        file.write(said(words, number, session(number)))


def test_new_files_in_new_folders_are_found(tmp_path: Path) -> None:
    watching = Watching(tmp_path / "projects")
    assert watching.words() == []
    transcript(tmp_path / "projects" / "-home-ana" / "a.jsonl", "one")
    assert watching.words() == ["one"]
    transcript(tmp_path / "projects" / "-home-ana" / "sub" / "agents" / "b.jsonl", "two", 2)
    assert watching.words() == ["two"]


def test_a_place_may_be_one_file_that_is_yet_to_come(tmp_path: Path) -> None:
    watching = Watching(tmp_path / "session.log")
    assert watching.words() == []
    transcript(tmp_path / "session.log", "one")
    assert watching.words() == ["one"]


def test_a_folder_that_is_removed_and_made_again_is_followed_again(tmp_path: Path) -> None:
    watching = Watching(tmp_path / "projects")
    path = transcript(tmp_path / "projects" / "a.jsonl", "one")
    assert watching.words() == ["one"]
    path.unlink()
    path.parent.rmdir()
    assert watching.words() == []
    transcript(path, "two", 2)
    assert watching.words() == ["two"]


def test_only_names_of_transcripts_are_read(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    transcript(tmp_path / "notes.txt", "one")
    assert watching.words() == []


def test_a_file_that_is_no_transcript_is_left_alone_and_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "aaa.jsonl").write_bytes(b"not a session\n" * 1000)
    (tmp_path / "bbb.jsonl").write_bytes(os.urandom(50_000) + b"\n" * 100)
    (tmp_path / "ccc.jsonl").write_bytes(b'{"event": "click"}\n' * 1000)
    (tmp_path / "ddd.jsonl").write_bytes(b"")
    transcript(tmp_path / "zzz.jsonl", "one")
    watching = Watching(tmp_path)
    assert watching.words() == ["one"]
    with (tmp_path / "aaa.jsonl").open("ab") as file:
        file.write(b"still none\n" * 1000)
    assert watching.words() == []


def test_a_pipe_a_folder_and_a_dangling_link_of_that_name_hold_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").mkdir()
    (tmp_path / "c.jsonl").symlink_to(tmp_path / "nowhere")
    transcript(tmp_path / "z.jsonl", "one")
    assert Watching(tmp_path).words() == ["one"]
    assert Watching(tmp_path / "a.jsonl").words() == []  # given outright, it is tried, and found to be none


def test_a_file_under_two_names_comes_once(tmp_path: Path) -> None:
    path = transcript(tmp_path / "projects" / "a.jsonl", "one")
    (path.parent / "link.jsonl").symlink_to(path)
    os.link(path, path.parent / "hard.jsonl")
    watching = Watching(path.parent)
    assert watching.words() == ["one"]
    append(path, "two")
    assert watching.words() == ["two"]
    watching.crash()
    assert watching.words() == []


def test_a_link_to_the_folder_itself_is_no_endless_way_down(tmp_path: Path) -> None:
    transcript(tmp_path / "projects" / "a.jsonl", "one")
    (tmp_path / "projects" / "loop").symlink_to(tmp_path / "projects")
    assert Watching(tmp_path / "projects").words() == ["one"]


def test_the_place_itself_may_be_a_link(tmp_path: Path) -> None:
    transcript(tmp_path / "real" / "a.jsonl", "one")
    (tmp_path / "place").symlink_to(tmp_path / "real")
    assert Watching(tmp_path / "place").words() == ["one"]


def test_a_file_that_cannot_be_read_is_named_until_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = transcript(tmp_path / "a.jsonl", "one")
    transcript(tmp_path / "b.jsonl", "two", 2)
    watching = Watching(tmp_path)
    really_open = os.open
    denied = {str(path)}

    def without_right(name: str, *arguments: int) -> int:
        if name in denied:
            raise PermissionError(13, "Permission denied", name)
        return really_open(name, *arguments)

    monkeypatch.setattr("node.importing.tail.os.open", without_right)
    assert watching.words() == ["two"]
    assert watching.follower.unreadable == {str(path): "Permission denied"}
    denied.clear()
    assert watching.words() == ["one"]
    assert watching.follower.unreadable == {}


def test_a_folder_that_cannot_be_listed_is_found_when_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript(tmp_path / "inner" / "a.jsonl", "one")
    really_list = os.scandir
    denied = {str(tmp_path / "inner")}

    def without_right(name: str) -> object:
        if name in denied:
            raise PermissionError(13, "Permission denied", name)
        return really_list(name)

    monkeypatch.setattr("node.importing.folders.os.scandir", without_right)
    watching = Watching(tmp_path)
    for _ in range(10):  # long after the folder above has been listed for the last time
        assert watching.words() == []
    denied.clear()
    assert watching.words() == ["one"]


# ---- old sessions


def test_a_session_from_before_is_left_alone_until_it_goes_on_and_then_comes_whole(tmp_path: Path) -> None:
    path = transcript(tmp_path / "a.jsonl", "one")
    watching = Watching(tmp_path, since_s=time.time() + 3600)
    assert watching.words() == []
    append(path, "two")
    assert watching.words() == ["one", "two"]


def test_a_file_copied_here_with_its_old_time_is_new(tmp_path: Path) -> None:
    watching = Watching(tmp_path, since_s=LONG_AGO + 10, began_s=time.time() - 10)
    path = transcript(tmp_path / "a.jsonl", "one")
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert watching.words() == ["one"]


def test_a_home_that_was_copied_before_does_not_make_its_old_sessions_new(tmp_path: Path) -> None:
    path = transcript(tmp_path / "a.jsonl", "one")
    os.utime(path, (LONG_AGO, LONG_AGO))
    watching = Watching(tmp_path, since_s=LONG_AGO + 10, began_s=time.time() + 3600)
    assert watching.words() == []
    append(path, "two")
    assert watching.words() == ["one", "two"]


def test_a_session_that_was_begun_is_never_old(tmp_path: Path) -> None:
    path = transcript(tmp_path / "a.jsonl", "one")
    watching = Watching(tmp_path)
    watching.look()
    watching.follower.close()
    append(path, "two")
    watching.options["since_s"] = time.time() + 3600
    watching.crash()
    assert watching.words() == ["two"]


# ---- cost


def test_among_thousands_of_files_a_look_costs_a_bounded_number_of_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(600):
        (tmp_path / f"{number:03d}.jsonl").touch()
    scan = Scan([Place(tmp_path)], stat_budget=50, recent=10)
    for _ in range(20):
        list(scan.tick())
    looked_at: list[str] = []
    really_stat = os.stat

    def counted(path: str, **options: bool) -> os.stat_result:
        looked_at.append(str(path))
        return really_stat(path, **options)

    listings: list[str] = []
    monkeypatch.setattr("node.importing.folders.os.stat", counted)
    monkeypatch.setattr("node.importing.folders.os.scandir", listings.append)
    list(scan.tick())
    assert len(looked_at) <= 50 + 10 + 1 and listings == []


def test_the_files_written_last_are_looked_at_every_time_and_all_others_in_turn(tmp_path: Path) -> None:
    for number in range(100):
        path = tmp_path / f"{number:03d}.jsonl"
        path.touch()
        os.utime(path, (LONG_AGO + number, LONG_AGO + number))
    scan = Scan([Place(tmp_path)], stat_budget=20, recent=3)
    for _ in range(6):
        list(scan.tick())
    looks = [{Path(path).stem for path, _ in scan.tick()} for _ in range(5)]
    assert all(look >= {"097", "098", "099"} for look in looks)
    assert len(set().union(*looks)) == 100


def test_one_file_of_thousands_that_wakes_up_is_found(tmp_path: Path) -> None:
    paths = [transcript(tmp_path / f"p{n % 7}" / f"{n:04d}.jsonl", f"old {n}", n) for n in range(2000)]
    watching = Watching(tmp_path, since_s=time.time() + 3600, stat_budget=500)
    assert watching.words() == []
    append(paths[1234], "awake", 1234)
    assert [words for _ in range(6) for words in watching.words()] == ["old 1234", "awake"]


def test_more_sessions_at_once_than_are_held_open_are_followed_all_the_same(tmp_path: Path) -> None:
    paths = [transcript(tmp_path / f"{n}.jsonl", f"{n}", n) for n in range(9)]
    watching = Watching(tmp_path, live_limit=3)
    found = watching.words()
    for turn in range(3):
        for number, path in enumerate(paths):
            append(path, f"{number}-{turn}", number)
        found += watching.words()
    assert len(found) == len(set(found)) == 9 * 4


# ---- places


def test_the_tools_folders_follow_their_own_variables(tmp_path: Path) -> None:
    claude, codex = standard_place("claude", tmp_path, {}), standard_place("codex", tmp_path, {})
    assert claude == Place(tmp_path / ".claude/projects")
    assert codex == Place(tmp_path / ".codex/sessions", "rollout-*.jsonl")
    moved = {"CLAUDE_CONFIG_DIR": "/c", "CODEX_HOME": "/x"}
    assert standard_place("claude", tmp_path, moved) == Place(Path("/c/projects"))
    assert standard_place("codex", tmp_path, moved) == Place(Path("/x/sessions"), "rollout-*.jsonl")
    assert standard_place("vim", tmp_path, {}) is None


# ---- the loop


class Storage:
    """Stores what it is given, and tells when a number of messages is there."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.grown = asyncio.Event()

    async def store(self, batch: Batch) -> bool:
        self.words += words_of(batch.events)
        self.grown.set()
        return True

    async def until(self, number: int) -> None:
        while len(self.words) < number:
            await self.grown.wait()
            self.grown.clear()


async def test_what_is_written_is_handed_out_within_a_second(tmp_path: Path) -> None:
    path = transcript(tmp_path / "a.jsonl", "one")
    storage = Storage()
    following = asyncio.create_task(follow(Follower([Place(tmp_path)]), storage.store))
    await storage.until(1)
    for words in ("two", "three"):
        append(path, words)
        async with asyncio.timeout(1.0):
            await storage.until(len(storage.words) + 1)
    following.cancel()
    assert storage.words == ["one", "two", "three"] and INTERVAL_S < 0.5


async def test_one_session_that_cannot_be_stored_keeps_no_other_waiting(tmp_path: Path) -> None:
    bad = transcript(tmp_path / "a.jsonl", "bad", 1)
    transcript(tmp_path / "b.jsonl", "good", 2)
    storage = Storage()
    failures: list[tuple[str, str]] = []

    async def store(batch: Batch) -> bool:
        if batch.path == str(bad) and len(failures) < 2:
            raise RuntimeError("full")
        return await storage.store(batch)

    async def no_sleep(_: float) -> None:
        await asyncio.sleep(0)

    following = asyncio.create_task(
        follow(
            Follower([Place(tmp_path)]),
            store,
            failed=lambda batch, failure: failures.append((batch.path, str(failure))),
            sleep=no_sleep,
        )
    )
    async with asyncio.timeout(10):
        await storage.until(2)
    following.cancel()
    assert storage.words == ["good", "bad"] and failures == [(str(bad), "full")] * 2


async def test_a_store_that_misses_the_beginning_is_given_it(tmp_path: Path) -> None:
    path = transcript(tmp_path / "a.jsonl", "one")
    before = Watching(tmp_path)
    before.look()
    append(path, "two")
    storage = Storage()

    async def store(batch: Batch) -> bool:
        return batch.from_start and await storage.store(batch)

    before.crash()
    following = asyncio.create_task(follow(before.follower, store))
    async with asyncio.timeout(10):
        await storage.until(2)
    following.cancel()
    assert storage.words == ["one", "two"]


def test_the_constants_leave_room_for_the_promise() -> None:
    assert folders.STAT_BUDGET / INTERVAL_S >= 3000  # files a second, so that 3,000 at rest are all seen within one
