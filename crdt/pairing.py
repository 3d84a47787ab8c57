"""Pairing as a pure machine: a short secret two people share becomes a device in an identity.

The first device *shows* a code (`Offer`, `Shower`), the new one *joins* with it (`Joiner`). Frames go
in and events come out; whoever drives the machine carries `Send` to the other side, asks its person
at `ConfirmNeeded`, and stops at `Failed`. Time-outs are the driver's too: it calls `expire`.

    joiner → shower   hello      its SPAKE2 share. The first thing received burns the code, whatever it is.
    shower → joiner   answer     its own share
    joiner → shower   proof      a MAC over both messages: the joiner shows first that it knows the code
    shower → joiner   verified   its own MAC, sent only if the joiner's was right
    joiner → shower   device     keys, name and platform, signed over the transcript   (from here on sealed)
                                 … the shower's person confirms the name …
    shower → joiner   bundle     opaque bytes, besides wrapped to the joiner's agreement key
    joiner → shower   accepted   opaque bytes: the acknowledgement, and what the joiner hands over
    shower → joiner   done       what was handed over is stored

Why it holds: SPAKE2 gives whoever sits in between one guess and no way to try others later; the ids
of both roles, nameplate and venue go into it, and every message into the keys that follow, so that a
changed byte, a replay, a reflection or another venue ends like a wrong code does: loudly, on both sides.
"""

import unicodedata

import msgspec

from crdt import keys
from crdt.errors import TOO_LARGE, PeerFault
from crdt.keys import AgreementKey, SigningKey
from crdt.pairing_exchange import Entropy, Exchange, Refused
from crdt.pairing_messages import (
    MAX_NAME_CHARACTERS,
    MAX_PAYLOAD_BYTES,
    PAIRING_VERSION,
    Accepted,
    Answer,
    Bundle,
    CodeVerified,
    ConfirmNeeded,
    Device,
    Done,
    Event,
    Finished,
    Hello,
    Joined,
    NewDevice,
    Proof,
    Received,
    Send,
    Verified,
    encode,
)


class Offer:
    """One code or link, good for one attempt in whichever venue it comes first.

    `entropy` gives that many random bytes. Make a `Shower` for each venue or connection; the first
    one that receives anything burns the offer for all of them.
    """

    def __init__(self, password: bytes, nameplate: str, entropy: Entropy) -> None:
        self._password, self._nameplate, self._entropy = password, nameplate, entropy
        self.burned = False

    def shower(self, venue: str) -> "Shower":
        return Shower(self, self._password, self._nameplate, venue, self._entropy)

    def burn(self) -> None:
        """Use the code up: somebody tried it, or its time is over."""
        self.burned = True
        self._password = b""


class Shower(Exchange):
    """The side that shows the code. Made by `Offer.shower`; it only ever answers."""

    _mine, _theirs = b"shower", b"joiner"

    def __init__(self, offer: Offer, password: bytes, nameplate: str, venue: str, entropy: Entropy) -> None:
        super().__init__(password, nameplate, venue, entropy, "hello")
        self._offer = offer
        self._secret = b""
        self._new: NewDevice | None = None

    def receive(self, frame: bytes) -> list[Event]:
        if self._step == "hello":
            if self._offer.burned:
                return self.expire()
            self._offer.burn()
        return super().receive(frame)

    def expire(self) -> list[Event]:
        self._offer.burn()
        return super().expire()

    def _on_hello(self, hello: Hello) -> list[Event]:
        if hello.version != PAIRING_VERSION:
            raise Refused("version")
        share = self._begin("B")
        self._secret = self._agree(hello.share, hello.share, share)
        self._step = "proof"
        return [Send(encode(Answer(share)))]

    def _on_proof(self, proof: Proof) -> list[Event]:
        if not keys.equal(proof.mac, keys.derive(self._secret, "pairing-proof", self._theirs)):
            raise Refused("wrong-code")
        mac = keys.derive(self._secret, "pairing-proof", self._mine)
        self._unlock(self._secret)
        self._secret = b""
        self._step = "device"
        return [Send(encode(Verified(mac))), CodeVerified()]

    def _on_device(self, said: Device) -> list[Event]:
        if not keys.verify(said.device, "pairing-device", _device_bytes(self._transcript, said), said.signature):
            raise Refused("broken")
        name, platform = presentable(said.name) or "unnamed device", presentable(said.platform)
        self._new = NewDevice(said.device, said.agreement, name, platform, said.owns_threads, said.payload)
        self._step = "confirm"
        return [ConfirmNeeded(self._new)]

    def confirm(self, bundle: bytes) -> list[Event]:
        """The person said yes: hand over `bundle`. Raises TOO_LARGE above `MAX_PAYLOAD_BYTES`."""
        if not self._may("confirm"):
            return []
        assert self._new is not None
        key = self._entropy(keys.KEY_BYTES)
        box = keys.seal(key, bytes(keys.NONCE_BYTES), _bounded(bundle), self._transcript)
        try:
            wrapped = keys.wrap(self._new.agreement, key)
        except RuntimeError:  # libsodium refuses a key of low order, which nobody holds honestly
            return self._end("broken")
        self._step = "accepted"
        return self._say(Bundle(wrapped, box))

    def decline(self) -> list[Event]:
        """The person said no. Nothing was handed over; both sides fail, the joiner knowing why."""
        if not self._may("confirm"):
            return []
        return self._end("declined")

    def _on_accepted(self, accepted: Accepted) -> list[Event]:
        assert self._new is not None
        self._step = "finish"
        return [Joined(self._new, accepted.payload)]

    def finish(self) -> list[Event]:
        """What the joiner handed over is stored: let it go."""
        if not self._may("finish"):
            return []
        last = self._say(Done())
        self._step = ""
        self._forget()
        return [*last, Finished()]


