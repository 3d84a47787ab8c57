"""What working together costs: joining, changes in a room of ten, and changes of rights with up to 100 members.

The first figures are of real nodes over a real relay. A hundred nodes don't fit on one machine: what rights cost
with many members is measured by the node itself, with as many identities (`python -m node.measuring.sharing`).
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from client import http
from client.bench import terminals
from client.bench.measures import PACED_PER_S, Row
from client.bench.room import Listeners, Room, socket_of, spread
from client.bench.run import tell
from client.cli.out import Out
from client.starting import node_environment
from crdt.errors import DEMO_FAILED

PEOPLE = 10
QUICK_PEOPLE = 3


def changes(room: Room, seconds: int) -> list[Row]:
    """Messages at a steady rate by one, and how long until each of the others was told."""
    listeners = Listeners(room.thread, room.team)
    acknowledged: dict[str, float] = {}
    begun = time.perf_counter()
    for number in range(PACED_PER_S * seconds):
        text = f"paced {number}"
        time.sleep(max(0.0, begun + number / PACED_PER_S - time.perf_counter()))
        http.call(socket_of(room.ana), "message.say", thread=room.thread, text=text)
        acknowledged[text] = time.perf_counter()
    took = [
        max(0.0, (heard - when) * 1000)
        for text, when in acknowledged.items()
        for heard in listeners.wait(text, len(room.team))
    ]
    note = f"{PACED_PER_S} changes/s to {len(room.team)} others, from the acknowledgement to the event"
    return spread("a change in a room of " + str(len(room.team) + 1), took, note)


def rights(room: Room, times: int) -> list[Row]:
    """A member's right changed by the owner, until that member is told."""
    listeners = Listeners(room.thread, room.team[:1])
    took = []
    for number in range(times):
        permission = ("commenter", "editor")[number % 2]
        http.call(
            socket_of(room.ana), "member.permit", thread=room.thread, who=room.team[0].name, permission=permission
        )
        begun = time.perf_counter()
        heard = listeners.wait("members.changed", number + 1)
        took.append(max(0.0, (heard[number] - begun) * 1000))
    return spread("a right changed, until its holder knows", took, "over a relay on loopback")


def with_many(*, quick: bool) -> list[Row]:
    """What rights cost with 1, 10 and 100 members, as the node measures it."""
    command = [sys.executable, "-P", "-m", "node.measuring.sharing", *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=node_environment(), capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise DEMO_FAILED(f"The measurement of rights broke off: {done.stderr.strip()[-300:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(out: Out, *, quick: bool) -> int:
    """Measure everything; `quick` is a fraction of the work, to see that it runs."""
    folder = Path(tempfile.mkdtemp(prefix="opensesh-bench-"))
    people = QUICK_PEOPLE if quick else PEOPLE
    rows: list[Row] = []
    try:
        with ExitStack() as stack:
            out.progress(f"{people} nodes and a relay …")
            room = Room(folder, people, stack)
            rows += spread("joining by a link", room.join(), "asked, let in, and the thread verified")
            out.progress("changes …")
            rows += changes(room, 1 if quick else 6)
            out.progress("terminals …")
            rows += terminals.keystrokes(room, 20 if quick else 200)
            rows += terminals.flood(room, 1 if quick else 10, 1 if quick else 6, changes)
            out.progress("rights …")
            rows += rights(room, 6 if quick else 40)
        rows += with_many(quick=quick)
    finally:
        out.progress("")
        shutil.rmtree(folder, ignore_errors=True)
    tell(rows, out)
    return 0
