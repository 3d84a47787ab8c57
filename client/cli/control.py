"""`control`: who drives, and every way to change it."""

from typing import Any

from client.cli.out import Out
from client.cli.parse import Arguments, usage
from client.cli.session import Session
from client.cli.table import VERBS
from client.cli.text import local_time, one_line

_ALONE = ("request", "withdraw", "revoke", "take")
_WITH_SOMEBODY = ("grant", "hand", "type_only", "watch_only")


def control(session: Session, arguments: Arguments) -> int:
    """Do what was chosen, if anything, and print how it stands then."""
    chosen = [name for name in (*_ALONE, *_WITH_SOMEBODY) if arguments.values[name]]
    if len(chosen) > 1:
        first, second = (name.replace("_", "-") for name in chosen[:2])
        raise usage(VERBS["control"], f"--{first} and --{second} exclude each other.")
    if arguments.text is not None and chosen != ["request"]:
        raise usage(VERBS["control"], "--text goes with --request.")
    where = {"thread": arguments.thread, "terminal": arguments.terminal}
    if chosen:
        action = chosen[0]
        who = arguments.values[action] if action in _WITH_SOMEBODY else None
        asked = {"action": action.replace("_", "-"), "who": who, "text": arguments.text}
        result = session.call("control.set", **where, **asked)
    else:
        result = session.call("control.show", **where)
    session.out.answer(result, lambda: _state(result, session.out))
    return 0


def _state(result: dict[str, Any], out: Out) -> str:
    driver, since = result["driver"], result.get("since")
    lines = [f"{out.style('bold', _name(driver))} drives" + (f" since {local_time(since)}" if since else "") + "."]
    lines += [f"{_name(each)} may type." for each in result["typing"]]
    for each in result["requests"]:
        why = f": {one_line(each['text'])}" if each["text"] else ""
        lines.append(f"{_name(each)} asks for it, since {local_time(each['at'])}{why}")
    return "\n".join(lines)


def _name(person: dict[str, Any]) -> str:
    return one_line(person["name"]) + (" (you)" if person["me"] else "")
