"""Comments for the API and the event stream: their shapes, what is told of a change, and a prompt made of one."""

from collections.abc import Callable
from typing import Any, Final

from crdt.anchors import Anchor
from crdt.comments import Comment, Reference
from crdt.conversations import Conversation
from crdt.discussion import Changes, Discussion
from crdt.ids import to_text
from crdt.thread import Thread
from node import places, shapes

AuthorOf = Callable[[bytes], dict[str, Any]]  # device → identity, device, name
QUOTED_LINES: Final = 40  # of a place, in a prompt


class Shapes:
    """Comments of one thread, in the shapes the API answers with."""

    def __init__(self, discussion: Discussion, view: Thread, author_of: AuthorOf) -> None:
        self._discussion, self._view, self._author_of = discussion, view, author_of

    def comment(self, comment: Comment) -> dict[str, Any]:
        """One comment or answer by itself."""
        return {
            "id": comment.id,
            "reference": str(comment.reference),
            "author": self._author_of(comment.device),
            "text": comment.text,
            "created_at": shapes.time(comment.at),
            "edited_at": shapes.time(comment.edited) if comment.edited is not None else None,
            "deleted": comment.deleted is not None,
            "reply_to": comment.reply_to.id if comment.reply_to is not None else None,
            "reactions": [
                {"sign": sign, "count": len(who), "by": [to_text(each) for each in who]}
                for sign, who in self._discussion.reactions(comment.reference).items()
            ],
        }

    def conversation(self, found: Conversation) -> dict[str, Any]:
        """A first comment with where it stands, whether it is settled, and all answers."""
        mark = found.mark
        return {
            **self.comment(found.first),
            **places.shown(found.first.anchor, self._view),
            "resolved": found.is_resolved,
            "resolved_by": self._author_of(mark.device) if mark is not None and mark.resolved else None,
            "replies": [self.comment(each) for each in found.replies],
        }

    def told(self, changes: Changes) -> list[tuple[str, dict[str, Any]]]:
        """The events of what is shown otherwise now."""
        unresolved = self._discussion.unresolved
        changed: dict[Reference, str] = {}
        for shown in changes.comments:
            changed[shown.entry.reference] = "comment.added" if shown.before is None else "comment.changed"
        for reaction in changes.reactions:
            changed.setdefault(reaction.entry.on, "comment.changed")
        events = [
            (kind, {"comment": self.comment(comment), "conversation": self._first(comment), "unresolved": unresolved})
            for on, kind in changed.items()
            if (comment := self._discussion.comment(on)) is not None
        ]
        for settled in changes.marks:
            was, now = settled.before, settled.now
            comment = self._discussion.comment(settled.on)
            if comment is None or (was is not None and was.resolved) == (now is not None and now.resolved):
                continue
            kind = "comment.resolved" if now is not None and now.resolved else "comment.reopened"
            by = self._author_of(now.device) if now is not None else None
            events.append((kind, {"conversation": comment.id, "by": by, "unresolved": unresolved}))
        return events

    def _first(self, comment: Comment) -> str:
        found = self._discussion.conversation(comment.reference)
        return found.first.id if found is not None else comment.id

    def prompt(self, found: Conversation, note: str = "") -> str:
        """A conversation as a prompt: the place with what stands there, who said what, and what is added to it."""
        place = places.words(found.first.anchor, self._view)
        said = [each for each in (found.first, *found.replies) if each.deleted is None]
        head = f"{self._name(found.first)} commented on {place}:"
        quoted = _quoted(self._quote(found.first.anchor))
        words = [f"{self._name(each)}: {each.text}" for each in said]
        return "\n\n".join(filter(None, [head, quoted, *words, note.strip()]))

    def _quote(self, anchor: Anchor | None) -> str:
        if anchor is None:
            return ""
        now = places.shown(anchor, self._view)["now"]
        is_range = anchor.lines is not None or anchor.characters is not None
        return str(now["text"]) if now is not None and is_range else anchor.quote

    def _name(self, comment: Comment) -> str:
        return " ".join(str(self._author_of(comment.device)["name"]).split()) or "somebody"


def _quoted(text: str) -> str:
    lines = text.split("\n") if text else []
    shown = [f"> {line}".rstrip() for line in lines[:QUOTED_LINES]]
    return "\n".join([*shown, "> …"] if len(lines) > QUOTED_LINES else shown)
