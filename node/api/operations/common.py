"""What the rows of several areas share: parameters, errors, and the shapes of results."""

from crdt import errors as e
from node.api.operation import Parameter

THREAD = Parameter("thread", "thread", "Id, unique prefix of an id, or exact title.", place="path", required=True)
ABOUT_THREAD = (e.THREAD_NOT_FOUND, e.AMBIGUOUS_THREAD)
WRITE_THREAD = (*ABOUT_THREAD, e.THREAD_DELETED, e.WAITING_FOR_KEY, e.PERMISSION_DENIED, e.DEVICE_REVOKED)
DEVICE = Parameter("device", "device", "Device id, unique prefix of it, or exact name.", place="path", required=True)
PROVIDER = Parameter("provider", "text", "The provider's name.", place="path", required=True, maximum=200)
TIMEOUT = Parameter(
    "timeout_s", "number", "Seconds to wait before giving up with TIMEOUT.", default=600, maximum=86_400
)

# ---- shapes that several operations share

TIME = "RFC 3339, UTC, milliseconds"
TOOL_CALL: dict[str, object] = {
    "id": "text",
    "name": "text",
    "input": "JSON text",
    "result": "text or null while there is none",
    "status": "running | ok | error | interrupted",
    "agent": "sub-agent's label or null",
}
PART: dict[str, object] = {
    "type": "text | reasoning | tool_call | file | image | placeholder",
    "text?": "text",
}
MESSAGE: dict[str, object] = {
    "id": "message id",
    "role": "user | assistant | system | tool",
    "text": "all text parts joined",
    "created_at": TIME,
    "author": {"identity": "identity id", "device": "device id", "name": "text"},
    "state": "final | streaming | interrupted",
    "model?": "text or null",
    "run?": "run id or null",
    "by?": "in a copy: whose words they are, as whoever copied them saw it",
    "parts": [PART],
    "tool_calls": [TOOL_CALL],
}
THREAD_ROW: dict[str, object] = {
    "id": "thread id",
    "title": "text",
    "project": "root folder on this device, or null",
    "updated_at": TIME,
    "messages": "count",
    "unresolved?": "count of conversations in comments",
    "tags?": ["text"],
    "state": "active | trashed",
    "sync": "local-only | saved here | on the relay | on N devices | waiting for a key",
}
DEVICE_ROW: dict[str, object] = {
    "id": "device id",
    "name": "text",
    "this": "true for the device asked",
    "state": "active | revoked",
    "online": "true while it is reachable over the local network",
    "added_at": TIME,
}
PAIRED: dict[str, object] = {
    "paired": {"device": {"id": "device id", "name": "text"}, "identity": "identity id", "threads": "count"}
}
PROVIDER_ROW: dict[str, object] = {
    "name": "text",
    "base_url": "URL or null for one that is built in",
    "models": ["text"],
    "has_key": "boolean",
}
RELAY_ROW: dict[str, object] = {
    "url": "URL",
    "state": "connected | connecting | unreachable | refused",
    "error?": "error object or null",
    "pending": "local changes it has not stored yet",
}
WARNING: dict[str, object] = {
    "thread": "thread id",
    "kind": "control-withheld | work-withheld | rolled-back",
    "since": TIME,
    "by?": {"identity": "identity id", "device": "device id", "name": "whose word it is; none: the owner's signature"},
    "message": "what is wrong, in a sentence",
}
EVENT: dict[str, object] = {"cursor": "integer, rising", "thread": "thread id or null"}
FOLLOW_ROW: dict[str, object] = {
    "id": "follow id",
    "source": "claude | codex | path",
    "path": "folder or file watched",
    "sessions": "count seen so far",
    "state": "watching | missing",
}
