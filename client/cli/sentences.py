"""What is said about people, links and what they open, in the same words by the commands and by the screen (pure).

Names and excerpts may come from anybody: whoever prints a sentence makes it harmless.
"""

from typing import Any, Final

from client.cli.text import count, local_time

EXPIRES_S: Final = 7 * 86_400  # of a link, if nothing else is said
LEFT: Final = "You have left. The thread, as it was, is in the trash"
NOT_VERIFIED: Final = "Not verified. Somebody may be in between: ask them for a new link another way."


def raised(name: str, permission: str) -> str:
    """Somebody has another right."""
    return f"{name} is now {permission}."


def put_out(name: str) -> str:
    """Somebody has none any more."""
    return f"{name} is out, and can read nothing that is written from now on."


def decided(state: str) -> str:
    """What became of somebody who asked to be let in; `state` as `share.decide` says it."""
    if state == "admitted":
        return "They are in."
    return "They were turned away." if state == "declined" else f"They can't come in by that link: {state}."


def lets_in(uses: int, permission: str, expires_at: object) -> str:
    """What a link does; `expires_at` is a time of the API, or None for never."""
    until = f"until {local_time(expires_at)}" if expires_at else "until you close it"
    return f"Lets {count(uses, 'person', 'people')} in as {permission}, {until}."


def waiting(waiting_for: str) -> str:
    """A joiner is not in yet."""
    return f"Waiting for {waiting_for}. The thread appears here once that has happened."


def contents(shown: dict[str, Any]) -> str:
    """How much somebody would be able to read, of `share.preview`."""
    results = f", {count(shown['tool_results'], 'tool result')}" if shown["tool_results"] else ""
    return f"{count(shown['messages'], 'message')}{results}, {count(shown['characters'], 'character')} in all"


def suspicion(places: int) -> str:
    """What was found in it."""
    return f"{count(places, 'place')} with what looks like a secret:"


def place_of(finding: dict[str, Any]) -> str:
    """Where one of these stands. The draft and the notes are one for the thread; all else has an id."""
    field, line, name = str(finding["field"]), f"line {finding['line']} of", str(finding["message"])[:8]
    if field in ("draft", "notes"):
        return f"{line} the {field}"
    if field == "command":
        return f"the command of terminal {name}"
    if field in ("input", "result"):
        return f"{line} a tool's {'input' if field == 'input' else 'output'}, message {name}"
    return f"{line} {field if field in ('comment', 'terminal') else 'message'} {name}"
