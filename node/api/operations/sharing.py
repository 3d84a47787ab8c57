"""Sharing threads with other people: links, joining, members and their rights."""

from crdt import errors as e
from node.api.operation import Operation, Parameter
from node.api.operations.common import ABOUT_THREAD, THREAD, WRITE_THREAD

PERMISSIONS = ("viewer", "commenter", "editor", "view", "comment", "edit")
ROLE = "viewer | commenter | editor | owner | none"

_PERMISSION = Parameter(
    "permission", "text", "What it lets one do: viewer, commenter or editor.", required=True, choices=PERMISSIONS
)
_WHO = Parameter("who", "text", "Name, device name, id, or unique prefix of the id.", required=True, maximum=200)
_RIGHTS = (*WRITE_THREAD, e.MEMBER_NOT_FOUND)
_FINDING: dict[str, object] = {
    "kind": "text",
    "message": "message or comment id; of a terminal its id",
    "part": "index from 0",
    "field": "text | input | result | comment | draft | notes | terminal | command",
    "line": "from 1",
    "excerpt": "the first few characters",
    "why": "text",
}
_SHARE_ROW: dict[str, object] = {
    "id": "the link's id",
    "thread": "thread id",
    "title": "text",
    "permission": ROLE,
    "link": "the link while it is open, or null",
    "uses": "count",
    "used": "count",
    "expires_at": "RFC 3339, or null for never",
    "approve": "whether the owner has to agree to each",
    "state": "open | used up | expired | withdrawn | gone",
    "people": ["identity id of who came by it"],
}
_MEMBER: dict[str, object] = {
    "identity": "identity id",
    "name": "text",
    "permission": ROLE,
    "devices": [{"id": "device id", "name": "text"}],
    "verified": "whether their words were compared on a device of yours, or it is you",
    "present": "whether they look at the thread now",
    "me": "boolean",
    "warning": "what is wrong with them, in a sentence, or null",
}
_CHANGED: dict[str, object] = {"thread": "thread id", "identity": "identity id", "name": "text", "permission": ROLE}

