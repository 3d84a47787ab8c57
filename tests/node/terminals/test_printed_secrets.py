"""Secrets that a terminal has printed are found before the thread is shared."""

import random
import string
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.terminals import secrets
from node.terminals.secrets import scan_terminals
from tests.node.second_device import Machine, machine
from tests.node.terminals.test_terminals import started, terminals
from tests.node.terminals.watching import Watcher

drawn = random.Random(7)
TOKEN = "gh" + "p_" + "".join(drawn.choices(string.ascii_letters + string.digits, k=36))


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Machine]:
    async with machine(tmp_path, "here") as made:
        yield made


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (f"echo; echo one; echo {TOKEN}", 3),
        (f"printf '\\033[31m{TOKEN[:9]}\\033[0m{TOKEN[9:]}\\r\\n'", 1),
        (f"printf '\\033[?1049h\\033[5;5Htoken: {TOKEN} \\033[?1049l'", 1),
        (f"printf '\\033]52;c;{TOKEN}\\007'", 1),
        ("echo nothing to see", None),
    ],
)
async def test_what_a_terminal_showed_is_scanned_with_its_place(
    here: Machine, tmp_path: Path, script: str, line: int | None
) -> None:
    thread = await here.new("shell")
    async with terminals(here) as on:
        file = tmp_path / "script"
        file.write_text(script)
        terminal = await started(on, thread, "sh", str(file), size=(120, 24))
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await watcher.ends()
        found = await scan_terminals(here.threads, thread)
    wanted = [] if line is None else [(terminal, "terminal", line)]
    assert [(place.message, place.field, place.finding.line) for place in found] == wanted
    assert not any(TOKEN in place.finding.excerpt for place in found)


async def test_none_hides_on_the_seam_of_two_blocks_and_none_is_found_twice(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "BLOCK_CHARACTERS", 1_000)
    monkeypatch.setattr(secrets, "OVERLAP_CHARACTERS", 200)
    thread = await here.new("shell")
    file = tmp_path / "script"
    file.write_text(f"i=0; while [ $i -lt 60 ]; do echo '{'.' * 97} {TOKEN}'; i=$((i+1)); done")
    async with terminals(here) as on:
        terminal = await started(on, thread, "sh", str(file), size=(200, 24))
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await watcher.ends()
        found = await scan_terminals(here.threads, thread)
    assert [place.finding.line for place in found] == list(range(1, 61))


async def test_a_secret_in_a_command_is_found_for_all_members_see_its_words(here: Machine) -> None:
    thread = await here.new("shell")
    async with terminals(here) as on:
        terminal = await started(on, thread, "true", TOKEN)
        found = await scan_terminals(here.threads, thread)
    assert [(place.message, place.field) for place in found] == [(terminal, "command")]
