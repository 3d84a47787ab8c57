"""Shell completion: scripts written from the table, complete in themselves; no command runs at a Tab."""

from client.cli.parse import Arguments
from client.cli.session import Session
from client.cli.table import VERBS
from client.cli.verb import Argument, Verb

GLOBAL_FLAGS = ("--json", "--help")


def completion(session: Session, arguments: Arguments) -> int:
    """Print the script for a shell."""
    script = {"bash": bash, "zsh": zsh, "fish": fish}[arguments.shell]()
    if session.out.as_json:
        session.out.data({"shell": arguments.shell, "script": script})
    else:
        session.out.raw(script)
    return 0


def first_words() -> list[str]:
    """What may follow `opensesh`."""
    return list(dict.fromkeys([*(verb.words[0] for verb in VERBS.values()), "help"]))


def second_words(first: str) -> list[str]:
    """What may follow the first word of a group."""
    return [verb.words[1] for verb in VERBS.values() if len(verb.words) == 2 and verb.words[0] == first]


def bash() -> str:
    """For bash, of version 3.2 on, which macOS has."""
    groups = "\n".join(
        f"        {word}) words='{' '.join(second_words(word))}' ;;" for word in first_words() if second_words(word)
    )
    flags = "\n".join(
        f"        '{verb.name}') words='{' '.join(_choices(verb))} {' '.join(_flags(verb))}' ;;"
        for verb in VERBS.values()
    )
    return f"""# opensesh completion for bash: eval "$(opensesh completion bash)"
_opensesh() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" first="${{COMP_WORDS[1]}}" second="${{COMP_WORDS[2]}}" words=''
    local verb="$first"
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='{" ".join(first_words())} {" ".join(GLOBAL_FLAGS)} --version'
    else
        [ "$COMP_CWORD" -gt 2 ] && case "$first" in
            {"|".join(word for word in first_words() if second_words(word))}) verb="$first $second" ;;
        esac
        [ "$COMP_CWORD" -eq 2 ] && case "$first" in
{groups}
        esac
        [ -z "$words" ] && case "$verb" in
{flags}
        esac
    fi
    COMPREPLY=( $(compgen -W "$words" -- "$current") )
    [ ${{#COMPREPLY[@]}} -eq 0 ] && case "$current" in -*) ;; *) COMPREPLY=( $(compgen -f -- "$current") ) ;; esac
}}
complete -o filenames -F _opensesh opensesh
"""


def zsh() -> str:
    """For zsh, as a function to be sourced."""
    groups = "\n".join(
        f"        {word}) _describe command {_name(word)} && return ;;" for word in first_words() if second_words(word)
    )
    lists = "\n".join(
        f"    local -a {_name(word)}; {_name(word)}=("
        + " ".join(_quote(f"{verb.words[1]}:{verb.summary}") for verb in VERBS.values() if verb.words[0] == word)
        + ")"
        for word in first_words()
        if second_words(word)
    )
    firsts = " ".join(_quote(f"{word}:{_summary(word)}") for word in first_words())
    cases = "\n".join(
        f"        {_quote(verb.name)}) _arguments -s {' '.join(_zsh_flag(argument) for argument in verb.arguments)}"
        " '--json[JSON on stdout]' '--help[explain]' '*:file:_files' ;;"
        for verb in VERBS.values()
    )
    return f"""#compdef opensesh
# opensesh completion for zsh: eval "$(opensesh completion zsh)"
_opensesh() {{
    local -a firsts; firsts=({firsts})
{lists}
    local verb="$words[2]"
    if (( CURRENT == 2 )); then _describe command firsts; return; fi
    if (( CURRENT == 3 )); then
        case "$verb" in
{groups}
        esac
    fi
    case "$verb" in {"|".join(word for word in first_words() if second_words(word))}) verb="$verb $words[3]" ;; esac
    case "$verb" in
{cases}
    esac
}}
compdef _opensesh opensesh
"""


def fish() -> str:
    """For fish."""
    lines = ["# opensesh completion for fish: opensesh completion fish | source"]
    for word in first_words():
        lines.append(f"complete -c opensesh -f -n __fish_use_subcommand -a {word} -d {_quote(_summary(word))}")
    lines.append("complete -c opensesh -l json -d 'JSON on stdout'")
    for verb in VERBS.values():
        seen = " and ".join(f"__fish_seen_subcommand_from {word}" for word in verb.words).replace(" and ", "; and ")
        if len(verb.words) == 2:
            others = " ".join(second_words(verb.words[0]))
            first = f"__fish_seen_subcommand_from {verb.words[0]}; and not __fish_seen_subcommand_from {others}"
            lines.append(f"complete -c opensesh -f -n '{first}' -a {verb.words[1]} -d {_quote(verb.summary)}")
        for argument in verb.arguments:
            for flag in argument.flags:
                name = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                files = " -r -F" if argument.kind in ("path", "key_file") else " -r" if argument.takes_value else ""
                values = f" -a {_quote(' '.join(argument.choices))}" if argument.choices else ""
                lines.append(f"complete -c opensesh -n '{seen}' {name}{files}{values} -d {_quote(argument.doc)}")
        for choice in _choices(verb):
            lines.append(f"complete -c opensesh -f -n '{seen}' -a {choice}")
    return "\n".join(lines) + "\n"


def _flags(verb: Verb) -> list[str]:
    return [*(flag for argument in verb.arguments for flag in argument.flags), *GLOBAL_FLAGS]


def _choices(verb: Verb) -> list[str]:
    return [choice for argument in verb.arguments if not argument.flags for choice in argument.choices]


def _summary(first: str) -> str:
    if first == "help":
        return "Explain a command."
    verb = VERBS.get(first)
    return verb.summary if verb is not None else ", ".join(second_words(first))


def _zsh_flag(argument: Argument) -> str:
    if not argument.flags:
        return _quote(f":{argument.metavar}:({' '.join(argument.choices)})") if argument.choices else ""
    action = "_files" if argument.kind in ("path", "key_file") else f"({' '.join(argument.choices)})"
    value = f":{argument.metavar}:{action if action != '()' else ' '}" if argument.takes_value else ""
    return " ".join(
        _quote(f"{flag}[{argument.doc.replace('[', '(').replace(']', ')')}]{value}") for flag in argument.flags
    )


def _name(word: str) -> str:
    return f"in_{word}"


def _quote(text: str) -> str:
    """As one word of any of the three shells."""
    return "'" + text.replace("'", "’") + "'"
