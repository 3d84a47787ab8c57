"""What a scan reports: where a secret stands and of which kind, never the secret itself."""

from dataclasses import dataclass

SHOWN_CHARS = 4
SHOWN_SHARE = 4  # at most a quarter of a short secret is shown


@dataclass(frozen=True)
class Finding:
    """One likely secret: `start` and `end` in characters (code points) of the text, `line` from 1."""

    kind: str
    sentence: str
    start: int
    end: int
    line: int
    excerpt: str


def excerpt(secret: str) -> str:
    """The first few characters, then an ellipsis: enough to recognise, too little to use."""
    return secret[: min(SHOWN_CHARS, len(secret) // SHOWN_SHARE)] + "…"
