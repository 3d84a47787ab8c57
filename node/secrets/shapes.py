"""The credentials that are known by their shape: one row per kind, each with the sentence its owner reads.

Every pattern begins with fixed text or a bounded run and repeats one class of characters with an upper
bound, so a search takes time linear in the text. Group 1 is the secret.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A kind of credential, what to say of it, and how it looks."""

    kind: str
    sentence: str
    pattern: re.Pattern[str]


def _shape(kind: str, what: str, pattern: str) -> Shape:
    return Shape(kind, f"This looks like {what}.", re.compile(pattern))


_START = r"(?<![A-Za-z0-9])"

SHAPES = (
    _shape(
        "private-key",
        "a private key",
        r"(-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){40,16384})",
    ),
    _shape("aws-key-id", "an AWS access key id", _START + r"((?:AKIA|ASIA)[A-Z2-7]{16})(?![A-Za-z0-9])"),
    _shape("google-key", "a Google API key", _START + r"(AIza[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])"),
    _shape("azure-key", "an Azure storage key", r"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,88}={0,2})"),
    _shape(
        "github-token", "a GitHub token", _START + r"(gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{36,255})"
    ),
    _shape("gitlab-token", "a GitLab token", _START + r"(gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20,255})"),
    _shape("slack-token", "a Slack token", _START + r"(xox[abeoprs]-[A-Za-z0-9-]{16,255})"),
    _shape(
        "slack-hook",
        "a Slack webhook",
        r"hooks\.slack\.com/services/([A-Z0-9]{6,16}/[A-Z0-9]{6,16}/[A-Za-z0-9]{16,64})",
    ),
    _shape("stripe-key", "a Stripe key", _START + r"((?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,255})"),
    _shape("npm-token", "an npm token", _START + r"(npm_[A-Za-z0-9]{36})"),
    _shape("pypi-token", "a PyPI token", _START + r"(pypi-[A-Za-z0-9_-]{32,1024})"),
    _shape("anthropic-key", "an Anthropic key", _START + r"(sk-ant-[A-Za-z0-9_-]{20,255})"),
    _shape("openai-key", "an OpenAI key", _START + r"(sk-[A-Za-z0-9_-]{20,255})"),
    _shape(
        "jwt",
        "a signed web token (JWT)",
        r"(?<![A-Za-z0-9_-])(eyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{4,4096}\.[A-Za-z0-9_-]{16,1024})",
    ),
    _shape(
        "password-in-url",
        "an address with a password in it",
        r"(?<=://)[^\s/:@\"'<>{}$]{0,80}:([^\s/@\"'<>{}$]{6,200})@[A-Za-z0-9\[]",
    ),
)
