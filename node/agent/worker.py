"""The model worker: a process of its own that imports litellm and streams completions (`python -m node.agent.worker`).

litellm costs seconds and some 190 MB to import, so the node never does; it starts this process ahead
of need and talks to it through stdin and stdout (`node/agent/pipe.py`). The process ends when its
stdin does, so it can't outlive its node. Nothing it imports may print into the frames: the real
stdout is moved aside before litellm is loaded, and what prints, prints to stderr.

It touches no network but the endpoint it is told to use, and reads no `.env` file.
"""

import asyncio
import contextlib
import functools
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from node.agent import pipe
from node.agent.trouble import ProviderTrouble, describe

# litellm fetches a price list, beta headers and more over the network unless told to use its own
# copies; in its "DEV" mode it loads a `.env` from the current folder, which a cloned repository could
# use to redirect requests. Its repetition guard would kill honest tables of dashes at 100.
ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "CRITICAL",
    "REPEATED_STREAMING_CHUNK_LIMIT": "5000",
}
PIECE_CHARS = 64 * 1024  # keeps a frame within its bound, whatever a provider calls a chunk
NAME_CHARS = 200  # of a call's id and name, and of the reason for an end
CALLS = 100  # in one answer; the node refuses fewer
WRITE_HIGH_BYTES = 1024 * 1024


async def complete(litellm: Any, request: pipe.Complete, send: "Sender") -> None:
    """Stream one completion to `send`, ending in `Done` or `Failed`; a cancel closes the stream and says nothing."""
    try:
        async with asyncio.timeout(request.limits.total_s):
            reply: pipe.ToNode = await _stream(litellm, request, send)
    except TimeoutError:
        reply = pipe.Failed(request.id, "timeout", f"The answer took longer than {request.limits.total_s:g} s.")
    except Exception as error:  # any library's exception: whatever it is, its text is redacted and passed on
        reply = describe(request, error)
    await send(reply)


async def _stream(litellm: Any, request: pipe.Complete, send: "Sender") -> pipe.Done:
    limits = request.limits
    deadline = asyncio.get_running_loop().time() + limits.first_s
    stream = await _open(litellm, request, limits.first_s)
    calls = _Calls()
    reason, usage, first = "", None, True
    try:
        while True:
            wait_s = deadline - asyncio.get_running_loop().time() if first else limits.stall_s
            try:
                async with asyncio.timeout(wait_s) as waiting:
                    chunk = await anext(stream)
            except StopAsyncIteration:
                break
            except TimeoutError:
                if not waiting.expired():
                    raise
                said = f"Nothing came for {limits.first_s if first else limits.stall_s:g} s."
                raise ProviderTrouble("timeout", said) from None
            usage = getattr(chunk, "usage", None) or usage
            for choice in getattr(chunk, "choices", None) or []:
                first = not await _pass_on(request.id, choice.delta, calls, send) and first
                reason = choice.finish_reason or reason
        # litellm makes up a "stop" when a connection ends without one. Only the provider's own word
        # tells an answer that is whole from one that was cut off.
        own = getattr(stream, "received_finish_reason", reason) or getattr(stream, "intermittent_finish_reason", None)
        if not own:
            raise ProviderTrouble("broken", "The connection ended in the middle of the answer.")
    finally:
        with contextlib.suppress(Exception):
            await stream.aclose()
    for call in calls.whole(request.id):
        await send(call)
    return pipe.Done(
        request.id, str(reason or own)[:NAME_CHARS], _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    )


async def _open(litellm: Any, request: pipe.Complete, timeout_s: float) -> Any:
    arguments: dict[str, Any] = {
        "model": f"openai/{request.model}",
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "api_base": request.base_url,
        "api_key": request.secret.key or "none",  # the client insists on one; endpoints without keys ignore it
        "extra_headers": dict(request.secret.headers) or None,
        "stream": True,
        "timeout": timeout_s,
        "max_retries": 0,  # a retry is the person's choice: it costs money and time that nobody sees
        "num_retries": 0,
    }
    if request.max_tokens is not None:
        arguments["max_tokens"] = request.max_tokens
    try:
        return await litellm.acompletion(**arguments, stream_options={"include_usage": True})
    except Exception as error:
        # Some compatible endpoints refuse what they don't know; the count of tokens is not worth an answer.
        if getattr(error, "status_code", None) in (400, 422) and "stream_options" in str(error):
            return await litellm.acompletion(**arguments)
        raise


