"""Comments and the answers to them, as conversations: a first comment, and everything said in answer.

Anybody may answer anything: what isn't here, themselves, in a circle of several devices. An answer to what
is not here begins a conversation, as long as it is not; a circle is opened at whichever stands first.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from crdt.comments import Comment, Mark, Reference


class Conversation(Struct, frozen=True):
    """`first`, and all answers to it and to one another in the order shown; `mark` is the last word on whether
    it is settled, if there is one."""

    first: Comment
    replies: tuple[Comment, ...]
    mark: Mark | None = None

    @property
    def is_resolved(self) -> bool:
        """Whether it is settled."""
        return self.mark is not None and self.mark.resolved

    @property
    def is_gone(self) -> bool:
        """Whether everything in it was taken back."""
        return all(each.deleted is not None for each in (self.first, *self.replies))


def arrange(comments: Mapping[Reference, Comment]) -> dict[Reference, list[Comment]]:
    """The conversations, each under its first comment: all its comments in the order shown.

    An answer stands below what it answers, whatever key it has; else the keys decide.
    """
    answers: dict[Reference, list[Comment]] = {}
    firsts = []
    for comment in comments.values():
        if comment.reply_to in comments and comment.reply_to is not None:
            answers.setdefault(comment.reply_to, []).append(comment)
        else:
            firsts.append(comment)
    arranged: dict[Reference, list[Comment]] = {}
    placed: set[Reference] = set()
    for first in sorted(firsts, key=_place):
        arranged[first.reference] = _below(first, answers, placed)
    # What is left answers itself, by some way round.
    for comment in sorted((each for each in comments.values() if each.reference not in placed), key=_place):
        if comment.reference not in placed:
            first = comments[_on_circle(comment, comments)]
            arranged[first.reference] = _below(first, answers, placed)
    return dict(sorted(arranged.items(), key=lambda each: _place(each[1][0])))


def _below(first: Comment, answers: Mapping[Reference, Iterable[Comment]], placed: set[Reference]) -> list[Comment]:
    """A comment and all below it that isn't placed yet, in the order shown."""
    ranked: list[tuple[int, int, Comment]] = []
    todo = [(first.key, 0, first)]
    placed.add(first.reference)
    while todo:
        key, depth, comment = todo.pop()
        ranked.append((key, depth, comment))
        for answer in answers.get(comment.reference, ()):
            if answer.reference not in placed:
                placed.add(answer.reference)
                todo.append((max(key, answer.key), depth + 1, answer))
    ranked.sort(key=lambda each: (each[0], each[1], each[2].place))
    return [comment for _, _, comment in ranked]


def _on_circle(comment: Comment, comments: Mapping[Reference, Comment]) -> Reference:
    """Of the circle that one gets into by going from answer to answered, whichever stands first."""
    passed: dict[Reference, int] = {}
    while comment.reference not in passed:
        passed[comment.reference] = len(passed)
        assert comment.reply_to is not None
        comment = comments[comment.reply_to]
    circle = list(passed)[passed[comment.reference] :]
    return min(circle, key=lambda each: comments[each].place)


def _place(comment: Comment) -> tuple[int, bytes, str]:
    return comment.place
