"""The one table of everything the node can be asked to do.

The server builds its routes from it, the command line and the Python API build their requests from
it, `docs/api.md` is written from it, and a test holds the four together. To add an operation: add a
row here, a handler in the node, a command, and a method.

Standard library only and cheap to import; see `node/api/operation.py` for what a row means.
"""

from crdt import errors as e
from node.api.operation import Operation, Parameter, body_of, format_path, unquote

__all__ = ["COMMON_ERRORS", "OPERATIONS", "Operation", "Parameter", "body_of", "format_path", "match"]

# Any operation may give these; rows list only what is particular to them.
COMMON_ERRORS = (e.REQUEST_INVALID, e.TOO_LARGE, e.INTERNAL, e.DISK_FULL, e.TIMEOUT)

_THREAD = Parameter("thread", "thread", "Id, unique prefix of an id, or exact title.", place="path", required=True)
_ABOUT_THREAD = (e.THREAD_NOT_FOUND, e.AMBIGUOUS_THREAD)
_WRITE_THREAD = (*_ABOUT_THREAD, e.THREAD_DELETED, e.WAITING_FOR_KEY, e.PERMISSION_DENIED, e.DEVICE_REVOKED)
_DEVICE = Parameter("device", "device", "Device id, unique prefix of it, or exact name.", place="path", required=True)
_PROVIDER = Parameter("provider", "text", "The provider's name.", place="path", required=True, maximum=200)
_TIMEOUT = Parameter(
    "timeout_s", "number", "Seconds to wait before giving up with TIMEOUT.", default=600, maximum=86_400
)

# ---- shapes that several operations share

_TIME = "RFC 3339, UTC, milliseconds"
_TOOL_CALL: dict[str, object] = {
    "id": "text",
    "name": "text",
    "input": "JSON text",
    "result": "text or null while there is none",
    "status": "running | ok | error | interrupted",
    "agent": "sub-agent's label or null",
}
_PART: dict[str, object] = {
    "type": "text | reasoning | tool_call | file | image | placeholder",
    "text?": "text",
}
_MESSAGE: dict[str, object] = {
    "id": "message id",
    "role": "user | assistant | system | tool",
    "text": "all text parts joined",
    "created_at": _TIME,
    "author": {"identity": "identity id", "device": "device id", "name": "text"},
    "state": "final | streaming | interrupted",
    "model?": "text or null",
    "run?": "run id or null",
    "parts": [_PART],
    "tool_calls": [_TOOL_CALL],
}
_THREAD_ROW: dict[str, object] = {
    "id": "thread id",
    "title": "text",
    "project": "root folder on this device, or null",
    "updated_at": _TIME,
    "messages": "count",
    "state": "active | trashed",
    "sync": "local-only | saved here | on the relay | on N devices | waiting for a key",
}
_DEVICE_ROW: dict[str, object] = {
    "id": "device id",
    "name": "text",
    "this": "true for the device asked",
    "state": "active | revoked",
    "online": "true while it is reachable over the local network",
    "added_at": _TIME,
}
_PAIRED: dict[str, object] = {
    "paired": {"device": {"id": "device id", "name": "text"}, "identity": "identity id", "threads": "count"}
}
_PROVIDER_ROW: dict[str, object] = {
    "name": "text",
    "base_url": "URL or null for one that is built in",
    "models": ["text"],
    "has_key": "boolean",
}
_RELAY_ROW: dict[str, object] = {
    "url": "URL",
    "state": "connected | connecting | unreachable | refused",
    "error?": "error object or null",
    "pending": "local changes it has not stored yet",
}
_EVENT: dict[str, object] = {"cursor": "integer, rising", "thread": "thread id or null"}
_FOLLOW_ROW: dict[str, object] = {
    "id": "follow id",
    "source": "claude | codex | path",
    "path": "folder or file watched",
    "sessions": "count seen so far",
    "state": "watching | missing",
}

# ---- the table

