"""The screen's commands: name, key and help in one table, from which bindings and the help line are made."""

from typing import NamedTuple


class Command(NamedTuple):
    """What can be done. `keys` in prompt-toolkit's spelling; `shown` as a person reads it."""

    name: str
    keys: tuple[tuple[str, ...], ...]
    shown: str
    help: str


COMMANDS = (
    Command("ask", (("enter",),), "Enter", "ask"),
    Command("say", (("escape", "s"),), "Alt-S", "say"),
    Command("newline", (("escape", "enter"), ("c-j",)), "Alt-Enter", "new line"),
    Command("new", (("c-n",),), "Ctrl-N", "new thread"),
    Command("next", (("c-down",), ("c-t",)), "Ctrl-↓", "next thread"),
    Command("previous", (("c-up",),), "Ctrl-↑", "previous"),
    Command("page_up", (("pageup",),), "PgUp", "scroll"),
    Command("page_down", (("pagedown",),), "PgDn", "scroll"),
    Command("cancel", (("escape", "c"),), "Alt-C", "stop the answer"),
    Command("quit", (("c-q",), ("c-c",)), "Ctrl-Q", "quit"),
)
IN_HELP = ("ask", "say", "newline", "new", "next", "quit")


def help_line(asking_title: bool) -> str:
    """The keys one needs, in a line."""
    if asking_title:
        return " Enter begin the thread · Ctrl-N leave it"
    return " " + " · ".join(f"{c.shown} {c.help}" for c in COMMANDS if c.name in IN_HELP)
