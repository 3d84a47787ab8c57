"""The demonstration's second half: a teammate with keys of their own, what they may do, and what nobody can."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from client.demo.checking import check
from client.demo.machines import PATIENCE_S, Device, Relay
from crdt.errors import DEMO_FAILED

WRITTEN = "From the teammate."
FORGED = "Written by patched software, without the right."
LATER = "Said when the teammate was out."


class Teamwork:
    """A thread of the laptop's, shared with a teammate. Each step gives what it has to say."""

    def __init__(self, relay: Relay, laptop: Device, teammate: Device, thread: str, folder: Path) -> None:
        self._relay = relay
        self._laptop = laptop
        self._teammate = teammate
        self._thread = thread
        self._folder = folder

    def join(self) -> tuple[None, str]:
        """By a one-time link; all of the history is there."""
        shared = self._laptop.run("share", self._thread, "--permission", "viewer")
        begun = time.monotonic()
        joined = self._teammate.run("join", "-", "--name", "Teammate", stdin=shared["link"])
        took_ms = (time.monotonic() - begun) * 1000
        check(joined["state"] == "admitted", f"the teammate is {joined['state']}")
        self._same_texts()
        return None, f"let in after {took_ms:.0f} ms, with all {len(self._texts(self._laptop))} messages"

    def watch(self) -> tuple[None, str]:
        """The stream of an answer, as it is written on the laptop."""
        watching = self._teammate.stream("watch", self._thread)
        watching.until("ready")
        asking = self._laptop.stream("ask", self._thread, "What does a viewer see?")
        asking.until("run.delta")
        begun = time.monotonic()
        watching.until("message.delta")
        late_ms = max(0.0, (time.monotonic() - begun) * 1000)
        asking.until("run.completed")
        self._same_texts()
        return None, f"the first words {late_ms:.0f} ms after the laptop's; and a terminal, {self._terminal()}"

    def _terminal(self) -> str:
        """A program on the laptop, its screen on the teammate's; a viewer types nothing into it."""
        script = "echo ready; read line; echo got $line"
        terminal = self._laptop.run("run", self._thread, "--", "sh", "-c", script)["terminal"]
        deadline = time.monotonic() + PATIENCE_S
        while not self._teammate.run("terminals", self._thread)["terminals"]:
            check(time.monotonic() < deadline, "the terminal never came to the teammate")
        watching = self._teammate.stream("attach", self._thread, terminal)
        refused = self._refused("terminal", "type", self._thread, terminal, "let me", "--enter")
        check(refused["code"] == "E006", f"a viewer's keys ended with {refused['code']}")
        self._laptop.run("terminal", "type", self._thread, terminal, "the keys", "--enter")
        seen = ""
        for line in watching.lines():
            seen += " ".join(each["text"] for each in line.get("lines", ()))
            if line["type"] == "terminal.ended":
                break
        check("got the keys" in seen, "the teammate's screen of the terminal shows something else")
        return "with the owner's keys alone"

    def write_all_the_same(self) -> tuple[None, str]:
        """Their own client says no; one without manners is refused by everybody else's."""
        refused = self._refused("say", self._thread, "May I?")
        check(refused["code"] == "E006", f"a viewer's message ended with {refused['code']}")
        before, stored = self._texts(self._laptop), len(self._frames())
        self._teammate.run("node", "stop")
        done = self._patched("write", self._thread, self._relay.url, FORGED)
        check(done["uploaded"] and len(self._frames()) == stored + 1, "the forged message didn't reach the relay")
        self._laptop.run("sync", "wait", "--incoming")
        check(self._texts(self._laptop) == before, "a viewer's forged message is shown")
        self._teammate.run("node", "start")
        return None, "the relay stored it, and no member's node takes it"

    def raise_up(self) -> tuple[None, str]:
        """A right changes at once, with nothing to restart."""
        took = []
        asked = {"commenter": ("comment", self._thread, "Looks right."), "editor": ("say", self._thread, WRITTEN)}
        for permission, words in asked.items():
            refused = self._refused(*words)
            check(refused["code"] == "E006", f"below {permission} it ended with {refused['code']}")
            watching = self._teammate.stream("watch", self._thread)
            watching.until("ready")
            self._laptop.run("permit", self._thread, "Teammate", permission)
            begun = time.monotonic()
            watching.until("members.changed")
            took.append(f"{max(0.0, (time.monotonic() - begun) * 1000):.0f} ms")
            watching.close()
            self._teammate.run(*words)
        self._same_texts()
        return None, f"a comment, a message, each right there after {' and '.join(took)}"

    def put_out(self) -> tuple[None, str]:
        """Their keys open nothing that is said from then on, though they get all that the relay has."""
        self._laptop.run("kick", self._thread, "Teammate")
        self._laptop.run("say", self._thread, LATER)
        self._laptop.run("sync", "wait")
        self._teammate.run("node", "stop")
        dump = self._folder / "frames.hex"
        dump.write_text("\n".join(self._frames()), encoding="ascii")
        tried = self._patched("open", self._thread, str(dump))
        check(LATER not in tried["texts"], "a removed member's keys open what was said later")
        check(WRITTEN in tried["texts"], "the search through the dump finds nothing, not even what is there")
        check(tried["closed"] > 0, "every frame opened")
        again = self._patched("write", self._thread, self._relay.url, FORGED)
        check(not again["uploaded"], "the relay let a removed member in")
        return None, f"{tried['closed']} frames stay closed, and the relay lets them in no more"

    # ---- asking

    def _texts(self, device: Device) -> list[str]:
        return [message["text"] for message in device.run("show", self._thread)["messages"]]

    def _same_texts(self) -> None:
        wanted, deadline = self._texts(self._laptop), time.monotonic() + PATIENCE_S
        while self._texts(self._teammate) != wanted:
            check(time.monotonic() < deadline, "the teammate sees another thread")

    def _refused(self, *words: str) -> dict[str, Any]:
        """A command that must fail; its error."""
        done = self._run(self._teammate.command(*words))
        check(done.returncode == 1, f"`opensesh {words[0]}` was not refused")
        error: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])["error"]
        return error

    def _patched(self, *words: str) -> dict[str, Any]:
        """The teammate's keys in a client that keeps no rules."""
        done = self._run([sys.executable, "-P", "-m", "node.patched", *words])
        if done.returncode != 0:
            raise DEMO_FAILED(f"The patched client broke off: {done.stderr.strip()[-300:]}")
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        """In the teammate's home, with nobody at a keyboard."""
        return subprocess.run(
            command,
            env=self._teammate.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def _frames(self) -> list[str]:
        """Every frame that the relay has, in hex."""
        path = self._relay.data / "relay.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return [body.hex() for (body,) in database.execute("SELECT body FROM frames")]