SHARING = (
    Operation(
        "share.preview",
        "GET",
        "/v1/threads/{thread}/share",
        "What somebody would be able to read, and what looks like secrets in it.",
        THREAD,
        Parameter("begin", "text", "Only from this message on.", place="query", maximum=200),
        result={
            "title": "text",
            "project": "folder or null",
            "messages": "count",
            "tool_results": "count",
            "characters": "count",
            "people": "count of devices that wrote it",
            "first": "how the first message begins",
            "last": "how the last message begins",
            "secrets": "count of places",
            "findings": [_FINDING],
        },
        errors=ABOUT_THREAD,
    ),
    Operation(
        "share.create",
        "POST",
        "/v1/threads/{thread}/share",
        "Make a link by which somebody can come into a thread.",
        THREAD,
        _PERMISSION,
        Parameter("expires_s", "number", "Seconds until it lets nobody in any more; never without it."),
        Parameter("uses", "integer", "How many people it lets in.", default=1, maximum=256),
        Parameter("approve", "boolean", "Ask a person of the owner's before each.", default=False),
        Parameter("allow_secrets", "boolean", "Share although secrets were found.", default=False),
        Parameter("begin", "text", "Share a copy that begins with this message.", maximum=200),
        Parameter("name", "text", "What to be called there.", maximum=64),
        result={
            "link": "text",
            "id": "the link's id",
            "thread": "thread id: of the copy, if it begins with a message",
            "permission": ROLE,
            "expires_at": "RFC 3339, or null for never",
            "uses": "count",
        },
        errors=(*WRITE_THREAD, e.SECRETS_FOUND, e.NOTHING_TO_SYNC_WITH),
    ),
    Operation(
        "share.list",
        "GET",
        "/v1/shares",
        "Every link that was made, those of deleted threads too, and who waits to be let in.",
        Parameter("thread", "thread", "Only links to this thread.", place="query"),
        result={
            "shares": [_SHARE_ROW],
            "requests": [{"request": "its id", "thread": "thread id", "identity": "identity id", "name": "text"}],
        },
        errors=ABOUT_THREAD,
    ),
    Operation(
        "share.withdraw",
        "POST",
        "/v1/shares/withdraw",
        "Close a link for ever. Who came by it stays.",
        Parameter("share", "text", "The link's id, a unique prefix of it, or the link.", required=True, maximum=2_000),
        result={"id": "the link's id", "thread": "thread id", "state": "withdrawn"},
        errors=(e.INVITE_NOT_FOUND, e.PERMISSION_DENIED, e.THREAD_NOT_FOUND, e.WAITING_FOR_KEY, e.DEVICE_REVOKED),
    ),
    Operation(
        "share.decide",
        "POST",
        "/v1/shares/decide",
        "Let somebody in who asked, or turn them away.",
        Parameter("request", "text", "The request's id, or the name of who asks.", required=True, maximum=200),
        Parameter("accept", "boolean", "Whether they may come in.", required=True),
        result={"thread": "thread id", "identity": "identity id", "state": "admitted | declined | why not"},
        errors=(e.INVITE_NOT_FOUND, e.PERMISSION_DENIED, e.THREAD_NOT_FOUND, e.WAITING_FOR_KEY, e.DEVICE_REVOKED),
    ),
    Operation(
        "share.join",
        "POST",
        "/v1/join",
        "Come into somebody's thread by a link. Asking goes on after an answer of `waiting`.",
        Parameter("link", "secret", "The whole link.", required=True),
        Parameter("name", "text", "What to be called there.", maximum=64),
        Parameter("timeout_s", "number", "Seconds to wait for an answer.", default=30, maximum=86_400),
        result={
            "thread": "thread id",
            "permission": ROLE,
            "state": "admitted | waiting",
            "waiting_for": "what it waits for, in words, or null",
        },
        errors=(
            *(e.INVITE_LINK_WRONG, e.INVITE_EXPIRED, e.INVITE_USED_UP, e.INVITE_WITHDRAWN, e.INVITE_DECLINED),
            *(e.AUTH_FAILED, e.RELAY_UNREACHABLE, e.DEVICE_REVOKED),
        ),
    ),
    Operation(
        "share.leftovers",
        "GET",
        "/v1/threads/{thread}/leftovers",
        "What this device wrote in a thread and does not count there: kept here alone.",
        THREAD,
        result={
            "thread": "thread id",
            "leftovers": [
                {"form": "message | comment | text | value", "name": "its id or name", "text": "text", "why": "text"}
            ],
        },
        errors=ABOUT_THREAD,
    ),
    Operation(
        "member.list",
        "GET",
        "/v1/threads/{thread}/members",
        "Who is in a thread, and with which right.",
        THREAD,
        result={"members": [_MEMBER]},
        errors=ABOUT_THREAD,
    ),
    Operation(
        "member.permit",
        "POST",
        "/v1/threads/{thread}/members/permit",
        "Give a member another right, at once.",
        THREAD,
        _WHO,
        _PERMISSION,
        result=_CHANGED,
        errors=_RIGHTS,
    ),
    Operation(
        "member.kick",
        "POST",
        "/v1/threads/{thread}/members/kick",
        "Put a member out: they can read nothing that is written from then on.",
        THREAD,
        _WHO,
        Parameter("hard", "boolean", "Take back what they wrote, too.", default=False),
        result=_CHANGED,
        errors=_RIGHTS,
    ),
    Operation(
        "member.leave",
        "POST",
        "/v1/threads/{thread}/leave",
        "Give up one's right in somebody's thread. It goes into the trash here.",
        THREAD,
        result={"thread": "thread id", "permission": "none", "state": "left"},
        errors=WRITE_THREAD,
    ),
    Operation(
        "member.transfer",
        "POST",
        "/v1/threads/{thread}/transfer",
        "Offer a thread to a member; it is theirs once they accept.",
        THREAD,
        _WHO,
        Parameter("phrase", "secret", "The 24 words, if they are confirmed."),
        result={"thread": "thread id", "identity": "identity id", "state": "offered"},
        errors=(*_RIGHTS, e.RECOVERY_CONFIRMED, e.RECOVERY_PHRASE_WRONG),
    ),
    Operation(
        "member.accept",
        "POST",
        "/v1/threads/{thread}/accept",
        "Become the owner of a thread that was offered.",
        THREAD,
        result={"thread": "thread id", "identity": "identity id", "state": "accepted"},
        errors=WRITE_THREAD,
    ),
    Operation(
        "member.verify",
        "POST",
        "/v1/threads/{thread}/verify",
        "The words of a member's identity, to compare aloud; with `matches` whether they did.",
        THREAD,
        _WHO,
        Parameter("matches", "boolean", "Whether the words were the same on both sides."),
        result={
            "identity": "identity id",
            "name": "text",
            "words": "six words",
            "own_words": "your own six words",
            "verified": "boolean",
        },
        errors=(*ABOUT_THREAD, e.MEMBER_NOT_FOUND, e.DEVICE_REVOKED),
    ),
)
