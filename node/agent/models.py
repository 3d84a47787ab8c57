"""The node's end of the model worker: start it ahead of need, stop it when idle, and stream through it.

One worker serves all threads. It is started by `prepare` or by the first stream, restarted at once if
it dies while it was serving, and stopped after `idle_s` without a stream. A stream that is closed is
over for the caller at that moment; the worker is told, and nothing waits for its answer. A worker
that does not keep its own time-outs is killed, with its process group.
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from crdt import errors
from node.agent import pipe
from node.agent.ports import ChatMessage, ModelCall, ModelDelta, ModelDone, ModelEvent, ModelLost
from node.agent.redact import redact
from node.agent.worker_process import Process, Stream, drain, read, worker_environment

IDLE_S = 300.0
START_S = 60.0
GRACE_S = 10.0  # what a worker may be late by in reporting its own time-out
UNEXPECTED = "The model worker stopped unexpectedly."
SECRETS_KEPT = 64  # of recent streams, to redact what a crashing worker prints


class ModelWorker:
    """The worker process as the node sees it. Use from one event loop; `close` it at the end."""

    def __init__(
        self,
        *,
        idle_s: float = IDLE_S,
        start_s: float = START_S,
        grace_s: float = GRACE_S,
        command: Sequence[str] = (),
    ) -> None:
        self._idle_s = idle_s
        self._start_s = start_s
        self._grace_s = grace_s
        # -P: a file named like a library in the folder the node was started in is not imported.
        self._command = list(command) or [sys.executable, "-P", "-m", "node.agent.worker"]
        self._process: Process | None = None
        self._supervisors: set[asyncio.Task[None]] = set()
        self._idle: asyncio.TimerHandle | None = None
        self._awaited = 0
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
        if self._process is None or self._process.stopping:  # one that is being killed takes nothing more
            process = self._process = Process()
            supervisor = asyncio.create_task(self._supervise(process))
            self._supervisors.add(supervisor)
            supervisor.add_done_callback(self._supervisors.discard)
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
        stream = process.streams[stream_id] = Stream()
        self._secrets.extend(secret.values())
        self._rest()
        try:
            try:
                process.send(request)
            except pipe.Misframed:
                stream.over = True
                raise errors.TOO_LARGE("The conversation is too large to send to a model.") from None
            wait_s = limits.first_s + self._grace_s
            message: pipe.Reply | None = None
            while not isinstance(message, pipe.Done):
                try:
                    message = await stream.take(wait_s)
                except TimeoutError:
                    process.kill()  # it has missed its own time-out: it hangs
                    raise errors.TIMEOUT("The model worker stopped responding.") from None
                wait_s = limits.stall_s + self._grace_s
                yield _event(message, secret)
        finally:
            process.streams.pop(stream_id, None)
            if not stream.over:
                process.send(pipe.Cancel(stream_id))
            self._rest()

    async def close(self) -> None:
        """Stop the worker and wait until it is gone."""
        self._closed = True
        if self._idle:
            self._idle.cancel()
        if self._process:
            self._process.kill()
        while self._supervisors:
            await asyncio.wait(set(self._supervisors))

    async def _ready_process(self) -> Process:
        self._awaited += 1
        try:
            self.prepare()
            process = self._process
            assert process is not None
            await asyncio.shield(process.ready)
        finally:
            self._awaited -= 1
            self._rest()
        if process.over:  # it was ready, and went before we could say so
            raise ModelLost(UNEXPECTED)
        return process

    def _rest(self) -> None:
        """(Re)arm the idle timer; a worker with a stream under way, or about to have one, is not idle."""
        if self._idle:
            self._idle.cancel()
            self._idle = None
        process = self._process
        if process and not process.streams and not self._awaited and not self._closed:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, process.kill)

    async def _supervise(self, process: Process) -> None:
        """Start the process, read what it sends, and settle everything when it ends."""
        reason = UNEXPECTED

        def late() -> None:
            nonlocal reason
            reason = f"The model worker was not ready within {self._start_s:g} s."
            process.kill()

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
            starting = asyncio.get_running_loop().call_later(self._start_s, late)
            draining = asyncio.create_task(drain(process))
            try:
                if process.stopping:  # closed while it was being started
                    process.kill()
                await read(process, starting)
            except pipe.Misframed as error:
                reason = f"The model worker sent what it should not: {error}"
            finally:
                starting.cancel()
                process.kill()
                await process.child.wait()
                await draining
        except OSError as error:
            reason = f"The model worker could not be started: {error.strerror or 'no reason given'}"
        self._ended(process, reason)

    def _ended(self, process: Process, reason: str) -> None:
        process.over = True
        was_ready = process.ready.done()
        serving = bool(process.streams)
        said = redact(process.stderr_tail.decode("utf-8", "replace"), self._secrets).strip()
        if not was_ready:
            details = {"stderr": said[-1000:]} if said else {}
            process.ready.set_exception(errors.AGENT_SPAWN_FAILED(reason, **details))
            process.ready.exception()  # nobody may be waiting
        for stream_id, stream in process.streams.items():
            stream.put(pipe.Failed(stream_id, "lost", reason))
        if self._process is process:
            self._process = None
        # One that never became ready would fail again: then the next request tries, not a loop of ours.
        if was_ready and serving and not self._closed:
            self.prepare()


def _event(message: pipe.Reply, secret: pipe.Secret) -> ModelEvent:
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
    if message.kind == "lost":
        raise ModelLost(said)
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
