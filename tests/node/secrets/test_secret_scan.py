"""Planted secrets are found where they stand; what only looks like one is not. No literal here looks like a secret."""

import base64
import hashlib
import json
import random
import string
import subprocess
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.content import Message, Part
from node.secrets.scan import MAX_FINDINGS, scan
from node.secrets.thread import scan_thread

ROOT = Path(__file__).parents[3]
ALNUM = string.ascii_letters + string.digits
RANDOM = random.Random(7)


def drawn(count: int, of: str = ALNUM) -> str:
    return "".join(RANDOM.choices(of, k=count - 2)) + "a7"


def jwt() -> str:
    head, body = (base64.urlsafe_b64encode(json.dumps(d).encode()).decode().rstrip("=") for d in ({"alg": 1}, {"s": 1}))
    return f"{head}.{body}.{drawn(43)}"


def pem(kind: str) -> str:
    return f"-----BEGIN {kind}-----\n{drawn(64)}\n{drawn(64)}\n-----END {kind}-----"


# kind, what precedes the secret, the secret, what follows it
PLANTED = [
    ("aws-key-id", "", "AK" + "IA" + drawn(18, string.ascii_uppercase)[:16].upper(), ""),
    ("secret-value", "aws_secret_access_" + "key = ", drawn(40), ""),
    ("google-key", "", "AI" + "za" + drawn(35), ""),
    ("azure-key", "AccountName=x;Account" + "Key=", drawn(86) + "==", ";"),
    ("github-token", "", "gh" + "p_" + drawn(36), ""),
    ("gitlab-token", "", "gl" + "pat-" + drawn(20), ""),
    ("slack-token", "", "xo" + "xb-" + drawn(40), ""),
    ("stripe-key", "", "sk" + "_live_" + drawn(24), ""),
    ("npm-token", "", "np" + "m_" + drawn(36), ""),
    ("pypi-token", "", "py" + "pi-" + drawn(100), ""),
    ("openai-key", "", "sk" + "-proj-" + drawn(48), ""),
    ("anthropic-key", "", "sk" + "-ant-" + drawn(60), ""),
    ("jwt", "Authorization: Bearer ", jwt(), ""),
    ("password-in-url", "postgres://ann:", drawn(14), "@db:5432/x"),
    ("secret-value", '{"client_' + 'secret": "', drawn(32), '"}'),
    ("secret-value", '{\\"api_' + 'key\\": \\"', drawn(32), '\\"}'),
    ("secret-value", "+DB_PASS" + "WORD=", drawn(12), ""),
    *(("private-key", "", pem(k + "PRIVATE KEY"), "") for k in ("", "RSA ", "OPENSSH ")),
    ("private-key", "", pem("PGP PRIVATE KEY BLOCK"), ""),
    (
        "private-key",
        "",
        pem("RSA PRIVATE KEY").replace("\n", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n", 1),
        "",
    ),
    ("private-key", "", pem("PRIVATE KEY").replace("a7", "xxxx", 1), ""),
    ("password-in-url", "postgres://ann:", "sommerregen", "@db.example.com/x"),
    ("slack-hook", "https://hooks.slack." + "com/services/", "T0A1B2C3D/B0A1B2C3D/" + drawn(24), ""),
]


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: f"{case[0]} {case[1][:12]}".strip())
@given(
    before=st.lists(st.sampled_from(["Grüße, 世界 👩‍🚀", "ok", "diff --git a/x b/x", "def f(): return 1"]), max_size=5),
    after=st.sampled_from(["", "\nend", "\n日本語"]),
)
def test_a_planted_secret_is_found_at_its_place(case: tuple[str, ...], before: list[str], after: str) -> None:
    kind, lead, secret, tail = case
    head = "".join(line + "\n" for line in before) + lead
    (finding,) = scan(head + secret + tail + after)
    assert (finding.kind, finding.line, finding.start) == (kind, len(before) + 1, len(head))
    shown = (head + secret + tail)[finding.start : finding.end]
    assert secret.startswith(shown) and len(shown) >= min(len(secret), 100)
    assert secret[:8] not in repr(finding) or kind == "private-key"
    assert secret[-12:] not in repr(finding)


CLEAN = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "sk-…",
    'api_key = "YOUR_API_KEY"',
    'token: "xxxxxxxxxxxx"',
    "password=<token>",
    "API_KEY=${API_KEY_V2}",
    "apiKey: process.env.OPENAI_KEY_2",
    'secret = os.environ["KEY_1"]',
    "max_tokens=128000",
    f"token: {uuid.UUID(int=2**127 + 12345678901234567890)}",
    "commit " + hashlib.sha1(b"x").hexdigest(),
    hashlib.sha256(b"x").hexdigest() + "  file.tar.gz",
    '"integrity": "sha512-' + base64.b64encode(bytes(range(64))).decode(),
    "data:image/png;base64," + base64.b64encode(random.Random(1).randbytes(3000)).decode(),
    "!function(e,t){var n=t.token=e.tok1||t2.get3();return n.secret=i5(e),r7}(a1,b2);",
    "postgres://user:password@host/db",
    "Das Passwort: bitte niemandem verraten! Le mot de passe : jamais. 密码:不要告诉任何人。",
    "sk-learn-is-not-a-key-at-all",
]


@pytest.mark.parametrize("text", CLEAN)
def test_a_stand_in_is_no_finding(text: str) -> None:
    assert scan(text) == []


def test_this_repository_holds_no_secret_but_the_published_vectors() -> None:
    # The vectors' keys are real keys, made to be published: a scanner that passed them over would miss others' keys.
    command = ["git", "ls-files", "--", ".", ":!tests/vectors"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split() if (ROOT / name).is_file()]
    assert len(names) > 100
    assert {n: found for n in names if (found := scan((ROOT / n).read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize("unit", ["a", "-eyJ", "eyJaaaaaaaa.", "://a:", "token=", "sk-", "secret_", "-----BEGIN "])
def test_a_hostile_megabyte_ends_with_few_findings(unit: str) -> None:
    # What took more than linear time would not end: a megabyte squared is a day's work.
    assert len(scan(unit * (1_000_000 // len(unit)))) <= MAX_FINDINGS


def test_a_thread_is_scanned_in_every_field_of_every_part() -> None:
    secret = "gh" + "p_" + drawn(36)
    parts = (Part("text", text="clean"), Part("tool_call", input=json.dumps({"k": secret}), result=f"out {secret}"))
    places = scan_thread([Message("m1", b"", "user", 0, 0, "final", parts)])
    assert [(p.message, p.part, p.field, p.finding.kind) for p in places] == [
        ("m1", 1, "input", "github-token"),
        ("m1", 1, "result", "github-token"),
    ]
