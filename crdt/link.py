"""Two devices on one local network find out whether they know each other, and prove it: a pure machine.

It runs inside TLS 1.3 with a throw-away certificate of the responder, which nobody vouches for. What
holds the link together is T, a hash of that certificate and of both sides' nonces: whoever ends TLS in
between has another certificate, so another T, and no proof made for one T is worth anything in another.

    initiator → responder   hello        version, nonce
    responder → initiator   hello        version, nonce                   T is known to both
    initiator → responder   tags         H(X25519(mine, yours), "initiator", T) for every device it knows,
                                         padded with random ones and sorted, which shuffles them
    responder → initiator   recognised   its one tag for that pair, and its signature — or it hangs up
    initiator → responder   signed       its signature

A tag can be made and found only by the two devices whose keys meet in it. So a stranger learns neither
who is here nor whom they know (the padding leaves a coarse bound of how many), and the responder shows
nothing of itself before it recognised the initiator. Both signatures, over role, T, own id and peer id,
then prove the devices' signing keys. Nothing about threads is said before `Established`.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import nacl.bindings as sodium
from msgspec import Meta, Struct

from crdt import keys
from crdt.errors import PeerFault
from crdt.ids import DeviceId
from crdt.keys import AgreementKey, SigningKey

LINK_VERSION: Final = 1
NONCE_BYTES: Final = 32
TAG_BYTES: Final = 16
MAX_CONTACTS: Final = 4096
MAX_FRAME_BYTES: Final = MAX_CONTACTS * (TAG_BYTES + 2) + 64
_PADDED_TO: Final = (16, 64, 256, 1024, MAX_CONTACTS)

Entropy = Callable[[int], bytes]
Tag = Annotated[bytes, Meta(min_length=TAG_BYTES, max_length=TAG_BYTES)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]


class _Struct(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A tagged array of bounded fields."""


class Hello(_Struct, frozen=True, tag="hello"):
    version: Annotated[int, Meta(ge=0, le=2**16)]
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]


class Tags(_Struct, frozen=True, tag="tags"):
    tags: Annotated[tuple[Tag, ...], Meta(max_length=MAX_CONTACTS)]


class Recognised(_Struct, frozen=True, tag="recognised"):
    tag: Tag
    signature: Signature


class Signed(_Struct, frozen=True, tag="signed"):
    signature: Signature


_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Hello | Tags | Recognised | Signed)
encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Send:
    """Carry this frame, at most `MAX_FRAME_BYTES`, to the other side."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Established:
    """The other side is this device, and it knows that we are ours. `session` is T: 32 bytes, the same on both."""

    peer: DeviceId
    session: bytes


Event = Send | Established


class Contacts:
    """The devices we share a thread with, and the secrets that our agreement key has with theirs.

    Made anew when that set changes, and used for many links: one X25519 operation per device, once.
    Beyond `MAX_CONTACTS` the later ones are left out, so hand them over with the likeliest first.
    """

    def __init__(self, own: AgreementKey, agreement_keys: Mapping[DeviceId, bytes]) -> None:
        self._own, self._keys = own, dict(list(agreement_keys.items())[:MAX_CONTACTS])
        self._secrets: dict[DeviceId, bytes] | None = None

    def tags(self, role: str, session: bytes) -> dict[bytes, DeviceId]:
        """The tag that each contact's link with us would carry in that role."""
        if self._secrets is None:
            self._secrets = dict(self._agree())
        return {keys.derive(secret, f"link-{role}", session, size=TAG_BYTES): d for d, secret in self._secrets.items()}

    def _agree(self) -> "list[tuple[DeviceId, bytes]]":
        agreed = []
        for device, public in self._keys.items():
            if len(public) != keys.KEY_BYTES:  # the binding would read past the end of a shorter one
                continue
            # A key of low order, which nobody holds honestly, is refused by libsodium.
            with contextlib.suppress(RuntimeError):
                agreed.append((device, sodium.crypto_scalarmult(self._own.secret, public)))
        return agreed


