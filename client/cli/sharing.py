"""Links, joining and members as text for a person, and the commands that ask first."""

import re
import shlex
import sys
from typing import Any

from client.cli import sentences
from client.cli.inputs import confirmed, stdin_text
from client.cli.out import Out
from client.cli.parse import Arguments, usage
from client.cli.sentences import EXPIRES_S
from client.cli.session import Session
from client.cli.table import VERBS
from client.cli.text import clean, local_time, one_line, table
from crdt.errors import SECRETS_FOUND

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SHOWN = 10  # findings a person is shown


def share(session: Session, arguments: Arguments) -> int:
    """`share`: what would be readable, what looks secret, and then the link."""
    if arguments.preview:
        return _preview(session, arguments)
    if arguments.permission is None:
        raise usage(VERBS["share"], "--permission is missing: viewer, commenter or editor.")
    values = {name: value for name, value in arguments.values.items() if name not in ("yes", "preview")}
    values["expires_s"] = seconds(values.pop("expires"))
    values["allow_secrets"] = bool(values["allow_secrets"])
    out = session.out
    asks = not out.as_json and sys.stdin.isatty() and sys.stderr.isatty() and not arguments.yes
    if asks:
        shown = session.call("share.preview", thread=values["thread"], begin=values["begin"])
        _show_preview(shown, out)
        question = "Share it all the same?" if shown["secrets"] else "Share it?"
        if not confirmed(question, "--yes"):
            out.note("Nothing was shared.")
            return 1
        values["allow_secrets"] |= shown["secrets"] > 0  # what was shown was agreed to, and nothing that came since
    result = session.call("share.create", **values)
    out.answer(result, lambda: _made(result, out))
    return 0


def _made(result: dict[str, Any], out: Out) -> str:
    out.note(sentences.lets_in(result["uses"], result["permission"], result["expires_at"]))
    out.note(f"Close it with: opensesh unshare {result['id'][:8]}\n")
    return str(result["link"])


def _preview(session: Session, arguments: Arguments) -> int:
    shown = session.call("share.preview", thread=arguments.thread, begin=arguments.begin)
    if session.out.as_json:
        session.out.data(shown)
    else:
        _show_preview(shown, session.out)
    return 0


def _show_preview(shown: dict[str, Any], out: Out) -> None:
    out.note(f"They will be able to read “{one_line(shown['title'])}”:")
    out.note(f"  {sentences.contents(shown)}")
    if shown["messages"]:
        out.note(f"  from  {one_line(shown['first'])}")
        out.note(f"  to    {one_line(shown['last'])}")
    out.note("  and everything that is written from now on.")
    if shown["secrets"]:
        out.note(f"\n{SECRETS_FOUND.code}: {sentences.suspicion(shown['secrets'])}")
        for each in shown["findings"][:_SHOWN]:
            place = one_line(sentences.place_of(each))
            out.note(f"  {one_line(each['kind'])}  {one_line(each['excerpt'])}  ({place})")
        if shown["secrets"] > _SHOWN:
            out.note(f"  and {shown['secrets'] - _SHOWN} more; see all with --json")
    out.note("")


def seconds(text: str | None) -> float | None:
    """A time such as 30m, 2h or 7d in seconds; None for never. Raises USAGE."""
    if text is None:
        return EXPIRES_S
    if text == "never":
        return None
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if found is None or not int(found[1]):
        raise usage(VERBS["share"], "--expires is a number with a unit, such as 30m, 2h or 7d, or never.")
    return int(found[1]) * _UNITS[found[2]]


def shares(result: dict[str, Any], out: Out) -> str:
    """`shares`"""
    for each in result["requests"]:
        out.note(f"{one_line(each['name'])} asks to be let in. Let them: opensesh admit {each['request'][:8]}")
    if not result["shares"]:
        out.note("No links yet. Make one with: opensesh share THREAD --permission viewer")
    rows = [
        [
            each["id"][:8],
            one_line(each["title"]) or each["thread"][:8],
            each["permission"],
            each["state"],
            f"{each['used']} of {each['uses']} used",
            f"until {local_time(each['expires_at'])}" if each["expires_at"] else "",
        ]
        for each in result["shares"]
    ]
    return "\n".join(table(rows, out.columns))


