"""The image's recipe: what it copies is enough to run a relay, and its lock names what the relay imports."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (ROOT / "Dockerfile").read_text()


def copied_into(folder: Path) -> None:
    """Carry out the Dockerfile's COPY lines for our own files."""
    copies = re.findall(r"^COPY (?!--from)(.+) /app/(\S+)$", RECIPE, re.MULTILINE)
    assert len(copies) == 2
    for sources, target in copies:
        for source in sources.split():
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (folder / target).mkdir(exist_ok=True)
                shutil.copy(ROOT / source, folder / target)


def test_the_files_it_copies_are_enough_to_run_a_relay(tmp_path: Path) -> None:
    copied_into(tmp_path)
    environment = {**os.environ, "PYTHONPATH": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "relay", "--port", "0", "--data", "data"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        line = output.readline()
        process.terminate()
    assert process.wait(20) == 0
    assert line.startswith("listening on ws://127.0.0.1:")


def test_it_copies_nothing_of_the_core_that_knows_a_thread() -> None:
    assert set(re.findall(r"crdt/(\w+)\.py", RECIPE)) == {"__init__", "errors", "ids", "keys", "wire"}


def test_every_package_of_its_lock_is_hashed_and_none_is_more_than_the_relay_needs() -> None:
    lock = (ROOT / "requirements-relay.lock").read_text()
    entries = re.split(r"^(?=[a-z])", re.sub(r"^#.*\n", "", lock, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    names = {re.split(r"[=\s]", entry)[0] for entry in entries}
    assert {"aiohttp", "msgspec", "pynacl"} <= names
    assert not names & {"pycrdt", "cryptography", "litellm", "keyring", "zeroconf", "aiosqlite"}
    assert "://" not in lock


def test_it_runs_as_nobody_in_particular_with_a_volume_and_a_health_check() -> None:
    for line in ("USER 10001", "VOLUME /data", "HEALTHCHECK", "--require-hashes"):
        assert line in RECIPE
