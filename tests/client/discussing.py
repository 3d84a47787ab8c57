"""Comments and co-editing, for the proof that commands, API and operations are one: how each is called, and what a
node answers."""

import os
from typing import Any

from tests.client.hostile import HOSTILE, THREAD_IDS
from tests.client.invocation import Invocation

WHEN = "2026-03-01T12:00:00.000Z"
THREAD = THREAD_IDS[0]
READER = f"shell {os.getppid()}"

INVOCATIONS: dict[str, Invocation] = {
    "comment.list": Invocation(
        ["comments", "k3v9", "--unresolved", "--message", "m1"],
        lambda n: n.comments("k3v9", unresolved=True, message="m1"),
        {"thread": "k3v9", "unresolved": True, "message": "m1"},
    ),
    "comment.add": Invocation(
        [
            *["comment", "k3v9", "Why?", "--message", "m1", "--part", "2", "--lines", "3-5", "--chars", "0-4"],
            *["--file", "a.py", "--side", "new", "--terminal", "t1", "--quote", "def"],
        ],
        lambda n: n.comment(
            *("k3v9", "Why?"),
            message="m1",
            part=2,
            lines="3-5",
            characters="0-4",
            path="a.py",
            side="new",
            terminal="t1",
            quote="def",
        ),
        {
            **{"thread": "k3v9", "text": "Why?", "message": "m1", "part": 2, "lines": "3-5", "characters": "0-4"},
            **{"path": "a.py", "side": "new", "terminal": "t1", "quote": "def"},
        },
    ),
    "comment.reply": Invocation(
        ["reply", "k3v9", "c1", "So."],
        lambda n: n.reply("k3v9", "c1", "So."),
        {"thread": "k3v9", "comment": "c1", "text": "So."},
    ),
    "comment.edit": Invocation(
        ["comment", "k3v9", "--edit", "c1", "Or so."],
        lambda n: n.edit_comment("k3v9", "c1", "Or so."),
        {"thread": "k3v9", "comment": "c1", "text": "Or so."},
    ),
    "comment.delete": Invocation(
        ["uncomment", "k3v9", "c1"], lambda n: n.delete_comment("k3v9", "c1"), {"thread": "k3v9", "comment": "c1"}
    ),
    "comment.resolve": Invocation(
        ["resolve", "k3v9", "c1"], lambda n: n.resolve("k3v9", "c1"), {"thread": "k3v9", "comment": "c1"}
    ),
    "comment.reopen": Invocation(
        ["reopen", "k3v9", "c1"], lambda n: n.reopen("k3v9", "c1"), {"thread": "k3v9", "comment": "c1"}
    ),
    "comment.react": Invocation(
        ["react", "k3v9", "c1", "👍", "--back"],
        lambda n: n.react("k3v9", "c1", "👍", back=True),
        {"thread": "k3v9", "comment": "c1", "sign": "👍", "back": True},
    ),
    "comment.quote": Invocation(
        ["prompt", "k3v9", "c1", "--print"],
        lambda n: n.quote_comment("k3v9", "c1"),
        {"thread": "k3v9", "comment": "c1"},
    ),
    "comment.prompt": Invocation(
        ["prompt", "k3v9", "c1", "Fix it.", "--model", "guide", "--take-over"],
        lambda n: n.prompt_comment("k3v9", "c1", "Fix it.", model="guide", take_over=True),
        {"thread": "k3v9", "comment": "c1", "text": "Fix it.", "model": "guide", "take_over": True},
    ),
    "draft.show": Invocation(
        ["draft", "k3v9"], lambda n: n.draft("k3v9", reader=READER), {"thread": "k3v9", "reader": READER}
    ),
    "draft.set": Invocation(
        ["draft", "k3v9", "--stdin", "--version", "a-1"],
        lambda n: n.set_draft("k3v9", "All of it.", version="a-1", reader=READER),
        {"thread": "k3v9", "text": "All of it.", "version": "a-1", "reader": READER},
        b"All of it.\n",
    ),
    "draft.edit": Invocation(
        ["draft", "k3v9", "--at", "3", "--delete", "2", "--insert", "x", "--version", "a-1"],
        lambda n: n.edit_draft("k3v9", 3, delete=2, insert="x", version="a-1"),
        {"thread": "k3v9", "at": 3, "delete": 2, "insert": "x", "version": "a-1"},
    ),
    "draft.send": Invocation(
        ["draft", "k3v9", "--send", "--say", "--version", "a-1", "--model", "guide", "--take-over"],
        lambda n: n.send_draft("k3v9", say=True, version="a-1", model="guide", take_over=True),
        {"thread": "k3v9", "say": True, "version": "a-1", "model": "guide", "take_over": True},
    ),
    "notes.show": Invocation(
        ["notes", "k3v9"], lambda n: n.notes("k3v9", reader=READER), {"thread": "k3v9", "reader": READER}
    ),
    "notes.set": Invocation(
        ["notes", "k3v9", "--set", "Remember.", "--version", "a-1"],
        lambda n: n.set_notes("k3v9", "Remember.", version="a-1", reader=READER),
        {"thread": "k3v9", "text": "Remember.", "version": "a-1", "reader": READER},
    ),
    "tags.show": Invocation(["tag", "k3v9"], lambda n: n.tags("k3v9"), {"thread": "k3v9"}),
    "tags.change": Invocation(
        ["tag", "k3v9", "+bug", "-urgent", "lexer"],
        lambda n: n.change_tags("k3v9", add=["bug", "lexer"], remove=["urgent"]),
        {"thread": "k3v9", "add": ["bug", "lexer"], "remove": ["urgent"]},
    ),
}

