"""Presence: who is in a thread right now."""

from node.api.operation import Operation, Parameter
from node.api.operations.common import ABOUT_THREAD, THREAD, TIME

PERSON: dict[str, object] = {
    "identity": "identity id",
    "name": "text",
    "role": "viewer | commenter | editor | owner",
    "device": {"id": "device id", "name": "text"},
    "this": "true for the device asked",
    "state": "active | away",
    "looking_at?": {"kind": "message | terminal | draft", "id?": "of the message or terminal"},
    "cursor?": "place in the draft, in code points",
    "writing": "whether they write at the moment",
    "last_seen": TIME,
}
PRESENCE = (
    Operation(
        "presence.show",
        "GET",
        "/v1/threads/{thread}/presence",
        "Who is here: the devices that were heard of within 30 s. A watch on the thread tells of each change by"
        " `presence.changed` {people: those that are new or otherwise, gone: device ids}, which no cursor brings back.",
        THREAD,
        result={"thread": "thread id", "people": [PERSON]},
        errors=ABOUT_THREAD,
    ),
    Operation(
        "presence.set",
        "PUT",
        "/v1/threads/{thread}/presence",
        "Say what this client looks at. It holds for 30 s, or as long as a watch on the thread is open.",
        THREAD,
        Parameter("state", "text", "How.", default="active", choices=("active", "away", "leaving")),
        Parameter("place", "text", "What.", choices=("message", "terminal", "draft")),
        Parameter("id", "text", "Of the message or terminal.", maximum=64),
        Parameter("cursor", "integer", "Place in the draft, in code points.", maximum=2**31 - 1),
        Parameter("writing", "boolean", "Whether somebody types here.", default=False),
        result={"thread": "thread id", "state": "as given", "for_s": "seconds"},
        errors=ABOUT_THREAD,
    ),
)
