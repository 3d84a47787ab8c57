"""Changes to a text, as values: apply them, put two into one, bring one behind another, find one between two texts.

A change is a tuple of steps through the text it is made for: a positive number keeps that many characters, a
negative one drops as many, a text is put in. What follows the last step is kept. Characters are Unicode code
points. Of such changes made for one text by several people, each can be carried out behind the others:
`behind` moves it to where its place is then, and nothing that anybody typed is lost by that.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Final

Step = int | str
Change = tuple[Step, ...]

_MOST_COMPARED: Final = 1_000_000  # words of one text times words of the other that `between` compares
_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")


def applied(text: str, change: Change) -> str:
    """The text after a change. Raises ValueError if the change goes beyond its end."""
    pieces, at = [], 0
    for step in change:
        if isinstance(step, str):
            pieces.append(step)
            continue
        if step > 0:
            pieces.append(text[at : at + step])
        at += abs(step)
    if at > len(text):
        raise ValueError("a change beyond the end of its text")
    return "".join(pieces) + text[at:]


def replacing(at: int, removed: int, added: str) -> Change:
    """The change that puts `added` in place of `removed` characters from `at` on."""
    return _tidy((at, -removed, added))


def inverse(text: str, change: Change) -> Change:
    """The change that takes one back which was made for `text`."""
    steps: list[Step] = []
    at = 0
    for step in change:
        if isinstance(step, str):
            steps.append(-len(step))
            continue
        steps.append(step if step > 0 else text[at : at - step])
        at += abs(step)
    return _tidy(steps)


def composed(first: Change, second: Change) -> Change:
    """One change that does what `first` and then `second` do."""
    one, two, steps = _Steps(first), _Steps(second), []
    while one.more or two.more:
        if two.is_text:
            steps.append(two.take())
        elif one.is_drop:
            steps.append(one.take())
        else:
            size = min(one.size, two.size)
            step, then = one.take(size), two.take(size)
            if isinstance(then, int) and then > 0:
                steps.append(step)
            elif isinstance(step, int):
                steps.append(then)
    return _tidy(steps)


def behind(change: Change, other: Change, *, before: bool = True) -> Change:
    """`change` as it has to be once `other`, made for the same text, is carried out.

    What both put in at one place stands there in an order that `before` says: whether that of `change` goes first.
    Of two changes one has to be brought behind the other with True and the other behind the one with False; then
    both orders give the same text.
    """
    own, others, steps = _Steps(change), _Steps(other), []
    while own.more or others.more:
        if own.is_text and (before or not others.is_text):
            steps.append(own.take())
        elif others.is_text:
            steps.append(len(str(others.take())))
        else:
            size = min(own.size, others.size)
            step, passed = own.take(size), others.take(size)
            if isinstance(passed, int) and passed > 0:
                steps.append(step)
    return _tidy(steps)


def moved(place: int, change: Change) -> int:
    """Where a place between two characters is after a change; text that is put in there goes behind it."""
    at = 0
    for step in change:
        if at > place:
            break
        if isinstance(step, str):
            if at < place:
                at, place = at + len(step), place + len(step)
        elif step > 0:
            at += step
        else:
            place = max(at, place + step)
    return place


def between(before: str, after: str) -> Change:
    """A change that makes one text the other, and leaves alone what both have in common: in words where they
    differ in several places, to the character at the ends."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    if not old or not new:
        return _tidy((start, -len(old), new))
    here, there = _WORD.findall(old), _WORD.findall(new)
    if len(here) * len(there) > _MOST_COMPARED:
        return _tidy((start, -len(old), new))
    steps: list[Step] = [start]
    for tag, first, last, first_new, last_new in SequenceMatcher(None, here, there, autojunk=False).get_opcodes():
        size = sum(map(len, here[first:last]))
        steps += [size] if tag == "equal" else [-size, "".join(there[first_new:last_new])]
    return _tidy(steps)


def read(steps: Sequence[object]) -> Change | None:
    """A change out of plain values; None if they are none."""
    found = [step for step in steps if isinstance(step, str | int) and not isinstance(step, bool)]
    return _tidy(found) if len(found) == len(steps) else None


class _Steps:
    """Steps taken one by one, whole or in part; behind the last there is only more to keep."""

    def __init__(self, change: Change) -> None:
        self._steps = list(reversed(change))

    @property
    def more(self) -> bool:
        return bool(self._steps)

    @property
    def is_text(self) -> bool:
        return bool(self._steps) and isinstance(self._steps[-1], str)

    @property
    def is_drop(self) -> bool:
        last = self._steps[-1] if self._steps else 0
        return isinstance(last, int) and last < 0

    @property
    def size(self) -> int:
        """How many characters the next step is about."""
        if not self._steps:
            return 2**62
        last = self._steps[-1]
        return len(last) if isinstance(last, str) else abs(last)

    def take(self, size: int | None = None) -> Step:
        """The next step, or as much of it."""
        if not self._steps:
            assert size is not None
            return size
        step = self._steps.pop()
        if size is None or size >= (len(step) if isinstance(step, str) else abs(step)):
            return step
        if isinstance(step, str):
            self._steps.append(step[size:])
            return step[:size]
        self._steps.append(step - size if step > 0 else step + size)
        return size if step > 0 else -size


def _tidy(steps: Iterable[Step]) -> Change:
    """The one way to write a change: nothing empty, like joined to like, text before what it replaces."""
    found: list[Step] = []
    for step in steps:
        if not step:
            continue
        last = found[-1] if found else 0
        if isinstance(step, str):
            dropped = found.pop() if isinstance(last, int) and last < 0 else 0
            if found and isinstance(found[-1], str):
                found[-1] += step
            else:
                found.append(step)
            if dropped:
                found.append(dropped)
        elif isinstance(last, int) and last and (last > 0) == (step > 0):
            found[-1] = last + step
        else:
            found.append(step)
    while found and isinstance(found[-1], int) and found[-1] > 0:
        found.pop()
    return tuple(found)


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
