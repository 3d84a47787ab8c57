"""Sharing, for the proof that commands, API and operations are one: how each is called, and what a node answers."""

from typing import Any

from tests.client.hostile import HOSTILE, THREAD_IDS
from tests.client.invocation import Invocation

WORDS24 = " ".join(["zebra"] * 24)
THREAD = THREAD_IDS[0]
_CHANGED = {"thread": THREAD, "identity": "b" * 52, "name": HOSTILE, "permission": "editor"}
_SHARE = {"thread": "k3v9", "permission": "viewer", "expires_s": 1800, "uses": 2, "approve": True}

INVOCATIONS: dict[str, Invocation] = {
    "share.preview": Invocation(
        ["share", "k3v9", "--preview", "--from", "m1"],
        lambda n: n.preview_share("k3v9", begin="m1"),
        {"thread": "k3v9", "begin": "m1"},
    ),
    "share.create": Invocation(
        [
            *("share", "k3v9", "--permission", "viewer", "--expires", "30m", "--uses", "2"),
            *("--approve", "--allow-secrets", "--from", "m1", "--name", "Ana"),
        ],
        lambda n: n.share(
            "k3v9", "viewer", expires_s=1800, uses=2, approve=True, allow_secrets=True, begin="m1", name="Ana"
        ),
        {**_SHARE, "allow_secrets": True, "begin": "m1", "name": "Ana"},
    ),
    "share.list": Invocation(["shares", "k3v9"], lambda n: n.shares("k3v9"), {"thread": "k3v9"}),
    "share.withdraw": Invocation(["unshare", "3f0a9c1d"], lambda n: n.unshare("3f0a9c1d"), {"share": "3f0a9c1d"}),
    "share.decide": Invocation(
        ["admit", "Ben", "--decline"], lambda n: n.decide("Ben", False), {"request": "Ben", "accept": False}
    ),
    "share.join": Invocation(
        ["join", "-", "--name", "Ben", "--timeout", "5"],
        lambda n: n.join("opensesh://join/x", name="Ben", timeout_s=5),
        {"link": "opensesh://join/x", "name": "Ben", "timeout_s": 5},
        b"opensesh://join/x\n",
    ),
    "share.leftovers": Invocation(["leftovers", "k3v9"], lambda n: n.leftovers("k3v9"), {"thread": "k3v9"}),
    "member.list": Invocation(["members", "k3v9"], lambda n: n.members("k3v9"), {"thread": "k3v9"}),
    "member.permit": Invocation(
        ["permit", "k3v9", "Ben", "editor"],
        lambda n: n.permit("k3v9", "Ben", "editor"),
        {"thread": "k3v9", "who": "Ben", "permission": "editor"},
    ),
    "member.kick": Invocation(
        ["kick", "k3v9", "Ben", "--hard"],
        lambda n: n.kick("k3v9", "Ben", hard=True),
        {"thread": "k3v9", "who": "Ben", "hard": True},
    ),
    "member.leave": Invocation(["leave", "k3v9"], lambda n: n.leave("k3v9"), {"thread": "k3v9"}),
    "member.transfer": Invocation(
        ["transfer", "k3v9", "Ben", "--phrase-stdin"],
        lambda n: n.transfer("k3v9", "Ben", WORDS24),
        {"thread": "k3v9", "who": "Ben", "phrase": WORDS24},
        WORDS24.encode(),
    ),
    "member.accept": Invocation(
        ["transfer", "k3v9", "--accept"], lambda n: n.accept_transfer("k3v9"), {"thread": "k3v9"}
    ),
    "member.verify": Invocation(
        ["verify", "k3v9", "Ben", "--matches"],
        lambda n: n.verify("k3v9", "Ben", True),
        {"thread": "k3v9", "who": "Ben", "matches": True},
    ),
}

RESULTS: dict[str, dict[str, Any]] = {
    "share.preview": {
        **{"title": HOSTILE, "project": None, "messages": 3, "tool_results": 1, "characters": 120, "people": 1},
        **{"first": HOSTILE, "last": HOSTILE, "secrets": 1},
        "findings": [
            {
                **{"kind": HOSTILE, "message": "m" * 26, "part": 0, "field": "text", "line": 2},
                **{"excerpt": HOSTILE, "why": HOSTILE},
            }
        ],
    },
    "share.create": {
        **{"link": "opensesh://join/x", "id": "3f0a9c1d", "thread": THREAD, "permission": "viewer"},
        **{"expires_at": None, "uses": 2},
    },
    "share.list": {
        "shares": [
            {
                **{"id": "3f0a9c1d", "thread": THREAD, "title": HOSTILE, "permission": "viewer", "link": None},
                **{"uses": 2, "used": 1, "expires_at": None, "approve": False, "state": "open", "people": []},
            }
        ],
        "requests": [{"request": "77aa", "thread": THREAD, "identity": "b" * 52, "name": HOSTILE}],
    },
    "share.withdraw": {"id": "3f0a9c1d", "thread": THREAD, "state": "withdrawn"},
    "share.decide": {"thread": THREAD, "identity": "b" * 52, "state": "declined"},
    "share.join": {"thread": THREAD, "permission": "viewer", "state": "admitted", "waiting_for": None},
    "share.leftovers": {
        "thread": THREAD,
        "leftovers": [{"form": "message", "name": HOSTILE, "text": HOSTILE, "why": HOSTILE}],
    },
    "member.list": {
        "members": [
            {
                **{"identity": "b" * 52, "name": HOSTILE, "permission": "editor", "verified": True, "present": True},
                **{"devices": [{"id": "d" * 52, "name": HOSTILE}], "me": False, "warning": HOSTILE},
            }
        ]
    },
    "member.permit": _CHANGED,
    "member.kick": {**_CHANGED, "permission": "none"},
    "member.leave": {"thread": THREAD, "permission": "none", "state": "left"},
    "member.transfer": {"thread": THREAD, "identity": "b" * 52, "state": "offered"},
    "member.accept": {"thread": THREAD, "identity": "b" * 52, "state": "accepted"},
    "member.verify": {
        **{"identity": "b" * 52, "name": HOSTILE, "words": "a b c d e f", "own_words": "g h i j k l"},
        "verified": True,
    },
}
