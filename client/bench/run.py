"""The benchmark as a whole: set up, measure, tell, clean up."""

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from client.bench import measures
from client.bench.measures import Row
from client.bench.others import OTHERS
from client.cli.out import Out
from client.cli.text import table
from client.demo.machines import Device, Relay

EVENTS = 60_000
QUICK_EVENTS = 2_000


def run(out: Out, *, quick: bool) -> int:
    """Measure everything; `quick` is a tenth of the work, to see that it runs."""
    folder = Path(tempfile.mkdtemp(prefix="opensesh-bench-"))
    rows: list[Row] = []

    def add(found: Row | list[Row]) -> None:
        for each in found if isinstance(found, list) else [found]:
            rows.append(each)
            out.progress(f"{each['what']} …")

    try:
        with ExitStack() as stack:
            relay = Relay(folder)
            stack.callback(relay.stop)
            laptop, desktop = Device("laptop", folder), Device("desktop", folder)
            for device in (laptop, desktop):
                stack.callback(device.stop)
            add(measures.cold_start(laptop, 3 if quick else 9))
            thread = laptop.run("new", "Measured")["id"]
            laptop.run("sync", "connect", relay.url)
            showing = laptop.stream("pair", "--yes")
            desktop.run("pair", showing.until("pair.code")["code"], "--relay", relay.url)
            showing.until("pair.done")
            desktop.run("sync", "wait", "--incoming")
            desktop.run("node", "stop")  # idle is a node that connected and has nothing to do, not one that just paired
            desktop.run("sync", "wait", "--incoming")
            add(measures.memory(desktop, relay))
            add(measures.command_line(laptop, 5 if quick else 21))
            add(measures.propagation(laptop, desktop, thread, 2 if quick else 6))
            add(measures.appends(laptop, thread, 1.0 if quick else 4.0))
            add(measures.catch_up(laptop, desktop, folder, QUICK_EVENTS if quick else EVENTS))
    finally:
        out.progress("")
        shutil.rmtree(folder, ignore_errors=True)
    tell(rows, out, OTHERS)
    if not out.as_json:
        out.line("The relay alone, with its durable appends: python -m bench.relay_fanout, in a checkout.")
    return 0


def tell(rows: list[Row], out: Out, others: Mapping[str, str] = MappingProxyType({})) -> None:
    """The rows, what others take for the like, and the machine."""
    if out.as_json:
        shown = [{**each, "others": others.get(each["what"], "")} for each in rows]
        out.data({"machine": measures.machine(), "rows": shown})
        return
    for line in table([_cells(each) for each in rows], out.columns, flexible=0):
        out.line(line)
    if others:
        out.line("\nThe same unit, elsewhere (measured on two cores; plain documents, neither encrypted nor signed):")
        for line in table([[what, theirs] for what, theirs in others.items()], out.columns, flexible=1):
            out.line(line)
    out.line("\n" + ", ".join(f"{name} {value}" for name, value in measures.machine().items()))


def _cells(each: Row) -> list[str]:
    spread = f"({each['low']}–{each['high']})" if each["low"] is not None else ""
    return [each["what"], f"{each['value']:g}", each["unit"], spread, each["note"]]
