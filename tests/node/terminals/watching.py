"""A watcher for tests: a terminal's screen put together again from what it is told, as a client does it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

PATIENCE_S = 20.0


class Watcher:
    """Reads a watch, line by line, into `lines`, `history` and `state`."""

    def __init__(self, stream: AsyncIterator[dict[str, Any]]) -> None:
        self._stream = stream
        self._told = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.screens = 0
        self.told: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.history: list[str] = []
        self.state: dict[str, Any] = {}
        self.end: dict[str, Any] | None = None
        self.failure: BaseException | None = None

    async def __aenter__(self) -> "Watcher":
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _read(self) -> None:
        try:
            async for line in self._stream:
                async with self._told:
                    self._take(line)
                    self._told.notify_all()
        except Exception as error:
            async with self._told:
                self.failure = error
                self._told.notify_all()
        finally:
            await self._stream.aclose()  # type: ignore[attr-defined]

    def _take(self, line: dict[str, Any]) -> None:
        self.told.append(line)
        self.state |= {name: value for name, value in line.items() if name not in ("lines", "scrolled", "history")}
        if line["type"] == "terminal.screen":
            self.screens += 1
            self.lines = [each["text"] for each in line["lines"]]
            past = [each["text"] for each in line["history"]]
            self.history = past if line["begins"] else self.history + past
        elif line["type"] == "terminal.changed":
            self.history += [each["text"] for each in line["scrolled"]]
            rows = len(self.lines)
            self.lines = (self.lines[line["moved"] :] + [""] * line["moved"])[-rows:]
            for each in line["lines"]:
                self.lines[each["row"]] = each["text"]
        else:
            self.end = line

    @property
    def text(self) -> str:
        """What stands on the screen, without blank lines at its end."""
        return "\n".join(self.lines).rstrip()

    async def until(self, condition: Callable[["Watcher"], Any]) -> None:
        """Wait until it holds."""
        async with asyncio.timeout(PATIENCE_S), self._told:
            try:
                await self._told.wait_for(lambda: self.failure or condition(self))
            except TimeoutError as error:
                raise AssertionError(f"it did not come true on:\n{self.text}\n{self.end}") from error
        if self.failure:
            raise self.failure

    async def shows(self, text: str) -> None:
        """Wait until the screen holds this."""
        await self.until(lambda it: text in it.text)

    async def ends(self) -> dict[str, Any]:
        """Wait for the end; how it was."""
        await self.until(lambda it: it.end is not None)
        assert self.end is not None
        return self.end
