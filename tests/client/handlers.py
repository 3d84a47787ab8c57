"""An in-memory node for the client's tests: every operation answered in the table's shape, every call noted.

It stands behind the real `node.api.server.Server`, so that what a client sends is parsed and checked as by
a real node.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from client.version import version
from crdt.errors import CURSOR_UNKNOWN, THREAD_NOT_FOUND
from node.api.operations import OPERATIONS
from node.api.requests import Context
from node.api.server import Handler
from tests.client import discussing, sharing, showing
from tests.client.hostile import HOSTILE, THREAD_IDS
from tests.node.api.parity import line_faults, shape_faults

WHEN = "2026-03-01T12:00:00.000Z"


class Call(msgspec.Struct):
    """One call as the handler saw it."""

    operation: str
    parameters: dict[str, Any]
    request_id: str | None


class FakeNode:
    """Handlers by operation name. `answers` overrides a result, `lines` those of a stream, `errors` raises."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, Any] = {}
        self.lines: dict[str, list[dict[str, Any]]] = {}
        self.errors: dict[str, BaseException] = {}
        # A stream named here goes on, after its lines, until the event is set.
        self.holding: dict[str, asyncio.Event] = {}
        self.left: list[str] = []

    @property
    def handlers(self) -> dict[str, Handler]:
        """For `Server`."""
        return {name: self._handler(name) for name in OPERATIONS}

    def last(self, operation: str) -> dict[str, Any]:
        """The parameters of the last call of an operation."""
        return next(call.parameters for call in reversed(self.calls) if call.operation == operation)

    def _handler(self, name: str) -> Handler:
        async def answer(parameters: Any, context: Context) -> Any:
            self._note(name, parameters, context)
            result = self.answers.get(name, ANSWERS.get(name))
            assert result is not None, f"{name} has no answer"
            return result(parameters) if callable(result) else result

        async def stream(parameters: Any, context: Context) -> AsyncIterator[Any]:
            self._note(name, parameters, context)
            try:
                for line in self.lines.get(name, LINES.get(name, [])):
                    yield line
                if name in self.holding:
                    await self.holding[name].wait()
            finally:
                self.left.append(name)

        return stream if OPERATIONS[name].stream else answer

    def _note(self, name: str, parameters: Any, context: Context) -> None:
        self.calls.append(Call(name, msgspec.structs.asdict(parameters), context.client_request_id))
        if name in self.errors:
            raise self.errors[name]
        if getattr(parameters, "thread", None) == "missing":
            raise THREAD_NOT_FOUND(nearest=[{"id": THREAD_IDS[0], "title": "Parser"}])
        if getattr(parameters, "since", None) == 999:
            raise CURSOR_UNKNOWN()


def message(text: str, **more: Any) -> dict[str, Any]:
    """A message in the table's shape."""
    shape: dict[str, Any] = {
        **{"id": "m" * 26, "role": "user", "text": text, "created_at": WHEN, "state": "final", "model": None},
        **{"run": None, "parts": [{"type": "text", "text": text}], "tool_calls": []},
        "author": {"identity": "i" * 52, "device": "d" * 52, "name": "laptop"},
    }
    return {**shape, **more}


def thread_row(index: int, title: str) -> dict[str, Any]:
    """A thread of a list in the table's shape."""
    return {
        **{"id": THREAD_IDS[index % 3], "title": title, "project": "/home/ana/parser", "updated_at": WHEN},
        **{"messages": 2, "state": "active", "sync": "on 2 devices"},
    }


def person(name: str, **more: Any) -> dict[str, Any]:
    """Somebody who is here in the table's shape."""
    shape: dict[str, Any] = {
        **{"identity": "i" * 52, "name": name, "role": "editor", "device": {"id": "d" * 52, "name": HOSTILE}},
        **{"this": False, "state": "active", "cursor": 4, "writing": True, "last_seen": WHEN},
    }
    return {**shape, **more}


