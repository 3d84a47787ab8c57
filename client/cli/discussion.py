"""Comments for people: put down, listed, settled, made into a prompt."""

from typing import Any

from client.cli.asking import stream
from client.cli.out import Out
from client.cli.parse import Arguments
from client.cli.session import Session
from client.cli.text import clean, count, local_time, one_line, shorten
from client.cli.threads import MIN_ID_CHARACTERS
from crdt.errors import USAGE

QUOTED_LINES = 3
QUOTED_COLUMNS = 100


def comment(session: Session, arguments: Arguments) -> int:
    """`comment`: put one down, or with --edit change what one says."""
    values = dict(arguments.values)
    edited = values.pop("edit")
    places = [name for name, value in values.items() if value is not None and name not in ("thread", "text")]
    if edited is not None:
        if places:
            raise USAGE("--edit changes what a comment says, not where it stands.", next="Give --edit alone.")
        result = session.call("comment.edit", thread=arguments.thread, comment=edited, text=arguments.text)
    else:
        result = session.call("comment.add", **values)
    verb = "changed" if edited is not None else "commented"
    session.out.answer(result, lambda: f"{session.out.style('green', verb)} {_short(result['id'])}")
    return 0


def comments(result: dict[str, Any], out: Out) -> str:
    """`comments`: each conversation with its place, what is said, and the answers below it."""
    if not result["comments"]:
        out.note("No comments here. Write one with: opensesh comment THREAD TEXT")
        return ""
    lines: list[str] = []
    for found in result["comments"]:
        lines += [*_conversation(found, out), ""]
    return "\n".join([*lines, out.style("dim", f"{count(result['unresolved'], 'conversation')} unresolved")])


def _conversation(found: dict[str, Any], out: Out) -> list[str]:
    mark = out.style("green", "✓ settled") if found["resolved"] else out.style("yellow", "● open")
    lines = [f"{mark}  {place(found)}"]
    for text in _quote(found).split("\n")[:QUOTED_LINES]:
        if text:
            lines.append(out.style("dim", shorten(f"  > {one_line(text)}", QUOTED_COLUMNS)))
    lines += _comment(found, out, "  ")
    for reply in found["replies"]:
        lines += _comment(reply, out, "    ")
    return lines


def _comment(said: dict[str, Any], out: Out, indent: str) -> list[str]:
    who = f"{one_line(said['author']['name'])} · {local_time(said['created_at'])}"
    edited = " · edited" if said.get("edited_at") else ""
    signs = "".join(f"  {one_line(each['sign'])} {each['count']}" for each in said["reactions"])
    head = f"{indent}{out.style('cyan', who)}{edited}  {out.style('dim', _short(said['id']))}{signs}"
    text = "(taken back)" if said["deleted"] else clean(said["text"]).rstrip("\n")
    return [head, *(f"{indent}{line}" for line in text.split("\n"))]


def place(found: dict[str, Any]) -> str:
    """Where a conversation stands, in a few words."""
    anchor = found.get("anchor")
    if not anchor:
        return "the thread"
    kind = anchor["kind"]
    what = f"message {_short(anchor.get('message', ''))}"
    if kind in ("file", "diff"):
        what = one_line(anchor["path"]) + (f" ({anchor['side']})" if kind == "diff" else "")
    elif kind == "terminal":
        what = f"terminal {_short(anchor['terminal'])}"
    elif anchor.get("part") is not None:
        what += f", part {anchor['part']}"
    now = found.get("now") or {}
    for name in ("lines", "characters"):
        if (span := anchor.get(name)) is not None:
            first, last = now.get(name) or span
            what += f", {name[:-1] if first == last else name} {first}" + (f"-{last}" if first != last else "")
    return what + ("" if found.get("stands") is not False else " · the place is gone")


def _quote(found: dict[str, Any]) -> str:
    anchor, now = found.get("anchor") or {}, found.get("now")
    if not (anchor.get("lines") or anchor.get("characters")):
        return ""
    return str(now["text"] if now else anchor.get("quote") or "")


def replied(result: dict[str, Any], out: Out) -> str:
    """`reply`."""
    return f"{out.style('green', 'answered')} {_short(result['id'])}"


def settled(result: dict[str, Any], out: Out) -> str:
    """`resolve` and `reopen`."""
    state = "is settled" if result["resolved"] else "is open again"
    return f"{_short(result['conversation'])} {state}; {count(result['unresolved'], 'conversation')} unresolved"


def reacted(result: dict[str, Any], out: Out) -> str:
    """`react`."""
    signs = "  ".join(f"{one_line(each['sign'])} {each['count']}" for each in result["reactions"])
    return f"{_short(result['id'])}  {signs or 'no reactions'}"


def deleted(result: dict[str, Any], out: Out) -> str:
    """`uncomment`."""
    return f"{_short(result['id'])} is taken back"


def prompt(session: Session, arguments: Arguments) -> int:
    """`prompt`: ask a model about what was commented, or print what it would be asked."""
    values = dict(arguments.values)
    if not values.pop("print"):
        return stream(session, "comment.prompt", values)
    result = session.call("comment.quote", thread=arguments.thread, comment=arguments.comment)
    session.out.answer(result, lambda: clean(result["text"]))
    return 0


def _short(identifier: str) -> str:
    return one_line(identifier)[:MIN_ID_CHARACTERS]
