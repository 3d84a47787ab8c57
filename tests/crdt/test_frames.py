"""Envelopes and frames: what opens, what is refused by name, and what a relay can't see."""

import msgspec
import pytest

from crdt import frames, keys
from crdt.envelope import Envelope, Header, open_body, seal_envelope
from crdt.epochs import Epoch
from crdt.errors import PeerFault
from crdt.ids import ThreadId
from crdt.permissions import LaneKind

THREAD = ThreadId(b"t" * 32)
EPOCH = Epoch.from_key(b"e" * 32, THREAD)
DEVICE = keys.SigningKey.from_seed(b"d" * 32)
CANARY = b"canary-7f3a"


def envelope(text: bytes = CANARY, **changes: object) -> Envelope:
    header = Header(1, THREAD, LaneKind.TIMELINE, b"", DEVICE.public, b"s" * 16, 0, b"", (), EPOCH.id, (), b"", b"")
    return seal_envelope(msgspec.structs.replace(header, **changes), EPOCH.body_key, text, b"n" * 24, DEVICE)


def reopened(frame: bytes, epoch: Epoch = EPOCH, thread: ThreadId = THREAD) -> Envelope:
    return frames.open_frame(frames.parse_frame(frame), epoch, thread)


def test_what_was_sealed_opens_again() -> None:
    original = envelope()
    again = reopened(frames.seal_frame(original, EPOCH))
    assert again == original
    assert open_body(again, EPOCH.body_key) == CANARY


def test_every_uploader_makes_the_same_frame() -> None:
    assert frames.seal_frame(envelope(), EPOCH) == frames.seal_frame(envelope(), EPOCH)


def test_a_frame_shows_neither_content_nor_any_field_of_the_header() -> None:
    frame = frames.seal_frame(envelope(), EPOCH)
    assert not any(field in frame for field in (CANARY, THREAD, DEVICE.public, b"s" * 16, EPOCH.id))


def test_bodies_of_different_small_sizes_give_frames_of_one_size() -> None:
    assert len(frames.seal_frame(envelope(b"a"), EPOCH)) == len(frames.seal_frame(envelope(b"a" * 9), EPOCH))


def test_any_changed_byte_is_refused() -> None:
    frame = frames.seal_frame(envelope(), EPOCH)
    for place in range(len(frame)):
        damaged = frame[:place] + bytes([frame[place] ^ 1]) + frame[place + 1 :]
        with pytest.raises(PeerFault):
            reopened(damaged)


def test_a_frame_of_another_thread_or_epoch_does_not_open() -> None:
    frame = frames.seal_frame(envelope(), EPOCH)
    with pytest.raises(PeerFault, match="bad seal"):
        reopened(frame, Epoch.from_key(b"x" * 32, THREAD))
    with pytest.raises(PeerFault, match="wrong thread"):
        reopened(frame, thread=ThreadId(b"u" * 32))


def test_a_copy_with_a_broken_signature_is_refused() -> None:
    good = envelope()
    broken = Envelope(good.id, good.header, good.header_bytes, b"\0" * 64, good.body)
    with pytest.raises(PeerFault, match="bad signature"):
        reopened(frames.seal_frame(broken, EPOCH))


def test_a_new_member_finds_the_epochs_key_and_through_it_the_earlier_one() -> None:
    member = keys.AgreementKey.from_secret(b"m" * 32)
    earlier = Epoch.from_key(b"o" * 32, THREAD)
    outside = frames.make_outside(EPOCH, [member.public], [earlier], [b"n" * 24])
    assert frames.unwrap_keys(outside, [member]) == [EPOCH.key]
    assert frames.earlier_keys(outside, [EPOCH]) == [earlier.key]


def test_a_stranger_learns_nothing_from_what_stands_outside() -> None:
    member, stranger = (keys.AgreementKey.from_secret(secret * 32) for secret in (b"m", b"z"))
    outside = frames.make_outside(EPOCH, [member.public], [Epoch.from_key(b"o" * 32, THREAD)], [b"n" * 24])
    assert not frames.unwrap_keys(outside, [stranger])
    assert not frames.earlier_keys(outside, [Epoch.from_key(b"x" * 32, THREAD)])


def test_what_stands_outside_is_what_was_signed() -> None:
    outside = frames.make_outside(EPOCH, [], [], [])
    with pytest.raises(PeerFault, match="outside"):
        reopened(frames.seal_frame(envelope(), EPOCH, outside))
