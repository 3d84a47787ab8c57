"""What a script relies on beyond the shapes: streams, exit codes, interruption, pipes that close, quick starts."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from crdt.errors import DISK_FULL
from tests.client.handlers import HOSTILE, LINES, RUN, THREAD_IDS, FakeNode, message, thread_row
from tests.client.inside import Inside
from tests.client.shell import PATIENCE_S, ROOT, Shell
from tests.waiting import until

FORBIDDEN = ("aiohttp", "pycrdt", "litellm", "msgspec", "nacl", "httpx", "asyncio", "argparse", "http.client")


async def test_a_command_imports_nothing_heavy(served: FakeNode, shell: Shell) -> None:
    code = (
        "import sys, opensesh; code = opensesh.main(['list', '--json']);"
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    finished = await Shell(shell.environ, [sys.executable, "-P", "-c", code])()
    assert (finished.code, finished.err) == (0, "[]\n")


def test_a_command_imports_few_modules_at_all() -> None:
    # Each one takes time at every start. How much in all is measured by `opensesh bench`, not by a test.
    code = (
        "import sys; before = set(sys.modules); import opensesh, client.cli.main, client.cli.inputs,"
        " client.cli.session, client.cli.threads; print(len(sys.modules.keys() - before))"
    )
    counted = subprocess.run([sys.executable, "-P", "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                             capture_output=True, text=True, check=True)  # fmt: skip
    assert int(counted.stdout) < 90


async def test_a_hostile_title_reaches_no_terminal_but_every_script(served: FakeNode, cli: Inside) -> None:
    text = (await cli("list")).out
    assert "Evil ␛]0;owned␇" in text and "\x1b" not in text and "\u202e" not in text
    raw = (await cli("list", "--json")).out
    assert raw.isascii() and "\x1b" not in raw
    assert json.loads(raw)["threads"][1]["title"] == HOSTILE


async def test_an_error_that_quotes_hostile_text_is_harmless_too(served: FakeNode, cli: Inside) -> None:
    served.errors["thread.list"] = DISK_FULL(HOSTILE, path=HOSTILE, nearest=[{"id": "a", "title": HOSTILE}])
    finished = await cli("list")
    assert finished.code == 1 and "\x1b" not in finished.err and "\x07" not in finished.err


async def test_a_missing_thread_is_an_error_that_names_the_nearest(served: FakeNode, cli: Inside) -> None:
    finished = await cli("show", "missing")
    assert (finished.code, finished.out) == (1, "")
    assert "error E002" in finished.err and "Parser" in finished.err and "next: " in finished.err
    assert (await cli("show", "missing", "--json")).error["details"]["nearest"][0]["title"] == "Parser"


async def test_ask_prints_the_answer_alone_and_harmless(served: FakeNode, cli: Inside) -> None:
    finished = await cli("ask", "k3v9", "why?")
    assert (finished.code, finished.out, finished.err) == (0, "Hello wor␛[2Jld\n", "")


async def test_ask_as_json_gives_each_event_and_ends_with_the_last(served: FakeNode, cli: Inside) -> None:
    finished = await cli("ask", "k3v9", "why?", "--json")
    assert finished.values == LINES["run.ask"]


@pytest.mark.parametrize(
    ("end", "code", "says"),
    [
        ({"type": "run.failed", **RUN, "error": {"code": "E036", "message": "no key"}}, 1, "no key"),
        ({"type": "run.cancelled", **RUN}, 1, "cancelled"),
        ({"type": "run.completed", **RUN, "message_id": "m", "text": "never streamed"}, 0, ""),
    ],
)
async def test_how_a_run_ends_is_the_exit_code(
    served: FakeNode, cli: Inside, end: dict[str, Any], code: int, says: str
) -> None:
    served.lines["run.ask"] = [LINES["run.ask"][0], end]
    finished = await cli("ask", "k3v9", "why?")
    assert finished.code == code and says in finished.err
    assert finished.out == ("never streamed\n" if code == 0 else "")
    finished = await cli("ask", "k3v9", "why?", "--json")
    assert (finished.code, finished.values[-1]) == (code, end)


async def test_a_message_may_come_from_standard_input(served: FakeNode, cli: Inside) -> None:
    for words in (["say", "k3v9"], ["say", "k3v9", "-"]):
        assert (await cli(*words, stdin="Grüße,\nAna\n".encode())).code == 0
        assert served.last("message.say")["text"] == "Grüße,\nAna"
    assert (await cli("say", "k3v9", stdin=b"\n")).code == 2
    assert (await cli("say", "k3v9", stdin=b"\xff\xfe")).code == 1


async def test_a_message_may_begin_with_a_dash_after_two(served: FakeNode, cli: Inside) -> None:
    assert (await cli("say", "k3v9", "--", "--json")).code == 0
    assert served.last("message.say")["text"] == "--json"


async def test_a_message_larger_than_the_node_takes_is_refused_before_it_is_sent(served: FakeNode, cli: Inside) -> None:
    finished = await cli("say", "k3v9", "--json", stdin=b"x" * (8 * 1024 * 1024 + 1))
    assert (finished.code, finished.error["name"]) == (1, "TOO_LARGE")
    assert not served.calls


async def test_ctrl_c_is_130_and_leaves_the_run_going(served: FakeNode, shell: Shell) -> None:
    served.lines["run.ask"] = LINES["run.ask"][:3]
    served.holding["run.ask"] = asyncio.Event()
    process = await shell.begin("ask", "k3v9", "why?", "--json")
    assert process.stdout is not None
    for _ in range(3):
        await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert json.loads(err)["error"]["code"] == "E015"


async def test_leaving_a_pairing_tells_the_node_so_that_it_burns_the_code(served: FakeNode, shell: Shell) -> None:
    served.lines["pair.show"] = LINES["pair.show"][:1]
    served.holding["pair.show"] = asyncio.Event()
    process = await shell.begin("pair", "--json")
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline())["code"] == "6-diet-eagle"
    process.send_signal(signal.SIGINT)
    await process.wait()
    await until(lambda: "pair.show" in served.left)


async def test_pairing_as_json_begins_with_the_code_and_ends_with_the_device(served: FakeNode, cli: Inside) -> None:
    lines = (await cli("pair", "--json")).values
    assert lines[0]["code"] and lines[-1]["paired"]["device"]["name"] == "desktop"
    assert served.last("pair.show")["confirm"] is False
    await cli("pair", "-", stdin=b" 7-a-b \n")
    assert served.last("pair.join")["code"] == "7-a-b"


@pytest.mark.parametrize(
    "words",
    [["--relay", "ws://r"], ["--phrase-stdin"], ["--yes", "--confirm"], ["7-a-b", "--yes"], ["-", "--phrase-stdin"]],
)
async def test_what_makes_no_sense_in_pairing_is_a_usage_error(served: FakeNode, cli: Inside, words: list[str]) -> None:
    finished = await cli("pair", *words, "--json", stdin=b"words")
    assert (finished.code, finished.error["code"]) == (2, "E011")
    assert not served.calls


async def test_a_reader_that_has_seen_enough_is_no_error(served: FakeNode, shell: Shell) -> None:
    served.answers["thread.list"] = {"threads": [thread_row(n, f"Thread {n} " + "x" * 80) for n in range(10_000)]}
    for words in (["list"], ["list", "--json"]):
        process = await shell.begin(*words)
        assert process.stdout is not None and process.stderr is not None
        assert await process.stdout.read(100)
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE_S):
            assert await process.stderr.read() == b""
            assert await process.wait() == 0


async def test_ten_thousand_threads_are_listed_whole(served: FakeNode, shell: Shell) -> None:
    served.answers["thread.list"] = {"threads": [thread_row(n, f"Thread {n}") for n in range(10_000)]}
    assert len((await shell("list")).out.splitlines()) == 10_000
    assert len((await shell("list", "--json")).value["threads"]) == 10_000


async def test_output_that_can_not_be_written_is_said(served: FakeNode, shell: Shell) -> None:
    served.answers["thread.show"] = {
        **{"id": THREAD_IDS[0], "title": "t", "project": None, "updated_at": "", "cursor": 1},
        "messages": [message("x" * 200_000)],
    }
    with open("/dev/full", "wb") as full:  # noqa: ASYNC230, PTH123
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "opensesh", "show", "k3v9", "--json"),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            env=shell.environ,
        )
        _, err = await process.communicate()
    assert process.returncode == 1
    assert json.loads(err)["error"]["name"] == "DISK_FULL"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_closed_standard_streams_are_no_reason_to_fail(served: FakeNode, shell: Shell, closed: str) -> None:
    command = f'"{sys.executable}" -P -m opensesh list {closed}'
    finished = await Shell(shell.environ, ["/bin/sh", "-c", command])()
    assert (finished.code, finished.err) == (0, "")


async def test_an_old_encoding_gets_escapes_and_no_failure(served: FakeNode, shell: Shell) -> None:
    shell.environ |= {"PYTHONIOENCODING": "ascii"}
    finished = await shell("list")
    assert finished.code == 0 and "Evil \\u241b" in finished.out


async def test_without_a_terminal_the_bare_command_is_the_list(served: FakeNode, cli: Inside) -> None:
    bare, listed = await cli(), await cli("list")
    assert bare.code == 0 and bare.out == listed.out != ""


async def test_an_empty_list_says_on_stderr_what_to_do_next(served: FakeNode, cli: Inside) -> None:
    served.answers["thread.list"] = {"threads": []}
    finished = await cli("list")
    assert (finished.code, finished.out) == (0, "") and "opensesh new" in finished.err
    assert (await cli("list", "--json")).value == {"threads": []}


async def test_ids_are_printed_as_long_as_they_need_to_be_told_apart(served: FakeNode, cli: Inside) -> None:
    ids = ["k3v9aaaaaaaa" + "x" * 40, "k3v9aaaaaaaa" + "y" * 40]
    served.answers["thread.list"] = {"threads": [{**thread_row(0, "T"), "id": thread} for thread in ids]}
    first = [line.split()[0] for line in (await cli("list")).out.splitlines()]
    assert first == ["k3v9aaaaaaaax", "k3v9aaaaaaaay"]


async def test_delete_without_its_flag_asks_and_without_a_terminal_names_the_flag(
    served: FakeNode, cli: Inside
) -> None:
    finished = await cli("delete", "k3v9", "--json")
    assert (finished.code, finished.error["code"]) == (2, "E012")
    assert "--forever" in finished.error["next"]
    assert not served.calls


async def test_words_asked_for_without_a_terminal_name_the_flag(served: FakeNode, cli: Inside) -> None:
    finished = await cli("recovery", "confirm", "--json", stdin=b"zebra")
    assert (finished.code, finished.error["code"]) == (2, "E012")
    assert "--phrase-stdin" in finished.error["next"]


@pytest.mark.parametrize("words", [["provider", "add", "l", "--base-url", "u", "--model", "m", "--key-stdin=sk-1"]])
async def test_a_secret_as_an_argument_is_refused(served: FakeNode, cli: Inside, words: list[str]) -> None:
    finished = await cli(*words)
    assert finished.code == 2 and "standard input" in finished.err
    assert not served.calls


async def test_doctor_fails_if_a_check_failed(served: FakeNode, cli: Inside) -> None:
    assert (await cli("doctor")).code == 0
    checks = [{"name": "disk", "state": "failed", "message": "full", "next": "free some"}]
    served.answers["doctor"] = {"ok": False, "checks": checks}
    finished = await cli("doctor")
    assert finished.code == 1 and "failed: full" in finished.out and "free some" in finished.out