WARNING = {
    **{"thread": THREAD_IDS[0], "kind": "work-withheld", "since": WHEN, "message": f"{HOSTILE} wrote something."},
    "by": {"identity": "i" * 52, "device": "d" * 52, "name": HOSTILE},
}
DRIVER = {"identity": "i" * 52, "name": HOSTILE, "me": False}
CONTROL = {
    **{"thread": THREAD_IDS[0], "terminal": None, "driver": DRIVER, "since": WHEN, "typing": [DRIVER]},
    "requests": [{**DRIVER, "at": WHEN, "text": HOSTILE}],
}
LOOKED_AT = {"kind": "message", "id": HOSTILE}
TOOL_CALL = {"id": "t1", "name": "Bash", "input": '{"command": "ls"}', "result": "a", "status": "ok", "agent": "scout"}
RELAY = {"url": "ws://127.0.0.1:8765", "state": "connected", "error": None, "pending": 3}
DEVICE = {"id": "d" * 52, "name": "laptop", "this": True, "state": "active", "online": True, "added_at": WHEN}
FOLLOW = {"id": "f1", "source": "claude", "path": "/home/ana/.claude", "sessions": 4, "state": "watching"}
PROVIDER = {"name": "local", "base_url": "http://localhost:1/v1", "models": ["qwen3"], "has_key": True}
RUN = {"run": "r1", "thread": THREAD_IDS[0]}


def _moved(state: str) -> Callable[[Any], dict[str, Any]]:
    return lambda parameters: {"id": THREAD_IDS[0], "state": state}


