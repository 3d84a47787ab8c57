"""Sharing between people, by command line: real nodes with homes of their own, and a real relay."""

import hashlib
import json
import sqlite3
import subprocess
from contextlib import closing

import pytest

from crdt.permissions import Role
from tests.system.machines import Device, Relay, Room, failing, pair, settle, texts, threads, without
from tests.system.team import Team, role_of
from tests.waiting import eventually


def stored(relay: Relay) -> str:
    """A digest of every frame that the relay has."""
    with closing(sqlite3.connect(f"file:{relay.data / 'relay.db'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT room, hash FROM frames ORDER BY place").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def events(device: Device) -> int:
    """How many events a device has stored: nothing it keeps changes without one."""
    with closing(device.stream("watch")) as watching:
        return int(watching.until("ready")["cursor"])


def complaint(device: Device, *words: str) -> str | None:
    """Why a device refuses a command; None if it does it."""
    done = subprocess.run(
        device.command(*words), env=device.environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr if done.returncode else None


# The role table: what it takes, and how it is done by command line. THREAD, MESSAGE and COMMENT stand for ids.
ROWS = (
    (Role.VIEWER, ("show", "THREAD")),
    (Role.VIEWER, ("members", "THREAD")),
    (Role.VIEWER, ("export", "THREAD")),
    (Role.VIEWER, ("search", "before")),
    (Role.VIEWER, ("comments", "THREAD")),
    (Role.VIEWER, ("draft", "THREAD")),
    (Role.VIEWER, ("notes", "THREAD")),
    (Role.VIEWER, ("tag", "THREAD")),
    (Role.COMMENTER, ("comment", "THREAD", "a comment", "--message", "MESSAGE")),
    (Role.COMMENTER, ("reply", "THREAD", "COMMENT", "a reply")),
    (Role.COMMENTER, ("react", "THREAD", "COMMENT", "👍")),
    (Role.COMMENTER, ("resolve", "THREAD", "COMMENT")),
    (Role.COMMENTER, ("reopen", "THREAD", "COMMENT")),
    (Role.VIEWER, ("who", "THREAD")),
    (Role.VIEWER, ("control", "THREAD")),
    (Role.COMMENTER, ("control", "THREAD", "--request")),
    (Role.OWNER, ("control", "THREAD", "--grant", "Ben")),
    (Role.OWNER, ("control", "THREAD", "--take")),
    (Role.OWNER, ("control", "THREAD", "--type-only", "Ben")),
    (Role.EDITOR, ("say", "THREAD", "a message")),
    (Role.EDITOR, ("ask", "THREAD", "a prompt")),
    (Role.EDITOR, ("prompt", "THREAD", "COMMENT", "please")),
    (Role.EDITOR, ("rename", "THREAD", "Parser")),
    (Role.EDITOR, ("draft", "THREAD", "--set", "typed together")),
    (Role.EDITOR, ("notes", "THREAD", "--set", "noted together")),
    (Role.EDITOR, ("tag", "THREAD", "+parser")),
    (Role.OWNER, ("permit", "THREAD", "Ben", "editor")),
    (Role.OWNER, ("kick", "THREAD", "Ben")),
    (Role.OWNER, ("share", "THREAD", "--permission", "viewer")),
    (Role.OWNER, ("transfer", "THREAD", "Ben")),
)


@pytest.mark.parametrize(
    "role",
    [
        pytest.param(Role.VIEWER, marks=pytest.mark.deep, id="viewer"),
        pytest.param(Role.COMMENTER, marks=pytest.mark.deep, id="commenter"),
        pytest.param(Role.EDITOR, id="editor"),
    ],
)
def test_a_member_does_what_the_role_allows_and_nothing_else(team: Team, role: Role) -> None:
    team.join("viewer")
    team.permit(role.name.lower())
    if role is Role.EDITOR:  # sharing asks for a relay of one's own first
        team.ben.run("sync", "connect", team.relay.url)
    rows = [(needed, [team.words.get(word, word) for word in words]) for needed, words in ROWS]
    for _, command in [row for row in rows if row[0] <= role]:
        assert complaint(team.ben, *command) is None, command
    settle(team.ana, team.desktop, team.ben)
    for needed, command in [row for row in rows if row[0] > role]:
        before = stored(team.relay), events(team.ben)
        error = failing(team.ben, *command)
        assert (error["code"], error["details"]["role"]) == ("E006", needed.name.lower()), command
        assert error["next"]
        assert (stored(team.relay), events(team.ben)) == before, command


def test_what_an_editor_says_is_on_every_device_of_everybody(team: Team) -> None:
    team.join("editor")
    team.ben.run("say", team.thread, "from Ben")
    team.everywhere("from Ben")
    team.desktop.run("say", team.thread, "from the desktop")
    team.everywhere("from the desktop")


def test_whoever_is_put_out_reads_nothing_newer_and_a_newcomer_reads_all(team: Team, room: Room) -> None:
    team.join("editor")
    team.ben.run("say", team.thread, "from Ben")
    team.everywhere("from Ben")
    assert team.ana.run("kick", team.thread, "Ben")["permission"] == "none"
    team.ana.run("say", team.thread, "after Ben")
    assert role_of(team.ana, team.thread, "Ben") == "none"
    error = failing(team.ben, "say", team.thread, "still here")
    assert error["code"] == "E006"
    carl = room.device("carl")
    assert carl.run("join", team.link("viewer"), "--name", "Carl")["state"] == "admitted"
    wanted = ["before anybody came", "from Ben", "after Ben"]
    eventually(lambda: texts(carl, team.thread) == wanted, "all of the history")
    assert texts(team.ben, team.thread) == wanted[:2]


def test_a_link_lets_in_as_many_as_it_says_and_then_says_why_not(team: Team, room: Room) -> None:
    link = team.link("viewer", "--uses", "1")
    assert team.ben.run("join", link)["state"] == "admitted"
    assert failing(room.device("carl"), "join", link)["code"] == "E049"
    withdrawn = team.ana.run("share", team.thread, "--permission", "editor")
    assert team.ana.run("unshare", withdrawn["id"])["state"] == "withdrawn"
    assert failing(room.device("dora"), "join", withdrawn["link"])["code"] == "E050"
    listed = {row["id"]: row["state"] for row in team.ana.run("shares", team.thread)["shares"]}
    assert listed[withdrawn["id"]] == "withdrawn" and sorted(listed.values()) == ["used up", "withdrawn"]


def test_a_link_that_expired_lets_nobody_in(team: Team) -> None:
    before = threads(team.ben)
    link = team.link("viewer", "--expires", "1s")
    eventually(lambda: team.ana.run("shares", team.thread)["shares"][0]["state"] == "expired", "the expiry")
    assert failing(team.ben, "join", link)["code"] == "E048"
    assert threads(team.ben) == before


@pytest.mark.deep
def test_a_joiner_waits_while_no_device_of_the_owner_answers_and_is_let_in_later(own_team: Team) -> None:
    link = own_team.link("editor")
    own_team.ana.run("sync", "wait")
    own_team.ana.run("node", "stop")
    own_team.desktop.run("node", "stop")
    waiting = own_team.ben.run("join", link, "--timeout", "2")
    assert (waiting["state"], waiting["permission"]) == ("waiting", "editor")
    assert own_team.ben.run("list")["threads"] == []
    own_team.desktop.run("node", "start")  # any device of the owner's answers, not only the one that made the link
    eventually(lambda: [row["id"] for row in own_team.ben.run("list")["threads"]] == [own_team.thread], "the thread")


@pytest.mark.deep
def test_somebody_is_asked_before_each_if_the_link_says_so(own_team: Team, room: Room) -> None:
    link = own_team.link("viewer", "--approve", "--uses", "2")
    waiting = own_team.ben.run("join", link, "--name", "Ben", "--timeout", "5")
    assert (waiting["state"], waiting["waiting_for"]) == ("waiting", "the owner to agree")
    assert [row["name"] for row in own_team.ana.run("shares")["requests"]] == ["Ben"]
    assert own_team.ana.run("admit", "Ben")["state"] == "admitted"
    eventually(lambda: [row["id"] for row in own_team.ben.run("list")["threads"]] == [own_team.thread], "the thread")
    carl = room.device("carl")
    carl.run("join", link, "--name", "Carl", "--timeout", "3")
    eventually(lambda: [row["name"] for row in own_team.ana.run("shares")["requests"]] == ["Carl"], "the request")
    assert own_team.ana.run("admit", "Carl", "--decline")["state"] == "declined"
    assert failing(carl, "join", link, "--timeout", "10")["code"] == "E054"


def test_secrets_are_found_before_the_first_byte_is_shared(team: Team) -> None:
    secret = "ghp_" + "a8Kd03jfMs72LqPz91XcVb64NwErTy05UiOp"
    team.ana.run("say", team.thread, f"export GITHUB_TOKEN={secret}")
    error = failing(team.ana, "share", team.thread, "--permission", "view")
    assert error["code"] == "E051" and error["details"]["secrets"] == 1
    assert secret not in json.dumps(error)
    assert team.ana.run("shares", team.thread)["shares"] == []
    assert team.ana.run("share", team.thread, "--permission", "view", "--allow-secrets")["permission"] == "viewer"


@pytest.mark.deep
def test_sharing_from_a_message_on_shares_nothing_from_before(team: Team) -> None:
    said = team.ana.run("say", team.thread, "from here on")["message_id"]
    shared = team.ana.run("share", team.thread, "--permission", "view", "--from", said)
    assert shared["thread"] != team.thread
    assert team.ben.run("join", shared["link"])["thread"] == shared["thread"]
    eventually(lambda: texts(team.ben, shared["thread"]) == ["from here on"], "the copy")
    assert team.ben.run("show", shared["thread"])["messages"][0]["by"] == "ana"


@pytest.mark.deep
def test_who_leaves_is_out_everywhere_and_keeps_what_they_had(own_team: Team) -> None:
    own_team.join("editor")
    assert own_team.ben.run("leave", own_team.thread)["state"] == "left"
    eventually(lambda: role_of(own_team.ana, own_team.thread, "Ben") == "none", "Ben's leaving")
    own_team.ana.run("say", own_team.thread, "among ourselves")
    assert [row["id"] for row in own_team.ben.run("list", "--trash")["threads"]] == [own_team.thread]
    assert "among ourselves" not in texts(own_team.ben, own_team.thread)
    assert failing(own_team.ana, "leave", own_team.thread)["code"] == "E006"


@pytest.mark.deep
def test_a_thread_handed_over_is_the_new_owners_and_the_old_one_stays_as_editor(team: Team, room: Room) -> None:
    team.join("editor")
    assert team.ana.run("transfer", team.thread, "Ben")["state"] == "offered"
    team.ana.run("sync", "wait")
    eventually(lambda: complaint(team.ben, "transfer", team.thread, "--accept") is None, "the offer")
    eventually(lambda: role_of(team.ana, team.thread, "Ben") == "owner", "the new owner")
    assert failing(team.ana, "permit", team.thread, "Ben", "viewer")["code"] == "E006"
    team.ana.run("say", team.thread, "still an editor")
    eventually(lambda: "still an editor" in texts(team.ben, team.thread), "what the old owner says")
    team.ben.run("sync", "connect", team.relay.url)
    carl = room.device("carl")
    link = team.ben.run("share", team.thread, "--permission", "viewer")["link"]
    assert carl.run("join", link)["state"] == "admitted"


@pytest.mark.deep
def test_words_are_compared_and_another_identity_of_that_name_warns(own_team: Team, room: Room) -> None:
    own_team.join("editor")
    ana, ben = own_team.ana.run("verify", own_team.thread, "Ben"), own_team.ben.run("verify", own_team.thread, "ana")
    assert (ana["words"], ana["own_words"]) == (ben["own_words"], ben["words"])
    assert own_team.ana.run("verify", own_team.thread, "Ben", "--matches")["verified"]
    rows = {row["name"]: row for row in own_team.desktop.run("members", own_team.thread)["members"]}
    eventually(lambda: own_team.desktop.run("verify", own_team.thread, "Ben")["verified"], "the mark on the desktop")
    assert rows["Ben"]["warning"] is None
    impostor = room.device("impostor")
    impostor.run("join", own_team.link("viewer"), "--name", "Ben")
    warned = [row for row in own_team.ana.run("members", own_team.thread)["members"] if row["warning"]]
    assert [row["verified"] for row in warned] == [False] and "verified before" in warned[0]["warning"]


@pytest.mark.deep
def test_a_members_second_device_has_the_thread_and_their_right(own_team: Team, room: Room) -> None:
    own_team.join("editor")
    phone = room.device("phone")
    own_relay = own_team.relay.url
    own_team.ben.run("sync", "connect", own_relay)
    pair(own_team.ben, phone, own_team.relay)
    eventually(
        lambda: own_team.thread in [row["id"] for row in phone.run("list")["threads"]], "the thread on the phone"
    )
    phone.run("say", own_team.thread, "from the phone")
    own_team.everywhere("from the phone")


def test_what_is_no_link_is_refused_by_name(team: Team) -> None:
    for link in ("", "opensesh://join/x", "https://example.com/"):
        assert failing(team.ben, "join", link)["code"] in ("E047", "E011"), link


def test_what_somebody_wrote_while_they_were_put_out_stays_with_them_and_is_said(own_team: Team) -> None:
    own_team.join("editor")
    own_team.ben.run("say", own_team.thread, "in time")
    own_team.everywhere("in time")
    with without(own_team.relay):
        own_team.ben.run("say", own_team.thread, "written offline")
        assert "written offline" in texts(own_team.ben, own_team.thread)
        own_team.ben.run("node", "stop")
    own_team.ana.run("kick", own_team.thread, "Ben")
    own_team.ana.run("sync", "wait")
    watching = own_team.ben.stream("watch", own_team.thread, "--since", "0")
    assert watching.until("work.left_out")["count"] == 1
    assert texts(own_team.ben, own_team.thread) == ["before anybody came", "in time"]
    kept = own_team.ben.run("leftovers", own_team.thread)["leftovers"]
    assert [(each["form"], each["text"]) for each in kept] == [("message", "written offline")] and kept[0]["why"]
    assert "written offline" not in texts(own_team.ana, own_team.thread)
    own_team.ben.run("sync", "wait", "--incoming")  # what nobody will take keeps nobody waiting
    status = own_team.ben.run("sync", "status")
    assert (status["state"], status["pending"]) == ("on the relay", 0)
    error = failing(own_team.ben, "sync", "wait", own_team.thread)
    assert error["name"] == "NOTHING_TO_SYNC_WITH" and "no longer in this thread" in error["message"]
    assert "opensesh leftovers" in error["next"]
