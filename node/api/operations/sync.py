"""Sync: relays, and what stays on this device."""

from crdt import errors as e
from node.api.operation import Operation, Parameter
from node.api.operations.common import ABOUT_THREAD, RELAY_ROW, TIMEOUT, WARNING

_SCOPE = (
    Parameter("thread", "thread", "One thread."),
    Parameter("project", "path", "All threads of this project, and those to come."),
)
_RELAY_ERRORS = (e.RELAY_UNREACHABLE, e.RELAY_REFUSED)
SYNC = (
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
            "relays": [RELAY_ROW],
            "peers": [{"device": "device id", "name": "text", "state": "connected | connecting", "pending": "count"}],
            "membership_as_of?": "RFC 3339: until when nothing is known to be missing of who may do what",
            "warnings?": [WARNING],
        },
        errors=ABOUT_THREAD,
    ),
    Operation(
        "sync.enable",
        "POST",
        "/v1/sync/enable",
        "Let a thread, a project, or (with neither) everything sync.",
        *_SCOPE,
        result={"enabled": "true", "threads": ["thread id"]},
        errors=ABOUT_THREAD,
    ),
    Operation(
        "sync.disable",
        "POST",
        "/v1/sync/disable",
        "Keep a thread, a project, or (with neither) everything on this device only.",
        *_SCOPE,
        result={"enabled": "false", "threads": ["thread id"]},
        errors=ABOUT_THREAD,
    ),
    Operation(
        "sync.connect",
        "POST",
        "/v1/sync/connect",
        "Use a relay. Kept even if it can't be reached now, unless it refuses.",
        Parameter("url", "text", "ws:// or wss:// address.", required=True, maximum=2_000),
        Parameter("access_key", "secret", "The relay's access key, if it asks for one."),
        result={"relay": RELAY_ROW},
        errors=_RELAY_ERRORS,
    ),
    Operation(
        "sync.disconnect",
        "POST",
        "/v1/sync/disconnect",
        "Stop using a relay; what it holds stays there.",
        Parameter("url", "text", "As given to connect.", required=True, maximum=2_000),
        result={"relays": [RELAY_ROW]},
        errors=_RELAY_ERRORS,
    ),
    Operation(
        "sync.wait",
        "POST",
        "/v1/sync/wait",
        "Wait until all local changes are stored by a relay or another device.",
        Parameter("thread", "thread", "Only this thread."),
        Parameter("incoming", "boolean", "Wait until both sides match.", default=False),
        TIMEOUT,
        result={"synced": "true", "waited_ms": "integer"},
        errors=(*ABOUT_THREAD, e.NOTHING_TO_SYNC_WITH, *_RELAY_ERRORS),
        waits=True,
    ),
    Operation(
        "relay.status",
        "GET",
        "/v1/relays",
        "Ask the relays in use, or the one named, whether they are ready.",
        Parameter("url", "text", "Only this one; it need not be in use.", place="query", maximum=2_000),
        result={"relays": [{**RELAY_ROW, "ready": "boolean", "round_trip_ms": "integer or null"}]},
        errors=(e.NOTHING_TO_SYNC_WITH, *_RELAY_ERRORS),
    ),
)
