"""Providers and models as text for a person."""

from typing import Any

from client.cli.out import Out
from client.cli.text import one_line, table


def providers(result: dict[str, Any], out: Out) -> str:
    """`provider list`."""
    return "\n".join(table([_row(provider) for provider in result["providers"]], out.columns))


def added(result: dict[str, Any], out: Out) -> str:
    """`provider add`."""
    provider = result["provider"]
    out.note(f"Try it with: opensesh provider test {one_line(provider['name'])}")
    return "\n".join(table([_row(provider)], out.columns))


def tested(result: dict[str, Any], out: Out) -> str:
    """`provider test`."""
    name, model = one_line(result["name"]), one_line(result["model"])
    return f"{name} answers with {model}; first token after {result['first_token_ms']} ms."


def removed(result: dict[str, Any], out: Out) -> str:
    """`provider remove`."""
    return f"{one_line(result['name'])} is forgotten, and its key."


def listed(result: dict[str, Any], out: Out) -> str:
    """`models`."""
    rows = [
        [one_line(model["id"]), one_line(model["provider"]), "default" if model["default"] else ""]
        for model in result["models"]
    ]
    return "\n".join(table(rows, out.columns, flexible=0))


def _row(provider: dict[str, Any]) -> list[str]:
    return [
        one_line(provider["name"]),
        one_line(provider["base_url"] or "built in"),
        one_line(", ".join(provider["models"])),
        "has a key" if provider["has_key"] else "no key",
    ]
