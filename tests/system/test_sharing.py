"""Sharing between people, by command line: real nodes with homes of their own, and a real relay."""

import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from crdt.permissions import Role
from tests.system.machines import Device, Relay, Room, failing, pair, room, settle, texts
from tests.waiting import eventually

__all__ = ["room"]  # the fixture


class Team:
    """Ana owns a thread and has two devices; Ben is a teammate."""

    def __init__(self, room: Room) -> None:
        self.relay = room.relay()
        self.ana, self.desktop, self.ben = room.device("ana"), room.device("desktop"), room.device("ben")
        self.ana.run("sync", "connect", self.relay.url)
        pair(self.ana, self.desktop, self.relay)
        self.thread: str = self.ana.run("new", "Parser")["id"]
        message = self.ana.run("say", self.thread, "before anybody came")["message_id"]
        comment = self.ana.run("comment", self.thread, "Why?", "--message", message)["id"]
        self.words = {"THREAD": self.thread, "MESSAGE": message, "COMMENT": comment}

    def link(self, permission: str, *options: str) -> str:
        link: str = self.ana.run("share", self.thread, "--permission", permission, *options)["link"]
        return link

    def join(self, permission: str, *options: str) -> None:
        found = self.ben.run("join", self.link(permission, *options), "--name", "Ben")
        assert (found["thread"], found["state"]) == (self.thread, "admitted")

    def permit(self, permission: str) -> None:
        """Give Ben that role, and wait until all three know."""
        self.ana.run("permit", self.thread, "Ben", permission)
        for device in (self.ben, self.desktop):
            eventually(lambda device=device: role_of(device, self.thread, "Ben") == permission, f"Ben as {permission}")

    def everywhere(self, text: str) -> None:
        """Wait until a message is shown on all three."""
        for device in (self.ana, self.desktop, self.ben):
            eventually(lambda device=device: text in texts(device, self.thread), f"{text!r} on {device.name}")


@pytest.fixture
def team(room: Room) -> Team:
    return Team(room)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A team that many tests share: Ben is in."""
    with ExitStack() as stack:
        made = Team(Room(tmp_path_factory.mktemp("team"), stack))
        made.join("viewer")
        eventually(lambda: made.thread in [each["id"] for each in made.desktop.run("list")["threads"]], "the thread")
        yield made


def role_of(device: Device, thread: str, name: str) -> str:
    """A member's role as a device sees it."""
    rows = device.run("members", thread)["members"]
    return next((str(row["permission"]) for row in rows if row["name"] == name), "none")


