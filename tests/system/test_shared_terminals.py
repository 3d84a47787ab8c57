"""Shared terminals with real nodes: run on one device, seen and typed into by command lines, across stops and kills."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.screen.tmux import Terminal, needs_tmux
from tests.processes import is_there
from tests.system.machines import Device, Paired, Room, failing
from tests.system.team import Team
from tests.waiting import eventually


class Watching:
    """`attach --json` of a device, its screen put together line by line."""

    def __init__(self, device: Device, *words: str) -> None:
        self._stream = device.stream("attach", *words)
        self.lines: list[str] = []
        self.history: list[str] = []
        self.end: dict[str, Any] | None = None

    def until(self, condition: Callable[["Watching"], object]) -> "Watching":
        """Read on until it holds; the stream ends itself if that takes too long."""
        if not condition(self):
            for line in self._stream.lines():
                self._take(line)
                if condition(self):
                    return self
            raise AssertionError(f"it ended with {self.end} and\n" + "\n".join(self.lines))
        return self

    def _take(self, line: dict[str, Any]) -> None:
        if line["type"] == "terminal.screen":
            self.lines = [each["text"] for each in line["lines"]]
            self.history += [each["text"] for each in line["history"]]
        elif line["type"] == "terminal.changed":
            self.history += [each["text"] for each in line["scrolled"]]
            self.lines = (self.lines[line["moved"] :] + [""] * line["moved"])[-len(self.lines) :]
            for each in line["lines"]:
                self.lines[each["row"]] = each["text"]
        else:
            self.end = line

    def shows(self, text: str) -> "Watching":
        return self.until(lambda it: text in "\n".join(it.lines))


def test_what_runs_on_one_device_is_seen_on_the_other_with_its_scrollback_and_exit_code(
    paired: Paired,
) -> None:
    _, laptop, desktop = paired
    thread = laptop.run("new", "Shell")["id"]
    desktop.run("sync", "wait", "--incoming")
    script = "stty size; seq 500; read line; echo got $line; exit 9"
    terminal = laptop.run("run", thread, "--columns", "60", "--rows", "10", "--", "sh", "-c", script)["terminal"]
    here = Watching(laptop, thread, terminal).shows("500")
    there = Watching(desktop, thread).shows("500")
    assert here.lines[:10] == there.lines[:10] and "10 60" in here.history and "250" in there.history
    laptop.run("terminal", "type", thread, terminal[:8], "hello", "--enter")
    for watching in (here, there):
        watching.shows("got hello").until(lambda it: it.end)
        assert watching.end is not None and (watching.end["code"], watching.end["reason"]) == (9, "")
    (row,) = desktop.run("terminals", thread)["terminals"]
    assert (row["terminal"], row["state"], row["code"], row["here"]) == (terminal, "ended", 9, False)
    assert row["author"]["name"] == "laptop"


@pytest.mark.deep
def test_a_program_ends_with_its_node_and_the_terminal_says_so(room: Room) -> None:
    device = room.device("laptop")
    thread = device.run("new", "Shell")["id"]
    script = "echo $$; trap '' HUP; while :; do sleep 1; done"
    device.run("run", thread, "--", "sh", "-c", script)
    watching = Watching(device, thread).until(lambda it: it.lines and it.lines[0].isdigit())
    program, node = int(watching.lines[0]), device.run("node", "status")["pid"]
    device.run("node", "stop")
    assert not is_there(program)
    assert Watching(device, thread).until(lambda it: it.end).end == {
        **{"type": "terminal.ended", "thread": thread, "code": None, "reason": "the node stopped"},
        "terminal": device.run("terminals", thread)["terminals"][0]["terminal"],
    }

    device.run("run", thread, "--", "sh", "-c", script)
    watching = Watching(device, thread).until(lambda it: it.lines and it.lines[0].isdigit())
    program, node = int(watching.lines[0]), device.run("node", "status")["pid"]
    os.kill(node, signal.SIGKILL)
    again = Watching(device, thread).until(lambda it: it.end)
    assert again.end is not None and again.end["reason"] == "the node stopped"
    if sys.platform == "linux":
        assert not is_there(program)


def test_what_is_asked_wrongly_is_refused_by_name(paired: Paired) -> None:
    _, device, _ = paired
    thread = device.run("new", "Shell")["id"]
    assert failing(device, "attach", thread)["name"] == "TERMINAL_NOT_FOUND"
    assert failing(device, "run", thread, "--", "no-such-program")["name"] == "PROGRAM_NOT_STARTED"
    terminal = device.run("run", thread, "true")["terminal"]
    Watching(device, thread).until(lambda it: it.end)
    assert failing(device, "terminal", "type", thread, terminal, "x")["name"] == "TERMINAL_ENDED"
    assert failing(device, "attach", thread, "zzz")["details"]["terminals"][0]["terminal"] == terminal
    assert [each["command"] for each in device.run("terminals", thread)["terminals"]] == [["true"]]


@pytest.mark.deep
def test_a_viewer_sees_a_terminal_and_types_nothing_until_an_editor_runs_one_and_is_put_out(team: Team) -> None:
    team.join("viewer")
    terminal = team.ana.run("run", team.thread, "--", "sh", "-c", "echo for all; read line; echo $line")["terminal"]
    seen = Watching(team.ben, team.thread, terminal).shows("for all")
    for words in (["run", team.thread, "true"], ["terminal", "type", team.thread, terminal, "x"]):
        refused = failing(team.ben, *words)
        assert refused["code"] == "E006" and refused["details"]["role"] == "editor", refused
    assert failing(team.ben, "terminal", "close", team.thread, terminal)["code"] == "E006"
    team.ana.run("terminal", "type", team.thread, terminal, "over", "--enter")
    seen.shows("over\nover").until(lambda it: it.end)

    team.permit("editor")
    pages = team.ben.run("run", team.thread, "--", "sh", "-c", "while :; do echo $$; sleep 0.05; done")["terminal"]
    seen = Watching(team.ana, team.thread, pages).until(lambda it: it.lines and it.lines[0].isdigit())
    program = int(seen.lines[0])
    assert is_there(program)
    team.permit("viewer")
    eventually(lambda: not is_there(program), "the end of the program of who may run none any more")


def test_whoever_drives_a_terminal_types_into_it_from_their_own_device_and_a_guest_leaves_enter_to_them(
    team: Team,
) -> None:
    team.join("editor")
    thread = team.thread
    terminal = team.ana.run("run", thread, "--", "cat")["terminal"]
    seen = Watching(team.ben, thread, terminal).until(lambda it: it.lines)
    typing = ["terminal", "type", thread, terminal]
    assert failing(team.ben, *typing, "too early")["code"] == "E006"
    team.ana.run("control", thread, "--terminal", terminal, "--grant", "Ben")
    eventually(lambda: team.ben.run("control", thread, "--terminal", terminal)["driver"]["me"], "Ben drives")
    team.ben.run(*typing, "typed by ben", "--enter")
    seen.shows("typed by ben\ntyped by ben")
    assert failing(team.ana, *typing, "over the shoulder")["code"] == "E006"
    team.ben.run("terminal", "resize", thread, terminal, "50", "9")
    seen.until(lambda it: len(it.lines) == 9)

    team.ana.run("control", thread, "--terminal", terminal, "--take")
    team.ana.run("control", thread, "--type-only", "Ben")
    me = team.ben.run("whoami")["identity"]

    def only_types() -> bool:
        return me in [each["identity"] for each in team.ben.run("control", thread, "--terminal", terminal)["typing"]]

    eventually(only_types, "Ben only types")
    team.ben.run(*typing, "a guest wrote this", "--enter")
    seen.shows("a guest wrote this")
    team.ana.run(*typing, "!", "--enter")
    seen.shows("a guest wrote this!\na guest wrote this!")
    team.ana.run("terminal", "close", thread, terminal)
    seen.until(lambda it: it.end)


def test_a_secret_that_a_terminal_printed_is_named_before_the_thread_is_shared(paired: Paired, tmp_path: Path) -> None:
    _, device, _ = paired
    thread = device.run("new", "Shell")["id"]
    token = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0cD3fG6"
    (tmp_path / "token").write_text(f"\n{token}\n")
    terminal = device.run("run", thread, "--", "cat", str(tmp_path / "token"))["terminal"]
    Watching(device, thread).until(lambda it: it.end)
    refused = failing(device, "share", thread, "--permission", "viewer")
    places = [(each["field"], each["message"], each["line"]) for each in refused["details"]["findings"]]
    assert (refused["name"], places) == ("SECRETS_FOUND", [("terminal", terminal, 2)])
    assert device.run("share", thread, "--permission", "viewer", "--allow-secrets")["link"]


def test_the_text_of_a_terminal_goes_through_a_pipe(paired: Paired) -> None:
    _, device, _ = paired
    thread = device.run("new", "Shell")["id"]
    device.run("run", thread, "--rows", "5", "--", "sh", "-c", "seq 20; printf '\\033[31mred\\033[0m\\033]0;x\\007'")
    command = [word for word in device.command("attach", thread) if word != "--json"]
    done = subprocess.run(command, env=device.environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [*map(str, range(1, 21)), "red"]


# ---- in a real terminal


@pytest.fixture
def windows(room: Room, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def window(device: Device, *words: str) -> Terminal:
        folder = tmp_path / f"window{len(opened)}"
        folder.mkdir()
        opened.append(Terminal(device, folder, words=" ".join(words)))
        return opened[-1]

    yield window
    for each in opened:
        each.close()


@needs_tmux
@pytest.mark.deep
def test_a_full_screen_program_is_driven_watched_left_and_come_back_to(
    room: Room, windows: Callable[..., Terminal], tmp_path: Path
) -> None:
    device = room.device("laptop")
    thread = device.run("new", "Shell")["id"]
    book = tmp_path / "book"
    book.write_text("".join(f"line {number}\n" for number in range(1, 500)))
    driver = windows(device, "run", thread, "--", "less", str(book))
    driver.shows("line 1", "line 22", "Ctrl-] d")
    watcher = windows(device, "attach", thread)
    watcher.shows("line 1", "line 22")
    driver.type("G")
    for window in (driver, watcher):
        window.shows("line 499", until=lambda screen: "line 22" not in screen)
    driver.press("Up", "Up")  # what the cursor keys send is as less wants it
    watcher.shows("line 497", until=lambda screen: "line 499" not in screen)
    driver.resize(80, 15)
    watcher.shows(until=lambda screen: len(screen.partition(" Ctrl-] d")[0].rstrip().splitlines()) == 15)
    driver.press("C-]", "d")
    driver.shows("Detached; the program goes on.", "left with 0")
    again = windows(device, "attach", thread)
    again.shows("line 488")
    again.type("q")
    for window in (again, watcher):
        window.shows("The terminal has ended: exit code 0.", "left with 0")


@needs_tmux
@pytest.mark.deep
def test_a_shell_leaves_its_lines_in_the_scrollback_and_its_exit_code(
    room: Room, windows: Callable[..., Terminal]
) -> None:
    device = room.device("laptop")
    thread = device.run("new", "Shell")["id"]
    window = windows(device, "run", thread, "--", "sh")
    window.shows("$" if os.getuid() else "#")
    window.type("seq 100; exit 6")
    window.press("Enter")
    window.shows("The terminal has ended: exit code 6.", "left with 6")
    past = window.screen("-S", "-200").split()
    assert " ".join(map(str, range(1, 101))) in " ".join(past)


@pytest.mark.deep
def test_ten_megabytes_reach_another_device_through_a_relay(room: Room) -> None:
    _, laptop, desktop = room.paired()
    thread = laptop.run("new", "Flood")["id"]
    desktop.run("sync", "wait", "--incoming")
    pages = "yes 0123456789012345678901234567890123456789 | head -c 10000000; echo; echo all of it"
    laptop.run("run", thread, "--", "sh", "-c", pages)
    said: list[str] = []

    def say() -> None:
        said.extend(laptop.run("say", thread, f"message {number}")["message_id"] for number in range(5))

    talking = threading.Thread(target=say)
    talking.start()
    there = Watching(desktop, thread).shows("all of it")
    talking.join()
    desktop.run("sync", "wait", "--incoming")
    assert len(desktop.run("show", thread)["messages"]) == len(said) == 5 and there.history
    assert json.dumps(desktop.run("terminals", thread))
