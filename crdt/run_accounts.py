"""The runs of a thread: several devices may speak of one, and one account of it is shown."""

from collections.abc import Iterable
from typing import Any

import pycrdt

from crdt.content import read_run
from crdt.ids import to_text
from crdt.permissions import Lane
from crdt.plain import whole

Run = dict[str, Any]


class RunAccounts:
    """What each device says of each run, and what is shown of it: plain values, and `device`, whose account it is."""

    def __init__(self) -> None:
        self.shown: dict[str, Run] = {}
        self._said: dict[str, dict[Lane, Run]] = {}

    def update(self, lane: Lane, doc: "pycrdt.Doc[Any]", touched: Iterable[str]) -> list[str]:
        """Read these runs of a timeline again. Returns the ids of those that are shown otherwise now."""
        changed = []
        for identifier in touched:
            said = self._said.setdefault(identifier, {})
            values = read_run(doc, identifier)
            if values is None:
                said.pop(lane, None)
            else:
                said[lane] = {**values, "device": lane.owner}
            if self._choose(identifier, said):
                changed.append(identifier)
        return changed

    def _choose(self, identifier: str, said: dict[Lane, Run]) -> bool:
        before = self.shown.get(identifier)
        now = max((said[lane] for lane in sorted(said)), key=_weight, default=None)
        if now is None:
            self.shown.pop(identifier, None)
        else:
            self.shown[identifier] = now
        return now != before


def _weight(run: Run) -> tuple[int, bool, bool]:
    """Of two accounts of one run that of the higher lease counts, then one that says it has ended, then the runner's.

    Whoever asked goes on calling it queued.
    """
    return whole(run.get("lease")) or 0, run.get("ended") is not None, run.get("runner") == to_text(run["device"])
