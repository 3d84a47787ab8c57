"""The node's end of the model worker: start it ahead of need, stop it when idle, and stream through it.

One worker serves all threads. It is started by `prepare` or by the first stream, restarted at once if
it dies while it was serving, and stopped after `idle_s` without a stream. A stream that is closed is
over for the caller at that moment; the worker is told, and nothing waits for its answer. A worker
that does not keep its own time-outs is killed, with its process group.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from crdt import errors
from node.agent import pipe
from node.agent.ports import ChatMessage, ModelCall, ModelDelta, ModelDone, ModelEvent
from node.agent.redact import redact
from node.agent.turn import MAX_OUTPUT_BYTES

IDLE_S = 300.0
START_S = 60.0
GRACE_S = 10.0  # what a worker may be late by in reporting its own time-out
STDERR_BYTES = 4096
SECRETS_KEPT = 64  # of recent streams, to redact what a crashing worker prints

# The worker gets a short list of variables, not the node's environment: OPENAI_API_BASE and its like
# would redirect requests, and PYTHON… would load code.
PASSED_ON = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
]


def worker_environment() -> dict[str, str]:
    """The worker's whole environment."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    root = Path(__file__).resolve().parents[2]
    if root.name not in ("site-packages", "dist-packages"):  # a checkout: `-m` alone would not find it
        environment["PYTHONPATH"] = str(root)
    return environment


class _Stream:
    """What has arrived of one completion and was not yet taken. Neighbouring text is one entry: no growth by count."""

    def __init__(self) -> None:
        self.arrived: deque[pipe.Chunk | pipe.Call | pipe.Done | pipe.Failed] = deque()
        self.waiting_bytes = 0
        self.changed = asyncio.Event()

    def put(self, message: pipe.Chunk | pipe.Call | pipe.Done | pipe.Failed) -> None:
        last = self.arrived[-1] if self.arrived else None
        if isinstance(message, pipe.Chunk):
            self.waiting_bytes += len(message.text)
            if self.waiting_bytes > MAX_OUTPUT_BYTES:
                message = pipe.Failed(message.id, "broken", "The model sends faster than this device can store.")
            elif isinstance(last, pipe.Chunk) and last.kind == message.kind and len(last.text) < 16_384:
                self.arrived.pop()
                message = pipe.Chunk(message.id, message.kind, last.text + message.text)
        self.arrived.append(message)
        self.changed.set()

    async def take(self, timeout_s: float) -> pipe.Chunk | pipe.Call | pipe.Done | pipe.Failed:
        """The next message. Raises TimeoutError."""
        while not self.arrived:
            self.changed.clear()
            async with asyncio.timeout(timeout_s):
                await self.changed.wait()
        message = self.arrived.popleft()
        if isinstance(message, pipe.Chunk):
            self.waiting_bytes -= len(message.text)
        return message


class _Process:
    """One worker process, from its start to its end."""

    def __init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.streams: dict[int, _Stream] = {}
        self.child: asyncio.subprocess.Process | None = None
        self.stderr_tail = b""
        self.stopping = False

    def send(self, message: pipe.ToWorker) -> None:
        if self.child and self.child.stdin and not self.child.stdin.is_closing():
            self.child.stdin.write(pipe.encode(message, pipe.TO_WORKER_BYTES))

    def kill(self) -> None:
        """Kill the whole group: whatever the worker started goes with it."""
        self.stopping = True
        if self.child and self.child.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)


