"""What people do in one thread side by side: comments, the shared draft, notes, tags."""

from crdt import errors as e
from node.api.operation import Operation, Parameter
from node.api.operations.common import ABOUT_THREAD, EVENT, THREAD, TIME, WRITE_THREAD
from node.api.operations.runs import RUN_ERRORS, RUN_LAST, RUN_LINES

_COMMENT = Parameter(
    "comment", "text", "Its id, a unique prefix of the id, or its reference.", place="path", required=True, maximum=200
)
_TEXT = Parameter("text", "text", "What it says.", required=True, maximum=16_384)
_READ = (*ABOUT_THREAD, e.THREAD_DELETED)
_WRITE = (*WRITE_THREAD, e.COMMENT_NOT_FOUND)
_AUTHOR: dict[str, object] = {"identity": "identity id", "device": "device id", "name": "text"}
_REPLY: dict[str, object] = {
    "id": "comment id",
    "reference": "device id/comment id: names it even if another device uses the same id",
    "author": _AUTHOR,
    "text": "text, empty if it was deleted",
    "created_at": TIME,
    "edited_at?": TIME,
    "deleted": "boolean",
    "reply_to?": "id of the comment it answers, or null",
    "reactions": [{"sign": "text", "count": "people", "by": ["identity id"]}],
}
_PLACE: dict[str, object] = {
    "message?": "id of the message it is about, or null",
    "anchor?": "what its author named: kind (message, file, diff, terminal) with message, part, path, side, terminal,"
    " lines [first, last] from 1, characters [start, end) from 0, quote; null for the thread as a whole",
    "stands?": "whether that place is still to be found; null where the node can't know",
    "now?": {"lines": "[first, last]", "characters": "[start, end)", "text": "how the place reads now"},
}
_SETTLED: dict[str, object] = {"resolved": "boolean", "resolved_by?": _AUTHOR}
_CONVERSATION: dict[str, object] = {**_REPLY, **_PLACE, **_SETTLED, "replies": [_REPLY]}
_ANSWER: dict[str, object] = {
    "thread": "thread id",
    **_REPLY,
    "conversation": "id of the comment that begins the conversation",
    "resolved": "whether the conversation is settled",
    "unresolved": "count of conversations in the thread that are not settled",
}
_TOLD: dict[str, object] = {
    "comment": _REPLY,
    "conversation": "id of the comment that begins it",
    "unresolved": "count of conversations in the thread that are not settled",
}
_SETTLED_NOW: dict[str, object] = {
    **{name: about for name, about in _TOLD.items() if name != "comment"},
    "by?": "who, in the shape of an author",
}
_TYPED: dict[str, object] = {
    "after": "version before",
    "version": "version then",
    "change": "steps between them: a number keeps so many characters, one below 0 drops them, a text is put in",
}
# What is told of all this, in `events.watch`.
DISCUSSION_EVENTS: dict[str, object] = {
    "comment.added": {**EVENT, **_TOLD},
    "comment.changed": {**EVENT, **_TOLD},
    "comment.resolved": {**EVENT, **_SETTLED_NOW},
    "comment.reopened": {**EVENT, **_SETTLED_NOW},
    "draft.changed": {**EVENT, **_TYPED},
    "notes.changed": {**EVENT, **_TYPED},
}
_VERSION = Parameter(
    "version", "text", "As it was given: what is done is done to the text as it was then.", maximum=100
)
_READER = Parameter(
    "reader", "text", "Any text of your own. A text set without `version` changes what this reader was shown, or set,"
    " last; what others typed since then stays.", maximum=100,
)  # fmt: skip
_READER_OF_GET = Parameter("reader", "text", "Who is shown it, see `draft.set`.", place="query", maximum=100)
_STEPS = "steps through your text to what it is now: a number keeps so many characters, one below 0 drops them, a text"
_LIVE: dict[str, object] = {"thread": "thread id", "text": "what it says now", "version": "a name for that"}
_SET: dict[str, object] = {**_LIVE, "unseen": f"what others did meanwhile, as {_STEPS} is put in"}
_DRAFT = (*WRITE_THREAD, e.DRAFT_MOVED_ON)
_MODEL = Parameter("model", "text", "Model id; without it the thread's, then the default.", maximum=200)
_TAKE_OVER = Parameter("take_over", "boolean", "Run it here even if another device holds the thread.", default=False)