class Joiner(Exchange):
    """The side that types the code. Begin with `start`."""

    _mine, _theirs = b"joiner", b"shower"

    def __init__(
        self,
        password: bytes,
        nameplate: str,
        venue: str,
        entropy: Entropy,
        *,
        device: SigningKey,
        agreement: AgreementKey,
        name: str,
        platform: str,
        owns_threads: bool = False,
        payload: bytes = b"",
    ) -> None:
        """`payload` travels with the keys, before the person confirms. Raises TOO_LARGE above the bound."""
        super().__init__(password, nameplate, venue, entropy, "start")
        self._device, self._agreement = device, agreement
        names = presentable(name), presentable(platform)
        self._unsigned = Device(device.public, agreement.public, *names, owns_threads, _bounded(payload), bytes(64))
        self._secret = b""

    def start(self) -> list[Event]:
        if not self._may("start"):
            return []
        share = self._begin("A")
        self._step = "answer"
        return [Send(encode(Hello(PAIRING_VERSION, share)))]

    def _on_answer(self, answer: Answer) -> list[Event]:
        self._secret = self._agree(answer.share, self._sent_share, answer.share)
        self._step = "verified"
        return [Send(encode(Proof(keys.derive(self._secret, "pairing-proof", self._mine))))]

    def _on_verified(self, verified: Verified) -> list[Event]:
        if not keys.equal(verified.mac, keys.derive(self._secret, "pairing-proof", self._theirs)):
            raise Refused("wrong-code")
        self._unlock(self._secret)
        self._secret = b""
        signature = self._device.sign("pairing-device", _device_bytes(self._transcript, self._unsigned))
        self._step = "bundle"
        return [CodeVerified(), *self._say(msgspec.structs.replace(self._unsigned, signature=signature))]

    def _on_bundle(self, bundle: Bundle) -> list[Event]:
        key = self._agreement.unwrap(bundle.wrapped)
        if key is None:
            raise Refused("broken")
        try:
            plain = keys.unseal(key, bytes(keys.NONCE_BYTES), bundle.box, self._transcript)
        except PeerFault as fault:
            raise Refused("broken") from fault
        self._step = "accept"
        return [Received(plain)]

    def accept(self, payload: bytes = b"") -> list[Event]:
        """The bundle is stored: acknowledge it, handing over `payload`. Raises TOO_LARGE above the bound."""
        if not self._may("accept"):
            return []
        said = self._say(Accepted(_bounded(payload)))
        self._step = "done"
        return said

    def _on_done(self, _: Done) -> list[Event]:
        self._step = ""
        return [Finished()]


def relay_venue(store: bytes) -> str:
    """The venue string of a relay: the id of its store, from `wire.Challenge`.

    Not its address: two devices may reach one relay under different names. A relay that lies about it
    gains nothing, for it doesn't know the code.
    """
    return "relay/" + store.hex()


def lan_venue(certificate_hash: bytes) -> str:
    """The venue string of a LAN link: the SHA-256 of the responder's throw-away certificate, so that
    somebody who terminates TLS in between presents another venue to either side."""
    return "lan/" + certificate_hash.hex()


def presentable(text: str) -> str:
    """A name from elsewhere, fit to print: no control, format or bidi characters, bounded, one line."""
    kept = ("" if unicodedata.category(character)[0] == "C" else character for character in text)
    return " ".join("".join(kept).split())[:MAX_NAME_CHARACTERS]


def _bounded(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise TOO_LARGE(f"Pairing hands over at most {MAX_PAYLOAD_BYTES} bytes at once.", size_bytes=len(payload))
    return payload


def _device_bytes(transcript: bytes, device: Device) -> bytes:
    """What the new device signs: this exchange, and everything it says about itself."""
    return keys.digest("pairing-device", transcript, encode(msgspec.structs.replace(device, signature=bytes(64))))