class Link:
    """One side of the handshake; `Initiator` and `Responder` differ in who shows itself first.

    `certificate_hash` is the SHA-256 of the responder's certificate as *this* side saw it. `receive`
    raises `PeerFault` (reasons: "bad message", "out of turn", "bad version", "stranger", "wrong peer",
    "bad signature"), after which the line is to be cut without a word.
    """

    _role: str
    _other: str

    def __init__(self, device: SigningKey, contacts: Contacts, certificate_hash: bytes, entropy: Entropy) -> None:
        self._device, self._contacts, self._certificate_hash = device, contacts, certificate_hash
        self._entropy = entropy
        self._nonce = entropy(NONCE_BYTES)
        self._session = b""
        self._peer: DeviceId | None = None
        self._step = "hello"

    def receive(self, frame: bytes) -> list[Event]:
        """What follows from one frame of the other side."""
        step, self._step = self._step, ""  # whatever goes wrong, nothing may follow
        message = self._decode(frame)
        if type(message).__name__.lower() != step:
            raise PeerFault("out of turn", type(message).__name__)
        handler: Callable[[Any], list[Event]] = getattr(self, f"_on_{step}")
        return handler(message)

    @staticmethod
    def _decode(frame: bytes) -> Any:
        if len(frame) > MAX_FRAME_BYTES:
            raise PeerFault("bad message", "too large")
        try:
            return _decoder.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PeerFault("bad message", str(error)[:200]) from error

    def _meet(self, hello: Hello, nonces: tuple[bytes, bytes]) -> None:
        if hello.version != LINK_VERSION:
            raise PeerFault("bad version", str(hello.version))
        version = LINK_VERSION.to_bytes(2, "big")
        self._session = keys.digest("link", version, self._certificate_hash, *nonces)

    def _sign(self, peer: DeviceId) -> bytes:
        return self._device.sign(f"link-{self._role}", self._session + self._device.public + peer)

    def _verify(self, peer: DeviceId, signature: bytes) -> None:
        said = self._session + peer + self._device.public
        if not keys.verify(peer, f"link-{self._other}", said, signature):
            raise PeerFault("bad signature")


class Initiator(Link):
    """The side that dialled. With `expected`, another device at that address is refused, known or not."""

    _role, _other = "initiator", "responder"

    def __init__(
        self,
        device: SigningKey,
        contacts: Contacts,
        certificate_hash: bytes,
        entropy: Entropy,
        expected: DeviceId | None = None,
    ) -> None:
        super().__init__(device, contacts, certificate_hash, entropy)
        self._expected = expected

    def start(self) -> list[Event]:
        """The first frame."""
        return [Send(encode(Hello(LINK_VERSION, self._nonce)))]

    def _on_hello(self, hello: Hello) -> list[Event]:
        self._meet(hello, (self._nonce, hello.nonce))
        tags = list(self._contacts.tags(self._role, self._session))
        size = next(size for size in _PADDED_TO if size >= len(tags))
        tags += [self._entropy(TAG_BYTES) for _ in range(size - len(tags))]
        self._step = "recognised"
        return [Send(encode(Tags(tuple(sorted(tags)))))]

    def _on_recognised(self, recognised: Recognised) -> list[Event]:
        peer = self._contacts.tags(self._other, self._session).get(recognised.tag)
        if peer is None:
            raise PeerFault("stranger")
        if self._expected is not None and peer != self._expected:
            raise PeerFault("wrong peer")
        self._verify(peer, recognised.signature)
        return [Send(encode(Signed(self._sign(peer)))), Established(peer, self._session)]


class Responder(Link):
    """The side that was dialled. It answers a hello, and beyond that only whom it knows."""

    _role, _other = "responder", "initiator"

    def _on_hello(self, hello: Hello) -> list[Event]:
        self._meet(hello, (hello.nonce, self._nonce))
        self._step = "tags"
        return [Send(encode(Hello(LINK_VERSION, self._nonce)))]

    def _on_tags(self, tags: Tags) -> list[Event]:
        known = self._contacts.tags(self._other, self._session)
        found = [tag for tag in tags.tags if tag in known]
        if len(found) != 1:
            raise PeerFault("stranger")
        self._peer = known[found[0]]
        answers = {device: tag for tag, device in self._contacts.tags(self._role, self._session).items()}
        self._step = "signed"
        return [Send(encode(Recognised(answers[self._peer], self._sign(self._peer))))]

    def _on_signed(self, signed: Signed) -> list[Event]:
        assert self._peer is not None
        self._verify(self._peer, signed.signature)
        return [Established(self._peer, self._session)]