ANSWERS: dict[str, Any] = {
    **sharing.RESULTS,
    **discussing.RESULTS,
    **showing.RESULTS,
    "status": {
        **{"state": "ready", "version": version(), "pid": 4242, "started_at": WHEN, "home": None, "identity": "i" * 52},
        **{"device": {"id": "d" * 52, "name": "laptop"}, "threads": 2, "sync": "on 2 devices", "keys": "file"},
    },
    "node.stop": {"stopping": True, "pid": 2**22 + 1},  # above Linux's largest process id
    "doctor": {"ok": True, "checks": [{"name": "database", "state": "ok", "message": "intact"}]},
    "config.get": {"config": {"sync.lan": True, "import.follow": ["claude"]}, "path": "/home/ana/config.toml"},
    "config.set": lambda p: {"key": p.key, "value": p.value, "restart": True},
    "backup.create": lambda p: {"path": p.path, "size_bytes": 123_456, "threads": 2},
    "backup.restore": lambda p: {"path": p.path, "threads": 2, "restored": 7},
    "purge": lambda p: {
        "dry_run": p.dry_run,
        "items": [{"what": "deleted threads", "count": 1, "size_bytes": 2048}],
        "size_bytes": 2048,
    },
    "thread.create": lambda p: {"id": THREAD_IDS[0], "title": p.title, "project": p.project},
    "thread.list": {"threads": [thread_row(0, "Parser"), thread_row(1, HOSTILE)]},
    "thread.show": {
        **{"id": THREAD_IDS[0], "title": HOSTILE, "project": None, "updated_at": WHEN, "cursor": 12},
        **{"membership_as_of": WHEN, "warnings": [WARNING]},
        "messages": [message(HOSTILE), message("done", role="assistant", model="guide", tool_calls=[TOOL_CALL])],
    },
    "thread.rename": lambda p: {"id": THREAD_IDS[0], "title": p.title},
    "thread.trash": _moved("trashed"),
    "thread.restore": _moved("active"),
    "thread.delete": _moved("deleted"),
    "thread.export": lambda p: {
        **{"id": THREAD_IDS[0], "format": p.format},
        "text": '{"title": "Parser"}\n' if p.format == "json" else f"# Parser\n\n{HOSTILE}\n",
    },
    "search": {
        "results": [
            {
                **{"thread": THREAD_IDS[0], "title": HOSTILE, "message_id": "m" * 26, "role": "user"},
                **{"created_at": WHEN, "snippet": "a race here"},
            }
        ]
    },
    "message.say": {"message_id": "m" * 26, "thread": THREAD_IDS[0]},
    "run.cancel": {"cancelled": ["r1"]},
    "provider.add": {"provider": PROVIDER},
    "provider.list": {"providers": [PROVIDER]},
    "provider.test": {"name": "local", "model": "qwen3", "first_token_ms": 41},
    "provider.remove": {"name": "local", "removed": True},
    "model.list": {"models": [{"id": "guide", "provider": "guide", "default": True}]},
    "import.file": lambda p: {
        "threads": [
            {
                **{"id": THREAD_IDS[0], "title": p.path.rpartition("/")[2], "new": True, "messages": 3},
                **{"tool_calls": 1, "placeholders": 0, "skipped_lines": 2},
            }
        ]
    },
    "import.follow": {"follows": [FOLLOW]},
    "import.unfollow": {"follows": []},
    "import.followed": {"follows": [FOLLOW]},
    "pair.confirm": lambda p: {"accepted": p.accept},
    "device.list": {"devices": [DEVICE]},
    "device.rename": lambda p: {"device": {**DEVICE, "name": p.name}},
    "device.revoke": {"device": {**DEVICE, "state": "revoked"}, "threads": 2},
    "identity.whoami": {
        **{"identity": "i" * 52, "name": "Ana", "recovery_confirmed": False},
        "device": {"id": "d" * 52, "name": "laptop"},
    },
    "recovery.show": {"phrase": " ".join(["zebra"] * 24), "identity": "i" * 52},
    "recovery.confirm": {"confirmed": True},
    "sync.status": {
        **{"state": "on the relay", "enabled": True, "pending": 3, "relays": [RELAY]},
        **{"membership_as_of": WHEN, "warnings": [WARNING]},
        "peers": [{"device": "d" * 52, "name": "desktop", "state": "connected", "pending": 0}],
    },
    "sync.enable": {"enabled": True, "threads": [THREAD_IDS[0]]},
    "sync.disable": {"enabled": False, "threads": [THREAD_IDS[0]]},
    "sync.connect": {"relay": RELAY},
    "sync.disconnect": {"relays": []},
    "sync.wait": {"synced": True, "waited_ms": 12},
    "relay.status": {"relays": [{**RELAY, "ready": True, "round_trip_ms": 2}]},
    "control.show": CONTROL,
    "control.set": CONTROL,
    "presence.show": {"thread": THREAD_IDS[0], "people": [person("Ana"), person(HOSTILE, looking_at=LOOKED_AT)]},
    "presence.set": {"thread": THREAD_IDS[0], "state": "active", "for_s": 30},
}
LINES: dict[str, list[dict[str, Any]]] = {
    **discussing.LINES,
    **showing.LINES,
    "events.watch": [
        {"type": "ready", "cursor": 10, "thread": None},
        {"type": "message.added", "cursor": 11, "thread": THREAD_IDS[0], "message": message(HOSTILE)},
        {"type": "run.completed", "cursor": 12, "thread": THREAD_IDS[0]},
    ],
    "run.ask": [
        {"type": "run.queued", **RUN, "prompt": "p" * 26, "runner": "d" * 52},
        {"type": "run.started", **RUN, "message_id": "m" * 26, "model": "guide"},
        {"type": "run.delta", **RUN, "message_id": "m" * 26, "text": "Hello ", "part": "text"},
        {"type": "run.delta", **RUN, "message_id": "m" * 26, "text": "wor\x1b[2Jld", "part": "text"},
        {"type": "run.completed", **RUN, "message_id": "m" * 26, "text": "Hello world"},
    ],
    "pair.show": [
        {"type": "pair.code", "code": "6-diet-eagle", "link": "opensesh:pair#x", "expires_at": WHEN},
        {"type": "pair.joining", "device": {"name": "desk\x1b[2Jtop", "platform": "linux"}},
        {"type": "pair.done", "paired": {"device": {"id": "e" * 52, "name": "desktop"}, "identity": "i", "threads": 2}},
    ],
    "pair.join": [
        {"type": "pair.joining", "device": {"name": "laptop"}},
        {"type": "pair.done", "paired": {"device": {"id": "d" * 52, "name": "laptop"}, "identity": "i", "threads": 2}},
    ],
    "recovery.restore": [
        {"type": "recovery.progress", "threads": 1, "total": 2},
        {"type": "recovery.done", "identity": "i" * 52, "threads": 2, "device": "d" * 52},
    ],
}


def faults() -> list[str]:
    """Where these answers are not what the table promises: then the tests would prove nothing."""
    found = []
    for name, operation in OPERATIONS.items():
        if operation.stream:
            found += [fault for line in LINES[name] for fault in line_faults(operation, line)]
        elif not callable(ANSWERS[name]):
            found += [f"{name}: {fault}" for fault in shape_faults(operation.result, ANSWERS[name])]
    return found
