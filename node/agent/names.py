"""The ids of a run, its answer and its prompt, derived from the client's request (pure).

Deriving them makes a request idempotent by construction: asked again, after a crash or on another
device, it names the same run and the same messages.
"""

import hashlib

from crdt import ids


def run_id(thread: str, request: str) -> str:
    """The id of the run that this client request asks for: 26 characters, the same on every device.

    Deriving it makes a request idempotent by construction, across crashes and devices.
    """
    return _derived("opensesh/1/run-id", thread, request)


def answer_id(run: str) -> str:
    """The id of the message that holds a run's answer, so that it can be named before it is begun."""
    return _derived("opensesh/1/answer-id", run)


def message_id_of(thread: str, request: str) -> str:
    """The id of the message that a client request writes."""
    return _derived("opensesh/1/prompt-id", thread, request)


def _derived(*fields: str) -> str:
    framed = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (field.encode() for field in fields))
    return ids.to_text(hashlib.sha256(framed).digest()[:16])
