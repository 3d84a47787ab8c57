"""What goes wrong at people's desks, with real processes: each time a code, a cause, a next step, and nothing lost."""

import contextlib
import json
import os
import random
import shutil
import socket
import sqlite3
import ssl
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.machines import Device, Room, failing, room, settle, texts

__all__ = ["room"]
SMALL_DISK_KB = 4096


def check(error: dict[str, Any], name: str) -> None:
    """The error has that name, and everything an error is to have."""
    assert error["name"] == name, error
    assert error["code"].startswith("E") and error["message"].strip() and error["next"].strip(), error


def test_a_thread_that_is_not_there_names_the_nearest(room: Room) -> None:
    laptop = room.device("laptop")
    thread = laptop.run("new", "Parser rewrite")["id"]
    error = failing(laptop, "show", "Parser rewrites")
    check(error, "THREAD_NOT_FOUND")
    assert [near["id"] for near in error["details"]["nearest"]] == [thread]


def test_a_relay_that_does_not_answer_is_named_and_the_thread_is_kept(room: Room) -> None:
    laptop = room.device("laptop")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
    thread = laptop.run("new", "Kept")["id"]
    laptop.run("sync", "connect", url)
    laptop.run("say", thread, "still here")
    [relay] = laptop.run("relay", "status")["relays"]
    assert relay["state"] == "unreachable" and relay["pending"] > 0
    check(relay["error"], "RELAY_UNREACHABLE")
    check(failing(laptop, "sync", "wait", "--timeout", "1"), "TIMEOUT")
    assert texts(laptop, thread) == ["still here"]


def test_without_anything_to_sync_with_waiting_fails(room: Room) -> None:
    laptop = room.device("laptop")
    laptop.run("new", "Alone")
    check(failing(laptop, "sync", "wait", "--timeout", "5"), "NOTHING_TO_SYNC_WITH")


def test_garbage_on_every_socket_is_hung_up_on_and_everything_goes_on(room: Room) -> None:
    relay, laptop, desktop = room.paired()
    thread = laptop.run("new", "Among noise")["id"]
    own, port = str(laptop.home / "run" / "node.sock"), urllib.parse.urlsplit(relay.url).port
    noise = random.Random(7)
    for number in range(12):
        junk = (noise.randbytes(5000), b"GET / HTTP/1.1\r\n" * 300, b"\x16\x03\x01\xff\xff" + bytes(9000))[number % 3]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(own)
            line.sendall(junk)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as other:
            other.sendall(junk)
    laptop.run("say", thread, "unmoved")
    settle(laptop, desktop)
    assert texts(desktop, thread) == ["unmoved"]


def test_garbage_on_the_local_network_is_hung_up_on(room: Room) -> None:
    laptop = room.device("laptop")
    laptop.environment["OPENSESH_LAN"] = "1"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    laptop.run("config", "set", "sync.lan_port", str(port))
    laptop.run("node", "stop")
    showing = laptop.stream("pair", "--yes")
    showing.until("pair.code")
    for junk in (os.urandom(4000), b"\x00" * 4000, b"GET / HTTP/1.1\r\n\r\n"):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.sendall(junk)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as bare,
        context.wrap_socket(bare) as line,
        contextlib.suppress(OSError),  # it may hang up before all of it is written
    ):
        line.sendall(os.urandom(70_000))
        assert line.recv(1) == b"", "a stranger was told something"
    assert laptop.run("node", "status")["state"] == "ready"


