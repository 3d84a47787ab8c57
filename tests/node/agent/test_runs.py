"""Runs in real threads and a real store: asked twice, cut off by a crash, and on two devices."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from crdt import errors
from crdt.ids import ThreadId
from node import runs
from node.agent.lease import LAPSE_AFTER_MS
from node.agent.ports import ModelCall, ModelDelta, ModelDone, RunRecord
from node.agent.steps import State
from node.happenings import Happening
from tests.node.agent.devices import Device, Line, one_device, two_devices
from tests.node.agent.stage import PATIENCE_S, HandTools, Script, over, soon

DONE = ModelDone("stop")
Alone = tuple[Device, ThreadId]
Both = tuple[Device, Device, Line, ThreadId]


def text(said: str) -> ModelDelta:
    return ModelDelta("text", said)


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Alone]:
    async with one_device(tmp_path) as made:
        yield made


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    async with two_devices(tmp_path) as made:
        yield made


async def test_an_answer_goes_into_the_thread(alone: Alone) -> None:
    device, thread = alone
    device.models.script = Script([text("Hello."), DONE])
    assert (await device.asking(thread, "Hi?", "one").end())["text"] == "Hello."
    assert await device.texts(thread) == [("Hi?", "final"), ("Hello.", "final")]
    assert await device.states(thread) == ["completed"]


async def test_the_same_request_asked_again_is_the_same_run(alone: Alone) -> None:
    device, thread = alone
    go = asyncio.Event()
    device.models.script = script = Script([text("Hel"), go, text("lo."), DONE])
    first = device.asking(thread, "Hi?", "one")
    await first.until("run.delta")
    again = device.asking(thread, "Hi?", "one")
    await again.until("run.delta")
    go.set()
    assert await first.end() == await again.end() and first.lines == again.lines
    later = device.asking(thread, "Hi?", "one")
    assert await later.end() == first.lines[-1] and len(later.lines) == 1
    assert len(script.asked) == 1 and len(await device.texts(thread)) == 2


async def test_a_request_id_that_was_used_for_another_question_is_refused(alone: Alone) -> None:
    device, thread = alone
    go = asyncio.Event()
    device.models.script = script = Script([go, text("Hello."), DONE])
    first = device.asking(thread, "Hi?", "one")
    await first.until("run.started")
    for _ in range(2):  # while it goes on, and after its end
        with pytest.raises(errors.OpenSeshError) as refused:
            await device.asking(thread, "Delete everything?", "one").end()
        assert refused.value.kind is errors.REQUEST_INVALID
        go.set()
        await first.end()
    assert len(script.asked) == 1 and len(await device.texts(thread)) == 2


async def test_the_same_request_asked_twice_at_once_is_one_run(alone: Alone) -> None:
    device, thread = alone
    device.models.script = script = Script([text("Hello."), DONE], [text("Hello."), DONE])
    asked = [device.asking(thread, "Hi?", "one") for _ in range(3)]
    assert [(await each.end())["text"] for each in asked] == ["Hello."] * 3
    assert len(script.asked) == 1
    assert await device.texts(thread) == [("Hi?", "final"), ("Hello.", "final")]


async def test_the_same_request_asked_again_while_the_first_is_answered_is_not_answered_anew(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second stands between looking for the run and beginning it until the first has ended."""
    device, thread = alone
    write, ended, written = device.runs._writer.write_prompt, asyncio.Event(), 0

    async def slow_for_the_second(thread: str, text: str, request: str) -> str:
        nonlocal written
        written += 1
        if written > 1:
            await ended.wait()
        return await write(thread, text, request)

    monkeypatch.setattr(device.runs._writer, "write_prompt", slow_for_the_second)
    device.models.script = script = Script([text("Hello."), DONE], [text("Again."), DONE])
    first, second = (device.asking(thread, "Hi?", "one") for _ in range(2))
    await first.end()
    ended.set()
    assert (await second.end())["text"] == "Hello." and len(script.asked) == 1


