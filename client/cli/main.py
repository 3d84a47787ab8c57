"""One command from its words to its exit code.

What goes wrong on the way becomes one error in the one shape; nothing else ever reaches stdout.
"""

import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from client.cli import parse
from client.cli.out import Out
from client.cli.session import Session
from client.cli.verb import Verb
from crdt.errors import DISK_FULL, INTERNAL, INTERRUPTED, OpenSeshError

OK, FAILED, NOT_UNDERSTOOD, INTERRUPTED_EXIT = 0, 1, 2, 130


def main(words: Sequence[str]) -> int:
    """Run one command. Returns 0 done, 1 failed or refused or timed out, 2 not understood, 130 interrupted."""
    _replace_closed()
    out = Out(as_json="--json" in _before_literal(words))
    try:
        code = _run(list(words), out)
        sys.stdout.flush()
        return code
    except OpenSeshError as error:
        return _report(out, error)
    except KeyboardInterrupt:
        return _report(out, INTERRUPTED())
    except BrokenPipeError:
        # Whoever read us has seen enough, as `head` does. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return OK
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return _report(out, DISK_FULL("The output could not be written: the disk is full."))
        return _report(out, INTERNAL(f"{type(error).__name__}: {error}"))


def _run(words: list[str], out: Out) -> int:
    plain = _before_literal(words)
    if out.as_json:
        words.remove("--json")
    asks_help = any(word in ("--help", "-h") for word in plain)
    if plain and plain[0] in ("--version", "version"):
        return _version(out)
    if asks_help or (plain and plain[0] == "help"):
        return _help([word for word in words if word not in ("--help", "-h")], out)
    if not words:
        return _alone(out)
    group = parse.group_of(words)
    if group and _alias_of(words) is None:
        from client.cli.help import incomplete

        raise incomplete(group)
    verb, rest = parse.find_verb(words)
    return run_verb(verb, rest, out)


def run_verb(verb: Verb, words: Sequence[str], out: Out) -> int:
    """Parse one command's own words and run it."""
    from client.cli import inputs

    if verb.run.startswith("passing:"):  # its words are another program's
        return int(_function(verb.run)(list(words), out))
    arguments = parse.parse(verb, words)
    inputs.complete(verb, arguments)
    session = Session(out)
    if verb.run:
        return int(_function(verb.run)(session, arguments) or OK)
    return _simple(verb, session, arguments)


def _simple(verb: Verb, session: Session, arguments: parse.Arguments) -> int:
    """A command that is one operation: its arguments are the parameters, its result the output."""
    from node.api.operations import OPERATIONS

    name = verb.operations[0]
    values: dict[str, Any] = {key: " ".join(value) if isinstance(value, list) and key == "text" else value
              for key, value in arguments.values.items()}  # fmt: skip
    results = session.stream(name, **values) if OPERATIONS[name].stream else [session.call(name, **values)]
    for result in results:
        session.out.answer(result, partial(_words, verb, result, session.out))
    return OK


def _words(verb: Verb, result: dict[str, Any], out: Out) -> str:
    return str(_function(verb.text)(result, out))


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(f"client.cli.{module}"), function)
    return found


def _replace_closed() -> None:
    """Stand-ins for standard streams that are closed (`>&-`): Python gives None, which nobody can write to."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _alone(out: Out) -> int:
    """`opensesh` and nothing more: the screen on a terminal (`client.screen.run`), the list anywhere else."""
    can_draw = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if can_draw and not out.as_json:
        try:
            screen = importlib.import_module("client.screen")
        except ModuleNotFoundError as error:
            if error.name != "client.screen":
                raise
        else:
            return int(screen.run() or OK)
    return run_verb(*parse.find_verb(["list"]), out)


def _help(words: list[str], out: Out) -> int:
    from client.cli import help

    named = [word for word in words if word != "help" and not word.startswith("-")]
    if named[:2] == ["relay", "serve"] and words[:1] != ["help"]:
        verb, _ = parse.find_verb(named)
        return int(_function(verb.run)(["--help"], out))
    if not named:
        out.line(help.overview(out))
    elif group := parse.group_of(named):
        out.line(help.of_group(group, out))
    else:
        out.line(help.of_verb(parse.find_verb(named)[0], out))
    return OK


def _version(out: Out) -> int:
    from client.version import version

    if out.as_json:
        out.data({"version": version()})
    else:
        out.line(f"opensesh {version()}")
    return OK


def _alias_of(words: Sequence[str]) -> str | None:
    from client.cli.table import ALIASES

    return next((ALIASES.get(word) for word in words if not word.startswith("-")), None)


def _before_literal(words: Sequence[str]) -> list[str]:
    """The words before `--`: what comes after it is never an option."""
    words = list(words)
    return words[: words.index("--")] if "--" in words else words


def _report(out: Out, error: OpenSeshError) -> int:
    try:
        sys.stdout.flush()
        out.error(error)
    except OSError:
        pass  # nobody is left to tell
    return error.kind.exit_code
