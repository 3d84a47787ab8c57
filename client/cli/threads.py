"""Threads as lists and one-line acknowledgements."""

import itertools
from typing import Any

from client.cli.inputs import confirmed
from client.cli.out import Out
from client.cli.parse import Arguments
from client.cli.session import Session
from client.cli.text import count, local_time, one_line, table

MIN_ID_CHARACTERS = 8


def created(result: dict[str, Any], out: Out) -> str:
    """`new`."""
    return f"{out.style('green', 'created')} {result['id']}  {one_line(result['title'])}"


def listed(result: dict[str, Any], out: Out) -> str:
    """`list`: one line a thread, with as much of the id as tells it from the others."""
    threads = result["threads"]
    if not threads:
        out.note('No threads yet. Begin one with: opensesh new "Title"')
        return ""
    characters = distinct([thread["id"] for thread in threads])
    rows = [
        [
            thread["id"][:characters],
            _named(thread),
            one_line((thread.get("project") or "").rstrip("/").rpartition("/")[2]),
            count(thread["messages"], "message") + _open(thread),
            local_time(thread["updated_at"]),
            one_line(thread.get("sync") or ""),
        ]
        for thread in threads
    ]
    return "\n".join(table(rows, out.columns))


def _named(thread: dict[str, Any]) -> str:
    tags = (f"+{one_line(tag)}" for tag in thread.get("tags") or ())
    return " ".join([one_line(thread["title"]) or "(untitled)", *tags])


def _open(thread: dict[str, Any]) -> str:
    unresolved = thread.get("unresolved") or 0
    return f", {unresolved} open" if unresolved else ""


def distinct(ids: list[str]) -> int:
    """How many characters of these ids tell each from the others; at least `MIN_ID_CHARACTERS`."""
    shared = 0
    ordered = sorted(set(ids))
    for one, other in itertools.pairwise(ordered):
        length = next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
        shared = max(shared, length)
    return max(MIN_ID_CHARACTERS, shared + 1)


def renamed(result: dict[str, Any], out: Out) -> str:
    """`rename`."""
    return f"{result['id'][:MIN_ID_CHARACTERS]} is now called {one_line(result['title'])}"


def moved(result: dict[str, Any], out: Out) -> str:
    """`trash`, `restore` and `delete`."""
    where = {"trashed": "is in the trash", "active": "is back", "deleted": "is deleted for ever"}
    return f"{result['id'][:MIN_ID_CHARACTERS]} {where.get(result['state'], one_line(result['state']))}"


def found(result: dict[str, Any], out: Out) -> str:
    """`search`: each hit with its thread and what is around it."""
    if not result["results"]:
        out.note("Nothing found.")
    lines = []
    for hit in result["results"]:
        role = f" · {one_line(hit['role'])}" if hit.get("role") else ""
        head = f"{out.style('bold', one_line(hit['title']))} · {hit['thread'][:MIN_ID_CHARACTERS]}{role}"
        lines += [f"{head} · {local_time(hit['created_at'])}", f"  {one_line(hit['snippet'])}"]
    return "\n".join(lines)


def delete(session: Session, arguments: Arguments) -> int:
    """`delete`: for ever, once the flag or a person says so."""
    if not arguments.forever and not confirmed(
        f"Delete {one_line(arguments.thread)} for ever, on every device?", "--forever"
    ):
        session.out.note("Nothing was deleted.")
        return 1
    result = session.call("thread.delete", thread=arguments.thread, forever=True)
    session.out.answer(result, lambda: moved(result, session.out))
    return 0
