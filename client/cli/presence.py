"""Who is here, as text for a person."""

from typing import Any

from client.cli.out import Out
from client.cli.text import one_line, table


def people(result: dict[str, Any], out: Out) -> str:
    """`who`: a line for each device."""
    if not result["people"]:
        out.note("Nobody is here right now.")
    rows = [
        [
            one_line(person["name"]),
            one_line(person["role"]),
            one_line(person["device"]["name"]) + (" (this one)" if person["this"] else ""),
            _doing(person),
        ]
        for person in result["people"]
    ]
    return "\n".join(table(rows, out.columns))


def _doing(person: dict[str, Any]) -> str:
    if person["state"] != "active":
        return one_line(person["state"])
    place = person.get("looking_at") or {}
    what = one_line(place.get("kind") or "here")
    if place.get("id"):
        what += f" {one_line(place['id'])}"
    if person.get("cursor") is not None:
        what += f" at {person['cursor']}"
    return f"{what}, writing" if person["writing"] else what


def looked(result: dict[str, Any], out: Out) -> str:
    """`look`."""
    return "You left." if result["state"] == "leaving" else f"You are shown as {one_line(result['state'])}."
