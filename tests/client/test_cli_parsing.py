"""From words to a command: what is understood, and what is said of what is not."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from client.cli import completion
from client.cli.parse import find_verb, parse
from client.cli.table import VERBS
from client.cli.text import clean, one_line, shorten, size, table, width
from crdt.errors import OpenSeshError
from tests.client.inside import Inside


def values(*words: str) -> dict[str, object]:
    """What a command line comes to."""
    verb, rest = find_verb(words)
    return parse(verb, rest).values


def test_options_may_stand_anywhere_and_be_spelt_with_an_equals_sign() -> None:
    for words in (["show", "--limit", "5", "T"], ["show", "T", "--limit=5"], ["show", "T", "--limit", "5"]):
        assert values(*words) == {"thread": "T", "limit": 5, "before": None}


def test_a_group_alone_is_its_first_thing_and_with_a_misspelt_word_an_error() -> None:
    assert find_verb(["sync"])[0].name == "sync status"
    assert find_verb(["devices", "--json"])[0].name == "devices list"
    with pytest.raises(OpenSeshError) as caught:
        find_verb(["sync", "statsu"])
    assert caught.value.details["next"] == "Did you mean: opensesh sync status?"


def test_a_negative_number_and_a_lone_dash_are_words_and_not_options() -> None:
    assert values("say", "T", "-1")["text"] == "-1"
    assert values("say", "T", "-")["text"] == "-"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lsit"], "Did you mean: opensesh list?"),
        (["zzzzzz"], "opensesh --help"),
        (["show"], "THREAD is missing"),
        (["show", ""], "THREAD is empty"),
        (["show", "T", "--limti", "5"], "Did you mean --limit?"),
        (["show", "T", "--limit"], "needs its value"),
        (["show", "T", "--limit", "many"], "'many' is no integer"),
        (["show", "T", "--limit", "-1"], "'-1' is no integer"),
        (["pair", "--timeout", "nan"], "'nan' is no number"),
        (["pair", "--timeout", "inf"], "'inf' is no number"),
        (["say", "T", "two", "words"], "needs quotes"),
        (["list", "extra"], "one word too many"),
        (["list", "--trash=yes"], "takes no value"),
        (["provider", "add", "n"], "--base-url URL is missing"),
        (["completion", "tcsh"], "none of bash, zsh, fish"),
        (["export", "T", "--format", "pdf"], "none of markdown, json"),
        (["relay"], "opensesh relay what? There is: serve, status."),
        (["sync", "statsu"], "Did you mean: opensesh sync status?"),
        (["new", "\udcff"], "not valid UTF-8"),
        (["node", "run", "now"], "one word too many"),
    ],
)
async def test_what_is_not_understood_is_named_with_what_was_meant(cli: Inside, words: list[str], says: str) -> None:
    finished = await cli(*words)
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith("error E011: ") and says in finished.err
    assert (await cli(*words, "--json")).error["name"] == "USAGE"


async def test_the_overview_names_every_command_once(cli: Inside) -> None:
    finished = await cli("--help")
    assert (finished.code, finished.err) == (0, "")
    starts = [line.strip().split("  ")[0] for line in finished.out.splitlines() if line.startswith("  ")]
    assert [start for start in starts if start in VERBS] == list(VERBS)
    assert (await cli("help")).out == finished.out
    assert "sync wait" in (await cli("help", "sync")).out
    assert "usage: opensesh say" in (await cli("help", "say")).out
    assert (await cli("--version")).out.startswith("opensesh ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command_and_option(shell: str) -> None:
    script = {"bash": completion.bash, "zsh": completion.zsh, "fish": completion.fish}[shell]()
    for verb in VERBS.values():
        assert all(word in script for word in verb.words)
        for argument in verb.arguments:
            for flag in argument.flags:
                assert flag.lstrip("-") in script
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", "/dev/stdin"], input=script.encode(), capture_output=True).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["sy"], {"sync"}),
        (["sync", "w"], {"wait"}),
        (["sync", "wait", "--inc"], {"--incoming"}),
        (["show", "k3v9", "--lim"], {"--limit"}),
        (["completion", ""], {"bash", "zsh", "fish", "--json", "--help"}),
    ],
)
def test_bash_completes(typed: list[str], offered: set[str]) -> None:
    words = " ".join(f"'{word}'" for word in ["opensesh", *typed])
    script = f"{completion.bash()}\nCOMP_WORDS=({words}); COMP_CWORD={len(typed)}; _opensesh\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    said = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"PATH": os.environ["PATH"]})
    assert set(said.stdout.decode().split()) == offered


def test_text_from_others_is_shown_and_not_obeyed() -> None:
    assert clean("a\x1b[31mb\r\nc\rd\te\x7f\x85") == "a␛[31mb\nc␍d\te␡�"
    assert one_line(" a\nb\u202ec\u2066d\ufeffe\U000e0041 ") == "a b�c�d�e�"
    for harmless in ("👩‍💻 naïve 漢字", "می‌خواهم"):
        assert one_line(harmless) == harmless


def test_lines_are_measured_in_columns() -> None:
    assert (width("abc"), width("漢字"), width("e\u0301")) == (3, 4, 1)
    assert shorten("漢字漢字", 5) == "漢字…"
    rows = [["a", "a long text is here", "x"], ["bb", "s", "y"]]
    assert table(rows, columns=20) == ["a   a long text …  x", "bb  s              y"]
    assert [size(n) for n in (0, 999, 1500, 123_456_789)] == ["0 B", "999 B", "1.5 kB", "123 MB"]


def test_every_path_is_absolute_whatever_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert values("backup", "create", "b")["path"] == str(Path.cwd() / "b")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_prints_the_script(cli: Inside, shell: str) -> None:
    assert (await cli("completion", shell)).out.startswith("#")
    assert (await cli("completion", shell, "--json")).value["shell"] == shell
