"""Real programs in a pseudo-terminal."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crdt.errors import OpenSeshError
from node.terminals import program as terminal_program
from node.terminals.program import Program
from tests.processes import is_there
from tests.waiting import until

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@contextlib.asynccontextmanager
async def program(*words: str, columns: int = 80, rows: int = 24, folder: str = "/") -> AsyncIterator[Program]:
    started = await Program.start(words, folder, ENVIRONMENT, columns, rows)
    try:
        yield started
    finally:
        await started.close()


async def said(running: Program) -> bytes:
    """All it says, to its end."""
    found = b""
    async with asyncio.timeout(20):
        while data := await running.read():
            found += data
    return found


async def until_said(running: Program, text: bytes) -> bytes:
    found = b""
    async with asyncio.timeout(20):
        while text not in found:
            data = await running.read()
            assert data, f"it ended with {found!r}"
            found += data
    return found


async def test_a_program_has_a_terminal_of_the_size_asked_for() -> None:
    async with program("sh", "-c", "stty size; tty -s && echo a tty; echo $TERM", columns=97, rows=31) as running:
        assert await said(running) == b"31 97\r\na tty\r\nxterm-256color\r\n"
        assert await running.wait() == 0


async def test_its_exit_code_is_told_and_that_of_a_signal_as_shells_do() -> None:
    async with program("sh", "-c", "exit 7") as running:
        assert (await said(running), await running.wait()) == (b"", 7)
    async with program("sh", "-c", "kill -TERM $$") as running:
        await said(running)
        assert await running.wait() == 128 + signal.SIGTERM


async def test_what_is_typed_reaches_it_and_is_echoed() -> None:
    async with program("cat") as running:
        await running.write(b"hello\r")
        assert await until_said(running, b"hello\r\nhello\r\n")
        await running.write(b"\x04")
        assert await running.wait() == 0


async def test_control_c_is_the_terminals_to_turn_into_a_signal() -> None:
    async with program("sh", "-c", "trap 'echo caught; exit 3' INT; echo ready; read line") as running:
        await until_said(running, b"ready")
        await running.write(b"\x03")
        await until_said(running, b"caught")
        assert await running.wait() == 3


async def test_another_size_is_told_to_it() -> None:
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done"
    async with program("sh", "-c", script) as running:
        await until_said(running, b"ready")
        running.resize(120, 40)
        await until_said(running, b"40 120")


async def test_it_does_not_inherit_signals_that_python_ignores() -> None:
    async with program(
        "sh", "-c", "yes | head -1; grep -i sigign /proc/self/status || echo SigIgn: 0000000000000000"
    ) as it:
        assert (await said(it)).split()[-1] == b"0000000000000000"


async def test_a_closed_terminal_ends_what_runs_in_it_and_leaves_no_zombie() -> None:
    async with program("sh", "-c", "sleep 1000 & echo $!; wait") as running:
        child = int(await until_said(running, b"\n"))
        assert is_there(running.pid) and is_there(child)
    assert not is_there(running.pid)
    await until(lambda: not is_there(child), "the child's end")


async def test_what_does_not_mind_being_hung_up_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_program, "HANG_UP_S", 0.2)
    async with program("sh", "-c", "trap '' HUP TERM; echo ready; while :; do sleep 1; done") as running:
        await until_said(running, b"ready")
    assert not is_there(running.pid)
    assert await running.wait() == 128 + signal.SIGKILL


async def test_a_child_that_keeps_the_terminal_open_does_not_keep_it_for_ever() -> None:
    async with program("sh", "-c", "trap '' HUP; (trap '' HUP; sleep 1000) & echo $!; exit 4") as running:
        child = int(await said(running))
        assert await running.wait() == 4
    os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has only the hanging up")
async def test_it_ends_with_a_node_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(
        "import asyncio, sys, os\n"
        "from node.terminals.program import Program\n"
        "async def main():\n"
        "    ignoring = \"trap '' HUP; echo $$; while :; do sleep 1; done\"\n"
        "    it = await Program.start(['sh', '-c', ignoring], '/', dict(os.environ), 80, 24)\n"
        "    print((await it.read()).decode().strip(), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    node = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert node.stdout is not None
    pid = int(await node.stdout.readline())
    assert is_there(pid)
    node.kill()
    await node.wait()
    await until(lambda: not is_there(pid), "the program's end")


@pytest.mark.parametrize(
    ("words", "folder", "why"),
    [
        (["no-such-program-here"], "/", "no program"),
        (["./none"], "/", "no program"),
        (["sh"], "/no/such/folder", "no folder"),
        (["/etc"], "/", "no program"),
    ],
)
async def test_what_is_no_program_is_said_before_anything_begins(words: list[str], folder: str, why: str) -> None:
    with pytest.raises(OpenSeshError, match=why) as caught:
        await Program.start(words, folder, ENVIRONMENT, 80, 24)
    assert caught.value.kind.name == "PROGRAM_NOT_STARTED"


async def test_a_program_of_a_relative_path_is_found_from_its_folder(tmp_path: Path) -> None:
    script = tmp_path / "hello"
    script.write_text("#!/bin/sh\necho in $(basename $(pwd))\n")
    script.chmod(0o755)
    async with program("./hello", folder=str(tmp_path)) as running:
        assert (await said(running)).decode().strip() == f"in {tmp_path.name}"


async def test_it_waits_while_nobody_reads() -> None:
    async with program("sh", "-c", "yes | head -c 3000000; echo; echo done") as running:
        assert (await running.read()).startswith(b"y\r\n")
        assert running._process.returncode is None
        assert (await said(running)).endswith(b"done\r\n")
