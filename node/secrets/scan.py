"""Scan one text for secrets: known shapes first, then named values, each place once, in order, and bounded."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice

from node.secrets import assignment
from node.secrets.finding import Finding, excerpt
from node.secrets.placeholder import is_placeholder, mixes
from node.secrets.shapes import SHAPES, Shape

_LONG = ("private-key", "jwt")  # whose body may hold any word by chance, a stand-in's too
# A name made of words can begin like a key (`sk-learn-…`); a key drawn at random has digits among its letters. But
# not all of these do.
_PLAIN = ("aws-key-id", "password-in-url")
MAX_FINDINGS = 200  # per text; whoever has more need not count them before deciding


def scan(text: str) -> list[Finding]:
    """The likely secrets in `text` by position, at most MAX_FINDINGS of each kind looked at; never the secrets."""
    taken: list[tuple[int, int, str, str]] = []
    for shape in SHAPES:
        taken += [(*span, shape.kind, shape.sentence) for span in islice(_shaped(shape, text), MAX_FINDINGS)]
    named = islice(assignment.assigned(text), MAX_FINDINGS)
    taken += [(*span, assignment.KIND, assignment.SENTENCE) for span in named]
    # Where two overlap, the one that begins first and, of equals, the more telling row stays (the sort is stable).
    taken.sort(key=lambda place: place[0])
    breaks = [at for at, char in enumerate(text) if char == "\n"] if taken else []
    findings: list[Finding] = []
    for start, end, kind, sentence in taken:
        if findings and start < findings[-1].end:
            continue
        line = bisect_left(breaks, start) + 1
        findings.append(Finding(kind, sentence, start, end, line, excerpt(text[start:end])))
    return findings[:MAX_FINDINGS]


def _shaped(shape: Shape, text: str) -> Iterator[tuple[int, int]]:
    for found in shape.pattern.finditer(text):
        if shape.kind in _LONG or (not is_placeholder(found[1]) and (shape.kind in _PLAIN or mixes(found[1]))):
            yield found.span(1)
