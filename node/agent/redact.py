"""Take secrets out of text before it is logged, stored, raised or sent anywhere (pure).

A provider's error may echo the key it was given, whole, in part, or in another spelling, and an HTTP
library's exception may print its headers. So the exact secrets go first, in every spelling they take
on the way, then whatever merely looks like a credential.
"""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "[redacted]"
MIN_SECRET_CHARS = 4  # masking a shorter string would only tear holes into ordinary words

_LOOKS_SECRET = [
    re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=*-]{6,}"),
    re.compile(r"(?i)((?:api[-_ ]?key|authorization|token|secret|password)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]{6,}"),
    re.compile(r"()\b(?:sk|pk|rk|gsk|xai|hf|ghp|AIza)[-_A-Za-z0-9*]{12,}"),
    re.compile(r"(://)[^/\s@:]+:[^/\s@]+(?=@)"),
]


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the given secrets (longest first, in plain, escaped, URL and base64 spelling) and their like."""
    spellings = {form for secret in secrets if len(secret) >= MIN_SECRET_CHARS for form in _spellings(secret)}
    for form in sorted(spellings, key=len, reverse=True):
        text = text.replace(form, MASK)
    for pattern in _LOOKS_SECRET:
        text = pattern.sub(lambda found: found.group(1) + MASK, text)
    return text


def _spellings(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    escaped = {repr(secret)[1:-1], json.dumps(secret)[1:-1]}
    return {secret, quote(secret, safe=""), *escaped, *encoded, *(form.rstrip("=") for form in encoded)}
