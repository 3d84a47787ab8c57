"""What went wrong at a provider, in words for the person who asked: kind, status, message without any secret.

Every library wraps exceptions in its own way, so this goes by what was really received.
"""

import re

from node.agent import pipe
from node.agent.redact import redact

MESSAGE_CHARS = 2_000  # of a provider's error message
CAUSES = 10  # of an exception that are looked at

_LITELLM_PREFIX = re.compile(r"^(?:litellm\.)?(?:[A-Za-z]+(?:Error|Exception)?: |OpenAIException - |Timeout: )+")


class ProviderTrouble(Exception):
    """A completion that failed in a way we found ourselves; carries the reply."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def describe(request: pipe.Complete, error: Exception) -> pipe.Failed:
    """What to tell the node of an exception: its kind, the provider's status, its message without any secret."""
    if isinstance(error, ProviderTrouble):
        return pipe.Failed(request.id, error.kind, str(error))
    # litellm wraps what happens in mid-stream once more; the original says what it was.
    error = getattr(error, "original_exception", None) or error
    raw = str(getattr(error, "message", None) or error) or type(error).__name__
    message = redact(_LITELLM_PREFIX.sub("", raw).strip() or raw, request.secret.values())[:MESSAGE_CHARS]
    names = [type(each).__name__ for each in _chain(error)]
    if "Timeout" in names[0]:
        return pipe.Failed(request.id, "timeout", message)
    # litellm gives 500 to failures that had no status: believe one only when a response came with it.
    status = _status_of(error)
    if status is not None:
        return pipe.Failed(request.id, "status", message, status)
    if any("Connect" in name for name in names):
        return pipe.Failed(request.id, "network", message)
    return pipe.Failed(request.id, "broken", message)


def _status_of(error: BaseException) -> int | None:
    """The status of the response behind an exception, walking down its causes; None if there was none."""
    for each in _chain(error):
        status = getattr(each, "status_code", None)
        if type(each).__module__.startswith("openai") and type(status) is int:
            return status
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and its causes, the outermost first."""
    chain = [error]
    while len(chain) < CAUSES and (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    return chain
