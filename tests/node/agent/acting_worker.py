"""A process that plays the model worker, badly if it is told to: by its first argument at its start, by model then."""

import json
import os
import sys
from pathlib import Path

from node.agent import pipe

KEY = "sk-acted-0123456789abcdef"
PIECE = "x" * 60_000


def send(*messages: pipe.ToNode) -> None:
    for message in messages:
        write(pipe.encode(message, pipe.TO_NODE_BYTES))


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def act(request: pipe.Complete, cancelled: list[int]) -> None:
    """Answer one request in the way that its model's name says."""
    number, done = request.id, pipe.Done(request.id, "stop", 3, 2)
    match request.model.split(":"):
        case ["words"]:
            send(pipe.Chunk(number, "reasoning", "Hm."), pipe.Chunk(number, "text", "Hel"))
            send(pipe.Chunk(number, "text", "lo"), pipe.Call(number, "c1", "grep", "{}"), done)
        case ["seen"]:
            seen = {"argv": sys.argv, "environment": dict(os.environ), "folder": str(Path.cwd())}
            send(pipe.Chunk(number, "text", json.dumps(seen)), done)
        case ["cancelled"]:
            send(pipe.Chunk(number, "text", json.dumps(cancelled)), done)
        case ["half"]:
            send(pipe.Chunk(number, "text", "Half"))
        case ["hang"]:
            pass
        case ["die"]:
            send(pipe.Chunk(number, "text", "Half"))
            os._exit(1)
        case ["garbage"]:
            write(b"Traceback (most recent call last): " + request.secret.key.encode())
        case ["deep"]:
            body = b"\x83\xa4type\xa5ready\xa9import_ms\x01\xa1x" + b"\x91" * 200_000
            write(pipe.PREFIX.pack(len(body)) + body)
        case ["oversized"]:
            write(pipe.PREFIX.pack(pipe.TO_NODE_BYTES + 1))
        case ["flood"]:
            for _ in range(100):
                send(pipe.Chunk(number, "text", PIECE))
        case ["calls"]:
            for _ in range(100):
                send(pipe.Call(number, "c", "grep", PIECE))
        case ["nothing"]:
            for _ in range(50_000):
                send(pipe.Chunk(number, "text", ""), pipe.Chunk(number, "reasoning", ""))
        case ["after"]:
            send(done, pipe.Chunk(number, "text", "late"), pipe.Failed(number, "broken", "late"))
        case ["stranger"]:
            send(pipe.Chunk(number + 100, "text", "for somebody else"), pipe.Ready(1), done)
        case ["fail", kind]:
            send(pipe.Failed(number, kind, f"no use for {request.secret.key}", 401 if kind == "status" else None))


def main() -> None:
    how = sys.argv[1] if len(sys.argv) > 1 else "well"
    if how == "wrongly":
        print(f"could not load the key {KEY}", file=sys.stderr)
        sys.exit(3)
    if how == "garbled":
        write(b"Welcome to my library!\n")
    if how in ("well", "briefly"):
        send(pipe.Ready(1))
    if how == "briefly":
        return
    frames, cancelled = pipe.worker_reader(), []
    while data := os.read(0, 65_536):
        for message in frames.feed(data):
            if isinstance(message, pipe.Cancel):
                cancelled.append(message.id)
            else:
                act(message, cancelled)


if __name__ == "__main__":
    main()
