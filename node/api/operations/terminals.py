"""Shared terminals: programs whose screen all members of a thread see."""

from crdt import errors as e
from node.api.operation import Operation, Parameter
from node.api.operations.common import ABOUT_THREAD, THREAD, TIME, WRITE_THREAD

# As in `crdt.output`, which the command line doesn't import.
_COLUMNS = Parameter("columns", "integer", "Its width in characters.", required=True, maximum=500)
_ROWS = Parameter("rows", "integer", "Its height in lines.", required=True, maximum=200)
_TERMINAL = Parameter("terminal", "text", "Id, or unique beginning of one.", place="path", required=True, maximum=64)
_LINE: dict[str, object] = {"text": "text", "spans?": [["characters, foreground, background, attributes"]]}
_NAMES: dict[str, object] = {"terminal": "terminal id", "thread": "thread id"}
_ROW: dict[str, object] = {
    "terminal": "terminal id",
    "command": ["text"],
    "state": "running | ended",
    "code": "exit code (128 + n after signal n), or null",
    "reason": "why it ended without an exit code, or empty",
    "columns": "integer",
    "rows": "integer",
    "started_at": TIME,
    "author": {"identity": "identity id", "device": "device id", "name": "text"},
    "here": "true if this device runs it",
}
_STATE: dict[str, object] = {
    "cursor?": {"row": "from 0", "column": "from 0", "visible": "boolean"},
    "title?": "text",
    "modes?": {
        "application_cursor": "boolean: what the cursor keys send",
        "application_keypad": "boolean",
        "bracketed_paste": "boolean: whether what is pasted is to be marked",
    },
}

TERMINALS = (
    Operation(
        "terminal.run",
        "POST",
        "/v1/threads/{thread}/terminals",
        "Run a program on this device, in a terminal that all members see. It goes on if the client leaves.",
        THREAD,
        Parameter("command", "any", "The program and its arguments, a list of texts.", required=True),
        Parameter("folder", "path", "Where to run it; without it in the thread's project."),
        Parameter("environment", "any", "Its environment, a list of NAME=value; without it, as the node's."),
        _COLUMNS,
        _ROWS,
        result=_NAMES,
        errors=(*WRITE_THREAD, e.PROGRAM_NOT_STARTED),
    ),
    Operation(
        "terminal.list",
        "GET",
        "/v1/threads/{thread}/terminals",
        "The thread's terminals, oldest first.",
        THREAD,
        result={"terminals": [_ROW]},
        errors=ABOUT_THREAD,
    ),
    Operation(
        "terminal.watch",
        "GET",
        "/v1/threads/{thread}/terminals/screen",
        "A terminal's screen, then what changes, to its end. Lines are text and styles, made by an emulator: nothing"
        " a program printed is passed on as it was. A client that reads slowly misses steps in between."
        " A colour is null, 0 to 255 or #rrggbb; attributes are words. Of a change, first the screen moves up by"
        " `moved` rows, then its `lines` are replaced; `scrolled` are the last of those that left.",
        THREAD,
        Parameter(
            "terminal",
            "text",
            "Id, or unique beginning of one; without it the newest that runs, or else the newest.",
            place="query",
            maximum=64,
        ),
        result={
            "terminal.screen": {
                **_NAMES,
                **_STATE,
                "command": ["text"],
                "columns": "integer",
                "rows": "integer",
                "alternate": "boolean: a full-screen program shows its own screen",
                "begins": "true if this is no continuation: what was shown before is void",
                "history": [_LINE],
                "lines": [_LINE],
            },
            "terminal.changed": {
                **_NAMES,
                **_STATE,
                "moved": "integer",
                "scrolled": [_LINE],
                "lines": [{"row": "from 0", **_LINE}],
            },
            "terminal.ended": {**_NAMES, "code": "exit code or null", "reason": "text"},
        },
        errors=(*ABOUT_THREAD, e.TERMINAL_NOT_FOUND),
        stream=True,
        last=("terminal.ended",),
    ),
    Operation(
        "terminal.input",
        "POST",
        "/v1/threads/{thread}/terminals/{terminal}/input",
        "Type into a terminal, for who controls it.",
        THREAD,
        _TERMINAL,
        Parameter("text", "text", "What is typed; Enter is a carriage return.", required=True, maximum=4096),
        result=_NAMES,
        errors=(*WRITE_THREAD, e.TERMINAL_NOT_FOUND, e.TERMINAL_ENDED, e.NETWORK_ERROR),
    ),
    Operation(
        "terminal.resize",
        "POST",
        "/v1/threads/{thread}/terminals/{terminal}/size",
        "Give a terminal another size, for who controls it.",
        THREAD,
        _TERMINAL,
        _COLUMNS,
        _ROWS,
        result=_NAMES,
        errors=(*WRITE_THREAD, e.TERMINAL_NOT_FOUND, e.TERMINAL_ENDED, e.NETWORK_ERROR),
    ),
    Operation(
        "terminal.close",
        "POST",
        "/v1/threads/{thread}/terminals/{terminal}/close",
        "End a terminal's program, for who controls it.",
        THREAD,
        _TERMINAL,
        result=_NAMES,
        errors=(*WRITE_THREAD, e.TERMINAL_NOT_FOUND, e.TERMINAL_ENDED, e.NETWORK_ERROR),
    ),
)
