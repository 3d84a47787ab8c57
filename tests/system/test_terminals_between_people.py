"""A terminal that two people share: seen by both, typed into by whoever controls it. Real nodes, a real relay."""

import pytest

from tests.system.machines import failing
from tests.system.team import Team
from tests.system.test_shared_terminals import Watching
from tests.waiting import eventually

ECHO = 'while read line; do echo "got <$line>"; done'


def running(team: Team) -> str:
    terminal: str = team.ana.run("run", team.thread, "--", "sh", "-c", ECHO)["terminal"]
    eventually(lambda: team.ben.run("terminals", team.thread)["terminals"], "the terminal at Ben's")
    return terminal


def test_a_teammate_sees_a_terminal_live_and_types_once_they_control_it(team: Team) -> None:
    team.join("editor")
    terminal = running(team)
    there = Watching(team.ben, team.thread, terminal)
    team.ana.run("terminal", "type", team.thread, terminal, "from ana", "--enter")
    there.shows("got <from ana>")
    error = failing(team.ben, "terminal", "type", team.thread, terminal, "from ben", "--enter")
    assert error["code"] == "E006"
    team.ana.run("control", team.thread, "--grant", "Ben", "--terminal", terminal[:6])
    eventually(lambda: drives(team, terminal) == "Ben", "Ben drives")
    team.ben.run("terminal", "type", team.thread, terminal, "from ben", "--enter")
    there.shows("got <from ben>")
    assert failing(team.ana, "terminal", "type", team.thread, terminal, "mine", "--enter")["code"] == "E006"
    nowhere = failing(team.ana, "control", team.thread, "--take", "--terminal", "zzzz")
    assert nowhere["name"] == "TERMINAL_NOT_FOUND"
    assert [each["terminal"] for each in nowhere["details"]["terminals"]] == [terminal]
    team.ana.run("control", team.thread, "--take", "--terminal", terminal)
    team.ana.run("terminal", "type", team.thread, terminal, "ana again", "--enter")
    there.shows("got <ana again>")


def test_a_guest_types_and_the_owner_presses_enter(team: Team) -> None:
    team.join("editor")
    terminal = running(team)
    there = Watching(team.ben, team.thread, terminal)
    team.ana.run("control", team.thread, "--type-only", "Ben")
    eventually(lambda: team.ben.run("control", team.thread)["typing"], "Ben may type")
    team.ben.run("terminal", "type", team.thread, terminal, "rm -rf build")
    there.shows("rm -rf build")
    assert not any("got" in line for line in there.lines)
    team.ana.run("terminal", "type", team.thread, terminal, "--enter")
    there.shows("got <rm -rf build>")


@pytest.mark.parametrize("role", ["viewer", "commenter"])
def test_who_may_not_write_sees_the_terminal_and_touches_nothing(team: Team, role: str) -> None:
    team.join(role)
    terminal = running(team)
    there = Watching(team.ben, team.thread, terminal)
    for words in (
        ("terminal", "type", team.thread, terminal, "x"),
        ("terminal", "resize", team.thread, terminal, "100", "30"),
        ("terminal", "close", team.thread, terminal),
        ("run", team.thread, "--", "true"),
    ):
        error = failing(team.ben, *words)
        assert (error["code"], error["details"]["role"]) == ("E006", "editor"), words
    team.ana.run("terminal", "type", team.thread, terminal, "still here", "--enter")
    there.shows("got <still here>")


def drives(team: Team, terminal: str) -> str:
    """Who types into the terminal, as Ben's node sees it."""
    return str(team.ben.run("control", team.thread, "--terminal", terminal)["driver"]["name"])
