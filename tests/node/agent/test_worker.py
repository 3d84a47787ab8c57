"""The worker's end of the pipe, in process, with a library that streams what the test says."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from node.agent import pipe, worker
from node.agent.ports import ChatMessage
from tests.node.agent.stage import PATIENCE_S, soon

KEY = "sk-for-the-provider-0123456789"
STOP = SimpleNamespace(content=None)


def chunk(text: str | None = None, *, reason: str | None = None, **delta: Any) -> SimpleNamespace:
    """What litellm gives of one server-sent event."""
    choice = SimpleNamespace(delta=SimpleNamespace(content=text, **delta), finish_reason=reason)
    return SimpleNamespace(choices=[choice])


def piece(index: int | None, identifier: str | None = None, name: str | None = None, more: str | None = None) -> Any:
    """A fragment of a tool call."""
    return SimpleNamespace(index=index, id=identifier, function=SimpleNamespace(name=name, arguments=more))


class Answer:
    """A stream of chunks, errors to raise, and events to wait for."""

    def __init__(self, *steps: Any, reason: str | None = "stop") -> None:
        self._steps = list(steps)
        self.received_finish_reason = reason
        self.closed = asyncio.Event()

    def __aiter__(self) -> "Answer":
        return self

    async def __anext__(self) -> Any:
        while self._steps:
            step = self._steps.pop(0)
            if isinstance(step, BaseException):
                raise step
            if not isinstance(step, asyncio.Event):
                return step
            await step.wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed.set()


class Library:
    """`litellm`, as far as the worker uses it."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def acompletion(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        answer = self._answers.pop(0)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status


def request(number: int = 1, limits: pipe.Limits | None = None, **more: Any) -> pipe.Complete:
    limits = limits or pipe.Limits(PATIENCE_S, PATIENCE_S, PATIENCE_S)
    secret = pipe.Secret(KEY, {"X-Team": "team-secret-7"})
    return pipe.Complete(number, "tiny", "http://localhost/v1", secret, (ChatMessage("user", "?"),), limits, **more)


async def replies(library: Library, asked: pipe.Complete | None = None) -> list[Any]:
    """Everything the worker sends for one request; each must fit a frame."""
    sent: list[Any] = []

    async def send(message: pipe.ToNode) -> None:
        pipe.encode(message, pipe.TO_NODE_BYTES)
        sent.append(message)

    async with asyncio.timeout(PATIENCE_S):
        await worker.complete(library, asked or request(), send)  # type: ignore[arg-type]
    return sent


async def test_text_reasoning_and_the_end_are_passed_on_with_the_providers_counts() -> None:
    usage = SimpleNamespace(choices=[], usage=SimpleNamespace(prompt_tokens=3, completion_tokens="many"))
    answer = Answer(chunk("", reasoning_content="Hm."), chunk("Hel"), chunk("lo", reason="stop"), usage)
    assert await replies(Library(answer)) == [
        pipe.Chunk(1, "reasoning", "Hm."),
        pipe.Chunk(1, "text", "Hel"),
        pipe.Chunk(1, "text", "lo"),
        pipe.Done(1, "stop", 3, None),
    ]
    assert answer.closed.is_set()


async def test_the_provider_is_asked_at_its_own_address_with_its_own_key_and_without_retries() -> None:
    library = Library(Answer(chunk("x")))
    await replies(library, request(max_tokens=9))
    asked = library.asked[0]
    assert (asked["api_base"], asked["api_key"], asked["model"]) == ("http://localhost/v1", KEY, "openai/tiny")
    assert asked["extra_headers"] == {"X-Team": "team-secret-7"} and asked["max_tokens"] == 9
    assert asked["messages"] == [{"role": "user", "content": "?"}] and asked["stream"] is True
    assert asked["max_retries"] == asked["num_retries"] == 0, "a retry costs money that nobody sees"


async def test_an_endpoint_that_refuses_to_count_is_asked_again_without_counting() -> None:
    library = Library(Refused(400, "unknown field stream_options"), Answer(chunk("x")))
    assert await replies(library) == [pipe.Chunk(1, "text", "x"), pipe.Done(1, "stop")]
    assert ["stream_options" in asked for asked in library.asked] == [True, False]
    assert len(Library(Refused(500, "stream_options")).asked) == 0
    (failed,) = await replies(Library(Refused(500, "no stream_options today")))
    assert isinstance(failed, pipe.Failed), "another refusal is not repeated"


