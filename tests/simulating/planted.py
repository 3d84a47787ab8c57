"""Faults put into a simulation on purpose: it has to find them, or it finds nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from crdt import acceptance, update
from crdt.membership import Membership


@dataclass(frozen=True)
class Planted:
    """Which faults are in. `acknowledges_early`: before the change is stored; `skips_one`: a cursor taken for the
    number of the first frame that follows; `trusts_clients`: whatever client id an update names is believed;
    `asks_no_role`: everybody may write every lane; `settles_nothing`: what was cut off can be carried for ever;
    `trusts_the_stored`: a frame that was stored before its key came is believed without a look at its signature."""

    acknowledges_early: bool = False
    skips_one: bool = False
    trusts_clients: bool = False
    asks_no_role: bool = False
    settles_nothing: bool = False
    trusts_the_stored: bool = False


@contextmanager
def in_place(planted: Planted) -> Iterator[None]:
    """Have the fault that is in the core itself in force."""

    def trusting(read: update.Update, client: int, next_clock: int) -> int:
        own = [run for run in read.inserted if run.client == client]
        return next_clock + sum(run.length for run in own)

    with ExitStack() as stack:
        if planted.trusts_clients:
            stack.enter_context(patch.object(update, "_next_clock", trusting))
        if planted.asks_no_role:
            stack.enter_context(patch.object(acceptance, "may_write", lambda role, kind: True))
        if planted.settles_nothing:
            stack.enter_context(patch.object(Membership, "settled", lambda membership, limit: []))
        yield
