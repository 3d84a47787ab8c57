"""One model worker process as its manager holds it: what it may see, what it sent, how it is killed."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from pathlib import Path

from node.agent import pipe
from node.agent.turn import MAX_OUTPUT_BYTES

STDERR_BYTES = 4096
JOINED_CHARS = 16_384  # text that waits is put together to pieces of about this length
ENTRY_CHARS = 64

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


class Stream:
    """What has arrived of one completion and was not yet taken, at most `MAX_OUTPUT_BYTES` characters of it.

    `over` says that the worker has ended the stream, or has itself ended, so that there is nothing to cancel.
    """

    def __init__(self) -> None:
        self.arrived: deque[pipe.Reply] = deque()
        self.over = False
        self._closed = False
        self._waiting = 0
        self._changed = asyncio.Event()

    def put(self, message: pipe.Reply) -> None:
        """Keep it for `take`; what comes after an end, or after more than there is room for, is dropped."""
        if isinstance(message, pipe.Done | pipe.Failed):
            self.over = True
        if self._closed:
            return
        last = self.arrived[-1] if self.arrived else None
        if isinstance(message, pipe.Chunk) and isinstance(last, pipe.Chunk) and _joinable(last, message):
            self._waiting -= _size(last)
            self.arrived.pop()
            message = pipe.Chunk(message.id, message.kind, last.text + message.text)
        self._waiting += _size(message)
        if self._waiting > MAX_OUTPUT_BYTES and not self.over:
            message = pipe.Failed(message.id, "broken", "The model sends faster than this device can store.")
        self._closed = isinstance(message, pipe.Done | pipe.Failed)
        self.arrived.append(message)
        self._changed.set()

    async def take(self, timeout_s: float) -> pipe.Reply:
        """The next message. Raises TimeoutError."""
        while not self.arrived:
            self._changed.clear()
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        message = self.arrived.popleft()
        self._waiting -= _size(message)
        return message


def _joinable(last: pipe.Chunk, following: pipe.Chunk) -> bool:
    return last.kind == following.kind and len(last.text) < JOINED_CHARS


def _size(message: pipe.Reply) -> int:
    """What it counts for: its text, and something for itself, so that empty messages don't come free."""
    match message:
        case pipe.Chunk():
            return ENTRY_CHARS + len(message.text)
        case pipe.Call():
            return ENTRY_CHARS + len(message.call_id) + len(message.name) + len(message.input)
        case _:
            return ENTRY_CHARS


class Process:
    """One worker process, from its start to its end."""

    def __init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.streams: dict[int, Stream] = {}
        self.child: asyncio.subprocess.Process | None = None
        self.stderr_tail = b""
        self.stopping = False
        self.over = False

    def send(self, message: pipe.ToWorker) -> None:
        """Write it to the worker's stdin, unless the worker is going. Raises Misframed if it is too large."""
        frame = pipe.encode(message, pipe.TO_WORKER_BYTES)
        if not self.stopping and self.child and self.child.stdin and not self.child.stdin.is_closing():
            self.child.stdin.write(frame)

    def kill(self) -> None:
        """Kill the whole group: whatever the worker started goes with it."""
        self.stopping = True
        if self.child and self.child.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)


async def read(process: Process, starting: asyncio.TimerHandle) -> None:
    """Hand what the worker sends to the streams until it ends. Raises Misframed; `starting` is cancelled once ready."""
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


async def drain(process: Process) -> None:
    """Keep the end of what the worker prints; an unread pipe would block it."""
    assert process.child is not None and process.child.stderr is not None
    while data := await process.child.stderr.read(4096):
        process.stderr_tail = (process.stderr_tail + data)[-STDERR_BYTES:]
