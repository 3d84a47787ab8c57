"""The screen's commands: name, keys, words and help in one table.

Bindings, the help line, the page of all keys and the words after a slash are made from it.
"""

from typing import NamedTuple

from client.screen.text import fit, width


class Command(NamedTuple):
    """What can be done. `keys` in prompt-toolkit's spelling; `shown` as a person reads them."""

    name: str
    keys: tuple[tuple[str, ...], ...]
    shown: str
    help: str  # in two or three words, for the line at the bottom
    about: str  # for the page of all keys; "" if the one before speaks for it
    when: str = ""  # name of a condition in `keys.py` under which the keys are this command's
    slash: tuple[str, ...] = ()  # words that do the same when sent


# In the order of need: a low window cuts the page of all keys off at its end.
COMMANDS = (
    Command("ask", (("enter",),), "Enter", "ask", "ask the model; it answers below"),
    Command("newline", (("escape", "enter"), ("c-j",)), "Alt-Enter", "new line", "a new line (or Ctrl-J, or \\ Enter)"),
    Command("say", (("escape", "s"),), "Alt-S", "only say", "only say it, to people: no model answers", slash=("say",)),
    Command("escape", (("escape",),), "Esc", "stop", "stop the answer; else back to the newest message"),
    Command("quit", (("c-q",),), "Ctrl-Q", "quit", "quit; what runs goes on", slash=("quit", "exit")),
    Command("quit", (("c-d",),), "Ctrl-D", "", "", "is_empty"),
    Command("new", (("c-n",),), "Ctrl-N", "new thread", "begin a thread with what you write next", slash=("new",)),
    Command(
        "find",
        (("c-k",),),
        "Ctrl-K",
        "find",
        "find a thread by its title, or by what is said in it",
        slash=("threads",),
    ),
    Command("next", (("c-down",), ("c-t",)), "Ctrl-T", "next thread", "the next thread, the previous one"),
    Command("previous", (("c-up",), ("escape", "t")), "Alt-T", "previous thread", ""),
    Command("page_up", (("pageup",),), "PgUp", "scroll", "scroll by pages"),
    Command("page_down", (("pagedown",),), "PgDn", "scroll back", ""),
    Command("line_up", (("up",),), "↑", "a line up", "scroll by lines, from the composer's edges", "at_first_line"),
    Command("line_down", (("down",),), "↓", "a line down", "", "at_last_line"),
    Command("oldest", (("c-home",), ("escape", "<")), "Alt-<", "to the beginning", "to the beginning, to the newest"),
    Command("newest", (("c-end",), ("escape", ">")), "Alt->", "to the newest", ""),
    Command("fold", (("c-o",),), "Ctrl-O", "unfold", "show tool calls and reasoning whole, or folded again"),
    Command(
        "comment",
        (("escape", "c"),),
        "Alt-C",
        "comment",
        "comment on a message, or answer a comment: ↑ ↓ choose",
        slash=("comment",),
    ),
    Command("open", (("c-g",),), "Ctrl-G", "next open comment", "the next comment that is not settled"),
    Command("settle", (("escape", "r"),), "Alt-R", "settle", "settle the chosen conversation, or open it again"),
    Command("quote", (("escape", "q"),), "Alt-Q", "ask about it", "write a prompt of the chosen conversation"),
    Command(
        "draft",
        (("escape", "d"),),
        "Alt-D",
        "shared draft",
        "write in the draft that all who may edit write together",
        slash=("draft",),
    ),
    Command(
        "people",
        (("escape", "w"),),
        "Alt-W",
        "people",
        "who is here: roles, links, control, joining, leaving",
        slash=("people", "who"),
    ),
    Command("join", (), "/join", "", "come into somebody's thread by a link (or from Alt-W)", slash=("join",)),
    Command("model", (("escape", "m"),), "Alt-M", "model", "choose the model that is asked", slash=("model",)),
    Command("older", (("c-p",), ("escape", "p")), "Ctrl-P", "", "write an earlier prompt again, a later one"),
    Command("newer", (("escape", "n"),), "Alt-N", "", ""),
    Command("copy", (("c-y",),), "Ctrl-Y", "copy", "copy the newest answer to the clipboard", slash=("copy",)),
    Command("rename", (("c-r",),), "Ctrl-R", "rename", "give the thread another title", slash=("rename",)),
    Command("sidebar", (("c-b",),), "Ctrl-B", "", "hide or show the threads, to select text with the mouse"),
    Command("interrupt", (("c-c",), ("<sigint>",)), "Ctrl-C", "", "clear what is written; else stop; else quit"),
    Command("suspend", (("c-z",),), "Ctrl-Z", "", "back to the shell; `fg` returns here"),
    Command("import", (), "/import", "", "bring in sessions of Claude Code and Codex, or a FILE", slash=("import",)),
    Command("keys", (("f1",),), "F1", "keys", "this page", slash=("help", "keys")),
)
BY_NAME = {command.name: command for command in reversed(COMMANDS)}
BY_SLASH = {f"/{word}": command.name for command in COMMANDS for word in command.slash}
# What does not fit is left out from the end; how to leave and where all keys are found always stands last.
_IN_LINE = ("ask", "newline", "new", "find", "say", "next", "page_up", "fold", "comment", "people", "draft")
_READING = {
    "comment": ("comment", "people", "find", "next", "page_up", "fold", "new"),
    "read": ("people", "find", "next", "page_up", "fold", "new"),
}
_IN_MODE = {
    "rename": " Enter renames the thread · Esc leaves its title as it is",
    "find": " Enter opens · ↑ ↓ choose · type a part of a title or a message · Esc leaves",
    "model": " Enter takes it · ↑ ↓ choose · Esc leaves",
    "comment": " Enter comments · ↑ ↓ choose · Ctrl-G next open · Alt-R settle · Alt-Q ask · Esc",
    "people": " Enter chooses · ↑ ↓ choose · type a part of a name · Esc back",
    "join": " Paste the link you were sent · Enter asks to be let in · Esc leaves",
    "draft": " Everybody's draft · Enter asks · Alt-S only says it · Esc leaves it to the others",
}


def help_line(columns: int, mode: str = "", is_running: bool = False, may: str = "write") -> str:
    """The keys one needs, as many as fit in a line. What one `may` is write, comment or only read."""
    if mode:
        return fit(_IN_MODE[mode], columns)
    names = _READING.get(may) or (("escape", *_IN_LINE) if is_running else _IN_LINE)
    last = f"{_told('keys')} · {_told('quit')}"
    line = ""
    for name in names:
        longer = f"{line} {_told(name)} ·"
        if width(longer) + width(last) + 1 > columns:
            break
        line = longer
    return f"{line} {last}"


def page() -> list[tuple[str, str]]:
    """Every key and what it does; what belongs together in one line."""
    lines: list[tuple[str, str]] = []
    for command in COMMANDS:
        if command.about:
            words = ", ".join(f"/{word}" for word in command.slash if command.keys)
            lines.append((command.shown, f"{command.about}  {words}".rstrip()))
        else:
            shown, about = lines[-1]
            lines[-1] = (f"{shown} {command.shown}", about)
    return lines


def _told(name: str) -> str:
    return f"{BY_NAME[name].shown} {BY_NAME[name].help}"
