"""Commands run inside this process, in a thread beside the loop that serves them: quick enough for every row."""

import asyncio
import io
import sys
from typing import Any

import pytest

import opensesh
from tests.client.shell import Finished


class Inside:
    """Runs commands as `Shell` does, without a process: no terminal, and only what is given as input."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    async def __call__(self, *words: str, stdin: bytes = b"") -> Finished:
        streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for name in ("stdout", "stderr")}
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        for name, stream in streams.items():
            self._patch.setattr(sys, name, stream)
        code = await asyncio.to_thread(opensesh.main, list(words))
        return Finished(code, _text(streams["stdout"]), _text(streams["stderr"]))


def _text(stream: Any) -> str:
    raw: bytes = stream.buffer.getvalue()
    return raw.decode()
