"""`--help`, from the table: the overview, a group of commands, one command."""

from client.cli.out import Out
from client.cli.table import GROUPS, VERBS
from client.cli.verb import Argument, Verb
from crdt.errors import USAGE, OpenSeshError
from node.api.operations import OPERATIONS

_INDENT = "  "


def overview(out: Out) -> str:
    """All commands, by group."""
    lines = [
        out.style("bold", "opensesh") + "  a local-first, end-to-end-encrypted workbench for AI coding threads",
        "",
        "usage: opensesh                     open the screen (without a terminal: list)",
        "       opensesh COMMAND [options]   run one command; the node starts by itself",
        "       opensesh COMMAND --help      what a command does, with an example",
    ]
    for group, title in GROUPS.items():
        lines += ["", out.style("bold", title), *_list([verb for verb in VERBS.values() if verb.group == group])]
    lines += [
        "",
        out.style("bold", "For scripts"),
        *_columns(
            [
                ("--json", "data as JSON on stdout, an error as one JSON line on stderr"),
                ("exit codes", "0 done, 1 failed or refused or timed out, 2 not understood, 130 interrupted"),
                ("THREAD", "an id, a unique beginning of one, or an exact title"),
                ("OPENSESH_HOME", "a folder that holds everything; two of them are two installations"),
                ("OPENSESH_NODE_AUTOSTART", "0 keeps commands from starting the node"),
                ("NO_COLOR", "set, it turns colour off"),
            ]
        ),
    ]
    return "\n".join(lines)


def of_group(verbs: list[Verb], out: Out) -> str:
    """The commands that share their first word."""
    return "\n".join([f"usage: opensesh {verbs[0].words[0]} COMMAND [options]", "", *_list(verbs)])


def of_verb(verb: Verb, out: Out) -> str:
    """One command: usage, arguments, options, examples."""
    lines = [f"usage: {verb.usage}", "", verb.summary]
    if verb.detail:
        lines += _wrapped(verb.detail)
    places = [argument for argument in verb.arguments if not argument.flags]
    options = [argument for argument in verb.arguments if argument.flags]
    if places:
        lines += ["", out.style("bold", "Arguments"), *_columns([(a.spelling, _doc(a)) for a in places])]
    rows = [(_flags(argument), _doc(argument)) for argument in options]
    rows += [("--json", "JSON on stdout; an error as one JSON line on stderr"), ("-h, --help", "this")]
    lines += ["", out.style("bold", "Options"), *_columns(rows)]
    lines += ["", out.style("bold", "Examples"), *(_INDENT + example for example in verb.examples)]
    shapes = _shapes(verb)
    if shapes:
        lines += ["", out.style("bold", "With --json"), *shapes]
    return "\n".join(lines)


def incomplete(verbs: list[Verb]) -> OpenSeshError:
    """The usage error for the first word of a group alone."""
    word = verbs[0].words[0]
    names = ", ".join(verb.words[1] for verb in verbs)
    return USAGE(f"opensesh {word} what? There is: {names}.", next=f"See: opensesh {word} --help")


def _flags(argument: Argument) -> str:
    spelling = ", ".join(sorted(argument.flags, key=len))
    return f"{spelling} {argument.metavar}" if argument.takes_value else spelling


def _doc(argument: Argument) -> str:
    return f"{argument.doc} (needed)" if argument.flags and argument.required else argument.doc


def _shapes(verb: Verb) -> list[str]:
    """What it prints with `--json`: a key ending in ? may be missing, and there may be more."""
    if verb.json:
        return [line for shape in verb.json.split("\n") for line in _wrapped(shape, _INDENT)]
    lines = []
    for name in verb.operations:
        operation = OPERATIONS[name]
        shapes = operation.result.items() if operation.stream else [("", operation.result)]
        for kind, shape in shapes:
            text = _shape(shape)
            if kind:
                text = f'{{"type": "{kind}", {text[1:]}'.replace('"*"', "<any other>")
            lines += _wrapped(text, _INDENT)
    return lines


def _shape(shape: object) -> str:
    if isinstance(shape, dict):
        return "{" + ", ".join(f'"{key}": {_shape(value)}' for key, value in shape.items()) + "}"
    if isinstance(shape, list):
        return f"[{_shape(shape[0])}, …]"
    return f"<{shape}>"


def _wrapped(text: str, indent: str = "") -> list[str]:
    import textwrap

    return textwrap.wrap(
        text,
        100,
        initial_indent=indent,
        subsequent_indent=indent * 2,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _list(verbs: list[Verb]) -> list[str]:
    return _columns([(verb.name, verb.summary) for verb in verbs])


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    widest = max(len(name) for name, _ in rows)
    return [f"{_INDENT}{name.ljust(widest)}  {text}" for name, text in rows]
