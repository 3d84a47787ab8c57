"""The common half of both pairing sides: SPAKE2, the sealed channel after it, and the ways it ends.

`pairing.py` says what each side sends and when; nothing here knows which side it is, beyond a label.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from crdt import keys
from crdt import pairing_messages as messages
from crdt.errors import AUTH_FAILED, PAIRING_CODE_WRONG, PAIRING_DECLINED, PAIRING_EXPIRED, OpenSeshError, PeerFault
from crdt.pairing_messages import Abort, Event, Failed, Part, Send, encode

Entropy = Callable[[int], bytes]

REASONS: dict[str, Callable[[], OpenSeshError]] = {
    "wrong-code": PAIRING_CODE_WRONG,
    "expired": PAIRING_EXPIRED,
    "version": lambda: AUTH_FAILED(
        "The two devices speak different versions of pairing.", next="Upgrade OpenSesh on the older one."
    ),
    "declined": PAIRING_DECLINED,
    "broken": lambda: AUTH_FAILED(
        "The pairing was altered on its way or broken off; nothing was handed over.",
        next="Run `opensesh pair` again on the first device for a new code.",
    ),
}


class Refused(Exception):
    """Ends the machine from within: tell the other side, then fail."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Exchange:
    """What both sides have in common: the exchange, the sealed channel, the end.

    `_step` names the message that may come next; anything else ends the machine.
    """

    _mine: bytes
    _theirs: bytes

    def __init__(self, password: bytes, nameplate: str, venue: str, entropy: Entropy, step: str) -> None:
        self._password, self._entropy = password, entropy
        self._place = (nameplate.encode(), venue.encode())
        self._step = step
        self._spake: Any = None
        self._sent_share = b""
        self._transcript = b""
        self._send_key = self._receive_key = b""
        self._sent_parts = self._received_parts = 0
        self._inbox = bytearray()

    @property
    def over(self) -> bool:
        return self._step == ""

    def receive(self, frame: bytes) -> list[Event]:
        """What follows from one frame of the other side. Never raises for anything that was received."""
        if self.over:
            return []
        try:
            return self._take(self._decode(messages.frames, frame, messages.MAX_FRAME_BYTES))
        except Refused as refusal:
            return self._end(refusal.reason)
        finally:
            if self.over:
                self._forget()

    def expire(self) -> list[Event]:
        """Time is up: the code is burnt and both sides are told."""
        return [] if self.over else self._end("expired")

    # -- receiving

    def _take(self, frame: Any) -> list[Event]:
        if isinstance(frame, Abort):
            # Unauthenticated: it can end the attempt, as cutting the line could, and say nothing of a person's will.
            reason = frame.reason if frame.reason in ("wrong-code", "expired", "version") else "broken"
            return self._fail(reason if not self._receive_key else "broken")
        if not isinstance(frame, Part):
            return self._advance(frame)
        message = self._open(frame)
        if message is None:
            return []
        return self._fail(message.reason) if isinstance(message, Abort) else self._advance(message)

    def _advance(self, message: Any) -> list[Event]:
        name = type(message).__name__.lower()
        if name != self._step:
            raise Refused("broken")
        handler: Callable[[Any], list[Event]] = getattr(self, f"_on_{name}")
        return handler(message)

    def _decode(self, decoder: "msgspec.msgpack.Decoder[Any]", data: bytes, limit: int) -> Any:
        if len(data) > limit:
            raise Refused("broken")
        try:
            return decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused("broken") from error

    # -- the exchange

    def _begin(self, side: str) -> bytes:
        """Our share. SPAKE2 is loaded here, for it brings a second crypto library with it."""
        import spake2

        ids = {f"id{one}": keys.digest("pairing-side", one.encode(), *self._place) for one in "AB"}
        self._spake = getattr(spake2, f"SPAKE2_{side}")(self._password, **ids, entropy_f=self._entropy)
        self._sent_share = bytes(self._spake.start())
        return self._sent_share

    def _agree(self, their_share: bytes, hello: bytes, answer: bytes) -> bytes:
        """The secret of this exchange. Right only if the codes are: spake2 itself notices no wrong one."""
        try:
            secret = bytes(self._spake.finish(their_share))
        except Exception as error:  # a hostile share makes the library raise whatever its arithmetic meets
            raise Refused("wrong-code") from error
        version = messages.PAIRING_VERSION.to_bytes(2, "big")
        self._transcript = keys.digest("pairing-transcript", version, *self._place, hello, answer)
        return keys.derive(secret, "pairing-secret", self._transcript)

    def _unlock(self, secret: bytes) -> None:
        """From here on everything is sealed, under one key for each direction."""
        self._send_key = keys.derive(secret, "pairing-seal", self._mine)
        self._receive_key = keys.derive(secret, "pairing-seal", self._theirs)

    # -- the sealed channel

    def _say(self, message: Any) -> list[Event]:
        data = encode(message)
        sent: list[Event] = []
        for start in range(0, len(data), messages.PART_BYTES):
            last = start + messages.PART_BYTES >= len(data)
            nonce = self._sent_parts.to_bytes(keys.NONCE_BYTES, "big")
            box = keys.seal(self._send_key, nonce, data[start : start + messages.PART_BYTES], bytes([last]))
            self._sent_parts += 1
            sent.append(Send(encode(Part(last, box))))
        return sent

    def _open(self, part: Part) -> Any:
        """The message that this part completes, or None. The part's number is its nonce: none can be
        left out, repeated or swapped."""
        if not self._receive_key:
            raise Refused("broken")
        nonce = self._received_parts.to_bytes(keys.NONCE_BYTES, "big")
        try:
            self._inbox += keys.unseal(self._receive_key, nonce, part.box, bytes([part.last]))
        except PeerFault as fault:
            raise Refused("broken") from fault
        self._received_parts += 1
        if len(self._inbox) > messages.MAX_MESSAGE_BYTES:
            raise Refused("broken")
        if not part.last:
            return None
        data, self._inbox = bytes(self._inbox), bytearray()
        return self._decode(messages.messages, data, messages.MAX_MESSAGE_BYTES)

    # -- the end

    def _end(self, reason: str) -> list[Event]:
        if not self._send_key and reason == "broken":
            reason = "wrong-code"  # before the code is verified, tampering can't be told from a wrong guess
        farewell = self._say(Abort(reason)) if self._send_key else [Send(encode(Abort(reason)))]
        return [*farewell, *self._fail(reason)]

    def _fail(self, reason: str) -> list[Event]:
        if not self._receive_key and reason == "broken":
            reason = "wrong-code"
        self._step = ""
        self._forget()
        return [Failed(REASONS.get(reason, REASONS["broken"])())]

    def _forget(self) -> None:
        self._password, self._spake, self._inbox = b"", None, bytearray()

    def _may(self, step: str) -> bool:
        """Whether this call is due. Not after the end: a person may answer when the line is already cut."""
        if self._step not in (step, ""):
            raise RuntimeError(f"pairing waits for {self._step!r}, not {step!r}")
        return not self.over