_NODE = (
    Operation(
        "status",
        "GET",
        "/v1/status",
        "Whether the node is ready, what it is, and how it stands.",
        result={
            "state": "starting | ready | stopping",
            "version": "text",
            "pid": "integer",
            "started_at": _TIME,
            "home": "folder or null for the platform's folders",
            "identity": "identity id, or null before the first thread",
            "device": {"id": "device id", "name": "text"},
            "threads": "count",
            "sync": "the sync state in words",
            "keys": "keychain | file",
        },
    ),
    Operation(
        "node.stop",
        "POST",
        "/v1/node/stop",
        "Stop the node gracefully; answered before it stops listening.",
        result={"stopping": "true", "pid": "integer"},
    ),
    Operation(
        "doctor",
        "GET",
        "/v1/doctor",
        "Check the installation: database, keys, disk, clock, sockets, relays, models.",
        result={
            "ok": "boolean",
            "checks": [{"name": "text", "state": "ok | warning | failed", "message": "text", "next?": "text"}],
        },
    ),
    Operation(
        "config.get",
        "GET",
        "/v1/config",
        "The settings in force, or one of them.",
        Parameter("key", "text", "Dotted key; without it, all.", place="query", maximum=200),
        result={"config": "object of dotted key → value", "path": "the file they are kept in"},
        errors=(e.CONFIG_INVALID,),
    ),
    Operation(
        "config.set",
        "PUT",
        "/v1/config",
        "Change one setting, in the file and in the running node.",
        Parameter("key", "text", "Dotted key.", required=True, maximum=200),
        Parameter("value", "any", "Text, number, boolean or list of texts; null removes it.", required=True),
        result={"key": "text", "value": "as set", "restart": "true if it takes a restart"},
        errors=(e.CONFIG_INVALID,),
    ),
    Operation(
        "backup.create",
        "POST",
        "/v1/backups",
        "Write everything this device holds into one encrypted file.",
        Parameter("path", "path", "The new file; it must not exist.", required=True),
        Parameter("passphrase", "secret", "Seals the file; without it, only this identity can open it."),
        result={"path": "path", "size_bytes": "integer", "threads": "count"},
        errors=(e.FILE_UNREADABLE, e.KEYS_UNREADABLE),
    ),
    Operation(
        "backup.restore",
        "POST",
        "/v1/backups/restore",
        "Bring back what a backup holds; what is here already stays.",
        Parameter("path", "path", "The backup file.", required=True),
        Parameter("passphrase", "secret", "As given when it was made."),
        result={"path": "path", "threads": "count", "restored": "count of changes that were not here"},
        errors=(e.BACKUP_INVALID, e.FILE_UNREADABLE, e.AUTH_FAILED),
    ),
    Operation(
        "purge",
        "POST",
        "/v1/purge",
        "Free the space of what was deleted for ever.",
        Parameter("dry_run", "boolean", "Only say what would go.", default=True),
        result={
            "dry_run": "boolean",
            "items": [{"what": "text", "count": "integer", "size_bytes": "integer"}],
            "size_bytes": "sum",
        },
    ),
    Operation(
        "events.watch",
        "GET",
        "/v1/events",
        "What happens, as it happens; also as a WebSocket at /v1/events/ws, one JSON text message per event."
        " The first line says that the watch has begun, and after which cursor.",
        Parameter("thread", "thread", "Only what concerns this thread.", place="query"),
        Parameter(
            "since", "integer", "Resume after this cursor, without gap or repeat; without it, from now.", place="query"
        ),
        result={"ready": _EVENT, "*": _EVENT},
        errors=(*_ABOUT_THREAD, e.CURSOR_UNKNOWN),
        stream=True,
    ),
)