def stored(relay: Relay) -> str:
    """A digest of every frame that the relay has."""
    with closing(sqlite3.connect(f"file:{relay.data / 'relay.db'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT room, hash FROM frames ORDER BY place").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def events(device: Device) -> int:
    """How many events a device has stored: nothing it keeps changes without one."""
    return int(device.stream("watch").until("ready")["cursor"])


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
def test_a_member_does_what_the_role_allows_and_nothing_else(lasting: Team, role: Role) -> None:
    team = lasting
    team.permit(role.name.lower())
    if role is Role.EDITOR:  # sharing asks for a relay of one's own first
        team.ben.run("sync", "connect", team.relay.url)
    for needed, words in sorted(ROWS, key=lambda row: row[0] > role):
        if role < needed:
            settle(team.ana, team.desktop, team.ben)
        command = [team.words.get(word, word) for word in words]
        if role >= needed:
            done = subprocess.run(
                team.ben.command(*command), env=team.ben.environment, capture_output=True, text=True, timeout=60,
                check=False,
            )  # fmt: skip
            assert done.returncode == 0, (words, done.stderr)
        else:
            before = stored(team.relay), events(team.ben)
            error = failing(team.ben, *command)
            assert (error["code"], error["details"]["role"]) == ("E006", needed.name.lower()), words
            assert error["next"]
            assert (stored(team.relay), events(team.ben)) == before, words


def test_what_an_editor_says_is_on_every_device_of_everybody(lasting: Team) -> None:
    lasting.permit("editor")
    lasting.ben.run("say", lasting.thread, "from Ben")
    lasting.everywhere("from Ben")
    lasting.desktop.run("say", lasting.thread, "from the desktop")
    lasting.everywhere("from the desktop")


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
    listed = {row["id"]: row["state"] for row in team.ana.run("shares")["shares"]}
    assert listed[withdrawn["id"]] == "withdrawn" and sorted(listed.values()) == ["used up", "withdrawn"]


def test_a_link_that_expired_lets_nobody_in(team: Team) -> None:
    link = team.link("viewer", "--expires", "1s")
    eventually(lambda: team.ana.run("shares")["shares"][0]["state"] == "expired", "the expiry")
    assert failing(team.ben, "join", link)["code"] == "E048"
    assert team.ben.run("list")["threads"] == []


@pytest.mark.deep
def test_a_joiner_waits_while_no_device_of_the_owner_answers_and_is_let_in_later(team: Team) -> None:
    link = team.link("editor")
    team.ana.run("sync", "wait")
    team.ana.run("node", "stop")
    team.desktop.run("node", "stop")
    waiting = team.ben.run("join", link, "--timeout", "2")
    assert (waiting["state"], waiting["permission"]) == ("waiting", "editor")
    assert team.ben.run("list")["threads"] == []
    team.desktop.run("node", "start")  # any device of the owner's answers, not only the one that made the link
    eventually(lambda: [row["id"] for row in team.ben.run("list")["threads"]] == [team.thread], "the thread")


@pytest.mark.deep
def test_somebody_is_asked_before_each_if_the_link_says_so(team: Team, room: Room) -> None:
    link = team.link("viewer", "--approve", "--uses", "2")
    waiting = team.ben.run("join", link, "--name", "Ben", "--timeout", "5")
    assert (waiting["state"], waiting["waiting_for"]) == ("waiting", "the owner to agree")
    assert [row["name"] for row in team.ana.run("shares")["requests"]] == ["Ben"]
    assert team.ana.run("admit", "Ben")["state"] == "admitted"
    eventually(lambda: [row["id"] for row in team.ben.run("list")["threads"]] == [team.thread], "the thread")
    carl = room.device("carl")
    carl.run("join", link, "--name", "Carl", "--timeout", "3")
    eventually(lambda: [row["name"] for row in team.ana.run("shares")["requests"]] == ["Carl"], "the request")
    assert team.ana.run("admit", "Carl", "--decline")["state"] == "declined"
    assert failing(carl, "join", link, "--timeout", "10")["code"] == "E054"


def test_secrets_are_found_before_the_first_byte_is_shared(team: Team) -> None:
    secret = "ghp_" + "a8Kd03jfMs72LqPz91XcVb64NwErTy05UiOp"
    team.ana.run("say", team.thread, f"export GITHUB_TOKEN={secret}")
    before = stored(team.relay)
    error = failing(team.ana, "share", team.thread, "--permission", "view")
    assert error["code"] == "E051" and error["details"]["secrets"] == 1
    assert secret not in json.dumps(error)
    assert team.ana.run("shares")["shares"] == []
    team.ana.run("sync", "wait")
    del before
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
def test_who_leaves_is_out_everywhere_and_keeps_what_they_had(team: Team) -> None:
    team.join("editor")
    assert team.ben.run("leave", team.thread)["state"] == "left"
    eventually(lambda: role_of(team.ana, team.thread, "Ben") == "none", "Ben's leaving")
    team.ana.run("say", team.thread, "among ourselves")
    assert [row["id"] for row in team.ben.run("list", "--trash")["threads"]] == [team.thread]
    assert "among ourselves" not in texts(team.ben, team.thread)
    assert failing(team.ana, "leave", team.thread)["code"] == "E006"


@pytest.mark.deep
def test_a_thread_handed_over_is_the_new_owners_and_the_old_one_stays_as_editor(team: Team, room: Room) -> None:
    team.join("editor")
    assert team.ana.run("transfer", team.thread, "Ben")["state"] == "offered"
    team.ana.run("sync", "wait")
    eventually(lambda: accepts(team.ben, team.thread), "the offer")
    eventually(lambda: role_of(team.ana, team.thread, "Ben") == "owner", "the new owner")
    assert failing(team.ana, "permit", team.thread, "Ben", "viewer")["code"] == "E006"
    team.ana.run("say", team.thread, "still an editor")
    eventually(lambda: "still an editor" in texts(team.ben, team.thread), "what the old owner says")
    team.ben.run("sync", "connect", team.relay.url)
    carl = room.device("carl")
    link = team.ben.run("share", team.thread, "--permission", "viewer")["link"]
    assert carl.run("join", link)["state"] == "admitted"


def accepts(device: Device, thread: str) -> bool:
    """Whether a device could accept the offer it was made."""
    done = subprocess.run(
        device.command("transfer", thread, "--accept"), env=device.environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode == 0


@pytest.mark.deep
def test_words_are_compared_and_another_identity_of_that_name_warns(team: Team, room: Room) -> None:
    team.join("editor")
    ana, ben = team.ana.run("verify", team.thread, "Ben"), team.ben.run("verify", team.thread, "ana")
    assert (ana["words"], ana["own_words"]) == (ben["own_words"], ben["words"])
    assert team.ana.run("verify", team.thread, "Ben", "--matches")["verified"]
    rows = {row["name"]: row for row in team.desktop.run("members", team.thread)["members"]}
    eventually(lambda: team.desktop.run("verify", team.thread, "Ben")["verified"], "the mark on the other device")
    assert rows["Ben"]["warning"] is None
    impostor = room.device("impostor")
    impostor.run("join", team.link("viewer"), "--name", "Ben")
    warned = [row for row in team.ana.run("members", team.thread)["members"] if row["warning"]]
    assert [row["verified"] for row in warned] == [False] and "verified before" in warned[0]["warning"]


@pytest.mark.deep
def test_a_members_second_device_has_the_thread_and_their_right(team: Team, room: Room) -> None:
    team.join("editor")
    phone = room.device("phone")
    own_relay = team.relay.url
    team.ben.run("sync", "connect", own_relay)
    pair(team.ben, phone, team.relay)
    eventually(lambda: team.thread in [row["id"] for row in phone.run("list")["threads"]], "the thread on the phone")
    phone.run("say", team.thread, "from the phone")
    team.everywhere("from the phone")


def test_what_is_no_link_is_refused_by_name(room: Room) -> None:
    nobody = room.device("nobody")
    for link in ("", "opensesh://join/x", "https://example.com/"):
        assert failing(nobody, "join", link)["code"] in ("E047", "E011"), link


def test_what_somebody_wrote_while_they_were_put_out_stays_with_them_and_is_said(team: Team) -> None:
    team.join("editor")
    team.ben.run("say", team.thread, "in time")
    team.everywhere("in time")
    relay_url = team.relay.url
    team.relay.stop()
    team.ben.run("say", team.thread, "written offline")
    assert "written offline" in texts(team.ben, team.thread)
    team.ben.run("node", "stop")
    team.relay.start()
    assert team.relay.url == relay_url
    team.ana.run("kick", team.thread, "Ben")
    team.ana.run("sync", "wait")
    watching = team.ben.stream("watch", team.thread, "--since", "0")
    assert watching.until("work.left_out")["count"] == 1
    assert texts(team.ben, team.thread) == ["before anybody came", "in time"]
    kept = team.ben.run("leftovers", team.thread)["leftovers"]
    assert [(each["form"], each["text"]) for each in kept] == [("message", "written offline")] and kept[0]["why"]
    assert "written offline" not in texts(team.ana, team.thread)