async def test_a_tool_call_in_fragments_is_sent_whole_after_the_text() -> None:
    first = [piece(0, "c1", "grep", '{"a":'), piece(1, "c2", "read_file", "{")]
    rest = [piece(0, None, None, "1}"), piece(1, "other", "other", "}"), piece(None, None, None, "")]
    answer = Answer(chunk(tool_calls=first), chunk("Look:", tool_calls=rest, reason="tool_calls"))
    assert await replies(Library(answer)) == [
        pipe.Chunk(1, "text", "Look:"),
        pipe.Call(1, "c1", "grep", '{"a":1}'),
        pipe.Call(1, "c2", "read_file", "{}"),
        pipe.Done(1, "tool_calls"),
    ]


async def test_a_call_without_a_name_of_its_own_gets_one_and_endless_names_are_cut() -> None:
    pieces = [piece(0, "", "grep", "{}"), piece(1, "i" * 3_000_000, "n" * 3_000_000, "{}")]
    *calls, done = await replies(Library(Answer(chunk(tool_calls=pieces, reason="r" * 3_000_000))))
    assert [(len(call.call_id), len(call.name)) for call in calls] == [(len("call-0"), 4), (200, 200)]
    assert isinstance(done, pipe.Done) and len(done.reason) == 200


async def test_a_huge_chunk_is_sent_in_frames_of_bounded_size() -> None:
    big = "é" * 1_500_000
    *chunks, _ = await replies(Library(Answer(chunk(big, reasoning_content=big))))
    for kind in ("text", "reasoning"):
        assert "".join(each.text for each in chunks if each.kind == kind) == big


@pytest.mark.parametrize(
    "pieces",
    [[piece(0, "c", "grep", "x" * 600_000)], [piece(index, "c", "grep", "") for index in range(1_000)]],
    ids=["one too large", "too many"],
)
async def test_endless_tool_calls_end_the_answer(pieces: Sequence[Any]) -> None:
    answer = Answer(chunk(tool_calls=pieces))
    *_, failed = await replies(Library(answer))
    assert isinstance(failed, pipe.Failed) and failed.kind == "broken" and "too" in failed.message
    assert answer.closed.is_set()


async def test_a_connection_that_ends_without_the_providers_word_is_broken_and_not_done() -> None:
    """litellm makes up a finish reason of its own when a connection just ends."""
    answer = Answer(chunk("Half"), chunk(reason="stop"), reason=None)
    *_, failed = await replies(Library(answer))
    assert isinstance(failed, pipe.Failed) and failed.kind == "broken"


async def test_a_provider_that_says_nothing_in_time_is_given_up() -> None:
    answer = Answer(asyncio.Event())
    (failed,) = await replies(Library(answer), request(limits=pipe.Limits(0.01, PATIENCE_S, PATIENCE_S)))
    assert (failed.kind, failed.message) == ("timeout", "Nothing came for 0.01 s.")
    assert answer.closed.is_set()


async def test_an_empty_beginning_does_not_count_as_an_answer_but_the_first_word_does() -> None:
    """Until something was said the first limit holds, and from then on the one between chunks."""
    answer = Answer(chunk(""), chunk("x"), asyncio.Event())
    *_, failed = await replies(Library(answer), request(limits=pipe.Limits(PATIENCE_S, 0.02, PATIENCE_S)))
    assert failed.message == "Nothing came for 0.02 s."


async def test_an_answer_without_end_is_given_up_after_the_whole_time() -> None:
    answer = Answer(chunk("x"), asyncio.Event())
    *_, failed = await replies(Library(answer), request(limits=pipe.Limits(PATIENCE_S, PATIENCE_S, 0.02)))
    assert failed.kind == "timeout" and "longer than 0.02 s" in failed.message
    assert answer.closed.is_set()


async def test_a_time_out_of_the_librarys_own_is_not_taken_for_ours() -> None:
    (failed,) = await replies(Library(Answer(TimeoutError("the library's"))))
    assert failed.kind == "timeout"


async def test_an_error_is_described_without_the_key() -> None:
    said = f"no use for Bearer {KEY} of team-secret-7"
    (failed,) = await replies(Library(Refused(401, said)))
    assert isinstance(failed, pipe.Failed) and failed.message.startswith("no use for")
    assert KEY not in failed.message and "team-secret" not in failed.message


# ---- serving


