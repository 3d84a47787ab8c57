"""A run from its queueing to its end: what is stored, in which order, and what its readers hear."""

import asyncio

import pytest

from crdt.errors import DISK_FULL, INTERNAL, NETWORK_ERROR, RUN_ELSEWHERE
from node.agent.driver import ending
from node.agent.inbox import INBOX_SIZE
from node.agent.names import answer_id
from node.agent.ports import ModelCall, ModelDelta, ModelDone, ModelLost, NoTools, PastMessage, ToolRecord
from node.agent.steps import State, ToolCall
from node.agent.turn import FLUSH_AFTER_MS
from tests.node.agent.stage import HandTools, Script, Stage, line, lines, named, over, soon

DONE = ModelDone("stop")


def text(said: str) -> ModelDelta:
    return ModelDelta("text", said)


def call(identifier: str = "c1", name: str = "grep") -> ModelCall:
    return ModelCall(identifier, name, "{}")


def kinds(told: list[dict[str, object]]) -> list[object]:
    return [each["type"] for each in told]


async def test_an_answer_is_streamed_to_readers_and_stored_in_the_thread() -> None:
    stage = Stage()
    driver = await stage.begin(Script([ModelDelta("reasoning", "Hm."), text("Hello."), DONE]))
    told = await lines(driver)
    await over(driver)
    assert kinds(told)[:2] == ["run.queued", "run.started"] and kinds(told)[-1] == "run.completed"
    assert {(each["part"], each["text"]) for each in told if each["type"] == "run.delta"} == {
        ("reasoning", "Hm."),
        ("text", "Hello."),
    }
    assert told[-1]["text"] == "Hello.", "the reasoning is not part of the answer"
    assert stage.answer(driver) == ("Hello.", "final")
    assert stage.thread.reasoning[answer_id(driver.record.id)] == "Hm."
    assert stage.shown(driver) == stage.journal.runs[driver.record.id] == driver.record
    assert driver.record.state is State.COMPLETED and driver.record.ended_at_ms == stage.clock.ms
    assert stage.ended == [driver]


async def test_nothing_is_told_to_readers_before_it_is_stored() -> None:
    stage = Stage()
    slow = stage.disk.hold("text")
    driver = await stage.begin(Script([text("Hello."), DONE]))
    await soon(stage.disk.reached["text"])
    told = asyncio.ensure_future(line(driver, lambda each: each["type"] == "run.delta"))
    await asyncio.wait([told], timeout=0)
    assert not told.done()
    slow.set()
    assert (await told)["text"] == "Hello."


async def test_the_thread_says_how_a_run_ended_before_the_journal_forgets_it() -> None:
    """A crash between the two leaves a run that the next start looks up in the thread."""
    stage = Stage()
    driver = await stage.begin(Script([text("Hello."), DONE]))
    await lines(driver)
    finish = stage.disk.log.index(("finish", "final"))
    assert stage.disk.log[finish:] == [("finish", "final"), ("thread", "completed"), ("journal", "completed")]
    begun = stage.disk.log.index(("begin", "test/scripted"))
    assert {("thread", "streaming"), ("journal", "streaming")} <= set(stage.disk.log[:begun])


async def test_a_reader_who_comes_after_the_end_is_told_everything() -> None:
    driver = await Stage().begin(Script([text("Hello."), DONE]))
    first = await lines(driver)
    assert await lines(driver) == first


async def test_the_model_is_sent_the_history_without_the_prompts_that_still_wait() -> None:
    stage, script = Stage(), Script([text("Hello."), DONE])
    driver = await stage.driver(script, "First?", "one")
    behind = await stage.thread.write_prompt("thread", "Second?", "two")
    driver.start(lambda: [behind])
    await lines(driver)
    assert [message.content for message in script.asked[0] if message.role == "user"] == ["First?"]


