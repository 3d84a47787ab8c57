"""Rows for the store's tests: small makers, so that a test names only what it is about."""

import hashlib

from crdt.wire import frame_hash
from node.store import LOCAL, NewFrame, Summary

KEY = bytes(range(32))


def ident(name: str) -> bytes:
    """32 bytes that stand for an id."""
    return hashlib.sha256(name.encode()).digest()


def a_frame(thread: str, number: int, *, origin: int = LOCAL, size_bytes: int = 200) -> NewFrame:
    body = hashlib.sha256(f"{thread} {number}".encode()).digest()
    frame = (body * (size_bytes // 32 + 1))[:size_bytes]
    envelope = ident(f"envelope {thread} {number}")
    return NewFrame(ident(thread), envelope, 2, ident("device"), b"s" * 16, number, frame, frame_hash(frame), origin)


def a_summary(thread: str, payload: bytes = b"{}") -> Summary:
    return Summary(ident(thread), ident(f"room of {thread}"), payload)