_THREADS = (
    Operation(
        "thread.create",
        "POST",
        "/v1/threads",
        "Begin a thread.",
        Parameter("title", "text", "Shown in lists.", required=True, maximum=500),
        Parameter("project", "path", "The project's root folder."),
        result={"id": "thread id", "title": "text", "project": "folder or null"},
        errors=(e.KEYS_UNREADABLE, e.DEVICE_REVOKED),
    ),
    Operation(
        "thread.list",
        "GET",
        "/v1/threads",
        "The threads on this device, the latest change first.",
        Parameter("trash", "boolean", "Those in the trash instead.", place="query", default=False),
        Parameter("project", "path", "Only those of this project.", place="query"),
        Parameter("limit", "integer", "At most so many.", place="query", maximum=1_000_000),
        result={"threads": [_THREAD_ROW]},
    ),
    Operation(
        "thread.show",
        "GET",
        "/v1/threads/{thread}",
        "A thread with its messages, oldest first.",
        _THREAD,
        Parameter("limit", "integer", "Only the last so many messages.", place="query", maximum=1_000_000),
        Parameter("before", "text", "Only messages before the one of this id.", place="query", maximum=100),
        result={
            "id": "thread id",
            "title": "text",
            "project": "root folder on this device, or null",
            "updated_at": _TIME,
            "cursor": "events after this one are not in the answer",
            "messages": [_MESSAGE],
        },
        errors=(*_ABOUT_THREAD, e.THREAD_DELETED, e.WAITING_FOR_KEY),
    ),
    Operation(
        "thread.rename",
        "PATCH",
        "/v1/threads/{thread}",
        "Give a thread another title.",
        _THREAD,
        Parameter("title", "text", "The new title.", required=True, maximum=500),
        result={"id": "thread id", "title": "text"},
        errors=_WRITE_THREAD,
    ),
    Operation(
        "thread.trash",
        "POST",
        "/v1/threads/{thread}/trash",
        "Put a thread into the trash; nothing there expires.",
        _THREAD,
        result={"id": "thread id", "state": "trashed"},
        errors=_WRITE_THREAD,
    ),
    Operation(
        "thread.restore",
        "POST",
        "/v1/threads/{thread}/restore",
        "Take a thread out of the trash.",
        _THREAD,
        result={"id": "thread id", "state": "active"},
        errors=_WRITE_THREAD,
    ),
    Operation(
        "thread.delete",
        "DELETE",
        "/v1/threads/{thread}",
        "Delete a thread for ever, on every device of the identity.",
        _THREAD,
        Parameter("forever", "yes", "Must be true: there is no way back.", place="query", required=True),
        result={"id": "thread id", "state": "deleted"},
        errors=_WRITE_THREAD,
    ),
    Operation(
        "thread.export",
        "GET",
        "/v1/threads/{thread}/export",
        "A thread as text, equal byte for byte on every device.",
        _THREAD,
        Parameter("format", "text", "What to write.", place="query", default="markdown", choices=("markdown", "json")),
        result={"id": "thread id", "format": "markdown | json", "text": "the whole export"},
        errors=(*_ABOUT_THREAD, e.THREAD_DELETED, e.WAITING_FOR_KEY),
    ),
    Operation(
        "search",
        "GET",
        "/v1/search",
        "Messages and titles that hold all the words.",
        Parameter("text", "text", "The words.", place="query", required=True, maximum=1_000),
        Parameter("thread", "thread", "Only in this thread.", place="query"),
        Parameter("limit", "integer", "At most so many.", place="query", default=50, maximum=1_000),
        result={
            "results": [
                {
                    "thread": "thread id",
                    "title": "text",
                    "message_id": "message id, or null for a hit in the title",
                    "role": "as in a message, or null",
                    "created_at": _TIME,
                    "snippet": "the words with what is around them",
                }
            ]
        },
        errors=_ABOUT_THREAD,
    ),
    Operation(
        "message.say",
        "POST",
        "/v1/threads/{thread}/messages",
        "Write a message to people; no model runs. Acknowledged once stored.",
        _THREAD,
        Parameter("text", "text", "The message.", required=True),
        result={"message_id": "message id", "thread": "thread id"},
        errors=_WRITE_THREAD,
    ),
)