async def test_tokens_are_summed_over_rounds_and_unknown_until_a_provider_counts() -> None:
    stage = Stage()
    counted = Script([call(), ModelDone("tool_calls", 10, None)], [text("x"), ModelDone("stop", 5, 7)])
    driver = await stage.begin(counted)
    await lines(driver)
    assert (driver.record.input_tokens, driver.record.output_tokens, driver.record.round) == (15, 7, 1)
    silent = await stage.begin(Script([text("x"), DONE]), request="other")
    await lines(silent)
    assert silent.record.input_tokens is None


async def test_what_did_not_fit_is_kept_as_a_receipt() -> None:
    stage, script = Stage(), Script([text("x"), DONE])
    script.context_chars = 2_000
    stage.thread.past = [PastMessage(str(number), "user", ("x" * 900,), "Ann") for number in range(5)]
    driver = await stage.begin(script)
    await lines(driver)
    record = stage.shown(driver)
    assert (record.omitted, record.omitted_first, record.omitted_last) == (4, "0", "3")
    assert "compacting" in stage.states("journal")


# ---- the model fails


@pytest.mark.parametrize(
    ("error", "state", "name"),
    [
        (NETWORK_ERROR("The line is dead."), State.FAILED, "NETWORK_ERROR"),
        (ModelLost("The worker died."), State.INTERRUPTED, "INTERNAL"),
        (ConnectionResetError(), State.FAILED, "NETWORK_ERROR"),
        (TimeoutError(), State.FAILED, "TIMEOUT"),
        (RuntimeError("with sk-a-secret in it"), State.FAILED, "INTERNAL"),
    ],
    ids=["refused", "lost", "reset", "late", "unforeseen"],
)
async def test_a_failure_in_the_middle_keeps_the_text_and_is_told_by_name(
    error: Exception, state: State, name: str
) -> None:
    stage = Stage()
    driver = await stage.begin(Script([text("Half"), error]))
    told = await lines(driver)
    assert told[-1]["type"] == "run.failed" and told[-1]["error"]["name"] == name
    assert "sk-a-secret" not in str(told)
    assert stage.answer(driver) == ("Half", "interrupted")
    assert stage.shown(driver).state is stage.journal.runs[driver.record.id].state is state


async def test_a_stream_that_just_ends_is_not_taken_for_a_whole_answer() -> None:
    stage = Stage()
    driver = await stage.begin(Script([text("Half")]))
    assert (await lines(driver))[-1]["error"]["name"] == "PROVIDER_FAILED"
    assert stage.answer(driver) == ("Half", "interrupted")


async def test_a_prompt_that_is_gone_fails_the_run_before_any_model_is_called() -> None:
    stage, script = Stage(), Script([DONE])
    driver = await stage.driver(script)
    stage.thread.past.clear()
    driver.start(tuple)
    assert (await lines(driver))[-1]["error"]["name"] == "REQUEST_INVALID"
    assert script.asked == []


async def test_a_history_that_cannot_be_read_fails_the_run() -> None:
    stage = Stage()
    stage.disk.faults["history"].append(INTERNAL())
    driver = await stage.begin(Script([DONE]))
    assert (await lines(driver))[-1]["type"] == "run.failed"


# ---- stopping


async def test_a_cancel_closes_the_models_stream_though_the_disk_hangs() -> None:
    stage, more = Stage(), asyncio.Event()
    slow = stage.disk.hold("text")
    script = Script([text("Hel"), more, text("lo"), DONE])
    driver = await stage.begin(script)
    await soon(stage.disk.reached["text"])
    driver.cancel()
    await soon(script.closed)
    assert driver.task and not driver.task.done(), "the disk still hangs"
    slow.set()
    assert (await lines(driver))[-1]["type"] == "run.cancelled"
    assert stage.answer(driver) == ("Hel", "interrupted") and stage.shown(driver).state is State.CANCELLED


