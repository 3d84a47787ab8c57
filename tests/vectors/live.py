"""The pinned bytes of what is said now and stored nowhere: presence, heartbeats."""

from typing import Any

from crdt import codec
from crdt.epochs import Epoch
from crdt.heartbeat import Heartbeat, Proof
from crdt.identity import DeviceKeys
from crdt.ids import ThreadId
from crdt.presence import NEEDS, Here, Statement, encode_here, presence_key, seal_statement
from tests.vectors.fixed import fixed, plain


def of_presence() -> dict[str, Any]:
    """One message of each kind, as a device signs and seals it."""
    thread, device = ThreadId(fixed("thread")), DeviceKeys.from_seed(fixed("a device"))
    epoch = Epoch.from_key(fixed("epoch key"), thread)
    header = fixed("some header", 300)
    beat = Heartbeat(
        1, (fixed("own tip"),), (fixed("head"),), (Proof(header, device.signing.sign("envelope", header)),)
    )
    here = Here("active", "draft", "", 12, True)
    payloads = {"here": encode_here(here), "keys": b"\x1b[A", "control": b"", "heartbeat": codec.encode(beat)}
    messages = []
    for counter, kind in enumerate(NEEDS, 1):
        said = Statement(
            1, thread, epoch.id, device.id, fixed("stream", 16), counter, 1_700_000_000_000, kind, payloads[kind]
        )  # fmt: skip
        nonce = fixed(f"nonce {kind}", 24)
        message = seal_statement(said, epoch, device.signing, nonce)
        messages.append({"statement": said, "nonce": nonce, "message": message})
    found: dict[str, Any] = plain(
        {
            "thread": thread,
            "device_seed": fixed("a device"),
            "epoch_key": fixed("epoch key"),
            "presence_key": presence_key(epoch, thread),
            "here": here,
            "heartbeat": beat,
            "messages": messages,
        }
    )
    return found
