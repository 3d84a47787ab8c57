"""Shared terminals, for the proof that commands, API and operations are one: how each is called, and what a node
answers."""

from typing import Any
from unittest.mock import ANY

from tests.client.hostile import HOSTILE, THREAD_IDS
from tests.client.invocation import Invocation

WHEN = "2026-03-01T12:00:00.000Z"
TERMINAL = {"terminal": "t1" + "a" * 24, "thread": THREAD_IDS[0]}
TERMINAL_STATE = {
    "cursor": {"row": 0, "column": 2, "visible": True},
    "title": HOSTILE,
    "modes": {"application_cursor": False, "application_keypad": False, "bracketed_paste": False},
}

INVOCATIONS: dict[str, Invocation] = {
    "terminal.run": Invocation(
        ["run", "k3v9", "make", "all tests", "--folder", "/tmp", "--columns", "90", "--rows", "30"],
        lambda n: n.run("k3v9", ["make", "all tests"], folder="/tmp", environment=["A=b"], columns=90, rows=30),
        {
            **{"thread": "k3v9", "command": ["make", "all tests"], "folder": "/tmp", "columns": 90, "rows": 30},
            "environment": ANY,  # the command's own
        },
    ),
    "terminal.list": Invocation(["terminals", "k3v9"], lambda n: n.terminals("k3v9"), {"thread": "k3v9"}),
    "terminal.watch": Invocation(
        ["attach", "k3v9", "t1"], lambda n: n.watch_terminal("k3v9", "t1"), {"thread": "k3v9", "terminal": "t1"}
    ),
    "terminal.input": Invocation(
        ["terminal", "type", "k3v9", "t1", "ls -l", "--enter"],
        lambda n: n.type_into("k3v9", "t1", "ls -l\r"),
        {"thread": "k3v9", "terminal": "t1", "text": "ls -l\r"},
    ),
    "terminal.resize": Invocation(
        ["terminal", "resize", "k3v9", "t1", "90", "30"],
        lambda n: n.resize_terminal("k3v9", "t1", 90, 30),
        {"thread": "k3v9", "terminal": "t1", "columns": 90, "rows": 30},
    ),
    "terminal.close": Invocation(
        ["terminal", "close", "k3v9", "t1"],
        lambda n: n.close_terminal("k3v9", "t1"),
        {"thread": "k3v9", "terminal": "t1"},
    ),
}

RESULTS: dict[str, Any] = {
    "terminal.run": TERMINAL,
    "terminal.list": {
        "terminals": [
            {
                **{
                    "terminal": TERMINAL["terminal"],
                    "command": ["sh", HOSTILE],
                    "state": "ended",
                    "code": 3,
                    "here": True,
                },
                **{"reason": "", "columns": 80, "rows": 24, "started_at": WHEN},
                "author": {"identity": "i" * 52, "device": "d" * 52, "name": HOSTILE},
            }
        ]
    },
    "terminal.input": TERMINAL,
    "terminal.resize": TERMINAL,
    "terminal.close": TERMINAL,
}

LINES: dict[str, list[dict[str, Any]]] = {
    "terminal.watch": [
        {
            **{"type": "terminal.screen", **TERMINAL, **TERMINAL_STATE, "command": ["sh"], "columns": 20, "rows": 2},
            **{"alternate": False, "begins": True, "history": [{"text": HOSTILE}]},
            "lines": [{"text": "$ ls", "spans": [[4, 1, "#00ff00", "bold"]]}, {"text": HOSTILE}],
        },
        {
            **{"type": "terminal.changed", **TERMINAL, "moved": 1, "scrolled": [{"text": "$ ls"}]},
            "lines": [{"row": 1, "text": HOSTILE}],
        },
        {"type": "terminal.ended", **TERMINAL, "code": 0, "reason": ""},
    ],
}
