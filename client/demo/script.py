"""The demo's story: a thread on a laptop goes on on a desktop, and the relay between them has read nothing.

Every step checks what it claims. Times are those of this machine, measured from outside.
"""

import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from client.cli.out import Out
from client.demo import transcript
from client.demo.checking import check
from client.demo.machines import Device, Relay
from client.demo.teamwork import Teamwork
from crdt.errors import DEMO_FAILED, OpenSeshError

TITLE = "Plan the release"


class Demo:
    """One performance, in a folder of its own."""

    def __init__(self, folder: Path, tell: Callable[[str, float], None]) -> None:
        self._folder = folder
        self._tell = tell
        # Drawn for each performance: what is searched for can't be in anybody's files by chance.
        self._canaries = [f"canary-{secrets.token_hex(6)}" for _ in range(3)]
        self._cleanup = ExitStack()
        self._begun = time.monotonic()

    def perform(self) -> None:
        """All steps. Raises DEMO_FAILED at the first that doesn't hold."""
        with self._cleanup:
            relay, laptop, desktop, teammate = self._step("processes with homes of their own: ", self._set_up)
            thread = self._step("a thread on the laptop, no account, no key: ", lambda: self._write(laptop))
            self._step("laptop and desktop paired by a spoken code: ", lambda: self._pair(laptop, desktop, relay))
            self._step("a Claude Code session brought in: ", lambda: self._import(laptop, desktop))
            self._step("an answer streams on both devices: ", lambda: self._stream(laptop, desktop, thread))
            self._step("the desktop goes on while the laptop is off: ", lambda: self._go_on(laptop, desktop, thread))
            self._step("the laptop is back and equal, byte for byte: ", lambda: self._meet(laptop, desktop, thread))
            team = Teamwork(relay, laptop, teammate, thread, self._folder)
            self._step("a teammate joins by a link, as viewer: ", team.join)
            self._step("and sees an answer stream, live: ", team.watch)
            self._step("their patched client signs a message all the same: ", team.write_all_the_same)
            self._step("raised to commenter, then to editor: ", team.raise_up)
            self._step("put out, and their keys tried on all that the relay has: ", team.put_out)
            self._step("the relay's files and memory searched: ", lambda: self._search(relay))

    def _step(self, title: str, act: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        done, said = act()
        self._tell(title + said, time.monotonic() - begun)
        return done

    def _set_up(self) -> tuple[Any, str]:
        relay = Relay(self._folder)
        self._cleanup.callback(relay.stop)
        devices = [Device(name, self._folder) for name in ("laptop", "desktop", "teammate")]
        for device in devices:
            self._cleanup.callback(device.stop)
            device.run("node", "start")
        return (relay, *devices), f"a relay at {relay.url}, a laptop, a desktop, a teammate"

    def _write(self, laptop: Device) -> tuple[Any, str]:
        thread = laptop.run("new", f"{TITLE} {self._canaries[0]}")["id"]
        laptop.run("say", thread, f"We ship on Friday. {self._canaries[1]}")
        return thread, f"{thread[:8]}…"

    def _pair(self, laptop: Device, desktop: Device, relay: Relay) -> tuple[Any, str]:
        laptop.run("sync", "connect", relay.url)
        showing = laptop.stream("pair", "--yes")
        code = showing.until("pair.code")["code"]
        desktop.run("pair", code, "--relay", relay.url)
        showing.until("pair.done")
        names = {device["name"] for device in desktop.run("devices", "list")["devices"]}
        check(names == {"laptop", "desktop"}, f"the devices are {sorted(names)}")
        desktop.run("sync", "wait", "--incoming")
        return None, code

    def _import(self, laptop: Device, desktop: Device) -> tuple[Any, str]:
        path = self._folder / "session.jsonl"
        path.write_text(transcript.lines(self._canaries[2]), encoding="utf-8")
        [imported] = laptop.run("import", str(path))["threads"]
        [again] = laptop.run("import", str(path))["threads"]
        check(imported["new"] and not again["new"], "importing again made another thread")
        _settle(laptop, desktop)
        _equal(laptop, desktop, imported["id"])
        counts = f"{imported['messages']} messages, {imported['tool_calls']} tool call"
        return None, f"{counts}, and on the desktop the same"

    def _stream(self, laptop: Device, desktop: Device, thread: str) -> tuple[Any, str]:
        watching = desktop.stream("watch", thread)
        watching.until("ready")
        asking = laptop.stream("ask", thread, "How do I sync over a relay of my own?")
        asking.until("run.delta")
        begun = time.monotonic()
        watching.until("message.delta")
        late_ms = max(0.0, (time.monotonic() - begun) * 1000)
        text = asking.until("run.completed")["text"]
        pieces = 1
        for line in watching.lines():
            pieces += line.get("type") == "message.delta"
            if line.get("type") == "message.changed" and line["message"]["state"] == "final":
                check(line["message"]["text"] == text, "the desktop shows another answer")
                break
        return None, f"{pieces} pieces, the first on the desktop {late_ms:.0f} ms after the laptop"

    def _go_on(self, laptop: Device, desktop: Device, thread: str) -> tuple[Any, str]:
        laptop.run("node", "stop")
        desktop.run("say", thread, f"Written while the laptop was off. {self._canaries[1]}")
        ended = desktop.run("ask", thread, "--take-over", "What can a relay see?")
        check(ended["type"] == "run.completed", f"the run on the desktop ended with {ended['type']}")
        desktop.run("sync", "wait")
        return None, "a message and an answer"

    def _meet(self, laptop: Device, desktop: Device, thread: str) -> tuple[Any, str]:
        laptop.run("node", "start")
        laptop.run("say", thread, "Back on the laptop.")
        _settle(laptop, desktop)
        size = _equal(laptop, desktop, thread)
        return None, f"{size} bytes of Markdown, {len(laptop.run('list')['threads'])} threads"

    def _search(self, relay: Relay) -> tuple[Any, str]:
        words = [canary.encode() for canary in self._canaries] + [TITLE.encode(), transcript.TITLE.encode()]
        on_disk = 0
        for name, data in relay.files():
            on_disk += len(data)
            check(not any(word in data for word in words), f"the relay's {name} holds a word of a thread")
        check(on_disk > 0, "the relay has stored nothing at all")
        in_memory, control = 0, False
        for piece in relay.memory():
            in_memory += len(piece)
            control = control or b"opensesh" in piece
            check(not any(word in piece for word in words), "the relay's memory holds a word of a thread")
        said = f"{on_disk / 1024:.0f} KiB on the disk"
        if in_memory:
            check(control, "the search through memory finds nothing, not even what is there")
            said += f", {in_memory / 2**20:.0f} MiB of memory"
        return None, said + f": none of {len(words)} canary words"


def _settle(laptop: Device, desktop: Device) -> None:
    """Everything of the laptop on the relay, everything of the relay on both."""
    laptop.run("sync", "wait", "--incoming")
    desktop.run("sync", "wait", "--incoming")
    laptop.run("sync", "wait", "--incoming")


def _equal(laptop: Device, desktop: Device, thread: str) -> int:
    """Check that both devices export the same text; its size in bytes."""
    first = laptop.run("export", thread, "--format", "markdown")["text"]
    second = desktop.run("export", thread, "--format", "markdown")["text"]
    check(first == second, "the two devices show different threads")
    return len(first.encode())


def run(out: Out, keep: Path | None) -> int:
    """Perform, and tell. Raises DEMO_FAILED, naming the step's reason."""
    folder = keep or Path(tempfile.mkdtemp(prefix="opensesh-demo-"))
    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise DEMO_FAILED(f"{keep} is not empty.", next="Give --keep a new folder.")
        keep.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    begun = time.monotonic()
    steps: list[dict[str, Any]] = []

    def tell(said: str, took_s: float) -> None:
        steps.append({"step": said, "seconds": round(took_s, 3)})
        if not out.as_json:
            out.line(f"{out.style('green', '✓')} {took_s:5.1f} s  {said}")

    try:
        Demo(folder, tell).perform()
    except OpenSeshError:
        raise
    except Exception as error:
        raise DEMO_FAILED(f"The demonstration broke off: {type(error).__name__}: {str(error)[:300]}") from error
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    took_s = time.monotonic() - begun
    if out.as_json:
        out.data({"ok": True, "steps": steps, "seconds": round(took_s, 3), "kept": str(keep) if keep else None})
    else:
        out.line(f"\nAll of it was checked, in {took_s:.1f} s, on {sys.platform} with Python {sys.version.split()[0]}.")
        out.line('Your own: opensesh new "My thread", opensesh import FILE, opensesh pair, opensesh --help')
    return 0
