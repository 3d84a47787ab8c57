"""The documents name commands: each is one that there is, with options that it has."""

import re
from pathlib import Path

import pytest

from client.cli.table import ALIASES, VERBS
from crdt.errors import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
# Not the protocol: what it quotes are bytes on the wire.
DOCUMENTS = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if p.name != "protocol.md")]
PASSED_ON = {"relay serve"}  # its options are the relay's own


def commands(text: str) -> list[str]:
    """What stands in code and begins with `opensesh `, up to the end of that code."""
    inline = re.findall(r"`opensesh ([^`]*)`", text)
    blocks = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return inline + [match[1] for line in blocks if (match := re.match(r"opensesh ((?:\S+ ?)+)", line))]


def check(command: str) -> None:
    words = command.split()
    plain = [word for word in words if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
    verb = next((name for name in (" ".join(plain[:2]), *plain[:1]) if name in VERBS), None)
    if verb is None and (not plain or (len(plain) == 1 and plain[0] in ALIASES)):
        return
    assert verb is not None, f"there is no command {command!r}"
    if verb not in PASSED_ON:
        known = {flag for argument in VERBS[verb].arguments for flag in argument.flags} | {"--json", "--help"}
        unknown = set(re.findall(r"--[a-z-]+", command)) - known
        assert not unknown, f"{verb!r} has no {', '.join(sorted(unknown))}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_a_document_is_there(document: Path) -> None:
    for command in commands(document.read_text(encoding="utf-8")):
        check(command)


def test_every_next_step_of_an_error_is_a_command_that_is_there() -> None:
    for kind in CATALOGUE.values():
        for command in re.findall(r"opensesh ([a-z -]+)", kind.next):
            check(command.strip())


def test_a_command_that_is_not_there_is_found() -> None:
    with pytest.raises(AssertionError, match="no command"):
        check("devices explode NAME")
    with pytest.raises(AssertionError, match="has no --phrase"):
        check("devices revoke NAME --phrase")