async def test_a_new_request_is_a_retry_that_knows_what_was_cut_off(alone: Alone) -> None:
    device, thread = alone
    device.models.script = Script([text("Half"), ConnectionError()])
    assert (await device.asking(thread, "Hi?", "one").end())["type"] == "run.failed"
    device.models.script = script = Script([text("Whole."), DONE])
    assert (await device.asking(thread, "Hi?", "two").end())["type"] == "run.completed"
    assert [message.content for message in script.asked[0][1:]] == [
        "Hi?",
        "Half\n[This answer was interrupted.]",
        "Hi?",
    ]


async def test_after_a_crash_in_the_middle_the_run_is_interrupted_and_keeps_what_was_said(alone: Alone) -> None:
    device, thread = alone
    device.models.script = Script([text("Half"), asyncio.Event()])
    asked = device.asking(thread, "Hi?", "one")
    await asked.until("run.delta")
    assert await device.states(thread) == ["streaming"]
    await device.crash_and_start()
    assert await device.texts(thread) == [("Hi?", "final"), ("Half", "interrupted")]
    assert await device.states(thread) == ["interrupted"]
    device.models.script = Script()
    told = await device.asking(thread, "Hi?", "one").end()
    assert told["type"] == "run.failed" and told["error"]["next"] == "Ask again.", "the same request is the same run"
    await asked.end()


