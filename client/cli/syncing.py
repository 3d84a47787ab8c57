"""Sync and relays as text for a person."""

from typing import Any

from client.cli.out import Out
from client.cli.text import count, local_time, one_line, table


def status(result: dict[str, Any], out: Out) -> str:
    """`sync status`."""
    lines = [out.style("bold", one_line(result["state"])) + ("" if result["enabled"] else " (sync is off)")]
    if result["pending"]:
        lines.append(f"{count(result['pending'], 'change')} only on this device")
    if result.get("membership_as_of"):
        lines.append(f"membership as of {local_time(result['membership_as_of'])}")
    for warning in result.get("warnings") or ():
        words = f"{one_line(warning['message'])} (since {local_time(warning['since'])})"
        lines.append(out.style("red", words))
    rows = [["relay", one_line(relay["url"]), *_state(relay)] for relay in result["relays"]]
    rows += [["device", one_line(peer["name"]), *_state(peer)] for peer in result["peers"]]
    lines += table(rows, out.columns)
    if not rows:
        out.note("Nothing to sync with. Connect a relay (opensesh sync connect URL) or pair a device (opensesh pair).")
    return "\n".join(lines)


def switched(result: dict[str, Any], out: Out) -> str:
    """`sync enable` and `sync disable`."""
    threads = count(len(result["threads"]), "thread")
    verb = "syncs" if len(result["threads"]) == 1 else "sync"
    return f"{threads} {verb}." if result["enabled"] is True else f"{threads} kept on this device only."


def connected(result: dict[str, Any], out: Out) -> str:
    """`sync connect`."""
    relay = result["relay"]
    if relay["state"] != "connected":
        out.note("It is kept, and tried again.")
    return "\n".join(table([[one_line(relay["url"]), *_state(relay)]], out.columns, flexible=0))


def relays(result: dict[str, Any], out: Out) -> str:
    """`relay status` and `sync disconnect`."""
    if not result["relays"]:
        out.note("No relay is in use.")
    rows = [[one_line(relay["url"]), *_state(relay), _answered(relay)] for relay in result["relays"]]
    return "\n".join(table(rows, out.columns, flexible=0))


def waited(result: dict[str, Any], out: Out) -> str:
    """`sync wait`."""
    return f"All is stored elsewhere too, after {result['waited_ms']} ms."


def _state(row: dict[str, Any]) -> list[str]:
    """State with its cause, and what it still lacks."""
    error = row.get("error")
    cause = f": {one_line(error.get('message', ''))}" if isinstance(error, dict) else ""
    return [one_line(row["state"]) + cause, f"{row['pending']} pending" if row["pending"] else ""]


def _answered(relay: dict[str, Any]) -> str:
    if relay.get("ready") is None:
        return ""
    time = f" in {relay['round_trip_ms']} ms" if relay.get("round_trip_ms") is not None else ""
    return f"ready{time}" if relay["ready"] else "not ready"