_RUN: dict[str, object] = {"run": "run id", "thread": "thread id"}
_RUN_END: dict[str, object] = {**_RUN, "message_id?": "the answer, if one was begun"}
_RUNS = (
    Operation(
        "run.ask",
        "POST",
        "/v1/threads/{thread}/runs",
        "Write a prompt and stream the model's answer. The run goes on if the client leaves.",
        _THREAD,
        Parameter("text", "text", "The prompt.", required=True),
        Parameter("model", "text", "Model id; without it the thread's, then the default.", maximum=200),
        Parameter("take_over", "boolean", "Run it here even if another device holds the thread.", default=False),
        result={
            "run.queued": {**_RUN, "prompt": "message id", "runner": "device id that will run it"},
            "run.started": {**_RUN, "message_id": "the answer's message id", "model": "text"},
            "run.delta": {**_RUN, "message_id": "message id", "text": "what was added", "part": "text | reasoning"},
            "run.completed": {**_RUN_END, "text": "the whole answer"},
            "run.failed": {**_RUN_END, "error": "error object"},
            "run.cancelled": _RUN_END,
        },
        errors=(*_WRITE_THREAD, e.AGENT_NOT_FOUND, e.AGENT_SPAWN_FAILED, e.PROVIDER_FAILED, e.RUN_ELSEWHERE),
        stream=True,
        last=("run.completed", "run.failed", "run.cancelled"),
    ),
    Operation(
        "run.cancel",
        "POST",
        "/v1/threads/{thread}/runs/cancel",
        "Cancel the thread's run, and all queued in it; what another device runs ends as soon as it hears.",
        _THREAD,
        Parameter("run", "text", "Only this run.", maximum=100),
        result={"cancelled": ["run id"]},
        errors=_WRITE_THREAD,
    ),
    Operation(
        "provider.add",
        "POST",
        "/v1/providers",
        "Add, or replace, an OpenAI-compatible endpoint. Its key stays in this device's keychain.",
        Parameter("name", "text", "What to call it.", required=True, maximum=200),
        Parameter("base_url", "text", "Its base URL.", required=True, maximum=2_000),
        Parameter("model", "text", "A model it offers; the default of this provider.", required=True, maximum=200),
        Parameter("key", "secret", "Its API key."),
        result={"provider": _PROVIDER_ROW},
        errors=(e.CONFIG_INVALID, e.KEYS_UNREADABLE),
    ),
    Operation(
        "provider.list",
        "GET",
        "/v1/providers",
        "The providers on this device; the guide is always among them.",
        result={"providers": [_PROVIDER_ROW]},
    ),
    Operation(
        "provider.test",
        "POST",
        "/v1/providers/{provider}/test",
        "Ask a provider for one short answer.",
        _PROVIDER,
        result={"name": "text", "model": "text", "first_token_ms": "integer"},
        errors=(e.AGENT_NOT_FOUND, e.AGENT_SPAWN_FAILED, e.PROVIDER_FAILED, e.NETWORK_ERROR),
    ),
    Operation(
        "provider.remove",
        "DELETE",
        "/v1/providers/{provider}",
        "Forget a provider and its key.",
        _PROVIDER,
        result={"name": "text", "removed": "true"},
        errors=(e.AGENT_NOT_FOUND,),
    ),
    Operation(
        "model.list",
        "GET",
        "/v1/models",
        "The models that `ask --model` takes.",
        result={"models": [{"id": "what to give", "provider": "text", "default": "boolean"}]},
    ),
)

_IMPORTS = (
    Operation(
        "import.file",
        "POST",
        "/v1/imports",
        "Bring the sessions of a transcript in as threads; again-import adds nothing.",
        Parameter("path", "path", "A Claude Code or Codex session file; the node reads it itself.", required=True),
        result={
            "threads": [
                {
                    "id": "thread id",
                    "title": "text",
                    "new": "true if the thread was not here before",
                    "messages": "count in the transcript",
                    "tool_calls": "count",
                    "placeholders": "records kept though unknown",
                    "skipped_lines": "lines that could not be read",
                }
            ]
        },
        errors=(e.IMPORT_UNRECOGNISED, e.FILE_UNREADABLE),
    ),
    Operation(
        "import.follow",
        "POST",
        "/v1/follows",
        "Watch another tool's sessions and bring in what it writes, until unfollowed; survives restarts.",
        Parameter("source", "text", "`claude`, `codex`, or an absolute path; without it both tools.", maximum=4_096),
        result={"follows": [_FOLLOW_ROW]},
        errors=(e.FILE_UNREADABLE,),
    ),
    Operation(
        "import.unfollow",
        "DELETE",
        "/v1/follows/{follow}",
        "Stop watching; what was brought in stays.",
        Parameter("follow", "text", "Follow id, `claude`, `codex` or the path.", place="path", required=True),
        result={"follows": [_FOLLOW_ROW]},
        errors=(e.FILE_UNREADABLE,),
    ),
    Operation(
        "import.followed",
        "GET",
        "/v1/follows",
        "What is being watched.",
        result={"follows": [_FOLLOW_ROW]},
    ),
)

