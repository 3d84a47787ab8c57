"""Scan a thread's messages, part by part, and say in which message and part each secret stands."""

from collections.abc import Iterable
from dataclasses import dataclass

from crdt.content import Message
from node.secrets.finding import Finding
from node.secrets.scan import scan

MAX_PLACES = 1000
FIELDS = ("text", "input", "result")


@dataclass(frozen=True)
class Place:
    """A finding, the id of its message, the part's index from 0, and the part's field: text, input, or result."""

    message: str
    part: int
    field: str
    finding: Finding


def scan_thread(messages: Iterable[Message]) -> list[Place]:
    """The secrets in `messages` in their order, at most MAX_PLACES."""
    places: list[Place] = []
    for message in messages:
        for index, part in enumerate(message.parts):
            for field, text in zip(FIELDS, (part.text, part.input, part.result), strict=True):
                places += [Place(message.id, index, field, finding) for finding in scan(text)]
                if len(places) >= MAX_PLACES:
                    return places[:MAX_PLACES]
    return places
