"""Tell a stand-in from a secret: what documentation, templates and checksums put where a key would be."""

import math
import re
from collections import Counter

_STAND_IN = re.compile(
    r"(?i)example|your[-_]|x{4}|\*{3}|\.{3}|…|[<>]|\$\{|\$\(|\{\{|process\.env|environ|getenv|placeholder|change[-_]?me"
    r"|dummy|redacted|0123456|1234567|abcdef(?:gh|123)"
)
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CHECKSUM = re.compile(r"(?i)(?:sha(?:1|256|384|512)|md5|h1)[-:]")
_COMMON = frozenset(
    ("password", "passwd", "secret", "username", "hunter2", "postgres", "changeit", "letmein", "mypassword", "mysecret")
)
_WORDLESS_BITS = 2.5  # bits per character; eight different characters have 3, `aaaabbbb` has 1


def is_placeholder(value: str) -> bool:
    """Whether `value` is plainly no secret: a template, a documented example, a UUID, or a checksum."""
    return bool(
        _STAND_IN.search(value)
        or _UUID.fullmatch(value)
        or _CHECKSUM.match(value)
        or value.lower() in _COMMON
        or entropy_bits(value) < _WORDLESS_BITS
    )


def entropy_bits(value: str) -> float:
    """Shannon's entropy in bits per character (0 for the empty text)."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)


def mixes(value: str) -> bool:
    """Whether letters and digits stand together, as in made keys and hardly ever in identifiers and prose."""
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