_IDENTITY = (
    Operation(
        "pair.show",
        "POST",
        "/v1/pairing/show",
        "Offer a pairing code, and wait for the other device. Leaving burns the code.",
        _TIMEOUT,
        Parameter("confirm", "boolean", "Wait for `pair.confirm` before a device is let in.", default=True),
        result={
            "pair.code": {"code": "spoken code", "link?": "a link instead, if a relay is in use", "expires_at": _TIME},
            "pair.joining": {"device": {"name": "text", "platform": "text"}},
            "pair.done": _PAIRED,
        },
        errors=(e.PAIRING_NO_VENUE, e.PAIRING_CODE_WRONG, e.PAIRING_EXPIRED, e.AUTH_FAILED, e.DEVICE_REVOKED),
        stream=True,
        last=("pair.done",),
    ),
    Operation(
        "pair.confirm",
        "POST",
        "/v1/pairing/confirm",
        "Let the device in that asks to join, or turn it away.",
        Parameter("accept", "boolean", "Whether it may join.", required=True),
        result={"accepted": "boolean"},
        errors=(e.PAIRING_EXPIRED,),
    ),
    Operation(
        "pair.join",
        "POST",
        "/v1/pairing/join",
        "Join the device that shows a code. A wrong code burns it.",
        Parameter("code", "text", "The spoken code or the link.", required=True, maximum=1_000),
        Parameter("relay", "text", "URL of the relay to meet at, if this device has none yet.", maximum=2_000),
        Parameter("phrase", "secret", "The 24 words, if this device has threads and its words are confirmed."),
        _TIMEOUT,
        result={"pair.joining": {"device": {"name": "text"}}, "pair.done": _PAIRED},
        errors=(
            *(e.PAIRING_NO_VENUE, e.PAIRING_CODE_WRONG, e.PAIRING_EXPIRED, e.AUTH_FAILED),
            *(e.RELAY_UNREACHABLE, e.RELAY_REFUSED, e.DEVICE_REVOKED),
            *(e.RECOVERY_CONFIRMED, e.RECOVERY_PHRASE_WRONG, e.PAIRING_DECLINED),
        ),
        stream=True,
        last=("pair.done",),
    ),
    Operation(
        "device.list",
        "GET",
        "/v1/devices",
        "The devices of this identity.",
        result={"devices": [_DEVICE_ROW]},
    ),
    Operation(
        "device.rename",
        "PATCH",
        "/v1/devices/{device}",
        "Give a device another name.",
        _DEVICE,
        Parameter("name", "text", "The new name.", required=True, maximum=200),
        result={"device": _DEVICE_ROW},
        errors=(e.DEVICE_NOT_FOUND, e.DEVICE_REVOKED),
    ),
    Operation(
        "device.revoke",
        "POST",
        "/v1/devices/{device}/revoke",
        "Cut a device off in every thread and replace every key.",
        _DEVICE,
        Parameter("phrase", "secret", "The 24 words, to end a device that is older than this one."),
        result={"device": _DEVICE_ROW, "threads": "count that got new keys"},
        errors=(e.DEVICE_NOT_FOUND, e.DEVICE_REVOKED, e.PERMISSION_DENIED, e.RECOVERY_PHRASE_WRONG),
    ),
    Operation(
        "identity.whoami",
        "GET",
        "/v1/identity",
        "Who this installation is.",
        result={
            "identity": "identity id, or null before the first thread",
            "name": "text",
            "device": {"id": "device id", "name": "text"},
            "recovery_confirmed": "boolean",
        },
        errors=(e.KEYS_UNREADABLE,),
    ),
    Operation(
        "recovery.show",
        "POST",
        "/v1/recovery/show",
        "The recovery words, until they are confirmed.",
        result={"phrase": "24 words", "identity": "identity id"},
        errors=(e.RECOVERY_CONFIRMED, e.KEYS_UNREADABLE),
    ),
    Operation(
        "recovery.confirm",
        "POST",
        "/v1/recovery/confirm",
        "Say that the words are written down, by giving them; they are then erased from this device.",
        Parameter("phrase", "secret", "The 24 words.", required=True),
        result={"confirmed": "true"},
        errors=(e.RECOVERY_PHRASE_WRONG, e.RECOVERY_CONFIRMED, e.KEYS_UNREADABLE),
    ),
    Operation(
        "recovery.restore",
        "POST",
        "/v1/recovery/restore",
        "Bring everything back from the words and a relay alone.",
        Parameter("phrase", "secret", "The 24 words.", required=True),
        Parameter("relay", "text", "The relay's URL.", required=True, maximum=2_000),
        Parameter("access_key", "secret", "The relay's access key, if it asks for one."),
        _TIMEOUT,
        result={
            "recovery.progress": {"threads": "count so far", "total": "count, or null while unknown"},
            "recovery.done": {"identity": "identity id", "threads": "count", "device": "the new device's id"},
        },
        errors=(e.RECOVERY_PHRASE_WRONG, e.RELAY_UNREACHABLE, e.RELAY_REFUSED, e.AUTH_FAILED),
        stream=True,
        last=("recovery.done",),
    ),
)

