"""The benchmark runs, and what it prints is what was measured. How fast is no matter for a test."""

import json
import subprocess

import pytest

from client.bench.others import OTHERS
from tests.system.machines import Room, room

__all__ = ["room"]


@pytest.mark.deep
def test_the_quick_benchmark_measures_everything_and_names_its_machine(room: Room) -> None:
    anybody = room.device("anybody")
    done = subprocess.run(
        anybody.command("bench", "--quick"), env=anybody.environment, capture_output=True, text=True, timeout=300,
        check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    values = {row["what"]: row["value"] for row in told["rows"]}
    assert all(value > 0 for value in values.values()) and len(values) >= 14
    assert values.keys() >= OTHERS.keys(), "figures of others stand beside figures of ours"
    assert told["machine"]["cores"]


@pytest.mark.deep
def test_the_benchmark_of_working_together_measures_joining_changes_and_rights(room: Room) -> None:
    anybody = room.device("anybody")
    done = subprocess.run(
        anybody.command("bench", "sharing", "--quick"), env=anybody.environment, capture_output=True, text=True,
        timeout=300, check=True,
    )  # fmt: skip
    rows = json.loads(done.stdout)["rows"]
    assert all(row["value"] > 0 for row in rows)
    for what in ("a grant", "a kick", "a rotation"):
        assert {row["what"] for row in rows} >= {f"{what}, 1 member", f"{what}, 10 members"}
