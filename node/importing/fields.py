"""Reading fields of somebody else's JSON: a field that is missing or of another type is simply empty.

Formats of other tools change without notice. Every access goes through here, so that a string where
a list was expected costs that field and nothing else.
"""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from .records import ImportedPart

Json = dict[str, Any]

TITLE_LIMIT = 80
_ID_LIMIT = 128
_COMMAND_NAME = re.compile(r"<command-name>\s*(.*?)\s*</command-name>", re.DOTALL)
_COMMAND_ARGS = re.compile(r"<command-args>\s*(.*?)\s*</command-args>", re.DOTALL)


def text(value: object) -> str:
    """The string, or empty."""
    return value if isinstance(value, str) else ""


def mapping(value: object) -> Json:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def blocks_of(value: object) -> list[Json]:
    """The blocks of a content field: objects as they are, anything else as a block of text, so that it isn't lost."""
    if value is None:
        return []
    return [
        item if isinstance(item, dict) else {"type": "text", "text": item if isinstance(item, str) else as_json(item)}
        for item in (value if isinstance(value, list) else [value])
    ]


def identifier(value: object) -> str:
    """The string as an id, or empty; one of absurd length or with control characters is replaced by its hash."""
    found = text(value)
    if len(found) > _ID_LIMIT or not found.isprintable():
        return "id-" + digest(found.encode())
    return found


def digest(data: bytes) -> str:
    """32 hex digits that stand for these bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def as_json(value: object) -> str:
    """JSON text as a person would read it: no escapes beyond what must be."""
    return json.dumps(value, ensure_ascii=False)


def time_ms(value: object) -> int:
    """Milliseconds since 1970 of an RFC 3339 time, or of seconds or milliseconds as a number; 0 where it is none."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(0, round(moment.timestamp() * 1000))
        except (ValueError, OverflowError):
            return 0
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e14:
        return int(value if value > 1e11 else value * 1000)  # 1e11 s is the year 5138, 1e11 ms is 1973
    return 0


def title_from(words: str) -> str:
    """A title from the first thing somebody said: one line, at most 80 characters, a slash command by its name."""
    if name := _COMMAND_NAME.search(words):
        arguments = _COMMAND_ARGS.search(words)
        words = f"{name[1]} {arguments[1] if arguments else ''}"
    line = " ".join(words[: 50 * TITLE_LIMIT].split())
    return line if len(line) <= TITLE_LIMIT else line[: TITLE_LIMIT - 1].rstrip() + "…"


def image_part(media: str, encoded: str, tool_id: str = "") -> ImportedPart:
    """An image noted by its media type and size; `encoded` is its base64 text or a data URL."""
    if encoded.startswith("data:"):
        head, _, encoded = encoded.partition(",")
        media = media or head[len("data:") :].partition(";")[0]
    elif encoded.startswith(("http://", "https://", "file://", "sediment://")):
        return ImportedPart("image", text=encoded, media=media, tool_id=tool_id)
    size = len(encoded) * 3 // 4 - encoded[-2:].count("=")
    return ImportedPart("image", media=media, size_bytes=max(0, size), tool_id=tool_id)
