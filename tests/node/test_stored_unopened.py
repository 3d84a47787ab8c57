"""A frame that was stored before its key came was never checked: it is when everything is read again."""

from pathlib import Path

import msgspec
import pytest

from crdt import codec, keys
from crdt.envelope import envelope_id, seal_envelope
from crdt.frames import seal_frame
from crdt.permissions import Lane, LaneKind, Role
from crdt.receipt import Receipt, Status
from crdt.records import Grant, Record
from crdt.replica import Replica
from node.store import LOCAL, Batch
from node.threads import _new_frame
from tests.node.second_device import machine

MALLORY = keys.SigningKey.from_seed(b"a key that no log in this thread")


def forged(replica: Replica, kind: LaneKind) -> tuple[bytes, bytes]:
    """A frame in this device's name that it never signed, under the thread's present key; and its envelope's id."""
    assert replica.author is not None
    epoch = replica.writing_epoch()
    honest = replica.next_header(Lane(LaneKind.TIMELINE, replica.author.device.id))
    header = msgspec.structs.replace(honest, kind=int(kind), session=bytes(16), sequence=0, previous=b"", seen=())
    body = b"\0\0" if kind is LaneKind.TIMELINE else codec.encode(Record((Grant(MALLORY.public, Role.EDITOR, "me"),)))
    envelope = seal_envelope(header, epoch.body_key, body, bytes(24), MALLORY)
    assert envelope_id(envelope.header_bytes) == envelope.id
    return seal_frame(envelope, epoch), envelope.id


@pytest.mark.parametrize("kind", [LaneKind.TIMELINE, LaneKind.CONTROL])
async def test_a_forged_frame_that_came_before_its_key_is_refused_at_the_next_start(
    tmp_path: Path, kind: LaneKind
) -> None:
    """A member and the relay get it to somebody before the record with the key: nobody could look into it then."""
    async with machine(tmp_path, "here") as here:
        thread = await here.new("forged")
        await here.say(thread, "said")
        frame, identifier = forged((await here.threads.open(thread)).replica, kind)
        unopened = _new_frame(thread, frame, Receipt(Status.UNOPENED), LOCAL)
        await here.store.write(Batch(frames=[unopened]))
        here.threads.forget(thread)
        opened = await here.threads.open(thread)
        assert not opened.replica.has(identifier)
        assert MALLORY.public not in opened.replica.membership.members()
        assert await here.texts(thread) == ["said"]
