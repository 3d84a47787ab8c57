"""Two nodes of one identity on one relay, real processes all: who is here, within a second, and nowhere stored."""

import hashlib
import sqlite3
import time

import pytest

from tests.system.machines import Device, Relay, Room, room, settle
from tests.waiting import eventually

__all__ = ["room"]


def stored(relay: Relay) -> str:
    """A digest of every row of the relay's database."""
    connection = sqlite3.connect(f"file:{relay.data / 'relay.db'}?mode=ro", uri=True)
    try:
        digest = hashlib.sha256()
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in sorted(tables):
            for row in sorted(connection.execute(f"SELECT * FROM {table}"), key=repr):
                digest.update(repr((table, row)).encode())
        return digest.hexdigest()
    finally:
        connection.close()


def here(device: Device, thread: str) -> dict[str, str]:
    return {row["device"]["name"]: row["state"] for row in device.run("who", thread)["people"]}


def test_who_shows_the_other_device_within_a_second_and_the_relay_keeps_nothing_of_it(room: Room) -> None:
    relay, laptop, desktop = room.paired()
    thread = laptop.run("new", "Who is here")["id"]
    settle(laptop, desktop)
    desktop.run("say", thread, "so that the thread knows the desktop")
    settle(desktop, laptop)
    before = stored(relay)
    watching = laptop.stream("watch", thread)
    watching.until("ready")
    looking = desktop.stream("watch", thread)
    looking.until("ready")
    begun = time.monotonic()
    told = next(
        line
        for line in watching.lines()
        if line["type"] == "presence.changed" and any(row["device"]["name"] == "desktop" for row in line["people"])
    )
    assert time.monotonic() - begun < 1.0
    assert here(laptop, thread) == {"laptop": "active", "desktop": "active"} == here(desktop, thread)
    cursor = told["cursor"]
    desktop.run("look", thread, "--at", "draft", "--cursor", "12", "--writing")
    moved = next(line for line in watching.lines() if any(row["cursor"] == 12 for row in line.get("people", ())))
    assert moved["cursor"] == cursor, "what is not stored moves no cursor"
    (row,) = [each for each in moved["people"] if each["cursor"] == 12]
    assert row["writing"] and row["looking_at"]["kind"] == "draft"
    looking.close()
    desktop.run("look", thread, "--state", "leaving")
    gone = next(line for line in watching.lines() if line.get("gone"))
    assert gone["gone"] == [row["device"]["id"]]
    assert here(laptop, thread) == {"laptop": "active"}
    assert stored(relay) == before


@pytest.mark.deep
def test_a_device_knows_as_of_when_the_membership_is_known_once_the_owners_other_device_speaks(room: Room) -> None:
    _, laptop, desktop = room.paired()
    thread = laptop.run("new", "As of")["id"]
    settle(laptop, desktop)
    assert desktop.run("show", thread)["membership_as_of"] is None
    watching = laptop.stream("watch", thread)
    watching.until("ready")
    eventually(lambda: desktop.run("sync", "status", thread)["membership_as_of"], "a heartbeat of the laptop")
    shown = desktop.run("show", thread)
    assert shown["membership_as_of"] and shown["warnings"] == []
    assert desktop.run("sync", "status")["warnings"] == []