AUTHOR = {"identity": "i" * 52, "device": "d" * 52, "name": HOSTILE}
COMMENT = {
    **{"id": "c" * 26, "reference": f"{'d' * 52}/{'c' * 26}", "author": AUTHOR, "text": HOSTILE, "created_at": WHEN},
    **{"edited_at": None, "deleted": False, "reply_to": None},
    "reactions": [{"sign": "👍", "count": 1, "by": ["i" * 52]}],
}
CONVERSATION = {
    **COMMENT,
    "message": "m" * 26,
    "anchor": {"kind": "message", "message": "m" * 26, "part": 1, "lines": [3, 5], "quote": HOSTILE},
    **{"stands": True, "now": {"lines": [4, 6], "characters": [10, 20], "text": HOSTILE}},
    **{"resolved": False, "resolved_by": None, "replies": [{**COMMENT, "deleted": True, "text": ""}]},
}
COMMENTED = {
    **{"thread": THREAD, **COMMENT, "conversation": "c" * 26, "resolved": False, "unresolved": 2},
}
LIVE = {"thread": THREAD, "text": HOSTILE, "version": "abcdefgh-1"}
RESULTS: dict[str, Any] = {
    "comment.list": {"thread": THREAD, "unresolved": 1, "comments": [CONVERSATION]},
    **dict.fromkeys(["comment.add", "comment.reply", "comment.edit", "comment.delete"], COMMENTED),
    **dict.fromkeys(["comment.resolve", "comment.reopen", "comment.react"], COMMENTED),
    "comment.quote": {"thread": THREAD, "text": HOSTILE},
    **dict.fromkeys(["draft.show", "notes.show"], LIVE),
    **{name: {**LIVE, "unseen": [2, "x", -1]} for name in ("draft.set", "notes.set")},
    "draft.edit": {**LIVE, "unseen": [], "cursor": 4},
    **{name: {"thread": THREAD, "tags": ["bug", HOSTILE]} for name in ("tags.show", "tags.change")},
}
LINES: dict[str, list[dict[str, Any]]] = {
    "draft.send": [{"type": "draft.said", "thread": THREAD, "message_id": "m" * 26}],
    "comment.prompt": [
        {"type": "run.queued", "run": "r1", "thread": THREAD, "prompt": "p" * 26, "runner": "d" * 52},
        {"type": "run.completed", "run": "r1", "thread": THREAD, "message_id": "m" * 26, "text": HOSTILE},
    ],
}
