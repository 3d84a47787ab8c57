"""What somebody would be able to read, before the first byte is shared: figures, first words, and likely secrets."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from crdt import errors
from crdt.content import Message
from crdt.thread import Thread
from node.open_thread import OpenThread
from node.secrets.scan import scan
from node.secrets.thread import Place, scan_thread

OPENING = 80  # characters of the first and last message that are shown
MAX_LISTED = 50  # places that an error lists; the count is whole


def preview(opened: OpenThread, begin: str | None, printed: Sequence[Place] = ()) -> dict[str, Any]:
    """In the API's shape; only the messages from `begin` on, if it is given. Raises REQUEST_INVALID for no message.

    `printed` are the secrets in what its terminals have printed."""
    view = opened.view
    messages = since(view, begin) if begin is not None else view.messages()
    places = scan_thread(messages) if begin is not None else secrets(opened, printed)
    parts = Counter(part.type for message in messages for part in message.parts)
    meta = view.meta()
    return {
        "title": meta.get("title") or "",
        "project": meta.get("project"),
        "messages": len(messages),
        "tool_results": parts["tool_call"],
        "characters": sum(len(p.text) + len(p.input) + len(p.result) for m in messages for p in m.parts),
        "people": len({message.device for message in messages}),
        "first": _opening(messages[0]) if messages else "",
        "last": _opening(messages[-1]) if messages else "",
        "secrets": len(places),
        "findings": [found(place) for place in places[:MAX_LISTED]],
    }


def since(view: Thread, message: str) -> list[Message]:
    """The messages from one on. Raises REQUEST_INVALID if there is no such message."""
    messages = view.messages()
    at = next((number for number, each in enumerate(messages) if each.id == message), None)
    if at is None:
        raise errors.REQUEST_INVALID("No message has that id.", next="See the ids with: opensesh show THREAD --json")
    return messages[at:]


def secrets(opened: OpenThread, printed: Sequence[Place]) -> list[Place]:
    """The secrets in all that a member can read; `printed` as in `preview`."""
    return [*scan_thread(opened.view.messages()), *_beside(opened), *printed]


def _beside(opened: OpenThread) -> list[Place]:
    """Those in comments, the draft, the notes."""
    comments = [("comment", each.id, each.text) for each in opened.discussion.comments()]
    texts = [(name, "", text.text) for name, text in opened.texts.items()]
    return [
        Place(identifier, 0, field, found) for field, identifier, text in [*comments, *texts] for found in scan(text)
    ]


def check(places: Sequence[Place]) -> None:
    """Raises SECRETS_FOUND if there are any."""
    if places:
        listed = [found(place) for place in places[:MAX_LISTED]]
        number = f"{len(places)} places hold" if len(places) > 1 else "One place holds"
        raise errors.SECRETS_FOUND(f"{number} what looks like a secret.", secrets=len(places), findings=listed)


def found(place: Place) -> dict[str, Any]:
    """One place, without the secret."""
    finding = place.finding
    return {
        "kind": finding.kind,
        "message": place.message,
        "part": place.part,
        "field": place.field,
        "line": finding.line,
        "excerpt": finding.excerpt,
        "why": finding.sentence,
    }


def _opening(message: Message) -> str:
    words = " ".join(message.text.split())
    return words[: OPENING - 1] + "…" if len(words) > OPENING else words
