"""The demo's processes: a relay, and devices with homes of their own. What is started here is ended here."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from client.starting import node_environment
from crdt.errors import DEMO_FAILED

PATIENCE_S = 30.0
_FRONT_DOOR = [sys.executable, "-P", "-c", "import sys, opensesh; sys.exit(opensesh.main())"]


def environment(home: Path, **more: str) -> dict[str, str]:
    """A home of its own, keys in files (a keychain would keep what the demo leaves behind), no local network."""
    inherited = {name: value for name, value in node_environment().items() if not name.startswith("OPENSESH_")}
    return inherited | {"OPENSESH_HOME": str(home), "OPENSESH_KEYRING": "file", "OPENSESH_LAN": "0", **more}


class Device:
    """One installation, driven as a person drives it: `opensesh COMMAND --json`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.home = folder / name
        self.home.mkdir(mode=0o700)
        self.environment = environment(self.home, OPENSESH_DEVICE_NAME=name)
        self._streams: list[Stream] = []

    def command(self, *words: str) -> list[str]:
        """The process that is one command here."""
        at = words.index("--") if "--" in words else len(words)  # what follows `--` is another program's
        return [*_FRONT_DOOR, *words[:at], "--json", *words[at:]]

    def run(self, *words: str, stdin: str | None = None, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Run one command; its JSON. Raises DEMO_FAILED with what it said if it failed."""
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
        )
        if done.returncode != 0:
            raise DEMO_FAILED(f"`opensesh {' '.join(words)}` failed on the {self.name}: {done.stderr.strip()[-500:]}")
        lines = done.stdout.splitlines()
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return found

    def stream(self, *words: str) -> "Stream":
        """Start a command that goes on; its lines come as they are printed."""
        stream = Stream(self.name, words, self.environment)
        self._streams.append(stream)
        return stream

    def stop(self) -> None:
        """End what still runs, the node last."""
        for stream in self._streams:
            stream.close()
        subprocess.run(
            [*_FRONT_DOOR, "node", "stop"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            check=False,
        )


class Stream:
    """A command that prints a JSON line for each thing that happens."""

    def __init__(self, device: str, words: tuple[str, ...], environment: dict[str, str]) -> None:
        self._what = f"`opensesh {' '.join(words)}` on the {device}"
        self._process = subprocess.Popen(
            [*_FRONT_DOOR, *words, "--json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._patience = threading.Timer(PATIENCE_S, self._process.kill)
        self._patience.daemon = True
        self._patience.start()

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines to come."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def until(self, *types: str) -> dict[str, Any]:
        """The next line of one of these types. Raises DEMO_FAILED if the command ends before."""
        for line in self.lines():
            if line.get("type") in types:
                return line
        assert self._process.stderr is not None
        said = self._process.stderr.read()[-500:].strip()
        raise DEMO_FAILED(f"{self._what} ended without {' or '.join(types)}. {said}")

    def close(self) -> None:
        """End it."""
        self._patience.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


class Relay:
    """A relay on a free port, started through `prefix` if given.

    Stopped and started again, it keeps its port and its data.
    """

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", prefix: tuple[str, ...] = (), options: tuple[str, ...] = ()
    ) -> None:
        self.data = folder / "relay"
        self.data.mkdir(mode=0o700)
        self.url = ""
        self._host, self._prefix, self._options = host, prefix, options
        self.start()

    def start(self) -> None:
        """Start it. Raises DEMO_FAILED if it doesn't come up."""
        port = self.url.rpartition(":")[2] or "0"
        options = ["--host", self._host, "--port", port, "--data", str(self.data), *self._options]
        command = [*self._prefix, *_FRONT_DOOR, "relay", "serve", *options]
        self._process = subprocess.Popen(
            command,
            env=environment(self.data),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.startswith("listening on "):
            raise DEMO_FAILED("The relay did not start.")
        self.url = said.removeprefix("listening on ").strip()

    def kill(self) -> None:
        """End it as a power cut does, as far as a process can be."""
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Everything it has on the disk."""
        for path in sorted(self.data.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()

    def memory(self) -> Iterator[bytes]:
        """Everything it has in memory, where the system lets its owner look (Linux, not hardened)."""
        maps = Path(f"/proc/{self.pid}/maps")
        try:
            areas = [line.split() for line in maps.read_text().splitlines()]
            with Path(f"/proc/{self.pid}/mem").open("rb", 0) as memory:
                for area in areas:
                    start, end = (int(bound, 16) for bound in area[0].split("-"))
                    if area[1].startswith("r") and area[-1] not in ("[vvar]", "[vsyscall]"):
                        yield from _area(memory, start, end)
        except (OSError, PermissionError):
            return

    def stop(self) -> None:
        """End it as a service manager does."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _area(memory: Any, start: int, end: int) -> Iterator[bytes]:
    """One area in pieces that overlap, so that no word hides on a seam."""
    step, overlap = 4 * 1024 * 1024, 256
    for at in range(start, end, step):
        try:
            memory.seek(at)
            yield memory.read(min(step + overlap, end - at))
        except (OSError, ValueError, OverflowError):
            return


def is_running(pid: int) -> bool:
    """Whether a process of that id is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
