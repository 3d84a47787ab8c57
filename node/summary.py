"""What a list shows of a thread, kept beside its frames so that listing opens none of them."""

import msgspec

from crdt.thread import Thread


class ThreadSummary(msgspec.Struct, frozen=True):
    """Title, project and figures. Times in Unix ms; `purpose` tells the account thread from all others."""

    title: str
    project: str | None
    updated_at_ms: int
    messages: int
    purpose: str = "thread"
    source: str | None = None
    waiting: bool = False  # for a key
    unresolved: int = 0  # conversations
    tags: tuple[str, ...] = ()


_decoder = msgspec.msgpack.Decoder(ThreadSummary)


def summarise(view: Thread, unresolved: int = 0) -> ThreadSummary:
    """The summary of an open thread with so many unresolved conversations."""
    genesis = view.replica.membership.genesis
    meta = view.meta()
    latest = view.last.at if view.last else 0
    title, project, source = meta.get("title"), meta.get("project"), meta.get("source")
    return ThreadSummary(
        title=title if isinstance(title, str) else "",
        project=project if isinstance(project, str) else None,
        updated_at_ms=latest or (genesis.created_ms if genesis else 0),
        messages=len(view),
        purpose=genesis.purpose if genesis else "thread",
        source=source if isinstance(source, str) else None,
        waiting=genesis is None or bool(view.replica.unopened),
        unresolved=unresolved,
        tags=tuple(view.tags()),
    )


def decode_summary(payload: bytes) -> ThreadSummary:
    """A stored summary back."""
    return _decoder.decode(payload)


def encode_summary(summary: ThreadSummary) -> bytes:
    """A summary to store."""
    return msgspec.msgpack.encode(summary)
