"""Commands run as processes of their own, while this process's event loop serves them."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


class Finished(msgspec.Struct):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """Its only JSON line."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def values(self) -> list[Any]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        """The error it gave with `--json`: one line, and nothing else, on stderr."""
        (line,) = self.err.splitlines()
        shape: dict[str, Any] = json.loads(line)["error"]
        return shape


class Shell:
    """Runs `opensesh` with an environment; awaits its end, or hands out the running process."""

    def __init__(self, environ: dict[str, str], program: list[str] | None = None) -> None:
        # Buffered as a person's is: what is left in the buffer when a pipe closes is part of what is tested.
        self.environ = {name: value for name, value in environ.items() if name != "PYTHONUNBUFFERED"}
        self.environ["PYTHONPATH"] = str(ROOT)
        self.program = program or [sys.executable, "-P", "-m", "opensesh"]

    async def __call__(self, *words: str, stdin: bytes = b"") -> Finished:
        process = await self.begin(*words)
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate(stdin)
        return Finished(process.returncode or 0, out.decode(), err.decode())

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        """A running command."""
        return await asyncio.create_subprocess_exec(
            *self.program,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environ,
            cwd=os.path.sep,
        )
