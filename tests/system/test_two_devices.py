"""Two devices and a relay, real processes all, as their owner sees them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.machines import (
    Device,
    Paired,
    Room,
    environment,
    failing,
    markdown,
    pair,
    settle,
    texts,
    threads,
    without,
)

SAMPLES = Path(__file__).parents[1] / "node" / "importing" / "samples"


@pytest.mark.deep
def test_the_demo_holds_and_leaves_nothing(tmp_path: Path) -> None:
    device = Device("audience", tmp_path)
    told = device.run("demo")
    assert told["ok"] and len(told["steps"]) == 13
    assert not list((device.home).iterdir()), "the demo used the home of whoever ran it"


def test_a_message_goes_both_ways_and_the_exports_are_equal(paired: Paired) -> None:
    _, laptop, desktop = paired
    thread = laptop.run("new", "Both ways")["id"]
    laptop.run("say", thread, "from the laptop")
    settle(laptop, desktop)
    desktop.run("say", thread, "from the desktop")
    settle(desktop, laptop)
    assert texts(laptop, thread) == texts(desktop, thread) == ["from the laptop", "from the desktop"]
    assert markdown(laptop, thread) == markdown(desktop, thread)


def test_what_both_wrote_offline_is_on_both_afterwards(paired: Paired) -> None:
    relay, laptop, desktop = paired
    thread = laptop.run("new", "Offline")["id"]
    settle(laptop, desktop)
    with without(relay):
        laptop.run("say", thread, "laptop, offline")
        desktop.run("say", thread, "desktop, offline")
        desktop.run("rename", thread, "Renamed offline")
    settle(laptop, desktop)
    assert sorted(texts(laptop, thread)) == ["desktop, offline", "laptop, offline"]
    assert markdown(laptop, thread) == markdown(desktop, thread)
    assert laptop.run("show", thread)["title"] == "Renamed offline"


def test_a_wrong_code_fails_loudly_and_burns_the_code(room: Room) -> None:
    relay, laptop, desktop = room.relay(), room.device("laptop"), room.device("desktop")
    laptop.run("new", "Mine")
    laptop.run("sync", "connect", relay.url)
    showing = laptop.stream("pair", "--yes")
    code = showing.until("pair.code")["code"]
    nameplate, first, second = code.split("-")
    wrong = "-".join([nameplate, second, first]) if first != second else f"{nameplate}-zoo-zebra"
    assert failing(desktop, "pair", wrong, "--relay", relay.url)["code"] == "E017"
    assert failing(desktop, "pair", code, "--relay", relay.url)["code"] in ("E017", "E018")
    assert desktop.run("list")["threads"] == []
    assert len(laptop.run("devices", "list")["devices"]) == 1


def test_a_device_with_threads_of_its_own_brings_them_along(room: Room) -> None:
    relay, laptop, desktop = room.relay(), room.device("laptop"), room.device("desktop")
    own = desktop.run("new", "Written before pairing")["id"]
    desktop.run("say", own, "first")
    laptop.run("new", "The laptop's")
    laptop.run("sync", "connect", relay.url)
    pair(laptop, desktop, relay)
    settle(laptop, desktop)
    laptop.run("say", own, "second")
    settle(laptop, desktop)
    desktop.run("say", own, "third")
    settle(desktop, laptop)
    assert texts(laptop, own) == texts(desktop, own) == ["first", "second", "third"]
    assert len(laptop.run("list")["threads"]) == len(desktop.run("list")["threads"]) == 2


def test_the_words_and_a_relay_bring_everything_back(room: Room) -> None:
    _, laptop, desktop = room.paired()
    thread = laptop.run("new", "To be lost")["id"]
    desktop.run("sync", "wait", "--incoming")
    desktop.run("say", thread, "said on the desktop")
    settle(laptop, desktop)
    expected = markdown(laptop, thread)
    phrase = laptop.run("recovery", "show")["phrase"]
    url = laptop.run("sync", "status")["relays"][0]["url"]
    rescue = room.device("rescue")
    unknown = "abandon " * 23 + "art"
    error = failing(rescue, "recovery", "restore", "--phrase-stdin", "--relay", url, stdin=unknown)
    assert error["name"] == "RECOVERY_PHRASE_WRONG"
    rescue.run("recovery", "restore", "--phrase-stdin", "--relay", url, stdin=phrase)
    assert markdown(rescue, thread) == expected
    rescue.run("say", thread, "back")
    settle(rescue, laptop)
    assert texts(laptop, thread)[-1] == "back"


def test_a_revoked_device_gets_and_gives_nothing_more(room: Room) -> None:
    _, laptop, desktop = room.paired()
    thread = laptop.run("new", "Until here")["id"]
    settle(laptop, desktop)
    desktop.run("say", thread, "before")
    settle(desktop, laptop)
    laptop.run("devices", "revoke", "desktop")
    laptop.run("say", thread, "after")
    laptop.run("sync", "wait")
    watching = desktop.stream("sync", "wait", "--timeout", "20")
    watching.close()
    assert failing(desktop, "sync", "wait", "--timeout", "20")["name"] == "DEVICE_REVOKED"
    assert failing(desktop, "say", thread, "still here?")["name"] == "DEVICE_REVOKED"
    assert texts(desktop, thread) == ["before"]
    assert texts(laptop, thread) == ["before", "after"]


def test_words_confirmed_are_erased(room: Room) -> None:
    laptop = room.device("laptop")
    laptop.run("new", "A thread")
    phrase = laptop.run("recovery", "show")["phrase"]
    wrong = failing(laptop, "recovery", "confirm", "--phrase-stdin", stdin="abandon " * 23 + "art")
    assert wrong["name"] == "RECOVERY_PHRASE_WRONG"
    laptop.run("recovery", "confirm", "--phrase-stdin", stdin=phrase)
    assert failing(laptop, "recovery", "show")["name"] == "RECOVERY_CONFIRMED"
    assert laptop.run("whoami")["recovery_confirmed"]


def test_an_ask_is_queued_to_the_device_that_runs_the_thread_unless_taken_over(paired: Paired) -> None:
    _, laptop, desktop = paired
    thread = laptop.run("new", "One runner")["id"]
    settle(laptop, desktop)
    assert laptop.run("ask", thread, "first")["type"] == "run.completed"
    settle(laptop, desktop)
    me = {device["name"]: device["id"] for device in desktop.run("devices", "list")["devices"]}
    queued = desktop.stream("ask", thread, "second")
    assert queued.until("run.queued")["runner"] == me["laptop"]
    queued.until("run.completed")
    taken = desktop.stream("ask", thread, "--take-over", "third")
    assert taken.until("run.queued")["runner"] == me["desktop"]
    taken.until("run.completed")
    settle(desktop, laptop)
    shown = laptop.run("show", thread)["messages"]
    answers = [message["author"]["name"] for message in shown if message["role"] == "assistant"]
    assert answers == ["laptop", "laptop", "desktop"]


def test_a_thread_kept_here_never_reaches_the_relay(paired: Paired) -> None:
    relay, laptop, desktop = paired
    before = threads(desktop)
    laptop.run("sync", "disable")
    secret = laptop.run("new", "Mine alone")["id"]
    laptop.run("say", secret, "not for the relay")
    laptop.run("sync", "disable", secret)
    laptop.run("sync", "enable")
    shared = laptop.run("new", "For both")["id"]
    settle(laptop, desktop)
    assert threads(desktop) - before == {shared}
    assert laptop.run("sync", "status", secret)["state"] == "local-only"
    laptop.run("sync", "enable", secret)
    settle(laptop, desktop)
    assert texts(desktop, secret) == ["not for the relay"]
    assert relay.pid


def test_trash_and_deletion_are_the_same_on_both(paired: Paired) -> None:
    _, laptop, desktop = paired
    before = threads(desktop)
    kept, gone = laptop.run("new", "Kept")["id"], laptop.run("new", "Gone")["id"]
    settle(laptop, desktop)
    desktop.run("trash", kept)
    settle(desktop, laptop)
    assert threads(laptop, "--trash") == {kept}
    laptop.run("restore", kept)
    laptop.run("delete", gone, "--forever")
    settle(laptop, desktop)
    assert failing(desktop, "show", gone)["name"] in ("THREAD_DELETED", "THREAD_NOT_FOUND")
    assert threads(desktop) == {*before, kept}


@pytest.mark.parametrize("sample", ["claude.jsonl", "codex.jsonl"])
def test_an_imported_session_is_equal_on_both_and_imports_once(paired: Paired, sample: str) -> None:
    _, laptop, desktop = paired
    [first] = laptop.run("import", str(SAMPLES / sample))["threads"]
    [again] = laptop.run("import", str(SAMPLES / sample))["threads"]
    assert first["new"] and not again["new"] and first["id"] == again["id"]
    settle(laptop, desktop)
    assert markdown(laptop, first["id"]) == markdown(desktop, first["id"])
    [elsewhere] = desktop.run("import", str(SAMPLES / sample))["threads"]
    settle(desktop, laptop)
    assert elsewhere["id"] == first["id"]
    assert len(laptop.run("show", first["id"])["messages"]) == first["messages"]


def test_a_session_that_is_being_written_is_live_on_the_other_device_across_a_restart(room: Room) -> None:
    _, laptop, desktop = room.paired()
    folder = room.folder / "sessions"
    folder.mkdir()
    laptop.run("import", "--follow", str(folder))
    lines = (SAMPLES / "claude.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    path = folder / "live.jsonl"
    half = len(lines) // 2
    watching = desktop.stream("watch")
    watching.until("ready")
    for line in lines[:half]:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    thread = watching.until("thread.changed", "message.added")["thread"]
    laptop.run("node", "stop")
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines[half:])
    laptop.run("node", "start")
    [whole] = room.device("reference").run("import", str(SAMPLES / "claude.jsonl"))["threads"]
    shown = 0
    for line in watching.lines():
        if line["type"].startswith("message."):
            shown = len(desktop.run("show", thread)["messages"])
        if shown == whole["messages"]:
            break
    settle(laptop, desktop)
    assert len(desktop.run("show", thread)["messages"]) == whole["messages"]
    assert markdown(laptop, thread) == markdown(desktop, thread)


def test_a_backup_brings_a_lost_home_back(room: Room) -> None:
    laptop = room.device("laptop")
    thread = laptop.run("new", "To be backed up")["id"]
    laptop.run("say", thread, "in the backup")
    path = str(room.folder / "backup.osb")
    laptop.run("backup", "create", path, "--passphrase-stdin", stdin="correct horse")
    assert "in the backup" not in Path(path).read_bytes().decode("latin-1")
    other = room.device("other")
    assert failing(other, "backup", "restore", path, "--passphrase-stdin", stdin="wrong")["name"] == "AUTH_FAILED"
    other.run("backup", "restore", path, "--passphrase-stdin", stdin="correct horse")
    assert texts(other, thread) == ["in the backup"]
    other.run("say", thread, "and on")
    assert texts(other, thread) == ["in the backup", "and on"]


def test_ten_lines_of_python_do_what_the_readme_says(tmp_path: Path) -> None:
    program = """
import asyncio, json, opensesh
async def main():
    async with opensesh.connect() as node:
        thread = await node.create_thread("From Python")
        await node.say(thread.id, "ten lines")
        print(json.dumps([m.text for m in (await node.thread(thread.id)).messages]))
asyncio.run(main())
"""
    device = Device("script", tmp_path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment(device.home),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["ten lines"]
    finally:
        device.stop()
