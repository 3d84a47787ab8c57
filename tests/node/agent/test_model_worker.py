"""The node's end of the model worker, against a real process that answers, lies, floods, hangs or dies."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path

import pytest

from crdt import errors
from crdt.errors import OpenSeshError
from node.agent import pipe
from node.agent.models import ModelWorker, WorkerSource
from node.agent.ports import ChatMessage, ModelCall, ModelDelta, ModelDone, ModelEvent, ModelLost
from node.agent.turn import MAX_OUTPUT_BYTES
from node.agent.worker_process import Stream, worker_environment
from tests.node.agent.acting_worker import KEY, PIECE
from tests.node.agent.stage import PATIENCE_S

PATIENT = pipe.Limits(PATIENCE_S, PATIENCE_S, PATIENCE_S)
IMPATIENT = pipe.Limits(0.05, 0.05, 0.05)


class Watched(ModelWorker):
    """Counts how often it is asked to be there."""

    prepared = 0

    def prepare(self) -> None:
        self.prepared += 1
        super().prepare()


def acting(how: str = "well", *, idle_s: float = 300.0, start_s: float = PATIENCE_S, grace_s: float = 0.0) -> Watched:
    command = [sys.executable, "-P", str(Path(__file__).with_name("acting_worker.py")), how]
    return Watched(idle_s=idle_s, start_s=start_s, grace_s=grace_s, command=command)


@pytest.fixture
async def worker() -> AsyncIterator[Watched]:
    made = acting()
    yield made
    await made.close()


def stream(
    worker: ModelWorker, model: str, limits: pipe.Limits = PATIENT, said: str = "?"
) -> AsyncGenerator[ModelEvent, None]:
    messages = [ChatMessage("user", said)]
    secret = pipe.Secret(KEY, {"X-Team": "team-secret-7"})
    return worker.complete(model=model, base_url="http://localhost/v1", secret=secret, messages=messages, limits=limits)


async def everything(answer: AsyncGenerator[ModelEvent, None]) -> list[ModelEvent]:
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in answer]


async def text(answer: AsyncGenerator[ModelEvent, None]) -> str:
    return "".join(event.text for event in await everything(answer) if isinstance(event, ModelDelta))


async def failure(answer: AsyncGenerator[ModelEvent, None]) -> OpenSeshError:
    with pytest.raises(OpenSeshError) as raised:
        await everything(answer)
    assert KEY not in str(raised.value.to_json()) and "team-secret" not in str(raised.value.to_json())
    return raised.value


async def gone(worker: ModelWorker) -> None:
    """Wait until every process it had has ended."""
    while worker._supervisors:
        await asyncio.wait(set(worker._supervisors), timeout=PATIENCE_S)


async def test_an_answer_comes_as_text_reasoning_calls_and_an_end_with_counts(worker: Watched) -> None:
    *deltas, call, end = await everything(stream(worker, "words"))
    assert {type(delta) for delta in deltas} == {ModelDelta}
    assert "".join(delta.text for delta in deltas if isinstance(delta, ModelDelta)) == "Hm.Hello"
    assert (call, end) == (ModelCall("c1", "grep", "{}"), ModelDone("stop", 3, 2))


async def test_one_process_serves_many_answers_at_once(worker: Watched) -> None:
    await worker.ready()
    pid = worker.pid
    texts = await asyncio.gather(*(text(stream(worker, "words")) for _ in range(5)))
    assert texts == ["Hm.Hello"] * 5
    assert worker.pid == pid is not None


async def test_a_key_is_neither_in_the_workers_arguments_nor_in_its_environment_nor_in_a_log(
    worker: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_BASE", "http://evil.example")
    monkeypatch.setenv("PYTHONSTARTUP", "/evil.py")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    seen = json.loads(await text(stream(worker, "seen")))
    assert KEY not in json.dumps(seen) and KEY not in caplog.text
    assert {"OPENAI_API_BASE", "PYTHONSTARTUP"}.isdisjoint(seen["environment"]), "nothing that redirects or loads code"
    assert seen["environment"]["HTTPS_PROXY"] == "http://proxy.example"
    assert seen["folder"] == "/", "a cloned repository's files are out of its sight"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("status", errors.PROVIDER_FAILED),
        ("network", errors.NETWORK_ERROR),
        ("timeout", errors.TIMEOUT),
        ("broken", errors.PROVIDER_FAILED),
        ("something new", errors.PROVIDER_FAILED),
    ],
)
async def test_a_failure_is_told_by_its_kind_and_without_the_key(
    worker: Watched, kind: str, expected: errors.ErrorKind
) -> None:
    failed = await failure(stream(worker, f"fail:{kind}"))
    assert failed.kind is expected and "no use for" in failed.message
    assert failed.details.get("status") == (401 if kind == "status" else None)
    assert await text(stream(worker, "words")), "the worker lives on"


# ---- a worker that misbehaves


@pytest.mark.parametrize("model", ["garbage", "deep", "oversized"])
async def test_garbage_from_the_worker_loses_the_answer_and_the_worker_is_replaced(worker: Watched, model: str) -> None:
    await worker.ready()
    pid, prepared = worker.pid, worker.prepared
    failed = await failure(stream(worker, model))
    assert isinstance(failed, ModelLost) and "should not" in failed.message
    assert worker.prepared == prepared + 2, "once for the answer, and once to be there for the next"
    assert await text(stream(worker, "words")) == "Hm.Hello"
    assert worker.pid != pid


async def test_a_worker_that_dies_in_the_middle_loses_every_answer_it_was_giving(worker: Watched) -> None:
    other = stream(worker, "half")
    assert await anext(other) == ModelDelta("text", "Half")
    dying = stream(worker, "die")
    assert await anext(dying) == ModelDelta("text", "Half"), "what came before is not lost"
    assert isinstance(await failure(dying), ModelLost)
    assert isinstance(await failure(other), ModelLost)
    assert await text(stream(worker, "words")) == "Hm.Hello"


async def test_a_worker_that_dies_as_soon_as_it_is_ready_keeps_nobody_waiting() -> None:
    worker = acting("briefly")
    failed = await failure(stream(worker, "words"))
    assert failed.kind in (errors.INTERNAL, errors.AGENT_SPAWN_FAILED)
    await worker.close()


async def test_a_stream_registered_after_its_worker_ended_is_refused(worker: Watched) -> None:
    """The moment between `ready` and the request, held open by hand."""
    await worker.ready()
    process = worker._process
    assert process is not None
    process.over = True
    assert isinstance(await failure(stream(worker, "words")), ModelLost)


async def test_a_worker_that_misses_its_own_time_out_is_killed(worker: Watched) -> None:
    await worker.ready()
    pid = worker.pid
    failed = await failure(stream(worker, "hang", IMPATIENT))
    assert failed.kind is errors.TIMEOUT
    assert await text(stream(worker, "words")) == "Hm.Hello"
    assert worker.pid != pid


async def test_a_worker_that_falls_silent_in_the_middle_is_killed_too(worker: Watched) -> None:
    answer = stream(worker, "half", pipe.Limits(PATIENCE_S, 0.05, PATIENCE_S))
    assert await anext(answer) == ModelDelta("text", "Half")
    assert (await failure(answer)).kind is errors.TIMEOUT


@pytest.mark.parametrize("model", ["flood", "calls", "nothing"])
async def test_what_a_slow_reader_has_not_taken_is_bounded_and_the_stream_given_up_is_cancelled(
    worker: Watched, model: str
) -> None:
    flooded = stream(worker, model)
    await anext(flooded)
    assert await text(stream(worker, "words")) == "Hm.Hello", "all of the flood is here, and nobody else suffers"
    failed = await failure(flooded)
    assert failed.kind is errors.PROVIDER_FAILED and "faster" in failed.message
    assert json.loads(await text(stream(worker, "cancelled"))) == [1]


async def test_of_a_stream_that_was_given_up_nothing_more_is_kept() -> None:
    given_up = Stream()
    for _ in range(3 * MAX_OUTPUT_BYTES // len(PIECE)):
        given_up.put(pipe.Chunk(1, "text", PIECE))
    kept = len(given_up.arrived)
    assert isinstance(given_up.arrived[-1], pipe.Failed) and not given_up.over, "the worker still has to be told"
    given_up.put(pipe.Chunk(1, "text", PIECE))
    given_up.put(pipe.Done(1, "stop"))
    assert len(given_up.arrived) == kept and given_up.over
    assert sum(len(each.text) for each in given_up.arrived if isinstance(each, pipe.Chunk)) <= MAX_OUTPUT_BYTES


async def test_a_flood_is_taken_whole_by_a_reader_who_keeps_up(worker: Watched) -> None:
    size, answer = 0, stream(worker, "flood")
    while size < 100 * len(PIECE):
        event = await asyncio.wait_for(anext(answer), PATIENCE_S)
        assert isinstance(event, ModelDelta)
        size += len(event.text)
    await answer.aclose()
    assert size > MAX_OUTPUT_BYTES


async def test_what_comes_after_the_end_or_for_nobody_is_dropped(worker: Watched) -> None:
    assert await everything(stream(worker, "after")) == [ModelDone("stop", 3, 2)]
    assert await everything(stream(worker, "stranger")) == [ModelDone("stop", 3, 2)]


async def test_a_stream_that_is_closed_is_cancelled_in_the_worker_and_one_that_ended_is_not(worker: Watched) -> None:
    answer = stream(worker, "half")
    await anext(answer)
    await answer.aclose()
    await everything(stream(worker, "words"))
    assert json.loads(await text(stream(worker, "cancelled"))) == [1]


async def test_a_conversation_beyond_all_bounds_is_refused_and_the_worker_not_bothered(worker: Watched) -> None:
    failed = await failure(stream(worker, "words", said="x" * (pipe.TO_WORKER_BYTES + 1)))
    assert failed.kind is errors.TOO_LARGE
    assert json.loads(await text(stream(worker, "cancelled"))) == []


# ---- starting and stopping


async def test_a_worker_that_cannot_start_says_why_without_the_key() -> None:
    worker = acting("wrongly")
    worker._secrets.append(KEY)
    failed = await failure(stream(worker, "words"))
    assert failed.kind is errors.AGENT_SPAWN_FAILED and "could not load the key" in failed.details["stderr"]
    assert worker.prepared == 1, "one that never became ready is not started again and again"
    await worker.close()


async def test_a_worker_that_greets_with_garbage_is_not_taken_for_ready() -> None:
    worker = acting("garbled")
    failed = await failure(stream(worker, "words"))
    assert failed.kind is errors.AGENT_SPAWN_FAILED and "should not" in failed.message
    await worker.close()


async def test_a_worker_that_is_never_ready_is_killed_after_its_time() -> None:
    worker = acting("silently", start_s=0.05)
    failed = await failure(stream(worker, "words"))
    assert failed.kind is errors.AGENT_SPAWN_FAILED and "0.05 s" in failed.message
    await worker.close()


@pytest.mark.parametrize("command", [["/nowhere/python"], [str(Path(__file__).parent)]], ids=["missing", "a folder"])
async def test_a_worker_whose_program_cannot_be_run_says_so(command: Sequence[str]) -> None:
    worker = ModelWorker(command=command)
    failed = await failure(stream(worker, "words"))
    assert failed.kind is errors.AGENT_SPAWN_FAILED and "could not be started" in failed.message
    await worker.close()


async def test_a_worker_without_work_is_stopped_and_started_again_when_there_is_some() -> None:
    worker = acting(idle_s=0.0)
    assert await text(stream(worker, "words")) == "Hm.Hello"
    await gone(worker)
    assert worker.pid is None
    prepared = worker.prepared
    assert await text(stream(worker, "words")) == "Hm.Hello"
    assert worker.prepared == prepared + 1
    await worker.close()


async def test_a_worker_with_a_stream_under_way_is_not_idle() -> None:
    worker = acting(idle_s=0.0)
    answer = stream(worker, "half")
    await anext(answer)
    assert worker._idle is None
    assert await text(stream(worker, "words")) == "Hm.Hello", "the end of one is not the end of all"
    assert worker._idle is None and worker.pid is not None
    await answer.aclose()
    await gone(worker)
    await worker.close()


async def test_closing_ends_the_process_and_every_answer_and_lets_no_new_one_begin(worker: Watched) -> None:
    answer = stream(worker, "half")
    await anext(answer)
    pid, prepared = worker.pid, worker.prepared
    assert pid
    await worker.close()
    assert worker.pid is None and worker.prepared == prepared
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    assert isinstance(await failure(answer), ModelLost)
    assert (await failure(stream(worker, "words"))).kind is errors.AGENT_SPAWN_FAILED


async def test_closing_while_the_worker_is_being_started_leaves_no_process_behind() -> None:
    worker = acting()
    worker.prepare()
    await worker.close()
    assert worker.pid is None and not worker._supervisors


async def test_one_who_gives_up_waiting_for_the_start_does_not_stop_it_for_others() -> None:
    worker = acting()
    impatient = asyncio.ensure_future(everything(stream(worker, "words")))
    patient = asyncio.ensure_future(text(stream(worker, "words")))
    await asyncio.wait([impatient], timeout=0)
    impatient.cancel()
    assert await patient == "Hm.Hello"
    await worker.close()


async def test_a_source_streams_its_provider_and_model_through_the_worker(worker: Watched) -> None:
    source = WorkerSource(
        worker, label="local/words", model="words", base_url="http://x/v1", secret=pipe.Secret(KEY), context_chars=9
    )
    source.prepare()
    assert worker.prepared == 1
    assert (source.label, source.context_chars) == ("local/words", 9)
    assert await text(source.stream([ChatMessage("user", "?")])) == "Hm.Hello"
    assert KEY not in repr(vars(source)), "tracebacks and logs print reprs"


# ---- the real worker program, with another library in litellm's place

LIBRARY = str(Path(__file__).with_name("printing_library"))
PROGRAM = f"import sys; sys.path.insert(0, {LIBRARY!r}); from node.agent.worker import main; main()"
REAL = [sys.executable, "-P", "-c", PROGRAM]


async def test_a_library_that_prints_and_reads_never_touches_the_pipe_and_finds_its_settings_made() -> None:
    worker = ModelWorker(command=REAL)
    told = json.loads(await text(stream(worker, "any")))
    process = worker._process
    assert process is not None
    assert told == {
        "found": {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"},
        "flags": {"telemetry": False, "suppress_debug_info": True, "turn_off_message_logging": True},
        "standard input": "",
    }
    await worker.close()
    printed = process.stderr_tail.decode()
    assert "Give feedback" in printed and "past Python's own buffers" in printed
    assert KEY not in printed, "its log is switched off: it would print the request"


async def test_the_real_worker_does_not_outlive_its_node() -> None:
    """Nobody kills it here: it sees its input end, as it does when a node is killed."""
    piped, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        *REAL, env=worker_environment(), stdin=piped, stdout=piped, stderr=nowhere
    )
    assert child.stdin and child.stdout
    (ready,) = pipe.node_reader().feed(await asyncio.wait_for(child.stdout.read(65_536), PATIENCE_S))
    assert isinstance(ready, pipe.Ready)
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0
