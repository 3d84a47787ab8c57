"""Programs in terminals of a thread: run on one device, seen on others, typed into by whom it is due."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crdt import errors
from crdt.errors import OpenSeshError
from crdt.ids import DeviceId, IdentityId, ThreadId, from_text, to_text
from crdt.output import Opened, terminal_id
from crdt.permissions import Lane, LaneKind
from node.handlers.terminals import TerminalHandlers
from node.terminals import hands, service, view
from node.terminals.keys import Keyboard, Typed, encode_pressed
from node.terminals.ports import Allowed, Heard, NeedsEnterFrom, No, Seat, Verdict
from node.terminals.screen import MAX_HISTORY_BYTES
from node.terminals.service import STOPPED, Terminals
from tests.node.second_device import Machine, enter, machine
from tests.node.terminals.watching import Watcher
from tests.waiting import until

ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PS1": "$ "}


class Room:
    """Whispers between the devices of a test; `lose` says which are lost."""

    def __init__(self) -> None:
        self.handlers: list[tuple[Machine, Heard]] = []
        self.lose = lambda number: False
        self.sent = 0

    def of(self, here: Machine) -> "Whispering":
        return Whispering(self, here)


class Whispering:
    """`Whispers` of one device."""

    def __init__(self, room: Room, here: Machine) -> None:
        self._room, self._here = room, here

    def send(self, thread: ThreadId, kind: str, payload: bytes) -> None:
        self._room.sent += 1
        if not self._room.lose(self._room.sent):
            for other, handler in self._room.handlers:
                if other is not self._here:
                    handler(thread, self._here.account.identity, self._here.account.device.id, payload)

    def on(self, kind: str, handler: Heard) -> None:
        self._room.handlers.append((self._here, handler))


@asynccontextmanager
async def terminals(here: Machine, room: Room | None = None) -> AsyncIterator[Terminals]:
    made = Terminals(here.account, here.threads)
    if room is not None:
        made.hands.whispers = room.of(here)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Machine]:
    async with machine(tmp_path, "here") as made:
        yield made


async def started(
    on: Terminals, thread: ThreadId, *words: str, size: tuple[int, int] = (40, 8), folder: str = "/"
) -> str:
    return await on.run(thread, words, folder, ENVIRONMENT, size)


async def kind_of(error: type[BaseException], work: object) -> errors.ErrorKind:
    with pytest.raises(OpenSeshError) as caught:
        await work  # type: ignore[misc]
    return caught.value.kind


# ---- run, watch, type


async def test_what_a_program_prints_is_seen_and_its_exit_code_told(here: Machine) -> None:
    thread = await here.new("shell")
    async with terminals(here) as on:
        terminal = await started(on, thread, "sh", "-c", "stty size; printf '\\033[31mred\\033[0m'; exit 5")
        async with Watcher(on.watch(thread, terminal)) as watcher:
            end = await watcher.ends()
            assert (end["code"], end["reason"]) == (5, "")
            assert watcher.text == "8 40\nred"
            assert watcher.state["command"][0] == "sh"
        (row,) = await on.list(thread)
        assert (row["terminal"], row["state"], row["code"], row["columns"]) == (terminal, "ended", 5, 40)
        async with Watcher(on.watch(thread, terminal[:6])) as late:
            await late.ends()
            assert late.text == "8 40\nred" and late.screens == 1
    assert not await here.store.checkpoints()


async def test_who_types_sees_the_echo_and_a_new_size_reaches_program_and_watchers(here: Machine) -> None:
    thread = await here.new("shell")
    async with terminals(here) as on:
        terminal = await started(on, thread, "cat")
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await on.hands.type(thread, terminal, b"h\xc3\xa9llo\r")
            await watcher.shows("héllo\nhéllo")
            await on.hands.resize(thread, terminal, 60, 12)
            await watcher.until(lambda it: (it.state["columns"], it.state["rows"]) == (60, 12))
            await on.hands.type(thread, terminal, b"\x04")
            assert (await watcher.ends())["code"] == 0
        assert await kind_of(OpenSeshError, on.hands.type(thread, terminal, b"x")) is errors.TERMINAL_ENDED


async def test_a_program_that_asks_its_terminal_is_answered_once_also_if_its_output_is_read_anew(
    here: Machine,
) -> None:
    thread = await here.new("shell")
    script = "stty raw -echo; printf 'ab\\033[6n'; dd bs=1 count=6 2>/dev/null | od -c | head -1; cat -v"
    async with terminals(here) as on:
        terminal = await started(on, thread, "sh", "-c", script)
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await watcher.shows("033   [   1   ;   3   R")
            here.threads.forget(thread)
            await here.threads._rebuilt(thread)  # as after a cut: watchers are to read anew
            await watcher.until(lambda it: it.screens == 2)
            await on.hands.type(thread, terminal, b"then")
            await watcher.shows("then")
            assert "^[[1;3R" not in watcher.text
            await on.hands.end(thread, terminal)


async def test_a_terminal_that_is_closed_says_so(here: Machine) -> None:
    thread = await here.new("shell")
    async with terminals(here) as on:
        terminal = await started(on, thread, "sleep", "1000")
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await watcher.until(lambda it: it.screens)
            await on.hands.end(thread, terminal)
            assert await watcher.ends() == {
                "type": "terminal.ended",
                "terminal": terminal,
                "thread": watcher.state["thread"],
                "code": None,
                "reason": "it was closed",
            }


async def test_a_node_that_stops_ends_its_programs_and_says_so(here: Machine) -> None:
    thread = await here.new("shell")
    async with terminals(here) as on:
        terminal = await started(on, thread, "sleep", "1000")
    opened = await here.threads.open(thread)
    (output,) = opened.replica.outputs.values()
    assert output.ended is not None and (output.ended.code, output.ended.reason) == (None, STOPPED)
    async with terminals(here) as again, Watcher(again.watch(thread, terminal)) as watcher:
        assert (await watcher.ends())["reason"] == STOPPED


async def test_what_ran_when_the_node_was_killed_is_said_to_have_ended_at_the_next_start(here: Machine) -> None:
    thread = await here.new("shell")
    async with terminals(here) as on:
        terminal = await started(on, thread, "sleep", "1000")
        (runner,) = on._runners.values()
        runner.task.cancel()  # nothing more is said
        await asyncio.wait({runner.task})
    here.threads.forget(thread)  # the next use is another session
    async with terminals(here) as again, Watcher(again.watch(thread, terminal)) as watcher:
        assert (await watcher.ends())["reason"] == STOPPED
    assert not await here.store.checkpoints()


async def test_events_tell_that_a_terminal_began_and_ended(here: Machine) -> None:
    thread = await here.new("shell")
    _, since = await here.store.event_bounds()
    async with terminals(here) as on:
        terminal = await started(on, thread, "true")
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await watcher.ends()
    from node.happenings import unpack

    told = [unpack(e.cursor, e.thread, e.payload).to_json() for e in await here.store.events(since)]
    states = [(each["terminal"], each["state"], each["code"]) for each in told if each["type"] == "terminal.state"]
    assert states == [(terminal, "running", None), (terminal, "ended", 0)]


# ---- bounds


@pytest.mark.deep
async def test_ten_megabytes_are_kept_by_nobody_in_memory(here: Machine) -> None:
    thread = await here.new("flood")
    script = "yes 0123456789012345678901234567890123456789 | head -c 10000000; echo; echo done"
    async with terminals(here) as on:
        terminal = await started(on, thread, "sh", "-c", script)
        async with Watcher(on.watch(thread, terminal)) as watcher:
            (shown,) = on._views.values()
            assert (await watcher.ends())["code"] == 0
            assert "done" in watcher.text
            assert shown.emulator is not None
            history = shown.emulator.screen.history
            assert history.total > 200_000 and history.bytes <= MAX_HISTORY_BYTES
        opened = await here.threads.open(thread)
        links = [link for link in opened.replica.chains if link.lane.kind is LaneKind.OUTPUT]
        assert sum(len(link.update or b"") for link in links) == 0
        assert len(links) < 1_000, "it was said in large chunks"
        assert not on._views, "nobody watches"


async def test_a_watcher_that_stops_reading_holds_nobody_up_and_then_sees_the_newest_screen(here: Machine) -> None:
    thread = await here.new("flood")
    async with terminals(here) as on:
        terminal = await started(on, thread, "sh", "-c", "read go; seq 100000; echo done")
        asleep = on.watch(thread, terminal)
        first = await anext(asleep)
        assert first["type"] == "terminal.screen"
        async with Watcher(on.watch(thread, terminal)) as awake:
            await on.hands.type(thread, terminal, b"\r")
            await awake.ends()
            assert "done" in awake.text
        after = await anext(asleep)
        assert after["moved"] > 90_000 and len(after["scrolled"]) <= view.MAX_SCROLLED
        assert "done" in [line["text"] for line in after["lines"]]
        assert (await anext(asleep))["type"] == "terminal.ended"
        await asleep.aclose()  # type: ignore[attr-defined]


async def test_how_many_run_in_a_thread_is_bounded(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_RUNNING_EACH", 2)
    thread = await here.new("many")
    async with terminals(here) as on:
        for _ in range(2):
            await started(on, thread, "sleep", "1000")
        assert await kind_of(OpenSeshError, started(on, thread, "true")) is errors.PROGRAM_NOT_STARTED
        assert len(await on.list(thread)) == 2


async def test_how_many_watch_is_bounded(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_WATCHERS", 1)
    thread = await here.new("many")
    async with terminals(here) as on:
        terminal = await started(on, thread, "cat")
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await watcher.until(lambda it: it.screens)
            assert await kind_of(OpenSeshError, anext(on.watch(thread, terminal))) is errors.TOO_LARGE


async def test_a_terminal_is_found_by_a_unique_beginning_and_none_by_another(here: Machine) -> None:
    thread = await here.new("names")
    async with terminals(here) as on:
        assert await kind_of(OpenSeshError, on.find(thread, None)) is errors.TERMINAL_NOT_FOUND
        first = await started(on, thread, "cat")
        second = await started(on, thread, "cat")
        for name in ("", "zzz"):
            assert await kind_of(OpenSeshError, on.find(thread, name)) is errors.TERMINAL_NOT_FOUND
        assert terminal_id((await on.find(thread, None))[1]) == from_text(second)
        await on.hands.end(thread, second)
        assert terminal_id((await on.find(thread, None))[1]) == from_text(first)


# ---- on other devices


@asynccontextmanager
async def two(tmp_path: Path) -> AsyncIterator[tuple[Machine, Machine, ThreadId]]:
    """Two devices of one person, and a thread that both have; what either stores, the other gets."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(machine(tmp_path, "first"))
        second = await stack.enter_async_context(machine(tmp_path, "second"))
        await first.account.ensure()
        await enter(first, second)
        thread = await first.new("shared")
        await second.threads.receive(
            first.account.thread, [frame.frame async for frame in first.store.stream_frames(first.account.thread)], 1
        )
        await second.threads.receive(thread, [frame.frame async for frame in first.store.stream_frames(thread)], 1)
        tasks: set[asyncio.Task[int]] = set()

        def pass_on(to: Machine) -> None:
            queue: asyncio.Queue[bytes] = asyncio.Queue()

            async def deliver() -> int:
                while True:
                    frames = [await queue.get()]
                    while not queue.empty():
                        frames.append(queue.get_nowait())
                    await to.threads.receive(thread, frames, 1)

            source = first if to is second else second

            def stored(opened: object, frames: list[tuple[bytes, bytes, object]], origin: int) -> None:
                if origin == 0 and opened.id == thread:  # type: ignore[attr-defined]
                    for frame, _, _ in frames:
                        queue.put_nowait(frame)

            source.threads.on_stored.append(stored)  # type: ignore[arg-type]
            tasks.add(asyncio.create_task(deliver()))

        pass_on(second)
        pass_on(first)
        yield first, second, thread
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_another_device_sees_the_screen_live_and_types_with_messages_lost(tmp_path: Path) -> None:
    room = Room()
    room.lose = lambda number: number % 3 == 1
    async with two(tmp_path) as (first, second, thread), terminals(first, room) as on, terminals(second, room) as there:
        terminal = await started(on, thread, "cat")
        await until(lambda: _has(second, thread), "the terminal on the other device")
        async with Watcher(there.watch(thread, terminal)) as watcher, Watcher(on.watch(thread, terminal)) as local:
            for key in (b"h", b"i", b" ", b"t", b"h", b"e", b"r", b"e", b"\r"):
                await there.hands.type(thread, terminal, key)
            await watcher.shows("hi there\nhi there")
            await local.shows("hi there\nhi there")
            assert watcher.lines == local.lines
            await there.hands.resize(thread, terminal, 50, 9)
            await there.hands.resize(thread, terminal, 51, 9)
            await watcher.until(lambda it: it.state["columns"] in (50, 51))
            (row,) = await there.list(thread)
            assert (row["here"], row["state"]) == (False, "running")


