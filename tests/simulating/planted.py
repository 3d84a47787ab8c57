"""Faults put into a simulation on purpose: it has to find them, or it finds nothing."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from unittest.mock import patch

from crdt import update


@dataclass(frozen=True)
class Planted:
    """Which faults are in. `acknowledges_early`: before the change is stored; `skips_one`: a cursor taken for the
    number of the first frame that follows; `trusts_clients`: whatever client id an update names is believed."""

    acknowledges_early: bool = False
    skips_one: bool = False
    trusts_clients: bool = False


@contextmanager
def in_place(planted: Planted) -> Iterator[None]:
    """Have the fault that is in the core itself in force."""

    def trusting(read: update.Update, client: int, next_clock: int) -> int:
        own = [run for run in read.inserted if run.client == client]
        return next_clock + sum(run.length for run in own)

    with patch.object(update, "_next_clock", trusting) if planted.trusts_clients else nullcontext():
        yield
