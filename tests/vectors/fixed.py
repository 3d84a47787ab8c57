"""The fixed input behind the pinned bytes: named seeds, key wraps without chance, and values as JSON shows them."""

import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import msgspec
import nacl.bindings as sodium


def fixed(name: str, size: int = 32) -> bytes:
    """So many bytes that follow from the name alone."""
    return hashlib.shake_256(b"opensesh test vectors/" + name.encode()).digest(size)


def entropy(name: str) -> Callable[[int], bytes]:
    """What stands for the operating system's randomness: another name for each call."""
    counter = itertools.count()
    return lambda size: fixed(f"{name}/{next(counter)}", size)


def wrapped(public: bytes, key: bytes) -> bytes:
    """A sealed box as libsodium makes it, but with an ephemeral key that follows from what is wrapped to whom."""
    secret = fixed(f"ephemeral/{public.hex()}/{key.hex()}")
    ephemeral = sodium.crypto_scalarmult_base(secret)
    nonce = hashlib.blake2b(ephemeral + public, digest_size=sodium.crypto_box_NONCEBYTES).digest()
    return ephemeral + sodium.crypto_box(key, nonce, public, secret)


@contextmanager
def without_chance() -> Iterator[None]:
    """A block in which wrapping a key gives the same bytes each time."""
    with mock.patch("crdt.keys.wrap", wrapped):
        yield


def plain(value: Any) -> Any:
    """A value as it stands in a vector: bytes as hexadecimal, a structure as its fields by name, behind its tag."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {plain(name): plain(each) for name, each in value.items()}
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        fields = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        return {"tag": tag, **fields} if tag else fields
    return value
