"""Control: who drives a thread or one of its terminals."""

from crdt import errors as e
from node.api.operation import Operation, Parameter
from node.api.operations.common import ABOUT_THREAD, THREAD, TIME, WRITE_THREAD

ACTIONS = ("request", "withdraw", "grant", "hand", "revoke", "take", "type-only", "watch-only")
_PERSON: dict[str, object] = {"identity": "identity id", "name": "text", "me": "boolean"}
_STATE: dict[str, object] = {
    "thread": "thread id",
    "terminal": "terminal id, or null for the thread",
    "driver": _PERSON,
    "since": "RFC 3339, or null from the beginning",
    "typing": [_PERSON],
    "requests": [{**_PERSON, "at": TIME, "text": "text"}],
}
CONTROL = (
    Operation(
        "control.show",
        "GET",
        "/v1/threads/{thread}/control",
        "Who drives, who may type besides, who asks. Each change is told as `control.changed`, in this shape.",
        THREAD,
        Parameter(
            "terminal", "text", "One of its terminals: its id, or a unique beginning of it.", place="query", maximum=32
        ),
        result=_STATE,
        errors=ABOUT_THREAD,
    ),
    Operation(
        "control.set",
        "POST",
        "/v1/threads/{thread}/control",
        "Ask for control or ask no more; grant it (who runs it: the thread's owner) or hand it on (who drives); revoke"
        " or take it back (who runs it, or the owner); let somebody only type, or only watch (the owner).",
        THREAD,
        Parameter("action", "text", "What to do.", required=True, choices=ACTIONS),
        Parameter("who", "text", "Name, device name, id, or unique prefix of the id.", maximum=200),
        Parameter("terminal", "text", "One of its terminals: its id, or a unique beginning of it.", maximum=32),
        Parameter("text", "text", "With a request: why.", maximum=1_000),
        result=_STATE,
        errors=(*WRITE_THREAD, e.MEMBER_NOT_FOUND),
    ),
)
