"""The node itself: its state, settings, health, events and backups."""

from crdt import errors as e
from node.api.operation import Operation, Parameter
from node.api.operations.common import ABOUT_THREAD, EVENT, TIME
from node.api.operations.discussion import DISCUSSION_EVENTS

NODE = (
    Operation(
        "status",
        "GET",
        "/v1/status",
        "Whether the node is ready, what it is, and how it stands.",
        result={
            "state": "starting | ready | stopping",
            "version": "text",
            "pid": "integer",
            "started_at": TIME,
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
        result={"ready": EVENT, **DISCUSSION_EVENTS, "*": EVENT},
        errors=(*ABOUT_THREAD, e.CURSOR_UNKNOWN),
        stream=True,
    ),
)
