"""A following node is killed at random moments while a session is written: each message is there, once."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.node.importing.installation import Installation
from tests.node.importing.watching import said

LINES = 600
ROOT = Path(__file__).parents[3]


class Scribe(threading.Thread):
    """The other tool, in a hurry: writes its lines in pieces, at uneven times."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._chance = chance

    def run(self) -> None:
        with self._path.open("ab", buffering=0) as file:
            for number in range(LINES):
                line = said(f"{number}", number)
                cut = self._chance.randrange(len(line))
                file.write(line[:cut])
                time.sleep(self._chance.random() / 40)  # the writer's own pace, nothing waits on it
                file.write(line[cut:])


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(3))
async def test_deep_killed_at_any_moment_each_message_is_stored_once(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    place, data = tmp_path / "sessions", tmp_path / "data"
    place.mkdir()
    data.mkdir()
    scribe = Scribe(place / "a.jsonl", chance)
    scribe.start()
    kills = 0
    while scribe.is_alive():
        until_killed(data, place, chance)
        kills += 1
    follow_to_the_end(data, place)
    here = await Installation.start(data)
    assert await here.texts() == [f"{number}" for number in range(LINES)]
    assert len(await here.ids()) == 1 and kills >= 5
    await here.stop()


def started(data: Path, place: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.node.importing.following_process", str(data), str(place)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


def until_killed(data: Path, place: Path, chance: random.Random) -> None:
    node = started(data, place)
    assert node.stdout is not None
    node.stdout.readline()  # it has begun
    time.sleep(chance.random())  # the moment of the kill is what is drawn here
    node.kill()
    node.wait()
    node.stdout.close()


def follow_to_the_end(data: Path, place: Path) -> None:
    node = started(data, place)
    assert node.stdout is not None
    guard = threading.Timer(30, node.kill)
    guard.start()
    told = [line for line in iter(node.stdout.readline, b"") if int(line) < LINES or node.kill() is None]
    guard.cancel()
    node.wait()
    node.stdout.close()
    assert told and int(told[-1]) == LINES