async def _has(machine: Machine, thread: ThreadId) -> bool:
    return any(output.opened for output in (await machine.threads.open(thread)).replica.outputs.values())


class Ruled:
    """A `Control` by a table."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    async def may_type(self, seat: Seat, identity: IdentityId, device: DeviceId) -> Verdict:
        return self.verdict


async def test_who_does_not_control_a_terminal_can_not_type_neither_here_nor_from_elsewhere(tmp_path: Path) -> None:
    room = Room()
    async with two(tmp_path) as (first, second, thread), terminals(first, room) as on, terminals(second, room) as there:
        terminal = await started(on, thread, "cat")
        await until(lambda: _has(second, thread), "the terminal on the other device")
        on.hands.control = Ruled(No(first.account.identity))
        for work in (
            on.hands.type(thread, terminal, b"x"),
            on.hands.resize(thread, terminal, 10, 10),
            on.hands.end(thread, terminal),
        ):
            assert await kind_of(OpenSeshError, work) is errors.PERMISSION_DENIED
        # A patched client that asks nobody: the device that runs it does.
        await there.hands.type(thread, terminal, b"forged\r")
        await there.hands.resize(thread, terminal, 99, 9)
        await there.hands.end(thread, terminal)
        await until(on.hands._pressed.empty, "that all of it was looked at")
        on.hands.control = Ruled(NeedsEnterFrom(first.account.identity))
        await there.hands.type(thread, terminal, b"guest\r\x04")
        async with Watcher(there.watch(thread, terminal)) as watcher:
            await watcher.shows("guest")
            on.hands.control = Ruled(Allowed())
            await on.hands.type(thread, terminal, b"\r")
            await watcher.shows("guest\nguest")
            assert "forged" not in watcher.text and watcher.state["columns"] == 40 and watcher.end is None


async def test_nobody_below_editor_runs_a_program(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from crdt.membership import Membership
    from crdt.permissions import Role

    thread = await here.new("not yours")
    monkeypatch.setattr(Membership, "role", lambda self, identity: Role.COMMENTER)
    async with terminals(here) as on:
        with pytest.raises(OpenSeshError) as caught:
            await started(on, thread, "true")
        assert caught.value.kind is errors.PERMISSION_DENIED and caught.value.details["role"] == "editor"
        assert await on.list(thread) == []


async def test_who_loses_the_right_while_a_program_runs_loses_the_program(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await here.new("withdrawn")
    async with terminals(here) as on:
        terminal = await started(on, thread, "cat")
        (runner,) = on._runners.values()
        from crdt.replica import Replica

        def refuse(self: Replica, name: bytes, chunk: object) -> None:
            raise errors.PERMISSION_DENIED()

        monkeypatch.setattr(Replica, "commit_output", refuse)
        await on.hands.type(thread, terminal, b"still here?\r")
        await asyncio.wait({runner.task}, timeout=20)
        assert runner.task.done() and not on._runners


async def test_a_disk_that_is_full_for_a_while_costs_nothing(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from node.terminals import runner as running

    monkeypatch.setattr(running, "RETRY_S", 0.01)
    thread = await here.new("full")
    async with terminals(here) as on:
        terminal = await started(on, thread, "sh", "-c", "read go; echo kept")
        say, left = on._say, [3]

        async def full(thread: ThreadId, terminal: bytes, chunk: object) -> None:
            if left[0]:
                left[0] -= 1
                raise errors.DISK_FULL()
            await say(thread, terminal, chunk)  # type: ignore[arg-type]

        monkeypatch.setattr(on, "_say", full)
        await on.hands.type(thread, terminal, b"\r")
        async with Watcher(on.watch(thread, terminal)) as watcher:
            assert (await watcher.ends())["code"] == 0
            assert "kept" in watcher.text and left == [0]


async def test_hostile_bytes_of_another_member_reach_watchers_as_cells_alone(here: Machine) -> None:
    thread = await here.new("hostile")
    async with terminals(here) as on:
        hostile = b"a\x1b]52;c;c3RlYWw=\x07b\x1b[6n\x1b]8;;http://x\x07c\x1bP+q\x1b\\\x9b31md\xe2\x80\xae!"
        escaped = "".join(f"\\{byte:03o}" for byte in hostile)
        script = f"printf '{escaped}'"
        terminal = await started(on, thread, "sh", "-c", script)
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await watcher.ends()
            assert watcher.text.startswith("abc") and not any(ord(each) < 32 for each in "".join(watcher.lines))
            assert "\u202e" not in watcher.text


def whisper(on: Terminals, thread: ThreadId, terminal: str, number: int, data: bytes, at: int = 0) -> None:
    """Somebody's device says this, in a stream of its own."""
    (scope,) = [lane.scope for of, lane in on._runners if of == thread and to_text(terminal_id(lane)) == terminal]
    payload = encode_pressed(Typed(scope, number.to_bytes(8, "big"), at, data))
    on.hands._heard(thread, IdentityId(b"m" * 32), DeviceId(b"m" * 32), payload)


