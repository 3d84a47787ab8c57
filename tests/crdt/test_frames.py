"""Envelopes and frames: what opens, what is refused by name, and what a relay can't see."""

import msgspec
import pytest

from crdt import codec, frames, keys
from crdt.envelope import MAX_BODY_BYTES, Envelope, Header, open_body, seal_envelope
from crdt.epochs import Epoch, Keyring
from crdt.errors import PeerFault
from crdt.ids import ThreadId
from crdt.permissions import Lane, LaneKind

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
    assert found_under(outside, EPOCH) == [earlier.key]


def found_under(outside: bytes, *held: Epoch) -> list[bytes]:
    keyring = Keyring(THREAD)
    for epoch in held:
        keyring.learn(epoch.key)
    return frames.earlier_keys(outside, keyring.tagged, lambda: keyring)


def test_an_earlier_key_is_tried_with_the_key_that_its_nonce_names_and_no_other() -> None:
    earlier = Epoch.from_key(b"o" * 32, THREAD)
    others = [Epoch.from_key(bytes([number]) * 32, THREAD) for number in range(100)]
    outside = frames.make_outside(EPOCH, [], [earlier], [b"n" * 24])
    assert found_under(outside, *others, EPOCH) == [earlier.key]


def test_an_earlier_key_of_a_frame_from_before_nonces_named_one_is_tried_with_a_few() -> None:
    earlier = Epoch.from_key(b"o" * 32, THREAD)
    others = [Epoch.from_key(bytes([number]) * 32, THREAD) for number in range(frames.MAX_UNMARKED)]
    nonce = b"n" * 24
    sealed = keys.seal(keys.derive(EPOCH.key, "epoch-back"), nonce, earlier.key, EPOCH.id)
    outside = codec.encode(frames.Outside((), (frames.Sealed(nonce, sealed),)))
    assert found_under(outside, *others[1:], EPOCH) == [earlier.key]
    assert found_under(outside, *others, EPOCH) == []


def test_a_stranger_learns_nothing_from_what_stands_outside() -> None:
    member, stranger = (keys.AgreementKey.from_secret(secret * 32) for secret in (b"m", b"z"))
    outside = frames.make_outside(EPOCH, [member.public], [Epoch.from_key(b"o" * 32, THREAD)], [b"n" * 24])
    assert not frames.unwrap_keys(outside, [stranger])
    assert not found_under(outside, Epoch.from_key(b"x" * 32, THREAD))


def test_what_stands_outside_is_what_was_signed() -> None:
    outside = frames.make_outside(EPOCH, [], [], [])
    with pytest.raises(PeerFault, match="outside"):
        reopened(frames.seal_frame(envelope(), EPOCH, outside))


# ---- size and form


def test_every_truncation_of_a_frame_is_refused() -> None:
    outside = frames.make_outside(EPOCH, [], [], [])
    for frame in (frames.seal_frame(envelope(), EPOCH), frames.seal_frame(envelope(), EPOCH, outside)):
        for length in range(len(frame)):
            with pytest.raises(PeerFault):
                reopened(frame[:length])


def test_a_frame_of_another_version_is_refused() -> None:
    with pytest.raises(PeerFault, match="bad frame"):
        reopened(b"\2" + frames.seal_frame(envelope(), EPOCH)[1:])


def test_what_stands_outside_is_bounded_before_anything_is_unwrapped() -> None:
    head = frames.seal_frame(envelope(), EPOCH)[:25]
    large = frames.MAX_OUTSIDE_BYTES + 1
    with pytest.raises(PeerFault, match="outside"):
        frames.parse_frame(head + large.to_bytes(4, "big") + bytes(large) + bytes(100))
    with pytest.raises(PeerFault, match="outside"):
        frames.parse_frame(head + (2**32 - 1).to_bytes(4, "big") + bytes(100))
    with pytest.raises(PeerFault, match="bad outside"):
        frames.unwrap_keys(b"\x92\x91\xc4\x01x\x90", [])


def test_an_oversized_body_is_refused() -> None:
    with pytest.raises(PeerFault, match="too large"):
        reopened(frames.seal_frame(envelope(bytes(MAX_BODY_BYTES)), EPOCH))


def test_a_relay_that_files_a_frame_under_another_lane_breaks_it() -> None:
    made = envelope()
    frame = frames.seal_frame(made, EPOCH)
    other = EPOCH.lane_tag(Lane(LaneKind.COMMENTS, made.header.device))
    with pytest.raises(PeerFault, match="bad seal"):
        reopened(frame[:9] + other + frame[25:])


def test_a_member_who_seals_under_a_false_lane_tag_is_refused() -> None:
    """Whoever has the key can seal anything; what is shown to the relay must still be what is signed."""
    made = envelope()
    frame = frames.seal_frame(made, EPOCH)
    bound = frame[:9] + bytes(16) + bytes(4)
    text = keys.unseal(EPOCH.frame_key, frame[29:53], frame[53:], frame[:29])
    with pytest.raises(PeerFault, match="lane tag"):
        reopened(bound + bytes(24) + keys.seal(EPOCH.frame_key, bytes(24), text, bound))
    for padded in (text + bytes(128), text[:-1], text[:-1] + b"x", b"", bytes(4)):
        with pytest.raises(PeerFault, match="bad frame"):
            reopened(frame[:29] + bytes(24) + keys.seal(EPOCH.frame_key, bytes(24), padded, frame[:29]))


def test_an_envelope_whose_body_is_not_the_signed_one_is_refused() -> None:
    made = envelope()
    swapped = Envelope(made.id, made.header, made.header_bytes, made.signature, envelope(b"other").body)
    with pytest.raises(PeerFault, match="bad body"):
        reopened(frames.seal_frame(swapped, EPOCH))


@pytest.mark.parametrize("changes", [{"sequence": 1}, {"previous": b"p" * 32}, {"scope": b"x"}])
def test_a_header_that_contradicts_itself_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(PeerFault, match="bad header"):
        reopened(frames.seal_frame(envelope(**changes), EPOCH))


def test_a_header_in_a_second_spelling_is_refused() -> None:
    """A longer integer says the same and would have another id."""
    made = envelope()
    assert made.header_bytes[1:2] == b"\x01"
    longer = made.header_bytes[:1] + b"\xcc\x01" + made.header_bytes[2:]
    again = Envelope(made.id, made.header, longer, DEVICE.sign("envelope", longer), made.body)
    with pytest.raises(PeerFault, match="one spelling"):
        reopened(frames.seal_frame(again, EPOCH))


def test_a_frame_under_another_nonce_is_refused() -> None:
    """A member could make frames without end of one envelope, and no two peers would hold the same ones."""
    outer = frames.parse_frame(frames.seal_frame(envelope(), EPOCH))
    plaintext = keys.unseal(EPOCH.frame_key, outer.nonce, outer.ciphertext, outer.bound)
    nonce = bytes(keys.NONCE_BYTES)
    other = frames.parse_frame(outer.bound + nonce + keys.seal(EPOCH.frame_key, nonce, plaintext, outer.bound))
    with pytest.raises(PeerFault, match="nonce"):
        frames.open_frame(other, EPOCH, THREAD)