DISCUSSION = (
    Operation(
        "comment.list",
        "GET",
        "/v1/threads/{thread}/comments",
        "What is said about a thread: conversations in order, each under its first comment.",
        THREAD,
        Parameter("unresolved", "boolean", "Only those that are not settled.", place="query", default=False),
        Parameter("message", "text", "Only those about this message.", place="query", maximum=100),
        result={"thread": "thread id", "unresolved": "count in all of the thread", "comments": [_CONVERSATION]},
        errors=(*_READ, e.PLACE_NOT_FOUND),
    ),
    Operation(
        "comment.add",
        "POST",
        "/v1/threads/{thread}/comments",
        "Comment on a message, a range in it, lines of a tool's output, of a file, a diff or a terminal, or on the"
        " thread.",
        THREAD,
        _TEXT,
        Parameter("message", "text", "The message: its id or a unique prefix of it.", maximum=1_024),
        Parameter("part", "integer", "One part of the message, from 0; of a tool call, its output.", maximum=100_000),
        Parameter("lines", "text", "FIRST-LAST, or one line, from 1.", maximum=40),
        Parameter("characters", "text", "START-END from 0, the end not included.", maximum=40),
        Parameter("path", "text", "A file, as the project names it.", maximum=1_024),
        Parameter("side", "text", "Of a diff of that file: which side.", choices=("old", "new")),
        Parameter("terminal", "text", "A terminal of the thread.", maximum=1_024),
        Parameter("quote", "text", "What stands there, in a file, a diff or a terminal.", maximum=16_384),
        result=_ANSWER,
        errors=(*WRITE_THREAD, e.PLACE_NOT_FOUND),
    ),
    Operation(
        "comment.reply",
        "POST",
        "/v1/threads/{thread}/comments/{comment}/replies",
        "Answer a comment.",
        THREAD,
        _COMMENT,
        _TEXT,
        result=_ANSWER,
        errors=_WRITE,
    ),
    Operation(
        "comment.edit",
        "PATCH",
        "/v1/threads/{thread}/comments/{comment}",
        "Change what a comment says that was written on this device.",
        THREAD,
        _COMMENT,
        _TEXT,
        result=_ANSWER,
        errors=_WRITE,
    ),
    Operation(
        "comment.delete",
        "DELETE",
        "/v1/threads/{thread}/comments/{comment}",
        "Take back a comment that was written on this device; answers to it stay.",
        THREAD,
        _COMMENT,
        result=_ANSWER,
        errors=_WRITE,
    ),
    Operation(
        "comment.resolve",
        "POST",
        "/v1/threads/{thread}/comments/{comment}/resolve",
        "Settle the conversation that a comment is part of.",
        THREAD,
        _COMMENT,
        result=_ANSWER,
        errors=_WRITE,
    ),
    Operation(
        "comment.reopen",
        "POST",
        "/v1/threads/{thread}/comments/{comment}/reopen",
        "Say that it is not settled after all.",
        THREAD,
        _COMMENT,
        result=_ANSWER,
        errors=_WRITE,
    ),
    Operation(
        "comment.react",
        "POST",
        "/v1/threads/{thread}/comments/{comment}/reactions",
        "React to a comment with a sign.",
        THREAD,
        _COMMENT,
        Parameter("sign", "text", "An emoji, or a short word.", required=True, maximum=32),
        Parameter("back", "boolean", "Take the reaction back.", default=False),
        result=_ANSWER,
        errors=_WRITE,
    ),
    Operation(
        "comment.quote",
        "GET",
        "/v1/threads/{thread}/comments/{comment}/quote",
        "A conversation as the text of a prompt, with what it is about and who said what; nothing is written.",
        THREAD,
        _COMMENT,
        result={"thread": "thread id", "text": "the prompt"},
        errors=(*_READ, e.COMMENT_NOT_FOUND),
    ),
    Operation(
        "comment.prompt",
        "POST",
        "/v1/threads/{thread}/comments/{comment}/prompt",
        "Make a conversation a prompt, its authors credited, and stream the model's answer as `run.ask` does.",
        THREAD,
        _COMMENT,
        Parameter("text", "text", "What to add below it."),
        _MODEL,
        _TAKE_OVER,
        result=RUN_LINES,
        errors=(*RUN_ERRORS, e.COMMENT_NOT_FOUND),
        stream=True,
        last=RUN_LAST,
    ),
    Operation(
        "draft.show",
        "GET",
        "/v1/threads/{thread}/draft",
        "The draft that all editors of a thread write together.",
        THREAD,
        _READER_OF_GET,
        result=_LIVE,
        errors=_READ,
    ),
    Operation(
        "draft.set",
        "PUT",
        "/v1/threads/{thread}/draft",
        "Write the draft as a whole: only what differs from the text its writer knew is changed.",
        THREAD,
        Parameter("text", "text", "The draft; it may be empty.", required=True, maximum=32_768),
        _VERSION,
        _READER,
        result=_SET,
        errors=_DRAFT,
    ),
    Operation(
        "draft.edit",
        "POST",
        "/v1/threads/{thread}/draft/edits",
        "Type into the draft at a place, or remove something there.",
        THREAD,
        Parameter("at", "integer", "The place, in characters (Unicode code points).", required=True),
        Parameter("delete", "integer", "So many characters behind it go.", default=0),
        Parameter("insert", "text", "What is typed there.", default="", maximum=32_768),
        _VERSION,
        result={**_SET, "cursor": "the place behind what was typed"},
        errors=_DRAFT,
    ),
    Operation(
        "draft.send",
        "POST",
        "/v1/threads/{thread}/draft/send",
        "Send the draft as a prompt, and stream the model's answer as `run.ask` does; or only say it. What was sent"
        " goes from the draft.",
        THREAD,
        Parameter("say", "boolean", "Say it to people; no model runs.", default=False),
        _VERSION,
        _MODEL,
        _TAKE_OVER,
        result={"draft.said": {"thread": "thread id", "message_id": "message id"}, **RUN_LINES},
        errors=(*RUN_ERRORS, e.DRAFT_MOVED_ON),
        stream=True,
        last=("draft.said", *RUN_LAST),
    ),
    Operation(
        "notes.show",
        "GET",
        "/v1/threads/{thread}/notes",
        "The notes that all editors of a thread keep together.",
        THREAD,
        _READER_OF_GET,
        result=_LIVE,
        errors=_READ,
    ),
    Operation(
        "notes.set",
        "PUT",
        "/v1/threads/{thread}/notes",
        "Write the notes as a whole: only what differs from the text their writer knew is changed.",
        THREAD,
        Parameter("text", "text", "The notes; they may be empty.", required=True, maximum=32_768),
        _VERSION,
        _READER,
        result=_SET,
        errors=_DRAFT,
    ),
    Operation(
        "tags.show",
        "GET",
        "/v1/threads/{thread}/tags",
        "A thread's tags.",
        THREAD,
        result={"thread": "thread id", "tags": ["text"]},
        errors=_READ,
    ),
    Operation(
        "tags.change",
        "POST",
        "/v1/threads/{thread}/tags",
        "Tag a thread, or take tags away.",
        THREAD,
        Parameter("add", "any", "A list of tags."),
        Parameter("remove", "any", "A list of tags."),
        result={"thread": "thread id", "tags": ["text"]},
        errors=WRITE_THREAD,
    ),
)
