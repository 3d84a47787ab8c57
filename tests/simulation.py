"""Whole threads lived through in simulation: seeded people, devices, clocks, disks, network and relay.

Among them are villains with patched software, a relay that lies, strangers who race for a link, and devices
with hardly any room for what counts for nothing.

`python -m tests.simulation SEED` runs one seed again, exactly; `--hours N` runs seeds from SEED on until so
many node-hours count, and prints totals. A node-hour is one device's simulated hour; it counts only
with at least 30 commits of that device and 3 faults that befell it.
"""

import argparse
import itertools
import multiprocessing
import os
import sys
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from unittest.mock import patch

from crdt import budget
from tests.simulating.planted import Planted, in_place
from tests.simulating.scenario import Scenario
from tests.simulating.world import Violation, World, seeded_wraps

NO_FAULT = Planted()


def run(seed: int, planted: Planted = NO_FAULT) -> World:
    """Live through one seed. Raises `Violation`, which says how to see it again."""
    world = World(seed)
    try:
        room = world.rng.choice((0, 4, budget.MAX_IDLE))  # little of it, and what counts must be none the worse
        with seeded_wraps(seed), in_place(planted), patch.object(budget, "MAX_IDLE", room):
            Scenario(world, planted).live()
    except Exception as error:
        error.add_note(f"at minute {world.now / 60000:.1f}; again: python -m tests.simulation {seed}")
        if isinstance(error, Violation):
            raise
        violation = Violation("raised", f"{type(error).__name__}: {error}")
        violation.add_note(f"again: python -m tests.simulation {seed}")
        raise violation from error
    return world


def run_hours(first_seed: int, node_hours: int) -> Counter[str]:
    """Live through seeds, on all cores, until so many node-hours count. Returns the totals of all of them."""
    totals: Counter[str] = Counter()
    seeds = itertools.count(first_seed)
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        running = deque(pool.submit(_totals_of, next(seeds)) for _ in range(2 * cores))
        while totals["node-hours that count"] < node_hours:
            running.append(pool.submit(_totals_of, next(seeds)))
            totals += running.popleft().result()
            totals["seeds"] += 1
        pool.shutdown(cancel_futures=True)
    return totals


def _totals_of(seed: int) -> Counter[str]:
    return run(seed).totals


def main(argv: list[str]) -> int:
    """One seed with its history's hash, or many with their totals."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--hours", type=int, default=0, metavar="N", help="go on until N node-hours count")
    given = parser.parse_args(argv)
    if given.hours:
        totals = run_hours(given.seed, given.hours)
    else:
        world = run(given.seed)
        totals = world.totals
        sys.stdout.write(f"history {world.history}\n")
    for name, count in sorted(totals.items()):
        sys.stdout.write(f"{count:>9,}  {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
