# ruff: noqa: PTH100
"""`import`: transcripts of other tools, once or as they are written."""

import os
from typing import Any

from client.cli.out import Out
from client.cli.parse import Arguments, usage
from client.cli.session import Session
from client.cli.table import VERBS
from client.cli.text import count, one_line, table
from crdt.errors import FILE_UNREADABLE, IMPORT_UNRECOGNISED, OpenSeshError

TOOLS = ("claude", "codex")


def import_(session: Session, arguments: Arguments) -> int:
    """Import files, or begin, end or list the watching."""
    sources: list[str] = arguments.sources or []
    chosen = [name for name in ("follow", "unfollow", "followed") if arguments.values[name]]
    if len(chosen) > 1:
        raise usage(VERBS["import"], f"--{chosen[0]} and --{chosen[1]} exclude each other.")
    if chosen == ["followed"]:
        if sources:
            raise usage(VERBS["import"], "--followed takes no FILE.")
        _show_follows(session.call("import.followed"), session.out)
        return 0
    if chosen == ["follow"]:
        watched: list[str | None] = [*sources] or [None]
        results = [session.call("import.follow", source=_source(word)) for word in watched]
        _show_follows(results[-1], session.out)
        return 0
    if not sources:
        raise usage(VERBS["import"], "FILE… is missing.")
    if chosen == ["unfollow"]:
        results = [session.call("import.unfollow", follow=_followed(word)) for word in sources]
        _show_follows(results[-1], session.out)
        return 0
    return _files(session, sources)


def _files(session: Session, sources: list[str]) -> int:
    """All files; one that can't be read does not keep the others out, but is what the command fails with."""
    threads: list[dict[str, Any]] = []
    failure: OpenSeshError | None = None
    for number, source in enumerate(sources, 1):
        if len(sources) > 1:
            session.out.progress(f"Importing {number} of {len(sources)} …")
        try:
            found = session.call("import.file", path=os.path.abspath(source))["threads"]
        except OpenSeshError as error:
            if error.kind not in (IMPORT_UNRECOGNISED, FILE_UNREADABLE) or len(sources) == 1:
                raise
            session.out.progress("")
            session.out.note(f"{one_line(source)}: {one_line(error.message)}")
            failed = [*(failure.details["files"] if failure else []), source]
            failure = error.kind(f"{count(len(failed), 'file')} of {len(sources)} could not be imported.", files=failed)
            continue
        threads += found
        if not session.out.as_json:
            session.out.progress("")
            for line in table([_row(thread) for thread in found], session.out.columns):
                session.out.line(line)
    session.out.progress("")
    if session.out.as_json:
        session.out.data({"threads": threads})
    if failure is not None:
        raise failure
    return 0


def _row(thread: dict[str, Any]) -> list[str]:
    facts = [count(thread["messages"], "message"), count(thread["tool_calls"], "tool call")]
    if thread["placeholders"]:
        facts.append(count(thread["placeholders"], "unknown record") + " kept")
    if thread["skipped_lines"]:
        facts.append(count(thread["skipped_lines"], "line") + " unreadable")
    return [thread["id"][:8], one_line(thread["title"]), "new" if thread["new"] else "known", ", ".join(facts)]


def _source(word: str | None) -> str | None:
    """A tool's name, or a path made absolute."""
    return word if word is None or word in TOOLS else os.path.abspath(word)


def _followed(word: str) -> str:
    """A follow's id or a tool as it is; anything that looks like a path made absolute."""
    return os.path.abspath(word) if os.sep in word or word in (".", "..") else word


def _show_follows(result: dict[str, Any], out: Out) -> None:
    if out.as_json:
        out.data(result)
        return
    if not result["follows"]:
        out.note("Nothing is watched.")
    rows = [
        [follow["id"], follow["path"], follow["source"], follow["state"], count(follow["sessions"], "session")]
        for follow in result["follows"]
    ]
    for line in table([[one_line(cell) for cell in row] for row in rows], out.columns):
        out.line(line)
