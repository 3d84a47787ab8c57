"""Sign, agree, seal, derive: the only file that touches a cipher, each use under a label of its own.

Everything is libsodium through PyNaCl (OpenSSL's Ed25519 accepts the identity point as a public key,
under which any signature verifies), except hashing, which is the standard library's BLAKE2b. Every
label starts with ``opensesh/1/`` so that bytes made for one purpose never verify for another.
Randomness is handed in: sealing takes its nonce as an argument.
"""

import hashlib
import hmac
from dataclasses import dataclass

import nacl.bindings as sodium
from nacl.exceptions import CryptoError

from crdt.errors import PeerFault

KEY_BYTES = 32
SIGNATURE_BYTES = 64
NONCE_BYTES = 24
TAG_BYTES = 16
WRAP_BYTES = KEY_BYTES + sodium.crypto_box_SEALBYTES
_PREFIX = b"opensesh/1/"
_ANY_SECRET = bytes([1]) * KEY_BYTES


def digest(label: str, *parts: bytes, size: int = 32) -> bytes:
    """BLAKE2b of the label and the length-prefixed parts; no two lists of parts hash alike."""
    return _absorb(hashlib.blake2b(digest_size=size), label, parts)


def derive(secret: bytes, label: str, *parts: bytes, size: int = 32) -> bytes:
    """A key for one purpose out of a secret: BLAKE2b keyed with it (RFC 7693), over label and parts."""
    return _absorb(hashlib.blake2b(key=secret, digest_size=size), label, parts)


def _absorb(state: "hashlib.blake2b", label: str, parts: tuple[bytes, ...]) -> bytes:
    name = _PREFIX + label.encode()
    state.update(len(name).to_bytes(2, "big") + name)
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


def equal(left: bytes, right: bytes) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(left, right)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair, made from a 32-byte seed. `repr` shows the public half alone."""

    seed: bytes
    public: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        public, _ = sodium.crypto_sign_seed_keypair(seed)
        return cls(seed, public)

    def sign(self, label: str, message: bytes) -> bytes:
        """64 bytes over the labelled message; never over a bare one."""
        signed = sodium.crypto_sign(_labelled(label, message), self.seed + self.public)
        return signed[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()[:16]}…)"


def verify(public: bytes, label: str, message: bytes, signature: bytes) -> bool:
    """True if `signature` was made over this labelled message by the holder of `public`."""
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        sodium.crypto_sign_open(signature + _labelled(label, message), public)
    except (CryptoError, ValueError):
        return False
    return True


def _labelled(label: str, message: bytes) -> bytes:
    return _PREFIX + label.encode() + b"\x00" + message


@dataclass(frozen=True, slots=True)
class AgreementKey:
    """An X25519 key pair, for wrapping keys to its holder. `repr` shows the public half alone."""

    secret: bytes
    public: bytes

    @classmethod
    def from_secret(cls, secret: bytes) -> "AgreementKey":
        return cls(secret, sodium.crypto_scalarmult_base(secret))

    def unwrap(self, wrapped: bytes) -> bytes | None:
        """The wrapped key, or None when it was wrapped to somebody else or is damaged."""
        if len(wrapped) != WRAP_BYTES:
            return None
        try:
            return sodium.crypto_box_seal_open(wrapped, self.public, self.secret)
        except CryptoError:
            return None

    def __repr__(self) -> str:
        return f"AgreementKey(public={self.public.hex()[:16]}…)"


def is_agreement_key(public: bytes) -> bool:
    """Whether anything can be wrapped to an X25519 key: not if it is of small order, which nobody holds honestly."""
    if len(public) != KEY_BYTES:
        return False
    try:
        sodium.crypto_scalarmult(_ANY_SECRET, public)
    except RuntimeError:
        return False
    return True


def wrap(public: bytes, key: bytes) -> bytes:
    """Wrap a 32-byte key to an X25519 public key. The result names neither sender nor recipient.

    libsodium's sealed box draws its ephemeral key from the operating system itself: the one place
    in the core that can't be replayed from a seed, and nothing depends on its bytes.
    """
    return sodium.crypto_box_seal(key, public)


def seal(key: bytes, nonce: bytes, plaintext: bytes, bound: bytes) -> bytes:
    """XChaCha20-Poly1305; `bound` is authenticated along with the text. Returns ciphertext and tag."""
    return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, bound, nonce, key)


def unseal(key: bytes, nonce: bytes, ciphertext: bytes, bound: bytes) -> bytes:
    """The plaintext. Raises `PeerFault("bad seal")` if key, nonce, `bound` or bytes differ."""
    try:
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, bound, nonce, key)
    except (CryptoError, ValueError) as error:
        raise PeerFault("bad seal") from error