async def test_a_crash_between_the_threads_word_and_the_journals_does_not_unsay_a_completed_answer(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, thread = alone
    device.models.script = Script([text("Whole."), DONE])
    put, reached = device.runs._journal.put, asyncio.Event()

    async def hanging(run: RunRecord) -> None:
        if run.state is State.COMPLETED:
            reached.set()
            await asyncio.Event().wait()
        await put(run)

    monkeypatch.setattr(device.runs._journal, "put", hanging)
    asked = device.asking(thread, "Hi?", "one")
    await soon(reached)
    await device.crash_and_start()
    assert await device.states(thread) == ["completed"]
    assert await device.texts(thread) == [("Hi?", "final"), ("Whole.", "final")]
    device.models.script = Script()
    assert (await device.asking(thread, "Hi?", "one").end())["text"] == "Whole."
    await asked.end()


async def test_a_crash_while_a_tool_is_waited_for_leaves_no_call_open(alone: Alone) -> None:
    device, thread = alone
    tools = HandTools()
    device.runs._around = replace(device.runs._around, tools=tools)
    call = ModelCall("c1", "grep", "{}")
    device.models.script = Script([call, ModelCall("c2", "sh", "{}"), DONE])
    asked = device.asking(thread, "Hi?", "one")
    _, decide = await asyncio.wait_for(tools.proposed.get(), PATIENCE_S)
    decide("c1", True, "")
    await asyncio.wait_for(tools.running.get(), PATIENCE_S)
    await device.crash_and_start()
    answer = (await device.opened(thread)).view.messages()[-1]
    assert [(part.id, part.status, part.result) for part in answer.parts] == [
        ("c1", "interrupted", "Stopped; its effects are unknown."),
        ("c2", "interrupted", "It never ran."),
    ]
    await asked.end()


async def test_questions_in_one_thread_are_answered_one_after_the_other(alone: Alone) -> None:
    device, thread = alone
    go = asyncio.Event()
    device.models.script = first = Script([go, text("One."), DONE])
    one = device.asking(thread, "First?", "one")
    await one.until("run.started")
    device.models.script = second = Script([text("Two."), DONE])
    two = device.asking(thread, "Second?", "two")
    await two.until("run.queued")
    assert not second.asked, "it waits for its turn"
    go.set()
    assert ((await one.end())["text"], (await two.end())["text"]) == ("One.", "Two.")
    assert [message.content for message in second.asked[0][1:]] == ["First?", "One.", "Second?"]
    assert len(first.asked) == 1


async def test_a_question_that_waits_can_be_cancelled_without_touching_the_one_before_it(alone: Alone) -> None:
    device, thread = alone
    go = asyncio.Event()
    device.models.script = Script([go, text("One."), DONE])
    one = device.asking(thread, "First?", "one")
    await one.until("run.started")
    two = device.asking(thread, "Second?", "two")
    run = (await two.until("run.queued"))["run"]
    assert await device.runs.cancel(thread, run) == [run]
    assert (await two.end())["type"] == "run.cancelled"
    go.set()
    assert (await one.end())["text"] == "One."
    assert sorted(await device.states(thread)) == ["cancelled", "completed"]


async def test_stopping_the_node_interrupts_what_runs_and_says_so_in_the_thread(alone: Alone) -> None:
    device, thread = alone
    device.models.script = Script([text("Half"), asyncio.Event()])
    asked = device.asking(thread, "Hi?", "one")
    await asked.until("run.delta")
    await device.runs.close()
    assert (await asked.end())["type"] == "run.failed"
    assert await device.texts(thread) == [("Hi?", "final"), ("Half", "interrupted")]
    assert await device.states(thread) == ["interrupted"]


# ---- two devices


async def test_a_question_on_another_device_is_answered_by_the_one_that_runs_the_thread(both: Both) -> None:
    laptop, desktop, line, thread = both
    laptop.models.script = Script([text("One."), DONE])
    await laptop.asking(thread, "First?", "one").end()
    await line.quiet()
    laptop.models.script = script = Script([text("Two."), DONE])
    desktop.models.script = nobody = Script()
    asked = desktop.asking(thread, "Second?", "two")
    end = await asked.end()
    assert (end["type"], end["text"]) == ("run.completed", "Two.")
    assert asked.lines[0]["type"] == "run.queued" and len(script.asked) == 1 and not nobody.asked
    await line.quiet()
    assert await laptop.texts(thread) == await desktop.texts(thread)
    assert await laptop.states(thread) == await desktop.states(thread) == ["completed"] * 2


@pytest.mark.parametrize("skew_ms", [-(10**9), 10**9])
async def test_what_another_device_runs_is_left_to_it_however_wrong_the_clocks_are(both: Both, skew_ms: int) -> None:
    laptop, desktop, line, thread = both
    desktop.clock.ms += skew_ms
    desktop.runs._since_ms = desktop.clock.ms
    laptop.models.script = Script([text("One."), DONE])
    await laptop.asking(thread, "First?", "one").end()
    await line.quiet()
    line.cut()
    desktop.models.script = script = Script()
    asked = desktop.asking(thread, "Second?", "two")
    queued = await asked.until("run.queued")
    assert queued["runner"] == laptop.runs._me_text and not script.asked
    asked.task.cancel()


async def test_a_device_that_falls_silent_is_taken_over_from_visibly_and_both_agree_afterwards(both: Both) -> None:
    laptop, desktop, line, thread = both
    laptop.models.script = Script([text("One."), DONE])
    await laptop.asking(thread, "First?", "one").end()
    await line.quiet()
    line.cut()
    desktop.models.script = Script([text("Two."), DONE])
    asked = desktop.asking(thread, "Second?", "two")
    await asked.until("run.queued")
    desktop.clock.advance(LAPSE_AFTER_MS)
    await desktop.here.say(thread, "Anybody there?")  # any change of the thread has it looked at again
    assert (await asked.end())["text"] == "Two."
    laptop.models.script = None
    await line.mend(thread)
    assert await laptop.texts(thread) == await desktop.texts(thread)
    assert await laptop.states(thread) == await desktop.states(thread) == ["completed"] * 2
    for device in (laptop, desktop):
        leases = sorted((await device.opened(thread)).view.leases())
        assert leases == [(1, laptop.runs._me), (2, desktop.runs._me)]


async def test_a_take_over_interrupts_what_runs_on_the_other_device(both: Both) -> None:
    laptop, desktop, line, thread = both
    laptop.models.script = running = Script([text("Half"), asyncio.Event()])
    first = laptop.asking(thread, "First?", "one")
    await first.until("run.delta")
    await line.quiet()
    desktop.models.script = Script([text("Two."), DONE])
    second = desktop.asking(thread, "Second?", "two", take_over=True)
    assert (await second.end())["text"] == "Two."
    assert (await first.end())["error"]["name"] == "RUN_ELSEWHERE"
    await soon(running.closed)
    await line.quiet()
    assert sorted(await desktop.states(thread)) == ["completed", "interrupted"]
    assert ("Half", "interrupted") in await desktop.texts(thread)


async def test_a_request_id_that_was_used_on_the_other_device_is_refused_for_another_question(both: Both) -> None:
    laptop, desktop, line, thread = both
    laptop.models.script = Script([text("One."), DONE])
    await laptop.asking(thread, "First?", "one").end()
    await line.quiet()
    desktop.models.script = nobody = Script()
    with pytest.raises(errors.OpenSeshError) as refused:
        await desktop.asking(thread, "Something else?", "one").end()
    assert refused.value.kind is errors.REQUEST_INVALID and not nobody.asked


async def test_a_run_can_be_cancelled_from_the_other_device(both: Both) -> None:
    laptop, desktop, line, thread = both
    laptop.models.script = running = Script([text("Half"), asyncio.Event()])
    asked = laptop.asking(thread, "First?", "one")
    run = (await asked.until("run.delta"))["run"]
    await line.quiet()
    assert await desktop.runs.cancel(thread, None) == [run]
    assert (await asked.end())["type"] == "run.cancelled"
    await soon(running.closed)
    await line.quiet()
    assert await desktop.states(thread) == ["cancelled"]
    assert await desktop.runs.cancel(thread, None) == []


async def test_a_run_that_goes_on_elsewhere_is_told_state_by_state(both: Both) -> None:
    laptop, desktop, line, thread = both
    go = asyncio.Event()
    laptop.models.script = Script([text("One"), go, text("."), DONE])
    with desktop.here.threads.bus.subscribe() as events:
        asked = laptop.asking(thread, "First?", "one")
        await asked.until("run.delta")
        go.set()
        await asked.end()
        await line.quiet()
        told = []
        while "completed" not in told:
            event = await asyncio.wait_for(anext(events), PATIENCE_S)
            if isinstance(event, Happening) and event.type == "run.state":
                told.append(event.data["state"])
    assert told == ["queued", "streaming", "completed"]


async def test_a_question_that_is_queued_to_an_absent_device_can_be_cancelled_by_whoever_asked(both: Both) -> None:
    laptop, desktop, line, thread = both
    laptop.models.script = script = Script([text("One."), DONE])
    await laptop.asking(thread, "First?", "one").end()
    await line.quiet()
    line.cut()
    desktop.models.script = Script()
    asked = desktop.asking(thread, "Second?", "two")
    run = (await asked.until("run.queued"))["run"]
    assert await desktop.runs.cancel(thread, run) == [run]
    await line.mend(thread)
    assert (await asked.end())["type"] == "run.cancelled"
    assert len(script.asked) == 1


async def test_two_take_overs_at_once_leave_one_runner(both: Both) -> None:
    laptop, desktop, line, thread = both
    line.cut()
    asked, scripts = [], []
    for device, said in ((laptop, "from the laptop"), (desktop, "from the desktop")):
        device.models.script = script = Script([text(said), asyncio.Event()])
        asked.append(device.asking(thread, "Who runs?", f"by {said}"))
        scripts.append(script)
        await asked[-1].until("run.delta")
    await line.mend(thread)
    await asyncio.wait({each.task for each in asked}, timeout=PATIENCE_S, return_when="FIRST_COMPLETED")
    lower = min(laptop.runs._me, desktop.runs._me)
    stays, goes = (0, 1) if laptop.runs._me == lower else (1, 0)
    assert (await asked[goes].end())["error"]["name"] == "RUN_ELSEWHERE"
    assert not asked[stays].task.done() and not scripts[stays].closed.is_set()


async def lease_on_laptop(both: Both) -> tuple[Device, Device, Line, ThreadId]:
    """The laptop has answered in the thread, and both know it."""
    laptop, desktop, line, thread = both
    desktop.models.script = Script()
    laptop.models.script = Script([text("One."), DONE])
    await laptop.asking(thread, "First?", "one").end()
    await line.quiet()
    return both


async def test_the_end_of_a_run_elsewhere_is_told_at_once_and_after_all_of_its_text(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "LOOK_AGAIN_S", 10 * PATIENCE_S)
    laptop, desktop, _, thread = await lease_on_laptop(both)
    said = [text(f"{number} ") for number in range(50)]
    laptop.models.script = Script([*said, DONE])
    asked = desktop.asking(thread, "Second?", "two")
    end = await asked.end()
    deltas = [each["text"] for each in asked.lines if each["type"] == "run.delta"]
    assert end["type"] == "run.completed" and "".join(deltas) == end["text"] == "".join(each.text for each in said)


async def test_a_slow_reader_of_a_run_elsewhere_is_not_cut_off(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOOK_AGAIN_S", 0.001)
    laptop, desktop, line, thread = await lease_on_laptop(both)
    go = asyncio.Event()
    laptop.models.script = Script([text("Two"), go, text("!"), DONE])
    lines = desktop.ask(thread, "Second?", "two")
    async with asyncio.timeout(PATIENCE_S):
        while (await anext(lines))["type"] != "run.delta":
            pass
        (driver,) = laptop.runs._drivers.values()
        go.set()
        await over(driver)  # what the reader does meanwhile takes its time
        await line.quiet()
        rest = [each async for each in lines]
    assert rest[-1]["type"] == "run.completed" and rest[-1]["text"] == "Two!"


async def test_stopping_a_node_ends_what_it_follows_and_says_that_it_goes_on_elsewhere(both: Both) -> None:
    laptop, desktop, _, thread = await lease_on_laptop(both)
    laptop.models.script = Script([text("Two"), asyncio.Event()])
    asked = desktop.asking(thread, "Second?", "two")
    await asked.until("run.delta")
    await desktop.runs.close()
    end = await asked.end()
    assert end["type"] == "run.failed" and "other device goes on" in end["error"]["message"]
    assert sorted(await laptop.states(thread)) == ["completed", "streaming"]


async def test_a_run_is_shown_as_its_runner_has_it_and_not_as_whoever_asked_left_it(both: Both) -> None:
    laptop, desktop, line, thread = await lease_on_laptop(both)
    for asks, answers in ((desktop, laptop), (laptop, desktop)):  # whichever of their lanes comes first
        answers.models.script = Script([text("Half"), asyncio.Event()])
        asks.models.script = Script()
        if answers is desktop:
            taking = desktop.asking(thread, "Mine.", "mine", take_over=True)
            await taking.until("run.delta")
            await desktop.runs.cancel(thread, None)
            await taking.end()
            desktop.models.script = Script([text("Half"), asyncio.Event()])
            await line.quiet()
        asked = asks.asking(thread, "Second?", f"by {asks.here.account.device_name}")
        await asked.until("run.delta")
        await line.quiet()
        for device in (laptop, desktop):
            shown = (await device.opened(thread)).view.runs()[asked.lines[0]["run"]]
            assert (shown["state"], shown["device"]) == ("streaming", answers.runs._me)
        await answers.runs.cancel(thread, asked.lines[0]["run"])
        assert (await asked.end())["type"] == "run.cancelled"
