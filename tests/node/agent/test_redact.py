"""Secrets taken out of text, in whatever spelling somebody else's error has them."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.agent.redact import MASK, MIN_SECRET_CHARS, redact

KEY = "k3y/with+odd=chars&more\"'\\"


@pytest.mark.parametrize(
    "spelled",
    [
        KEY,
        repr(KEY)[1:-1],
        json.dumps(KEY)[1:-1],
        quote(KEY, safe=""),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
    ],
    ids=["plain", "repr", "json", "url", "base64", "base64 of urls"],
)
def test_a_known_secret_is_masked_in_every_spelling(spelled: str) -> None:
    assert redact(f"refused: <{spelled}>.", [KEY]) == f"refused: <{MASK}>."


def test_a_secret_inside_another_does_not_leave_the_rest_of_it() -> None:
    assert redact("saw longsecret-tail", ["longsecret", "longsecret-tail"]) == f"saw {MASK}"


def test_a_very_short_secret_tears_no_holes_into_ordinary_words() -> None:
    assert redact("a stab in the dark", ["a" * (MIN_SECRET_CHARS - 1), "", "a"]) == "a stab in the dark"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Incorrect API key provided: sk-abcd********wxyz.", "Incorrect API key provided: "),
        ("header Authorization: Bearer abc.def-ghi", "header "),
        ('{"api_key": "abcdef123"}', '{"api_key": "'),
        ("GET https://ann:hunter2@example.com/v1", "GET https://"),
        ("token=abcdef123 was refused", "token="),
        ("key AIzaSyA1234567890abcdef", "key "),
        ("Proxy basic dXNlcjpwYXNz", "Proxy basic "),
    ],
)
def test_what_looks_like_a_credential_is_masked_though_nobody_named_it(text: str, kept: str) -> None:
    masked = redact(text)
    assert masked.startswith(kept) and MASK in masked
    for part in ("abcd", "abc.def", "abcdef123", "hunter2", "SyA123", "dXNl"):
        assert part not in masked


@pytest.mark.parametrize("text", ["The model tiny does not exist.", "Rate limit: 20 tokens per minute", "a basic test"])
def test_ordinary_errors_stay_readable(text: str) -> None:
    assert redact(text, ["sk-some-key"]) == text


@given(st.text(min_size=MIN_SECRET_CHARS, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_no_text_with_a_secret_in_it_keeps_it(secret: str, before: str, after: str) -> None:
    masked = redact(before + secret + after, [secret])
    assert secret not in masked.replace(MASK, "\0")
