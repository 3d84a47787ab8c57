"""What the relay counts, in Prometheus' text format. Numbers alone: no room, login or address."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Metrics:
    """Counters since the start. `refused` and `published` and so on never name who."""

    connections: int = 0
    publishes: int = 0
    frames_stored: int = 0
    frames_known: int = 0
    bytes_stored: int = 0
    whispers: int = 0
    stalled: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, code: str) -> None:
        self.refused[code] = self.refused.get(code, 0) + 1


def render(metrics: Metrics, *, frames_delivered: int, transactions: int, gauges: dict[str, int]) -> str:
    """The page that `/metrics` serves."""
    lines: list[str] = []

    def row(name: str, kind: str, meaning: str, value: int) -> None:
        full = f"opensesh_relay_{name}"
        lines.extend([f"# HELP {full} {meaning}", f"# TYPE {full} {kind}", f"{full} {value}"])

    row("connections_total", "counter", "WebSocket connections accepted.", metrics.connections)
    row("publishes_total", "counter", "Publish requests stored.", metrics.publishes)
    row("frames_stored_total", "counter", "New frames stored and fsynced.", metrics.frames_stored)
    row("frames_known_total", "counter", "Published frames that were stored before.", metrics.frames_known)
    row("bytes_stored_total", "counter", "Bytes of new frames.", metrics.bytes_stored)
    row("frames_delivered_total", "counter", "Frames handed to subscribers.", frames_delivered)
    row("whispers_total", "counter", "Presence messages passed on.", metrics.whispers)
    row("stalled_total", "counter", "Connections closed because they stopped reading.", metrics.stalled)
    row("transactions_total", "counter", "Database transactions committed.", transactions)
    for name, value in gauges.items():
        row(name, "gauge", f"{name.replace('_', ' ').capitalize()} now.", value)
    refused = "opensesh_relay_refused_total"
    lines.extend([f"# HELP {refused} Requests refused, by code.", f"# TYPE {refused} counter"])
    lines.extend(f'{refused}{{code="{code}"}} {count}' for code, count in sorted(metrics.refused.items()))
    return "\n".join(lines) + "\n"
