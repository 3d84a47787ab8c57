"""Every error a user can meet, in one table, and the two families the core raises.

`OpenSeshError` is our own side: a command that can't be carried out. It carries a stable code, what
happened, and the one thing to do next. `PeerFault` is somebody else's: a frame or message that is
malformed, forged or beyond a right. It names its reason, and the peer carries on.

Standard library only: the command line imports this file on every call.
"""

from typing import Any


class OpenSeshError(Exception):
    """A refusal with a code, the cause in a sentence, and the next thing to do."""

    def __init__(self, kind: "ErrorKind", message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details

    def to_json(self) -> dict[str, Any]:
        """The shape that every boundary prints: `{"code", "name", "message", "next", "details"}`."""
        return {
            "code": self.kind.code,
            "name": self.kind.name,
            "message": self.message,
            "next": self.details.get("next", self.kind.next),
            "details": {key: value for key, value in self.details.items() if key != "next"},
        }


class PeerFault(Exception):
    """What a peer sent is refused. `reason` is a short stable word, safe to log and to count."""

    def __init__(self, reason: str, explanation: str = "") -> None:
        super().__init__(f"{reason}: {explanation}" if explanation else reason)
        self.reason = reason


class ErrorKind:
    """One row of the table. Call it to make the error: `raise THREAD_NOT_FOUND(nearest=[…])`.

    `status` is the HTTP status under which the node's API reports it, `exit_code` the command's.
    """

    __slots__ = ("cause", "code", "exit_code", "name", "next", "status")

    def __init__(self, code: str, name: str, cause: str, next: str, *, status: int = 400, exit_code: int = 1) -> None:
        self.code, self.name, self.cause, self.next = code, name, cause, next
        self.status, self.exit_code = status, exit_code
        CATALOGUE[code] = self

    def __call__(self, message: str | None = None, /, **details: Any) -> OpenSeshError:
        return OpenSeshError(self, message or self.cause, details)


CATALOGUE: dict[str, ErrorKind] = {}


def from_json(shape: dict[str, Any]) -> OpenSeshError:
    """Rebuild an error that crossed a boundary; a code we don't know becomes `INTERNAL`."""
    kind = CATALOGUE.get(str(shape.get("code")), INTERNAL)
    details = dict(shape.get("details") or {})
    details["next"] = shape.get("next") or kind.next
    return OpenSeshError(kind, str(shape.get("message") or kind.cause), details)


# E001 to E010 keep the numbers the product promised from the start; what was added follows in the
# order it was needed. A code is never given a second meaning.
DAEMON_NOT_RUNNING = ErrorKind(
    "E001", "DAEMON_NOT_RUNNING", "The node isn't running.", "Start it with: opensesh node start", status=503
)
THREAD_NOT_FOUND = ErrorKind(
    "E002", "THREAD_NOT_FOUND", "No thread has that id or title.", "See what there is with: opensesh list", status=404
)
AGENT_NOT_FOUND = ErrorKind(
    "E003",
    "AGENT_NOT_FOUND",
    "No agent or model has that name.",
    "See what there is with: opensesh provider list",
    status=404,
)
AGENT_SPAWN_FAILED = ErrorKind(
    "E004",
    "AGENT_SPAWN_FAILED",
    "The model worker could not be started.",
    "Check the installation with: opensesh doctor",
    status=500,
)
WORKTREE_CREATE_FAILED = ErrorKind(
    "E005",
    "WORKTREE_CREATE_FAILED",
    "The worktree could not be created.",
    "Check that the project is a git repository.",
    status=500,
)
PERMISSION_DENIED = ErrorKind(
    "E006",
    "PERMISSION_DENIED",
    "Your role in this thread does not allow that.",
    "Ask the thread's owner for the role named.",
    status=403,
)
AUTH_FAILED = ErrorKind(
    "E007",
    "AUTH_FAILED",
    "The other side could not be authenticated.",
    "Check the code, link or key and try again.",
    status=401,
)
SYNC_CONFLICT = ErrorKind(
    "E008",
    "SYNC_CONFLICT",
    "This change conflicts with what was synced meanwhile.",
    "Look at the thread and try again.",
    status=409,
)
NETWORK_ERROR = ErrorKind(
    "E009",
    "NETWORK_ERROR",
    "The network, relay or endpoint can't be reached.",
    "Check the address and the connection.",
    status=502,
)
CONFIG_INVALID = ErrorKind(
    "E010", "CONFIG_INVALID", "The configuration is invalid.", "Correct it with: opensesh config edit"
)
USAGE = ErrorKind("E011", "USAGE", "The command was not understood.", "See: opensesh --help", exit_code=2)
INTERACTION_NEEDED = ErrorKind(
    "E012",
    "INTERACTION_NEEDED",
    "This needs an answer, and there is no terminal to ask on.",
    "Give the flag that is named.",
    exit_code=2,
)
INTERNAL = ErrorKind(
    "E013", "INTERNAL", "Something went wrong inside OpenSesh.", "See the log with: opensesh node logs", status=500
)
TIMEOUT = ErrorKind(
    "E014", "TIMEOUT", "It did not happen in time.", "Try again, or give a longer --timeout.", status=504
)
INTERRUPTED = ErrorKind("E015", "INTERRUPTED", "Interrupted.", "Nothing that was acknowledged is lost.", exit_code=130)
AMBIGUOUS_THREAD = ErrorKind(
    "E016", "AMBIGUOUS_THREAD", "More than one thread matches.", "Give more of the id.", status=409
)
PAIRING_CODE_WRONG = ErrorKind(
    "E017",
    "PAIRING_CODE_WRONG",
    "The pairing code is wrong, and is now used up.",
    "Run `opensesh pair` again on the first device for a new code.",
    status=401,
)
PAIRING_EXPIRED = ErrorKind(
    "E018",
    "PAIRING_EXPIRED",
    "The pairing code has expired or was never shown.",
    "Run `opensesh pair` again on the first device for a new code.",
    status=410,
)
PAIRING_NO_VENUE = ErrorKind(
    "E019",
    "PAIRING_NO_VENUE",
    "There is neither a relay nor a local network to pair over.",
    "Connect a relay with: opensesh sync connect ws://HOST:8765",
    status=409,
)
RELAY_UNREACHABLE = ErrorKind(
    "E020", "RELAY_UNREACHABLE", "The relay can't be reached.", "Check that it runs: opensesh relay status", status=502
)
RELAY_REFUSED = ErrorKind(
    "E021", "RELAY_REFUSED", "The relay refused.", "Check the access key and the relay's limits.", status=403
)
NOTHING_TO_SYNC_WITH = ErrorKind(
    "E022",
    "NOTHING_TO_SYNC_WITH",
    "There is no relay and no other device to sync with.",
    "Connect a relay (opensesh sync connect URL) or pair a device (opensesh pair).",
    status=409,
)
HOME_LOCKED = ErrorKind(
    "E023", "HOME_LOCKED", "Another node is already using this home.", "Stop it with: opensesh node stop", status=409
)
HOME_UNSAFE = ErrorKind(
    "E024",
    "HOME_UNSAFE",
    "The home folder can't be used safely.",
    "Set OPENSESH_HOME to a folder of your own on a local disk.",
)
DATABASE_CORRUPT = ErrorKind(
    "E025",
    "DATABASE_CORRUPT",
    "The database is damaged; it was left untouched.",
    "Restore a backup with: opensesh backup restore FILE",
    status=500,
)
DATABASE_NEWER = ErrorKind(
    "E026", "DATABASE_NEWER", "The data was written by a newer version.", "Upgrade OpenSesh on this device.", status=500
)
DISK_FULL = ErrorKind(
    "E027", "DISK_FULL", "The disk is full; the change was not stored.", "Free some space and try again.", status=507
)
KEYS_UNREADABLE = ErrorKind(
    "E028",
    "KEYS_UNREADABLE",
    "This device's keys can't be read.",
    "Unlock the keychain, or check the key file's permissions.",
    status=500,
)
IMPORT_UNRECOGNISED = ErrorKind(
    "E029",
    "IMPORT_UNRECOGNISED",
    "That file is no session transcript OpenSesh knows.",
    "Give a Claude Code .jsonl or a Codex rollout-*.jsonl file.",
)
FILE_UNREADABLE = ErrorKind("E030", "FILE_UNREADABLE", "The file can't be read.", "Check the path and its permissions.")
TOO_LARGE = ErrorKind(
    "E031", "TOO_LARGE", "That is larger than OpenSesh accepts.", "Send it in smaller parts.", status=413
)
RECOVERY_PHRASE_WRONG = ErrorKind(
    "E032",
    "RECOVERY_PHRASE_WRONG",
    "Those words are no valid recovery phrase.",
    "Check the 24 words and their order.",
    status=401,
)
RECOVERY_CONFIRMED = ErrorKind(
    "E033",
    "RECOVERY_CONFIRMED",
    "The recovery phrase was confirmed and erased from this device.",
    "Use the words you wrote down.",
    status=410,
)
DEVICE_NOT_FOUND = ErrorKind(
    "E034", "DEVICE_NOT_FOUND", "No device has that id or name.", "See them with: opensesh devices list", status=404
)
DEVICE_REVOKED = ErrorKind(
    "E035",
    "DEVICE_REVOKED",
    "This device was revoked; it no longer syncs.",
    "Pair it again from another device.",
    status=403,
)
PROVIDER_FAILED = ErrorKind(
    "E036",
    "PROVIDER_FAILED",
    "The model's provider answered with an error.",
    "Check it with: opensesh provider test NAME",
    status=502,
)
RUN_ELSEWHERE = ErrorKind(
    "E037",
    "RUN_ELSEWHERE",
    "Another device runs this thread.",
    "Wait for it, or take over with: opensesh ask --take-over",
    status=409,
)
CURSOR_UNKNOWN = ErrorKind(
    "E038",
    "CURSOR_UNKNOWN",
    "That cursor is not from this device, or is too old.",
    "Start again without --since.",
    status=410,
)
REQUEST_INVALID = ErrorKind(
    "E039", "REQUEST_INVALID", "The request is malformed.", "See the API in docs/api.md.", status=400
)
PORT_IN_USE = ErrorKind(
    "E040", "PORT_IN_USE", "The address is already in use.", "Give another --port, or stop what listens there."
)
BACKUP_INVALID = ErrorKind(
    "E041", "BACKUP_INVALID", "That file is no OpenSesh backup, or is damaged.", "Try another backup file."
)
THREAD_DELETED = ErrorKind(
    "E042", "THREAD_DELETED", "That thread was deleted.", "Look in the trash with: opensesh list --trash", status=410
)
WAITING_FOR_KEY = ErrorKind(
    "E043",
    "WAITING_FOR_KEY",
    "This device is waiting for a key of this thread.",
    "Keep another of your devices online until it arrives.",
    status=409,
)
DEMO_FAILED = ErrorKind(
    "E044",
    "DEMO_FAILED",
    "A step of the demonstration did not hold.",
    "Run it again with --keep DIR and look at the logs.",
)
# E045 was READ_ONLY, which said no more than E006 does.
PAIRING_DECLINED = ErrorKind(
    "E046",
    "PAIRING_DECLINED",
    "The other device declined the pairing.",
    "Start again with: opensesh pair, and confirm the name it shows.",
    status=403,
)
INVITE_LINK_WRONG = ErrorKind(
    "E047",
    "INVITE_LINK_WRONG",
    "That isn't a complete invitation link.",
    "Copy the whole link, in quotes, as it was sent to you.",
    status=400,
)
INVITE_EXPIRED = ErrorKind(
    "E048", "INVITE_EXPIRED", "The invitation has expired.", "Ask the thread's owner for a new link.", status=410
)
INVITE_USED_UP = ErrorKind(
    "E049", "INVITE_USED_UP", "The invitation has been used up.", "Ask the thread's owner for a new link.", status=410
)
INVITE_WITHDRAWN = ErrorKind(
    "E050", "INVITE_WITHDRAWN", "The invitation was withdrawn.", "Ask the thread's owner for a new link.", status=410
)
SECRETS_FOUND = ErrorKind(
    "E051",
    "SECRETS_FOUND",
    "What would be shared holds what looks like secrets.",
    "Look at the places named; share all the same with: --allow-secrets",
    status=409,
)
MEMBER_NOT_FOUND = ErrorKind(
    "E052",
    "MEMBER_NOT_FOUND",
    "Nobody in this thread has that name or id.",
    "See who is in it with: opensesh members THREAD",
    status=404,
)
INVITE_NOT_FOUND = ErrorKind(
    "E053", "INVITE_NOT_FOUND", "No invitation has that id.", "See them with: opensesh shares", status=404
)
INVITE_DECLINED = ErrorKind(
    "E054", "INVITE_DECLINED", "The owner declined.", "Ask the thread's owner what they meant.", status=403
)
COMMENT_NOT_FOUND = ErrorKind(
    "E059", "COMMENT_NOT_FOUND", "No comment has that id.", "See them with: opensesh comments THREAD", status=404
)
PLACE_NOT_FOUND = ErrorKind(
    "E060",
    "PLACE_NOT_FOUND",
    "There is no such message, or no such place in it.",
    "See the messages and their ids with: opensesh show THREAD --json",
    status=404,
)
DRAFT_MOVED_ON = ErrorKind(
    "E061",
    "DRAFT_MOVED_ON",
    "That version of the text is not known any more.",
    "Read it again, and make the change to what it says now.",
    status=409,
)
TERMINAL_NOT_FOUND = ErrorKind(
    "E056",
    "TERMINAL_NOT_FOUND",
    "There is no such terminal in this thread.",
    "List them with: opensesh terminals THREAD",
    status=404,
)
TERMINAL_ENDED = ErrorKind(
    "E057",
    "TERMINAL_ENDED",
    "The program in that terminal has ended.",
    "Start another with: opensesh run THREAD -- COMMAND",
    status=409,
)
PROGRAM_NOT_STARTED = ErrorKind(
    "E058",
    "PROGRAM_NOT_STARTED",
    "The program could not be started.",
    "Check its name, and that it may be run.",
    status=400,
)