async def test_who_may_not_type_has_nothing_typed_twice_by_opening_streams_without_end(tmp_path: Path) -> None:
    room = Room()
    async with two(tmp_path) as (first, second, thread), terminals(first, room) as on, terminals(second, room) as there:
        terminal = await started(on, thread, "cat")
        await until(lambda: _has(second, thread), "the terminal on the other device")
        async with Watcher(on.watch(thread, terminal)) as watcher:
            await there.hands.type(thread, terminal, b"rm it\r")
            await watcher.shows("rm it\nrm it")
            on.hands.control = Ruled(No(first.account.identity))
            for number in range(300):
                whisper(on, thread, terminal, number, b"x")
            await until(on.hands._pressed.empty, "that all of it was looked at")
            on.hands.control = Ruled(Allowed())
            await there.hands.type(thread, terminal, b"then\r")
            await watcher.shows("then\nthen")
            assert watcher.text.count("rm it") == 2


async def test_somebody_elses_terminals_without_end_hide_none_of_ours(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_LISTED", 2)
    thread = await here.new("many")
    async with terminals(here) as on:
        ours = await started(on, thread, "cat")
        for _ in range(3):
            await on._say(thread, os.urandom(16), Opened(("late",), 80, 24, "", 2**50))
        await on.hands.type(thread, ours, b"\x04")
        async with Watcher(on.watch(thread, ours)) as watcher:
            assert (await watcher.ends())["code"] == 0


async def test_who_runs_which_terminal_is_worked_out_once_for_each(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, thread = itertools.count(), await here.new("many")
    monkeypatch.setattr(hands, "terminal_id", lambda lane: (next(made), terminal_id(lane))[1])
    async with terminals(here) as on:
        for _ in range(20):
            await on._say(thread, os.urandom(16), Opened(("sh",), 80, 24, "", 1))
        names = [to_text(terminal_id(lane)) for lane in (await here.threads.open(thread)).replica.outputs]
        assert {on.hands.host_of(thread, name) for name in names} == {here.account.identity}
        assert on.hands.host_of(thread, "another") is None and next(made) <= 20
        await on._say(thread, scope := os.urandom(16), Opened(("sh",), 80, 24, "", 1))
        late = terminal_id(Lane(LaneKind.OUTPUT, here.account.device.id, scope))
        assert on.hands.host_of(thread, to_text(late)) == here.account.identity


async def test_a_flood_of_keys_by_who_may_not_type_leaves_room_for_the_drivers(tmp_path: Path) -> None:
    room = Room()
    async with two(tmp_path) as (first, second, thread), terminals(first, room) as on, terminals(second, room) as there:
        terminal = await started(on, thread, "cat")
        await until(lambda: _has(second, thread), "the terminal on the other device")
        key = await there.find(thread, terminal)
        async with Watcher(on.watch(thread, terminal)) as watcher:
            for number in range(2 * hands.MAX_PRESSED):  # the burst of a few devices, heard in one turn
                whisper(on, thread, terminal, number, b"x")
            there.hands._whisper(thread, encode_pressed(Typed(key[1].scope, b"streamof", 0, b"heard\r")))
            on.hands.control = Only(first.account.identity)
            await watcher.shows("heard\nheard")
            await until(on.hands._pressed.empty, "that all of it was looked at")
            whisper(on, thread, terminal, 1, b"x")
            assert not on.hands._pressed.empty(), "and there is room again for them, too"


class Only:
    """A `Control` that lets one person type."""

    def __init__(self, driver: IdentityId) -> None:
        self._driver = driver

    async def may_type(self, seat: Seat, identity: IdentityId, device: DeviceId) -> Verdict:
        return Allowed() if identity == self._driver else No(self._driver)


def test_who_needs_anothers_enter_types_no_enter_on_the_device_that_runs_the_program_either() -> None:
    needs = NeedsEnterFrom(IdentityId(bytes(32)))
    assert hands._allowed(b"rm -r .\r", needs) == b"rm -r ."
    assert hands._allowed(b"", needs) == b"", "a new size, say: nothing is typed"
    for start in (b"\r", b"\n", b"\x03", b"\x1b[A", b"\x1bOB", b"\t"):
        with pytest.raises(OpenSeshError) as caught:
            hands._allowed(start, needs)
        assert caught.value.kind is errors.PERMISSION_DENIED
    with pytest.raises(OpenSeshError):
        hands._allowed(b"", No(None))


class Noted:
    """Stands for the terminals and for the library: notes what would be run."""

    id, text, summary = ThreadId(bytes(32)), "thread", SimpleNamespace(project=None)
    environment: Mapping[str, str] | None = None

    async def find(self, name: str) -> "Noted":
        return self

    async def run(
        self, thread: ThreadId, words: object, folder: str, environment: Mapping[str, str], size: object
    ) -> str:
        self.environment = environment
        return "t"


async def test_a_program_is_run_with_words_it_can_be_given_and_without_what_is_meant_for_the_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted: Any = Noted()
    asked = TerminalHandlers(noted, noted, lambda thread: nullcontext())
    context: Any = None

    def command(words: object, environment: object = None) -> Any:
        values = {"command": words, "environment": environment, "folder": None, "columns": 80, "rows": 24}
        return SimpleNamespace(thread="thread", **values)

    for words in (["a\0b"], [], [""], "ls", [1], ["x" * 70_000]):
        with pytest.raises(OpenSeshError) as caught:
            await asked.run(command(words), context)
        assert caught.value.kind is errors.REQUEST_INVALID
    for given in (["A=\0"], ["A=" + "x" * 140_000]):
        with pytest.raises(OpenSeshError):
            await asked.run(command(["ls"], given), context)
    assert noted.environment is None
    monkeypatch.setenv("OPENSESH_KEYRING", "file")
    monkeypatch.setenv("EDITOR", "vi")
    await asked.run(command(["ls"]), context)
    assert noted.environment["EDITOR"] == "vi"
    assert not [name for name in noted.environment if name.startswith("OPENSESH_")]


def typed(at: int, data: bytes, stream: bytes = bytes(8)) -> Typed:
    return Typed(bytes(16), stream, at, data)


def test_keys_that_a_relay_repeats_in_any_order_are_typed_once() -> None:
    board, who = Keyboard(), IdentityId(bytes(32))
    assert board.new(who, typed(0, b"ls ")) == b"ls "
    assert board.new(who, typed(0, b"ls -l")) == b"-l"
    for again in (typed(0, b"ls "), typed(0, b"ls -l"), typed(3, b"-l"), typed(0, b"l")):
        assert board.new(who, again) == b""
    assert board.new(who, typed(0, b"ls -l\r")) == b"\r"


def test_of_one_person_so_many_streams_are_remembered_and_those_in_use_longest() -> None:
    board, who, other = Keyboard(), IdentityId(bytes(32)), IdentityId(bytes([1]) * 32)
    assert board.new(other, typed(0, b"x", b"another!")) == b"x"
    assert board.new(who, typed(0, b"x", b"in use..")) == b"x"
    for number in range(200):
        assert board.new(who, typed(0, b"y", number.to_bytes(8, "big"))) == b"y"
        assert board.new(who, typed(0, b"x", b"in use..")) == b""
    assert board.new(who, typed(0, b"y", (199).to_bytes(8, "big"))) == b""
    assert board.new(other, typed(0, b"x", b"another!")) == b"", "nobody makes what another typed be forgotten"
    assert len(board._reached[who]) == 64


async def test_how_many_run_on_a_device_is_bounded_too(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_RUNNING", 2)
    async with terminals(here) as on:
        for name in ("one", "two"):
            await started(on, await here.new(name), "cat")
        third = await here.new("three")
        assert await kind_of(OpenSeshError, started(on, third, "cat")) is errors.PROGRAM_NOT_STARTED


async def test_how_many_screens_are_kept_of_terminals_that_run_elsewhere_is_bounded(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_VIEWS", 0)
    thread = await here.new("views")
    async with terminals(here) as on:
        terminal = await started(on, thread, "cat")
        async with Watcher(on.watch(thread, terminal)) as watcher:  # what runs here is shown in any case
            await watcher.until(lambda it: it.screens)
        await on.hands.end(thread, terminal)
        assert await kind_of(OpenSeshError, anext(on.watch(thread, terminal))) is errors.TOO_LARGE