def withdrawn(result: dict[str, Any], out: Out) -> str:
    """`unshare`"""
    return f"The link {result['id'][:8]} lets nobody in any more."


def admit(session: Session, arguments: Arguments) -> int:
    """`admit`"""
    result = session.call("share.decide", request=arguments.request, accept=not arguments.decline)
    session.out.answer(result, lambda: sentences.decided(one_line(result["state"])))
    return 0


def join(session: Session, arguments: Arguments) -> int:
    """`join`"""
    values = dict(arguments.values)
    if values["link"] == "-":
        values["link"] = stdin_text(4000).strip()
    if not values["link"]:
        raise usage(VERBS["join"], "LINK is empty.")
    session.out.progress("Asking to be let in …")
    try:
        result = session.call("share.join", **values)
    finally:
        session.out.progress("")
    session.out.answer(result, lambda: _joined(result))
    return 0


def _joined(result: dict[str, Any]) -> str:
    if result["state"] == "admitted":
        return f"You are in, as {result['permission']}: opensesh show {result['thread'][:8]}"
    return sentences.waiting(one_line(result["waiting_for"]))


def members(result: dict[str, Any], out: Out) -> str:
    """`members`"""
    for each in result["members"]:
        if each["warning"]:
            out.note(f"WARNING: {one_line(each['warning'])}")
    rows = [
        [
            each["identity"][:8],
            one_line(each["name"]) + (" (you)" if each["me"] else ""),
            each["permission"],
            "verified" if each["verified"] and not each["me"] else "",
            "here" if each["present"] and not each["me"] else "",
            ", ".join(one_line(device["name"]) for device in each["devices"]),
        ]
        for each in result["members"]
    ]
    return "\n".join(table(rows, out.columns))


def permitted(result: dict[str, Any], out: Out) -> str:
    """`permit`"""
    return sentences.raised(one_line(result["name"]), result["permission"])


def kicked(result: dict[str, Any], out: Out) -> str:
    """`kick`"""
    return sentences.put_out(one_line(result["name"]))


def left(result: dict[str, Any], out: Out) -> str:
    """`leave`"""
    return f"{sentences.LEFT}: opensesh list --trash"


def leftovers(result: dict[str, Any], out: Out) -> str:
    """`leftovers`"""
    if not result["leftovers"]:
        out.note("Nothing was left out: all that you wrote here counts.")
    blocks = []
    for each in result["leftovers"]:
        out.note(f"{each['form']} {one_line(each['name'])[:8]}: {one_line(each['why'])}")
        blocks.append(clean(each["text"]))
    return "\n\n".join(blocks)


def transfer(session: Session, arguments: Arguments) -> int:
    """`transfer`"""
    if arguments.accept == (arguments.who is not None):
        raise usage(VERBS["transfer"], "Give WHO is to own it, or --accept.")
    if arguments.accept:
        result = session.call("member.accept", thread=arguments.thread)
        told = "The thread is yours."
    else:
        values = {"thread": arguments.thread, "who": arguments.who, "phrase": arguments.phrase}
        result = session.call("member.transfer", **values)
        told = f"Offered. It is theirs once they run: opensesh transfer {result['thread'][:8]} --accept"
    session.out.answer(result, lambda: told)
    return 0


def verify(session: Session, arguments: Arguments) -> int:
    """`verify`"""
    if arguments.matches and arguments.differs:
        raise usage(VERBS["verify"], "--matches and --differs exclude each other.")
    matches = True if arguments.matches else False if arguments.differs else None
    result = session.call("member.verify", thread=arguments.thread, who=arguments.who, matches=matches)
    out = session.out
    if out.as_json:
        out.data(result)
        return 0
    out.line(f"{one_line(result['name'])}: {result['words']}")
    out.line(f"you: {result['own_words']}")
    if result["verified"]:
        out.note("Verified.")
    elif matches is False:
        out.note(sentences.NOT_VERIFIED)
    else:
        named = shlex.join([one_line(arguments.thread), one_line(arguments.who)])
        out.note(
            f"Read both aloud to each other. If they are the same on both sides: opensesh verify {named} --matches"
        )
    return 0