@pytest.mark.parametrize("damage", ["truncated", "spoiled", "no database"])
def test_a_damaged_database_is_named_and_left_as_it_is(room: Room, damage: str) -> None:
    laptop = room.device("laptop")
    thread = laptop.run("new", "Precious")["id"]
    for number in range(3):
        laptop.run("say", thread, f"line {number}" * 50)
    laptop.run("node", "stop")
    [database] = laptop.home.rglob("opensesh.db")
    whole = database.read_bytes()
    broken = {
        "truncated": whole[: len(whole) // 2],
        "spoiled": whole[:4096] + os.urandom(8192) + whole[12_288:],
        "no database": b"these are not the pages you look for" * 1000,
    }[damage]
    database.write_bytes(broken)
    error = failing(laptop, "list")
    check(error, "DATABASE_CORRUPT")
    assert database.read_bytes() == broken, "what was found there is evidence, and may be repaired"
    database.write_bytes(whole)
    assert len(texts(laptop, thread)) == 3


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(room: Room) -> None:
    laptop = room.device("laptop")
    thread = laptop.run("new", "From the future")["id"]
    laptop.run("node", "stop")
    [database] = laptop.home.rglob("opensesh.db")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        [known] = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {known + 1}")
        connection.commit()
    check(failing(laptop, "list"), "DATABASE_NEWER")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA user_version = {known}")
        connection.commit()
    assert laptop.run("show", thread)["title"] == "From the future"


@pytest.mark.parametrize("damage", ["emptied", "of another installation", "gone"])
def test_a_key_file_that_does_not_open_the_home_is_named_and_nothing_is_made_anew(room: Room, damage: str) -> None:
    laptop, other = room.device("laptop"), room.device("other")
    thread = laptop.run("new", "Locked")["id"]
    other.run("new", "Other")
    laptop.run("node", "stop")
    [mine], [theirs] = ([file for file in each.home.rglob("*key*") if file.is_file()] for each in (laptop, other))
    key = mine.read_bytes()
    if damage == "emptied":
        mine.write_bytes(b"")
    elif damage == "gone":
        mine.unlink()
    else:
        shutil.copyfile(theirs, mine)
    check(failing(laptop, "list"), "KEYS_UNREADABLE")
    mine.write_bytes(key)
    mine.chmod(0o600)
    assert laptop.run("show", thread)["title"] == "Locked"


def test_a_second_node_on_one_home_is_refused_and_the_first_goes_on(room: Room) -> None:
    laptop = room.device("laptop")
    laptop.run("new", "Mine")
    check(failing(laptop, "node", "run"), "HOME_LOCKED")
    assert [thread["title"] for thread in laptop.run("list")["threads"]] == ["Mine"]


def test_a_file_that_is_no_transcript_makes_no_thread(room: Room, tmp_path: Path) -> None:
    laptop = room.device("laptop")
    for name, content in (("notes.txt", b"dear diary\n"), ("picture.jsonl", os.urandom(20_000)), ("empty.jsonl", b"")):
        (tmp_path / name).write_bytes(content)
        check(failing(laptop, "import", str(tmp_path / name)), "IMPORT_UNRECOGNISED")
    check(failing(laptop, "import", str(tmp_path / "missing.jsonl")), "FILE_UNREADABLE")
    assert laptop.run("list")["threads"] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_KB}k,mode=700", "tmpfs", str(place)],
        capture_output=True, check=False,
    ) if shutil.which("mount") else None  # fmt: skip
    if mounted is None or mounted.returncode:
        pytest.skip("mounting a small file system needs root and mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.deep
def test_a_full_disk_refuses_what_does_not_fit_and_keeps_what_was_said(small_disk: Path) -> None:
    laptop = Device("laptop", small_disk)
    try:
        thread = laptop.run("new", "Four megabytes")["id"]
        said = 0
        error: dict[str, Any] = {}
        while not error and said < 200:
            done = subprocess.run(
                laptop.command("say", thread, "-"),
                env=laptop.environment, input=f"{said} " + os.urandom(30_000).hex(), capture_output=True, text=True,
                timeout=60, check=False,
            )  # fmt: skip
            if done.returncode:
                error = json.loads(done.stderr.splitlines()[-1])["error"]
            else:
                said += 1
        check(error, "DISK_FULL")
        shown = texts(laptop, thread)
        assert [text.split()[0] for text in shown] == [str(number) for number in range(said)]
        laptop.run("node", "stop")
        assert texts(laptop, thread) == shown
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        laptop.run("say", thread, "there is room again")
        assert texts(laptop, thread) == [*shown, "there is room again"]
    finally:
        laptop.stop()
