"""What somebody would be able to read by a link, and the links there are, as a page says it (pure)."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from client.api.results.sharing import SharePreview
from client.cli.sentences import contents, place_of, suspicion
from client.cli.text import local_time
from client.screen.page import Choice
from client.screen.text import settled_line

SHOWN: Final = 8  # findings; `opensesh share --preview --json` has all


def previewed(shown: SharePreview) -> tuple[tuple[str, str], ...]:
    """The lines of the page."""
    told = msgspec.to_builtins(shown)
    lines = [
        ("", f"“{settled_line(shown.title)}”: {contents(told)}"),
        *([("class:dim", f"from {settled_line(shown.first)}")] if shown.messages else []),
        *([("class:dim", f"to   {settled_line(shown.last)}")] if shown.messages else []),
        ("", "and everything that is written from now on."),
    ]
    if shown.secrets:
        lines.append(("class:warning", f"! {suspicion(shown.secrets)}"))
    for each in told["findings"][:SHOWN]:
        kind, excerpt, place = (settled_line(text) for text in (each["kind"], each["excerpt"], place_of(each)))
        lines.append(("class:warning", f"  {kind}  {excerpt}  ({place})"))
    if shown.secrets > SHOWN:
        lines.append(("class:warning", f"  and {shown.secrets - SHOWN} more"))
    return tuple(lines)


def found(rows: Iterable[dict[str, Any]]) -> tuple[Choice, ...]:
    """Each link as a choice; one that is open can be closed."""
    return tuple(_link(row) for row in rows)


def _link(row: dict[str, Any]) -> Choice:
    state, used = str(row["state"]), f"{row['used']} of {row['uses']} used"
    until = f" · until {local_time(row['expires_at'])}" if row["expires_at"] else ""
    label = f"{row['permission']} · {settled_line(state)}"
    do = "close" if state == "open" else "links"
    return Choice(do, label, f"{used}{until} · {settled_line(row['id'][:8])}", row["id"])
