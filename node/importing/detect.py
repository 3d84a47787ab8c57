"""Which tool wrote this transcript, told from a record's shape and never from the file's name."""

from enum import StrEnum

from .codex_kinds import ENVELOPE_KINDS
from .fields import Json

LINES_TRIED = 64
"""How many readable lines may pass before a file counts as no transcript: sessions name themselves in the first few."""


class Format(StrEnum):
    """The transcripts we read. The value is the prefix of a session's source."""

    CLAUDE = "claude-code"
    CODEX = "codex"


def format_of(record: Json) -> Format | None:
    """The format of which this record is a sure sign, or None if it could be anything."""
    kind = record.get("type")
    if isinstance(kind, str):
        if kind in ENVELOPE_KINDS and isinstance(record.get("payload"), dict):
            return Format.CODEX
        if isinstance(record.get("sessionId"), str):
            return Format.CLAUDE
        if kind == "file-history-snapshot" and "messageId" in record:
            return Format.CLAUDE
        if kind == "summary" and "leafUuid" in record:
            return Format.CLAUDE
        return None
    # Codex before September 2025: a header without a type, then bare items and state markers.
    if record.get("record_type") == "state":
        return Format.CODEX
    if isinstance(record.get("id"), str) and isinstance(record.get("timestamp"), str):
        return Format.CODEX if record.keys() & {"instructions", "git", "cwd", "originator"} else None
    return None
