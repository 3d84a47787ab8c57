"""Other tools' sessions, read in and followed."""

from crdt import errors as e
from node.api.operation import Operation, Parameter
from node.api.operations.common import FOLLOW_ROW

IMPORTS = (
    Operation(
        "import.file",
        "POST",
        "/v1/imports",
        "Bring the sessions of a transcript in as threads; again-import adds nothing.",
        Parameter("path", "path", "A Claude Code or Codex session file; the node reads it itself.", required=True),
        result={
            "threads": [
                {
                    "id": "thread id",
                    "title": "text",
                    "new": "true if the thread was not here before",
                    "messages": "count in the transcript",
                    "tool_calls": "count",
                    "placeholders": "records kept though unknown",
                    "skipped_lines": "lines that could not be read",
                }
            ]
        },
        errors=(e.IMPORT_UNRECOGNISED, e.FILE_UNREADABLE),
    ),
    Operation(
        "import.follow",
        "POST",
        "/v1/follows",
        "Watch another tool's sessions and bring in what it writes, until unfollowed; survives restarts.",
        Parameter("source", "text", "`claude`, `codex`, or an absolute path; without it both tools.", maximum=4_096),
        result={"follows": [FOLLOW_ROW]},
        errors=(e.FILE_UNREADABLE,),
    ),
    Operation(
        "import.unfollow",
        "DELETE",
        "/v1/follows/{follow}",
        "Stop watching; what was brought in stays.",
        Parameter("follow", "text", "Follow id, `claude`, `codex` or the path.", place="path", required=True),
        result={"follows": [FOLLOW_ROW]},
        errors=(e.FILE_UNREADABLE,),
    ),
    Operation(
        "import.followed",
        "GET",
        "/v1/follows",
        "What is being watched.",
        result={"follows": [FOLLOW_ROW]},
    ),
)