class Node:
    """The node's side of `serve`, without a process: write requests, read replies."""

    def __init__(self, library: Library) -> None:
        self.reader = asyncio.StreamReader()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.serving = asyncio.ensure_future(worker.serve(library, self.reader, self._send))  # type: ignore[arg-type]

    async def _send(self, message: pipe.ToNode) -> None:
        self.sent.put_nowait(message)

    def say(self, *messages: pipe.ToWorker) -> None:
        self.reader.feed_data(b"".join(pipe.encode(message, pipe.TO_WORKER_BYTES) for message in messages))

    async def hear(self) -> Any:
        return await asyncio.wait_for(self.sent.get(), PATIENCE_S)

    async def end(self) -> None:
        self.reader.feed_eof()
        await asyncio.wait_for(self.serving, PATIENCE_S)


async def test_a_cancel_closes_that_stream_alone_and_is_not_answered() -> None:
    more, other = asyncio.Event(), Answer(chunk("other"), again := asyncio.Event(), chunk("!"))
    stopped = Answer(chunk("Half"), more)
    node = Node(Library(stopped, other))
    node.say(request(1), request(2))
    assert {(await node.hear()).id, (await node.hear()).id} == {1, 2}
    node.say(pipe.Cancel(1), pipe.Cancel(1), pipe.Cancel(77))
    await soon(stopped.closed)
    assert not other.closed.is_set()
    again.set()
    assert [await node.hear(), await node.hear()] == [pipe.Chunk(2, "text", "!"), pipe.Done(2, "stop")]
    assert node.sent.empty()
    await node.end()


async def test_garbage_from_the_node_ends_the_worker() -> None:
    node = Node(Library())
    node.reader.feed_data(b"GET / HTTP/1.1\r\n")
    with pytest.raises(pipe.Misframed):
        await asyncio.wait_for(node.serving, PATIENCE_S)


async def test_warming_up_survives_a_library_that_refuses_it() -> None:
    await worker.warm(Library(RuntimeError("no")))
    library = Library(Answer(chunk("x")))
    await worker.warm(library)
    assert "api_base" not in library.asked[0] and library.asked[0]["mock_response"], "it connects to nothing"


@pytest.fixture
async def pipes() -> AsyncIterator[tuple[int, int, int, int]]:
    stdin, to_worker = os.pipe()
    from_worker, stdout = os.pipe()
    yield stdin, to_worker, from_worker, stdout
    os.close(from_worker)


async def test_the_worker_says_that_it_is_ready_serves_and_ends_with_its_input(
    pipes: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin, to_worker, from_worker, stdout = pipes
    library = Library(RuntimeError("not warm"), Answer(chunk("Hello"), chunk("!")))
    monkeypatch.setattr(worker, "_import_litellm", lambda: library)
    running = asyncio.ensure_future(worker._run(stdin, stdout))
    os.write(to_worker, pipe.encode(request(), pipe.TO_WORKER_BYTES))
    heard: list[Any] = []
    frames = pipe.node_reader()
    while not heard or not isinstance(heard[-1], pipe.Done):
        heard += frames.feed(await asyncio.wait_for(asyncio.to_thread(os.read, from_worker, 65_536), PATIENCE_S))
    assert isinstance(heard[0], pipe.Ready) and heard[0].import_ms >= 0
    assert heard[1:] == [pipe.Chunk(1, "text", "Hello"), pipe.Chunk(1, "text", "!"), pipe.Done(1, "stop")]
    os.close(to_worker)
    await asyncio.wait_for(running, PATIENCE_S)


async def test_a_node_that_does_not_read_holds_the_worker_up_instead_of_filling_its_memory(
    pipes: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin, to_worker, from_worker, stdout = pipes
    pieces = [chunk("x" * worker.PIECE_CHARS) for _ in range(200)]
    answer = Answer(*pieces)
    library = Library(RuntimeError("not warm"), answer)
    monkeypatch.setattr(worker, "_import_litellm", lambda: library)
    running = asyncio.ensure_future(worker._run(stdin, stdout))
    os.write(to_worker, pipe.encode(request(), pipe.TO_WORKER_BYTES))
    frames, size, taken = pipe.node_reader(), 0, []
    done = False
    while not done:
        data = await asyncio.wait_for(asyncio.to_thread(os.read, from_worker, 65_536), PATIENCE_S)
        ahead = (200 - len(answer._steps)) * worker.PIECE_CHARS - size
        taken.append(ahead)
        size += len(data)
        done = any(isinstance(message, pipe.Done) for message in frames.feed(data))
    assert max(taken) < worker.WRITE_HIGH_BYTES + 8 * worker.PIECE_CHARS
    os.close(to_worker)
    await asyncio.wait_for(running, PATIENCE_S)