async def test_a_cancel_overtakes_the_text_that_waits() -> None:
    stage, more = Stage(), asyncio.Event()
    slow = stage.disk.hold("text")
    script = Script([text("first"), more, *[text("late")] * 500, DONE])
    driver = await stage.begin(script)
    await soon(stage.disk.reached["text"])
    more.set()
    await soon(script.after(INBOX_SIZE + 1))
    driver.cancel()
    slow.set()
    await lines(driver)
    assert "late" not in stage.answer(driver)[0]


async def test_a_run_can_be_cancelled_while_it_is_being_queued() -> None:
    stage = Stage()
    slow = stage.disk.hold("thread")
    driver = await stage.driver(Script())
    queueing = asyncio.ensure_future(driver.queue())
    await soon(stage.disk.reached["thread"])
    driver.cancel()
    slow.set()
    await queueing
    assert (await lines(driver))[-1]["type"] == "run.cancelled"
    assert stage.states("thread") == ["queued", "cancelled"], "and the queueing is not recorded over it"
    assert stage.journal.runs[driver.record.id].state is State.CANCELLED


async def test_a_run_that_ended_before_it_was_queued_is_not_queued_any_more() -> None:
    stage = Stage()
    driver = await stage.driver(Script())
    driver.cancel()
    await over(driver)
    await driver.queue()
    assert stage.states("thread") == ["cancelled"]


async def test_a_run_whose_lease_is_lost_is_interrupted_and_says_where_it_goes_on() -> None:
    stage, more = Stage(), asyncio.Event()
    driver = await stage.begin(Script([text("Half"), more]))
    await line(driver, lambda each: each["type"] == "run.delta")
    driver.cut(RUN_ELSEWHERE("Another device took this thread over."))
    told = await lines(driver)
    assert told[-1]["error"]["name"] == "RUN_ELSEWHERE"
    assert stage.answer(driver) == ("Half", "interrupted") and stage.shown(driver).state is State.INTERRUPTED


async def test_readers_of_a_run_whose_task_is_cancelled_are_not_left_waiting() -> None:
    stage = Stage()
    driver = await stage.begin(Script([text("Half"), asyncio.Event()]))
    await line(driver, lambda each: each["type"] == "run.delta")
    assert driver.task
    driver.task.cancel()
    assert (await lines(driver))[-1]["type"] == "run.failed"
    assert stage.journal.runs[driver.record.id].state is State.STREAMING, "the next start finds and settles it"


# ---- the disk fails


async def test_a_run_that_cannot_be_queued_ends_and_says_why() -> None:
    stage = Stage()
    stage.disk.faults["journal"].append(DISK_FULL())
    driver = await stage.driver(Script())
    await driver.queue()
    assert (await lines(driver))[-1]["error"]["name"] == "DISK_FULL"
    assert stage.shown(driver).state is State.FAILED


async def test_text_that_could_not_be_stored_is_not_followed_by_text_that_hides_the_gap() -> None:
    stage, go = Stage(), asyncio.Event()
    script = Script([text("one "), go, ModelDelta("reasoning", "hm"), text("two "), text("three "), DONE])
    driver = await stage.begin(script)
    await line(driver, lambda each: each["type"] == "run.delta")
    stage.disk.faults["reasoning"].append(DISK_FULL())
    go.set()
    told = await lines(driver)
    assert told[-1]["type"] == "run.failed" and told[-1]["error"]["name"] == "DISK_FULL"
    assert stage.answer(driver) == ("one ", "interrupted")
    assert stage.shown(driver).state is State.FAILED
    await soon(script.closed)


async def test_readers_hear_the_cause_though_not_even_the_failure_can_be_stored() -> None:
    stage = Stage()
    full: list[Exception] = [DISK_FULL() for _ in range(9)]
    stage.disk.faults.update(text=full[:3], finish=full[3:6], thread=[])
    driver = await stage.driver(Script([text("Hi"), DONE]))
    await driver.queue()
    gone = stage.disk.hold("text")
    driver.start(tuple)
    await soon(stage.disk.reached["text"])
    stage.disk.faults["thread"] += full[6:]
    gone.set()
    told = await lines(driver)
    assert kinds(told).count("run.failed") == 1 and told[-1]["error"]["name"] == "DISK_FULL"
    assert stage.journal.runs[driver.record.id].state is State.STREAMING, "the next start finds and settles it"


