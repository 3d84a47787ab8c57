"""Who drives, by command line: an owner with two devices and a teammate, real processes all."""

import time

import pytest

from tests.system.machines import Device, failing
from tests.system.team import Team
from tests.waiting import eventually


def driver(device: Device, thread: str) -> str:
    return str(device.run("control", thread)["driver"]["name"])


def agreed(team: Team, name: str) -> None:
    for device in (team.ana, team.desktop, team.ben):
        eventually(lambda device=device: driver(device, team.thread) == name, f"{name} drives on {device.name}")


def asking(device: Device, thread: str) -> list[str]:
    return [each["name"] for each in device.run("control", thread)["requests"]]


def test_control_is_asked_for_granted_handed_back_and_taken(team: Team) -> None:
    team.join("editor")
    thread, ana, ben = team.thread, team.ana, team.ben
    first = driver(ana, thread)
    agreed(team, first)
    watching = ana.stream("watch", thread)
    watching.until("ready")
    ben.run("control", thread, "--request", "--text", "My turn?")
    told = watching.until("control.changed")
    assert [(each["name"], each["text"]) for each in told["requests"]] == [("Ben", "My turn?")]
    for words in (("--grant", "Ben"), ("--revoke",), ("--take",), ("--type-only", "Ben"), ("--hand", "Ben")):
        error = failing(ben, "control", thread, *words)
        assert (error["code"], error["name"]) == ("E006", "PERMISSION_DENIED")
        assert error["details"]["role"] == ("driver" if words[0] == "--hand" else "owner")
    assert ana.run("control", thread, "--grant", "Ben")["driver"]["name"] == "Ben"
    agreed(team, "Ben")
    eventually(lambda: asking(ana, thread) == [], "nobody asks for what they have")
    assert ben.run("control", thread, "--hand", first)["driver"]["name"] == first
    agreed(team, first)
    assert asking(team.desktop, thread) == []
    ana.run("control", thread, "--grant", "Ben")
    agreed(team, "Ben")
    team.desktop.run("control", thread, "--take")  # the owner's other device
    agreed(team, first)
    ana.run("control", thread, "--type-only", "Ben")
    eventually(lambda: [each["name"] for each in ben.run("control", thread)["typing"]] == ["Ben"], "Ben may type")


def test_a_driver_who_is_made_commenter_drives_no_more_and_a_viewer_may_not_even_ask(team: Team) -> None:
    team.join("editor")
    first = driver(team.ana, team.thread)
    team.ana.run("control", team.thread, "--grant", "Ben")
    agreed(team, "Ben")
    team.permit("commenter")
    agreed(team, first)
    team.ben.run("control", team.thread, "--request")
    eventually(lambda: asking(team.ana, team.thread) == ["Ben"], "Ben asks")
    error = failing(team.ana, "control", team.thread, "--grant", "Ben")
    assert (error["code"], error["details"]["role"]) == ("E006", "editor")
    team.permit("viewer")
    error = failing(team.ben, "control", team.thread, "--request")
    assert (error["code"], error["details"]["role"]) == ("E006", "commenter")
    agreed(team, first)


@pytest.mark.deep
@pytest.mark.parametrize("permission", ["viewer", "editor"])
def test_members_see_each_other_come_and_one_who_was_kicked_is_gone(own_team: Team, permission: str) -> None:
    own_team.join(permission)
    watching = own_team.ana.stream("watch", own_team.thread)
    watching.until("ready")
    looking = own_team.ben.stream("watch", own_team.thread)
    looking.until("ready")
    told = next(line for line in watching.lines() if line["type"] == "presence.changed" and "Ben" in names(line))
    (row,) = [each for each in told["people"] if each["name"] == "Ben"]
    assert row["role"] == permission and row["state"] == "active"
    seen = next(line for line in looking.lines() if line["type"] == "presence.changed" and "owner" in roles(line))
    assert "editor" not in roles(seen) or permission == "editor"
    assert [each["present"] for each in own_team.ana.run("members", own_team.thread)["members"]] == [True, True]
    own_team.ana.run("kick", own_team.thread, "Ben")
    gone = next(line for line in watching.lines() if line["type"] == "presence.changed" and line["gone"])
    assert gone["gone"] == [row["device"]["id"]]
    assert "Ben" not in [each["name"] for each in own_team.ana.run("who", own_team.thread)["people"]]


def test_a_device_that_never_wrote_is_shown_to_the_members_and_one_whose_node_stops_is_gone(team: Team) -> None:
    team.join("viewer")
    watching = team.ben.stream("watch", team.thread)
    watching.until("ready")
    looking = team.desktop.stream("watch", team.thread)
    looking.until("ready")
    told = next(line for line in watching.lines() if "desktop" in devices(line))
    (row,) = [each for each in told["people"] if each["device"]["name"] == "desktop"]
    assert row["role"] == "owner"
    begun = time.monotonic()
    team.desktop.run("node", "stop")
    gone = next(line for line in watching.lines() if line.get("gone"))
    assert gone["gone"] == [row["device"]["id"]]
    assert time.monotonic() - begun < 10, "at its goodbye, not once it has been silent for long"


def devices(line: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    return [each["device"]["name"] for each in line.get("people", ())]


def names(line: dict[str, list[dict[str, str]]]) -> list[str]:
    return [each["name"] for each in line["people"]]


def roles(line: dict[str, list[dict[str, str]]]) -> list[str]:
    return [each["role"] for each in line["people"]]
