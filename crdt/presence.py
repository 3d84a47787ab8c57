"""Presence: small messages from device to device of a thread that nobody stores.

What somebody looks at, keys typed into a terminal, notes on control, heartbeats. Each is signed by its device
and sealed under an epoch that is safe to write with, so that neither the relay nor somebody who was put out can
read or make one. A message may be lost; it comes in at most once, and never after a later one of its device.

A process numbers its messages within a random `stream`. Of one device a later stream is believed only if its
clock says so too, and all only within `CLOCK_SLACK_MS` of our own clock (keys within `KEYS_SLACK_MS`): what was said
before we began to listen can be played to us for so long and no longer. So a kind that acts (`keys`) names something
as young as the process it acts on, such as the random id of a terminal.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from crdt import codec, keys, wire
from crdt.envelope import Bytes32, Count
from crdt.epochs import EPOCH_TAG_BYTES, Epoch, Keyring
from crdt.errors import PeerFault
from crdt.frames import pad, unpad
from crdt.identity import DeviceKeys, DeviceLog
from crdt.ids import DeviceId, EpochId, IdentityId, ThreadId
from crdt.membership import Membership
from crdt.permissions import Role

VERSION: Final = 1
STREAM_BYTES: Final = 16
MAX_PAYLOAD_BYTES: Final = 2_816  # what is left of `wire.MAX_PRESENCE_BYTES` in steps of the padding
CLOCK_SLACK_MS: Final = 600_000  # how far a clock may be off, either way
KEYS_SLACK_MS: Final = 60_000  # the same for keys: for so long at most a relay can hold back, or repeat, what acts
SILENCE_MS: Final = 30_000  # after so long without a word somebody is gone
MAX_BURST: Final = 100  # messages of one device whose signature is checked at once
BURST_REFILL_MS: Final = 20  # and one more after so long
_NONCE_AT: Final = 1 + EPOCH_TAG_BYTES
_TEXT_AT: Final = _NONCE_AT + keys.NONCE_BYTES

Kind = Literal["here", "keys", "control", "heartbeat"]
# The lowest role whose messages of a kind are believed. Who of the editors types is for `control` to say.
NEEDS: dict[str, Role] = {
    "here": Role.VIEWER,
    "keys": Role.EDITOR,
    "control": Role.COMMENTER,
    "heartbeat": Role.VIEWER,
}


class Statement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is signed. `counter` rises within `stream`; `at` is the sender's clock in Unix ms."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    thread: Bytes32
    epoch: Bytes32
    device: Bytes32
    stream: Annotated[bytes, Meta(min_length=STREAM_BYTES, max_length=STREAM_BYTES)]
    counter: Count
    at: Count
    kind: Kind
    payload: Annotated[bytes, Meta(max_length=MAX_PAYLOAD_BYTES)]


class _Signed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    statement: bytes
    signature: Annotated[bytes, Meta(min_length=keys.SIGNATURE_BYTES, max_length=keys.SIGNATURE_BYTES)]


class Here(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The payload of `here`: what somebody looks at, and where their cursor is (code points, in the draft)."""

    state: Literal["active", "away", "leaving"]
    place: Literal["", "message", "terminal", "draft"] = ""
    id: Annotated[str, Meta(max_length=64, pattern="^[a-z0-9]*$")] = ""
    cursor: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    writing: bool = False


_signed_decoder = msgspec.msgpack.Decoder(_Signed)
_statement_decoder = msgspec.msgpack.Decoder(Statement)
_here_decoder = msgspec.msgpack.Decoder(Here)


def encode_here(here: Here) -> bytes:
    """The payload of a `here`. Raises ValueError for what others would not believe."""
    payload = codec.encode(here)
    try:
        decode_here(payload)
    except PeerFault as fault:
        raise ValueError(str(fault)) from fault
    return payload


def decode_here(payload: bytes) -> Here:
    """Raises `PeerFault("bad presence")`."""
    return codec.decode(_here_decoder, payload, "presence")


