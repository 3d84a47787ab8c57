"""In litellm's place: a library that prints where it should not, and answers with what it found on being imported."""

import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

FOUND = {name: os.environ.get(name) for name in ("LITELLM_MODE", "LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_TELEMETRY")}
print("Give feedback / get help!", flush=True)
os.write(1, b"and this goes past Python's own buffers\n")


class Stream:
    """One answer, in one piece."""

    received_finish_reason = "stop"

    def __init__(self, text: str) -> None:
        self._texts = [text]

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not self._texts:
            raise StopAsyncIteration
        delta = SimpleNamespace(content=self._texts.pop())
        return SimpleNamespace(choices=[SimpleNamespace(delta=delta, finish_reason="stop")])

    async def aclose(self) -> None:
        print("closed")


async def acompletion(**arguments: Any) -> Stream:
    if "mock_response" in arguments:
        raise RuntimeError("nothing to warm up here")
    logging.getLogger("LiteLLM").critical("POST %s", arguments)
    flags = {name: globals().get(name) for name in ("telemetry", "suppress_debug_info", "turn_off_message_logging")}
    print(arguments["messages"], sys.stdin.read())
    return Stream(json.dumps({"found": FOUND, "flags": flags, "standard input": os.read(0, 10).decode()}))