class ModelWorker:
    """The worker process as the node sees it. Use from one event loop; `close` it at the end."""

    def __init__(self, *, idle_s: float = IDLE_S, start_s: float = START_S, command: Sequence[str] = ()) -> None:
        self._idle_s = idle_s
        self._start_s = start_s
        # -P: a file named like a library in the folder the node was started in is not imported.
        self._command = list(command) or [sys.executable, "-P", "-m", "node.agent.worker"]
        self._process: _Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._next_id = 0
        self._secrets: deque[str] = deque(maxlen=SECRETS_KEPT)
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The worker's process id while one runs."""
        child = self._process.child if self._process else None
        return child.pid if child and child.returncode is None else None

    def prepare(self) -> None:
        """Start the worker if there is none, without waiting for it."""
        if self._closed:
            raise errors.AGENT_SPAWN_FAILED("The node is stopping.")
        if self._process is None:
            process = self._process = _Process()
            self._supervisor = asyncio.create_task(self._supervise(process))
        self._rest()

    async def ready(self) -> None:
        """Start the worker if need be, and wait until it takes work. Raises AGENT_SPAWN_FAILED."""
        await self._ready_process()

    async def complete(
        self,
        *,
        model: str,
        base_url: str,
        secret: pipe.Secret,
        messages: Sequence[ChatMessage],
        limits: pipe.Limits,
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """Stream one completion. Raises PROVIDER_FAILED, NETWORK_ERROR, TIMEOUT, TOO_LARGE or AGENT_SPAWN_FAILED."""
        process = await self._ready_process()
        self._next_id += 1
        stream_id = self._next_id
        request = pipe.Complete(stream_id, model, base_url, secret, tuple(messages), limits, max_tokens)
        stream = process.streams[stream_id] = _Stream()
        self._secrets.extend(secret.values())
        self._rest()
        ended = False
        try:
            try:
                process.send(request)
            except pipe.Misframed:
                ended = True
                raise errors.TOO_LARGE("The conversation is too large to send to a model.") from None
            wait_s = limits.first_s + GRACE_S
            while not ended:
                try:
                    message = await stream.take(wait_s)
                except TimeoutError:
                    process.kill()  # it has missed its own time-out: it hangs
                    raise errors.TIMEOUT("The model worker stopped responding.") from None
                wait_s = limits.stall_s + GRACE_S
                ended = isinstance(message, pipe.Done | pipe.Failed)
                yield _event(message, secret)
        finally:
            process.streams.pop(stream_id, None)
            if not ended:
                process.send(pipe.Cancel(stream_id))
            self._rest()

    async def close(self) -> None:
        """Stop the worker and wait until it is gone."""
        self._closed = True
        if self._idle:
            self._idle.cancel()
        if self._process:
            self._process.kill()
        while self._supervisor and not self._supervisor.done():
            await asyncio.wait([self._supervisor])

    async def _ready_process(self) -> _Process:
        self.prepare()
        process = self._process
        assert process is not None
        await asyncio.shield(process.ready)
        return process

    def _rest(self) -> None:
        """(Re)arm the idle timer; a worker with a stream under way is not idle."""
        if self._idle:
            self._idle.cancel()
            self._idle = None
        process = self._process
        if process and not process.streams and not self._closed:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, process.kill)

    async def _supervise(self, process: _Process) -> None:
        """Start the process, read what it sends, and settle everything when it ends."""
        reason = "The model worker stopped unexpectedly."
        try:
            process.child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=worker_environment(),
                cwd="/",
                start_new_session=True,
            )
            starting = asyncio.get_running_loop().call_later(self._start_s, process.kill)
            draining = asyncio.create_task(_drain(process))
            try:
                if process.stopping:  # closed while it was being started
                    process.kill()
                await _read(process, starting)
            except pipe.Misframed as error:
                reason = f"The model worker sent what it should not: {error}"
            finally:
                starting.cancel()
                process.kill()
                await process.child.wait()
                await draining
        except OSError as error:
            reason = f"The model worker could not be started: {error.strerror}"
        self._ended(process, reason)

    def _ended(self, process: _Process, reason: str) -> None:
        was_ready = process.ready.done()
        serving = bool(process.streams)
        said = redact(process.stderr_tail.decode("utf-8", "replace"), self._secrets).strip()
        if not was_ready:
            details = {"stderr": said[-1000:]} if said else {}
            process.ready.set_exception(errors.AGENT_SPAWN_FAILED(reason, **details))
            process.ready.exception()  # nobody may be waiting
        for stream_id, stream in process.streams.items():
            stream.put(pipe.Failed(stream_id, "internal", reason))
        if self._process is process:
            self._process = None
        # One that never became ready would fail again: then the next request tries, not a loop of ours.
        if was_ready and serving and not self._closed:
            self.prepare()


async def _read(process: _Process, starting: asyncio.TimerHandle) -> None:
    assert process.child is not None and process.child.stdout is not None
    frames = pipe.node_reader()
    while data := await process.child.stdout.read(256 * 1024):
        for message in frames.feed(data):
            if isinstance(message, pipe.Ready):
                starting.cancel()
                if not process.ready.done():
                    process.ready.set_result(None)
            elif stream := process.streams.get(message.id):
                stream.put(message)


async def _drain(process: _Process) -> None:
    """Keep the end of what the worker prints; an unread pipe would block it."""
    assert process.child is not None and process.child.stderr is not None
    while data := await process.child.stderr.read(4096):
        process.stderr_tail = (process.stderr_tail + data)[-STDERR_BYTES:]


def _event(message: pipe.Chunk | pipe.Call | pipe.Done | pipe.Failed, secret: pipe.Secret) -> ModelEvent:
    """A worker's message as the runtime knows it. Raises what a `Failed` stands for, without any key in it."""
    if isinstance(message, pipe.Chunk):
        return ModelDelta(message.kind, message.text)
    if isinstance(message, pipe.Call):
        return ModelCall(message.call_id, message.name, message.input)
    if isinstance(message, pipe.Done):
        return ModelDone(message.reason, message.input_tokens, message.output_tokens)
    said = redact(message.message, secret.values())
    if message.kind == "status":
        raise errors.PROVIDER_FAILED(f"The provider answered {message.status}: {said}", status=message.status)
    if message.kind == "network":
        raise errors.NETWORK_ERROR(f"The provider can't be reached: {said}")
    if message.kind == "timeout":
        raise errors.TIMEOUT(f"The provider did not answer in time. {said}")
    raise errors.PROVIDER_FAILED(said)


class WorkerSource:
    """One provider's model behind the worker, as a `ModelSource`."""

    def __init__(
        self,
        worker: ModelWorker,
        *,
        label: str,
        model: str,
        base_url: str,
        secret: pipe.Secret,
        context_chars: int,
        limits: pipe.Limits | None = None,
    ) -> None:
        self.label = label
        self.context_chars = context_chars
        self._worker = worker
        self._model = model
        self._base_url = base_url
        self._secret = secret
        self._limits = limits or pipe.Limits()

    def prepare(self) -> None:
        """Have the worker started."""
        self._worker.prepare()

    def stream(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[ModelEvent, None]:
        """Stream the answer; see `ModelWorker.complete`."""
        return self._worker.complete(
            model=self._model, base_url=self._base_url, secret=self._secret, messages=messages, limits=self._limits
        )