class Voice:
    """What a process says in one thread: numbers, signs, seals."""

    def __init__(self, device: DeviceKeys, thread: ThreadId, random: Callable[[int], bytes]) -> None:
        self._device, self._thread, self._random = device, thread, random
        self._stream = random(STREAM_BYTES)
        self._counter = 0

    def say(self, epoch: Epoch, kind: Kind, payload: bytes, now_ms: int) -> bytes:
        """The message as it is sent. Raises ValueError for a payload beyond `MAX_PAYLOAD_BYTES`, or an unknown kind."""
        if len(payload) > MAX_PAYLOAD_BYTES or kind not in NEEDS:
            raise ValueError(f"a message has a known kind and at most {MAX_PAYLOAD_BYTES} bytes")
        self._counter += 1
        device = self._device.id
        said = Statement(VERSION, self._thread, epoch.id, device, self._stream, self._counter, now_ms, kind, payload)
        return seal_statement(said, epoch, self._device.signing, self._random(keys.NONCE_BYTES))


def seal_statement(said: Statement, epoch: Epoch, signer: keys.SigningKey, nonce: bytes) -> bytes:
    """Version ‖ epoch tag ‖ nonce ‖ sealed [statement, signature], padded as frames are."""
    statement = codec.encode(said)
    text = pad(codec.encode(_Signed(statement, signer.sign("presence", statement))))
    head = bytes([VERSION]) + epoch.tag
    return head + nonce + keys.seal(presence_key(epoch, said.thread), nonce, text, head)


def presence_key(epoch: Epoch, thread: bytes) -> bytes:
    """What an epoch's presence is sealed with."""
    return keys.derive(epoch.key, "epoch-presence", thread)


class Member(Struct, frozen=True):
    """Whose device it is, and what they may do."""

    identity: IdentityId
    role: Role


class Standing(Struct, frozen=True):
    """Whom to believe: the devices of members, and the epochs that only members can open, by tag."""

    devices: Mapping[bytes, Member]
    epochs: Mapping[bytes, tuple[tuple[EpochId, bytes], ...]]


def standing(membership: Membership, keyring: Keyring, own: DeviceLog | None = None) -> Standing:
    """Whom to believe as of all records. About devices of our own identity our own log decides, if it is given:
    the thread may not know of all yet, nor that one was revoked."""
    roles = membership.members()
    whose = {device: who for device, who in membership.identity_of.items() if not membership.is_revoked(device)}
    if own is not None:
        whose = {device: who for device, who in whose.items() if who != own.identity}
        whose |= {device.id: own.identity for device in own.live()}
    devices: dict[bytes, Member] = {d: Member(who, roles[who]) for d, who in whose.items() if who in roles}
    epochs: dict[bytes, tuple[tuple[EpochId, bytes], ...]] = {}
    for opened in membership.writing_epochs():
        epoch = keyring.get(opened.id)
        if epoch is not None:
            known = epochs.get(epoch.tag, ())
            epochs[epoch.tag] = (*known, (epoch.id, presence_key(epoch, keyring.thread)))
    return Standing(devices, epochs)


class Said(Struct, frozen=True):
    """A message that is believed."""

    identity: IdentityId
    device: DeviceId
    role: Role
    kind: Kind
    payload: bytes


class Present(Struct, frozen=True):
    """A device that was heard of lately; `here` is None while nobody there looks at the thread."""

    identity: IdentityId
    device: DeviceId
    role: Role
    here: Here | None
    heard_ms: int  # by our clock


class _Track(Struct):
    """What is remembered of one device."""

    stream: bytes = b""
    counter: int = 0
    at: int = -1
    heard_ms: int = -SILENCE_MS
    here: Here | None = None
    tokens: int = MAX_BURST
    filled_ms: int = 0

    def may_check(self, now_ms: int) -> bool:
        """Whether one more signature of this device's is worth checking now."""
        refill = max(0, now_ms - self.filled_ms) // BURST_REFILL_MS
        if refill:
            self.tokens, self.filled_ms = min(MAX_BURST, self.tokens + refill), now_ms
        if not self.tokens:
            return False
        self.tokens -= 1
        return True


