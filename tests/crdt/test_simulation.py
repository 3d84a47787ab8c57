"""Threads lived through in simulation: a few short lives always, a thousand node-hours in the deep tier.

And what shows that the simulation sees anything: six faults, planted on purpose, that it must find.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.simulating.planted import Planted
from tests.simulating.world import Violation
from tests.simulation import run, run_hours

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (2, 4, 6, 7, 8, 3, 5, 1)  # what shows a fault soon, or is over soon, comes first
LONG = {1, 3}  # the lives that take longest
DEEP_FROM = 10_000
DEEP_HOURS = 1000


@pytest.mark.parametrize("seed", [pytest.param(n, marks=[pytest.mark.deep] if n in LONG else []) for n in SEEDS])
def test_nothing_that_must_not_happen_happens(seed: int) -> None:
    totals = run(seed).totals
    assert totals["commits"] >= 50
    assert totals["faults"] >= 5
    assert totals["names compared"] > 0


@pytest.mark.deep
def test_a_seed_lives_through_the_same_again_on_any_machine() -> None:
    def history(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.simulation", "5"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[0]

    assert history("1") == history("2")
    assert history("3") == f"history {run(5).history}"


def caught(planted: Planted, rules: set[str]) -> list[Violation]:
    """What the simulation says of a planted fault, over as many seeds as it takes to be sure."""
    found: list[Violation] = []
    for seed in SEEDS:
        try:
            run(seed, planted)
        except Violation as violation:
            found.append(violation)
        if len(found) >= len(SEEDS) // 2 and rules <= {violation.rule for violation in found}:
            break
    return found


@pytest.mark.parametrize(
    "planted, rules",
    [
        pytest.param(Planted(acknowledges_early=True), {"acknowledged"}, id="acknowledged before it is stored"),
        pytest.param(Planted(skips_one=True), {"cursor"}, id="a cursor that is one off"),
        pytest.param(Planted(trusts_clients=True), {"forged"}, id="any client id believed"),
    ],
)
def test_a_planted_fault_is_caught(planted: Planted, rules: set[str]) -> None:
    found = caught(planted, rules)
    assert len(found) >= len(SEEDS) // 2
    assert rules <= {violation.rule for violation in found}
    assert all("again: python -m tests.simulation" in violation.__notes__[0] for violation in found)


@pytest.mark.deep
@pytest.mark.parametrize(
    "planted, seeds, rules",
    [
        pytest.param(Planted(asks_no_role=True), (3, 15, 17), {"shown"}, id="anybody's role is enough"),
        pytest.param(
            Planted(settles_nothing=True), (11, 191, 254), {"cut"}, id="an accomplice carries after the settlement"
        ),
        pytest.param(Planted(trusts_the_stored=True), (21, 29), {"refused", "P2"}, id="stored unseen and believed"),
    ],
)
def test_a_planted_fault_that_takes_a_villain_is_caught(
    planted: Planted, seeds: tuple[int, ...], rules: set[str]
) -> None:
    """In seeds in which there is one who makes use of it: without the fault these pass."""
    found = []
    for seed in seeds:
        run(seed)
        try:
            run(seed, planted)
        except Violation as violation:
            found.append(violation.rule)
    assert found and set(found) <= rules


@pytest.mark.deep
def test_a_thousand_node_hours_pass_without_a_violation(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    totals = run_hours(DEEP_FROM, DEEP_HOURS)
    with capsys.disabled():
        sys.stdout.write(f"\n{time.monotonic() - began:9.0f}  seconds\n")
        for name, count in sorted(totals.items()):
            sys.stdout.write(f"{count:>9,}  {name}\n")
    assert totals["node-hours that count"] >= DEEP_HOURS
    assert min(totals[f"fault {name}"] for name in ("crash", "put back", "cut off", "bad network")) > 0
    assert min(totals["forgeries"], totals["devices revoked"], totals["rebuilt after a cut"]) > 0
    assert min(totals["malice"], totals["endorsements by an accomplice"], totals["lies of the relay"]) > 0
    assert min(totals["joiners admitted"], totals["redemptions refused"], totals["matters settled"]) > 0
    assert min(totals["carried across a cut"], totals["read anew in another order"]) > 0
