"""Code in colours (pure): comments, strings, numbers and keywords of common languages; a diff by its signs.

A lexer of our own, since code comes from anybody and is laid out while one types: each pattern here takes time
linear in the text, whatever the text is, which full lexers don't promise. What it gets wrong is only a colour.
"""

import re
from functools import lru_cache

from client.screen.styled import Line

MOST = 20_000  # characters of a block that is coloured; a longer one is no reading matter


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_HASH = _words("python py sh bash zsh shell ruby rb yaml yml toml ini make makefile dockerfile perl r elixir nix")
_SLASH = _words(
    "c cpp c++ h java js javascript jsx mjs ts tsx typescript go rust rs swift kotlin scala cs csharp php dart zig",
    "json jsonc json5 css scss proto",
)
_DASH = _words("sql lua haskell hs elm")
_COMMENTS = {
    **dict.fromkeys(_HASH, r"(?<!\S)#[^\n]*"),
    **dict.fromkeys(_SLASH, r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)"),
    **dict.fromkeys(_DASH, r"--[^\n]*"),
}
# A string in one line has a longest length: the search for the end of one that never ends has to end too.
_STRINGS = (
    r"""\"{3}[\s\S]*?(?:\"{3}|\Z)|'{3}[\s\S]*?(?:'{3}|\Z)"""
    r"""|"(?:[^"\\\n]|\\.){0,300}"|'(?:[^'\\\n]|\\.){0,300}'|`[^`]*`"""
)
_KEYWORDS = _words(
    "abstract and as assert async await begin break case catch class const continue crate create def default defer",
    "del delete do done echo elif else elsif end enum esac except export extends extern fi final finally fn for",
    "from func function global go goto group if impl implements import in insert instanceof interface into is",
    "join lambda let limit local loop match mod module move mut namespace new nil nonlocal not null nullptr of on",
    "or order override package pass private protected protocol pub public raise ref require rescue return",
    "select self set static struct super switch table template then this throw throws trait true false True",
    "False None try type typedef typeof union unless unsafe until update use using values var virtual void where",
    "while with yield",
)


def coloured(code: str, language: str) -> list[Line]:
    """The lines of a block, in the colours of a language that is known by its name in Markdown."""
    language = language.casefold()
    if language in ("diff", "patch"):
        return [((_of_diff(line), line),) for line in code.split("\n")]
    if language not in _COMMENTS or len(code) > MOST:
        return [(("class:block", line),) for line in code.split("\n")]
    return _lines(_tokens(code, language))


def _tokens(code: str, language: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    for match in _pattern(language).finditer(code):
        style = match.lastgroup or ""
        word = match[0].casefold() if language == "sql" else match[0]
        if style == "word" and word not in _KEYWORDS:
            continue
        found += [("class:block", code[at : match.start()]), (f"class:block.{style}", match[0])]
        at = match.end()
    return [*found, ("class:block", code[at:])]


@lru_cache
def _pattern(language: str) -> re.Pattern[str]:
    comment = _COMMENTS[language]
    return re.compile(rf"(?P<comment>{comment})|(?P<string>{_STRINGS})|(?P<number>\b\d[\w.]*)|(?P<word>[A-Za-z_]\w*)")


def _lines(tokens: list[tuple[str, str]]) -> list[Line]:
    lines: list[list[tuple[str, str]]] = [[]]
    for style, text in tokens:
        first, *others = text.split("\n")
        if first:
            lines[-1].append((style, first))
        lines += [[(style, each)] if each else [] for each in others]
    return [tuple(line) for line in lines]


def _of_diff(line: str) -> str:
    if line.startswith(("+++", "---", "@@", "diff ", "index ")):
        return "class:block.comment"
    return {"+": "class:block.added", "-": "class:block.removed"}.get(line[:1], "class:block")
