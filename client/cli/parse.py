# ruff: noqa: PTH100
"""From words to a command and its arguments, by the table; what is not understood gets a suggestion.

Our own and not argparse: options may stand anywhere, a message may begin with a dash after `--`, errors
have our codes, and only the one command that was named is looked at.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from client.cli.table import ALIASES, VERBS
from client.cli.verb import Argument, Verb
from crdt.errors import USAGE, OpenSeshError


class Arguments:
    """The values of one command's arguments, as attributes; None where nothing was given, False for a flag."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


def find_verb(words: Sequence[str]) -> tuple[Verb, list[str]]:
    """The command that the words begin with, and the words that are left. Raises USAGE with what was meant."""
    plain = [word for word in words if not word.startswith("-")][:2]
    for length in (2, 1):
        name = " ".join(plain[:length])
        if len(plain) == 1:  # `opensesh sync`; with a second word, that word is misspelt and not an argument
            name = ALIASES.get(name, name)
        verb = VERBS.get(name)
        if verb is not None:
            return verb, _without(words, plain[:length])
    raise _unknown(plain)


def group_of(words: Sequence[str]) -> list[Verb]:
    """The commands that begin with the one word given, if it is the first of several two-word commands."""
    plain = [word for word in words if not word.startswith("-")]
    return [verb for verb in VERBS.values() if len(plain) == 1 and len(verb.words) == 2 and verb.words[0] == plain[0]]


def parse(verb: Verb, words: Sequence[str]) -> Arguments:
    """The command's arguments. Raises USAGE naming the one that is wrong, missing or too many."""
    values: dict[str, Any] = {argument.name: False if argument.kind == "flag" else None for argument in verb.arguments}
    flags = {flag: argument for argument in verb.arguments for flag in argument.flags}
    dashed = any(argument.dashed for argument in verb.arguments)
    places, index, literal = [], 0, False
    while index < len(words):
        word = words[index]
        index += 1
        if literal or not word.startswith("-") or word == "-" or _is_number(word):
            places.append(word)
        elif word == "--":
            literal = True
        elif dashed and not word.startswith("--") and word not in flags:
            places.append(word)
        else:
            flag, equals, value = word.partition("=")
            argument = flags.get(flag)
            if argument is None:
                raise _unknown_flag(verb, flag, flags)
            if not argument.takes_value:
                if equals:
                    raise usage(verb, f"{flag} takes no value{_where_secrets_go(argument)}.")
                values[argument.name] = True
                continue
            if not equals:
                if index == len(words):
                    raise usage(verb, f"{argument.spelling} needs its value.")
                value = words[index]
                index += 1
            values[argument.name] = _value(verb, argument, value)
    _place(verb, places, values)
    for argument in verb.arguments:
        if argument.required and values[argument.name] is None and not argument.stdin and argument.kind != "secret":
            raise usage(verb, f"{argument.spelling} is missing.")
    return Arguments(values)


def usage(verb: Verb, message: str) -> OpenSeshError:
    """A usage error that shows how the command is written."""
    return USAGE(message, next=f"{verb.usage}   (more: opensesh {verb.name} --help)")


def _place(verb: Verb, words: list[str], values: dict[str, Any]) -> None:
    left = list(words)
    for argument in verb.arguments:
        if argument.flags or not left:
            continue
        if argument.many:
            values[argument.name] = [_value(verb, argument, word) for word in left]
            left = []
        else:
            values[argument.name] = _value(verb, argument, left.pop(0))
    if left:
        quoting = ' A text of several words needs quotes: "…".' if len(words) > len(left) else ""
        raise usage(verb, f"{left[0]!r} is one word too many.{quoting}")


def _value(verb: Verb, argument: Argument, word: str) -> Any:
    if argument.choices and word not in argument.choices:
        raise usage(verb, f"{argument.spelling}: {word!r} is none of {', '.join(argument.choices)}.")
    if argument.kind in ("integer", "number"):
        try:
            number = int(word) if argument.kind == "integer" else float(word)
        except ValueError:
            number = -1
        if not 0 <= number < 2**53:
            raise usage(verb, f"{argument.spelling}: {word!r} is no {argument.kind} from 0 up.")
        return number
    if argument.kind in ("path", "key_file"):
        if not word or "\0" in word:
            raise usage(verb, f"{argument.spelling}: that is no path.")
        return os.path.abspath(os.path.expanduser(word))  # noqa: PTH111  (a shell expands ~ only at a word's start)
    if argument.kind == "value":
        return _scalar(word)
    if word == "" and not argument.flags:
        raise usage(verb, f"{argument.spelling} is empty.")
    return word


def _scalar(word: str) -> Any:
    import json

    try:
        value = json.loads(word)
    except ValueError:
        return word
    return value if isinstance(value, bool | int | float | str | list) else word


def _is_number(word: str) -> bool:
    return word[1:].replace(".", "", 1).isdecimal()


def _without(words: Sequence[str], named: Sequence[str]) -> list[str]:
    left, due = [], list(named)
    for word in words:
        if due and word == due[0]:
            due.pop(0)
        else:
            left.append(word)
    return left


def _where_secrets_go(argument: Argument) -> str:
    return ": a secret is read from standard input, never from the command line" if argument.kind == "secret" else ""


def _unknown(plain: Sequence[str]) -> OpenSeshError:
    typed = " ".join(plain)
    known = [*VERBS, *{verb.words[0] for verb in VERBS.values()}]
    near = _nearest(typed, known) or (_nearest(plain[0], known) if plain else [])
    following = f"Did you mean: opensesh {near[0]}?" if near else "See: opensesh --help"
    return USAGE(f"There is no command {typed!r}.", next=following)


def _unknown_flag(verb: Verb, flag: str, flags: Mapping[str, Argument]) -> OpenSeshError:
    near = _nearest(flag, [*flags, "--json", "--help"])
    message = f"opensesh {verb.name} has no option {flag}."
    if near:
        return USAGE(message, next=f"Did you mean {near[0]}? See: opensesh {verb.name} --help")
    return usage(verb, message + " Put -- before a text that begins with a dash.")


def _nearest(word: str, known: list[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(word, known, n=1, cutoff=0.6)