class Presences:
    """Who is here, out of the messages that come in for one thread. `dropped` counts the others by reason.

    Its memory is bounded by the number of members' devices. What a stranger sends costs one look at an epoch's
    tag or one seal that doesn't open; what somebody sends who was a member, the same; what a member sends, at most
    one signature each `BURST_REFILL_MS`. A member who signs nothing and names another's device uses up that
    device's share: that hides them from view as the relay could, and does nothing else.
    """

    def __init__(self, thread: ThreadId, me: DeviceId) -> None:
        self.dropped: Counter[str] = Counter()
        self._thread, self._me = thread, me
        self._standing = Standing({}, {})
        self._tracks: dict[bytes, _Track] = {}

    def renew(self, now: Standing) -> None:
        """Somebody may have come, gone, or got another right."""
        self._standing = now
        for device in self._tracks.keys() - now.devices.keys():
            del self._tracks[device]

    def take(self, message: bytes, now_ms: int) -> Said | None:
        """A message that came in, if it is new and to be believed. Never raises."""
        try:
            return self._take(message, now_ms)
        except PeerFault as fault:
            self.dropped[fault.reason] += 1
            return None

    def _take(self, message: bytes, now_ms: int) -> Said:
        signed, said = self._open(message)
        member = self._standing.devices.get(said.device)
        if member is None or said.device == self._me:
            raise PeerFault("no member")
        if member.role < NEEDS[said.kind]:
            raise PeerFault("no right")
        here = decode_here(said.payload) if said.kind == "here" else None
        track = self._tracks.setdefault(said.device, _Track(filled_ms=now_ms))
        _check_new(track, said, now_ms)
        if not track.may_check(now_ms):
            raise PeerFault("rate")
        if not keys.verify(said.device, "presence", signed.statement, signed.signature):
            raise PeerFault("bad signature", "presence")
        track.stream, track.counter, track.at = said.stream, said.counter, max(said.at, track.at)
        track.heard_ms = now_ms
        if here is not None:
            leaving = here.state == "leaving"
            track.here, track.heard_ms = (None, now_ms - SILENCE_MS) if leaving else (here, now_ms)
        return Said(member.identity, DeviceId(said.device), member.role, said.kind, said.payload)

    def _open(self, message: bytes) -> tuple[_Signed, Statement]:
        if not _TEXT_AT < len(message) <= wire.MAX_PRESENCE_BYTES or message[0] != VERSION:
            raise PeerFault("bad presence")
        epoch, text = self._unseal(message)
        signed = codec.decode(_signed_decoder, unpad(text), "presence")
        said = codec.decode(_statement_decoder, signed.statement, "presence")
        if said.thread != self._thread:
            raise PeerFault("wrong thread")
        if said.epoch != epoch:  # somebody sealed anew what another had said under an earlier key
            raise PeerFault("wrong epoch")
        return signed, said

    def _unseal(self, message: bytes) -> tuple[EpochId, bytes]:
        for epoch, key in self._standing.epochs.get(message[1:_NONCE_AT], ()):
            with contextlib.suppress(PeerFault):
                return epoch, keys.unseal(key, message[_NONCE_AT:_TEXT_AT], message[_TEXT_AT:], message[:_NONCE_AT])
        raise PeerFault("wrong epoch")

    def may_be_forgotten(self, now_ms: int) -> bool:
        """Whether nothing that was believed could be believed again by somebody who has forgotten it."""
        return all(not each.counter or now_ms - each.at > CLOCK_SLACK_MS for each in self._tracks.values())

    def present(self, now_ms: int) -> list[Present]:
        """The devices heard of within `SILENCE_MS`, by identity and device; our own is not among them."""
        found = []
        for device, track in self._tracks.items():
            member = self._standing.devices[device]
            if now_ms - track.heard_ms < SILENCE_MS:
                shown = Present(member.identity, DeviceId(device), member.role, track.here, track.heard_ms)
                found.append(shown)
        return sorted(found, key=lambda each: (each.identity, each.device))


def _check_new(track: _Track, said: Statement, now_ms: int) -> None:
    if abs(said.at - now_ms) > (KEYS_SLACK_MS if said.kind == "keys" else CLOCK_SLACK_MS):
        raise PeerFault("wrong time")
    if said.stream == track.stream:
        if said.counter <= track.counter:
            raise PeerFault("replayed")
    elif said.at <= track.at:
        raise PeerFault("replayed")
