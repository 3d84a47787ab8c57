"""Devices, identity and recovery as text for a person."""

from typing import Any

from client.cli.out import Out
from client.cli.text import count, local_time, one_line, table


def listed(result: dict[str, Any], out: Out) -> str:
    """`devices list`."""
    if not result["devices"]:
        out.note("No devices yet: the first thread, or pairing, makes an identity.")
    rows = [
        [
            device["id"][:8],
            one_line(device["name"]) + (" (this one)" if device["this"] else ""),
            one_line(device["state"]),
            "online" if device["online"] else "",
            f"since {local_time(device['added_at'])}",
        ]
        for device in result["devices"]
    ]
    return "\n".join(table(rows, out.columns))


def renamed(result: dict[str, Any], out: Out) -> str:
    """`devices rename`."""
    return f"{result['device']['id'][:8]} is now called {one_line(result['device']['name'])}"


def revoked(result: dict[str, Any], out: Out) -> str:
    """`devices revoke`."""
    return f"{one_line(result['device']['name'])} is cut off; {count(result['threads'], 'thread')} got new keys."


def myself(result: dict[str, Any], out: Out) -> str:
    """`whoami`."""
    lines = [
        f"identity  {result['identity'] or 'none before the first thread'}",
        f"name      {one_line(result['name'])}",
        f"device    {one_line(result['device']['name'])}  {result['device']['id']}",
    ]
    if result["identity"] and not result["recovery_confirmed"]:
        out.note("The recovery words are not confirmed. Write them down: opensesh recovery show")
    return "\n".join(lines)


def phrase(result: dict[str, Any], out: Out) -> str:
    """`recovery show`: the words to stdout, what to do with them to stderr."""
    out.note("Write these words down, in this order, and keep them where only you can find them.")
    out.note("Whoever has them has everything. Then run: opensesh recovery confirm\n")
    words = one_line(result["phrase"]).split()
    if not out.terminal:
        return " ".join(words)
    return "\n".join(
        "   ".join(f"{number + 1:>2} {words[number]:<9}" for number in range(row, len(words), 6)).rstrip()
        for row in range(min(6, len(words)))
    )


def confirmed(result: dict[str, Any], out: Out) -> str:
    """`recovery confirm`."""
    return "Confirmed. The words are erased from this device; you have the only copy."


def recovered(line: dict[str, Any], out: Out) -> str:
    """`recovery restore`: progress to stderr, the end to stdout."""
    if line["type"] == "recovery.progress":
        total = "" if line.get("total") is None else f" of {line['total']}"
        out.progress(f"{line['threads']}{total} threads …")
        return ""
    out.progress("")
    return f"Everything is back: {count(line['threads'], 'thread')}."