_SCOPE = (
    Parameter("thread", "thread", "One thread."),
    Parameter("project", "path", "All threads of this project, and those to come."),
)
_RELAY_ERRORS = (e.RELAY_UNREACHABLE, e.RELAY_REFUSED)
_SYNC = (
    Operation(
        "sync.status",
        "GET",
        "/v1/sync",
        "With what this device syncs, and what is still only here.",
        Parameter("thread", "thread", "Only this thread.", place="query"),
        result={
            "state": "the sync state in words",
            "enabled": "boolean",
            "pending": "local changes that no relay and no other device has stored",
            "relays": [_RELAY_ROW],
            "peers": [{"device": "device id", "name": "text", "state": "connected | connecting", "pending": "count"}],
        },
        errors=_ABOUT_THREAD,
    ),
    Operation(
        "sync.enable",
        "POST",
        "/v1/sync/enable",
        "Let a thread, a project, or (with neither) everything sync.",
        *_SCOPE,
        result={"enabled": "true", "threads": ["thread id"]},
        errors=_ABOUT_THREAD,
    ),
    Operation(
        "sync.disable",
        "POST",
        "/v1/sync/disable",
        "Keep a thread, a project, or (with neither) everything on this device only.",
        *_SCOPE,
        result={"enabled": "false", "threads": ["thread id"]},
        errors=_ABOUT_THREAD,
    ),
    Operation(
        "sync.connect",
        "POST",
        "/v1/sync/connect",
        "Use a relay. Kept even if it can't be reached now, unless it refuses.",
        Parameter("url", "text", "ws:// or wss:// address.", required=True, maximum=2_000),
        Parameter("access_key", "secret", "The relay's access key, if it asks for one."),
        result={"relay": _RELAY_ROW},
        errors=_RELAY_ERRORS,
    ),
    Operation(
        "sync.disconnect",
        "POST",
        "/v1/sync/disconnect",
        "Stop using a relay; what it holds stays there.",
        Parameter("url", "text", "As given to connect.", required=True, maximum=2_000),
        result={"relays": [_RELAY_ROW]},
        errors=_RELAY_ERRORS,
    ),
    Operation(
        "sync.wait",
        "POST",
        "/v1/sync/wait",
        "Wait until all local changes are stored by a relay or another device.",
        Parameter("thread", "thread", "Only this thread."),
        Parameter("incoming", "boolean", "Wait until both sides match.", default=False),
        _TIMEOUT,
        result={"synced": "true", "waited_ms": "integer"},
        errors=(*_ABOUT_THREAD, e.NOTHING_TO_SYNC_WITH, *_RELAY_ERRORS),
        waits=True,
    ),
    Operation(
        "relay.status",
        "GET",
        "/v1/relays",
        "Ask the relays in use, or the one named, whether they are ready.",
        Parameter("url", "text", "Only this one; it need not be in use.", place="query", maximum=2_000),
        result={"relays": [{**_RELAY_ROW, "ready": "boolean", "round_trip_ms": "integer or null"}]},
        errors=(e.NOTHING_TO_SYNC_WITH, *_RELAY_ERRORS),
    ),
)

OPERATIONS: dict[str, Operation] = {
    operation.name: operation for operation in (*_NODE, *_THREADS, *_RUNS, *_IMPORTS, *_IDENTITY, *_SYNC)
}


def match(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation that a request line names, with its path parameters decoded; None if there is none.

    `path` is the raw path as it was sent, without the query. Raises `ValueError` for a broken escape.
    """
    segments = path[1:].split("/")
    for operation in OPERATIONS.values():
        if operation.method != method or len(operation.segments) != len(segments):
            continue
        values = {}
        for pattern, segment in zip(operation.segments, segments, strict=True):
            if pattern.startswith("{") and segment:
                values[pattern[1:-1]] = unquote(segment)
            elif pattern != segment:
                break
        else:
            return operation, values
    return None