async def test_an_end_that_cannot_be_stored_is_not_told_as_a_success() -> None:
    stage, go = Stage(), asyncio.Event()
    driver = await stage.begin(Script([text("Hi"), go, DONE]))
    await line(driver, lambda each: each["type"] == "run.delta")
    stage.disk.faults["thread"].append(DISK_FULL())
    go.set()
    assert (await lines(driver))[-1]["type"] == "run.failed"
    assert stage.answer(driver) == ("Hi", "final"), "the answer itself is whole"


async def test_an_end_that_the_thread_has_and_the_journal_has_not_is_told_as_the_thread_tells_it() -> None:
    stage, go = Stage(), asyncio.Event()
    driver = await stage.begin(Script([text("Hi"), go, DONE]))
    await line(driver, lambda each: each["type"] == "run.delta")
    stage.disk.faults["journal"].append(DISK_FULL())
    go.set()
    assert (await lines(driver))[-1]["text"] == "Hi"
    assert stage.shown(driver).state is State.COMPLETED
    assert stage.journal.runs[driver.record.id].state is State.STREAMING, "the next start finds and settles it"


# ---- pace


async def test_text_that_comes_while_the_disk_is_slow_is_written_in_few_writes() -> None:
    stage = Stage()
    slow = stage.disk.hold("text")
    script = Script([*[text("word ")] * (2 * INBOX_SIZE), DONE])
    driver = await stage.begin(script)
    await soon(stage.disk.reached["text"])
    await soon(script.after(INBOX_SIZE + 1))
    stage.clock.advance(FLUSH_AFTER_MS)
    slow.set()
    await lines(driver)
    assert stage.answer(driver)[0] == "word " * (2 * INBOX_SIZE)
    assert len([entry for entry in stage.disk.log if entry[0] == "text"]) <= 4


async def test_a_source_is_not_read_faster_than_the_run_takes_it() -> None:
    stage = Stage()
    slow = stage.disk.hold("text")
    script = Script([*[text("x")] * 1_000, DONE])
    driver = await stage.begin(script)
    await soon(stage.disk.reached["text"])
    await soon(script.after(INBOX_SIZE + 1))
    assert script.said <= 2 * INBOX_SIZE + 2
    slow.set()
    await lines(driver)
    assert stage.answer(driver)[0] == "x" * 1_000


async def test_a_pause_in_the_stream_does_not_hold_back_what_was_said() -> None:
    stage, more = Stage(), asyncio.Event()
    driver = await stage.begin(Script([text("Hello"), ModelDelta("reasoning", "?"), text(", you"), more, DONE]))
    await soon(stage.clock.slept)
    stage.clock.advance(FLUSH_AFTER_MS)
    assert await line(driver, lambda each: each.get("text") == ", you")
    more.set()
    await lines(driver)


# ---- tools


async def test_a_call_is_shown_decided_run_and_answered_and_the_model_reads_its_result() -> None:
    tools = HandTools()
    stage, script = Stage(tools), Script([text("Look: "), call(), DONE], [text("Found."), DONE])
    driver = await stage.begin(script)
    proposed, decide = await tools.proposed.get()
    assert stage.thread.calls["c1"] == ("grep", "running", "")
    assert driver.record.tools == (ToolRecord("c1", "grep", "{}", "proposed", lease=1),)
    decide("c1", True, "")
    assert await tools.running.get() == proposed
    assert driver.record.tools[0].state == "started" and driver.record.state is State.RUNNING_TOOL
    tools.results.put_nowait((True, "two lines"))
    told = await lines(driver)
    states = [each["state"] for each in told if each["type"] == "tool.updated"]
    assert states == ["proposed", "started", "finished"]
    assert stage.thread.calls["c1"] == ("grep", "ok", "two lines")
    assert stage.answer(driver) == ("Look: Found.", "final")
    assert driver.record.tools == (ToolRecord("c1", "grep", "{}", "finished", "two lines", lease=1),)
    assert len(script.asked) == 2