async def _pass_on(stream_id: int, delta: Any, calls: "_Calls", send: "Sender") -> bool:
    """Send what a delta holds; whether it held anything."""
    held = False
    reasoning = getattr(delta, "reasoning_content", None) or ""
    text = getattr(delta, "content", None) or ""
    if reasoning:
        for at in range(0, len(reasoning), PIECE_CHARS):
            await send(pipe.Chunk(stream_id, "reasoning", reasoning[at : at + PIECE_CHARS]))
        held = True
    if text:
        for at in range(0, len(text), PIECE_CHARS):
            await send(pipe.Chunk(stream_id, "text", text[at : at + PIECE_CHARS]))
        held = True
    for piece in getattr(delta, "tool_calls", None) or []:
        calls.add(piece)
        held = True
    return held


class _Calls:
    """Puts tool calls together from their fragments, by index."""

    def __init__(self) -> None:
        self._parts: dict[int, list[str]] = {}  # index → [id, name, input]

    def add(self, piece: Any) -> None:
        parts = self._parts.setdefault(int(getattr(piece, "index", 0) or 0), ["", "", ""])
        if len(self._parts) > CALLS:
            raise ProviderTrouble("broken", "The model asked for too many tools at once.")
        function = getattr(piece, "function", None)
        parts[0] = parts[0] or (getattr(piece, "id", None) or "")
        parts[1] = parts[1] or (getattr(function, "name", None) or "")
        parts[2] += getattr(function, "arguments", None) or ""
        if len(parts[2]) > pipe.TO_NODE_BYTES // 8:
            raise ProviderTrouble("broken", "The model's tool call is too large.")

    def whole(self, stream_id: int) -> list[pipe.Call]:
        return [
            pipe.Call(stream_id, call_id[:NAME_CHARS] or f"call-{index}", name[:NAME_CHARS], arguments)
            for index, (call_id, name, arguments) in sorted(self._parts.items())
        ]


def _count(usage: Any, name: str) -> int | None:
    value = getattr(usage, name, None)
    return value if isinstance(value, int) else None


class Sender:
    """Writes frames to the node, waiting when it does not read."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def __call__(self, message: pipe.ToNode) -> None:
        self._writer.write(pipe.encode(message, pipe.TO_NODE_BYTES))
        await self._writer.drain()


async def serve(litellm: Any, reader: asyncio.StreamReader, send: Sender) -> None:
    """Start and cancel completions as told, until the node closes the pipe."""
    frames = pipe.worker_reader()
    running: dict[int, asyncio.Task[None]] = {}
    while data := await reader.read(256 * 1024):
        for message in frames.feed(data):
            if isinstance(message, pipe.Cancel):
                if task := running.pop(message.id, None):
                    task.cancel()
                continue
            running[message.id] = task = asyncio.create_task(complete(litellm, message, send))
            task.add_done_callback(functools.partial(_forget, running, message.id))


def _forget(running: dict[int, asyncio.Task[None]], id: int, _: asyncio.Task[None]) -> None:
    running.pop(id, None)


async def warm(litellm: Any) -> None:
    """Run one made-up completion: litellm and its client load much on first use, which no answer should wait for."""
    with contextlib.suppress(Exception):
        async for _ in await litellm.acompletion(
            model="openai/warm", messages=[{"role": "user", "content": "x"}], mock_response="x", stream=True
        ):
            pass
        # This builds the HTTP client's TLS context; building one connects to nothing.
        import openai

        await openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9").close()


async def _run(stdin: int, stdout: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(stdin, "rb", buffering=0))
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(), os.fdopen(stdout, "wb", buffering=0)
    )
    transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
    send = Sender(asyncio.StreamWriter(transport, protocol, None, loop))
    began = time.monotonic()
    litellm = _import_litellm()
    await warm(litellm)
    await send(pipe.Ready(round((time.monotonic() - began) * 1000)))
    await serve(litellm, reader, send)


def _import_litellm() -> Any:
    os.environ.update(ENVIRONMENT)
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = True
    logging.disable(logging.CRITICAL)  # litellm and httpx log requests, headers and bodies
    return litellm


def main() -> None:
    """Serve until stdin ends. Takes no arguments: what it needs comes through the pipe."""
    stdin, stdout = os.dup(0), os.dup(1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError, ConnectionResetError, pipe.Misframed):
        asyncio.run(_run(stdin, stdout))
    sys.stderr.flush()
    os._exit(0)  # litellm leaves threads behind that would keep the process alive


if __name__ == "__main__":
    main()
