"""Values given to a name that says they are secret: `api_key = "…"`, `DB_PASSWORD=…`, `{"client_secret": "…"}`.

The name alone proves little (`token = next(tokens)`), so the value must look made: letters with digits,
many different characters, no call, no attribute, no placeholder.
"""

import re
from collections.abc import Iterator

from node.secrets.placeholder import is_placeholder, mixes

KIND = "secret-value"
SENTENCE = "A name that means a secret is given a value that looks like one."

_ASSIGNED = re.compile(
    r"(?i)(?:api[_-]?key|access[_-]?key|account[_-]?key|auth[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key"
    r"|secret|token|passw(?:or)?d|passphrase|pwd|credential)[A-Z0-9_-]{0,24}\\{0,3}[\"']?\]?"
    r"[ \t]{0,8}(?:=>|:=|=|:)[ \t]{0,8}(?:Bearer )?(\\{0,3}[\"'`])?([^\s\"'`,;<>(){}\[\]\\]{8,512})"
)
_CODE = re.compile(r"[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+")
_EXPRESSION = re.compile(r"[A-Za-z_]\w{0,80}\.\w+.{0,500}(?:\|\||&&|\?)")  # minified code has no spaces
_IDENTIFIER = re.compile(r"[a-z]+\d{0,3}(?:_[a-z0-9]+)*|[A-Z][a-z]+(?:[A-Z][a-z]+)*\d{0,3}")
_WORDS = re.compile(r"(?:[A-Za-z]+|\d{1,4})(?:[-_./:](?:[A-Za-z]+|\d{1,4}))+")


def assigned(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each value that looks like a secret and is given to a name for one."""
    for found in _ASSIGNED.finditer(text):
        value = found[2]
        if not mixes(value) or is_placeholder(value) or _CODE.fullmatch(value) or _WORDS.fullmatch(value):
            continue
        if found[1] is None and (
            _IDENTIFIER.fullmatch(value) or _EXPRESSION.match(value) or value.startswith(("$", "%", "&", "*"))
        ):
            continue
        yield found.span(2)
