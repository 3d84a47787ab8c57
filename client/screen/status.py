"""The status line, from the state (pure): what goes on, where things are stored, who is here."""

from client.cli.text import count
from client.screen.commands import BY_NAME
from client.screen.standing import alarm, baton, calls, summary
from client.screen.state import State
from client.screen.styled import Line, cut
from client.screen.text import settled_line, width

SLOW_S = 3  # from when on it is said how long something takes
_RUNS = {
    "queued": "waiting for its turn …",
    "streaming": "answering …",
    "waiting": "waiting for you",
    "running_tool": "using a tool …",
    "compacting": "making room …",
}


def status(state: State, columns: int, now: float) -> Line:
    """A rule, and on it what is new below, what goes on, where things are stored; the most urgent first.

    `now` in Unix seconds.
    """
    line: list[tuple[str, str]] = [("class:line", "─")]
    left = columns - 1
    for number, part in enumerate(_parts(state, now)):
        shown = cut(part, left - 4)
        taken = sum(width(text) for _, text in shown)
        if taken < 2:
            break
        line += [("class:line", "── " if number else " "), *shown, ("class:line", " ")]
        left -= taken + (4 if number else 2)
    return (*line, ("class:line", "─" * left))


def _parts(state: State, now: float) -> list[Line]:
    parts: list[Line] = []

    def say(style: str, text: str) -> None:
        if text:
            parts.append(((f"class:{style}", text),))

    if state.unseen:
        say("new", f"↓ {state.unseen} new ({_key('newest')})")
    elif state.anchor is not None:
        say("status", f"↓ more ({_key('newest')})")
    if state.offline:
        say("warning", "the node is away, coming back …")
        return parts
    if doubt := alarm(state.company):
        say("warning", f"{doubt} ({_key('people')})")
    if asks := calls(state.company):
        say("new", f"{asks} ({_key('people')})")
    if state.sending:
        say("streaming", "sending …")
    if state.run is not None:
        seconds = int(now - state.begun.get(state.thread or "", now))
        since = f" {seconds} s" if seconds >= SLOW_S else ""
        say("streaming", _RUNS.get(state.run, settled_line(state.run)) + since)
    say("status", settled_line(state.row.sync if state.row else state.sync) or "connecting …")
    if here := summary(state):
        parts.append(here)
    say("status", baton(state.company))
    elsewhere = len([thread for thread in state.running if thread != state.thread])
    if elsewhere:
        say("streaming", f"{elsewhere} running elsewhere")
    if state.open_talks and state.thread is not None:
        say("comment", f"{count(state.open_talks, 'open comment')} ({_key('open')})")
    if state.asked_model and not state.is_locked:
        say("status", f"asks {settled_line(state.asked_model)}")
    return parts


def _key(name: str) -> str:
    return BY_NAME[name].shown
