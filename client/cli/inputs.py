# ruff: noqa: PTH123
"""What a command reads besides its words: texts and secrets from standard input, a file, or a person."""

import sys
from typing import Any

from client.cli.parse import Arguments, usage
from client.cli.verb import Argument, Verb
from client.wire import MAX_REQUEST_BYTES
from crdt.errors import FILE_UNREADABLE, INTERACTION_NEEDED, TOO_LARGE
from node.api.operations import OPERATIONS

MAX_SECRET_BYTES = 64 * 1024
_ASKED = {"phrase": "Recovery words: ", "key": "API key: ", "access_key": "Access key: ", "passphrase": "Passphrase: "}


def complete(verb: Verb, arguments: Arguments) -> None:
    """Fill in what is to be read. Raises USAGE, INTERACTION_NEEDED, FILE_UNREADABLE or TOO_LARGE."""
    for argument in verb.arguments:
        value = arguments.values[argument.name]
        if argument.stdin and value in (None, "-"):
            arguments.values[argument.name] = _text(verb, argument)
        elif argument.kind == "secret" and (value is True or (value is None and _is_needed(verb, argument))):
            arguments.values[argument.name] = _secret(argument, asked_for=value is True)
        elif argument.kind == "key_file":
            del arguments.values[argument.name]
            if value is not None:
                name = argument.name.removesuffix("_file")
                arguments.values[name] = _file(name, value)


def _is_needed(verb: Verb, argument: Argument) -> bool:
    parameters = [OPERATIONS[name].parameter(argument.name) for name in verb.operations]
    return any(parameter is not None and parameter.required for parameter in parameters)


def _text(verb: Verb, argument: Argument) -> str:
    if sys.stdin.isatty():
        sys.stderr.write(f"{argument.metavar} (end with Ctrl-D):\n")
    text = stdin_text(MAX_REQUEST_BYTES)
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise usage(verb, f"{argument.spelling} is missing, and standard input is empty.")
    return text


def stdin_text(limit_bytes: int) -> str:
    """All of standard input. Raises TOO_LARGE, or FILE_UNREADABLE for what is no text."""
    raw = sys.stdin.buffer.read(limit_bytes + 1)
    if len(raw) > limit_bytes:
        raise TOO_LARGE(limit_bytes=limit_bytes)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise FILE_UNREADABLE("Standard input is not UTF-8.", next="Give it as UTF-8 text.") from None


def _secret(argument: Argument, *, asked_for: bool) -> str:
    if sys.stdin.isatty():
        from getpass import getpass

        text = getpass(_ASKED[argument.name], stream=sys.stderr)
    elif asked_for:
        text = stdin_text(MAX_SECRET_BYTES)
    else:
        raise INTERACTION_NEEDED(next=f"Give {argument.flags[0]}.", flag=argument.flags[0])
    return _first(argument.name, text)


def _first(name: str, text: str) -> str:
    # Words are often kept in columns or one a line; anything else is one line, in which spaces may count.
    secret = " ".join(text.split()) if name == "phrase" else text.partition("\n")[0].removesuffix("\r")
    if not secret:
        raise FILE_UNREADABLE(f"No {name.replace('_', ' ')} was given.", next="Give it on the first line.")
    return secret


def _file(name: str, path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_SECRET_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise FILE_UNREADABLE(f"{path} can't be read: {_why(error)}.", path=path) from None
    return _first(name, text)


def confirmed(question: str, flag: str) -> bool:
    """Ask a person yes or no; anything but yes is no. Raises INTERACTION_NEEDED without a terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise INTERACTION_NEEDED(f"{question} There is no terminal to ask on.", next=f"Give {flag}.", flag=flag)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _why(error: Any) -> str:
    return str(getattr(error, "strerror", None) or "it is not UTF-8")