async def test_an_approved_call_that_waits_for_another_is_kept_as_approved() -> None:
    tools = HandTools()
    stage = Stage(tools)
    driver = await stage.begin(Script([call("c1"), call("c2"), DONE], [text("x"), DONE]))
    (_, decide), (_, also) = await tools.proposed.get(), await tools.proposed.get()
    decide("c1", True, "")
    also("c2", True, "")
    await tools.running.get()
    tools.results.put_nowait((False, "no"))
    await tools.running.get()
    assert [(tool.id, tool.state) for tool in driver.record.tools] == [("c1", "finished"), ("c2", "started")]
    tools.results.put_nowait((True, "yes"))
    await lines(driver)
    assert stage.thread.calls["c1"][1:] == ("error", "no")


async def test_a_tool_that_raises_is_an_error_that_the_model_may_read_without_what_it_said() -> None:
    tools = HandTools()
    stage = Stage(tools)
    driver = await stage.begin(Script([call(), DONE], [text("I see."), DONE]))
    _, decide = await tools.proposed.get()
    decide("c1", True, "")
    tools.results.put_nowait(ValueError("/home/ann/.ssh/id is no number"))
    assert (await lines(driver))[-1]["type"] == "run.completed"
    assert stage.thread.calls["c1"][1] == "error" and ".ssh" not in stage.thread.calls["c1"][2]


async def test_a_cancel_kills_the_tool_that_runs_and_closes_its_call() -> None:
    tools = HandTools()
    stage = Stage(tools)
    driver = await stage.begin(Script([call(), DONE]))
    _, decide = await tools.proposed.get()
    decide("c1", True, "")
    await tools.running.get()
    driver.cancel()
    await soon(tools.killed)
    assert (await lines(driver))[-1]["type"] == "run.cancelled"
    name, status, result = stage.thread.calls["c1"]
    assert (name, status) == ("grep", "interrupted") and "unknown" in result
    assert driver.record.tools[0].state == "interrupted"


async def test_without_tools_every_call_is_refused_in_words_that_the_model_can_act_on() -> None:
    stage = Stage()
    driver = await stage.begin(Script([call("c1", "rm_rf"), DONE], [text("Then in words."), DONE]))
    assert (await lines(driver))[-1]["text"] == "Then in words."
    assert stage.thread.calls["c1"][1] == "error" and "rm_rf" in stage.thread.calls["c1"][2]
    assert await NoTools().run(driver.record, ToolCall("c2", "sh", "{}")) == (
        False,
        "There is no tool named 'sh' here.",
    )


async def test_tools_that_cannot_even_be_asked_fail_the_run() -> None:
    class Broken(HandTools):
        async def propose(self, run: object, call: object, decide: object) -> None:
            raise OSError("gone")

    driver = await Stage(Broken()).begin(Script([call(), DONE]))
    assert (await lines(driver))[-1]["error"]["name"] == "INTERNAL"


# ---- what is left of a run


async def test_an_ended_run_is_told_from_its_record_as_its_readers_heard_it() -> None:
    stage = Stage()
    driver = await stage.begin(Script([text("Hello."), DONE]))
    told = await lines(driver)
    kept = stage.journal.runs[driver.record.id]
    assert ending(kept, await stage.thread.message_text("thread", answer_id(kept.id))) == told[-1]
    dead = await stage.begin(Script([NETWORK_ERROR("dead")]), request="other")
    told = await lines(dead)
    assert ending(stage.journal.runs[dead.record.id], "") == told[-1]
    assert ending(named(dead.record, error=None), "")["error"] == INTERNAL().to_json(), "a reason there always is"
